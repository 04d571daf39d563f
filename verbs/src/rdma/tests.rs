//! What cannot be seen from outside: wrong keys, where a wait spends its time, repeated work. They need an RDMA device.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{GidKind, PortState, RdmaError, RdmaQueuePair, connect, devices};
use crate::connect::Terms;
use crate::error::VerbsError;
use crate::names::{NodeId, PeerName};
use crate::queue_pair::QueuePair;
use crate::region::Region;
use crate::tuning::Tuning;
use crate::{PAGE, TRANSFER_MAX};

fn address() -> IpAddr {
    let devices =
        devices().expect("these tests need an RDMA device: scripts/rxe-test runs them in a guest that has one");
    let ports = devices.iter().flat_map(|device| &device.ports).filter(|port| port.state == PortState::Active);
    let mut addresses = ports.flat_map(|port| &port.gids).filter(|gid| gid.kind == GidKind::RoceV2).map(|gid| gid.ip());
    addresses.find(|ip| ip.is_ipv4() && TcpListener::bind((*ip, 0)).is_ok()).expect("an active port")
}

fn join(me: u8, control: TcpStream) -> RdmaQueuePair {
    let terms = Terms {
        me: NodeId(me),
        peer: PeerName(NodeId(1 - me), "other".into()),
        initiator: me == 0,
        region: Region::new(TRANSFER_MAX).expect("a region"),
        peer_region_len: 0,
        tuning: Tuning::default(),
    };
    connect(&terms, control, None).expect("a link")
}

fn pair() -> (RdmaQueuePair, RdmaQueuePair) {
    let listener = TcpListener::bind((address(), 0)).expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    let far = listener.accept().expect("accepted").0;
    let far = thread::spawn(move || join(1, far));
    (join(0, near), far.join().expect("no panic"))
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn a_wrong_key_is_a_clear_error_and_is_not_tried_again() {
    type Call = fn(&mut RdmaQueuePair) -> Result<(), VerbsError>;
    let calls: [Call; 2] =
        [|link| link.read(0, PAGE).map(|_| ()), |link| link.post_write(0, &[1; PAGE]).and_then(|()| link.flush())];
    for call in calls {
        let (mut near, _far) = pair();
        near.active.remote.rkey ^= 0x55;
        let start = Instant::now();
        let error = call(&mut near).expect_err("refused");
        assert!(matches!(error, VerbsError::Protocol { .. }), "{error}");
        assert!(error.to_string().contains("refused access"), "{error}");
        assert_eq!(near.counters().work.recoveries, 0);
        assert!(matches!(call(&mut near), Err(VerbsError::Protocol { .. })), "the link is of no more use");
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn bytes_beyond_the_region_are_refused_by_the_device_too() {
    let (mut near, _far) = pair();
    near.peer_region_len *= 2;
    let error = near.read(TRANSFER_MAX as u64, PAGE).map(|_| ()).expect_err("refused");
    assert!(matches!(error, VerbsError::Protocol { .. }), "{error}");
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn a_read_that_comes_within_the_busy_time_is_one_work_request_and_neither_yields_nor_sleeps() {
    let (mut near, _far) = pair();
    // emulated time is slow
    near.waiter.busy = Duration::from_secs(60);
    let before = near.counters().work;
    for page in 0..50 {
        near.read(page * PAGE as u64, PAGE).expect("read");
    }
    let after = near.counters().work;
    assert_eq!((after.reads - before.reads, after.completions - before.completions), (50, 50));
    assert_eq!((after.yields, after.sleeps), (before.yields, before.sleeps));
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn a_queue_pair_that_breaks_at_either_end_is_made_again_and_nothing_is_lost_or_doubled() {
    let (mut near, mut far) = pair();
    for round in 0..20u8 {
        near.post_write(0, &[round; PAGE]).expect("posted");
        match round % 3 {
            0 => near.active.queue_pair.as_ref().expect("present").to_error().expect("broken"),
            1 => super::control::lock(&far.inbox).break_queue_pair(),
            _ => {}
        }
        let message = vec![round; 200_000];
        let copy = message.clone();
        let sender = thread::spawn(move || {
            near.send(&[&copy]).expect("sent");
            near
        });
        let mut got = Vec::new();
        while !far.try_recv(&mut got).expect("sound") {
            thread::yield_now();
        }
        near = sender.join().expect("no panic");
        assert!(got == message, "{round}");
        assert_eq!(near.read(0, PAGE).expect("read"), [round; PAGE]);
        assert!(!far.try_recv(&mut got).expect("sound"), "no message comes twice");
    }
    assert!(near.counters().work.recoveries >= 13, "{:?}", near.counters());
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn a_device_that_has_failed_is_named() {
    let (mut near, _far) = pair();
    near.active.port.domain.set_failed();
    near.active.queue_pair.as_ref().expect("present").to_error().expect("broken");
    let error = near.read(0, PAGE).map(|_| ()).expect_err("failed");
    assert!(matches!(&error, VerbsError::Rdma(RdmaError::DeviceGone { .. })), "{error}");
    assert!(error.to_string().contains(near.active.port.domain.name()), "{error}");
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn links_over_one_device_share_its_domain() {
    let (near, far) = pair();
    assert!(Arc::ptr_eq(&near.active.port.domain, &far.active.port.domain));
}
