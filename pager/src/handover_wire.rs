//! A [`Handover`] as bytes: fixed little-endian records, since a jump is decoded where nothing is in the caches and every
//! clever step costs a miss. Only changes of the layout, of which there are mostly none, are in postcard's form.
//!
//! ```text
//!   counts   5 x u32   books, ranges lent, runs, hot pages, bytes of the layout's changes
//!   log      first operation u64, 16 x u64 operations applied, active u16, behind u16
//!   books    resident u64, limit u64, exhausted u64 (0 or 1), slab u64, owed u64, closed 2 x u32   each
//!   lent     node u32, first slot u32, one past the last u32        each
//!   runs     first page u64, entry of the first u64, count u32      each
//!   hot      page u64                                               each
//!   layout   operations and snapshot in postcard's form; no bytes if there are none
//! ```

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::entry::NODES;
use crate::handover::{Book, Handover, Lent};
use crate::layout_log::LayoutTail;
use crate::placement::PlacementRun;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Counts {
    books: U32,
    lent: U32,
    runs: U32,
    hot: U32,
    layout_bytes: U32,
}

/// The layout's part that every jump has.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct LayoutRecord {
    first: U64,
    applied: [U64; NODES],
    active: U16,
    behind: U16,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct BookRecord {
    resident: U64,
    limit: U64,
    exhausted: U64,
    slab: U64,
    owed: U64,
    closed: [U32; 2],
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct LentRecord {
    node: U32,
    first: U32,
    end: U32,
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
        let layout = log_bytes(&self.layout)?;
        let counts = Counts {
            books: count(self.books.len())?,
            lent: count(self.lent.len())?,
            runs: count(self.placement.len())?,
            hot: count(self.hot.len())?,
            layout_bytes: count(layout.len())?,
        };
        into.extend_from_slice(counts.as_bytes());
        let LayoutTail { first, applied, active, behind, .. } = self.layout;
        let applied = applied.map(U64::new);
        let record = LayoutRecord { first: first.into(), applied, active: active.into(), behind: behind.into() };
        into.extend_from_slice(record.as_bytes());
        for book in &self.books {
            let [resident, limit, exhausted, slab, owed] =
                [book.resident, book.limit, book.exhausted.into(), book.slab, book.owed].map(U64::new);
            let closed = book.closed.map(U32::new);
            into.extend_from_slice(BookRecord { resident, limit, exhausted, slab, owed, closed }.as_bytes());
        }
        for Lent { node, slots } in &self.lent {
            let [node, first, end] = [u32::from(*node), slots.start, slots.end].map(U32::new);
            into.extend_from_slice(LentRecord { node, first, end }.as_bytes());
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
        let (log, rest) = LayoutRecord::ref_from_prefix(rest).map_err(|_| BadHandover)?;
        let (books, rest) = records::<BookRecord>(rest, counts.books)?;
        let (lent, rest) = records::<LentRecord>(rest, counts.lent)?;
        let (runs, rest) = records::<RunRecord>(rest, counts.runs)?;
        let (hot, layout) = records::<U64>(rest, counts.hot)?;
        if layout.len() != counts.layout_bytes.get() as usize {
            return Err(BadHandover);
        }
        let book = |book: &BookRecord| Book {
            resident: book.resident.get(),
            limit: book.limit.get(),
            exhausted: book.exhausted.get() != 0,
            slab: book.slab.get(),
            owed: book.owed.get(),
            closed: book.closed.map(U32::get),
        };
        let lent_of = |lent: &LentRecord| {
            let node = u8::try_from(lent.node.get()).map_err(|_| BadHandover)?;
            Ok(Lent { node, slots: lent.first.get()..lent.end.get() })
        };
        let run = |run: &RunRecord| PlacementRun {
            first_page: run.first_page.get(),
            count: run.count.get(),
            entry_of_first: run.entry_of_first.get(),
        };
        Ok(Self {
            books: books.iter().map(book).collect(),
            lent: lent.iter().map(lent_of).collect::<Result<_, _>>()?,
            layout: log.with_changes(layout)?,
            placement: runs.iter().map(run).collect(),
            hot: hot.iter().map(|page| page.get()).collect(),
        })
    }
}

impl LayoutRecord {
    /// The tail with the operations and the snapshot that [`log_bytes`] wrote.
    fn with_changes(&self, changes: &[u8]) -> Result<LayoutTail, BadHandover> {
        let (ops, snapshot) = match changes {
            [] => (Vec::new(), None),
            _ => postcard::from_bytes(changes).map_err(|_| BadHandover)?,
        };
        Ok(LayoutTail {
            first: self.first.get(),
            ops,
            snapshot,
            applied: self.applied.map(U64::get),
            active: self.active.get(),
            behind: self.behind.get(),
        })
    }
}

/// The operations and the snapshot; no bytes if there are none, as is usual.
fn log_bytes(tail: &LayoutTail) -> Result<Vec<u8>, BadHandover> {
    if tail.ops.is_empty() && tail.snapshot.is_none() {
        return Ok(Vec::new());
    }
    postcard::to_stdvec(&(&tail.ops, &tail.snapshot)).map_err(|_| BadHandover)
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
    use crate::layout_log::LayoutOp;
    use proptest::prelude::*;

    fn handover() -> impl Strategy<Value = Handover> {
        let book = any::<(u64, u64, bool, u64, u64, [u32; 2])>();
        let lent = prop::collection::vec(any::<(u8, u32, u32)>(), 0..9);
        let run = any::<(u64, u32, u64)>();
        let (books, runs) = (prop::collection::vec(book, 0..16), prop::collection::vec(run, 0..50));
        let unmap = any::<(u64, u64)>();
        let ops = prop::collection::vec(unmap, 0..4);
        (books, lent, runs, prop::collection::vec(any::<u64>(), 0..8), ops, any::<u16>()).prop_map(
            |(books, lent, runs, hot, ops, active)| Handover {
                lent: lent.into_iter().map(|(node, first, end)| Lent { node, slots: first..end }).collect(),
                books: books
                    .into_iter()
                    .map(|(resident, limit, exhausted, slab, owed, closed)| Book {
                        resident,
                        limit,
                        exhausted,
                        slab,
                        owed,
                        closed,
                    })
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
