//! What the two ends of a link say to each other over the control connection: requests, and answers to them.

use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::path::Address;

/// "Make your passive queue pair again, for my fresh active one."
pub(super) const REMAKE: u8 = 1;
/// "Register an extent of your region, and tell me its key."
pub(super) const KEY: u8 = 2;
/// "My half of the link works." Has no answer.
pub(super) const VERIFIED: u8 = 3;
/// Set in answers: "done".
const DONE: u8 = 0x80;
/// Set in answers: "not now", since the port is down, the device refuses or memory is short.
const REFUSED: u8 = 0x40;

/// A frame of the control connection.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) zero: [u8; 7],
    /// Which attempt (REMAKE) or extent (KEY) this is about.
    pub(super) number: U64,
    /// REMAKE, answered: the last SEND that was received. KEY, answered: the key.
    pub(super) word: U64,
    /// REMAKE: the fresh queue pair.
    pub(super) address: Address,
}

impl Frame {
    pub(super) fn new(kind: u8, number: u64) -> Frame {
        Frame { kind, number: U64::new(number), ..Frame::new_zeroed() }
    }

    /// The answer that it is done.
    pub(super) fn done(&self) -> Frame {
        Frame::new(self.kind | DONE, self.number.get())
    }

    /// The answer that it is not.
    pub(super) fn refused(&self) -> Frame {
        Frame::new(self.kind | REFUSED, self.number.get())
    }

    pub(super) fn is_answer(&self) -> bool {
        self.kind & (DONE | REFUSED) != 0
    }

    pub(super) fn is_done(&self) -> bool {
        self.kind & DONE != 0
    }

    /// Whether it answers `request`. Answers that come too late are about something else.
    pub(super) fn answers(&self, request: &Frame) -> bool {
        self.kind & !(DONE | REFUSED) == request.kind && self.number == request.number
    }
}
