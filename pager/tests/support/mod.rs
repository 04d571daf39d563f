//! A pager for home with real mappings, and a memory-only peer on another thread, in one process.
#![allow(dead_code)] // every test file uses a part of it

pub mod peer;

use std::sync::atomic::{AtomicU64, Ordering};

use eos_pager::demand::Progress;
use eos_pager::error::PagerError;
use eos_pager::kernel::OwnMemory;
use eos_pager::layout::Prot;
use eos_pager::page::{PAGE_SIZE, PageNumber, PageRange};
use eos_pager::pager::{NodeBook, Pager, PagerSetup};
use eos_pager::slabs::LendsNothing;
use eos_verbs::{NodeId, Region, TransportKind};
use peer::{Answer, Peer};

pub const PEER: NodeId = NodeId(1);
pub const SECOND: NodeId = NodeId(2);
pub const READ_WRITE: Prot = Prot::READ.union(Prot::WRITE);

/// Pages of the stretch of addresses that each rig has for itself (1 GiB).
const STRETCH: u64 = 1 << 18;
const STRETCHES_FROM: u64 = 0x2000_0000_0000 / PAGE_SIZE;
static STRETCHES: AtomicU64 = AtomicU64::new(0);

/// What a rig is made of.
pub struct Terms {
    /// Budget of home, in pages.
    pub limit: u64,
    /// Pages that the peer grants in all.
    pub peer: u64,
    /// Pages that a second peer grants; 0: there is none.
    pub second: u64,
    /// The peer may execute, so it must be told of every change.
    pub peer_executes: bool,
    pub elastic: bool,
    pub wire: TransportKind,
    /// Other than the honest answer to LEASE.
    pub answer: Option<Answer>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            limit: 256,
            peer: 4096,
            second: 0,
            peer_executes: false,
            elastic: true,
            wire: TransportKind::Shm,
            answer: None,
        }
    }
}

/// Home's pager, its peer, and a stretch of addresses that no other rig has.
pub struct Rig {
    pub pager: Pager,
    base: u64,
    memory: OwnMemory,
    peer: Peer,
    second: Option<Peer>,
}

impl Rig {
    pub fn new(terms: Terms) -> Self {
        let region = Region::new(PAGE_SIZE as usize).expect("a region");
        let (peer, link) = Peer::start(1, terms.wire, &region, terms.peer, terms.answer);
        let (second, second_link) =
            (terms.second > 0).then(|| Peer::start(2, terms.wire, &region, terms.second, None)).unzip();
        let book = |name: &str, executes, limit| NodeBook {
            name: name.into(),
            executes,
            resident: 0,
            limit,
            exhausted: limit > 0,
            slab: 0,
            owed: 0,
        };
        let pager = Pager::new(PagerSetup {
            me: NodeId::HOME,
            nodes: [("home", true, terms.limit), ("peerb", terms.peer_executes, 0), ("peerc", false, 0)]
                .into_iter()
                .take(if second.is_some() { 3 } else { 2 })
                .map(|(name, executes, limit)| book(name, executes, limit))
                .collect(),
            links: [None, Some(link)].into_iter().chain(second_link.map(Some)).collect(),
            region,
            lender: Box::new(LendsNothing),
            ring_pages: terms.limit as usize + 64,
            elastic_from_birth: terms.elastic,
        });
        let base = STRETCHES_FROM + STRETCH * STRETCHES.fetch_add(1, Ordering::Relaxed);
        let memory = OwnMemory::open().expect("/proc");
        Self { pager: pager.expect("userfaultfd"), base, memory, peer, second }
    }

    /// The page `index` of the stretch.
    pub fn page(&self, index: u64) -> PageNumber {
        assert!(index <= STRETCH);
        PageNumber(self.base + index)
    }

    /// `count` pages from `index` on.
    pub fn range(&self, index: u64, count: u64) -> PageRange {
        PageRange::new(self.page(index), self.page(index + count))
    }

    pub fn map(&mut self, index: u64, count: u64) {
        self.pager.map_anon(self.range(index, count), READ_WRITE, false).expect("mapped");
    }

    /// Makes the page writable and writes its first and its last word.
    pub fn write(&mut self, index: u64, stamp: u64) -> Result<(), PagerError> {
        self.touch(index, true)?;
        let range = self.range(index, 1);
        self.pager.ensure(range, true)?;
        let words = range.start.addr() as *mut u64;
        // SAFETY: mapped writable by this test, and just made resident; nobody else knows the address.
        unsafe {
            words.write(stamp);
            words.add(511).write(stamp);
        }
        Ok(())
    }

