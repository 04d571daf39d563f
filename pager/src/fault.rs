//! The fault path: what happens between the trap and the page being there.
//!
//! It takes no lock and wakes no thread of this node. A pull is one one-sided READ and one `UFFDIO_COPY`. Nothing is allocated
//! (`tests/allocation.rs`), but where a message is waited for: for the bookkeeping of a newly leased slab, by a mailbox that goes to
//! sleep, and when the first long reply comes.

use std::time::Instant;

use eos_verbs::NodeId;

use crate::entry::{Entry, SlotRef, State};
use crate::error::PagerError;
use crate::layout::{Kind, Prot};
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::{Pager, RUN_PAGES_MAX};
use crate::protocol;
use crate::swap::Room;
use crate::uffd::Protection;

/// What a fault came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The page is there; the instruction may be tried again.
    Resolved,
    /// Not the pager's: an error of the program, or memory that only home has.
    NotOurs,
}

/// Zeros to install on pages whose first access is a write.
static ZEROS: [u8; (RUN_PAGES_MAX * PAGE_SIZE) as usize] = [0; (RUN_PAGES_MAX * PAGE_SIZE) as usize];

impl Pager {
    /// The other node from which the page at `page` would be pulled, if a fault on it had to pull.
    pub fn would_pull_from(&self, page: PageNumber) -> Option<NodeId> {
        let entry = self.table.load(page);
        let from = match entry.state() {
            State::Remote => entry.slot()?.node,
            State::Resident => match entry.slot() {
                Some(slot) if slot.node == self.me => return None,
                _ => entry.owner(),
            },
            _ => return None,
        };
        (from != self.me).then_some(from)
    }

    /// Makes the page resident here, and writable if `write`. Called from the trap handler, and by the gateway for the
    /// buffers of system calls.
    ///
    /// # Errors
    /// [`PagerError::Held`]: execution has to go home. Any other: the wire failed or there is no room anywhere; the run must end.
    pub fn fault(&mut self, page: PageNumber, write: bool) -> Result<Fault, PagerError> {
        let before = self.before_fault(page);
        let outcome = self.fault_unseen(page, write);
        if let Some(before) = before {
            self.after_fault(before, page, write);
        }
        outcome
    }

    fn fault_unseen(&mut self, page: PageNumber, write: bool) -> Result<Fault, PagerError> {
        self.counters.faults += 1;
        let entry = protocol::wait_settled(self.table.cell(page));
        if self.is_held(page, entry) {
            return Err(PagerError::Held);
        }
        let outcome = match entry.state() {
            State::Resident if entry.owner() == self.me => self.touch_resident(page, entry, write),
            State::Resident => match entry.slot() {
                Some(slot) if slot.node == self.me => self.install_own_slot(page, slot),
                _ => self.fetch_resident(page, entry.owner()),
            },
            State::Remote => {
                let slot = entry.slot().expect("a remote page has a slot");
                if slot.node == self.me { self.install_own_slot(page, slot) } else { self.pull(page, slot, write) }
            }
            State::Absent => self.first_touch(page, write),
            State::Replica | State::Pushing | State::Pulling => Ok(Fault::Resolved),
        };
        self.note_resident_max();
        outcome
    }

    /// The page is here. If it is clean, this is its first write: the copy in the slot is given up.
    fn touch_resident(&mut self, page: PageNumber, entry: Entry, write: bool) -> Result<Fault, PagerError> {
        if write && entry.is_clean() {
            self.make_run_dirty(page)?;
        } else if write {
            self.allow_writes(PageRange::single(page))?;
        }
        Ok(Fault::Resolved)
    }

