//! The program's memory calls while its pages are here, at a peer, or nowhere.
#![cfg(not(loom))]

mod support;

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, FromRawFd};

use eos_pager::layout::{Area, Kind, Prot};
use eos_pager::page::PageNumber;
use eos_pager::space::SpaceError;
use support::{READ_WRITE, Rig, Terms};

#[test]
fn freed_memory_gives_its_slots_back() {
    let mut rig = Rig::new(Terms::default());
    rig.pager.set_prefetch(false);
    rig.map(0, 40);
    rig.write_all(0, 40);
    rig.evict_all();
    rig.read_all(0, 20); // half of each stretch below is clean, and half is at the peer
    assert_eq!(rig.slots(), 40);
    rig.pager.unmap(rig.range(15, 10)).expect("unmapped");
    assert_eq!((rig.slots(), rig.resident()), (30, 15));
    rig.pager.discard(rig.range(10, 5), libc::MADV_DONTNEED).expect("discarded");
    rig.pager.discard(rig.range(25, 5), libc::MADV_DONTNEED).expect("discarded");
    assert_eq!((rig.slots(), rig.resident()), (20, 10));
    rig.check();
    rig.map(100, 5);
    rig.write_all(100, 5);
    rig.pager.relocate(rig.range(100, 5), rig.range(35, 5)).expect("moved");
    assert_eq!((rig.slots(), rig.resident()), (15, 15));
    rig.map(0, 40);
    assert_eq!((rig.slots(), rig.resident()), (0, 0));
    rig.check();
    (0..40).for_each(|page| assert_eq!(rig.read(page).expect("read"), 0));
}

#[test]
fn moved_memory_keeps_its_contents_wherever_they_are() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 30);
    rig.write_all(0, 20);
    rig.evict_all();
    rig.read_all(0, 10);
    rig.write(5, 1005).expect("written");
    rig.pager.relocate(rig.range(0, 30), rig.range(1000, 30)).expect("moved");
    rig.check();
    (0..20).for_each(|page| assert_eq!(rig.read(1000 + page).expect("read"), 1000 + page));
    (20..30).for_each(|page| assert_eq!(rig.read(1000 + page).expect("read"), 0));
    assert!(rig.pager.layout.is_free(rig.range(0, 30).addresses()));
    rig.evict_all();
    (0..20).for_each(|page| assert_eq!(rig.read(1000 + page).expect("read"), 1000 + page));
}

#[test]
fn memory_that_the_kernel_holds_in_pieces_is_moved_as_one() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 10);
    rig.map(20, 13);
    rig.write_all(0, 10);
    rig.write_all(20, 10);
    rig.map(10, 10); // one area now; the kernel does not join what was touched apart
    rig.pager.relocate(rig.range(0, 33), rig.range(1000, 33)).expect("moved");
    rig.check();
    rig.check_registration();
    assert!(rig.pager.layout.is_free(rig.range(0, 33).addresses()));
    let stamps = (0..33).map(|page| if page / 10 % 2 == 0 && page < 30 { 1000 + page } else { 0 });
    for (page, stamp) in (0..).zip(stamps) {
        assert_eq!(rig.read(1000 + page).expect("read"), stamp, "page {page}");
    }
}

#[test]
fn memory_that_is_moved_beside_other_memory_leaves_that_in_the_pagers_care() {
    for target in [10, 30] {
        let mut rig = Rig::new(Terms::default());
        rig.map(20, 10);
        rig.write_all(20, 10);
        rig.evict_all();
        rig.map(100, 10); // never touched: the kernel joins it to its new neighbour
        rig.pager.relocate(rig.range(100, 10), rig.range(target, 10)).expect("moved");
        rig.check_registration();
        rig.read_all(20, 10);
    }
}

#[test]
fn a_run_of_fresh_pages_may_cross_a_border_that_only_the_kernel_sees() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 8);
    rig.map(100, 8);
    rig.write_all(0, 1);
    rig.write_all(100, 1);
    rig.pager.relocate(rig.range(100, 8), rig.range(8, 8)).expect("moved");
    assert_eq!((0..16).map(|page| rig.read(page).expect("read")).filter(|stamp| *stamp != 0).count(), 2);
    rig.check();
}

#[test]
fn pages_without_access_survive_eviction() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 20);
    rig.write_all(0, 10);
    rig.pager.protect(rig.range(0, 20), Prot::NONE).expect("protected");
    rig.evict_all();
    assert!(rig.slots() >= 10, "nobody looks whether they are zeros");
    rig.pager.protect(rig.range(0, 20), READ_WRITE).expect("protected");
    rig.read_all(0, 10);
    (10..20).for_each(|page| assert_eq!(rig.read(page).expect("read"), 0));
    // Clean pages, and pages that are at the peer, when the access goes.
    rig.evict_all();
    rig.read_all(0, 5);
    rig.pager.protect(rig.range(0, 20), Prot::NONE).expect("protected");
    rig.pager.ensure(rig.range(0, 8), false).expect("brought");
    rig.evict_all();
    rig.pager.protect(rig.range(0, 20), Prot::READ).expect("protected");
    rig.read_all(0, 10);
}

