//! The rdma transport between two nodes that are joined by a cable, which is cut, lossy or narrow. scripts/rxe-test runs
//! these tests in a guest with two network namespaces, each with an RDMA device:
//!
//! | variable | holds |
//! |---|---|
//! | `EOS_TEST_FAR` | command words that run a program at the other end of the cable, as `ip netns exec far` |
//! | `EOS_TEST_CABLE` | names of the two interfaces of the cable, near and far |

mod common;

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{End, pattern, rdma_address, within};
use eos_verbs::{Mailbox, PAGE, VerbsError, Wires};
use rustix::process::{Pid, Signal, kill_process};

const CONTROL: &str = "EOS_TEST_CONTROL";

#[test]
fn far_node() {
    let Ok(address) = std::env::var(CONTROL) else {
        return;
    };
    // Another test may have cut the cable just before; the neighbour is not found again at once.
    let deadline = Instant::now() + Duration::from_secs(30);
    let control = loop {
        match TcpStream::connect(&address) {
            Ok(control) => break control,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let end = End::join(1, 0, false, Wires::Rdma { control, port: None });
    end.fill(0, &pattern(PAGE, 9));
    println!("joined");
    let (mut links, mut message) = ([Some(end.link)], Vec::new());
    while Mailbox::new().wait(&mut links, &mut message, None).is_ok() {
        let link = links[0].as_mut().expect("present");
        if let Some(page) = message.strip_prefix(b"write ") {
            let page = usize::from(page[0]);
            link.post_write((page * PAGE) as u64, &pattern(PAGE, page)).expect("posted");
        }
        link.send(&[&message]).expect("sent");
    }
}

/// A process that is killed when dropped, and what it prints.
struct Process(Child, #[allow(dead_code)] BufReader<ChildStdout>);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A link to a process at the other end of the cable.
struct Far {
    end: End,
    process: Process,
}

impl Far {
    fn start() -> Far {
        let words = std::env::var("EOS_TEST_FAR").expect("EOS_TEST_FAR is set: scripts/rxe-test does");
        let listener = TcpListener::bind((rdma_address(), 0)).expect("a port");
        let mut words = words.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        words.push(std::env::current_exe().expect("this test").display().to_string());
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .args(["--exact", "far_node", "--nocapture"])
            .env(CONTROL, listener.local_addr().expect("an address").to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let control = listener.accept().expect("accepted").0;
        let end = End::join(0, 1, true, Wires::Rdma { control, port: None });
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        assert!(output.by_ref().lines().map_while(Result::ok).any(|line| line.contains("joined")));
        Far { end, process: Process(child, output) }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.0), signal).expect("our own child");
    }

    /// Everything the link can do, once.
    fn exercise(&mut self, round: usize) {
        let slot = ((round % 100 + 100) * PAGE) as u64;
        self.end.link.post_write(slot, &pattern(PAGE, round)).expect("posted");
        assert_eq!(self.end.link.read(slot, PAGE).expect("read"), pattern(PAGE, round));
        let own = round % 64;
        self.end.link.send(&[b"write ", &[own as u8]]).expect("sent");
        assert_eq!(self.end.receive(), [b"write ", &[own as u8][..]].concat());
        assert_eq!(self.end.bytes(own * PAGE, PAGE), pattern(PAGE, own), "the message came after the write");
        let message = pattern(200_000, round);
        self.end.link.send(&[&message]).expect("sent");
        assert!(self.end.receive() == message);
    }
}

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let status = Command::new(words.next().expect("a command")).args(words).status().expect("it runs");
    assert!(status.success(), "{command}");
}

/// Runs `near` with the near interface for `{}`, and the same at the far end with the far one.
fn at_both_ends(command: &str) {
    let cable = std::env::var("EOS_TEST_CABLE").expect("EOS_TEST_CABLE is set: scripts/rxe-test does");
    let far = std::env::var("EOS_TEST_FAR").expect("EOS_TEST_FAR is set: scripts/rxe-test does");
    let (one, other) = cable.split_once(' ').expect("two interfaces");
    run(&command.replace("{}", one));
    run(&format!("{far} {}", command.replace("{}", other)));
}

fn near_cable(command: &str) {
    let cable = std::env::var("EOS_TEST_CABLE").expect("EOS_TEST_CABLE is set: scripts/rxe-test does");
    run(&command.replace("{}", cable.split(' ').next().expect("an interface")));
}

fn assert_gone(error: &VerbsError) {
    assert!(matches!(error, VerbsError::Disconnected { .. }), "{error}");
    assert!(error.to_string().contains("node 1 (localhost)"), "{error}");
}

#[test]
#[ignore = "needs two network namespaces with RDMA devices: scripts/rxe-test runs it"]
fn a_far_node_does_all_a_near_one_does() {
    within(60, || {
        let mut far = Far::start();
        for round in 0..50 {
            far.exercise(round);
        }
        let counters = far.end.link.counters();
        assert_eq!(counters.work.recoveries, 0, "{counters:?}");
    });
}

#[test]
#[ignore = "needs two network namespaces with RDMA devices: scripts/rxe-test runs it"]
fn a_link_that_is_down_for_two_seconds_loses_nothing() {
    within(120, || {
        let mut far = Far::start();
        far.exercise(0);
        // somewhere in the middle of things; it may be the far end that waits for an acknowledgement, and heals the link
        let cable = thread::spawn(|| {
            for _ in 0..2 {
                thread::sleep(Duration::from_secs(1));
                near_cable("ip link set {} down");
                thread::sleep(Duration::from_secs(2));
                near_cable("ip link set {} up");
                thread::sleep(Duration::from_secs(3));
            }
        });
        let mut round = 1;
        while !cable.is_finished() || round < 10 {
            far.exercise(round);
            round += 1;
        }
        cable.join().expect("no panic");
        // and with a write of ours under way
        let before = far.end.link.counters().work.recoveries;
        near_cable("ip link set {} down");
        let cable = thread::spawn(|| {
            thread::sleep(Duration::from_secs(2));
            near_cable("ip link set {} up");
        });
        far.exercise(round);
        cable.join().expect("no panic");
        far.exercise(round + 1);
        let counters = far.end.link.counters();
        assert!(counters.work.recoveries > before, "{counters:?}");
        eprintln!("{round} rounds, {counters:?}");
    });
}

#[test]
#[ignore = "needs two network namespaces with RDMA devices: scripts/rxe-test runs it"]
fn a_link_that_is_down_for_good_ends_the_call_within_a_bounded_time() {
    within(120, || {
        let mut far = Far::start();
        far.exercise(0);
        near_cable("ip link set {} down");
        let start = Instant::now();
        assert_gone(&far.end.link.read(0, PAGE).expect_err("gone"));
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
        assert_gone(&far.end.link.read(0, PAGE).expect_err("still gone"));
        assert_gone(&far.end.link.send(&[b"?"]).expect_err("still gone"));
        near_cable("ip link set {} up");
    });
}

#[test]
#[ignore = "needs two network namespaces with RDMA devices: scripts/rxe-test runs it"]
fn one_packet_in_a_hundred_lost_changes_nothing() {
    within(120, || {
        at_both_ends("tc qdisc add dev {} root netem loss 1%");
        let mut far = Far::start();
        for round in 0..60 {
            far.exercise(round);
        }
        at_both_ends("tc qdisc del dev {} root");
    });
}

#[test]
#[ignore = "needs two network namespaces with RDMA devices: scripts/rxe-test runs it"]
fn the_smaller_mtu_of_both_ports_is_used() {
    within(60, || {
        near_cable("ip link set {} mtu 1500");
        let mut far = Far::start();
        far.exercise(0);
        near_cable("ip link set {} mtu 4300");
    });
}

#[test]
#[ignore = "needs two network namespaces with RDMA devices: scripts/rxe-test runs it"]
fn a_killed_peer_is_noticed_soon_by_a_sleeper_and_by_a_reader() {
    within(60, || {
        for sleeps in [true, false] {
            let Far { mut end, process } = Far::start();
            let killer = thread::spawn(move || {
                thread::sleep(Duration::from_millis(300));
                drop(process);
            });
            let start = Instant::now();
            if sleeps {
                let mut links = [Some(end.link)];
                assert_gone(&Mailbox::new().wait(&mut links, &mut Vec::new(), None).expect_err("gone"));
            } else {
                let error = loop {
                    if let Err(error) = end.link.read(0, PAGE) {
                        break error;
                    }
                };
                assert_gone(&error);
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
            killer.join().expect("no panic");
        }
    });
}

#[test]
#[ignore = "needs two network namespaces with RDMA devices: scripts/rxe-test runs it"]
fn a_stopped_peer_is_still_read_and_written_and_answers_when_it_goes_on() {
    within(60, || {
        let mut far = Far::start();
        // from now on the device has all that it needs of the peer
        far.end.link.read(0, PAGE).expect("read");
        far.signal(Signal::STOP);
        assert_eq!(far.end.link.read(0, PAGE).expect("read"), pattern(PAGE, 9));
        far.end.link.post_write(0, &[7; PAGE]).expect("posted");
        far.end.link.flush().expect("flushed");
        far.end.link.send(&[b"are you there?"]).expect("sent");
        let mut message = Vec::new();
        assert!(!far.end.link.try_recv(&mut message).expect("sound"));
        far.signal(Signal::CONT);
        assert_eq!(far.end.receive(), b"are you there?");
    });
}
