//! Fixed frames of the two data sockets.
//!
//! A request is 16 bytes, followed by the data if it writes. A response is 8 bytes, followed by the data of a read that
//! was served. Responses come in the order of the requests; a write has none. The data of *packed* reads and writes is in
//! [blocks](super::block); the lengths in the frames are those of the data before.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::queue_pair::TRANSFER_MAX;

/// Bytes of a [`Request`].
pub(crate) const REQUEST: usize = size_of::<Request>();
/// Bytes of a [`Response`].
pub(crate) const RESPONSE: usize = size_of::<Response>();

const _: () = assert!(REQUEST == 16 && RESPONSE == 8);

const READ: u8 = 1;
const WRITE: u8 = 2;
const FENCE: u8 = 3;
const PACKED_READ: u8 = 4;
const PACKED_WRITE: u8 = 5;

/// The request was served. A fence: and so was every write before it.
pub(crate) const SERVED: u8 = 0;
/// Bytes outside the region were asked for. A fence: by a write since the last fence.
pub(crate) const OUT_OF_RANGE: u8 = 1;
/// The request makes no sense; the responder closes the connection after this.
pub(crate) const NONSENSE: u8 = 2;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Request {
    op: u8,
    zero: [u8; 3],
    len: U32,
    offset: U64,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Response {
    pub(crate) status: u8,
    zero: [u8; 3],
    pub(crate) len: U32,
}

/// A request that makes sense; its range is not checked against any region yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Read { offset: u64, len: usize, packed: bool },
    Write { offset: u64, len: usize, packed: bool },
    Fence,
}

impl Request {
    /// `len` is at most [`TRANSFER_MAX`], which the caller has checked.
    pub(crate) fn read(offset: u64, len: usize, packed: bool) -> Request {
        Request::new(if packed { PACKED_READ } else { READ }, offset, len)
    }

    /// `len` is at most [`TRANSFER_MAX`], which the caller has checked.
    pub(crate) fn write(offset: u64, len: usize, packed: bool) -> Request {
        Request::new(if packed { PACKED_WRITE } else { WRITE }, offset, len)
    }

    pub(crate) fn fence() -> Request {
        Request::new(FENCE, 0, 0)
    }

    fn new(op: u8, offset: u64, len: usize) -> Request {
        debug_assert!(len <= TRANSFER_MAX);
        Request { op, zero: [0; 3], len: U32::new(len as u32), offset: U64::new(offset) }
    }

    /// What is asked for, or `None` when the frame makes no sense.
    pub(crate) fn operation(&self) -> Option<Operation> {
        let (offset, len) = (self.offset.get(), self.len.get() as usize);
        match self.op {
            _ if self.zero != [0; 3] || len > TRANSFER_MAX => None,
            READ | PACKED_READ => Some(Operation::Read { offset, len, packed: self.op == PACKED_READ }),
            WRITE | PACKED_WRITE => Some(Operation::Write { offset, len, packed: self.op == PACKED_WRITE }),
            FENCE if (offset, len) == (0, 0) => Some(Operation::Fence),
            _ => None,
        }
    }
}

impl Response {
    pub(crate) fn new(status: u8, len: usize) -> Response {
        debug_assert!(len <= TRANSFER_MAX);
        Response { status, zero: [0; 3], len: U32::new(len as u32) }
    }
}

/// `offset` as an index, when `offset..offset+len` lies inside a region of `region_len` bytes.
pub(crate) fn inside(offset: u64, len: usize, region_len: usize) -> Option<usize> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(len)?;
    (end <= region_len).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_request_comes_back_as_what_it_was(offset: u64, len in 0..=TRANSFER_MAX, packed: bool) {
            let wire = Request::read(offset, len, packed);
            let back = Request::read_from_bytes(wire.as_bytes()).expect("16 bytes").operation();
            prop_assert_eq!(back, Some(Operation::Read { offset, len, packed }));
            let write = Request::write(offset, len, packed).operation();
            prop_assert_eq!(write, Some(Operation::Write { offset, len, packed }));
        }

        #[test]
        fn any_sixteen_bytes_are_told_apart_without_panic(bytes: [u8; REQUEST]) {
            let request = Request::read_from_bytes(&bytes).expect("16 bytes");
            if let Some(Operation::Read { len, .. } | Operation::Write { len, .. }) = request.operation() {
                prop_assert!(len <= TRANSFER_MAX);
            }
        }

        #[test]
        fn a_range_is_inside_only_if_both_ends_are(offset: u64, len in 0..=TRANSFER_MAX, region_len in 0usize..1 << 40) {
            let inside_as_numbers = u128::from(offset) + len as u128 <= region_len as u128;
            prop_assert_eq!(inside(offset, len, region_len).is_some(), inside_as_numbers);
        }
    }

    #[test]
    fn a_fence_with_a_range_makes_no_sense() {
        assert_eq!(Request::fence().operation(), Some(Operation::Fence));
        assert_eq!(Request::new(FENCE, 1, 0).operation(), None);
        assert_eq!(Request::new(0, 0, 0).operation(), None);
    }
}