    /// The first write to a clean page. Where the program writes to one after the other, its clean neighbours become dirty with it.
    fn make_run_dirty(&mut self, page: PageNumber) -> Result<(), PagerError> {
        // A window that was pulled for a write has one page that was written already.
        let wanted = self.write_window.open_near(page.0, 1);
        if wanted == 1 {
            self.make_dirty(page)?;
            self.write_window.brought(page.0, 1);
            return Ok(());
        }
        let area_end = self.layout.find(page.addr()).map_or(page.next(), |(span, _)| PageNumber::from_addr(span.end));
        let end = PageNumber(page.0 + wanted).min(area_end);
        let mut end_claimed = page;
        while end_claimed < end && protocol::begin_upgrade(self.table.cell(end_claimed), self.me).is_ok() {
            end_claimed = end_claimed.next();
        }
        let range = PageRange::new(page, end_claimed);
        self.allow_writes(range)?;
        for page in range {
            let (before, _) = protocol::finish_pull(self.table.cell(page), self.me, false);
            if let Some(slot) = before.slot() {
                self.free_slot(slot);
            }
            self.note(page);
        }
        self.write_window.brought(page.0, range.count());
        Ok(())
    }

    /// A clean page becomes dirty: it is claimed, made writable, and its slot is free again.
    pub(crate) fn make_dirty(&mut self, page: PageNumber) -> Result<(), PagerError> {
        let Ok(before) = protocol::begin_upgrade(self.table.cell(page), self.me) else {
            return Ok(());
        };
        self.allow_writes(PageRange::single(page))?;
        protocol::finish_pull(self.table.cell(page), self.me, false);
        if let Some(slot) = before.slot() {
            self.free_slot(slot);
        }
        self.note(page);
        Ok(())
    }

    fn allow_writes(&mut self, range: PageRange) -> Result<(), PagerError> {
        self.uffd
            .write_protect(range, Protection::Writable)
            .map_err(|source| self.kernel("lifting write protection", source))
    }

    pub(crate) fn free_slot(&mut self, slot: SlotRef) {
        let freed = self.slots[slot.node.index()].free(slot.index);
        debug_assert!(freed, "slot {slot:?} was free already");
    }

    /// One page by a one-sided READ, or a window of them. A read access keeps the slot and maps the page write-protected.
    fn pull(&mut self, page: PageNumber, slot: SlotRef, write: bool) -> Result<Fault, PagerError> {
        let start = Instant::now();
        let wanted = self.plan_window(page, slot, write)?;
        if self.lacks(wanted) > 0 {
            self.request_window()?;
        }
        let brought = match self.room_for_pull(wanted)? {
            Room::Pages(count) if count == wanted && wanted > 1 => self.pull_window().map(|()| wanted)?,
            Room::Pages(_) => self.pull_into_room(page, slot, write).map(|()| 1)?,
            Room::Swap(victim) => self.swap_with_slot(page, slot, victim).map(|()| 1)?,
        };
        self.count_pull(brought, start);
        Ok(Fault::Resolved)
    }

    fn pull_into_room(&mut self, page: PageNumber, slot: SlotRef, write: bool) -> Result<(), PagerError> {
        let claimed = protocol::begin_pull(self.table.cell(page), self.me);
        debug_assert!(claimed.is_ok(), "the page is in a slot");
        let protection = if write { Protection::Writable } else { Protection::WriteProtected };
        let link = self.links[slot.node.index()].as_mut().expect("a node with slots is joined");
        let bytes = link.read(slot.offset(), PAGE_SIZE as usize)?.as_ptr();
        let copied = self.uffd.copy(PageRange::single(page), bytes, protection);
        copied.map_err(|source| self.kernel("installing a page", source))?;
        protocol::finish_pull(self.table.cell(page), self.me, !write);
        if write {
            self.free_slot(slot);
        }
        self.arrived(page);
        Ok(())
    }

