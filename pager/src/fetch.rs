//! Pages that stayed resident on a node when execution left it: asked for by message, served by the parked thread there.
//!
//! They are in no pinned slot, so a one-sided READ cannot reach them. The thread that serves is idle otherwise (its node
//! does not execute), and it lets go of what it served: a page has one active copy. File data that only home has mapped
//! is served the same way, but kept.
//!
//! Messages (little endian): `FETCH` tag u8, keep u8, count u16, 4 bytes of zero, first page u64;
//! `FETCH_REPLY` tag u8, 7 bytes of zero, then the pages, none if they cannot be read.

use std::ops::Range;
use std::time::Instant;

use eos_verbs::NodeId;

use crate::ahead::WINDOW_PAGES;
use crate::demand::{DEMAND, RETIRE};
use crate::entry::State;
use crate::error::PagerError;
use crate::fault::Fault;
use crate::kernel;
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::Pager;
use crate::protocol;
use crate::slabs::{GIVE_BACK, LEASE};
use crate::swap::Room;
use crate::uffd::Protection;

/// First byte of a message that asks for pages.
pub const FETCH: u8 = 1;
const FETCH_REPLY: u8 = 2;

/// Bytes before the pages of a reply.
const HEADER_BYTES: usize = 8;

impl Pager {
    /// Brings a page that is resident on `owner`, and its neighbours there.
    pub(crate) fn fetch_resident(&mut self, page: PageNumber, owner: NodeId) -> Result<Fault, PagerError> {
        let start = Instant::now();
        let wanted = self.fetch_window.open(page.0);
        let run = self.run_resident_on(page, owner, wanted);
        let (run, single) = (self.gathered(page, owner, run), PageRange::single(page));
        let brought = match self.room_for_pull(run.count())? {
            Room::Pages(count) if count >= run.count() => self.fetch_run(run, owner).map(|()| run)?,
            Room::Pages(_) => self.fetch_run(single, owner).map(|()| single)?,
            Room::Swap(victim) => self.swap_with_owner(page, owner, victim).map(|()| single)?,
        };
        self.fetch_window.brought(brought.start.0, brought.count());
        self.count_pull(brought.count(), start);
        Ok(Fault::Resolved)
    }

    /// Fetches pages that are resident on `owner`, for which there is room.
    pub(crate) fn fetch_run(&mut self, range: PageRange, owner: NodeId) -> Result<(), PagerError> {
        for page in range {
            let claimed = protocol::begin_pull(self.table.cell(page), self.me);
            debug_assert!(claimed.is_ok(), "a run holds resident pages of the owner only");
        }
        let bytes = self.fetch_bytes(owner, range)?;
        let source = self.message[bytes].as_ptr();
        self.uffd
            .copy(range, source, Protection::Writable)
            .map_err(|source| self.kernel("installing pages", source))?;
        for page in range {
            let (before, _) = protocol::finish_pull(self.table.cell(page), self.me, false);
            if let Some(slot) = before.slot() {
                self.free_slot(slot);
            }
            self.nodes[owner.index()].resident -= 1;
            self.arrived(page);
        }
        Ok(())
    }

    /// Pages from `page` on that are resident on `owner`, up to `wanted`.
    fn run_resident_on(&self, page: PageNumber, owner: NodeId, wanted: u64) -> PageRange {
        let others = (1..wanted).take_while(|ahead| self.is_to_fetch(PageNumber(page.0 + ahead), owner));
        PageRange::new(page, PageNumber(page.0 + 1 + others.count() as u64))
    }

    /// The run, or what is around `page` in its area and resident on `owner`, if pages had better gather.
    fn gathered(&self, page: PageNumber, owner: NodeId, run: PageRange) -> PageRange {
        let block = 1 << self.ahead.gathers.ilog2();
        let Some((span, _)) = self.layout.find(page.addr()).filter(|_| block > run.count()) else {
            return run;
        };
        let first = page.0 & !(block - 1);
        let bounds =
            PageRange::new(PageNumber(first), PageNumber(first + block)).intersection(&PageRange::covering(&span));
        let there = |number: &u64| self.is_to_fetch(PageNumber(*number), owner);
        let below = (bounds.start.0..page.0).rev().take_while(there).count() as u64;
        let above = (page.0 + 1..bounds.end.0).take_while(there).count() as u64;
        PageRange::new(PageNumber(page.0 - below), PageNumber(page.0 + 1 + above))
    }

    /// Whether a fault on the page would fetch it from `owner`.
    fn is_to_fetch(&self, page: PageNumber, owner: NodeId) -> bool {
        let entry = self.table.load(page);
        let slot_here = entry.slot().is_some_and(|slot| slot.node == self.me);
        entry.is_resident_on(owner) && !slot_here && !self.is_held(page, entry)
    }

