//! `--local N`: peers that home starts itself.

mod common;

use common::{LIMIT, is_alive, kill, options, wait_until};
use eos_jumper::cluster::stretch::Cluster;
use eos_jumper::cluster::watchdog::Watchdog;
use eos_verbs::session::ClusterKey;
use eos_verbs::{PAGE, TransportChoice, TransportKind};
use std::sync::mpsc;

fn start(count: usize, choice: TransportChoice) -> Cluster {
    let options = options(&ClusterKey::OPEN, choice);
    Cluster::local(count, 64 << 20, &options).expect("joined")
}

#[test]
fn local_peers_are_linked_and_end_with_the_cluster() {
    let cases = [
        (1, TransportChoice::Auto, TransportKind::Shm),
        (4, TransportChoice::Auto, TransportKind::Shm),
        (4, TransportChoice::Tcp, TransportKind::Tcp),
    ];
    for (count, choice, expected) in cases {
        let mut cluster = start(count, choice);
        assert_eq!((cluster.peers.len(), cluster.links.len()), (count, count + 1));
        for link in cluster.links.iter_mut().flatten() {
            assert_eq!(link.transport(), expected);
            link.post_write(0, &[5; PAGE]).expect("written");
            assert_eq!(link.read(0, PAGE).expect("read"), [5; PAGE]);
        }
        let pids = cluster.local_pids();
        assert!(pids.len() == count && pids.iter().all(|pid| is_alive(*pid)));
        drop(cluster);
        wait_until("they are gone", || !pids.iter().any(|pid| is_alive(*pid)));
    }
}

#[test]
fn the_largest_run_has_fifteen_peers() {
    let cluster = start(15, TransportChoice::Auto);
    assert_eq!(cluster.describe().len(), 15);
    assert!(cluster.describe()[14].starts_with("node 15 is local-15: shm (same host), up to 64 MiB"));
}

#[test]
fn home_hears_which_local_peer_has_died_and_nothing_after_disarming() {
    let cluster = start(2, TransportChoice::Auto);
    let (tell, told) = mpsc::channel();
    let callback = move |name: &str, _: Option<String>| tell.send(name.to_owned()).expect("a listener");
    Watchdog::start(cluster.watched().expect("descriptors"), callback).expect("a thread");
    let (tell, quiet) = mpsc::channel::<()>();
    let callback = move |_: &str, _: Option<String>| tell.send(()).expect("a listener");
    let disarmed = Watchdog::start(cluster.watched().expect("descriptors"), callback);
    assert!(disarmed.expect("a thread").disarm());
    kill(cluster.local_pids()[1], libc::SIGKILL);
    assert_eq!(told.recv_timeout(LIMIT).expect("told"), "local-2");
    assert_eq!(quiet.recv_timeout(LIMIT), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn a_worker_keeps_nothing_of_home_open_and_is_not_in_its_session() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    // SAFETY: changes one flag of a descriptor that this test owns.
    let inheritable = |fd: i32| unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
    assert_eq!(inheritable(std::os::fd::AsRawFd::as_raw_fd(&writer)), 0);
    let cluster = start(1, TransportChoice::Auto);
    drop(writer);
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        use std::io::Read;
        let mut reader = reader;
        tell.send(reader.read(&mut [0])).expect("a listener");
    });
    let end = told.recv_timeout(LIMIT).expect("nobody else has the pipe open");
    assert_eq!(end.expect("readable"), 0);
    let pid = cluster.local_pids()[0];
    // SAFETY: a system call without pointers.
    let session = unsafe { libc::getsid(i32::try_from(pid).expect("a pid")) };
    assert_eq!(u32::try_from(session), Ok(pid));
    wait_until("it runs", || is_alive(pid));
}