    /// The page lies in a slot of this very node (it was pushed here, and execution has followed). Its neighbours that
    /// lie in consecutive slots come along; the slots are free then, so memory use stays what it was.
    fn install_own_slot(&mut self, page: PageNumber, slot: SlotRef) -> Result<Fault, PagerError> {
        let wanted = self.slot_window.open(page.0);
        let count = self.own_slot_run(page, slot, wanted);
        self.slot_window.brought(page.0, count);
        let range = PageRange::new(page, PageNumber(page.0 + count));
        for page in range {
            let claimed = protocol::begin_pull(self.table.cell(page), self.me);
            debug_assert!(claimed.is_ok(), "a run holds pages of own slots only");
            if let Ok(before) = claimed
                && before.state() == State::Resident
            {
                self.nodes[before.owner().index()].resident -= 1;
            }
        }
        let source = self.region.base().wrapping_add(slot.offset() as usize);
        self.uffd
            .copy(range, source, Protection::Writable)
            .map_err(|source| self.kernel("installing pages", source))?;
        for (page, index) in range.into_iter().zip(slot.index..) {
            protocol::finish_pull(self.table.cell(page), self.me, false);
            self.free_slot(SlotRef { index, ..slot });
            self.arrived(page);
        }
        self.region.discard(slot.offset() as usize, range.bytes() as usize);
        self.counters.local_installs += count;
        Ok(Fault::Resolved)
    }

    /// How many pages from `page` on lie in consecutive own slots, up to `wanted`.
    fn own_slot_run(&self, page: PageNumber, slot: SlotRef, wanted: u64) -> u64 {
        let in_next_slot = |ahead: &u64| {
            let entry = self.table.load(PageNumber(page.0 + ahead));
            let wanted = SlotRef { node: slot.node, index: slot.index + *ahead as u32 };
            entry.is_settled()
                && entry.slot() == Some(wanted)
                && !entry.is_resident_on(self.me)
                && !self.is_held(PageNumber(page.0 + ahead), entry)
        };
        1 + (1..wanted).take_while(in_next_slot).count() as u64
    }

    /// A page that has no copy anywhere: zeros, or file data that only home has mapped.
    fn first_touch(&mut self, page: PageNumber, write: bool) -> Result<Fault, PagerError> {
        let Some((span, area)) = self.layout.find(page.addr()) else {
            return Ok(Fault::NotOurs);
        };
        match area.kind {
            Kind::Anon => self.zero_fill(page, PageNumber::from_addr(span.end), area.prot, write),
            Kind::FileRo if self.me != NodeId::HOME => self.fetch_replica(page),
            _ => Ok(Fault::NotOurs),
        }
    }

    /// Zero-fills one page, or a run of them where the program goes through fresh memory page by page.
    fn zero_fill(
        &mut self,
        page: PageNumber,
        area_end: PageNumber,
        prot: Prot,
        write: bool,
    ) -> Result<Fault, PagerError> {
        let run = self.zero_window.open(page.0);
        let end = PageNumber(page.0 + run).min(area_end);
        let absent = |page: &PageNumber| self.table.load(*page).state() == State::Absent;
        let count = PageRange::new(page, end).pages().take_while(absent).count() as u64;
        let count = self.make_room_for_run(count)?;
        if count == 0 {
            return Err(self.full());
        }
        let range = PageRange::new(page, PageNumber(page.0 + count));
        match self.fill(range, write) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => self.fill_page_by_page(range, write),
            filled => filled,
        }
        .map_err(|source| self.kernel("zero-filling pages", source))?;
        // A system call may name a buffer without access, which comes here so that the kernel can refuse it.
        let (me, noread) = (self.me, !prot.readable());
        for page in range {
            let here = |entry: Entry| Some(entry.with_state(State::Resident).with_owner(me).with_noread(noread));
            let _ = self.table.update(page, here);
            self.arrived(page);
        }
        self.zero_window.brought(page.0, count);
        self.counters.zero_fills += count;
        Ok(Fault::Resolved)
    }

    fn fill(&self, range: PageRange, write: bool) -> std::io::Result<()> {
        if write { self.uffd.copy(range, ZEROS.as_ptr(), Protection::Writable) } else { self.uffd.zero(range) }
    }

    /// A page that is there already keeps what it has.
    fn fill_page_by_page(&self, range: PageRange, write: bool) -> std::io::Result<()> {
        range.into_iter().try_for_each(|page| match self.fill(PageRange::single(page), write) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            filled => filled,
        })
    }
}
