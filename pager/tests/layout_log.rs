//! Four nodes follow one layout through logs, jumping at random.
#![cfg(not(loom))]

use std::ops::Range;

use eos_pager::layout::{Area, Layout, Prot};
use eos_pager::layout_log::{LayoutLog, LayoutOp, LayoutTail};
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
    fn the_node_that_executes_has_the_true_layout(steps in prop::collection::vec(any_step(), 1..80)) {
        let mut truth = Layout::new();
        let mut nodes: Vec<_> =
            (0..NODES).map(|k| (Layout::new(), LayoutLog::new(NodeId(k as u8), 0b1111))).collect();
        let mut me = 0;
        for step in steps {
            match step {
                Step::Do(op) => {
                    truth.apply(&op);
                    nodes[me].0.apply(&op);
                    nodes[me].1.append(op);
                }
                Step::Jump(to) if to != me => {
                    let wire = postcard::to_stdvec(&nodes[me].1.tail_for(NodeId(to as u8))).expect("encodes");
                    let tail: LayoutTail = postcard::from_bytes(&wire).expect("decodes");
                    let (layout, log) = &mut nodes[to];
                    for op in log.receive(tail).expect("no gap") {
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
        home.append(op());
    }
    assert_eq!(home.len(), 5);
    assert_eq!(home.tail_for(NodeId(1)).ops.len(), 5);
    assert!(home.is_empty());
    home.append(op());
    let late = home.tail_for(NodeId(1));
    let mut peer = LayoutLog::new(NodeId(1), 0b11);
    assert_eq!(peer.receive(late).expect_err("five are missing").first, 5);
    assert_eq!(peer.end(), 0);
}

#[test]
fn a_log_that_nobody_follows_keeps_nothing() {
    let mut log = LayoutLog::new(NodeId::HOME, 0);
    for seq in 0..1000 {
        assert_eq!(log.append(LayoutOp::Unmap { range: 0..4096 }), seq);
    }
    assert!(log.is_empty());
}
