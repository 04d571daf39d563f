//! What the pager counts on one node. Cheap enough for the fault path: plain additions.

use serde::{Deserialize, Serialize};

/// Counts of one node since the start of the run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Traps for a page: pulls, local installs, zero fills, first writes to clean pages.
    pub faults: u64,
    /// Pages that came from another node.
    pub pulls: u64,
    /// Of these, pages that came along with others.
    pub prefetched: u64,
    /// Pulls into a full node, whose victim took the place of the page.
    pub swaps: u64,
    /// Pages that went to another node's region.
    pub pushes: u64,
    /// Clean pages that were dropped because their slot still held the same bytes.
    pub clean_drops: u64,
    /// Pages of zeros that were dropped without being sent.
    pub zero_drops: u64,
    /// Pages of zeros handed to the program.
    pub zero_fills: u64,
    /// Pages installed from this node's own slots.
    pub local_installs: u64,
    /// Pages of the slabs that were given back.
    pub given_back: u64,
    /// Pages that came home without the program having asked for them.
    pub brought_home: u64,
    /// Read-only file pages fetched from home.
    pub replicas: u64,
    /// Most pages resident at any time, of those that the pager cares for.
    pub resident_pages_max: u64,
    /// Most pages in mappings that were left to the kernel; not all of them need have been touched.
    pub native_pages_max: u64,
}

impl Counters {
    /// Most pages of the program resident here at any time. Of memory left to the kernel no more is known than that it was
    /// not more than what was mapped, nor more than the whole process had (getrusage(2)).
    #[must_use]
    pub fn resident_max(&self) -> u64 {
        // SAFETY: getrusage fills the structure.
        let process_kib = unsafe {
            let mut usage = std::mem::zeroed::<libc::rusage>();
            libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
            usage.ru_maxrss.unsigned_abs()
        };
        self.resident_pages_max.max(self.native_pages_max.min(process_kib / 4))
    }
}
