//! Heap sort in place: the least local of the six, as every extraction walks from the top of the heap to a random leaf.

use super::Workload;
use crate::checksum::Checksum;
use crate::random::SplitMix64;

/// Words of a record beside its key.
const PAYLOAD_WORDS: usize = 31;

/// What is sorted: a key, and a payload that travels with it.
///
/// 256 bytes rather than a bare key: with half of its memory remote the sort faults about once for each record, so that
/// the number of records, not of bytes, sets how long a remote run takes. With bare 8-byte keys 512 MiB would take
/// many minutes to hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The records are sorted by this.
    pub key: u64,
    /// Random words that belong to the key.
    pub payload: [u64; PAYLOAD_WORDS],
}

/// Random records to be sorted by key.
#[derive(Debug)]
pub struct HeapSort {
    /// The records; sorted after the run.
    pub records: Vec<Record>,
}

/// Restores the heap below `hole`, whose record was replaced by `record`. Largest key on top.
fn sift_down(records: &mut [Record], mut hole: usize, record: Record) {
    loop {
        let left = 2 * hole + 1;
        if left >= records.len() {
            break;
        }
        let right_is_larger = left + 1 < records.len() && records[left + 1].key > records[left].key;
        let child = left + usize::from(right_is_larger);
        if records[child].key <= record.key {
            break;
        }
        records[hole] = records[child];
        hole = child;
    }
    records[hole] = record;
}

fn heap_sort(records: &mut [Record]) {
    for root in (0..records.len() / 2).rev() {
        sift_down(records, root, records[root]);
    }
    for last in (1..records.len()).rev() {
        let record = records[last];
        records[last] = records[0];
        sift_down(&mut records[..last], 0, record);
    }
}

impl Workload for HeapSort {
    fn generate(bytes: u64, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 0);
        let records = (0..bytes / size_of::<Record>() as u64)
            .map(|_| Record { key: random.next_u64(), payload: std::array::from_fn(|_| random.next_u64()) })
            .collect();
        Self { records }
    }

    fn run(&mut self) {
        heap_sort(&mut self.records);
    }

    fn checksum(&self) -> u64 {
        Checksum::of(self.records.iter().flat_map(|r| std::iter::once(r.key).chain(r.payload)))
    }
}
