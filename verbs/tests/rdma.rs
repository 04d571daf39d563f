//! What only the rdma transport does, on one device. Without a device there is nothing to test, so these tests are marked as
//! ignored; scripts/rxe-test runs them in a guest that has one.

mod common;

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{End, REGION, pattern, rdma_address, rdma_address_of, streams_at, within};
use eos_verbs::rdma::{self, RdmaError};
use eos_verbs::{NodeId, PAGE, PeerName, QueuePair, Region, TransportKind, VerbsError, Wires, connect_pair};

const POOR: &str = "EOS_TEST_POOR";

fn pair() -> (End, End) {
    common::pair(TransportKind::Rdma)
}

/// Node `me`'s end of a link to `peer`; node 0 initiates.
fn join(me: u8, peer: u8, control: TcpStream, region: &Arc<Region>) -> Result<Box<dyn QueuePair>, VerbsError> {
    let peer = PeerName(NodeId(peer), String::new());
    connect_pair(NodeId(me), peer, me == 0, Wires::Rdma { control, port: None }, region, 0)
}

/// Not a test of its own: the node at the far end. Sends back each message; "write N" makes it write page N of our region.
#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn a_page_is_one_read_and_a_message_of_a_jump_is_one_send() {
    within(60, || {
        let (mut near, mut far) = pair();
        let whole = pattern(100 * PAGE, 1);
        far.fill(0, &whole);
        let before = near.link.counters().work;
        for page in 0..100 {
            let bytes = near.link.read((page * PAGE) as u64, PAGE).expect("read");
            assert_eq!(bytes, &whole[page * PAGE..][..PAGE]);
        }
        let after = near.link.counters().work;
        assert_eq!((after.reads - before.reads, after.writes, after.sends), (100, before.writes, before.sends));
        assert_eq!(after.completions - before.completions, 100);
        for (len, sends) in [(0, 1), (30_000, 1), (64 << 10, 1), ((64 << 10) + 1, 2)] {
            let before = near.link.counters().work;
            near.link.send(&[&vec![5; len]]).expect("sent");
            let after = near.link.counters().work;
            assert_eq!((after.sends - before.sends, after.reads), (sends, before.reads), "{len}");
            assert_eq!(far.receive(), vec![5; len]);
        }
        assert_eq!(near.link.counters().work.recoveries, 0);
    });
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn few_writes_are_signaled() {
    within(60, || {
        let (mut near, far) = pair();
        let before = near.link.counters().work;
        for page in 0..1000 {
            near.link.post_write((page * PAGE) as u64, &pattern(PAGE, page)).expect("posted");
        }
        near.link.flush().expect("flushed");
        let after = near.link.counters().work;
        let (writes, completions) = (after.writes - before.writes, after.completions - before.completions);
        assert!((1000..=1001).contains(&writes), "{writes}");
        assert!(completions <= 40, "{completions} completions");
        assert_eq!(far.bytes(999 * PAGE, PAGE), pattern(PAGE, 999));
    });
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn a_sender_waits_for_credits_and_a_receiver_returns_them() {
    within(60, || {
        let (mut near, mut far) = pair();
        let sender = thread::spawn(move || {
            for number in 0..300u32 {
                near.link.send(&[&number.to_le_bytes()]).expect("sent");
            }
            near
        });
        thread::sleep(Duration::from_secs(1));
        for number in 0..300u32 {
            assert_eq!(far.receive(), number.to_le_bytes());
        }
        sender.join().expect("no panic");
    });
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn many_links_share_the_device_and_the_region() {
    within(60, || {
        let region = Region::new(REGION).expect("a region");
        let mut links = Vec::new();
        for peer in 1..=4 {
            let (near, far) = streams_at(rdma_address());
            let theirs =
                thread::spawn(move || join(peer, 0, far, &Region::new(PAGE).expect("a region")).expect("a link"));
            let ours = join(0, peer, near, &region).expect("a link");
            links.push((ours, theirs.join().expect("no panic")));
        }
        for (index, (_, theirs)) in links.iter_mut().enumerate() {
            theirs.post_write((index * PAGE) as u64, &[index as u8 + 1; PAGE]).expect("posted");
            theirs.flush().expect("flushed");
            let expected = vec![index as u8 + 1; PAGE];
            assert_eq!(theirs.read((index * PAGE) as u64, PAGE).expect("read"), expected);
        }
        // discarding would take pages away from under the device
        region.discard(0, REGION);
        assert_eq!(links[0].1.read(0, PAGE).expect("read"), [1; PAGE]);
    });
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn an_address_without_a_device_is_refused_with_the_reason() {
    within(60, || {
        let (near, _far) = common::tcp_streams();
        let refused = rdma::usable_for(&near).expect_err("loopback has no device");
        assert!(matches!(refused, RdmaError::NoPort { .. }), "{refused}");
        assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
        let (near, _far) = streams_at(rdma_address());
        rdma::usable_for(&near).expect("usable");
    });
}

#[test]
#[ignore = "needs an RDMA device: scripts/rxe-test runs it"]
fn a_link_comes_up_over_ipv6() {
    within(60, || {
        let (near, far) = streams_at(rdma_address_of(|ip| ip.is_ipv6()));
        let far = thread::spawn(move || End::join(1, 0, false, Wires::Rdma { control: far, port: None }));
        let mut near = End::join(0, 1, true, Wires::Rdma { control: near, port: None });
        let mut far = far.join().expect("no panic");
        near.link.post_write(0, &[6; PAGE]).expect("posted");
        near.link.send(&[b"six"]).expect("sent");
        assert_eq!(far.receive(), b"six");
        assert_eq!(far.bytes(0, PAGE), [6; PAGE]);
    });
}

/// Not a test of its own: the process with a low limit of locked memory.
#[test]
fn poor_process() {
    if std::env::var(POOR).is_err() {
        return;
    }
    let (near, far) = streams_at(rdma_address());
    let other = thread::spawn(move || join(1, 0, far, &Region::new(PAGE).expect("a region")).map(|_| ()));
    let joined = join(0, 1, near, &Region::new(REGION).expect("a region")).map(|_| ());
    println!("near said: {}", joined.expect_err("over the limit"));
    let _ = other.join().expect("no panic");
}

#[test]
#[ignore = "needs an RDMA device, and root: scripts/rxe-test runs it"]
fn a_low_limit_of_locked_memory_is_told_with_the_remedy() {
    within(60, || {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["--exact", "poor_process", "--nocapture"]).env(POOR, "1");
        // SAFETY: only system calls between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
                let nobody = 65534;
                let failed = libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) != 0
                    || libc::setgid(nobody) != 0
                    || libc::setuid(nobody) != 0;
                if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
            });
        }
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("exceeds the limit of locked memory (1048576 bytes)"), "{output:?}");
        assert!(text.contains("ulimit -l unlimited") && text.contains("LimitMEMLOCK"), "{text}");
    });
}
