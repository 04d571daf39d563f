//! When and where to jump, decided from what pulls and jumps cost here: `--jump auto`.
//!
//! Pulls are rent, a jump is a price. Execution goes to a node once the pulls from it, since execution came, have made the program
//! wait for as long as going there and back takes, with the pages that have to follow: the rule of ski rental, which is never worse than twice the best choice in
//! hindsight (A. R. Karlin et al., Competitive Snoopy Caching, Algorithmica 1988), applied to nodes as to the states of a
//! metrical task system (A. Borodin, N. Linial, M. Saks, 1992). Three things are added.
//!
//! *Locality.* Pulls beside each other are a *walk*: the program goes on there, and what it wants next is likely there too. Pulls that
//! belong to no walk count only if going there is no worse a place to be: on a node with room for everything a page that was pulled
//! stays, so that pulls come to an end; on a full node each of them drives another page out.
//!
//! *Experience.* A node on which the program has worked for less than the price is gone to the less readily: its price doubles. After a
//! stay of several times the price it halves again. So each phase of a program finds its own price.
//!
//! *A limit to regret.* See [`Ledger`].

mod landlord;
mod prices;
mod view;

use landlord::Landlord;
pub use prices::Prices;
use view::RELUCTANCE_MAX;
pub use view::{LUGGAGE_WORDS, Luggage, Totals, View};

use crate::NODES;
use crate::ledger::Ledger;

const HOME: u8 = 0;
/// Pages that are used wherever execution is, and have to follow it by pulls.
const FOLLOWING_PAGES: u64 = 4;
/// Execution leaves home only when so many pulls elsewhere can be borne; twice as many each time that it had to come back because nothing
/// more could be.
const VISIT_PAGES_MIN: u64 = 16;
const FORCED_MAX: u64 = 40;
/// One page more comes along for each so many pulls that were no walk, where pages had better gather.
const PULLS_TO_GATHER: u32 = 8;
/// Most pages that are gathered at once.
const GATHERED_MAX: u32 = 64;

/// The decider. On each node one; what it has learnt travels as [`Luggage`].
#[derive(Clone, Debug)]
pub struct Adaptive {
    luggage: Luggage,
    landlords: [Landlord; NODES],
    began_ns: u64,
    waited_ns: u64,
    settled_ns: u64,
    seen: Totals,
    /// The node that the last pull was from.
    from: u8,
}

