//! First bytes of the messages between executors. The pager's own (pages, leases) are in `eos_pager::fetch`.

/// Execution: [`JumpHeader`], the pager's part, register context, hot pages.
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

use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What a jump says beside registers and pages. After [`JUMP`] come this record, the pager's part, the register context and
/// the hot pages. A fixed record: it is read where nothing is in the caches.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct JumpHeader {
    /// When it was sent, by home's clock, in nanoseconds.
    pub sent_at: I64,
    /// fs and gs base of the program.
    pub fs: U64,
    /// See `fs`.
    pub gs: U64,
    /// The program's signal mask.
    pub app_mask: U64,
    /// The heap: first byte, and end.
    pub brk: [U64; 2],
    /// Traps so far, for the torture's sequence of decisions.
    pub events: U64,
    /// The jump threshold in force.
    pub threshold: U32,
    /// Bytes of the pager's part.
    pub handover_bytes: U32,
    /// Bytes of the register context.
    pub context_bytes: U32,
}
