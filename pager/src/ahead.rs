//! Prefetch: the pages that come along with one that is pulled, and those that are asked for ahead of time.
//!
//! [`Prefetcher`] says how many and where; here it is seen to that nothing else comes: only pages in slots of the same node and of
//! the same area as the one that is asked for, at most an eighth of the budget, and no more than the executor allows.
//! How it comes is in [`window`](crate::window).
//!
//! A page that comes along is clean and write-protected, so that it costs no wire again if nobody wants it. Where the program writes, and has used the window before, all of this one comes
//! writable. What is *announced* is read ahead by the queue pair and touches no entry: it stays where it is until a fault asks for it.

use eos_policy::prefetch::{Advice, Prefetcher, Way};
use eos_verbs::NodeId;

use crate::entry::{Entry, SlotRef, State};
use crate::error::PagerError;
use crate::page::{PageNumber, PageRange};
use crate::pager::Pager;
use crate::uffd::Protection;
use crate::window::{Wanted, add_read};

/// Most pages of a window, the one that is asked for included.
pub(crate) const WINDOW_PAGES: u64 = 64;

/// A window takes at most one part in this many of the budget.
const BUDGET_SHARE: u64 = 8;

/// Pages whose order is remembered, in multiples of those that may be here. A way through more is forgotten before it is gone again.
const HISTORY: usize = 3;

/// What the fault path knows of the future.
#[derive(Debug)]
pub(crate) struct Ahead {
    prefetcher: Prefetcher,
    on: bool,
    /// Who asks.
    thread: u32,
    /// Most pages that may come along.
    most: u64,
    /// Pages that had better come together from another node's resident memory.
    pub(crate) gathers: u64,
    /// The pages up to this one will be touched for sure.
    known_end: Option<PageNumber>,
    /// Pages that came along since [`Pager::take_along`] was last called.
    pub(crate) along: u64,
    pub(crate) window: Vec<Wanted>,
    pub(crate) reads: Vec<(u64, usize)>,
}

impl Ahead {
    /// For a node on which at most `pages` are resident.
    pub(crate) fn new(pages: usize) -> Self {
        Self {
            prefetcher: Prefetcher::new(WINDOW_PAGES as u32, pages.saturating_mul(HISTORY)),
            on: true,
            thread: 0,
            most: u64::MAX,
            gathers: 1,
            known_end: None,
            along: 0,
            window: Vec::with_capacity(WINDOW_PAGES as usize),
            reads: Vec::with_capacity(WINDOW_PAGES as usize),
        }
    }
}

impl Pager {
    /// Whether pages come along with others; they do, unless said otherwise.
    pub fn set_prefetch(&mut self, on: bool) {
        self.ahead.on = on;
    }

    /// Whether pages may come that nobody has asked for.
    pub(crate) fn comes_unasked(&self) -> bool {
        self.ahead.on
    }

    /// The faults that follow are of this thread, and `most` pages may come along with the next.
    pub fn asks(&mut self, thread: u32, most: u64) {
        self.ahead.thread = thread;
        self.ahead.most = most;
    }

    /// With the next page that is resident on another node its neighbours there had better come, up to so many (at most
    /// 64 count) in all: a block of them, aligned.
    pub fn gather(&mut self, pages: u32) {
        self.ahead.gathers = if self.ahead.on { u64::from(pages).clamp(1, WINDOW_PAGES) } else { 1 };
    }

    /// How many pages have come along with others since the last call. The bound of [`asks`](Self::asks) ends, and [`gather`](Self::gather).
    pub fn take_along(&mut self) -> u64 {
        self.ahead.most = u64::MAX;
        self.ahead.gathers = 1;
        std::mem::take(&mut self.ahead.along)
    }

    /// Pages that came along and were used, and that were not, as far as is known.
    pub fn prefetch_verdicts(&self) -> eos_policy::prefetch::Verdicts {
        self.ahead.prefetcher.verdicts()
    }

    /// All pages before `end` will be touched (`None`: nothing is known).
    pub(crate) fn know_end(&mut self, end: Option<PageNumber>) {
        self.ahead.known_end = end;
    }

