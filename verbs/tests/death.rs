//! A peer that dies ends every wait with an error that names it.

mod common;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{End, kinds, rdma_address, within};
use eos_verbs::{Mailbox, PAGE, TransportKind, VerbsError, Wires};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

const WIRE: &str = "EOS_TEST_WIRE";

/// Not a test of its own: the process that gets killed.
#[test]
fn other_process() {
    let Ok(wire) = std::env::var(WIRE) else {
        return;
    };
    let mut end = if let Some(address) = wire.strip_prefix("rdma:") {
        let control = TcpStream::connect(address).expect("connected");
        End::join(1, 0, false, Wires::Rdma { control, port: None })
    } else if wire == "shm" {
        let stream = std::io::stdin().as_fd().try_clone_to_owned().expect("a stream");
        End::join(1, 0, false, Wires::Shm(UnixStream::from(stream)))
    } else {
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, wire.parse().expect("a port"))).expect("connected");
        End::join(1, 0, false, Wires::Tcp { msg: connect(), forward: connect(), back: connect() })
    };
    end.link.send(&[b"last words"]).expect("sent");
    println!("joined");
    thread::sleep(Duration::from_secs(60));
}

struct Victim(Child);

impl Victim {
    /// Stops every thread of the victim; returns when they have stopped.
    fn stop(&self) {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::STOP).expect("our own child");
        let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).expect("our own child");
        assert!(stopped.is_some_and(|(_, status)| status.stopped()));
    }

    fn die_in(mut self, delay: Duration) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            thread::sleep(delay);
            self.0.kill().expect("killed");
            self.0.wait().expect("reaped");
        })
    }
}

/// A link to a process of its own, which has sent its last words.
fn link_to_victim(kind: TransportKind) -> (End, Victim) {
    let rdma = kind == TransportKind::Rdma;
    let host = if rdma { rdma_address() } else { Ipv4Addr::LOCALHOST.into() };
    let listener = TcpListener::bind((host, 0)).expect("a port");
    let (near, far) = UnixStream::pair().expect("a pair");
    let address = listener.local_addr().expect("an address");
    let wire = match kind {
        TransportKind::Shm => "shm".to_owned(),
        TransportKind::Tcp => address.port().to_string(),
        TransportKind::Rdma => format!("rdma:{address}"),
    };
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "other_process", "--nocapture"])
        .env(WIRE, wire)
        .stdin(Stdio::from(OwnedFd::from(far)))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let accept = || listener.accept().expect("accepted").0;
    let end = match kind {
        TransportKind::Shm => End::join(0, 1, true, Wires::Shm(near)),
        TransportKind::Rdma => End::join(0, 1, true, Wires::Rdma { control: accept(), port: None }),
        TransportKind::Tcp => End::join(0, 1, true, Wires::Tcp { msg: accept(), forward: accept(), back: accept() }),
    };
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("joined")));
    (end, Victim(child))
}

fn assert_gone(error: &VerbsError) {
    assert!(matches!(error, VerbsError::Disconnected { .. }), "{error}");
    assert!(error.to_string().contains("node 1 (localhost)"), "{error}");
}

#[test]
fn a_mailbox_gives_the_last_message_and_then_says_who_died() {
    within(30, || {
        for kind in kinds() {
            let (end, victim) = link_to_victim(kind);
            let killer = victim.die_in(Duration::from_millis(100));
            let (mut links, mut message) = ([None, Some(end.link)], Vec::new());
            assert_eq!(Mailbox::new().wait(&mut links, &mut message, None).expect("a message"), Some(1));
            assert_eq!(message, b"last words");
            assert_gone(&Mailbox::new().wait(&mut links, &mut message, None).expect_err("gone"));
            killer.join().expect("no panic");
        }
    });
}

#[test]
fn a_message_sent_before_death_is_not_lost() {
    within(30, || {
        for kind in kinds() {
            let (end, victim) = link_to_victim(kind);
            victim.die_in(Duration::ZERO).join().expect("no panic");
            let (mut links, mut message) = ([Some(end.link)], Vec::new());
            let mailbox = Mailbox::with_spin(Duration::ZERO);
            assert_eq!(mailbox.wait(&mut links, &mut message, None).expect("a message"), Some(0));
            assert_eq!(message, b"last words");
            assert_gone(&mailbox.wait(&mut links, &mut message, None).expect_err("gone"));
        }
    });
}

#[test]
fn a_send_that_waits_for_a_dead_receiver_ends() {
    within(30, || {
        for kind in kinds() {
            let (mut end, victim) = link_to_victim(kind);
            let killer = victim.die_in(Duration::from_millis(200));
            // the victim never receives: the wire fills up
            assert_gone(&end.link.send(&[&vec![1; 30_000_000]]).expect_err("gone"));
            killer.join().expect("no panic");
        }
    });
}

#[test]
fn reads_writes_and_fences_on_a_dead_peer_end() {
    within(60, || {
        type Call = fn(&mut End) -> Result<(), VerbsError>;
        let calls: [Call; 4] = [
            |end| end.link.read(0, PAGE).map(|_| ()),
            |end| end.link.read_list(&[(0, PAGE); 200], &mut [0; 200 * PAGE]),
            |end| (0..10_000).try_for_each(|_| end.link.post_write(0, &[1; PAGE])),
            |end| end.link.post_write(0, &[1; PAGE]).and_then(|()| end.link.flush()),
        ];
        // shm needs no peer for them
        let kinds = kinds().into_iter().filter(|&kind| kind != TransportKind::Shm);
        for (kind, call) in kinds.flat_map(|kind| calls.map(|call| (kind, call))) {
            let (mut end, victim) = link_to_victim(kind);
            if kind == TransportKind::Rdma {
                // a device serves for a process that is stopped, and the kernel takes it down with its process
                victim.die_in(Duration::ZERO).join().expect("no panic");
                assert_gone(&call(&mut end).expect_err("gone"));
                assert_gone(&call(&mut end).expect_err("still gone"));
                continue;
            }
            victim.stop();
            let killer = victim.die_in(Duration::from_millis(200));
            let start = Instant::now();
            assert_gone(&call(&mut end).expect_err("gone"));
            assert!(start.elapsed() > Duration::from_millis(100), "it waited for the stopped peer");
            killer.join().expect("no panic");
            assert_gone(&call(&mut end).expect_err("still gone"));
        }
    });
}

#[test]
fn the_liveness_descriptor_tells_of_death() {
    within(30, || {
        for kind in kinds() {
            let (end, victim) = link_to_victim(kind);
            let events = |seconds| {
                let mut fds = [PollFd::from_borrowed_fd(end.link.liveness_fd(), PollFlags::RDHUP)];
                poll(&mut fds, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 })).expect("polled");
                fds[0].revents()
            };
            assert!(events(0).is_empty(), "alive");
            let killer = victim.die_in(Duration::from_millis(50));
            assert!(events(10).intersects(PollFlags::RDHUP | PollFlags::HUP), "dead");
            killer.join().expect("no panic");
        }
    });
}
