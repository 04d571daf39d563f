//! A small, fast, seeded generator, so that a workload is the same on every machine and in every run.

/// SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*, OOPSLA 2014).
///
/// Its output does not compress, which keeps compressing baselines (zram) honest.
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// A generator for one purpose (`stream`) of a run with `seed`; streams of one seed are independent.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut generator = Self { state: seed };
        generator.state ^= Self { state: stream }.next_u64();
        generator.next_u64();
        generator
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A number below `bound`, by multiply and shift; its bias is below 2^-32 for any bound that fits 32 bits.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::SplitMix64;

    #[test]
    fn the_first_outputs_are_those_of_the_reference_implementation() {
        let mut generator = SplitMix64 { state: 1_234_567 };
        assert_eq!(generator.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(generator.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let first = SplitMix64::new(1, 0).next_u64();
        assert_ne!(first, SplitMix64::new(1, 1).next_u64());
        assert_ne!(first, SplitMix64::new(2, 0).next_u64());
        assert_eq!(first, SplitMix64::new(1, 0).next_u64());
    }

    #[test]
    fn below_stays_below() {
        let mut generator = SplitMix64::new(7, 0);
        assert!((0..10_000).all(|_| generator.below(13) < 13));
    }
}