    /// Puts the window around `page`, which is in `slot`, together; in ascending order or in that of the trail, the page itself included. What follows it is announced.
    pub(crate) fn plan_window(&mut self, page: PageNumber, slot: SlotRef, write: bool) -> Result<u64, PagerError> {
        let protection = if write { Protection::Writable } else { Protection::WriteProtected };
        self.ahead.window.clear();
        self.ahead.window.push(Wanted { page, slot, protection });
        if !self.ahead.on {
            return Ok(1);
        }
        let known = self.ahead.known_end.map(|end| end.0.saturating_sub(page.0));
        let advice = match known {
            Some(pages) => {
                let way = Way::Stride { at: page.0, stride: 1 };
                Advice { way, now: pages.clamp(1, WINDOW_PAGES) as u32 - 1, ahead: 0, proven: true }
            }
            None => self.ahead.prefetcher.on_fault(self.ahead.thread, page.0),
        };
        if advice.way != Way::Nowhere && self.ahead.most > 0 {
            self.fill_window(page, slot.node, advice, write && advice.proven)?;
        } else if known.is_none() {
            self.ahead.prefetcher.brought(0, 0, 0);
        }
        Ok(self.ahead.window.len() as u64)
    }

    fn fill_window(
        &mut self,
        page: PageNumber,
        node: NodeId,
        advice: Advice,
        writable: bool,
    ) -> Result<(), PagerError> {
        let Some((span, _)) = self.layout.find(page.addr()) else {
            return Ok(());
        };
        let span = PageRange::covering(&span);
        let protection = if writable { Protection::Writable } else { Protection::WriteProtected };
        let mut window = std::mem::take(&mut self.ahead.window);
        let share = self.here().limit / BUDGET_SHARE;
        let now = u64::from(advice.now).min(share).min(self.ahead.most);
        let (steps, way) = self.collect(advice.way, now, (span, node), |page, slot| {
            // A trail may pass a page twice.
            if !window.iter().any(|wanted| wanted.page == page) {
                window.push(Wanted { page, slot, protection });
            }
        });
        let descending = matches!(way, Way::Stride { stride: ..0, .. });
        let mut announced = 0;
        if steps >= u64::from(advice.now) && self.link(node).overlaps() {
            let ahead = u64::from(advice.ahead).min(share).min(self.ahead.most - now);
            announced = self.announce(way, descending, ahead, (span, node))?;
        }
        if self.ahead.known_end.is_none() {
            self.ahead.prefetcher.brought(steps as u32, window.len() as u32 - 1, announced as u32);
        }
        if descending {
            window.reverse();
        }
        self.ahead.window = window;
        Ok(())
    }

    /// Asks the node for the next pages of the way, so that they are here when the program wants them.
    fn announce(
        &mut self,
        way: Way,
        descending: bool,
        count: u64,
        place: (PageRange, NodeId),
    ) -> Result<u64, PagerError> {
        let mut window = std::mem::take(&mut self.ahead.reads);
        window.clear();
        let (steps, _) = self.collect(way, count, place, |_, slot| add_read(&mut window, slot, descending));
        let posted = if window.is_empty() { Ok(()) } else { self.link(place.1).read_ahead(&window) };
        self.ahead.reads = window;
        posted?;
        Ok(steps.min(count))
    }

    /// Goes up to `count` steps of the way, and gives `take` the pages there that are in slots of the node. A stride ends before the first that
    /// is elsewhere or not of the area, a trail passes over it; both pass over those that are here, also at the end, since they will not trap. Returns the
    /// number of steps, and the rest of the way.
    fn collect(
        &self,
        mut way: Way,
        count: u64,
        (span, node): (PageRange, NodeId),
        mut take: impl FnMut(PageNumber, SlotRef),
    ) -> (u64, Way) {
        let passes = matches!(way, Way::Trail { .. });
        let mut steps = 0;
        while steps < count + WINDOW_PAGES {
            let Some((next, after)) = self.ahead.prefetcher.step(way) else {
                break;
            };
            let next = PageNumber(next);
            let inside = span.contains(next);
            let entry = if inside { self.table.load(next) } else { Entry::ABSENT };
            if !entry.is_resident_on(self.me) {
                match entry.slot().filter(|slot| entry.state() == State::Remote && slot.node == node) {
                    Some(slot) if steps < count => take(next, slot),
                    None if passes && steps < count => {}
                    _ => break,
                }
            }
            (way, steps) = (after, steps + 1);
        }
        (steps, way)
    }
}
