//! Which pages go: newcomers that did not come back, by `eos_policy::queues`.

use eos_policy::queues::Verdict;
use eos_verbs::NodeId;

use crate::entry::{Entry, State};
use crate::error::PagerError;
use crate::page::{PageNumber, PageRange};
use crate::pager::{EVICTION_BATCH, Pager};

impl Pager {
    /// Moves up to `count` cold pages out of this node. Also what the torture mode calls at random.
    ///
    /// # Errors
    /// No node has room, or the wire failed.
    pub fn evict(&mut self, count: usize) -> Result<(), PagerError> {
        let mut victims = std::mem::take(&mut self.victims);
        victims.clear();
        self.choose_victims(count.min(EVICTION_BATCH), &mut victims);
        victims.sort_unstable();
        let outcome = self.push_victims(&victims);
        self.victims = victims;
        outcome
    }

    /// One cold page, which leaves the queues; `None` if all are pinned.
    pub(crate) fn choose_victim(&mut self) -> Option<PageNumber> {
        let mut victims = std::mem::take(&mut self.victims);
        victims.clear();
        self.choose_victims(1, &mut victims);
        let victim = victims.first().copied();
        self.victims = victims;
        victim
    }

    fn choose_victims(&mut self, count: usize, victims: &mut Vec<PageNumber>) {
        let (table, me, pins) = (&self.table, self.me, &self.pins);
        // Pages that came a while ago: their entries are in no cache. One after the other they would take several times as long.
        self.queues.upcoming(count).for_each(|page| table.prefetch(PageRange::single(PageNumber(page))));
        while victims.len() < count {
            let next = self.queues.next_victim(|page| {
                let page = PageNumber(page);
                let verdict = judge(table.load(page), me, pins.iter().any(|pin| pin.range.contains(page)));
                match verdict {
                    Verdict::Evict | Verdict::Forget => {
                        let _ = table.update(page, |entry| Some(entry.with_queued(false)));
                    }
                    Verdict::Keep => {}
                }
                verdict
            });
            match next {
                Some(page) => victims.push(PageNumber(page)),
                None => break,
            }
        }
    }
}

/// What the queues do with a page.
fn judge(entry: Entry, me: NodeId, pinned: bool) -> Verdict {
    let in_own_slot = entry.state() == State::Remote && entry.slot().is_some_and(|slot| slot.node == me);
    let here = entry.is_resident_on(me) || entry.state() == State::Replica;
    if !here && !in_own_slot {
        Verdict::Forget
    } else if pinned {
        Verdict::Keep
    } else {
        Verdict::Evict
    }
}
