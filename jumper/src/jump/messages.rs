//! First bytes of the messages between executors. The pager's own (pages, leases) are in `eos_pager::fetch`.

/// Execution: [`JumpHeader`] with its length before it, register context, hot pages.
pub const JUMP: u8 = 16;
/// A system call for the deputy.
pub const CALL: u8 = 17;
/// Its answer.
pub const CALL_REPLY: u8 = 18;
/// Asks a parked node for its counters.
pub const STATS: u8 = 19;
/// They.
pub const STATS_REPLY: u8 = 20;
/// The run is over.
pub const BYE: u8 = 21;
/// A worker cannot go on; the rest is a sentence for the user.
pub const TROUBLE: u8 = 22;
/// Asks for the other clock. How far home's is ahead follows once home knows it (i64, nanoseconds).
pub const CLOCK: u8 = 23;
/// Its time.
pub const CLOCK_REPLY: u8 = 24;

use eos_pager::handover::Handover;
use serde::{Deserialize, Serialize};

use crate::memory::Brk;

/// What a jump says beside registers and pages.
#[derive(Debug, Serialize, Deserialize)]
pub struct JumpHeader {
    /// When it was sent, by the sender's clock, in nanoseconds.
    pub sent_at: i64,
    /// fs and gs base of the program.
    pub fs: u64,
    /// See `fs`.
    pub gs: u64,
    /// The program's signal mask.
    pub app_mask: u64,
    /// The heap.
    pub brk: Brk,
    /// Traps so far, for the torture's sequence of decisions.
    pub events: u64,
    /// The jump threshold in force.
    pub threshold: u32,
    /// The pager's part.
    pub handover: Handover,
    /// Bytes of the register context that follows.
    pub context_bytes: u32,
}
