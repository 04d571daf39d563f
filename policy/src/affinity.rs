//! To which node a victim goes.
//!
//! Jumps pay when neighbours are together. So pages go where other pages of their chunk (2 MiB) went, then where the
//! chunks beside it went, and else to the node that is being filled: one node's run of addresses is filled
//! before the next is begun. Home gets pages only when all others are full, since its memory is what is short.

use crate::NODES;

/// Home's number.
const HOME: u8 = 0;

/// Which node each chunk went to, and which is being filled.
#[derive(Clone, Debug)]
pub struct Affinity {
    /// 1 + the node that the chunk's pages went to last; 0: none yet. Zeroed memory from the allocator is untouched
    /// memory of the kernel for a size like this, so only used chunks cost anything.
    chunks: Vec<u8>,
    filling: Option<u8>,
}

impl Affinity {
    /// For chunks numbered below `chunks`; allocates as many bytes (of addresses, see the field).
    #[must_use]
    pub fn new(chunks: u64) -> Self {
        Self { chunks: vec![0; chunks as usize], filling: None }
    }

    /// The node to push the next pages of `chunk` to; `free` has the free slots of each node, 0 for those that cannot
    /// take any, as the one that executes. `None` if all are full.
    pub fn choose(&mut self, chunk: u64, free: &[u32; NODES]) -> Option<u8> {
        let has_room = |node: &u8| *node != HOME && free[usize::from(*node)] > 0;
        let near = [Some(chunk), chunk.checked_sub(1), chunk.checked_add(1)];
        let beside = near.into_iter().flatten().filter_map(|near| self.node_of(near)).find(has_room);
        let node = beside
            .or_else(|| self.filling.filter(has_room))
            .or_else(|| roomiest_peer(free))
            .or_else(|| (free[usize::from(HOME)] > 0).then_some(HOME))?;
        if beside.is_none() {
            self.filling = Some(node);
        }
        self.note(chunk, node);
        Some(node)
    }

    /// Says that the chunk's pages are on `node`: learnt from another node's changes.
    pub fn note(&mut self, chunk: u64, node: u8) {
        if let Some(place) = self.chunks.get_mut(chunk as usize) {
            *place = node + 1;
        }
    }

    /// The node that pages of `chunk` went to last.
    #[must_use]
    pub fn node_of(&self, chunk: u64) -> Option<u8> {
        self.chunks.get(chunk as usize).and_then(|place| place.checked_sub(1))
    }
}

/// The peer with the most free slots, the lowest number first; `None` if none has any.
fn roomiest_peer(free: &[u32; NODES]) -> Option<u8> {
    let peers = (1..NODES as u8).filter(|node| free[usize::from(*node)] > 0);
    peers.max_by_key(|node| (free[usize::from(*node)], std::cmp::Reverse(*node)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn free(slots: &[(usize, u32)]) -> [u32; NODES] {
        let mut free = [0; NODES];
        for (node, count) in slots {
            free[*node] = *count;
        }
        free
    }

    #[test]
    fn one_node_is_filled_before_the_next_and_home_comes_last() {
        let mut affinity = Affinity::new(1000);
        assert_eq!(affinity.choose(10, &free(&[(0, 9), (1, 5), (2, 8)])), Some(2));
        assert_eq!(affinity.choose(500, &free(&[(0, 9), (1, 5), (2, 1)])), Some(2));
        assert_eq!(affinity.choose(11, &free(&[(0, 9), (1, 5)])), Some(1));
        assert_eq!(affinity.choose(12, &free(&[(0, 9), (1, 4), (2, 7)])), Some(1));
        assert_eq!(affinity.choose(10, &free(&[(0, 9), (1, 4), (2, 7)])), Some(2));
        assert_eq!(affinity.choose(10, &free(&[(0, 9)])), Some(0));
        assert_eq!(affinity.choose(10, &free(&[(0, 9), (1, 1)])), Some(1));
        assert_eq!(affinity.choose(10, &free(&[])), None);
    }

    #[test]
    fn chunks_out_of_range_are_placed_and_not_remembered() {
        let mut affinity = Affinity::new(2);
        assert_eq!(affinity.choose(u64::MAX, &free(&[(3, 1)])), Some(3));
        assert_eq!(affinity.node_of(u64::MAX), None);
    }

    proptest! {
        #[test]
        fn a_choice_has_room_and_a_chunk_stays_while_its_node_has(
            steps in prop::collection::vec((0..20u64, prop::array::uniform16(0..3u32)), 0..100),
        ) {
            let mut affinity = Affinity::new(20);
            for (chunk, free) in steps {
                let before = affinity.node_of(chunk).filter(|node| *node != HOME && free[usize::from(*node)] > 0);
                let choice = affinity.choose(chunk, &free);
                prop_assert_eq!(choice.is_some(), free.iter().any(|count| *count > 0));
                if let Some(node) = choice {
                    prop_assert!(free[usize::from(node)] > 0);
                    prop_assert!(before.is_none_or(|stay| stay == node));
                    prop_assert!(node != HOME || free[1..].iter().all(|count| *count == 0));
                }
            }
        }
    }
}
