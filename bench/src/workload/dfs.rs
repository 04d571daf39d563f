//! Depth-first search of a directed graph: long branches that mostly stay near, now and then far away.

use super::Workload;
use crate::checksum::Checksum;
use crate::random::SplitMix64;

/// Edges of each vertex.
const DEGREE: usize = 16;
/// A near edge leads at most this many vertices up or down (16 KiB of edges each way).
const NEAR_VERTICES: u64 = 256;
/// One edge in so many leads anywhere.
const FAR_EVERY: u64 = 512;
/// Mark of a vertex that has not been visited.
const UNVISITED: u32 = u32::MAX;
/// Bytes of each vertex: edge offset, edges, cursor, a place on the stack.
const VERTEX_BYTES: u64 = 4 + 4 * DEGREE as u64 + 4 + 4;

/// A graph in compressed rows, and the state of a search through all of it.
#[derive(Debug)]
pub struct Dfs {
    /// Edges of vertex `v` are `edges[offsets[v]..offsets[v + 1]]`.
    pub offsets: Vec<u32>,
    /// The vertex that each edge leads to.
    pub edges: Vec<u32>,
    /// Next edge of each vertex to follow, or the mark of one not yet visited.
    cursors: Vec<u32>,
    /// The branch from the root to the current vertex; its place is taken up front, as branches get as long as the graph.
    branch: Vec<u32>,
    order: Checksum,
    visited_count: u64,
}

fn near_or_far(random: &mut SplitMix64, vertex: u64, vertex_count: u64) -> u32 {
    if random.below(FAR_EVERY) == 0 {
        return random.below(vertex_count) as u32;
    }
    let low = vertex.saturating_sub(NEAR_VERTICES);
    let high = (vertex + NEAR_VERTICES).min(vertex_count);
    (low + random.below(high - low)) as u32
}

impl Dfs {
    /// Visits everything that `root` leads to and that has not been visited.
    fn visit_from(&mut self, root: u32) {
        let mut depth = 0;
        self.enter(root, depth);
        loop {
            let vertex = self.branch[depth] as usize;
            let cursor = self.cursors[vertex];
            if cursor < self.offsets[vertex + 1] {
                self.cursors[vertex] = cursor + 1;
                let next = self.edges[cursor as usize];
                if self.cursors[next as usize] == UNVISITED {
                    depth += 1;
                    self.enter(next, depth);
                }
            } else if depth == 0 {
                return;
            } else {
                depth -= 1;
            }
        }
    }

    #[inline]
    fn enter(&mut self, vertex: u32, depth: usize) {
        self.branch[depth] = vertex;
        self.cursors[vertex as usize] = self.offsets[vertex as usize];
        self.order.add(u64::from(vertex));
        self.visited_count += 1;
    }
}

impl Workload for Dfs {
    fn generate(bytes: u64, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 0);
        let vertex_count = bytes / VERTEX_BYTES;
        assert!(vertex_count * (DEGREE as u64) < u64::from(u32::MAX), "sizes up to 20G: edges are numbered in 32 bits");
        let edges = (0..vertex_count * DEGREE as u64)
            .map(|edge| near_or_far(&mut random, edge / DEGREE as u64, vertex_count))
            .collect();
        let offsets = (0..=vertex_count).map(|vertex| vertex as u32 * DEGREE as u32).collect();
        let unvisited = || vec![UNVISITED; vertex_count as usize];
        let (cursors, branch) = (unvisited(), unvisited());
        Self { offsets, edges, cursors, branch, order: Checksum::default(), visited_count: 0 }
    }

    fn run(&mut self) {
        for root in 0..self.cursors.len() as u32 {
            if self.cursors[root as usize] == UNVISITED {
                self.visit_from(root);
            }
        }
    }

    /// Depends on the order in which the vertices were visited.
    fn checksum(&self) -> u64 {
        let mut order = self.order;
        order.add(self.visited_count);
        order.finish()
    }
}
