//! Block sort: sort blocks that fit, then merge them two by two until one is left.

use super::Workload;
use crate::checksum::Checksum;
use crate::random::SplitMix64;

/// The data is cut into so many blocks: 16 MiB each at a footprint of 512 MiB, and four rounds of merging.
const BLOCKS_COUNT: usize = 16;

/// Random numbers to be sorted, and a second array of the same length to merge into.
#[derive(Debug)]
pub struct BlockSort {
    /// The numbers; sorted after the run.
    pub elements: Vec<u64>,
    /// Where a round of merging writes to; half of the footprint.
    merged: Vec<u64>,
}

fn merge(left: &[u64], right: &[u64], into: &mut [u64]) {
    let (mut left_index, mut right_index) = (0, 0);
    for slot in into {
        let take_left =
            right_index == right.len() || (left_index < left.len() && left[left_index] <= right[right_index]);
        if take_left {
            *slot = left[left_index];
            left_index += 1;
        } else {
            *slot = right[right_index];
            right_index += 1;
        }
    }
}

fn merge_round(from: &[u64], into: &mut [u64], run_len: usize) {
    for (pair, target) in from.chunks(2 * run_len).zip(into.chunks_mut(2 * run_len)) {
        let (left, right) = pair.split_at(run_len.min(pair.len()));
        merge(left, right, target);
    }
}

impl Workload for BlockSort {
    fn generate(bytes: u64, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 0);
        let elements: Vec<u64> = (0..bytes / 16).map(|_| random.next_u64()).collect();
        let merged = vec![u64::MAX; elements.len()];
        Self { elements, merged }
    }

    fn run(&mut self) {
        let mut run_len = self.elements.len().div_ceil(BLOCKS_COUNT).max(1);
        for block in self.elements.chunks_mut(run_len) {
            block.sort_unstable();
        }
        while run_len < self.elements.len() {
            merge_round(&self.elements, &mut self.merged, run_len);
            std::mem::swap(&mut self.elements, &mut self.merged);
            run_len *= 2;
        }
    }

    fn checksum(&self) -> u64 {
        Checksum::of(self.elements.iter().copied())
    }
}