#[test]
fn pages_that_may_only_be_executed_survive_eviction_and_nobody_reads_them_in_place() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 20);
    rig.write_all(0, 10);
    (10..20).for_each(|page| rig.write(page, 0).expect("written"));
    rig.pager.protect(rig.range(0, 20), Prot::EXEC).expect("protected");
    rig.check();
    // With protection keys a look at the bytes would end this process; without, zeros would be seen and not sent.
    rig.evict_all();
    assert_eq!((rig.slots(), rig.pager.counters.zero_drops), (20, 0));
    rig.pager.ensure(rig.range(0, 15), false).expect("the kernel may need them");
    rig.check();
    rig.evict_all();
    rig.pager.protect(rig.range(0, 20), Prot::READ).expect("protected");
    rig.read_all(0, 10);
    // Fresh pages, of which the program executes the first.
    rig.pager.map_anon(rig.range(100, 4), Prot::EXEC, false).expect("mapped");
    rig.pager.fault(rig.page(100), false).expect("filled");
    rig.check();
    rig.evict_all();
}

#[test]
fn a_buffer_without_access_can_be_evicted_after_a_system_call_named_it() {
    let mut rig = Rig::new(Terms::default());
    rig.pager.map_anon(rig.range(0, 4), Prot::NONE, false).expect("mapped");
    rig.pager.ensure(rig.range(0, 4), true).expect("the kernel is to refuse it");
    rig.check();
    rig.evict_all();
}

#[test]
fn the_budget_holds_while_native_memory_is_adopted() {
    let mut rig = Rig::new(Terms { elastic: false, ..Terms::default() });
    rig.map(0, 200);
    assert!(!rig.pager.has_tracked(), "what fits the budget is the kernel's");
    rig.write_all(0, 150);
    assert_eq!(rig.resident(), 0);
    rig.map(500, 300);
    assert!(rig.pager.has_tracked());
    rig.write_all(500, 20);
    assert_eq!(rig.pager.audit().native, 200, "there is room for 56 more");
    rig.write_all(520, 40);
    assert_eq!(rig.pager.audit().native, 0, "adopted");
    rig.write_all(560, 240);
    assert!(rig.pager.counters.resident_pages_max <= 256);
    rig.read_all(0, 150);
    rig.read_all(500, 300);
    (150..200).for_each(|page| assert_eq!(rig.read(page).expect("read"), 0));
}

#[test]
fn unmapped_native_memory_is_budget_again() {
    let mut rig = Rig::new(Terms { elastic: false, ..Terms::default() });
    for _ in 0..3 {
        rig.map(0, 250);
        rig.write_all(0, 250);
        rig.map(10, 20);
        rig.pager.unmap(rig.range(0, 300)).expect("unmapped");
    }
    rig.map(0, 256);
    rig.check();
    assert!(!rig.pager.has_tracked());
}

#[test]
fn a_private_copy_of_a_file_is_made_in_less_memory_than_it_has() {
    let file = file_of(100 * 4096 + 10);
    let mut rig = Rig::new(Terms { limit: 80, ..Terms::default() });
    rig.map(0, 80);
    rig.write_all(0, 80);
    rig.evict_all();
    (0..80).for_each(|page| rig.write(page, 1000 + page).expect("written"));
    let range = rig.range(100, 101);
    let area = Area { kind: Kind::FileRo, tracked: false, ..Area::anon(Prot::READ) };
    rig.pager.map_native(range, area, libc::MAP_PRIVATE, Some((file.as_fd(), 0))).expect("mapped");
    rig.pager.make_private(range, Prot::READ).expect("made private");
    rig.check();
    for page in 0..101_u64 {
        rig.pager.ensure(rig.range(100 + page, 1), false).expect("brought");
        assert_eq!(first_byte(rig.page(100 + page)), page as u8 | 1, "page {page}");
    }
    rig.read_all(0, 80);
}

#[test]
fn a_file_mapping_made_private_keeps_what_the_file_has() {
    let file = file_of(2 * 4096 + 10);
    let mut rig = Rig::new(Terms::default());
    let range = rig.range(0, 5);
    let area = Area { kind: Kind::FileRo, tracked: false, ..Area::anon(Prot::READ) };
    rig.pager.map_native(range, area, libc::MAP_PRIVATE, Some((file.as_fd(), 0))).expect("mapped");
    rig.pager.make_private(range, READ_WRITE).expect("made private");
    rig.check();
    for (page, expected) in [1, 1, 3].into_iter().enumerate() {
        rig.pager.ensure(rig.range(page as u64, 1), false).expect("brought");
        assert_eq!(first_byte(rig.page(page as u64)), expected, "page {page}");
    }
}

#[test]
fn emptying_memory_with_a_hole_in_it_keeps_the_books() {
    let mut rig = Rig::new(Terms::default());
    rig.map(0, 30);
    rig.write_all(0, 30);
    rig.pager.unmap(rig.range(10, 10)).expect("unmapped");
    let outcome = rig.pager.discard(rig.range(0, 30), libc::MADV_DONTNEED);
    assert!(matches!(outcome, Err(SpaceError::Errno(libc::ENOMEM))), "as madvise(2) says");
    rig.check();
    for page in (0..10).chain(20..30) {
        assert!(rig.pager.fault(rig.page(page), false).is_ok());
        assert_eq!(rig.stamp(page), 0);
    }
}

/// A file of so many bytes; every byte is the number of its page, made odd.
fn file_of(bytes: u64) -> File {
    // SAFETY: a new descriptor that nobody else owns.
    let mut file = unsafe { File::from_raw_fd(libc::memfd_create(c"test".as_ptr(), 0)) };
    let content: Vec<u8> = (0..bytes).map(|at| (at / 4096) as u8 | 1).collect();
    file.write_all(&content).expect("written");
    file
}

/// The first byte of a page that was just made resident.
fn first_byte(page: PageNumber) -> u8 {
    // SAFETY: the caller has made it resident.
    unsafe { *(page.addr() as *const u8) }
}
