//! The fault path allocates nothing.
//!
//! # Safety
//! [`Counting`] hands every call on to the system's allocator, and only counts.
#![cfg(not(loom))]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use eos_pager::layout::Prot;
use eos_policy::torture::SplitMix64;
use eos_verbs::TransportKind;
use support::{READ_WRITE, Rig, Terms};

thread_local! {
    /// Allocations of this thread so far.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: see the top of this file.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the rules of `dealloc`, and `pointer` came from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocated while it did `job`.
fn allocations(job: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    job();
    ALLOCATIONS.get() - before
}

const PAGES: u64 = 200;

fn rig(peer: u64, wire: TransportKind) -> Rig {
    let mut rig = Rig::new(Terms { limit: 64, peer, peer_executes: true, wire, ..Terms::default() });
    rig.map(0, PAGES);
    rig
}

/// Accesses at random to the first `count` pages.
fn use_at_random(rig: &mut Rig, count: u64) {
    let mut random = SplitMix64::new(3);
    for _ in 0..2000 {
        let page = random.below(count);
        if random.below(2) == 0 {
            rig.write(page, 1000 + page).expect("written");
        } else {
            assert_eq!(rig.read(page).expect("read"), 1000 + page);
        }
    }
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![0_u8; 100]))) > 0);
}

#[test]
fn pulls_pushes_drops_and_first_writes_allocate_nothing_over_either_wire() {
    for wire in [TransportKind::Shm, TransportKind::Tcp] {
        let mut rig = rig(4096, wire);
        rig.write_all(0, PAGES);
        rig.read_all(0, PAGES);
        let before = rig.pager.counters.clone();
        assert_eq!(allocations(|| use_at_random(&mut rig, PAGES)), 0, "{wire:?}");
        let after = &rig.pager.counters;
        assert!(after.pulls > before.pulls + 500 && after.pushes > before.pushes + 200, "{after:?}");
        assert!(after.clean_drops > before.clean_drops + 100, "{after:?}");
        rig.check();
    }
}

#[test]
fn windows_allocate_nothing_over_either_wire() {
    for wire in [TransportKind::Shm, TransportKind::Tcp] {
        let mut rig = Rig::new(Terms { limit: 512, peer: 4096, peer_executes: true, wire, ..Terms::default() });
        rig.map(0, 1500);
        rig.write_all(0, 1500);
        rig.read_all(0, 1500);
        let scan = |rig: &mut Rig| (0..1500).for_each(|page| assert_eq!(rig.read(page).expect("read"), 1000 + page));
        assert_eq!(allocations(|| scan(&mut rig)), 0, "{wire:?}");
        assert!(rig.pager.counters.prefetched > 2000, "{:?}", rig.pager.counters);
        let rewrite = |rig: &mut Rig| (0..1500).for_each(|page| rig.write(page, 1000 + page).expect("written"));
        assert_eq!(allocations(|| rewrite(&mut rig)), 0, "{wire:?}");
        rig.check();
    }
}

#[test]
fn swaps_and_reclaimed_slots_allocate_nothing() {
    for wire in [TransportKind::Shm, TransportKind::Tcp] {
        let mut rig = rig(96, wire);
        rig.write_all(0, 100);
        for page in (0..100).cycle() {
            rig.read(page).expect("read");
            if rig.slots() == 96 {
                break;
            }
        }
        rig.pager.evict(1).expect("the peer has nothing more to give");
        let reclaimed = allocations(|| (100..160).for_each(|page| rig.write(page, 1000 + page).expect("written")));
        assert_eq!(reclaimed, 0, "{wire:?}");
        assert_eq!((rig.resident(), rig.slots()), (64, 96), "exactly full");
        assert_eq!(allocations(|| use_at_random(&mut rig, 160)), 0, "{wire:?}");
        assert!(rig.pager.counters.swaps > 500);
        rig.check();
    }
}

#[test]
fn zero_fills_and_pages_that_may_not_be_read_allocate_nothing() {
    let mut rig = rig(4096, TransportKind::Shm);
    rig.write_all(0, PAGES);
    rig.pager.protect(rig.range(0, 60), Prot::NONE).expect("protected");
    rig.pager.discard(rig.range(60, 60), libc::MADV_DONTNEED).expect("discarded");
    let filled = allocations(|| (60..120).for_each(|page| assert_eq!(rig.read(page).expect("read"), 0)));
    assert_eq!(filled, 0);
    (0..60).for_each(|page| assert!(rig.pager.fault(rig.page(page), false).is_ok()));
    assert_eq!(allocations(|| (120..PAGES).for_each(|page| rig.write(page, 1000 + page).expect("written"))), 0);
    rig.pager.protect(rig.range(0, 60), READ_WRITE).expect("protected");
    rig.read_all(0, 60);
    rig.read_all(120, PAGES - 120);
}
