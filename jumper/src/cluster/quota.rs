//! How much of its memory a daemon lends: at most what an operator says, and where it follows its machine, what that can spare.

use std::io;
use std::time::Instant;

use eos_policy::budget::Budget;

use crate::cluster::lease::{LeasePool, Shortage};
use crate::cluster::messages::Order;
use crate::say::say;
use crate::size::Size;
use crate::spare::Spare;

/// What decides about a daemon's pool.
pub(super) struct Quota {
    /// What an operator allows.
    wish: u64,
    follows: Option<Follows>,
    /// Since when it has waited for how much.
    waits: Option<(Instant, u64)>,
}

struct Follows {
    spare: Spare,
    budget: Budget,
}

impl Quota {
    /// For a pool of `most` bytes. `keep_free`: bytes that the machine is left with at least; none: what is lent does not follow it.
    pub fn new(most: u64, keep_free: Option<u64>) -> io::Result<Quota> {
        let follow = |keep_free| {
            let spare = Spare::open()?;
            let budget = Budget::new(0, most, keep_free, &spare.read()?);
            Ok::<_, io::Error>(Follows { spare, budget })
        };
        Ok(Quota { wish: u64::MAX, follows: keep_free.map(follow).transpose()?, waits: None })
    }

    /// Whether there is something to look at.
    pub fn follows(&self) -> bool {
        self.follows.is_some()
    }

    /// Takes an operator's order.
    pub fn obey(&mut self, order: Order, total: u64, pool: &mut LeasePool) {
        match order {
            Order::Tell => return,
            Order::LendAtMost(amount) => self.wish = amount.of(total),
            Order::LendAll => self.wish = u64::MAX,
        }
        say(format_args!("an operator says: lend at most {}", Size(self.wish.min(pool.total()))));
        let allowed = self.follows.as_ref().map_or(u64::MAX, |follows| follows.budget.bytes());
        pool.set_quota(self.wish.min(allowed));
        self.tell(pool.balance(), pool);
    }

    /// Follows what has changed, and sees to it that no more is lent.
    pub fn look(&mut self, pool: &mut LeasePool) {
        let Some(allowed) = self.follows.as_mut().and_then(|follows| follows.look(pool.lent())) else {
            let shortage = pool.balance();
            return self.tell(shortage, pool);
        };
        let before = pool.quota();
        pool.set_quota(self.wish.min(allowed));
        let now = pool.quota();
        if now < before && pool.lent() > now {
            say(format_args!("memory is short here: lends at most {} now", Size(now)));
        }
        self.tell(pool.balance(), pool);
    }

    /// Logs the beginning and the end of a shortage.
    fn tell(&mut self, shortage: Shortage, pool: &LeasePool) {
        match (&mut self.waits, shortage.owed) {
            (None, owed) if owed > 0 => {
                say(format_args!("wants {} of {} back that runs hold", Size(owed), Size(pool.lent())));
                self.waits = Some((Instant::now(), owed));
            }
            (Some((_, most)), owed) if owed > 0 => *most = owed.max(*most),
            (Some((since, most)), _) => {
                say(format_args!("has its {} back after {:.1} s", Size(*most), since.elapsed().as_secs_f64()));
                self.waits = None;
            }
            (None, _) => {}
        }
    }
}

impl Follows {
    /// Bytes that may be lent; none if that cannot be found out now. What is lent counts as the daemon's own, though not all of it
    /// need have been written to: then the next look finds that giving it back has not helped, and asks for more.
    fn look(&mut self, lent: u64) -> Option<u64> {
        let facts = self.spare.read().ok()?;
        Some(self.budget.follow(&eos_policy::budget::Facts { ours: lent, ..facts }))
    }
}
