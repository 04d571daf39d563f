//! Counting sort: one pass that counts, one that moves every item to one of 4096 places that grow side by side.

use super::Workload;
use crate::checksum::Checksum;
use crate::random::SplitMix64;

/// The key of an item is its upper bits; the lower ones travel along, so that the data does not compress.
const KEY_BITS: u32 = 12;
/// Values that a key can take.
const KEYS_COUNT: usize = 1 << KEY_BITS;

/// Random items, and the array they are sorted into.
#[derive(Debug)]
pub struct CountSort {
    /// What is sorted.
    pub items: Vec<u32>,
    /// Sorted by key after the run; items with equal keys in their old order.
    pub sorted: Vec<u32>,
}

/// The key that an item is sorted by.
fn key(item: u32) -> usize {
    (item >> (u32::BITS - KEY_BITS)) as usize
}

/// For each key, the index of its first item in sorted order.
fn first_indices(items: &[u32]) -> Vec<usize> {
    let mut counts = vec![0usize; KEYS_COUNT];
    for &item in items {
        counts[key(item)] += 1;
    }
    let mut next = 0;
    for count in &mut counts {
        (*count, next) = (next, next + *count);
    }
    counts
}

impl Workload for CountSort {
    fn generate(bytes: u64, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 0);
        let items: Vec<u32> = (0..bytes / 8).map(|_| random.next_u32()).collect();
        let sorted = vec![u32::MAX; items.len()];
        Self { items, sorted }
    }

    fn run(&mut self) {
        let mut places = first_indices(&self.items);
        for &item in &self.items {
            let place = &mut places[key(item)];
            self.sorted[*place] = item;
            *place += 1;
        }
    }

    fn checksum(&self) -> u64 {
        Checksum::of(self.sorted.iter().map(|&item| u64::from(item)))
    }
}
