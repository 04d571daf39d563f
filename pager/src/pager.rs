//! The pager of one node: everything that is known about the program's pages, and the hands that move them.
//!
//! One pager lives in each process of a run. On the node that executes it is used from the trap handlers of the app
//! thread; on the others from the parked thread, which serves requests. Neither takes locks, and the fault path
//! allocates nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eos_policy::affinity::Affinity;
use eos_policy::queues::Queues;
use eos_policy::window::Window;
use eos_verbs::{Mailbox, NodeId, QueuePair, Region};

use crate::ahead::{Ahead, WINDOW_PAGES};
use crate::buffers::Pin;
use crate::changes::ChangeLists;
use crate::counters::Counters;
use crate::entry::{Entry, SlotRef, State};
use crate::error::PagerError;
use crate::file_copy::FileCopies;
use crate::histogram::Histogram;
use crate::kernel::OwnMemory;
use crate::late::Stretch;
use crate::layout::Layout;
use crate::layout_log::{LayoutLog, LayoutOp};
use crate::page::{APP_CHUNKS, PAGE_SIZE, PageNumber, PageRange};
use crate::slabs::Lender;
use crate::slots::SlotAllocator;
use crate::table::PageTable;
use crate::uffd::Uffd;
use crate::witness::Witness;

/// Pages that one eviction tries to push together.
pub const EVICTION_BATCH: usize = 64;
/// Most pages that one request may keep from being evicted; larger buffers are handled in pieces.
pub(crate) const PINS_MAX: usize = 1100;
/// The longest run that is fetched or zero-filled at once.
pub(crate) const RUN_PAGES_MAX: u64 = 16;
/// Pages in this node's own slots that are installed at once, at least: they cost no wire, and the program has come for them.
const OWN_SLOTS_MIN: u64 = 16;

/// What the executing node keeps about each node. Travels with the execution.
#[derive(Debug)]
pub struct NodeBook {
    /// The name for messages: `home`, or the host as the user wrote it.
    pub name: String,
    /// Whether the program may execute there.
    pub executes: bool,
    /// Pages of the program resident there.
    pub resident: u64,
    /// Most pages that may be there, resident and in slots: the budget, or what has been leased.
    pub limit: u64,
    /// The last request for more memory there was turned down.
    pub exhausted: bool,
    /// Pages of a slab there; 0 until the first is leased.
    pub slab: u64,
    /// Slabs that it asks back: until they are given, nothing goes there ([`drain`](crate::drain)).
    pub owed: u64,
}

impl NodeBook {
    /// As many slots as there may be pages.
    pub(crate) fn slots(&self) -> SlotAllocator {
        SlotAllocator::of(u32::try_from(self.limit).unwrap_or(u32::MAX))
    }
}

/// What a pager needs to start.
pub struct PagerSetup {
    /// This node.
    pub me: NodeId,
    /// One book for each node, indexed by node id.
    pub nodes: Vec<NodeBook>,
    /// A queue pair to each other node, indexed by node id.
    pub links: Vec<Option<Box<dyn QueuePair>>>,
    /// This node's region.
    pub region: Arc<Region>,
    /// Lends this node's memory.
    pub lender: Box<dyn Lender>,
    /// Pages that the queues of victims must hold: the most that may be resident here.
    pub ring_pages: usize,
    /// Register every mapping at once, even below the budget (torture, tests).
    pub elastic_from_birth: bool,
}

/// Most pages of [`Pager::left`]: the hot pages of a jump are fewer.
pub(crate) const LEFT_MAX: usize = 8;

