//! What `--record` sees of the pager: faults and pushes, encoded at once into a buffer of fixed size.
//!
//! While there is a witness every page is a fault of its own: neighbours do not come along, so that a trace tells of every page that
//! the program wants. Without one a fault costs one branch.

use eos_policy::sim::trace::{Encoder, Event, What};
use eos_policy::window::Window;
use eos_verbs::NodeId;

use crate::page::{PageNumber, PageRange};
use crate::pager::Pager;

/// Bytes of events that are kept until somebody takes them: those of the largest system call, several times over.
const BUFFER_BYTES: usize = 128 << 10;

/// The buffer.
#[derive(Debug)]
pub struct Witness {
    /// Events that nobody has taken yet.
    pub encoder: Encoder,
    /// Nanoseconds to add to this node's clock to get home's.
    pub home_ahead_ns: i64,
}

/// How things stood before a fault.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    at_ns: u64,
    from: Option<NodeId>,
    installs: u64,
    fills: u64,
    pulls: u64,
}

impl Witness {
    /// With an empty buffer.
    pub fn new() -> Self {
        Self { encoder: Encoder::new(BUFFER_BYTES), home_ahead_ns: 0 }
    }

    /// Nanoseconds by home's clock.
    pub fn now_ns(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        (now.tv_sec * 1_000_000_000 + now.tv_nsec + self.home_ahead_ns).cast_unsigned()
    }

    /// Execution has arrived from `node`, which took so long.
    pub fn arrived(&mut self, node: NodeId, took_ns: u64) {
        let at_ns = self.now_ns().saturating_sub(took_ns);
        self.encoder.push(&Event { at_ns, took_ns, page: 0, pages: 0, write: false, what: What::Arrive(node.0) });
    }
}

impl Default for Witness {
    fn default() -> Self {
        Self::new()
    }
}

impl Pager {
    /// Records from now on.
    pub fn set_witness(&mut self, witness: Witness) {
        self.set_prefetch(false);
        self.zero_window = Window::new(1);
        self.slot_window = Window::new(1);
        self.fetch_window = Window::new(1);
        self.witness = Some(Box::new(witness));
    }

    /// Before a fault on `page`.
    pub(crate) fn before_fault(&self, page: PageNumber) -> Option<Before> {
        let witness = self.witness.as_ref()?;
        Some(Before {
            at_ns: witness.now_ns(),
            from: self.would_pull_from(page),
            installs: self.counters.local_installs,
            fills: self.counters.zero_fills,
            pulls: self.counters.pulls,
        })
    }

    /// After it.
    pub(crate) fn after_fault(&mut self, before: Before, page: PageNumber, write: bool) {
        let (installs, fills, pulls) = (self.counters.local_installs, self.counters.zero_fills, self.counters.pulls);
        let Some(witness) = &mut self.witness else {
            return;
        };
        let (what, pages) = match before.from {
            Some(node) if pulls > before.pulls => (What::Pull(node.0), pulls - before.pulls),
            _ if installs > before.installs => (What::Slot, installs - before.installs),
            _ if fills > before.fills => (What::Fresh, fills - before.fills),
            _ => (What::Upgrade, 1),
        };
        let took_ns = witness.now_ns().saturating_sub(before.at_ns);
        witness.encoder.push(&Event { at_ns: before.at_ns, took_ns, page: page.0, pages, write, what });
    }

    /// Pages have gone to `node`.
    pub(crate) fn see_push(&mut self, pages: PageRange, node: NodeId) {
        if let Some(witness) = &mut self.witness {
            let at_ns = witness.now_ns();
            let (page, pages) = (pages.start.0, pages.count());
            witness.encoder.push(&Event { at_ns, took_ns: 0, page, pages, write: true, what: What::Push(node.0) });
        }
    }
}
