//! A daemon of its own for each test, and small helpers with time limits.
#![allow(dead_code)] // each test file uses a part

use eos_jumper::cluster::hosts::HostSpec;
use eos_jumper::cluster::stretch::{Cluster, ConnectOptions};
use eos_jumper::compress::Compress;
use eos_jumper::config::JumpRule;
use eos_jumper::worker::{Task, Terms};
use eos_pager::slabs::LEASE;
use eos_verbs::session::ClusterKey;
use eos_verbs::{Mailbox, PAGE, Region, TransportChoice};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const EXE: &str = env!("CARGO_BIN_EXE_eos-rdma");
pub const LIMIT: Duration = Duration::from_secs(60);

/// A running `eos-rdma serve`; killed by pid when dropped.
pub struct Daemon {
    pub process: Child,
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    /// Serves `memory` on a free port of loopback.
    pub fn start(memory: &str, key: Option<&Path>) -> Daemon {
        let mut command = Command::new(EXE);
        command.args(["serve", "--listen", "127.0.0.1:0", "--memory", memory]);
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        let mut process = command.stderr(Stdio::piped()).spawn().expect("serve starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                sink.lock().expect("no panic").push(line);
            }
        });
        let address = "127.0.0.1:0".parse().expect("an address");
        let mut daemon = Daemon { process, address, log };
        let line = daemon.wait_for_log("serving");
        let address = line.rsplit(' ').next().expect("a word");
        daemon.address = address.parse().expect("an address");
        daemon
    }

    /// The first line of the log with these words.
    pub fn wait_for_log(&self, words: &str) -> String {
        let found = || {
            let log = self.log.lock().expect("no panic");
            log.iter().find(|line| line.contains(words)).cloned()
        };
        wait_until(&format!("the log says \"{words}\""), || found().is_some());
        found().expect("just seen")
    }

    /// Process id of the worker whose start was logged first.
    pub fn worker_pid(&self) -> u32 {
        let line = self.wait_for_log("begins: worker");
        let after = line.split("worker ").nth(1).expect("a pid");
        after.split(',').next().and_then(|pid| pid.parse().ok()).expect("a pid")
    }

    pub fn spec(&self) -> HostSpec {
        HostSpec { host: self.address.ip().to_string(), port: self.address.port(), memory: None }
    }

    pub fn signal(&self, signal: i32) {
        kill(self.process.id(), signal);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Options that tests vary.
pub fn options(key: &ClusterKey, transport: TransportChoice) -> ConnectOptions {
    let terms = Terms {
        home_pages: 16,
        home_pages_most: 16,
        jump: JumpRule::Never,
        prefetch: true,
        compress: Compress::Auto,
        torture: None,
        recorded: false,
        peers_ask: false,
        verbose: false,
    };
    ConnectOptions {
        key: key.clone(),
        transport,
        region: Region::new(16 * PAGE).expect("a region"),
        payload: postcard::to_stdvec(&Task::Run(terms)).expect("encodes"),
        worker_exe: Some(EXE.into()),
    }
}

/// Has the first peer's worker lease all it may have; returns the pages.
pub fn lease_all(cluster: &mut Cluster) -> u64 {
    let mut pages = 0;
    let mut reply = Vec::new();
    loop {
        let link = cluster.links[1].as_mut().expect("a link");
        link.send(&[&[LEASE]]).expect("sent");
        let from = Mailbox::new().wait(&mut cluster.links, &mut reply, Some(LIMIT));
        assert_eq!(from.expect("no error"), Some(1));
        let granted = reply[9..].first_chunk::<8>().expect("eight bytes");
        match u64::from_le_bytes(*granted) {
            0 => return pages,
            more => pages += more,
        }
    }
}

/// A key and the file it is in.
pub fn key_file(folder: &tempfile::TempDir) -> (ClusterKey, std::path::PathBuf) {
    let path = folder.path().join("key");
    let key = ClusterKey::generate().expect("random bytes");
    key.save(&path).expect("saved");
    (key, path)
}

pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process with this id exists and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

pub fn kill(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).expect("a pid");
    // SAFETY: a system call without pointers, on a process that this test has started.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}
