//! Four nodes that change pages and jump at random: the one that executes always knows the truth.
#![cfg(not(loom))]

use std::collections::{BTreeMap, BTreeSet};

use eos_pager::changes::ChangeLists;
use eos_pager::entry::{Entry, SlotRef, State};
use eos_pager::layout::Layout;
use eos_pager::layout_log::LayoutLog;
use eos_pager::layout_op::LayoutOp;
use eos_pager::page::{PageNumber, PageRange};
use eos_pager::placement::{PlacementRun, carried};
use eos_pager::protocol;
use eos_pager::slots::SlotAllocator;
use eos_pager::table::PageTable;
use eos_verbs::NodeId;
use proptest::prelude::*;

const NODES: usize = 4;
const PAGES: u64 = 24;
const SLOTS: u32 = 16;
/// Slots of a slab.
const SLAB: u32 = 4;

struct Node {
    table: PageTable,
    lists: ChangeLists,
    slots: Vec<SlotAllocator>,
    log: LayoutLog,
}

struct Run {
    nodes: Vec<Node>,
    me: usize,
    active: u16,
    truth: BTreeMap<u64, Entry>,
}

#[derive(Clone, Debug)]
enum Step {
    /// First touch.
    Touch(u64),
    /// Push of a run of pages to a node, or drop of those that are clean.
    Push(u64, u64, usize),
    Pull(u64, bool),
    Dirty(u64),
    /// Back to Absent, noted page by page.
    Clear(u64, u64),
    /// Back to Absent, and told by the layout log, unless that is too long.
    Unmap(u64, u64),
    Flags(u64, bool),
    Jump(usize),
    /// A node joins, of which the others have not heard.
    Join(usize),
    /// A slab of a node's region comes, or goes.
    Lend(usize, u32),
    Unlend(usize, u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    let page = 0..PAGES;
    prop_oneof![
        4 => page.clone().prop_map(Step::Touch),
        4 => (page.clone(), 1..6u64, 0..NODES).prop_map(|(first, count, to)| Step::Push(first, count, to)),
        4 => (page.clone(), any::<bool>()).prop_map(|(page, keep)| Step::Pull(page, keep)),
        2 => page.clone().prop_map(Step::Dirty),
        1 => (page.clone(), 1..6u64).prop_map(|(first, count)| Step::Clear(first, count)),
        1 => (page.clone(), 1..6u64).prop_map(|(first, count)| Step::Unmap(first, count)),
        1 => (page, any::<bool>()).prop_map(|(page, on)| Step::Flags(page, on)),
        2 => (0..NODES).prop_map(Step::Jump),
        1 => (0..NODES).prop_map(Step::Join),
        1 => (0..NODES, 0..SLOTS / SLAB).prop_map(|(node, slab)| Step::Lend(node, slab * SLAB)),
        2 => (0..NODES, 0..SLOTS / SLAB).prop_map(|(node, slab)| Step::Unlend(node, slab * SLAB)),
    ]
}

impl Node {
    fn replay(&mut self, op: &LayoutOp) {
        for range in op.frees() {
            self.table.scan(PageRange::covering(&range), |page, old| {
                if let Some(slot) = old.slot() {
                    self.slots[slot.node.0 as usize].free(slot.index);
                }
                self.table.overwrite(page, old.cleared());
            });
        }
    }
}

impl Run {
    /// Nodes that may execute, and how many ranges a list and how many operations a log may have.
    fn new(active: u16, ranges_max: usize, ops_max: usize) -> Self {
        let node = |k: u8| {
            let mut slots = vec![SlotAllocator::new(); NODES];
            slots.iter_mut().for_each(|allocator| allocator.grow(SLOTS));
            let table = PageTable::new().expect("address space");
            let lists = ChangeLists::with_room(active & !(1_u16 << k), ranges_max);
            Node { table, lists, slots, log: LayoutLog::with_room(NodeId(k), active, ops_max) }
        };
        let nodes = (0..NODES as u8).map(node).collect();
        Self { nodes, me: 0, active, truth: BTreeMap::new() }
    }

    fn unmap(&mut self, range: PageRange) {
        range.into_iter().for_each(|page| self.clear(page.0));
        self.nodes[self.me].log.append(LayoutOp::Unmap { range: range.addresses() }, 0);
    }

    /// Does a change with the executing node's table and slots; notes it if it came about.
    fn change(
        &mut self,
        page: u64,
        change: impl FnOnce(&PageTable, &mut Vec<SlotAllocator>, PageNumber, NodeId) -> bool,
    ) {
        let me = NodeId(self.me as u8);
        let node = &mut self.nodes[self.me];
        let page = PageNumber(page);
        if change(&node.table, &mut node.slots, page, me) {
            node.lists.note(page, node.table.cell(page), me, self.active);
            self.truth.insert(page.0, place(node.table.load(page)));
        }
    }