/// The pager of this process.
pub struct Pager {
    /// This node.
    pub me: NodeId,
    /// One book for each node, indexed by node id.
    pub nodes: Vec<NodeBook>,
    /// A queue pair to each other node, indexed by node id.
    pub links: Vec<Option<Box<dyn QueuePair>>>,
    /// Where a parked thread sleeps.
    pub mailbox: Mailbox,
    /// The app's address space.
    pub layout: Layout,
    /// The program has more than one thread: while one stands in a trap, others may read and write their memory, and sleep in system calls.
    pub several_threads: bool,
    /// Counts since the start.
    pub counters: Counters,
    /// Time of a pull, from the trap to the installed page.
    pub pull_latency: Histogram,
    /// The slots of each node's region, indexed by node id.
    pub(crate) slots: Vec<SlotAllocator>,
    /// Time spent on pulls since the start.
    pub pull_time: Duration,
    pub(crate) log: LayoutLog,
    pub(crate) table: PageTable,
    pub(crate) changes: ChangeLists,
    /// Nodes that may execute, as a mask: they must learn of every change.
    pub(crate) active: u16,
    pub(crate) queues: Queues,
    pub(crate) affinity: Affinity,
    pub(crate) uffd: Uffd,
    pub(crate) own_memory: OwnMemory,
    /// Files behind private writable mappings; home's only.
    pub(crate) copies: FileCopies,
    pub(crate) region: Arc<Region>,
    pub(crate) lender: Box<dyn Lender>,
    /// Pages of mappings that were left to the kernel: an upper bound of what they keep resident.
    pub(crate) native_pages: u64,
    /// Every new mapping is registered with userfaultfd.
    pub(crate) elastic: bool,
    /// Some mapping is registered: pages can be missing.
    pub(crate) tracked_any: bool,
    /// Finds peers when memory is needed for the first time.
    pub(crate) stretch: Option<Stretch>,
    pub(crate) pins: Vec<Pin>,
    /// On a peer: what calls that sleep at home have pinned there.
    pub(crate) held: Vec<PageRange>,
    pub(crate) victims: Vec<PageNumber>,
    /// Of the victims being pushed: what is to be dropped, all at once.
    pub(crate) going: Vec<PageRange>,
    /// Of these, pages whose bytes have still to go out, and the slots that take them.
    pub(crate) outgoing: Vec<(SlotRef, PageRange)>,
    pub(crate) bounce: Box<[u8]>,
    pub(crate) message: Vec<u8>,
    /// Pages that left with execution and are still mapped here, writable, with contents that count no more; at most [`LEFT_MAX`].
    pub(crate) left: Vec<PageNumber>,
    /// Present while the run is recorded.
    pub witness: Option<Box<Witness>>,
    pub(crate) ahead: Ahead,
    /// Neighbours that are zero-filled, installed from own slots, fetched from other nodes, and made writable together with a page.
    pub(crate) zero_window: Window,
    pub(crate) slot_window: Window,
    pub(crate) fetch_window: Window,
    pub(crate) write_window: Window,
}

impl Pager {
    /// Opens userfaultfd and maps the tables.
    ///
    /// # Errors
    /// The kernel lacks something; the message says what.
    pub fn new(setup: PagerSetup) -> Result<Self, PagerError> {
        let name = setup.nodes[setup.me.index()].name.clone();
        let kernel = |what| {
            let node = name.clone();
            move |source| PagerError::Kernel { node, what, source }
        };
        let table = PageTable::new().map_err(PagerError::Table)?;
        let executing = setup.nodes.iter().enumerate().filter(|(_, book)| book.executes);
        let active = executing.fold(0, |mask, (node, _)| mask | 1 << node);
        let slots = setup.nodes.iter().map(NodeBook::slots).collect();
        let bounce_bytes = WINDOW_PAGES.max(RUN_PAGES_MAX) as usize * PAGE_SIZE as usize;
        Ok(Self {
            me: setup.me,
            mailbox: Mailbox::new(),
            layout: Layout::new(),
            several_threads: false,
            counters: Counters::default(),
            pull_latency: Histogram::new(),
            pull_time: Duration::ZERO,
            left: Vec::with_capacity(LEFT_MAX),
            log: LayoutLog::new(setup.me, active),
            slots,
            active,
            table,
            changes: ChangeLists::new(active & !(1 << setup.me.0)),
            queues: Queues::new(setup.ring_pages),
            affinity: Affinity::new(APP_CHUNKS),
            uffd: Uffd::open().map_err(kernel(
                "opening userfaultfd (Linux >= 5.11 with CONFIG_USERFAULTFD; containers must allow the call)",
            ))?,
            own_memory: OwnMemory::open().map_err(kernel("opening /proc/self/mem and /proc/self/pagemap"))?,
            copies: FileCopies::default(),
            region: setup.region,
            lender: setup.lender,
            native_pages: 0,
            elastic: setup.elastic_from_birth || setup.me != NodeId::HOME,
            tracked_any: setup.elastic_from_birth || setup.me != NodeId::HOME,
            stretch: None,
            pins: Vec::with_capacity(PINS_MAX),
            held: Vec::new(),
            victims: Vec::with_capacity(EVICTION_BATCH),
            going: Vec::with_capacity(EVICTION_BATCH),
            outgoing: Vec::with_capacity(EVICTION_BATCH),
            bounce: vec![0; bounce_bytes].into_boxed_slice(),
            message: Vec::with_capacity(bounce_bytes + 64),
            witness: None,
            zero_window: Window::new(RUN_PAGES_MAX),
            slot_window: Window::between(OWN_SLOTS_MIN, WINDOW_PAGES),
            fetch_window: Window::new(RUN_PAGES_MAX),
            write_window: Window::new(WINDOW_PAGES),
            ahead: Ahead::new(setup.ring_pages),
            nodes: setup.nodes,
            links: setup.links,
        })
    }

