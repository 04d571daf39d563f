//! The initiating side of compression: what a link needs once it may compress, and the trials that tell whether it pays.

use std::net::TcpStream;
use std::time::Instant;

use super::block::{BLOCK, Packer, unpack};
use super::carried;
use crate::PAGE;
use crate::packing::{PackRule, Way};

/// Present on links that may compress. Allocates at the start only.
pub(super) struct Packs {
    rule: Box<dyn PackRule>,
    pub(super) packer: Packer,
    /// Where a page that was tried is expanded.
    page: Box<[u8]>,
    /// The link does not leave this host: there is no wire to save.
    same_host: bool,
    /// Trials so far, so that not always the first page of a run is tried.
    trials: usize,
}

impl Packs {
    pub(super) fn new(rule: Box<dyn PackRule>, same_host: bool) -> Packs {
        let mut packer = Packer::new();
        // the first use of fresh memory is slow, and would be taken for a price
        packer.pack(&[0; BLOCK]);
        Packs { rule, packer, page: vec![0; PAGE].into_boxed_slice(), same_host, trials: 0 }
    }

    /// Whether to compress `len` bytes that go this way. Less than a page is sent as it is.
    pub(super) fn packs(&self, way: Way, len: usize) -> bool {
        len >= PAGE && self.rule.packs(way)
    }

    /// `bytes` went this way over the link whose data goes through `socket`; now and then the rule is told what they and the link are like.
    pub(super) fn look(&mut self, way: Way, socket: &TcpStream, bytes: &[u8]) {
        if bytes.len() < PAGE || !self.rule.is_due(way, bytes.len()) {
            return;
        }
        let rate = if self.same_host { None } else { carried::bytes_per_s(socket) };
        if !self.rule.link_carries(way, rate) {
            return;
        }
        self.trials += 1;
        let at = self.trials % (bytes.len() / PAGE) * PAGE;
        let raw = &bytes[at..at + PAGE];
        let start = Instant::now();
        let wire = self.packer.pack(raw);
        let packed = wire.len();
        if packed < PAGE {
            let expanded = unpack(wire, &mut self.page);
            debug_assert!(expanded.is_ok() && raw == &self.page[..]);
        }
        self.rule.tried(way, PAGE, packed, start.elapsed());
    }
}