    fn push(&mut self, page: u64, to: usize) {
        self.change(page, |table, slots, page, me| {
            if protocol::begin_drop(table.cell(page), me).is_err() {
                let Some(index) = slots[to].alloc() else {
                    return false;
                };
                let slot = SlotRef { node: NodeId(to as u8), index };
                if protocol::begin_push(table.cell(page), me, slot).is_err() {
                    slots[to].free(index);
                    return false;
                }
            }
            protocol::finish_push(table.cell(page));
            true
        });
    }

    fn pull(&mut self, page: u64, keep: bool) {
        self.change(page, |table, slots, page, me| {
            if protocol::begin_pull(table.cell(page), me).is_err() {
                return false;
            }
            let (before, now) = protocol::finish_pull(table.cell(page), me, keep);
            if let (Some(slot), None) = (before.slot(), now.slot()) {
                slots[slot.node.0 as usize].free(slot.index);
            }
            true
        });
    }

    fn clear(&mut self, page: u64) {
        self.change(page, |table, slots, page, _| {
            let old = table.load(page);
            if let Some(slot) = old.slot() {
                slots[slot.node.0 as usize].free(slot.index);
            }
            table.overwrite(page, old.cleared());
            old.state() != State::Absent
        });
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Touch(page) => self.change(page, |table, _, page, me| {
                let touch =
                    |e: Entry| (e.state() == State::Absent).then(|| e.with_state(State::Resident).with_owner(me));
                table.update(page, touch).is_ok()
            }),
            Step::Push(first, count, to) if to != self.me => {
                (first..(first + count).min(PAGES)).for_each(|page| self.push(page, to));
            }
            Step::Pull(page, keep) => self.pull(page, keep),
            Step::Dirty(page) => self.change(page, |table, slots, page, me| {
                let Ok(before) = protocol::begin_upgrade(table.cell(page), me) else {
                    return false;
                };
                protocol::finish_pull(table.cell(page), me, false);
                let slot = before.slot().expect("clean");
                slots[slot.node.0 as usize].free(slot.index)
            }),
            Step::Clear(first, count) => (first..(first + count).min(PAGES)).for_each(|page| self.clear(page)),
            Step::Unmap(first, count) => {
                self.unmap(PageRange::new(PageNumber(first), PageNumber((first + count).min(PAGES))));
            }
            // Local: nobody is told.
            Step::Flags(page, on) => {
                let flags = |e: Entry| Some(e.with_queued(on));
                let _ = self.nodes[self.me].table.update(PageNumber(page), flags);
            }
            Step::Jump(to) if to != self.me => self.jump(to),
            Step::Lend(node, first) => {
                self.nodes[self.me].slots[node].lend(first..first + SLAB);
            }
            Step::Unlend(node, first) => {
                self.nodes[self.me].slots[node].unlend(first..first + SLAB);
            }
            Step::Join(node) if self.active >> node & 1 == 0 => self.join(node),
            Step::Push(..) | Step::Jump(_) | Step::Join(_) => {}
        }
    }

    /// All nodes that follow hear of it: of what they know it knows nothing.
    fn join(&mut self, node: usize) {
        let newcomer = NodeId(node as u8);
        self.nodes[self.me].log.join(newcomer);
        for (k, other) in self.nodes.iter_mut().enumerate().filter(|(k, _)| self.active >> k & 1 == 1) {
            other.lists.join(newcomer, NodeId(k as u8), &other.table);
        }
        self.active |= 1 << node;
    }

    fn jump(&mut self, to: usize) {
        let target = NodeId(to as u8);
        if self.active >> to & 1 == 0 {
            self.join(to);
        }
        let from = &mut self.nodes[self.me];
        let tail = from.log.tail_for(target, &Layout::new());
        let runs = from.lists.drain_for(target, &from.table);
        assert!(from.lists.pages(target).next().is_none() && !from.lists.is_unlisted(target));
        let lent: Vec<_> = from.slots.iter().map(|slots| slots.lent().to_vec()).collect();
        let node = &mut self.nodes[to];
        for (slots, lent) in node.slots.iter_mut().zip(lent) {
            assert!(slots.set_lent(lent));
        }
        for op in node.log.receive(tail, &Layout::new()).expect("no gap") {
            node.replay(&op);
        }
        node.lists.apply(&runs, target, &node.table, &mut node.slots, |_, _, _| {}).expect("possible runs");
        self.me = to;
    }

