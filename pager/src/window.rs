//! A window on its way: pages that are pulled together.
//!
//! Consecutive slots are one READ, all READs of a window are posted before the first is waited for, and neighbours are
//! installed by one `UFFDIO_COPY`.

use eos_verbs::NodeId;

use crate::entry::SlotRef;
use crate::error::PagerError;
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::Pager;
use crate::protocol;
use crate::uffd::Protection;

/// A page of a window, and where it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    pub(crate) page: PageNumber,
    pub(crate) slot: SlotRef,
    pub(crate) protection: Protection,
}

impl Pager {
    /// Pulls the window: there is room for all of it.
    pub(crate) fn pull_window(&mut self) -> Result<(), PagerError> {
        let window = std::mem::take(&mut self.ahead.window);
        for wanted in &window {
            let claimed = protocol::begin_pull(self.table.cell(wanted.page), self.me);
            debug_assert!(claimed.is_ok(), "a window holds pages in slots only");
        }
        let outcome = self.read_window(&window);
        outcome?;
        for wanted in &window {
            let write = wanted.protection == Protection::Writable;
            protocol::finish_pull(self.table.cell(wanted.page), self.me, !write);
            if write {
                self.free_slot(wanted.slot);
            }
            self.arrived(wanted.page);
        }
        let along = window.len() as u64 - 1;
        self.ahead.along += along;
        self.counters.prefetched += along;
        self.ahead.window = window;
        Ok(())
    }

    /// Has the pages of the window on their way while victims make room, where the wire allows that; else what is pushed would be in
    /// front of the request.
    pub(crate) fn request_window(&mut self) -> Result<(), PagerError> {
        let node = self.ahead.window[0].slot.node;
        if !self.link(node).overlaps() {
            return Ok(());
        }
        let mut reads = std::mem::take(&mut self.ahead.reads);
        reads.clear();
        self.ahead.window.iter().for_each(|wanted| add_read(&mut reads, wanted.slot, false));
        let outcome = self.link(node).read_ahead(&reads);
        self.ahead.reads = reads;
        Ok(outcome?)
    }

    /// Reads the pages of the window and installs them.
    fn read_window(&mut self, window: &[Wanted]) -> Result<(), PagerError> {
        let node = window[0].slot.node;
        let mut reads = std::mem::take(&mut self.ahead.reads);
        reads.clear();
        window.iter().for_each(|wanted| add_read(&mut reads, wanted.slot, false));
        let outcome = self.read_and_install(node, &reads, window);
        self.ahead.reads = reads;
        outcome
    }

    fn read_and_install(&mut self, node: NodeId, reads: &[(u64, usize)], window: &[Wanted]) -> Result<(), PagerError> {
        let link = self.links[node.index()].as_mut().expect("a node with slots is joined");
        let mut rest = window;
        if reads.len() > 1 && !link.reads_in_place() {
            let bytes = &mut self.bounce[..window.len() * PAGE_SIZE as usize];
            link.read_list(reads, bytes)?;
            return install(&self.uffd, window, self.bounce.as_ptr())
                .map_err(|source| self.kernel("installing pages", source));
        }
        if reads.len() > 1 {
            link.read_ahead(reads)?;
        }
        for &(offset, len) in reads {
            let link = self.links[node.index()].as_mut().expect("a node with slots is joined");
            let bytes = link.read(offset, len)?.as_ptr();
            let (part, after) = rest.split_at(len / PAGE_SIZE as usize);
            install(&self.uffd, part, bytes).map_err(|source| self.kernel("installing pages", source))?;
            rest = after;
        }
        Ok(())
    }
}

/// Adds a page to a list of READs; `before`: pages come in descending order.
pub(crate) fn add_read(reads: &mut Vec<(u64, usize)>, slot: SlotRef, before: bool) {
    let page = PAGE_SIZE as usize;
    match reads.last_mut() {
        Some((offset, len)) if !before && *offset + *len as u64 == slot.offset() => *len += page,
        Some((offset, len)) if before && slot.offset() + PAGE_SIZE == *offset => {
            *offset = slot.offset();
            *len += page;
        }
        _ => reads.push((slot.offset(), page)),
    }
}

/// Maps pages whose bytes lie one after the other at `bytes`: one request for neighbours that are mapped alike.
fn install(uffd: &crate::uffd::Uffd, window: &[Wanted], bytes: *const u8) -> std::io::Result<()> {
    let mut at = 0;
    while at < window.len() {
        let first = window[at];
        let alike = |other: &&Wanted| other.protection == first.protection;
        let following = window[at + 1..]
            .iter()
            .zip(first.page.0 + 1..)
            .take_while(|(other, page)| other.page.0 == *page && alike(other));
        let count = 1 + following.count();
        let range = PageRange::new(first.page, PageNumber(first.page.0 + count as u64));
        uffd.copy(range, bytes.wrapping_add(at * PAGE_SIZE as usize), first.protection)?;
        at += count;
    }
    Ok(())
}
