//! Compression on the way: what a link asks of whoever decides where it pays. Only tcp links do so.

use std::time::Duration;

/// A direction of page data, seen from the end that asks for it or sends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// READs: pages come from the peer, which compresses what this end asks it to.
    Read,
    /// WRITEs: pages go to the peer; this end compresses.
    Write,
}

/// Decides for one link where pages are compressed. Called on the fault path, so it neither allocates nor waits.
pub trait PackRule: Send {
    /// Whether to compress what goes this way now.
    fn packs(&self, way: Way) -> bool;

    /// So many bytes went this way: whether to look at the link, and call [`link_carries`](Self::link_carries).
    fn is_due(&mut self, way: Way, bytes: usize) -> bool;

    /// What the link was last seen to carry, in bytes a second; `None`: it was never busy enough to tell, or does not leave this
    /// host. Says whether to try with one page that goes this way, and call [`tried`](Self::tried).
    fn link_carries(&mut self, way: Way, bytes_per_s: Option<u64>) -> bool;

    /// `raw` bytes that went this way became `packed`; compressing and expanding them took `cost` of this end's time.
    fn tried(&mut self, way: Way, raw: usize, packed: usize, cost: Duration);
}

/// Compresses everything, and asks for nothing: no clock, so that a tortured run does the same again.
#[derive(Clone, Copy, Debug)]
pub struct Always;

impl PackRule for Always {
    fn packs(&self, _way: Way) -> bool {
        true
    }

    fn is_due(&mut self, _way: Way, _bytes: usize) -> bool {
        false
    }

    fn link_carries(&mut self, _way: Way, _bytes_per_s: Option<u64>) -> bool {
        false
    }

    fn tried(&mut self, _way: Way, _raw: usize, _packed: usize, _cost: Duration) {}
}
