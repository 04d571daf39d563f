//! From a call and its arguments to the memory that the kernel will touch.

use super::call::{Call, Dir, Pointer, Shape};
use super::guest::{Fault, GuestMemory};
use super::walk::Walk;

/// Bytes that the kernel reads or writes during one call. `addr + len` never exceeds `u64::MAX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// First byte, an address of the app as given: it need not be mapped.
    pub addr: u64,
    /// Length in bytes, never 0.
    pub len: u64,
    /// Which way the bytes go.
    pub dir: Dir,
    /// The argument (0 to 5) that holds `addr` itself; `None` when `addr` was found in memory.
    pub arg: Option<u8>,
}

/// The ranges of one call, in the order of the table's pointers. No allocation up to 64 ranges.
#[derive(Debug)]
pub struct Ranges {
    inline: [Range; Ranges::INLINE],
    inline_count: usize,
    spill: Vec<Range>,
    guessed: bool,
}

impl Default for Ranges {
    fn default() -> Self {
        Ranges::new()
    }
}

impl Ranges {
    const INLINE: usize = 64;

    /// An empty list.
    pub fn new() -> Ranges {
        let none = Range { addr: 0, len: 0, dir: Dir::In, arg: None };
        Ranges { inline: [none; Ranges::INLINE], inline_count: 0, spill: Vec::new(), guessed: false }
    }

    /// Forgets all ranges and keeps the memory for the next call.
    pub fn clear(&mut self) {
        self.inline_count = 0;
        self.spill.clear();
        self.guessed = false;
    }

    /// Adds a range. One that is empty or starts at 0 (an optional pointer left out) is ignored; one that would wrap
    /// ends at the last address.
    pub fn push(&mut self, addr: u64, len: u64, dir: Dir, arg: Option<u8>) {
        let len = len.min(u64::MAX - addr);
        if addr == 0 || len == 0 {
            return;
        }
        let range = Range { addr, len, dir, arg };
        if self.spill.is_empty() && self.inline_count < Ranges::INLINE {
            self.inline[self.inline_count] = range;
            self.inline_count += 1;
            return;
        }
        if self.spill.is_empty() {
            self.spill.extend_from_slice(&self.inline);
        }
        self.spill.push(range);
    }

    /// The ranges so far.
    pub fn as_slice(&self) -> &[Range] {
        if self.spill.is_empty() { &self.inline[..self.inline_count] } else { &self.spill }
    }

    /// The table does not know what this call touches (an unknown ioctl, say): the ranges are a generous guess, which is
    /// good for making pages resident and useless for forwarding.
    pub fn guessed(&self) -> bool {
        self.guessed
    }

    pub(super) fn guess(&mut self) {
        self.guessed = true;
    }

    /// Every range is known and directly at an argument, so that staged buffers can stand in for them.
    pub fn flat(&self) -> bool {
        !self.guessed && self.as_slice().iter().all(|range| range.arg.is_some())
    }
}

/// Adds to `out` (cleared first) the memory that the kernel will read or write for `call(args)`, reading app memory
/// through `mem` where lengths or further pointers are stored there. To be called in the trap handler, on the node
/// that executes the app.
///
/// Lengths are the app's and may be absurd; the addresses need not be mapped. Whoever makes ranges resident has to
/// stop at the first unmapped byte and let the kernel decide what that means for this call.
///
/// # Errors
///
/// [`Fault`] when app memory that leads further (a path, an iovec array, a length) cannot be read. `out` holds the ranges
/// found so far. Make them resident and run the call natively all the same: the kernel finds the same fault, or an error
/// that it looks for earlier.
pub fn ranges(call: &Call, args: &[u64; 6], mem: &mut dyn GuestMemory, out: &mut Ranges) -> Result<(), Fault> {
    out.clear();
    let mut walk = Walk { args, mem, out };
    call.pointers.iter().try_for_each(|pointer| match *pointer {
        Pointer::In(arg, shape) => shaped(&mut walk, arg, shape, Dir::In),
        Pointer::Out(arg, shape) => shaped(&mut walk, arg, shape, Dir::Out),
        Pointer::InOut(arg, shape) => shaped(&mut walk, arg, shape, Dir::InOut),
        Pointer::Path(arg) => walk.text(arg, super::call::PATH_MAX),
        Pointer::Text(arg, limit) => walk.text(arg, limit),
        Pointer::IovIn(arg, count) => walk.vector(arg, count, Dir::In),
        Pointer::IovOut(arg, count) => walk.vector(arg, count, Dir::Out),
        Pointer::By(rule) => rule(&mut walk),
    })
}

fn shaped(walk: &mut Walk<'_>, arg: u8, shape: Shape, dir: Dir) -> Result<(), Fault> {
    let len = match shape {
        Shape::Fixed(len) => u64::from(len),
        Shape::Bytes(count) => walk.arg(count),
        Shape::Int(count) => u64::from(walk.arg32(count)),
        Shape::Items(count, size) | Shape::GotItems(count, size) => u64::from(walk.arg32(count)) * u64::from(size),
        Shape::Rw(count) | Shape::Got(count) => walk.arg(count).min(super::call::MAX_RW_COUNT),
        Shape::LenAt(pointer) if walk.arg(arg) != 0 && walk.arg(pointer) != 0 => {
            walk.read_u32(walk.arg(pointer))?.into()
        }
        Shape::LenAt(_) => 0,
    };
    walk.direct(arg, len, dir);
    Ok(())
}