    /// Copies a page of file data from home. It stays valid there; here it may be dropped at any time.
    pub(crate) fn fetch_replica(&mut self, page: PageNumber) -> Result<Fault, PagerError> {
        self.make_room(1)?;
        let range = PageRange::single(page);
        self.request_pages(NodeId::HOME, range, true)?;
        let bytes = self.wait_reply(NodeId::HOME, FETCH_REPLY)?;
        if bytes.len() != HEADER_BYTES + PAGE_SIZE as usize {
            return Ok(Fault::NotOurs);
        }
        let source = self.message[HEADER_BYTES..].as_ptr();
        self.uffd
            .copy(range, source, Protection::Writable)
            .map_err(|source| self.kernel("installing a page of a file", source))?;
        let _ = self.table.update(page, |entry| Some(entry.with_state(State::Replica)));
        self.here().resident += 1;
        self.enqueue(page);
        self.counters.replicas += 1;
        Ok(Fault::Resolved)
    }

    fn request_pages(&mut self, from: NodeId, range: PageRange, keep: bool) -> Result<(), PagerError> {
        let mut request = [0_u8; 16];
        request[0] = FETCH;
        request[1] = u8::from(keep);
        request[2..4].copy_from_slice(&(range.count() as u16).to_le_bytes());
        request[8..].copy_from_slice(&range.start.0.to_le_bytes());
        Ok(self.link(from).send(&[&request])?)
    }

    /// Asks `from` for pages, which it lets go of. Returns where in the message buffer they are.
    pub(crate) fn fetch_bytes(&mut self, from: NodeId, range: PageRange) -> Result<Range<usize>, PagerError> {
        self.request_pages(from, range, false)?;
        let wanted = HEADER_BYTES + range.bytes() as usize;
        if self.wait_reply(from, FETCH_REPLY)?.len() != wanted {
            return Err(self.nonsense(from, "reply to a request for pages"));
        }
        Ok(HEADER_BYTES..wanted)
    }

    /// Waits for the one message that `from` may send now.
    pub fn wait_reply(&mut self, from: NodeId, tag: u8) -> Result<&[u8], PagerError> {
        let index = from.index();
        self.mailbox.wait(&mut self.links[index..=index], &mut self.message, None)?;
        if self.message.first() != Some(&tag) {
            return Err(self.nonsense(from, "reply"));
        }
        Ok(&self.message)
    }

    pub(crate) fn nonsense(&self, from: NodeId, what: &'static str) -> PagerError {
        PagerError::Message { peer: self.nodes[from.index()].name.clone(), what }
    }

    /// Serves a pager's request on a parked node. Returns false if the message is none.
    ///
    /// # Errors
    /// The wire failed, or the request makes no sense. Pages that are not here are answered with none.
    pub fn serve(&mut self, from: NodeId, message: &[u8]) -> Result<bool, PagerError> {
        match message.first() {
            Some(&FETCH) => self.serve_fetch(from, message)?,
            Some(&LEASE) => self.serve_lease(from, message)?,
            Some(&GIVE_BACK) => self.serve_give_back(from, message)?,
            Some(&RETIRE) => self.serve_retire(from, message)?,
            Some(&DEMAND) => self.serve_demand(from, message)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn serve_fetch(&mut self, from: NodeId, message: &[u8]) -> Result<(), PagerError> {
        let Ok(message) = <&[u8; 16]>::try_from(message) else {
            return Err(self.nonsense(from, "request for pages"));
        };
        let keep = message[1] != 0;
        let count = u64::from(u16::from_le_bytes([message[2], message[3]]));
        let first = u64::from_le_bytes(message[8..].try_into().expect("eight bytes"));
        let range = PageRange::new(PageNumber(first), PageNumber(first.saturating_add(count)));
        if count > WINDOW_PAGES || !range.end.in_app_half() {
            return Err(self.nonsense(from, "request for pages"));
        }
        let here = |page| self.table.load(page).is_resident_on(self.me);
        let bytes = &mut self.bounce[..range.bytes() as usize];
        let readable = (keep || range.pages().all(here)) && self.own_memory.read(range.start, bytes).is_ok();
        let bytes: &[u8] = if readable { bytes } else { &[] };
        let link = self.links[from.index()].as_mut().expect("the asker is joined");
        link.send(&[&[FETCH_REPLY, 0, 0, 0, 0, 0, 0, 0], bytes])?;
        // What was not sent stays: the asker says what is wrong.
        if !keep && readable {
            kernel::drop_pages(range).map_err(|source| self.kernel("dropping pages", source))?;
            // So that the next jump here does not drop them once more; where they are now, that jump will tell.
            for page in range {
                self.table.overwrite(page, self.table.load(page).with_owner(from));
            }
        }
        Ok(())
    }
}
