//! Which pages come along with one that a program asks for: those that it has shown it will ask for next.
//!
//! | what it shows | module |
//! |---|---|
//! | it goes through memory at one distance | `strides`: the trend of each *stream* of faults |
//! | it goes where it went before, in any order | `trail`: pages of the `history` that came after this one last time |
//!
//! Both are learned for each thread, and bring a *window* of pages. Pages that are mapped cannot be seen being used (user space has no accessed
//! bit), but the page after the window is not mapped and traps: a fault exactly there says that the window was used. It doubles
//! then. A window that turns out to be of no use is *wasted*; a thread that wastes windows has to show more for its next.
//!
//! The caller may ask for the window after the next too, on a wire where that is on its way meanwhile: [`Advice::ahead`].

mod history;
mod strides;
mod trail;

use history::History;
use strides::Strides;
use trail::Trail;

/// Threads that are remembered; the one that has faulted least recently is forgotten.
const THREADS: usize = 16;
/// Votes that are remembered.
const VOTES_MAX: u32 = 6;
/// Pages of a first window.
const FIRST_WINDOW: u32 = 4;
/// Votes that a thread of best repute needs for its first window.
const VOTES_MIN: u32 = 2;

/// What comes along with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Advice {
    /// Where the pages are; see [`Prefetcher::step`].
    pub way: Way,
    /// Pages to bring with the one that is asked for: the next steps of the way.
    pub now: u32,
    /// Pages after those that will be asked for next, if it goes on like this.
    pub ahead: u32,
    /// The last window of this kind was used.
    pub proven: bool,
}

/// A way through memory, and a place on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Way {
    /// None is known.
    #[default]
    Nowhere,
    /// From page `at` on, always `stride` pages further.
    Stride {
        /// The last page.
        at: u64,
        /// Pages between two.
        stride: i64,
    },
    /// As the program went before.
    Trail {
        /// Position of the last page in the history.
        at: u64,
    },
}

/// What has become of windows so far, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdicts {
    /// Of windows that were used.
    pub used: u64,
    /// Of windows, or parts of them, that were not.
    pub wasted: u64,
}

/// How far a thread's windows are trusted.
#[derive(Clone, Copy, Debug)]
struct Repute(u32);

#[derive(Clone, Copy, Debug)]
struct Thread {
    number: u32,
    strides: Strides,
    trail: Trail,
    stamp: u64,
}

/// Whose advice was the last.
#[derive(Clone, Copy, Debug)]
enum Source {
    Stream(usize),
    Trail,
}

/// What is known of all threads. Nothing but `new` allocates.
#[derive(Clone, Debug)]
pub struct Prefetcher {
    threads: Box<[Thread; THREADS]>,
    history: History,
    window_max: u32,
    stamp: u64,
    /// Thread and kind of the last advice.
    current: (usize, Source),
    verdicts: Verdicts,
}

impl Prefetcher {
    /// Windows grow up to `window_max` pages; 0: never any. The last `remembered` pages that were asked for without a stride are kept in mind.
    #[must_use]
    pub fn new(window_max: u32, remembered: usize) -> Self {
        Self {
            threads: Box::new([Thread::new(0); THREADS]),
            history: History::new(remembered),
            window_max,
            stamp: 0,
            current: (0, Source::Trail),
            verdicts: Verdicts::default(),
        }
    }

    /// What has become of the windows.
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        self.verdicts
    }

    /// `thread` asks for `page`, which has to be brought. Tell with [`Self::brought`] what was done.
    pub fn on_fault(&mut self, thread: u32, page: u64) -> Advice {
        if self.window_max == 0 {
            return Advice::default();
        }
        self.stamp += 1;
        let at = self.thread(thread);
        let Thread { number, strides, trail, stamp } = &mut self.threads[at];
        *stamp = self.stamp;
        let mut advice = Advice::default();
        if !trail.expects(&self.history, page) {
            let stream = strides.on_fault(page, self.stamp, self.window_max, &mut self.verdicts);
            self.current = (at, Source::Stream(stream.0));
            advice = stream.1;
        }
        if advice.way == Way::Nowhere {
            self.current = (at, Source::Trail);
            advice = trail.on_fault(&mut self.history, (*number, page), self.window_max, &mut self.verdicts);
        }
        advice
    }

    /// The next page of a way, and the way from there.
    #[must_use]
    pub fn step(&self, way: Way) -> Option<(u64, Way)> {
        match way {
            Way::Nowhere => None,
            Way::Stride { at, stride } => {
                at.checked_add_signed(stride).map(|page| (page, Way::Stride { at: page, stride }))
            }
            Way::Trail { at } => {
                let next = self.history.after(at)?;
                Some((self.history.page(next)?, Way::Trail { at: next }))
            }
        }
    }

    /// Of the last advice `steps` were made, by which `pages` were brought; the others were there already, or cannot be. The `ahead`
    /// steps after them are expected to be asked for together.
    pub fn brought(&mut self, steps: u32, pages: u32, ahead: u32) {
        let thread = &mut self.threads[self.current.0];
        match self.current.1 {
            Source::Stream(stream) => thread.strides.brought(stream, steps, pages, ahead),
            Source::Trail => thread.trail.brought(&mut self.history, thread.number, (steps, pages, ahead)),
        }
    }

    /// The place of a thread; a new one takes that of the thread that has been quiet longest.
    fn thread(&mut self, number: u32) -> usize {
        let known = |thread: &Thread| thread.number == number && thread.stamp > 0;
        self.threads.iter().position(known).unwrap_or_else(|| {
            let oldest = (0..THREADS).min_by_key(|at| self.threads[*at].stamp).unwrap_or(0);
            self.verdicts.wasted += self.threads[oldest].strides.open() + self.threads[oldest].trail.open();
            self.threads[oldest] = Thread::new(number);
            oldest
        })
    }
}

impl Thread {
    const fn new(number: u32) -> Self {
        Self { number, strides: Strides::new(), trail: Trail::new(), stamp: 0 }
    }
}

impl Repute {
    /// Best repute.
    const MAX: u32 = 15;
    /// Repute lost with a wasted window; a used one gains 1.
    const WASTE_PRICE: u32 = 2;

    /// What a thread begins with.
    const FIRST: Self = Self(12);

    /// Votes that are needed for a first window.
    fn votes_needed(self) -> u32 {
        VOTES_MIN + (Self::MAX - self.0) / 4
    }

    fn praise(&mut self) {
        self.0 = (self.0 + 1).min(Self::MAX);
    }

    fn blame(&mut self, wasted: u64) {
        if wasted > 0 {
            self.0 = self.0.saturating_sub(Self::WASTE_PRICE);
        }
    }
}

#[cfg(test)]
#[path = "prefetch_tests.rs"]
mod tests;
