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
use crate::region::{EXTENT, Region};
use crate::tuning::Tuning;
use crate::{PAGE, TRANSFER_MAX};

fn address() -> IpAddr {
    let devices =
        devices().expect("these tests need an RDMA device: scripts/rxe-test runs them in a guest that has one");
    let ports = devices.iter().flat_map(|device| &device.ports).filter(|port| port.state == PortState::Active);
    let mut addresses = ports.flat_map(|port| &port.gids).filter(|gid| gid.kind == GidKind::RoceV2).map(|gid| gid.ip());
    addresses.find(|ip| ip.is_ipv4() && TcpListener::bind((*ip, 0)).is_ok()).expect("an active port")
}

fn join(me: u8, control: TcpStream, region: &Arc<Region>) -> RdmaQueuePair {
    let terms = Terms {
        me: NodeId(me),
        peer: PeerName(NodeId(1 - me), "other".into()),
        initiator: me == 0,
        region: Arc::clone(region),
        peer_region_len: 0,
        tuning: Tuning::default(),
    };
    connect(&terms, control, None).expect("a link")
}

fn pair() -> (RdmaQueuePair, RdmaQueuePair) {
    pair_with(&Region::new(TRANSFER_MAX).expect("a region"))
}

/// The far end offers `region`.
fn pair_with(region: &Arc<Region>) -> (RdmaQueuePair, RdmaQueuePair) {
    let listener = TcpListener::bind((address(), 0)).expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    let far = listener.accept().expect("accepted").0;
    let region = Arc::clone(region);
    let far = thread::spawn(move || join(1, far, &region));
    let near = join(0, near, &Region::new(TRANSFER_MAX).expect("a region"));
    (near, far.join().expect("no panic"))
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn a_wrong_key_is_a_clear_error_and_is_not_tried_again() {
    type Call = fn(&mut RdmaQueuePair) -> Result<(), VerbsError>;
    let calls: [Call; 2] =
        [|link| link.read(0, PAGE).map(|_| ()), |link| link.post_write(0, &[1; PAGE]).and_then(|()| link.flush())];
    for call in calls {
        let (mut near, _far) = pair();
        near.read(0, PAGE).expect("its key is known now");
        near.active.remote.spoil_keys();
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

/// Bytes that devices hold of this process (proc_pid_status(5)).
fn pinned_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPin:")).expect("VmPin");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn an_extent_is_pinned_when_the_peer_first_wants_bytes_of_it() {
    let before = pinned_bytes();
    let region = Region::new(1 << 40).expect("a region");
    let (mut near, _far) = pair_with(&region);
    let buffers = pinned_bytes() - before;
    assert!(buffers < 32 << 20, "{buffers} bytes of buffers");
    for (extents, offset) in [(1, 0), (1, PAGE as u64), (2, 9 << 30), (2, (9 << 30) + EXTENT as u64 - 1)] {
        near.read(offset, 1).expect("read");
        assert_eq!(pinned_bytes() - before - buffers, extents * EXTENT);
    }
    near.post_write((11 << 30) - 10, &[1; 20]).expect("posted");
    near.flush().expect("flushed");
    assert_eq!(pinned_bytes() - before - buffers, 4 * EXTENT, "both sides of a border");
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn reads_and_writes_go_over_the_borders_of_extents() {
    let (mut near, _far) = pair_with(&Region::new(3 * EXTENT).expect("a region"));
    let written: Vec<u8> = (0..TRANSFER_MAX).map(|at| (at / 7) as u8).collect();
    let offset = EXTENT as u64 - 5000;
    near.post_write(offset, &written).expect("posted");
    assert!(near.read(offset, TRANSFER_MAX).expect("read") == written);
    let reads = [(offset + 10, 4096), (offset + 4000, 4096), (2 * EXTENT as u64 - 1, 2), (offset, 1)];
    let mut got = vec![0xee; 4096 + 4096 + 2 + 1];
    near.read_list(&reads, &mut got).expect("read");
    let expected = [&written[10..4106], &written[4000..8096], &[0, 0], &written[..1]].concat();
    assert!(got == expected);
    assert_eq!(near.counters().reads, 1 + 4);
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
            1 => super::servant::lock(&far.inbox).break_queue_pair(),
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
