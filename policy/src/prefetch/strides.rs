//! Streams: faults of a thread that keep a distance from each other.
//!
//! A stream has a trend, the distance in pages that most of its faults have from the one before: the majority vote of Maruf and Chowdhury
//! (Effectively Prefetching Remote Memory with Leap, USENIX ATC 2020), by the counter of Boyer and Moore. A fault near a stream votes there, so that arrays that are walked at
//! once do not disturb each other; any other votes on the distance to the thread's last fault, which finds long strides.
//!
//! A fault that belongs to a stream and comes elsewhere than after its window halves the window. A stream that is given up, for one that is
//! newer, has wasted it.

use super::{Advice, FIRST_WINDOW, Repute, VOTES_MAX, Verdicts, Way};

/// Streams of a thread.
const STREAMS: usize = 8;
/// A fault at most so many pages from where a stream is votes on its trend.
const NEAR: u64 = 8;
/// Longest stride, in pages.
const STRIDE_MAX: u64 = 1 << 16;

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

/// The streams of a thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strides {
    last: u64,
    trend: i64,
    votes: u32,
    repute: Repute,
    streams: [Stream; STREAMS],
}

impl Stream {
    /// The page that traps when all that was brought is used.
    fn next(&self) -> u64 {
        self.front.wrapping_add_signed(self.trend)
    }
}

impl Strides {
    pub(super) const fn new() -> Self {
        let stream = Stream { front: 0, trend: 0, votes: 0, window: 0, open: 0, ahead: 0, stamp: 0 };
        Self { last: 0, trend: 0, votes: 0, repute: Repute::FIRST, streams: [stream; STREAMS] }
    }

    /// Pages of which nothing is known yet.
    pub(super) fn open(&self) -> u64 {
        self.streams.iter().map(|stream| u64::from(stream.open)).sum()
    }

    /// The thread asks for `page`, at `now`. The stream that it belongs to, for [`brought`](Self::brought), and what comes along.
    pub(super) fn on_fault(
        &mut self,
        page: u64,
        now: u64,
        window_max: u32,
        verdicts: &mut Verdicts,
    ) -> (usize, Advice) {
        let (stream, Verdicts { used, wasted }) = match (self.expecting(page), self.near(page)) {
            (Some(stream), _) => (stream, self.confirm(stream, window_max)),
            (None, Some(stream)) => (stream, self.vote(stream, page)),
            (None, None) => self.begin(page),
        };
        verdicts.used += used;
        verdicts.wasted += wasted;
        self.last = page;
        self.streams[stream].stamp = now;
        (stream, self.advise(stream, page, used > 0, window_max))
    }

    /// Of the last advice for this stream `steps` strides were followed, and so on: see [`super::Prefetcher::brought`].
    pub(super) fn brought(&mut self, stream: usize, steps: u32, pages: u32, ahead: u32) {
        let stream = &mut self.streams[stream];
        stream.front = stream.front.wrapping_add_signed(stream.trend.wrapping_mul(i64::from(steps)));
        stream.open = pages;
        stream.ahead = ahead;
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
            self.repute.praise();
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
        self.repute.blame(open);
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
        self.repute.blame(wasted);
        let (trend, votes) = if strides { (distance, self.votes) } else { (0, 0) };
        self.streams[at] = Stream { front: page, trend, votes, ..Stream::default() };
        (at, Verdicts { used: 0, wasted })
    }

    fn advise(&mut self, at: usize, page: u64, proven: bool, window_max: u32) -> Advice {
        let stream = &mut self.streams[at];
        // A stride other than one page needs one more.
        let needed = self.repute.votes_needed() + u32::from(stream.trend.unsigned_abs() != 1);
        if stream.trend == 0 || stream.votes < needed.min(VOTES_MAX) {
            return Advice::default();
        }
        stream.window = stream.window.max(FIRST_WINDOW).min(window_max);
        // What was announced begins with the page that is asked for now.
        let now = match std::mem::take(&mut stream.ahead) {
            0 => stream.window - 1,
            announced => announced - 1,
        };
        let way = Way::Stride { at: page, stride: stream.trend };
        Advice { way, now, ahead: if proven { stream.window } else { 0 }, proven }
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
