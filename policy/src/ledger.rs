//! The limit to regret: with `auto` a program takes at most twice the time that it takes with `never`, and once the time of pulling
//! home's budget.
//!
//! The ledger has three accounts, in nanoseconds: P, the program's own time; A, what `auto` has waited for pulls and jumps; and N, of
//! which the run with `never` has certainly waited by now as much. With X, the *exposure*, and S, the *allowance*, it keeps
//!
//! > A + X <= 2 N + P + S, so that at the end of the run P + A <= 2 (P + N) + S.
//!
//! *Allowance.* As many pulls as home may hold pages. No rule that ever leaves home can do without: the first time that it does, the
//! program may touch nothing from then on but what it has left behind. What moves to and fro in a long run counts against the
//! rest, so the ratio tends to 2 at worst (c-competitive with an additive constant, as everywhere in the theory).
//!
//! *Exposure.* If from now on execution stays at home, what does `auto` wait for that `never` does not? For the jump home, and for
//! those pages that execution elsewhere has touched, and that `never` would have at home: *owed* pages. At home each comes back with one
//! pull, and then it is where `never` has it. `never` has no more pages at home than the budget. So X is one jump and
//! min(owed, budget) pulls.
//!
//! *N.* As long as execution has not left, A = N: both runs are the same. Afterwards:
//!
//! - A pull at home while pages are owed pays one of them back: N stays. (It may be a pull that `never` makes too; then one of the
//!   owed is still out when none is owed by this count. It counts then what it should have counted now. N is too small
//!   meanwhile, never too large.)
//! - A pull at home while none is owed: all pages that execution elsewhere has touched are back, so `never` waits as well.
//! - A page that is elsewhere installed from a slot of that node went there while execution was at home, and was not touched since.
//!   `never` has pushed it as well, and has to pull it: N grows by a pull, and the page is owed.
//! - Of *strays* that is not certain: pages that were pushed elsewhere, or at home while pages were owed. As many touches as
//!   there are strays leave N as it is.
//! - A page that is pulled elsewhere is owed. `never` may have it at home: N stays.
//!
//! Each event moves A + X by at most what it moves 2 N + P, but for jumps and pulls elsewhere, of which a jump adds its price, and
//! a pull the wait for it and one more owed page. Before those the decider asks whether the ledger [bears](Ledger::bears)
//! them, and otherwise stays, or goes home. What it may be wrong by is the last such step: a pull that takes longer than the mean.
//!
//! With LRU at home all this is exact. What the pager does is nearer to first in, first out, of which nothing can be
//! proved: started from two states, it may miss many times as often from one as from the other, for ever (J. Reineke, D. Grund, Sensitivity of
//! Cache Replacement Policies, 2013). The tests in [`sim`](crate::sim) check the bound with LRU on random programs, and with both on the
//! programs that hurt most.

use crate::adaptive::Totals;

/// The accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// P: time in which the program did not wait.
    pub program_ns: u64,
    /// A: time waited for pulls and jumps.
    pub paid_ns: u64,
    /// N: what `never` has waited at least.
    pub never_ns: u64,
    /// Pages that `never` may have at home and `auto` has not.
    pub owed: u64,
    /// Pages pushed elsewhere, or at home while pages were owed, and not touched since.
    pub strays: u64,
    /// Times that execution had to go home since nothing more could be borne.
    pub forced: u64,
}

impl Ledger {
    /// Whether `jumps_ns` and so many pulls more, at `pull_ns` each, may be risked, when home may hold `home_budget` pages.
    #[must_use]
    pub fn bears(&self, home_budget: u64, pull_ns: u64, jumps_ns: u64, pulls: u64) -> bool {
        let exposure = self.owed.min(home_budget).saturating_add(pulls).saturating_mul(pull_ns);
        let allowance = home_budget.saturating_mul(pull_ns);
        let limit = self.never_ns.saturating_mul(2).saturating_add(self.program_ns).saturating_add(allowance);
        self.paid_ns.saturating_add(jumps_ns).saturating_add(exposure) <= limit
    }

    /// Books what has happened on a node. `pull_ns`: the price of a pull.
    pub fn settle(&mut self, home: bool, new: &Totals, pull_ns: u64) {
        self.paid_ns += new.pull_ns;
        if home {
            self.strays += if self.owed > 0 { new.pushes } else { 0 };
            let back = (new.pulls + new.installs).min(self.owed);
            self.owed -= back;
            let others = new.pulls - back.min(new.pulls);
            let strayed = others.min(self.strays);
            self.strays -= strayed;
            self.never_ns += (others - strayed) * new.pull_ns.checked_div(new.pulls).unwrap_or(0);
        } else {
            let known = new.installs.min(self.strays);
            self.strays += new.pushes;
            self.strays -= known;
            self.never_ns += (new.installs - known) * pull_ns;
            self.owed += new.pulls + new.installs - known;
        }
    }
}
