//! A [`Handover`] as bytes: fixed little-endian records, since a jump is decoded where nothing is in the caches and every
//! clever step costs a miss. Only the layout log, mostly empty, is in postcard's form.
//!
//! ```text
//!   counts   4 x u32   books, runs, hot pages, bytes of the layout log
//!   books    resident u64, limit u64, exhausted u64 (0 or 1)        each
//!   runs     first page u64, entry of the first u64, count u32      each
//!   hot      page u64                                               each
//!   layout   postcard
//! ```

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::handover::{Book, Handover};
use crate::placement::PlacementRun;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Counts {
    books: U32,
    runs: U32,
    hot: U32,
    layout_bytes: U32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct BookRecord {
    resident: U64,
    limit: U64,
    exhausted: U64,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RunRecord {
    first_page: U64,
    entry_of_first: U64,
    count: U32,
}

/// The bytes are no handover: the other node is of another version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the memory's part of a jump is cut short or malformed; all nodes must run the same version")]
pub struct BadHandover;

impl Handover {
    /// Appends the bytes to `into`.
    ///
    /// # Errors
    /// More than 4 GiB of something.
    pub fn encode(&self, into: &mut Vec<u8>) -> Result<(), BadHandover> {
        let count = |len: usize| u32::try_from(len).map(U32::new).map_err(|_| BadHandover);
        let layout = postcard::to_stdvec(&self.layout).map_err(|_| BadHandover)?;
        let counts = Counts {
            books: count(self.books.len())?,
            runs: count(self.placement.len())?,
            hot: count(self.hot.len())?,
            layout_bytes: count(layout.len())?,
        };
        into.extend_from_slice(counts.as_bytes());
        for book in &self.books {
            let [resident, limit, exhausted] = [book.resident, book.limit, book.exhausted.into()].map(U64::new);
            into.extend_from_slice(BookRecord { resident, limit, exhausted }.as_bytes());
        }
        for run in &self.placement {
            let [first_page, entry_of_first] = [run.first_page, run.entry_of_first].map(U64::new);
            into.extend_from_slice(RunRecord { first_page, entry_of_first, count: U32::new(run.count) }.as_bytes());
        }
        self.hot.iter().for_each(|page| into.extend_from_slice(&page.to_le_bytes()));
        into.extend_from_slice(&layout);
        Ok(())
    }

    /// Reads what [`Handover::encode`] wrote, all of `bytes`. What it says has still to be checked.
    ///
    /// # Errors
    /// The bytes are not such.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadHandover> {
        let (counts, rest) = Counts::ref_from_prefix(bytes).map_err(|_| BadHandover)?;
        let (books, rest) = records::<BookRecord>(rest, counts.books)?;
        let (runs, rest) = records::<RunRecord>(rest, counts.runs)?;
        let (hot, layout) = records::<U64>(rest, counts.hot)?;
        if layout.len() != counts.layout_bytes.get() as usize {
            return Err(BadHandover);
        }
        let book = |book: &BookRecord| Book {
            resident: book.resident.get(),
            limit: book.limit.get(),
            exhausted: book.exhausted.get() != 0,
        };
        let run = |run: &RunRecord| PlacementRun {
            first_page: run.first_page.get(),
            count: run.count.get(),
            entry_of_first: run.entry_of_first.get(),
        };
        Ok(Self {
            books: books.iter().map(book).collect(),
            layout: postcard::from_bytes(layout).map_err(|_| BadHandover)?,
            placement: runs.iter().map(run).collect(),
            hot: hot.iter().map(|page| page.get()).collect(),
        })
    }
}

/// The first `count` records, and what follows them.
fn records<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    bytes: &[u8],
    count: U32,
) -> Result<(&[T], &[u8]), BadHandover> {
    <[T]>::ref_from_prefix_with_elems(bytes, count.get() as usize).map_err(|_| BadHandover)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout_log::{LayoutOp, LayoutTail};
    use proptest::prelude::*;

    fn handover() -> impl Strategy<Value = Handover> {
        let book = any::<(u64, u64, bool)>();
        let run = any::<(u64, u32, u64)>();
        let (books, runs) = (prop::collection::vec(book, 0..16), prop::collection::vec(run, 0..50));
        let unmap = any::<(u64, u64)>();
        let ops = prop::collection::vec(unmap, 0..4);
        (books, runs, prop::collection::vec(any::<u64>(), 0..8), ops, any::<u16>()).prop_map(
            |(books, runs, hot, ops, active)| Handover {
                books: books
                    .into_iter()
                    .map(|(resident, limit, exhausted)| Book { resident, limit, exhausted })
                    .collect(),
                placement: runs
                    .into_iter()
                    .map(|(first_page, count, entry_of_first)| PlacementRun { first_page, count, entry_of_first })
                    .collect(),
                hot,
                layout: LayoutTail {
                    first: 7,
                    ops: ops.into_iter().map(|(start, end)| LayoutOp::Unmap { range: start..end }).collect(),
                    applied: [3; crate::entry::NODES],
                    active,
                    behind: active >> 3,
                    snapshot: None,
                },
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(handover in handover()) {
            let mut bytes = vec![9];
            handover.encode(&mut bytes).expect("small");
            prop_assert_eq!(Handover::decode(&bytes[1..]), Ok(handover));
        }

        #[test]
        fn bytes_cut_short_or_random_are_refused_or_read_without_panic(
            handover in handover(), cut in any::<prop::sample::Index>(), noise in prop::collection::vec(any::<u8>(), 0..200)
        ) {
            let mut bytes = Vec::new();
            handover.encode(&mut bytes).expect("small");
            prop_assert_eq!(Handover::decode(&bytes[..cut.index(bytes.len())]), Err(BadHandover));
            let _ = Handover::decode(&noise);
        }
    }
}
