//! fork(2): the pager of a child process, which the kernel has copied with everything else.
//!
//! What the kernel does not copy is rebuilt: the child's own userfaultfd, queue pairs and region. Pages that are mapped here the kernel
//! shares between parent and child until one of them writes. The others ([`Pager::away`]) are copied: the parent reads them out of
//! their slots, the child puts them into slots of its own.
//!
//! Invariant of the child, when [`Pager::become_child`] and [`Pager::put`] for each page that was away are done: no entry names a node
//! or a slot of the parent's.

use std::sync::Arc;

use eos_verbs::{Mailbox, NodeId, Region};

use crate::changes::ChangeLists;
use crate::counters::Counters;
use crate::entry::{Entry, State};
use crate::error::PagerError;
use crate::kernel;
use crate::kernel::OwnMemory;
use crate::late::Stretch;
use crate::layout_log::LayoutLog;
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::Pager;
use crate::sync::Ordering;
use crate::uffd::{Protection, Uffd};

impl Pager {
    /// Brings home what other nodes have mapped, and lists the pages that are in slots, in ascending order. For a fork, at home, where
    /// the program executes.
    ///
    /// # Errors
    /// The wire failed or there is no room anywhere; the run must end.
    pub fn away(&mut self) -> Result<Vec<PageNumber>, PagerError> {
        let me = self.me;
        let mut elsewhere = Vec::new();
        let mapped_elsewhere = |entry: Entry| entry.state() == State::Resident && entry.owner() != me;
        self.table.scan(PageRange::APP, |page, entry| {
            if mapped_elsewhere(entry) {
                elsewhere.push(page);
            }
        });
        for page in elsewhere {
            if mapped_elsewhere(self.table.load(page)) {
                self.fault(page, false)?;
            }
        }
        let mut away = Vec::new();
        self.table.scan(PageRange::APP, |page, entry| {
            if entry.state() == State::Remote {
                away.push(page);
            }
        });
        Ok(away)
    }

    /// The bytes of a page that is away; the page stays where it is.
    ///
    /// # Errors
    /// The wire failed.
    pub fn read_away(&mut self, page: PageNumber, into: &mut [u8; PAGE_SIZE as usize]) -> Result<(), PagerError> {
        let slot = self.table.load(page).slot().expect("a page that is away has a slot");
        if slot.node == self.me {
            let source = self.region.base().wrapping_add(slot.offset() as usize);
            // SAFETY: the slot lies in this node's region, and it is this page's.
            unsafe { into.as_mut_ptr().copy_from_nonoverlapping(source, into.len()) };
            return Ok(());
        }
        let link = self.links[slot.node.index()].as_mut().expect("a node with slots is joined");
        into.copy_from_slice(link.read(slot.offset(), PAGE_SIZE as usize)?);
        Ok(())
    }

    /// In the child, which has one thread: becomes a pager of its own, without peers. The parent's queue pairs are forgotten, not
    /// closed. `region`: this process's own; `stretch`: finds peers.
    ///
    /// # Errors
    /// The kernel refused something.
    pub fn become_child(&mut self, region: Arc<Region>, stretch: Option<Stretch>) -> Result<(), PagerError> {
        self.nodes.truncate(1);
        std::mem::forget(std::mem::replace(&mut self.links, vec![None]));
        std::mem::forget(std::mem::take(&mut self.slots));
        self.mailbox = Mailbox::new();
        std::mem::forget(std::mem::replace(&mut self.region, region));
        let uffd = Uffd::open().map_err(|source| self.kernel("opening userfaultfd", source))?;
        std::mem::forget(std::mem::replace(&mut self.uffd, uffd));
        let own_memory = OwnMemory::open().map_err(|source| self.kernel("opening /proc/self/mem", source))?;
        std::mem::forget(std::mem::replace(&mut self.own_memory, own_memory));
        let slots = self.here().slots();
        self.slots.push(slots);
        self.active &= 1 << self.me.0;
        self.log = LayoutLog::new(self.me, self.active);
        self.changes = ChangeLists::new(0);
        self.counters = Counters::default();
        self.pins.clear();
        self.left.clear();
        self.several_threads = false;
        std::mem::forget(std::mem::replace(&mut self.stretch, stretch));
        self.register_again()?;
        self.forget_parents_nodes();
        Ok(())
    }

    fn register_again(&self) -> Result<(), PagerError> {
        for (addresses, _) in self.layout.iter().filter(|(_, area)| area.tracked) {
            self.uffd
                .register(PageRange::covering(&addresses))
                .map_err(|source| self.kernel("registering memory with userfaultfd", source))?;
        }
        Ok(())
    }

    /// What is mapped here has no slot any more, and is writable: the kernel has lifted userfaultfd's protection in the copy. What is
    /// not is nowhere, until it is put.
    fn forget_parents_nodes(&mut self) {
        let mut known = Vec::new();
        self.table.scan(PageRange::APP, |page, entry| known.push((page, entry)));
        for (page, entry) in known {
            let here = entry.is_resident_on(self.me) || entry.state() == State::Replica;
            let kept = if here { entry.without_slot() } else { entry.cleared() };
            let cell = self.table.cell(page);
            cell.store(kept.with_stale_mask(0).raw(), Ordering::Release);
        }
    }

    /// In the child: a page that was away in the parent.
    ///
    /// # Errors
    /// There is no room anywhere, or the wire failed.
    pub fn put(&mut self, page: PageNumber, bytes: &[u8; PAGE_SIZE as usize]) -> Result<(), PagerError> {
        debug_assert_eq!(self.table.load(page).state(), State::Absent, "a page that was away");
        let noread = self.layout.find(page.addr()).is_some_and(|(_, area)| !area.prot.readable());
        let range = PageRange::single(page);
        kernel::drop_pages(range).map_err(|source| self.kernel("dropping pages", source))?;
        self.stretch_now()?;
        if let Some((slot, _)) = self.take_slots(page, 1)? {
            self.link(slot.node).post_write(slot.offset(), bytes)?;
            self.table.set(page, Entry::remote(slot).with_noread(noread));
            self.note(page);
            return Ok(());
        }
        self.make_room(1)?;
        self.uffd
            .copy(range, bytes.as_ptr(), Protection::Writable)
            .map_err(|source| self.kernel("installing a page", source))?;
        self.table.set(page, Entry::resident(NodeId::HOME).with_noread(noread));
        self.arrived(page);
        Ok(())
    }

    /// In the child: everything that was put has arrived.
    ///
    /// # Errors
    /// The wire failed.
    pub fn put_all(&mut self) -> Result<(), PagerError> {
        self.links.iter_mut().flatten().try_for_each(|link| link.flush()).map_err(PagerError::from)
    }
}
