//! Four nodes follow one layout through logs, jumping at random.
#![cfg(not(loom))]

use std::ops::Range;

use eos_pager::layout::{Area, Kind, Layout, Prot};
use eos_pager::layout_log::{LayoutLog, LayoutTail};
use eos_pager::layout_op::LayoutOp;
use eos_verbs::NodeId;
use proptest::prelude::*;

const NODES: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Do(LayoutOp),
    Jump(usize),
}

fn any_range() -> impl Strategy<Value = Range<u64>> {
    (0..40u64, 1..16u64).prop_map(|(first, count)| first << 12..(first + count) << 12)
}

fn any_step() -> impl Strategy<Value = Step> {
    let prot = || (0..4u32).prop_map(Prot::from_bits);
    prop_oneof![
        (any_range(), prot()).prop_map(|(range, prot)| Step::Do(LayoutOp::Map { range, area: Area::anon(prot) })),
        any_range().prop_map(|range| Step::Do(LayoutOp::Unmap { range })),
        (any_range(), prot()).prop_map(|(range, prot)| Step::Do(LayoutOp::Protect { range, prot })),
        (any_range(), 60..100u64).prop_map(|(from, to)| Step::Do(LayoutOp::Move { from, to: to << 12 })),
        (0..NODES).prop_map(Step::Jump),
        (0..NODES).prop_map(Step::Jump),
    ]
}

proptest! {
    #[test]
    fn the_node_that_executes_has_the_true_layout(
        steps in prop::collection::vec(any_step(), 1..80), ops_max in prop::sample::select(vec![0, 2, 8, 1000]),
    ) {
        let mut truth = Layout::new();
        let mut nodes: Vec<_> =
            (0..NODES).map(|k| (Layout::new(), LayoutLog::with_room(NodeId(k as u8), 0b1111, ops_max))).collect();
        let mut me = 0;
        for step in steps {
            match step {
                Step::Do(op) => {
                    truth.apply(&op);
                    nodes[me].0.apply(&op);
                    nodes[me].1.append(op, 0);
                    prop_assert!(nodes[me].1.len() <= ops_max + NODES);
                }
                Step::Jump(to) if to != me => {
                    let (layout, log) = &mut nodes[me];
                    let wire = postcard::to_stdvec(&log.tail_for(NodeId(to as u8), layout)).expect("encodes");
                    let tail: LayoutTail = postcard::from_bytes(&wire).expect("decodes");
                    let (layout, log) = &mut nodes[to];
                    for op in log.receive(tail, layout).expect("no gap") {
                        layout.apply(&op);
                    }
                    me = to;
                }
                Step::Jump(_) => {}
            }
            prop_assert_eq!(&nodes[me].0, &truth);
        }
    }
}

#[test]
fn a_log_keeps_only_what_some_node_lacks_and_refuses_a_gap() {
    let op = || LayoutOp::Unmap { range: 0..4096 };
    let mut home = LayoutLog::new(NodeId::HOME, 0b11);
    for _ in 0..5 {
        home.append(op(), 0);
    }
    assert_eq!(home.len(), 5);
    assert_eq!(home.tail_for(NodeId(1), &Layout::new()).ops.len(), 5);
    assert!(home.is_empty());
    home.append(op(), 0);
    let late = home.tail_for(NodeId(1), &Layout::new());
    let mut peer = LayoutLog::new(NodeId(1), 0b11);
    assert_eq!(peer.receive(late, &Layout::new()).expect_err("five are missing").first, 5);
    assert_eq!(peer.end(), 0);
}

#[test]
fn a_log_that_nobody_follows_keeps_nothing() {
    let mut log = LayoutLog::new(NodeId::HOME, 0);
    for seq in 0..1000 {
        assert_eq!(log.append(LayoutOp::Unmap { range: 0..4096 }, 0), seq);
    }
    assert!(log.is_empty());
}

#[test]
fn a_node_that_is_never_visited_gets_the_layout_and_not_a_million_operations() {
    let mut log = LayoutLog::new(NodeId::HOME, 0b111);
    let mut layout = Layout::new();
    for page in 0..100_000_u64 {
        let op = LayoutOp::Map { range: (page % 50) << 13..((page % 50) << 13) + 4096, area: Area::anon(Prot::READ) };
        layout.apply(&op);
        log.append(op, layout.len());
        if page % 500 == 0 {
            assert_eq!(log.tail_for(NodeId(2), &layout).snapshot, None, "it is visited often enough");
        }
    }
    assert!(log.len() <= 1024 && log.needs_snapshot(NodeId(1)) && !log.needs_snapshot(NodeId(2)));
    let tail = log.tail_for(NodeId(1), &layout);
    let mut peer = LayoutLog::new(NodeId(1), 0b111);
    let todo = peer.receive(tail, &Layout::new()).expect("a snapshot has no gap");
    assert_eq!((todo.len(), peer.end()), (50, 100_000));
    assert!(!log.needs_snapshot(NodeId(1)));
}

#[test]
fn a_log_may_be_as_long_as_the_layout() {
    let mut log = LayoutLog::with_room(NodeId::HOME, 0b11, 10);
    for seq in 0..100 {
        assert_eq!(log.append(LayoutOp::Unmap { range: 0..4096 }, 100), seq);
    }
    assert!(!log.needs_snapshot(NodeId(1)));
    log.append(LayoutOp::Unmap { range: 0..4096 }, 100);
    assert!(log.needs_snapshot(NodeId(1)) && log.is_empty());
}

#[test]
fn a_changed_protection_keeps_what_is_mapped_and_a_file_is_always_mapped_anew() {
    let mut old = Layout::new();
    let file = Area { kind: Kind::FileRo, ..Area::anon(Prot::READ) };
    old.insert(0..0x8000, Area::anon(Prot::READ));
    old.insert(0x8000..0xa000, file);
    let mut wanted = old.clone();
    wanted.protect(0x2000..0x4000, Prot::NONE).expect("mapped");
    wanted.remove(0x6000..0x7000);
    let ops = [
        LayoutOp::Unmap { range: 0x6000..0x7000 },
        LayoutOp::Protect { range: 0x2000..0x4000, prot: Prot::NONE },
        LayoutOp::Map { range: 0x8000..0xa000, area: file },
    ];
    assert_eq!(old.difference(&wanted), ops);
}
