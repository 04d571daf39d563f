//! What a pull and a jump cost here, from what was measured.
//!
//! Both have outliers that say nothing of the next one: the first pull waits for all that was pushed before it, the first jump takes stock
//! of the memory. So a pull's price is a mean that begins with some pulls of a guess, and a jump's the median of the last few.

/// A pull takes this long, until some were measured.
const PULL_NS_GUESS: u64 = 50_000;
/// The guess weighs as much as so many pulls.
const PULLS_GUESSED: u64 = 64;
/// Once so many pulls are known, half of them are forgotten.
const PULLS_MAX: u64 = 4096;
/// Jumps of which the median is taken.
const JUMPS: usize = 5;
/// A jump costs as much as this many pulls, until some were measured.
const JUMP_PULLS_GUESS: u64 = 8;
/// A first jump, of which nothing is known, may turn out to cost as much as this many pulls.
const JUMP_PULLS_FEARED: u64 = 64;

/// Numbers of [`Prices::to_words`].
pub(super) const PRICES_WORDS: usize = 5;

/// Prices, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prices {
    pulls: u64,
    waited_ns: u64,
    /// The last jumps, one way; the oldest is at `jumps` modulo their number.
    jumps_ns: [u32; JUMPS],
    jumps: u32,
}

impl Prices {
    /// A page that is pulled.
    #[must_use]
    pub fn pull_ns(&self) -> u64 {
        let waited_ns = self.waited_ns.saturating_add(PULLS_GUESSED * PULL_NS_GUESS);
        waited_ns / (PULLS_GUESSED + self.pulls)
    }

    /// A jump, one way.
    #[must_use]
    pub fn jump_ns(&self) -> u64 {
        let guess = u32::try_from(JUMP_PULLS_GUESS * self.pull_ns()).unwrap_or(u32::MAX);
        let mut last = self.jumps_ns;
        last.iter_mut().skip(self.jumps as usize).for_each(|unknown| *unknown = guess);
        last.sort_unstable();
        last[JUMPS / 2].into()
    }

    /// What a jump may cost if it comes badly.
    #[must_use]
    pub fn jump_feared_ns(&self) -> u64 {
        match self.jumps_ns.iter().max() {
            Some(most) if *most > 0 => u64::from(*most),
            _ => JUMP_PULLS_FEARED * self.pull_ns(),
        }
    }

    /// So many pages were pulled in so much time.
    pub(super) fn pulled(&mut self, pulls: u64, waited_ns: u64) {
        self.pulls = self.pulls.saturating_add(pulls);
        self.waited_ns = self.waited_ns.saturating_add(waited_ns);
        while self.pulls > PULLS_MAX {
            (self.pulls, self.waited_ns) = (self.pulls / 2, self.waited_ns / 2);
        }
    }

    /// A jump took so long.
    pub(super) fn jumped(&mut self, took_ns: u64) {
        self.jumps_ns[self.jumps as usize % JUMPS] = u32::try_from(took_ns).unwrap_or(u32::MAX);
        // A multiple of their number is taken off before the count overflows.
        self.jumps = if self.jumps as usize == 2 * JUMPS { JUMPS as u32 + 1 } else { self.jumps + 1 };
    }

    pub(super) fn to_words(self) -> [u64; PRICES_WORDS] {
        let [a, b, c, d, e] = self.jumps_ns.map(u64::from);
        [self.pulls, self.waited_ns, a | b << 32, c | d << 32, e | u64::from(self.jumps) << 32]
    }

    pub(super) fn from_words([pulls, waited_ns, ab, cd, ej]: [u64; PRICES_WORDS]) -> Self {
        let jumps_ns = [ab as u32, (ab >> 32) as u32, cd as u32, (cd >> 32) as u32, ej as u32];
        let jumps = ((ej >> 32) as u32).min(2 * JUMPS as u32);
        Self { pulls: pulls.min(PULLS_MAX), waited_ns, jumps_ns, jumps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_jump_among_others_changes_nothing() {
        let mut prices = Prices::default();
        prices.pulled(1000, 80_000_000);
        prices.jumped(7_000_000);
        assert!(prices.jump_ns() < 700_000, "{prices:?}");
        for round in 0..40 {
            prices.jumped(if round % 5 == 3 { 9_000_000 } else { 200_000 + round });
        }
        assert!((200_000..201_000).contains(&prices.jump_ns()), "{prices:?}");
        assert_eq!(prices.jump_feared_ns(), 9_000_000);
    }

    #[test]
    fn one_slow_pull_at_the_start_hardly_counts_and_the_guess_is_outgrown() {
        let mut prices = Prices::default();
        prices.pulled(1, 6_800_000);
        assert!(prices.pull_ns() < 200_000, "{prices:?}");
        (0..100_000).for_each(|_| prices.pulled(1, 8_000));
        assert!((8_000..9_500).contains(&prices.pull_ns()), "{prices:?}");
    }
}