    /// Pages that a node holds, resident or in slots; without those in a slab that is being drained, which is no part of its limit.
    pub fn held(&self, node: NodeId) -> u64 {
        let slots = &self.slots[node.index()];
        self.nodes[node.index()].resident + u64::from(slots.used() - slots.closed_used())
    }

    /// Pages that other nodes hold.
    pub fn held_elsewhere(&self) -> u64 {
        (0..self.nodes.len())
            .map(|node| NodeId(node as u8))
            .filter(|node| *node != self.me)
            .map(|node| self.held(node))
            .sum()
    }

    /// Pages that are in slots of this node.
    pub fn slots_here(&self) -> u64 {
        u64::from(self.slots[self.me.index()].used())
    }

    /// Pages that a node may still take.
    pub fn room(&self, node: NodeId) -> u64 {
        self.nodes[node.index()].limit.saturating_sub(self.held(node))
    }

    /// The nodes on which the program may execute, as a mask (bit k: node k).
    pub fn executing_nodes(&self) -> u16 {
        self.active
    }

    /// This node's book.
    pub fn here(&mut self) -> &mut NodeBook {
        &mut self.nodes[self.me.index()]
    }

    /// Whether the page takes memory of this node: resident, a replica, or in this node's own slot. The queues must know it.
    pub(crate) fn is_here(&self, entry: Entry) -> bool {
        let resident = entry.is_resident_on(self.me) || entry.state() == State::Replica;
        resident || (entry.state() == State::Remote && entry.slot().is_some_and(|slot| slot.node == self.me))
    }

    /// A kernel error on this node.
    pub(crate) fn kernel(&self, what: &'static str, source: std::io::Error) -> PagerError {
        PagerError::Kernel { node: self.nodes[self.me.index()].name.clone(), what, source }
    }

    /// The queue pair to `node`.
    pub(crate) fn link(&mut self, node: NodeId) -> &mut dyn QueuePair {
        self.links[node.index()]
            .as_mut()
            .expect("pages are only ever placed on nodes that are joined to all others")
            .as_mut()
    }

    /// A page has become resident here: counts it, and gives it a place in the queues.
    pub(crate) fn arrived(&mut self, page: PageNumber) {
        self.here().resident += 1;
        self.enqueue(page);
        self.note(page);
    }

    /// Counts a pull of `pages` that began at `start`.
    pub(crate) fn count_pull(&mut self, pages: u64, start: Instant) {
        let took = start.elapsed();
        self.counters.pulls += pages;
        self.pull_latency.record(took);
        self.pull_time += took;
    }

    /// Updates the high-water mark; called once for each fault, not for each page.
    pub(crate) fn note_resident_max(&mut self) {
        let resident = self.nodes[self.me.index()].resident;
        self.counters.resident_pages_max = self.counters.resident_pages_max.max(resident);
    }

    /// Gives the page a place in the queues unless it has one.
    pub(crate) fn enqueue(&mut self, page: PageNumber) {
        let mark = self.table.update(page, |entry| (!entry.queued()).then(|| entry.with_queued(true)));
        if mark.is_err() {
            return;
        }
        let (table, me) = (&self.table, self.me);
        let queued = self.queues.come(page.0, |page| stays_queued(table, me, PageNumber(page)));
        debug_assert!(queued.is_ok(), "the queues hold the limit of pages that may be here");
    }

    /// Pages that need no slot may be anywhere in the queues: from now on one turn passes all.
    pub(crate) fn mix_queues(&mut self) {
        let (table, me) = (&self.table, self.me);
        self.queues.mix(|page| stays_queued(table, me, PageNumber(page)));
    }

    /// The layout has changed so: the other nodes that may execute are to follow.
    pub(crate) fn log_change(&mut self, op: LayoutOp) {
        self.log.append(op, self.layout.len());
    }

    /// The other nodes that may execute do not know this page's entry any more.
    pub(crate) fn note(&mut self, page: PageNumber) {
        self.changes.note(page, self.table.cell(page), self.me, self.active);
    }
}

/// Whether the page in the queues is still here; else its mark goes, as its place does.
fn stays_queued(table: &PageTable, me: NodeId, page: PageNumber) -> bool {
    let entry = table.load(page);
    let local =
        entry.is_resident_on(me) || entry.state() == State::Replica || entry.slot().is_some_and(|slot| slot.node == me);
    if !local {
        let _ = table.update(page, |entry| Some(entry.with_queued(false)));
    }
    local
}
