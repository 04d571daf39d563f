//! Ways that a thread goes again: what came after a page last time will come after it this time. Programs that go through lists,
//! trees and graphs over and over ask for their pages in an order that no stride tells, but always in the same. After Temporal Streaming of Shared Memory
//! (T. Wenisch and others, ISCA 2005), with pages for cache lines.
//!
//! A fault within some positions of where the thread is in the [`History`] is a vote for going on there. Others come in between: pages that
//! were still here last time, and so were not asked for. After some of them in a row the trail is lost, and the thread looks for
//! itself in the history anew; seldom, if it never finds a way that it keeps to, since each look is into memory that no cache holds. All that is asked for is written down, what came along as well, so that the way is whole for the next time.
//! So pages that were wanted only once would come along for ever. Where the page after a window turns out to be one of them, a window of
//! pages comes one by one, and what is not asked for is not written down.

use super::history::History;
use super::{Advice, FIRST_WINDOW, Repute, VOTES_MAX, Verdicts, Way};

/// A program that leaves out fewer pages than this is still on its trail.
const NEAR: usize = 8;

/// So many faults in a row that are not on the trail do not end it, and one more for each page that came along.
const PATIENCE: u32 = 8;

/// Most faults between two looks into the history. Looks are always an odd number of faults apart, so that none of the
/// positions that can be found is missed again and again.
const PAUSE_MAX: u32 = 62;

/// Where a thread is on a way that was gone before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail {
    /// Position of the last page that was asked for or brought; 0: it is nowhere.
    front: u64,
    /// Position of the last page that was asked for.
    start: u64,
    votes: u32,
    /// Faults on the trail for which nothing is brought.
    alone: u32,
    /// Faults that were not on the trail since the last that was.
    strays: u32,
    /// Faults until the next look into the history, and after that look.
    wait: u32,
    pause: u32,
    repute: Repute,
    /// Pages to bring next time; 0: none yet.
    window: u32,
    /// Pages of the last window, of which nothing is known yet.
    open: u32,
    /// Pages after those that were announced as the next.
    ahead: u32,
}

impl Trail {
    pub(super) const fn new() -> Self {
        Self {
            front: 0,
            start: 0,
            votes: 0,
            alone: 0,
            strays: 0,
            wait: 0,
            pause: 0,
            repute: Repute::FIRST,
            window: 0,
            open: 0,
            ahead: 0,
        }
    }

    /// Pages of which nothing is known yet.
    pub(super) fn open(&self) -> u64 {
        self.open.into()
    }

    /// Whether there is a window, and `page` is where it ends.
    pub(super) fn expects(&self, history: &History, page: u64) -> bool {
        self.window > 0 && history.after(self.front).and_then(|next| history.page(next)) == Some(page)
    }

    /// The thread asks for `page`. Tell with [`brought`](Self::brought) what was done.
    pub(super) fn on_fault(
        &mut self,
        history: &mut History,
        (thread, page): (u32, u64),
        window_max: u32,
        verdicts: &mut Verdicts,
    ) -> Advice {
        let is = |position: u64| history.page(position) == Some(page);
        if history.from(self.start).take_while(|position| *position <= self.front).any(is) {
            // It was passed over, and is written down.
            return Advice::default();
        }
        let next = history.from(self.front).take(NEAR).enumerate().find(|(_, position)| is(*position));
        let used = match next {
            Some((skipped, position)) => self.go_on(position, skipped == 0, window_max),
            None if self.window > 0 && self.strays < PATIENCE + self.open => {
                self.strays += 1;
                history.add(thread, page);
                return Advice::default();
            }
            None => {
                verdicts.wasted += self.look_anew(history, page);
                0
            }
        };
        verdicts.used += used;
        self.start = self.front;
        history.add(thread, page);
        self.advise(used > 0, window_max)
    }

    /// Of the last advice `steps` were made, and so on: see [`super::Prefetcher::brought`].
    pub(super) fn brought(&mut self, history: &mut History, thread: u32, (steps, pages, ahead): (u32, u32, u32)) {
        if steps == 0 && ahead == 0 {
            // It was passed over, or a stray: what was announced still holds.
            return;
        }
        for _ in 0..steps {
            let Some(next) = history.after(self.front) else {
                break;
            };
            self.front = next;
            if let Some(page) = history.page(next) {
                history.add(thread, page);
            }
        }
        self.open = pages;
        self.ahead = ahead;
    }

    /// The trail goes on at `position`, so what was brought before was used. `exactly`: nothing was left out.
    fn go_on(&mut self, position: u64, exactly: bool, window_max: u32) -> u64 {
        (self.front, self.strays) = (position, 0);
        self.votes = (self.votes + 1).min(VOTES_MAX);
        let used = std::mem::take(&mut self.open);
        if used > 0 && exactly {
            self.window = (self.window * 2).min(window_max);
            self.repute.praise();
        } else if used > 0 {
            // What was announced begins elsewhere.
            (self.alone, self.window, self.ahead) = (self.window, self.window / 2, 0);
        }
        used.into()
    }

    /// The trail is lost. Returns how many pages came in vain.
    fn look_anew(&mut self, history: &History, page: u64) -> u64 {
        let wasted = std::mem::take(&mut self.open).into();
        self.repute.blame(wasted);
        if self.window > 0 {
            (self.wait, self.pause) = (0, 0);
        }
        (self.front, self.votes, self.alone, self.strays, self.window, self.ahead) = (0, 0, 0, 0, 0, 0);
        if self.wait > 0 {
            self.wait -= 1;
            return wasted;
        }
        self.front = history.find(page).unwrap_or(0);
        self.pause = (2 * self.pause + 2).min(PAUSE_MAX);
        self.wait = self.pause;
        wasted
    }

    fn advise(&mut self, proven: bool, window_max: u32) -> Advice {
        if self.front == 0 || self.votes < self.repute.votes_needed().min(VOTES_MAX) {
            return Advice::default();
        }
        if self.alone > 0 {
            self.alone -= 1;
            return Advice::default();
        }
        self.window = self.window.max(FIRST_WINDOW).min(window_max);
        // What was announced begins with the page that is asked for now.
        let now = match std::mem::take(&mut self.ahead) {
            0 => self.window - 1,
            announced => announced - 1,
        };
        Advice { way: Way::Trail { at: self.front }, now, ahead: if proven { self.window } else { 0 }, proven }
    }
}
