//! The log of layout changes, by which the other nodes follow the one that executes.
//!
//! Only the node that executes appends, so operations have one order; operation n of the run has sequence number n on
//! every node. A jump carries the tail that the next node has not applied, and what is known of the others' progress.
//! Replay a tail BEFORE the placement runs of the same jump: entries of the pages that an operation frees are cleared by
//! replaying it (see [`LayoutOp::frees`]), and the runs tell what came after.
//!
//! The log is bounded. When it is longer than [`OPS_MAX`] and than the layout has areas, the nodes that are furthest behind
//! are given up: operations are not kept for them, and the next jump there carries the whole layout, a *snapshot*. The node
//! does to its own layout what makes the two equal ([`Layout::difference`]). That what was unmapped and
//! mapped again in between has lost its contents, it learns from the placement runs.

use std::collections::VecDeque;

use eos_verbs::NodeId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::entry::NODES;
use crate::layout::Layout;
pub use crate::layout_op::LayoutOp;

/// Most operations that are kept for nodes that lack them, unless the layout has more areas.
pub const OPS_MAX: usize = 1024;

/// What one node sends another so that it catches up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LayoutTail {
    /// Sequence number of the first operation.
    pub first: u64,
    /// The operations, in order. With a snapshot: those that are in it already, and that other nodes may lack.
    pub ops: Vec<LayoutOp>,
    /// The whole layout, for a node for which operations were not kept.
    pub snapshot: Option<Layout>,
    /// How many operations each node has applied, as far as the sender knows.
    pub applied: [u64; NODES],
    /// The nodes that follow the log (bit k: node k).
    pub active: u16,
    /// The nodes that need a snapshot.
    pub behind: u16,
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
#[derive(Clone, Debug)]
pub struct LayoutLog {
    me: NodeId,
    /// Nodes that follow the log, `me` included.
    active: u16,
    /// Those of them that need a snapshot: operations are not kept for them.
    behind: u16,
    /// Sequence number of `ops[0]`.
    first: u64,
    ops: VecDeque<LayoutOp>,
    applied: [u64; NODES],
    ops_max: usize,
}

impl LayoutLog {
    /// The log of `me` at the beginning of a run, when all of `active` (bit k: node k) have the same layout.
    #[must_use]
    pub fn new(me: NodeId, active: u16) -> Self {
        Self::with_room(me, active, OPS_MAX)
    }

    /// As [`new`](Self::new), with room for `ops_max` operations, or as many as the layout has areas.
    #[must_use]
    pub fn with_room(me: NodeId, active: u16, ops_max: usize) -> Self {
        let active = active | bit(me);
        Self { me, active, behind: 0, first: 0, ops: VecDeque::new(), applied: [0; NODES], ops_max }
    }

    /// Appends an operation that was applied here, where the program executes; the layout has `areas` areas now. Returns
    /// its sequence number.
    pub fn append(&mut self, op: LayoutOp, areas: usize) -> u64 {
        let seq = self.end();
        self.ops.push_back(op);
        self.applied[self.me.index()] = seq + 1;
        self.trim();
        if self.ops.len() > self.ops_max.max(areas) {
            self.give_up_the_last();
        }
        seq
    }

    /// What `node` lacks; `layout` is this node's. It counts as applied from now on: it must be sent.
    pub fn tail_for(&mut self, node: NodeId, layout: &Layout) -> LayoutTail {
        let snapshot = (self.behind & bit(node) != 0).then(|| layout.clone());
        let first = if snapshot.is_some() { self.first } else { self.applied[node.index()].max(self.first) };
        let ops = self.ops.range((first - self.first) as usize..).cloned().collect();
        self.applied[node.index()] = self.end();
        self.behind &= !bit(node);
        self.trim();
        LayoutTail { first, ops, snapshot, applied: self.applied, active: self.active, behind: self.behind }
    }

    /// Takes a tail in; returns what is to be done to `layout`, which is this node's, in order.
    ///
    /// # Errors
    /// If operations between this log and the tail are missing; nothing changes then.
    pub fn receive(&mut self, tail: LayoutTail, layout: &Layout) -> Result<Vec<LayoutOp>, TailGap> {
        let have = self.end();
        let todo = if let Some(snapshot) = tail.snapshot {
            self.first = tail.first;
            self.ops = tail.ops.into();
            layout.difference(&snapshot)
        } else if tail.first <= have {
            let new: Vec<LayoutOp> = tail.ops.into_iter().skip((have - tail.first) as usize).collect();
            self.ops.extend(new.iter().cloned());
            new
        } else {
            return Err(TailGap { first: tail.first, have });
        };
        for (mine, theirs) in self.applied.iter_mut().zip(tail.applied) {
            *mine = theirs.max(*mine);
        }
        self.applied[self.me.index()] = self.end();
        self.active = tail.active | bit(self.me);
        self.behind = tail.behind & !bit(self.me);
        self.trim();
        Ok(todo)
    }

    /// `node`, with any layout, follows from now on: the next tail for it has a snapshot. Call it where the program executes;
    /// the other nodes learn of it with their next tail.
    pub fn join(&mut self, node: NodeId) {
        self.active |= bit(node);
        self.behind |= bit(node);
    }

    /// `node` does not follow any more. Call it where the program executes.
    pub fn leave(&mut self, node: NodeId) {
        self.active &= !bit(node) | bit(self.me);
        self.trim();
    }

    /// The nodes that follow (bit k: node k), this one included.
    #[must_use]
    pub fn active(&self) -> u16 {
        self.active
    }

    /// Whether the next tail for `node` has a snapshot.
    #[must_use]
    pub fn needs_snapshot(&self, node: NodeId) -> bool {
        self.behind & bit(node) != 0
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

    /// Whether nothing is kept for others.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The nodes for which operations are kept.
    fn followers(&self) -> impl Iterator<Item = usize> + use<> {
        let kept_for = self.active & !self.behind;
        (0..NODES).filter(move |node| kept_for >> node & 1 == 1)
    }

    /// Operations are not kept any more for the nodes that are furthest behind.
    fn give_up_the_last(&mut self) {
        let last = self.oldest_needed();
        let lasts = self.followers().filter(|node| self.applied[*node] == last);
        self.behind |= lasts.fold(0, |mask, node| mask | 1 << node) & !bit(self.me);
        self.trim();
    }

    /// The operation that some follower lacks and that is the oldest.
    fn oldest_needed(&self) -> u64 {
        self.followers().map(|node| self.applied[node]).min().unwrap_or(self.end())
    }

    /// Forgets what every follower has applied.
    fn trim(&mut self) {
        let done = self.oldest_needed().saturating_sub(self.first).min(self.ops.len() as u64);
        self.ops.drain(..done as usize);
        self.first += done;
    }
}

const fn bit(node: NodeId) -> u16 {
    1 << node.0
}