    /// The program's own touch of a page that has to be pulled: others may come along with it.
    pub fn touch(&mut self, index: u64, write: bool) -> Result<(), PagerError> {
        let page = self.page(index);
        if self.pager.would_pull_from(page).is_some() {
            self.pager.fault(page, write)?;
        }
        Ok(())
    }

    /// Makes the page readable and reads its stamp; panics if it holds anything else but that.
    pub fn read(&mut self, index: u64) -> Result<u64, PagerError> {
        self.touch(index, false)?;
        let range = self.range(index, 1);
        self.pager.ensure(range, false)?;
        Ok(self.stamp(index))
    }

    /// The stamp of a page that is resident and readable.
    pub fn stamp(&self, index: u64) -> u64 {
        let at = self.page(index).addr() as *const u64;
        // SAFETY: the caller has made the page resident; nobody else knows the address.
        let words = unsafe { std::slice::from_raw_parts(at, 512) };
        assert_eq!(words[0], words[511], "page {index} is torn");
        assert!(words[1..511].iter().all(|word| *word == 0), "page {index} has bytes that nobody wrote");
        words[0]
    }

    /// Stamps `count` pages from `index` on with 1000 + their index.
    pub fn write_all(&mut self, index: u64, count: u64) {
        (index..index + count).for_each(|page| self.write(page, 1000 + page).expect("written"));
        self.check();
    }

    /// Reads what [`Self::write_all`] wrote.
    pub fn read_all(&mut self, index: u64, count: u64) {
        (index..index + count).for_each(|page| assert_eq!(self.read(page).expect("read"), 1000 + page, "page {page}"));
        self.check();
    }

    /// Pushes everything out.
    pub fn evict_all(&mut self) {
        while self.resident() > 0 {
            let before = self.resident();
            self.pager.evict(64).expect("evicted");
            assert!(self.resident() < before, "nothing left");
        }
        self.check();
    }

    /// Execution goes to the peer and takes pages along as hot ones, and comes back without them.
    pub fn leave_at_peer(&mut self, index: u64, count: u64) {
        let mut bytes = Vec::new();
        let range = self.range(index, count);
        self.pager.hand_over(PEER, range, &mut bytes).expect("handed over");
        self.pager.drop_left();
        assert_eq!(bytes.len() as u64, range.bytes(), "all were resident");
        let pages = bytes.chunks_exact(PAGE_SIZE as usize).map(<[u8]>::to_vec);
        self.peer.store.lock().expect("no panic inside").extend(range.into_iter().map(|page| page.0).zip(pages));
    }

    /// Pages resident on home, by the book.
    pub fn resident(&self) -> u64 {
        self.pager.nodes[0].resident
    }

    /// Slots taken at the peer.
    pub fn slots(&self) -> u64 {
        self.pager.held(PEER)
    }

    /// Pages of these that the kernel has.
    pub fn present(&self, pages: std::ops::Range<u64>) -> u64 {
        let mut present = 0;
        let range = self.range(pages.start, pages.end - pages.start);
        self.memory.for_each_present(range, |_| present += 1).expect("pagemap");
        present
    }

    /// The books are true, the budget holds, and the kernel has no more pages than the book says.
    pub fn check(&self) {
        let audit = self.pager.audit();
        assert!(audit.complaints.is_empty(), "{:#?}", audit.complaints);
        let present = self.present(0..2048);
        let known = audit.nodes[0].resident_book + audit.native_book;
        assert!(present <= known, "the kernel has {present} pages, the book {known}");
    }
}

impl Rig {
    /// The peer wants so many slabs back, and home has asked.
    pub fn peer_wants(&mut self, slabs: u64) {
        // What went back before has come.
        self.pager.ask_demand(PEER, Progress::Idle).expect("asked");
        self.peer.owed.store(slabs, Ordering::Relaxed);
        self.pager.ask_demand(PEER, Progress::Idle).expect("asked");
        assert_eq!(self.pager.nodes[1].owed, slabs);
    }

    /// Every mapping of the kernel that is the pager's is registered with userfaultfd (`um` in proc_pid_smaps(5)).
    pub fn check_registration(&self) {
        let smaps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
        let mut mapping = 0..0;
        for line in smaps.lines() {
            if let Some(addresses) = mapping_of(line) {
                mapping = addresses;
            } else if line.starts_with("VmFlags:") && !line.contains(" um") {
                let inside = PageRange::covering(&mapping).intersection(&self.range(0, STRETCH));
                let tracked = self.pager.layout.overlapping(inside.addresses()).find(|(_, area)| area.tracked);
                assert_eq!(tracked, None, "not registered");
            }
        }
    }
}

/// The addresses in the first line of a mapping in smaps.
fn mapping_of(line: &str) -> Option<std::ops::Range<u64>> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = eos_pager::kernel::unmap(self.range(0, STRETCH));
    }
}
