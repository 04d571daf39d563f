//! Which pages come along with one that a program asks for: those that it has shown it will ask for next.
//!
//! For each thread, faults are sorted into *streams*. A stream has a trend, the distance in pages that most of its faults have from the
//! one before: the majority vote of Maruf and Chowdhury (Effectively Prefetching Remote Memory with Leap, USENIX ATC 2020), by the counter
//! of Boyer and Moore. A fault near a stream votes there, so that arrays that are walked at once do not disturb each other;
//! any other votes on the distance to the thread's last fault, which finds long strides.
//!
//! A stream with a trend brings a *window* of pages. Pages that are mapped cannot be seen being used (user space has no accessed
//! bit), but the page after the window is not mapped and traps: a fault exactly there says that the window was used. It doubles
//! then. A fault that belongs to the stream and comes elsewhere halves it. A stream that is given up, for one that is
//! newer, has wasted its window; a thread that wastes windows has to vote more often for its next.
//!
//! The caller may ask for the window after the next too, on a wire where that is on its way meanwhile: [`Advice::ahead`].

/// Streams of a thread.
const STREAMS: usize = 8;
/// Threads that are remembered; the one that has faulted least recently is forgotten.
const THREADS: usize = 16;
/// A fault at most so many pages from where a stream is votes on its trend.
const NEAR: u64 = 8;
/// Longest stride, in pages.
const STRIDE_MAX: u64 = 1 << 16;
/// Votes for a trend that are remembered.
const VOTES_MAX: u32 = 6;
/// Pages of a stream's first window.
const FIRST_WINDOW: u32 = 4;
/// Votes that a thread of best repute needs for its first window; a stride other than one page needs one more.
const VOTES_MIN: u32 = 2;
/// Best repute of a thread.
const REPUTE_MAX: u32 = 15;
/// What it begins with.
const REPUTE_FIRST: u32 = 12;
/// Repute lost with a wasted window; a used one gains 1.
const WASTE_PRICE: u32 = 2;

/// What comes along with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Advice {
    /// Distance of the pages from each other; 0 if there are none.
    pub stride: i64,
    /// Pages to bring with the one that is asked for: it plus 1, 2, ... strides.
    pub now: u32,
    /// Pages after those that will be asked for next, if the trend goes on.
    pub ahead: u32,
    /// The last window of this stream was used.
    pub proven: bool,
}

/// What has become of windows so far, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Verdicts {
    /// Of windows that were used.
    pub used: u64,
    /// Of windows, or parts of them, that were not.
    pub wasted: u64,
}

/// One walk through memory.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// The last page that was asked for or brought.
    front: u64,
    trend: i64,
    votes: u32,
    /// Pages to bring next time; 0: none yet.
    window: u32,
    /// Pages of the last window, of which nothing is known yet.
    open: u32,
    /// Pages after those that were announced as the next.
    ahead: u32,
    /// When it was last voted on; 0: the place is free.
    stamp: u64,
}

#[derive(Clone, Copy, Debug)]
struct Thread {
    number: u32,
    last: u64,
    trend: i64,
    votes: u32,
    repute: u32,
    streams: [Stream; STREAMS],
    stamp: u64,
}

/// The streams of all threads. Nothing but `new` allocates.
#[derive(Clone, Debug)]
pub struct Prefetcher {
    threads: Box<[Thread; THREADS]>,
    window_max: u32,
    stamp: u64,
    /// Thread and stream of the last advice.
    current: (usize, usize),
    verdicts: Verdicts,
}

impl Prefetcher {
    /// Windows grow up to `window_max` pages; 0: never any.
    #[must_use]
    pub fn new(window_max: u32) -> Self {
        Self {
            threads: Box::new([Thread::new(0); THREADS]),
            window_max,
            stamp: 0,
            current: (0, 0),
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
        let thread = &mut self.threads[at];
        let (stream, Verdicts { used, wasted }) = match (thread.expecting(page), thread.near(page)) {
            (Some(stream), _) => (stream, thread.confirm(stream, self.window_max)),
            (None, Some(stream)) => (stream, thread.vote(stream, page)),
            (None, None) => thread.begin(page),
        };
        self.verdicts.used += used;
        self.verdicts.wasted += wasted;
        thread.last = page;
        thread.stamp = self.stamp;
        thread.streams[stream].stamp = self.stamp;
        self.current = (at, stream);
        Advice { proven: used > 0, ..thread.advise(stream, used > 0, self.window_max) }
    }

    /// Of the last advice `steps` strides were followed, by which `pages` were brought; the others were there already. The `ahead`
    /// strides after them are expected to be asked for together.
    pub fn brought(&mut self, steps: u32, pages: u32, ahead: u32) {
        let stream = &mut self.threads[self.current.0].streams[self.current.1];
        stream.front = stream.front.wrapping_add_signed(stream.trend.wrapping_mul(i64::from(steps)));
        stream.open = pages;
        stream.ahead = ahead;
    }

    /// The place of a thread; a new one takes that of the thread that has been quiet longest.
    fn thread(&mut self, number: u32) -> usize {
        let known = |thread: &Thread| thread.number == number && thread.stamp > 0;
        self.threads.iter().position(known).unwrap_or_else(|| {
            let oldest = (0..THREADS).min_by_key(|at| self.threads[*at].stamp).unwrap_or(0);
            let open: u64 = self.threads[oldest].streams.iter().map(|stream| u64::from(stream.open)).sum();
            self.verdicts.wasted += open;
            self.threads[oldest] = Thread::new(number);
            oldest
        })
    }
}

impl Stream {
    /// The page that traps when all that was brought is used.
    fn next(&self) -> u64 {
        self.front.wrapping_add_signed(self.trend)
    }
}

impl Thread {
    const fn new(number: u32) -> Self {
        let stream = Stream { front: 0, trend: 0, votes: 0, window: 0, open: 0, ahead: 0, stamp: 0 };
        Self { number, last: 0, trend: 0, votes: 0, repute: REPUTE_FIRST, streams: [stream; STREAMS], stamp: 0 }
    }

