//! Dijkstra's shortest paths on a graph like a road network: a grid with missing streets, random
//! lengths, and a few motorways far across it.

use super::Workload;
use crate::checksum::Checksum;
use crate::random::SplitMix64;

/// One street in so many is missing.
const MISSING_EVERY: u64 = 8;
/// Lengths are 1 to this.
const LENGTH_MAX: u64 = 1 << 16;
/// One vertex in so many has a motorway to any other vertex.
const MOTORWAY_EVERY: u64 = 128;
/// A motorway is as long as so many streets of full length for every 16 that it spans.
const MOTORWAY_SIXTEENTHS: u64 = 4;
/// Distance of a vertex that no path leads to.
const UNREACHED: u64 = u64::MAX;
/// Place in the heap of a vertex that is not in it.
const NOT_QUEUED: u32 = u32::MAX;
/// Bytes of 128 vertices: edge offset, 3.5 edges on average, distance, place in the heap; and one motorway. The heap
/// itself holds only the rim of the search, well below 1 % of the vertices.
const VERTICES_128_BYTES: u64 = 128 * (4 + 7 * 8 / 2 + 8 + 4) + 8;

/// A directed street.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// The vertex it leads to.
    pub to: u32,
    /// Its length, at least 1.
    pub length: u32,
}

/// The graph in compressed rows, and the state of the search from the middle of the grid.
#[derive(Debug)]
pub struct Dijkstra {
    /// Edges of vertex `v` are `edges[offsets[v]..offsets[v + 1]]`.
    pub offsets: Vec<u32>,
    /// All edges, by the vertex they start from.
    pub edges: Vec<Edge>,
    /// Where the search starts.
    pub source: u32,
    /// Distance of each vertex from the source; `u64::MAX` if there is no path.
    pub distances: Vec<u64>,
    queue: Queue,
}

/// A binary heap of vertices by distance, which knows each vertex's place so that a distance can be lowered.
#[derive(Debug)]
struct Queue {
    heap: Vec<u32>,
    places: Vec<u32>,
}

impl Queue {
    fn new(vertex_count: usize) -> Self {
        Self { heap: Vec::new(), places: vec![NOT_QUEUED; vertex_count] }
    }

    /// Puts a vertex in, or moves it after its distance was lowered.
    fn push_or_lower(&mut self, vertex: u32, distances: &[u64]) {
        let mut place = self.places[vertex as usize] as usize;
        if place == NOT_QUEUED as usize {
            place = self.heap.len();
            self.heap.push(vertex);
        }
        let distance = distances[vertex as usize];
        while place > 0 {
            let parent = (place - 1) / 2;
            if distances[self.heap[parent] as usize] <= distance {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, vertex);
    }

    fn pop(&mut self, distances: &[u64]) -> Option<u32> {
        let last = self.heap.pop()?;
        let Some(&first) = self.heap.first() else {
            self.places[last as usize] = NOT_QUEUED;
            return Some(last);
        };
        self.places[first as usize] = NOT_QUEUED;
        self.sift_down(last, distances);
        Some(first)
    }

    /// Finds the place of `vertex` from the top of the heap down, moving shorter children up.
    fn sift_down(&mut self, vertex: u32, distances: &[u64]) {
        let distance = distances[vertex as usize];
        let mut place = 0;
        while let Some(child) = self.nearer_child(place, distances) {
            let child_vertex = self.heap[child];
            if distance <= distances[child_vertex as usize] {
                break;
            }
            self.put(place, child_vertex);
            place = child;
        }
        self.put(place, vertex);
    }

    #[inline]
    fn nearer_child(&self, place: usize, distances: &[u64]) -> Option<usize> {
        let left = 2 * place + 1;
        let &left_vertex = self.heap.get(left)?;
        match self.heap.get(left + 1) {
            Some(&right) if distances[right as usize] < distances[left_vertex as usize] => Some(left + 1),
            _ => Some(left),
        }
    }

    #[inline]
    fn put(&mut self, place: usize, vertex: u32) {
        self.heap[place] = vertex;
        self.places[vertex as usize] = place as u32;
    }
}

/// The up to four neighbours of a vertex of a grid `width` wide that numbers its vertices row by row.
fn neighbours(vertex: u64, width: u64, vertex_count: u64) -> impl Iterator<Item = u64> {
    let column = vertex % width;
    [
        (vertex >= width).then(|| vertex - width),
        (column > 0).then(|| vertex - 1),
        (column + 1 < width && vertex + 1 < vertex_count).then(|| vertex + 1),
        (vertex + width < vertex_count).then(|| vertex + width),
    ]
    .into_iter()
    .flatten()
}

/// A long edge, faster than streets on many a stretch.
fn motorway(from: u64, to: u64, width: u64) -> Edge {
    let spans = (from % width).abs_diff(to % width) + (from / width).abs_diff(to / width);
    let length = 1 + spans * LENGTH_MAX / 16 * MOTORWAY_SIXTEENTHS;
    Edge { to: to as u32, length: u32::try_from(length).unwrap_or(u32::MAX) }
}

impl Workload for Dijkstra {
    fn generate(bytes: u64, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed, 0);
        let vertex_count = bytes * 128 / VERTICES_128_BYTES;
        let width = vertex_count.isqrt();
        assert!(vertex_count * 5 < u64::from(u32::MAX), "sizes up to 32G: edges are numbered in 32 bits");
        // Room for a grid without a missing street: what is never touched takes no memory.
        let mut edges = Vec::with_capacity(vertex_count as usize * 5);
        let mut offsets = Vec::with_capacity(vertex_count as usize + 1);
        offsets.push(0);
        for vertex in 0..vertex_count {
            for to in neighbours(vertex, width, vertex_count) {
                if random.below(MISSING_EVERY) != 0 {
                    edges.push(Edge { to: to as u32, length: 1 + random.below(LENGTH_MAX) as u32 });
                }
            }
            if random.below(MOTORWAY_EVERY) == 0 {
                edges.push(motorway(vertex, random.below(vertex_count), width));
            }
            offsets.push(edges.len() as u32);
        }
        let source = (vertex_count / 2 + width / 2) as u32;
        let distances = vec![UNREACHED; vertex_count as usize];
        Self { offsets, edges, source, distances, queue: Queue::new(vertex_count as usize) }
    }

    fn run(&mut self) {
        let Self { offsets, edges, source, distances, queue } = self;
        distances[*source as usize] = 0;
        queue.push_or_lower(*source, distances);
        while let Some(vertex) = queue.pop(distances) {
            let vertex = vertex as usize;
            let distance = distances[vertex];
            for edge in &edges[offsets[vertex] as usize..offsets[vertex + 1] as usize] {
                let through = distance + u64::from(edge.length);
                if through < distances[edge.to as usize] {
                    distances[edge.to as usize] = through;
                    queue.push_or_lower(edge.to, distances);
                }
            }
        }
    }

    fn checksum(&self) -> u64 {
        Checksum::of(self.distances.iter().copied())
    }
}
