//! Whether pages are compressed on their way over a link: only where it pays.
//!
//! A page that is compressed saves wire time, as much as the link needs for the bytes that do not go, and costs the processor time of
//! both ends. Which of the two is more is told by *trials*, one page in many, each compressed and expanded again at this end. The
//! two directions are decided apart; the price of a byte is the link's. What is decided is changed only when the other pays
//! clearly: it begins where the time saved is twice the cost, and ends where it is less than 1.5 times. So much, since a trial tells what an
//! idle processor takes: where others want it too, the same work takes several times as long, and the link no longer.

/// Trials that a decision looks at, of one direction.
const TRIALS: usize = 8;
/// Fewest trials that a decision is made of.
const TRIALS_MIN: u64 = 4;
/// Looks at the link, of which the one that found it fastest tells its price: short batches of pages seldom fill a fast link, and nothing
/// makes a slow one look fast.
const LOOKS: usize = 16;
/// Bytes between two looks: at first, and when all trials are of this link.
const BYTES_FIRST: u64 = 16 * 4096;
const BYTES_LATER: u64 = 64 * 4096;
/// Where not even a page that vanishes would pay, one look in so many is a trial all the same: costs change.
const IDLE_LOOKS: u32 = 32;
/// Time saved, as a multiple of the cost, from which on compression begins, and below which it ends.
const BEGIN: f64 = 2.0;
const END: f64 = 1.5;

/// A direction of the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Pages come from the peer.
    Read,
    /// Pages go to the peer.
    Write,
}

/// What compressing a page did.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Trial {
    /// Bytes before.
    pub raw: usize,
    /// Bytes after; at most `raw`.
    pub packed: usize,
    /// Nanoseconds for compressing and expanding it.
    pub cost_ns: u64,
}

/// The decision for one link.
#[derive(Clone, Debug, Default)]
pub struct Packing {
    ways: [Direction; 2],
    /// Nanoseconds that the link takes for a byte, as last seen.
    looks: Recent<f64, LOOKS>,
    idle_looks: u32,
}

#[derive(Clone, Debug, Default)]
struct Direction {
    trials: Recent<Trial, TRIALS>,
    bytes: u64,
    packs: bool,
}

impl Packing {
    /// Whether pages are to be compressed this way.
    #[must_use]
    pub fn packs(&self, way: Way) -> bool {
        self.ways[way as usize].packs
    }

    /// So many bytes go this way: whether to look at the link now ([`link_carries`](Self::link_carries)).
    pub fn is_due(&mut self, way: Way, bytes: usize) -> bool {
        let way = &mut self.ways[way as usize];
        way.bytes += bytes as u64;
        let between = if way.trials.is_full() { BYTES_LATER } else { BYTES_FIRST };
        let due = way.bytes >= between;
        if due {
            way.bytes = 0;
        }
        due
    }

    /// The link carries so many bytes a second (`None`: it was not busy enough to tell). Whether a trial this way is worth its time.
    pub fn link_carries(&mut self, way: Way, bytes_per_s: Option<u64>) -> bool {
        if let Some(rate) = bytes_per_s.filter(|rate| *rate > 0) {
            self.looks.push(1e9 / rate as f64);
            [Way::Read, Way::Write].into_iter().for_each(|way| self.decide(way));
        }
        let Some(ns_per_byte) = self.looks.least() else {
            return false;
        };
        let way = &self.ways[way as usize];
        let hopeless = |cost| way.trials.count >= TRIALS_MIN && ns_per_byte < END * cost;
        if way.cost_per_byte().is_some_and(hopeless) {
            self.idle_looks += 1;
            return self.idle_looks.is_multiple_of(IDLE_LOOKS);
        }
        true
    }

    /// A trial was made with bytes that go this way.
    pub fn tried(&mut self, way: Way, trial: Trial) {
        if trial.raw > 0 {
            self.ways[way as usize].trials.push(Trial { packed: trial.packed.min(trial.raw), ..trial });
            self.decide(way);
        }
    }

    fn decide(&mut self, way: Way) {
        let Some(ns_per_byte) = self.looks.least() else { return };
        let way = &mut self.ways[way as usize];
        let Some(cost) = way.cost_per_byte().filter(|_| way.trials.count >= TRIALS_MIN) else { return };
        let bytes = |of: fn(&Trial) -> usize| way.trials.iter().map(of).sum::<usize>() as f64;
        let saved = ns_per_byte * (1.0 - bytes(|trial| trial.packed) / bytes(|trial| trial.raw));
        way.packs = saved > cost * if way.packs { END } else { BEGIN };
    }
}

impl Direction {
    /// Median: another thread's turn in the middle of a trial is no price.
    fn cost_per_byte(&self) -> Option<f64> {
        self.trials.median(|trial| trial.cost_ns as f64 / trial.raw as f64)
    }
}

/// The last `N` of something.
#[derive(Clone, Debug)]
struct Recent<T, const N: usize> {
    last: [T; N],
    count: u64,
}

impl<T: Copy + Default, const N: usize> Default for Recent<T, N> {
    fn default() -> Self {
        Self { last: [T::default(); N], count: 0 }
    }
}

impl<T: Copy, const N: usize> Recent<T, N> {
    fn push(&mut self, value: T) {
        self.last[(self.count % N as u64) as usize] = value;
        self.count += 1;
    }

    fn is_full(&self) -> bool {
        self.count >= N as u64
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.last.iter().take(self.count.min(N as u64) as usize)
    }

    fn least(&self) -> Option<T>
    where
        T: PartialOrd,
    {
        self.iter().copied().reduce(|one, other| if other < one { other } else { one })
    }

    fn median(&self, of: impl Fn(T) -> f64) -> Option<f64> {
        let mut values = [f64::INFINITY; N];
        let count = self.iter().zip(&mut values).map(|(value, place)| *place = of(*value)).count();
        let values = &mut values[..count];
        values.sort_unstable_by(f64::total_cmp);
        values.get(count / 2).copied()
    }
}

#[cfg(test)]
#[path = "packing_tests.rs"]
mod tests;