impl Adaptive {
    /// For a program that starts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            luggage: Luggage::default(),
            landlords: [Landlord::default(); NODES],
            began_ns: 0,
            waited_ns: 0,
            settled_ns: 0,
            seen: Totals::default(),
            from: HOME,
        }
    }

    /// The program is about to pull `page` from `from`. Where execution had better go instead, if anywhere. Called under the fault
    /// path: allocates nothing.
    pub fn advise(&mut self, view: &View, from: u8, page: u64) -> Option<u8> {
        self.landlords.get_mut(usize::from(from))?.ask_for(page);
        self.from = from;
        if view.me != HOME && view.may_go(HOME) && !self.bears(view, 1, 2) {
            self.luggage.ledger.forced += 1;
            return Some(HOME);
        }
        if !view.may_go(from) {
            return None;
        }
        let price = self.price_ns(from);
        let landlord = &self.landlords[usize::from(from)];
        let rent = landlord.walking_ns + if view.gathers_from(from) { 0 } else { landlord.other_ns };
        let visit_pages = (2 * VISIT_PAGES_MIN) << self.luggage.ledger.forced.min(FORCED_MAX);
        (rent >= price && (from == HOME || self.bears(view, 2, visit_pages))).then_some(from)
    }

    /// How many pages had better come at once with one that is pulled from `from`, that one included. Where all pages can stay, and
    /// execution stays for pulls that are no walk, the others will be wanted too, and cost less together.
    #[must_use]
    pub fn gathers(&self, view: &View, from: u8) -> u32 {
        let Some(landlord) = self.landlords.get(usize::from(from)).filter(|_| view.gathers_from(from)) else {
            return 1;
        };
        let pages = (1 + landlord.strolls / PULLS_TO_GATHER).min(GATHERED_MAX);
        if self.bears(view, 1, pages.into()) { pages } else { 1 }
    }

    /// What going to `node` and back is taken to cost.
    fn price_ns(&self, node: u8) -> u64 {
        let one_way = self.jump_ns() + FOLLOWING_PAGES * self.pull_ns();
        (2 * one_way).saturating_mul(1 << self.luggage.reluctance[usize::from(node)])
    }

    /// Whether so many jumps, the last of which leads home, and so many pulls, there or back, can be borne.
    fn bears(&self, view: &View, jumps: u64, pages: u64) -> bool {
        let since_ns = view.now_ns.saturating_sub(self.settled_ns);
        let ledger = Ledger { program_ns: self.luggage.ledger.program_ns + since_ns, ..self.luggage.ledger };
        ledger.bears(view.home_budget, self.pull_ns(), jumps * self.luggage.prices.jump_feared_ns(), pages)
    }

    /// Whether pages have moved since the last [`settle`](Self::settle).
    #[must_use]
    pub fn wants(&self, totals: &Totals) -> bool {
        *totals != self.seen
    }

    /// Takes what has happened on this node since the last call into account; called after each fault, and before leaving.
    pub fn settle(&mut self, view: &View, totals: &Totals) {
        let new = totals.since(&self.seen);
        self.seen = *totals;
        self.waited_ns += new.pull_ns;
        self.landlords[usize::from(self.from)].charge(new.pull_ns);
        let elapsed = view.now_ns.saturating_sub(self.settled_ns);
        self.settled_ns = view.now_ns;
        self.luggage.ledger.program_ns += elapsed.saturating_sub(new.pull_ns);
        self.luggage.prices.pulled(new.pulls, new.pull_ns);
        self.luggage.ledger.settle(view.me == HOME, &new, self.luggage.prices.pull_ns());
    }

    /// Execution leaves, `advised` or because only home can do what the program asks. Settle before.
    pub fn leave(&mut self, view: &View, advised: bool) -> Luggage {
        let worked_ns = view.now_ns.saturating_sub(self.began_ns).saturating_sub(self.waited_ns);
        let price_ns = self.price_ns(view.me);
        let reluctance = &mut self.luggage.reluctance[usize::from(view.me)];
        if advised && worked_ns < price_ns && !view.has_room_for_all(view.me) {
            *reluctance = (*reluctance + 1).min(RELUCTANCE_MAX);
        } else if worked_ns > price_ns.saturating_mul(4) {
            *reluctance = reluctance.saturating_sub(1);
        }
        self.luggage
    }

    /// Execution arrives by a jump that took `took_ns`. `totals`: this node's, as they stand.
    pub fn arrive(&mut self, luggage: Luggage, now_ns: u64, took_ns: u64, totals: &Totals) {
        self.luggage = luggage;
        if took_ns > 0 {
            self.luggage.prices.jumped(took_ns);
        }
        self.luggage.ledger.paid_ns += took_ns;
        self.landlords = [Landlord::default(); NODES];
        (self.began_ns, self.settled_ns, self.waited_ns) = (now_ns, now_ns, 0);
        self.seen = *totals;
    }

    /// The time of a pull, for each page, in nanoseconds.
    #[must_use]
    pub fn pull_ns(&self) -> u64 {
        self.luggage.prices.pull_ns()
    }

    /// The time of a jump.
    #[must_use]
    pub fn jump_ns(&self) -> u64 {
        self.luggage.prices.jump_ns()
    }

    /// What travels.
    #[must_use]
    pub fn luggage(&self) -> &Luggage {
        &self.luggage
    }
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
