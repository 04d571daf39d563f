//! Pages that stay at home while execution is away, since a system call that sleeps there has pinned them: the kernel reads or writes
//! them at any moment until it returns. No other node takes them; a program that touches one goes home.

use crate::buffers::OWN_PINS;
use crate::entry::Entry;
use crate::page::{PageNumber, PageRange};
use crate::pager::Pager;
use eos_verbs::NodeId;

impl Pager {
    /// What calls at home have pinned, as first byte and end: for a jump. On a peer, what it was told.
    pub fn held_at_home(&self) -> Vec<(u64, u64)> {
        let bounds = |range: &PageRange| (range.start.addr(), range.end.addr());
        match self.me {
            NodeId::HOME => {
                self.pins.iter().filter(|pin| pin.holder != OWN_PINS).map(|pin| bounds(&pin.range)).collect()
            }
            _ => self.held.iter().map(bounds).collect(),
        }
    }

    /// On a peer to which execution has come: what home holds.
    pub fn hold(&mut self, ranges: Vec<(u64, u64)>) {
        let pages = ranges.into_iter().map(|(start, end)| PageRange::covering(&(start..end.max(start))));
        self.held = pages.map(|range| range.intersection(&PageRange::APP)).collect();
    }

    /// Whether some of these bytes are held.
    pub fn holds(&self, addr: u64, len: u64) -> bool {
        !self.held.is_empty() && {
            let range = PageRange::covering(&(addr..addr.saturating_add(len)));
            self.held.iter().any(|held| held.start < range.end && range.start < held.end)
        }
    }

    /// Whether a page must not leave home.
    pub(crate) fn is_held(&self, page: PageNumber, entry: Entry) -> bool {
        !self.held.is_empty()
            && entry.is_resident_on(NodeId::HOME)
            && self.held.iter().any(|range| range.contains(page))
    }

    /// Whether a system call here has pinned the page.
    pub(crate) fn is_pinned(&self, page: PageNumber) -> bool {
        self.pins.iter().any(|pin| pin.range.contains(page))
    }
}
