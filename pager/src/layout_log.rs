//! The log of layout changes, by which the other nodes follow the one that executes.
//!
//! Only the node that executes appends, so operations have one order; operation n of the run has sequence number n on
//! every node. A jump carries the tail that the next node has not applied, and what is known of the others' progress.
//! Replay a tail BEFORE the placement runs of the same jump: entries of the pages that an operation frees are cleared by
//! replaying it (see [`LayoutOp::frees`]), and the runs tell what came after.

use std::collections::VecDeque;
use std::ops::Range;

use eos_verbs::NodeId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::entry::NODES;
use crate::layout::{Area, Layout, Prot};

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
}

/// What one node sends another so that it catches up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LayoutTail {
    /// Sequence number of the first operation.
    pub first: u64,
    /// The operations, in order.
    pub ops: Vec<LayoutOp>,
    /// How many operations each node has applied, as far as the sender knows.
    pub applied: [u64; NODES],
    /// The nodes that follow the log (bit k: node k).
    pub active: u16,
}

/// A tail that does not fit the log: the two nodes do not belong to one run, or one has a bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "a layout log that begins at operation {first} reached a node that has only {have}: operations are missing; please report it"
)]
pub struct TailGap {
    /// Where the tail begins.
    pub first: u64,
    /// How many operations this node has.
    pub have: u64,
}

/// The log of one node: the operations that some active node may not have applied.
///
/// It grows while a node is not jumped to; whoever sees [`len`](Self::len) grow large sends that node its tail.
#[derive(Clone, Debug)]
pub struct LayoutLog {
    me: NodeId,
    /// Nodes that follow the log, `me` included.
    active: u16,
    /// Sequence number of `ops[0]`.
    first: u64,
    ops: VecDeque<LayoutOp>,
    applied: [u64; NODES],
}

impl LayoutLog {
    /// The log of `me` at the beginning of a run, when all of `active` (bit k: node k) have the same layout.
    #[must_use]
    pub fn new(me: NodeId, active: u16) -> Self {
        let active = active | 1 << me.0;
        Self { me, active, first: 0, ops: VecDeque::new(), applied: [0; NODES] }
    }

    /// The log of `me`, which joins with a copy of the sender's layout and this answer of its [`join`](Self::join).
    /// The operations are in that layout already; they are kept for nodes that lack them.
    #[must_use]
    pub fn joined(me: NodeId, tail: LayoutTail) -> Self {
        let LayoutTail { first, ops, applied, active } = tail;
        Self { me, active: active | 1 << me.0, first, ops: ops.into(), applied }
    }

    /// Appends an operation that was applied here, where the program executes. Returns its sequence number.
    pub fn append(&mut self, op: LayoutOp) -> u64 {
        let seq = self.end();
        if self.active != 1 << self.me.0 {
            self.ops.push_back(op);
        } else {
            self.first += 1;
        }
        self.applied[self.me.0 as usize] = seq + 1;
        seq
    }

    /// What `node` lacks. It counts as applied from now on: it must be sent.
    pub fn tail_for(&mut self, node: NodeId) -> LayoutTail {
        let first = self.applied[node.0 as usize].max(self.first);
        let ops = self.ops.range((first - self.first) as usize..).cloned().collect();
        self.applied[node.0 as usize] = self.end();
        let tail = LayoutTail { first, ops, applied: self.applied, active: self.active };
        self.trim();
        tail
    }

    /// Takes a tail in; returns the operations that are new here, to be applied in order.
    ///
    /// # Errors
    /// If operations between this log and the tail are missing; nothing changes then.
    pub fn receive(&mut self, tail: LayoutTail) -> Result<Vec<LayoutOp>, TailGap> {
        let have = self.end();
        if tail.first > have {
            return Err(TailGap { first: tail.first, have });
        }
        let known = (have - tail.first) as usize;
        let new: Vec<LayoutOp> = tail.ops.into_iter().skip(known).collect();
        self.ops.extend(new.iter().cloned());
        for (mine, theirs) in self.applied.iter_mut().zip(tail.applied) {
            *mine = theirs.max(*mine);
        }
        self.applied[self.me.0 as usize] = self.end();
        self.active = tail.active | 1 << self.me.0;
        self.trim();
        Ok(new)
    }

    /// `node` follows from now on: it is given a copy of the layout as it is, and what this returns, for
    /// [`joined`](Self::joined). Call it where the program executes; the other nodes learn of it with their next tail.
    pub fn join(&mut self, node: NodeId) -> LayoutTail {
        self.active |= 1 << node.0;
        self.applied[node.0 as usize] = self.end();
        let ops = self.ops.iter().cloned().collect();
        LayoutTail { first: self.first, ops, applied: self.applied, active: self.active }
    }

    /// `node` does not follow any more. Call it where the program executes.
    pub fn leave(&mut self, node: NodeId) {
        self.active &= !(1 << node.0) | 1 << self.me.0;
        self.trim();
    }

    /// The nodes that follow (bit k: node k), this one included.
    #[must_use]
    pub fn active(&self) -> u16 {
        self.active
    }

    /// Number of operations of the run so far: the sequence number of the next.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.ops.len() as u64
    }

    /// Number of operations kept for others.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether no active node lacks any operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Forgets what every active node has applied.
    fn trim(&mut self) {
        let followers = (0..NODES).filter(|node| self.active >> node & 1 == 1);
        let behind = followers.map(|node| self.applied[node]).min().unwrap_or(self.first);
        let done = behind.saturating_sub(self.first).min(self.ops.len() as u64);
        self.ops.drain(..done as usize);
        self.first += done;
    }
}