    fn check(&self) {
        let here = &self.nodes[self.me];
        let lent = |(node, index): (u8, u32)| here.slots[usize::from(node)].is_lent(&(index..index + 1));
        assert!(slots_of_table(&here.table).into_iter().all(lent), "a page in a slot that was given back");
        assert_eq!(places(&here.table), self.truth.clone().into_iter().filter(|(_, e)| *e != Entry::ABSENT).collect());
        for (k, node) in self.nodes.iter().enumerate() {
            assert_eq!(slots_of_table(&node.table), slots_of_bitmaps(&node.slots), "slots on node {k}");
            let unlisted = here.lists.is_unlisted(NodeId(k as u8));
            let list: Vec<u64> = here.lists.pages(NodeId(k as u8)).map(|page| page.0).collect();
            let listed: BTreeSet<u64> = list.iter().copied().collect();
            assert_eq!(list.len(), listed.len(), "a page is twice in list {k}");
            assert!(!unlisted || list.is_empty(), "list {k} was given up");
            for page in 0..PAGES {
                let stale = here.table.load(PageNumber(page)).stale_mask() >> k & 1 == 1;
                assert!(unlisted || stale == listed.contains(&page), "bit and list {k} of page {page}");
                let unknown = place(node.table.load(PageNumber(page))) != place(here.table.load(PageNumber(page)));
                assert!(!unknown || stale || self.active >> k & 1 == 0, "node {k} was not to be told of page {page}");
            }
        }
    }
}

/// The entry without what is local, and without the mask.
fn place(entry: Entry) -> Entry {
    carried(entry).with_stale_mask(0)
}

fn places(table: &PageTable) -> BTreeMap<u64, Entry> {
    let range = PageRange::new(PageNumber(0), PageNumber(PAGES));
    let mut all = BTreeMap::new();
    table.scan(range, |page, entry| {
        all.insert(page.0, place(entry));
    });
    all.retain(|_, entry| *entry != Entry::ABSENT);
    all
}

fn slots_of_table(table: &PageTable) -> BTreeSet<(u8, u32)> {
    let slots = places(table).into_values().filter_map(Entry::slot);
    slots.map(|slot| (slot.node.0, slot.index)).collect()
}

fn slots_of_bitmaps(slots: &[SlotAllocator]) -> BTreeSet<(u8, u32)> {
    let taken = |(node, allocator): (usize, &SlotAllocator)| {
        let used: Vec<_> = (0..SLOTS).filter(|i| allocator.is_used(*i)).map(|i| (node as u8, i)).collect();
        used
    };
    slots.iter().enumerate().flat_map(taken).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_node_that_executes_knows_every_page_and_what_the_others_do_not(
        steps in prop::collection::vec(any_step(), 1..100), later in 0..8u16,
        ranges_max in prop::sample::select(vec![0, 1, 4, 1000]), ops_max in prop::sample::select(vec![0, 1, 4, 1000]),
    ) {
        let mut run = Run::new(0b1111 & !(later << 1), ranges_max, ops_max);
        for step in steps {
            run.take(step);
            run.check();
        }
    }
}

#[test]
fn pages_pushed_together_travel_as_one_short_run() {
    let mut run = Run::new(0b11, 16, 16);
    for page in 0..10 {
        run.take(Step::Touch(page));
    }
    run.take(Step::Push(0, 10, 1));
    let node = &mut run.nodes[0];
    let runs = node.lists.drain_for(NodeId(1), &node.table);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].count, 10);
}

#[test]
fn an_impossible_run_is_refused_and_changes_nothing() {
    let mut run = Run::new(0b11, 16, 16);
    let good = Entry::remote(SlotRef { node: NodeId(2), index: 0 });
    let far = Entry::remote(SlotRef { node: NodeId(2), index: SLOTS - 1 });
    for (first_page, count, raw) in
        [(5, 1, 9), (5, 1, 2), (5, 0, good.raw()), (u64::MAX, 1, good.raw()), (5, 2, far.raw())]
    {
        let runs = [(4, 1, good.raw()), (first_page, count, raw)]
            .map(|(first_page, count, entry_of_first)| PlacementRun { first_page, count, entry_of_first });
        let node = &mut run.nodes[0];
        let said = node.lists.apply(&runs, NodeId(0), &node.table, &mut node.slots, |_, _, _| {});
        assert_eq!(said.expect_err("impossible").first_page, first_page);
        assert!(places(&node.table).is_empty());
    }
}
