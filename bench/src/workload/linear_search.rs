//! Linear search: the pattern that gains most from jumping, one long scan after the other.

use super::Workload;
use crate::checksum::Checksum;
use crate::random::SplitMix64;

/// Keys looked for, one scan each.
const KEYS_COUNT: usize = 8;
/// Every fourth key is present; the others cost a full scan.
const PRESENT_EVERY: usize = 4;

/// Result of one search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// Index of the first element equal to the key.
    pub found: Option<usize>,
    /// Sum of `element ^ index` over all elements that were looked at, so that a wrong or misplaced page shows.
    pub seen: u64,
}

/// An array of random even numbers, and keys to look for.
#[derive(Debug)]
pub struct LinearSearch {
    /// The array that is searched.
    pub elements: Vec<u64>,
    /// What is looked for; odd keys are absent.
    pub keys: Vec<u64>,
    /// One for each key, after the run.
    pub searches: Vec<Search>,
}

fn search(elements: &[u64], key: u64) -> Search {
    let mut seen = 0u64;
    for (index, &element) in elements.iter().enumerate() {
        seen = seen.wrapping_add(element ^ index as u64);
        if element == key {
            return Search { found: Some(index), seen };
        }
    }
    Search { found: None, seen }
}

impl Workload for LinearSearch {
    fn generate(bytes: u64, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 0);
        let elements: Vec<u64> = (0..bytes / 8).map(|_| random.next_u64() & !1).collect();
        let keys = (0..KEYS_COUNT)
            .map(|key_index| {
                if key_index % PRESENT_EVERY == PRESENT_EVERY - 1 {
                    elements[random.below(elements.len() as u64) as usize]
                } else {
                    random.next_u64() | 1
                }
            })
            .collect();
        Self { elements, keys, searches: Vec::with_capacity(KEYS_COUNT) }
    }

    fn run(&mut self) {
        for &key in &self.keys {
            self.searches.push(search(&self.elements, key));
        }
    }

    fn checksum(&self) -> u64 {
        Checksum::of(self.searches.iter().flat_map(|s| [s.found.map_or(u64::MAX, |index| index as u64), s.seen]))
    }
}
