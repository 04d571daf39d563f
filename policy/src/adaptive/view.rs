//! What the decider is told, and what of it travels with execution.

use super::prices::{PRICES_WORDS, Prices};
use crate::NODES;
use crate::ledger::Ledger;

/// Most doublings of a price.
pub(super) const RELUCTANCE_MAX: u8 = 40;

/// What the executing node knows of all nodes when it asks.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The node that executes.
    pub me: u8,
    /// Pages that each node holds.
    pub held: [u64; NODES],
    /// Pages that each may still take.
    pub room: [u64; NODES],
    /// Nodes that execution may go to, as a mask.
    pub executes: u16,
    /// Pages that home may hold.
    pub home_budget: u64,
    /// This node's clock in nanoseconds.
    pub now_ns: u64,
}

/// What the executing node has counted since it was started; only differences matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Pages pulled.
    pub pulls: u64,
    /// Time the program waited for pulls, in nanoseconds.
    pub pull_ns: u64,
    /// Pages installed from this node's own slots.
    pub installs: u64,
    /// Pages pushed.
    pub pushes: u64,
}

impl Totals {
    pub(super) fn since(&self, before: &Totals) -> Totals {
        Totals {
            pulls: self.pulls.saturating_sub(before.pulls),
            pull_ns: self.pull_ns.saturating_sub(before.pull_ns),
            installs: self.installs.saturating_sub(before.installs),
            pushes: self.pushes.saturating_sub(before.pushes),
        }
    }
}

/// What travels with execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Luggage {
    /// What was paid, and what `never` would have paid.
    pub ledger: Ledger,
    /// What pulls and jumps have cost.
    pub prices: Prices,
    /// Log2 of the factor on each node's price.
    pub reluctance: [u8; NODES],
}

/// Numbers of [`Luggage::to_words`].
pub const LUGGAGE_WORDS: usize = 8 + PRICES_WORDS;

impl Luggage {
    /// As numbers, to travel.
    #[must_use]
    pub fn to_words(&self) -> [u64; LUGGAGE_WORDS] {
        let Ledger { program_ns, paid_ns, never_ns, owed, strays, forced } = self.ledger;
        let reluctance = u128::from_le_bytes(self.reluctance);
        let (low, high) = (reluctance as u64, (reluctance >> 64) as u64);
        let [a, b, c, d, e] = self.prices.to_words();
        [program_ns, paid_ns, never_ns, owed, strays, forced, low, high, a, b, c, d, e]
    }

    /// From numbers that have travelled.
    #[must_use]
    pub fn from_words(words: [u64; LUGGAGE_WORDS]) -> Self {
        let [program_ns, paid_ns, never_ns, owed, strays, forced, low, high, a, b, c, d, e] = words;
        let ledger = Ledger { program_ns, paid_ns, never_ns, owed, strays, forced };
        let reluctance = (u128::from(high) << 64 | u128::from(low)).to_le_bytes();
        let reluctance = reluctance.map(|doublings| doublings.min(RELUCTANCE_MAX));
        Self { ledger, prices: Prices::from_words([a, b, c, d, e]), reluctance }
    }
}

impl View {
    /// Whether all the program's pages could be on `node`.
    #[must_use]
    pub fn has_room_for_all(&self, node: u8) -> bool {
        let node = usize::from(node);
        self.room[node] >= self.held.iter().sum::<u64>() - self.held[node]
    }

    /// Whether pages of `from` had better come and stay: all have room here, and not there.
    pub(super) fn gathers_from(&self, from: u8) -> bool {
        self.has_room_for_all(self.me) && !self.has_room_for_all(from)
    }

    pub(super) fn may_go(&self, node: u8) -> bool {
        node != self.me && self.executes.checked_shr(node.into()).is_some_and(|nodes| nodes & 1 == 1)
    }
}
