//! Changes of the layout as operations: one that was made here, and those that make one layout equal to another.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::layout::{Area, Kind, Layout, Prot};

/// One change of the layout. Ranges are addresses in bytes, of whole pages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LayoutOp {
    /// `range` is mapped as `area`, in place of what was there.
    Map {
        /// Addresses.
        range: Range<u64>,
        /// How.
        area: Area,
    },
    /// `range` is not mapped any more.
    Unmap {
        /// Addresses.
        range: Range<u64>,
    },
    /// `range`, up to the first hole in it, has another protection.
    Protect {
        /// Addresses.
        range: Range<u64>,
        /// The new protection.
        prot: Prot,
    },
    /// The contents of `range` were given back, the mapping stays (`MADV_DONTNEED`).
    Discard {
        /// Addresses.
        range: Range<u64>,
    },
    /// The mapping and contents of `from` are at `to` now, in place of what was there (mremap). Does not move entries of
    /// the page table: the mover notes every moved page as changed.
    Move {
        /// Old addresses.
        from: Range<u64>,
        /// New address of the first byte.
        to: u64,
    },
}

impl LayoutOp {
    /// Address ranges whose pages have lost their contents: their entries are to be cleared. For [`LayoutOp::Map`]
    /// these are the pages of what it replaced.
    #[must_use]
    pub fn frees(&self) -> [Range<u64>; 2] {
        match self {
            Self::Map { range, .. } | Self::Unmap { range } | Self::Discard { range } => [range.clone(), 0..0],
            Self::Protect { .. } => [0..0, 0..0],
            Self::Move { from, to } => [from.clone(), *to..*to + (from.end - from.start)],
        }
    }
}

impl Layout {
    /// Does `op` to the layout.
    pub fn apply(&mut self, op: &LayoutOp) {
        match op {
            LayoutOp::Map { range, area } => self.insert(range.clone(), *area),
            LayoutOp::Unmap { range } => self.remove(range.clone()),
            // A hole is the program's error, which it was told where it executes.
            LayoutOp::Protect { range, prot } => drop(self.protect(range.clone(), *prot)),
            LayoutOp::Discard { .. } => {}
            LayoutOp::Move { from, to } => {
                let moved: Vec<_> = self.overlapping(from.clone()).collect();
                self.remove(from.clone());
                self.remove(*to..*to + (from.end - from.start));
                for (part, area) in moved {
                    self.insert(part.start - from.start + to..part.end - from.start + to, area);
                }
            }
        }
    }

    /// What makes this layout equal to `wanted`, done in order. Private read-only file mappings are mapped anew even where
    /// they look equal: another file may lie behind them, and copies of its pages are dropped at will.
    #[must_use]
    pub fn difference(&self, wanted: &Self) -> Vec<LayoutOp> {
        let mut ops = Vec::new();
        for (range, _) in self.iter() {
            let gone = wanted.pieces(range).into_iter().filter(|(_, area)| area.is_none());
            ops.extend(gone.map(|(range, _)| LayoutOp::Unmap { range }));
        }
        for (range, area) in wanted.iter() {
            for (range, old) in self.pieces(range) {
                let same_place = old.is_some_and(|old| Area { prot: area.prot, ..old } == area);
                if !same_place || area.kind == Kind::FileRo {
                    ops.push(LayoutOp::Map { range: range.clone(), area });
                }
                if same_place && old != Some(area) {
                    ops.push(LayoutOp::Protect { range, prot: area.prot });
                }
            }
        }
        ops
    }

    /// All of `range` in ascending order: its areas, cut to it, and the holes between them.
    fn pieces(&self, range: Range<u64>) -> Vec<(Range<u64>, Option<Area>)> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        for (part, area) in self.overlapping(range.clone()) {
            if at < part.start {
                pieces.push((at..part.start, None));
            }
            at = part.end;
            pieces.push((part, Some(area)));
        }
        if at < range.end {
            pieces.push((at..range.end, None));
        }
        pieces
    }
}
