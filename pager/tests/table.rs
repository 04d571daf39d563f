//! The table of entries against a plain map.
#![cfg(not(loom))]

use std::collections::BTreeMap;

use eos_pager::entry::{Entry, SlotRef, State};
use eos_pager::page::{APP_PAGES, PageNumber, PageRange};
use eos_pager::protocol;
use eos_pager::table::PageTable;
use eos_verbs::NodeId;
use proptest::prelude::*;

const ME: NodeId = NodeId(0);
const OTHER: NodeId = NodeId(3);

fn slot(index: u32) -> SlotRef {
    SlotRef { node: OTHER, index }
}

#[test]
fn a_page_goes_out_and_comes_back() {
    let table = PageTable::new().expect("address space");
    let page = PageNumber(0x4_0000_1234);
    table.compare_exchange(page, Entry::ABSENT, Entry::resident(ME)).expect("untouched");
    protocol::begin_push(table.cell(page), ME, slot(7)).expect("resident");
    assert_eq!(table.load(page).slot(), Some(slot(7)));
    assert_eq!(
        protocol::begin_push(table.cell(page), ME, slot(8)).expect_err("is being pushed").state(),
        State::Pushing
    );
    assert_eq!(protocol::finish_push(table.cell(page)), Entry::remote(slot(7)));
    protocol::begin_pull(table.cell(page), ME).expect("remote");
    let (before, now) = protocol::finish_pull(table.cell(page), ME, true);
    assert_eq!(before.slot(), Some(slot(7)));
    assert!(now.is_clean() && now.is_resident_on(ME));
    protocol::begin_drop(table.cell(page), ME).expect("clean");
    assert_eq!(protocol::finish_push(table.cell(page)), Entry::remote(slot(7)));
}

#[test]
fn an_aborted_push_or_pull_leaves_the_page_where_it_was_and_keeps_new_stale_bits() {
    let table = PageTable::new().expect("address space");
    let page = PageNumber(77);
    table.compare_exchange(page, Entry::ABSENT, Entry::resident(ME)).expect("untouched");
    let before = protocol::begin_push(table.cell(page), ME, slot(1)).expect("resident");
    table.update(page, |e| Some(e.with_stale_mask(4))).expect("always");
    assert_eq!(protocol::abort_push(table.cell(page), before), Entry::resident(ME).with_stale_mask(4));
    let far = PageNumber(78);
    table.compare_exchange(far, Entry::ABSENT, Entry::resident(OTHER)).expect("untouched");
    let before = protocol::begin_pull(table.cell(far), ME).expect("elsewhere");
    assert_eq!(protocol::abort_pull(table.cell(far), before), Entry::resident(OTHER));
}

#[test]
fn the_first_and_the_last_page_of_the_half_have_entries_and_a_scan_of_all_finds_them_fast() {
    let table = PageTable::new().expect("address space");
    let ends = [PageNumber(0), PageNumber(APP_PAGES - 1)];
    for page in ends {
        table.compare_exchange(page, Entry::ABSENT, Entry::resident(ME)).expect("untouched");
    }
    let begun = std::time::Instant::now();
    let mut found = Vec::new();
    table.scan(PageRange::APP, |page, _| found.push(page));
    assert_eq!(found, ends);
    assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// Pages spread over chunks and groups of chunks.
fn any_page() -> impl Strategy<Value = u64> {
    prop_oneof![0..2000u64, (0..64u64).prop_map(|n| n * 511 * 4096), APP_PAGES - 600..APP_PAGES]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_scan_sees_what_a_map_would_hold(
        pages in prop::collection::vec((any_page(), any::<u16>()), 0..200),
        ranges in prop::collection::vec((any_page(), any_page()), 1..6),
    ) {
        let table = PageTable::new().expect("address space");
        let mut model = BTreeMap::new();
        for (page, stale) in pages {
            let entry = Entry::remote(slot(page as u32)).with_stale_mask(stale);
            table.overwrite(PageNumber(page), entry);
            model.insert(page, entry);
        }
        for (a, b) in ranges {
            let range = PageRange::new(PageNumber(a.min(b)), PageNumber(a.max(b)));
            let mut seen = Vec::new();
            table.scan(range, |page, entry| seen.push((page.0, entry)));
            let inside = model.range(range.start.0..range.end.0).filter(|(_, e)| **e != Entry::ABSENT);
            prop_assert_eq!(&seen, &inside.map(|(p, e)| (*p, *e)).collect::<Vec<_>>());
            table.scan(range, |page, entry| {
                table.overwrite(page, entry.cleared());
            });
            for (_, entry) in model.range_mut(range.start.0..range.end.0) {
                *entry = entry.cleared();
            }
        }
    }
}
