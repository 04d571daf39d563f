//! Each program's answer against the plainest way to get it, at a small size.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use eos_bench::checksum::Checksum;
use eos_bench::workload::{BlockSort, CountSort, Dfs, Dijkstra, HeapSort, LinearSearch, Workload};

const BYTES: u64 = 1 << 20;
const SEEDS: std::ops::Range<u64> = 1..4;

#[test]
fn linear_search_finds_what_position_finds_and_sums_what_it_passed() {
    for seed in SEEDS {
        let mut workload = LinearSearch::generate(BYTES, seed);
        workload.run();
        let mut found_count = 0;
        for (key, search) in workload.keys.iter().zip(&workload.searches) {
            let expected = workload.elements.iter().position(|element| element == key);
            assert_eq!(search.found, expected);
            let seen_count = expected.map_or(workload.elements.len(), |index| index + 1);
            let seen = (0..seen_count).fold(0u64, |sum, i| sum.wrapping_add(workload.elements[i] ^ i as u64));
            assert_eq!(search.seen, seen);
            found_count += usize::from(expected.is_some());
        }
        assert_eq!((found_count, workload.searches.len()), (2, 8));
    }
}

#[test]
fn dfs_visits_in_the_order_of_a_recursive_search() {
    fn visit(graph: &Dfs, vertex: u32, visited: &mut [bool], order: &mut Vec<u64>) {
        visited[vertex as usize] = true;
        order.push(u64::from(vertex));
        let range = graph.offsets[vertex as usize] as usize..graph.offsets[vertex as usize + 1] as usize;
        for &next in &graph.edges[range] {
            if !visited[next as usize] {
                visit(graph, next, visited, order);
            }
        }
    }
    fn check(seed: u64) {
        let mut graph = Dfs::generate(BYTES, seed);
        let vertex_count = graph.offsets.len() - 1;
        let (mut visited, mut order) = (vec![false; vertex_count], Vec::new());
        for root in 0..vertex_count {
            if !visited[root] {
                visit(&graph, root as u32, &mut visited, &mut order);
            }
        }
        order.push(vertex_count as u64);
        graph.run();
        assert_eq!(graph.checksum(), Checksum::of(order));
    }
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(|| SEEDS.for_each(check));
    thread.expect("a thread with a deep stack").join().expect("no order differs");
}

#[test]
fn dijkstra_finds_the_distances_that_a_lazy_heap_finds() {
    for seed in SEEDS {
        let mut graph = Dijkstra::generate(BYTES, seed);
        let mut distances = vec![u64::MAX; graph.offsets.len() - 1];
        let mut heap = BinaryHeap::from([Reverse((0, graph.source))]);
        while let Some(Reverse((distance, vertex))) = heap.pop() {
            if distance >= distances[vertex as usize] {
                continue;
            }
            distances[vertex as usize] = distance;
            let range = graph.offsets[vertex as usize] as usize..graph.offsets[vertex as usize + 1] as usize;
            heap.extend(graph.edges[range].iter().map(|e| Reverse((distance + u64::from(e.length), e.to))));
        }
        graph.run();
        assert!(distances == graph.distances, "distances differ at seed {seed}");
        let reached_count = distances.iter().filter(|&&d| d < u64::MAX).count();
        assert!(reached_count * 10 > distances.len() * 9, "the graph hangs together");
    }
}

#[test]
fn heap_sort_sorts_like_the_standard_library() {
    for seed in SEEDS {
        let mut workload = HeapSort::generate(BYTES, seed);
        let mut expected = workload.records.clone();
        expected.sort_by_key(|record| record.key);
        workload.run();
        assert!(workload.records == expected, "order differs at seed {seed}");
    }
}

#[test]
fn block_sort_sorts_like_the_standard_library() {
    for seed in SEEDS {
        for bytes in [BYTES, BYTES + 16 * 13, 64 << 10] {
            let mut workload = BlockSort::generate(bytes, seed);
            let mut expected = workload.elements.clone();
            expected.sort();
            workload.run();
            assert!(workload.elements == expected, "order differs at seed {seed}, {bytes} bytes");
        }
    }
}

#[test]
fn count_sort_sorts_stably_by_the_upper_twelve_bits() {
    for seed in SEEDS {
        let mut workload = CountSort::generate(BYTES, seed);
        let mut expected = workload.items.clone();
        expected.sort_by_key(|item| item >> 20);
        workload.run();
        assert!(workload.sorted == expected, "order differs at seed {seed}");
    }
}
