//! First bytes of the messages between executors. The pager's own (pages, leases) are in `eos_pager::fetch`.

/// Execution: [`JumpHeader`], the pager's part, register context, hot pages.
pub const JUMP: u8 = 16;
/// A system call for the deputy.
pub const CALL: u8 = 17;
/// What home's clocks told afterwards ([`WireReadings`]), and the answer.
pub const CALL_REPLY: u8 = 18;
/// Asks a parked node for its counters.
pub const STATS: u8 = 19;
/// They.
pub const STATS_REPLY: u8 = 20;
/// The run is over.
pub const BYE: u8 = 21;
/// A worker cannot go on; the rest is a sentence for the user.
pub const TROUBLE: u8 = 22;
/// Asks for the other clocks. How far home's are ahead follows once home knows it ([`WireReadings`]).
pub const CLOCK: u8 = 23;
/// What they tell ([`WireReadings`]).
pub const CLOCK_REPLY: u8 = 24;

/// A block of the trace, for home's file.
pub const RECORD: u8 = 25;

/// A thread goes home alone, for a call in which it sleeps: its number, the length of its context (each 4 bytes), its context, the call as
/// in [`CALL`].
pub const SLEEPER: u8 = 26;
/// Home has it.
pub const SLEEPER_REPLY: u8 = 27;

/// Home to a parked worker: another peer joins ([`Introduction`](crate::cluster::messages::Introduction)).
pub const NEWCOMER: u8 = 28;
/// Whether the worker is linked to it: a link's report, or why not (postcard).
pub const NEWCOMER_REPLY: u8 = 29;
/// The newcomer that was met last is a node from now on (1), or does not come (0).
pub const SEATED: u8 = 30;
/// The worker has heard it.
pub const SEATED_REPLY: u8 = 31;

pub use crate::clock_page::WireReadings;

use eos_policy::adaptive::LUGGAGE_WORDS;
use serde::{Deserialize, Serialize};
use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What a jump says beside registers and pages. After [`JUMP`] come this record, the pager's part, the register context, the party if
/// there is one, and the hot pages. A fixed record: it is read where nothing is in the caches.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct JumpHeader {
    /// When it was sent, by home's clock, in nanoseconds.
    pub sent_at: I64,
    /// What the program's clocks told then.
    pub clocks: WireReadings,
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
    /// The last call home that is answered ([`recall`](super::recall)).
    pub recalls: U64,
    /// The program's thread whose registers these are, by its number at home.
    pub thread: U32,
    /// What the policy of jumps has learnt ([`eos_policy::adaptive::Luggage`]).
    pub luggage: [U64; LUGGAGE_WORDS],
    /// Bytes of the pager's part.
    pub handover_bytes: U32,
    /// Bytes of the register context.
    pub context_bytes: U32,
    /// Bytes of the [`Party`]; 0: the program has one thread.
    pub party_bytes: U32,
}

/// What a jump of several threads says beside, in postcard's form.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Party {
    /// Threads of the program, those included that sleep at home.
    pub threads: u32,
    /// See `Executor::realtime_ahead`.
    pub realtime_ahead: i64,
    /// The wait of the thread that jumps which was broken off: its end, and where.
    pub broken_wait: (i64, u64),
    /// What calls at home have pinned: first byte and end.
    pub held: Vec<(u64, u64)>,
    /// The threads that come along: their numbers at home and contexts.
    pub companions: Vec<(u32, Vec<u8>)>,
}
