//! One number for an answer, which changes with any word and with the order of the words.

/// An order-sensitive 64-bit checksum (xor, multiply, shift for each word). Not cryptographic.
#[derive(Clone, Copy, Debug)]
pub struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    /// Takes in one word.
    #[inline]
    pub fn add(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25);
        self.0 = mixed ^ (mixed >> 32);
    }

    /// The checksum of all words so far.
    #[must_use]
    pub fn finish(self) -> u64 {
        let mixed = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }

    /// The checksum of a whole sequence.
    #[must_use]
    pub fn of(words: impl IntoIterator<Item = u64>) -> u64 {
        let mut checksum = Self::default();
        for word in words {
            checksum.add(word);
        }
        checksum.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Checksum;

    #[test]
    fn any_word_and_the_order_change_the_checksum() {
        let plain = Checksum::of([1, 2, 3]);
        assert_ne!(plain, Checksum::of([1, 3, 2]));
        assert_ne!(plain, Checksum::of([1, 2, 4]));
        assert_ne!(plain, Checksum::of([1, 2]));
        assert_ne!(plain, Checksum::of([1, 2, 3, 0]));
    }
}