    /// The stream that has a trend and goes on at `page`.
    fn expecting(&self, page: u64) -> Option<usize> {
        self.streams.iter().position(|stream| stream.stamp > 0 && stream.window > 0 && stream.next() == page)
    }

    /// The stream nearest to `page`, if one is near.
    fn near(&self, page: u64) -> Option<usize> {
        let near = |stream: &Stream| stream.stamp > 0 && stream.front.abs_diff(page) <= NEAR;
        let candidates = (0..STREAMS).filter(|at| near(&self.streams[*at]));
        candidates.min_by_key(|at| self.streams[*at].front.abs_diff(page))
    }

    /// The fault is where the stream expects it: its window was used.
    fn confirm(&mut self, at: usize, window_max: u32) -> Verdicts {
        let stream = &mut self.streams[at];
        let used = std::mem::take(&mut stream.open);
        stream.front = stream.next();
        stream.votes = (stream.votes + 1).min(VOTES_MAX);
        if used > 0 {
            stream.window = (stream.window * 2).min(window_max);
            self.repute = (self.repute + 1).min(REPUTE_MAX);
        }
        Verdicts { used: used.into(), wasted: 0 }
    }

    /// The fault is near the stream, but not where its window ends.
    fn vote(&mut self, at: usize, page: u64) -> Verdicts {
        let stream = &mut self.streams[at];
        let distance = page.wrapping_sub(stream.front).cast_signed();
        // Past its end the program has gone through the window; before it, not.
        let passed = distance.signum() == stream.trend.signum();
        if distance != 0 {
            stream.votes = vote(&mut stream.trend, stream.votes, distance);
        }
        stream.front = page;
        stream.ahead = 0;
        stream.window /= 2;
        let open = u64::from(std::mem::take(&mut stream.open));
        if passed {
            return Verdicts { used: open, wasted: 0 };
        }
        self.blame(open);
        Verdicts { used: 0, wasted: open }
    }

    /// A fault that belongs to no stream begins one, in the place of the oldest.
    fn begin(&mut self, page: u64) -> (usize, Verdicts) {
        let distance = page.wrapping_sub(self.last).cast_signed();
        self.votes = vote(&mut self.trend, self.votes, distance);
        let strides = distance == self.trend && distance.unsigned_abs() <= STRIDE_MAX;
        // The fault before has begun a stream of its own, which is a step of this one.
        let step = |stream: &Stream| stream.stamp > 0 && stream.front == self.last && stream.window == 0;
        let before = self.streams.iter().position(step).filter(|_| strides);
        let oldest = (0..STREAMS).min_by_key(|at| self.streams[*at].stamp).unwrap_or(0);
        let at = before.unwrap_or(oldest);
        let wasted = u64::from(self.streams[at].open);
        self.blame(wasted);
        let (trend, votes) = if strides { (distance, self.votes) } else { (0, 0) };
        self.streams[at] = Stream { front: page, trend, votes, ..Stream::default() };
        (at, Verdicts { used: 0, wasted })
    }

    fn blame(&mut self, wasted: u64) {
        if wasted > 0 {
            self.repute = self.repute.saturating_sub(WASTE_PRICE);
        }
    }

    fn advise(&mut self, at: usize, proven: bool, window_max: u32) -> Advice {
        let needed = VOTES_MIN + (REPUTE_MAX - self.repute) / 4;
        let stream = &mut self.streams[at];
        let needed = needed + u32::from(stream.trend.unsigned_abs() != 1);
        if stream.trend == 0 || stream.votes < needed.min(VOTES_MAX) {
            return Advice::default();
        }
        stream.window = stream.window.max(FIRST_WINDOW).min(window_max);
        // What was announced begins with the page that is asked for now.
        let now = match std::mem::take(&mut stream.ahead) {
            0 => stream.window - 1,
            announced => announced - 1,
        };
        Advice { stride: stream.trend, now, ahead: if proven { stream.window } else { 0 }, proven }
    }
}

/// One vote for `candidate`: the majority counter of Boyer and Moore. Returns the votes that the leader has now.
fn vote(leader: &mut i64, votes: u32, candidate: i64) -> u32 {
    if *leader == candidate {
        (votes + 1).min(VOTES_MAX)
    } else if votes > 1 {
        votes - 1
    } else {
        *leader = candidate;
        1
    }
}

#[cfg(test)]
#[path = "prefetch_tests.rs"]
mod tests;
