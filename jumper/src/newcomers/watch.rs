//! The thread that watches the hosts file.
//!
//! It looks once a second, and has a table of descriptors of its own, in which there is little: what it opens and dials takes no number that
//! the program's next file should have.
//!
//! # Safety
//!
//! close_range(2) with `CLOSE_RANGE_UNSHARE` gives the calling thread its own table before it closes anything in it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::Errand;
use crate::cluster::ClusterError;
use crate::cluster::dial::{Caller, resolve, try_addresses};
use crate::cluster::host::random;
use crate::cluster::hosts::{self, HostSpec, same_daemon};
use crate::cluster::signal_set::{SignalsBlocked, block_for_good};
use crate::executor::House;
use crate::say::{kept_stderr, say};
use eos_verbs::NodeId;
use eos_verbs::session::{ClusterKey, Purpose};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Until a host that did not answer, or could not join, is called again.
const AGAIN: Duration = Duration::from_secs(5);

const STACK_BYTES: usize = 1 << 20;

/// What is watched, and for which run.
pub struct Watch {
    /// The hosts file, from the root.
    pub file: PathBuf,
    /// The peers that the run begins with.
    pub known: Vec<HostSpec>,
    /// The key of the cluster.
    pub key: ClusterKey,
}

/// State of the thread.
struct Watching {
    watch: Watch,
    house: &'static House,
    /// What the file looked like; none: it may have changed since the run has read it.
    seen: Option<Stamp>,
    /// Sentences that were told, so that each is told once.
    told: HashSet<String>,
    /// When hosts that failed are called again.
    again: Option<Instant>,
    /// Peers whose lines are gone.
    retired: Vec<HostSpec>,
}

/// Size, number and times of a file: when they are the same it has not changed.
type Stamp = (u64, u64, i64, u64, i64, u64);

impl Watch {
    /// Starts the thread; it lives as long as the process.
    ///
    /// # Errors
    /// There are too many threads.
    pub fn start(self, house: &'static House) -> std::io::Result<()> {
        let body = move || {
            block_for_good();
            own_table();
            let mut watching =
                Watching { watch: self, house, seen: None, told: HashSet::new(), again: None, retired: Vec::new() };
            loop {
                thread::sleep(LOOK);
                watching.look();
            }
        };
        let _blocked = SignalsBlocked::all()?;
        thread::Builder::new().name("eos-hosts".to_owned()).stack_size(STACK_BYTES).spawn(body).map(|_| ())
    }
}

impl Watching {
    fn look(&mut self) {
        let failed = std::mem::take(&mut self.house.newcomers.lock().failed);
        for (spec, why) in failed {
            self.tell(format!("{spec} cannot join this run: {why}"));
            self.watch.known.retain(|known| !same_daemon(known, &spec));
            self.again = Some(Instant::now() + AGAIN);
        }
        let now = stamp(&self.watch.file);
        let due = self.again.is_some_and(|again| again <= Instant::now());
        if now.is_some() && (now != self.seen || due) {
            (self.seen, self.again) = (now, None);
            self.read();
        }
    }

    /// The file has changed, or a host of it has to be called again.
    fn read(&mut self) {
        let file = &self.watch.file;
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return self.tell(format!("cannot read the hosts file {}: {error}", file.display())),
        };
        let (specs, wrong) = hosts::parse_all(&text, file);
        wrong.iter().for_each(|error| self.tell(format!("{error}; the run goes on without it")));
        for spec in &specs {
            if let Some(at) = self.retired.iter().position(|gone| same_daemon(gone, spec)) {
                self.retired.swap_remove(at);
                self.house.newcomers.add(Errand::Retire(spec.clone(), false));
            } else if !self.watch.known.iter().any(|known| same_daemon(known, spec)) {
                self.call(spec);
            }
        }
        // A line that is spoilt is no line that is gone.
        let gone = |known: &&HostSpec| !specs.iter().any(|spec| same_daemon(known, spec)) && wrong.is_empty();
        let gone: Vec<HostSpec> = self.watch.known.iter().filter(gone).cloned().collect();
        for spec in gone.into_iter().filter(|spec| !self.retired.contains(spec)).collect::<Vec<_>>() {
            say(format_args!(
                "{spec} is not in {} any more: its pages go elsewhere as far as there is room, and no more go there; \
                 its worker stays until the run ends",
                self.watch.file.display()
            ));
            self.retired.push(spec.clone());
            self.house.newcomers.add(Errand::Retire(spec, true));
        }
    }

    /// A new line: is there a daemon, with our key and of our release?
    fn call(&mut self, spec: &HostSpec) {
        match probe(spec, &self.watch.key) {
            Ok(address) => {
                self.watch.known.push(spec.clone());
                self.house.newcomers.add(Errand::Join(spec.clone(), address));
            }
            Err(error) => {
                self.tell(format!("{error}; the run goes on without it, and tries again"));
                self.again = Some(Instant::now() + AGAIN);
            }
        }
    }

    fn tell(&mut self, sentence: String) {
        if !self.told.contains(&sentence) {
            say(format_args!("{sentence}"));
            self.told.insert(sentence);
        }
    }
}

/// The address at which the daemon of a host answers.
fn probe(spec: &HostSpec, key: &ClusterKey) -> Result<SocketAddr, ClusterError> {
    let name = spec.to_string();
    let run_id = random().map_err(ClusterError::local("draw random numbers"))?;
    let caller = Caller { run_id, me: NodeId::HOME, key: key.clone() };
    let addresses = resolve(&name, &spec.host, spec.port)?;
    try_addresses(&addresses, |address| caller.call(&name, address, Purpose::Probe).map(|_| address))
}

/// None while there is no such file; it may be on its way to be replaced.
fn stamp(file: &std::path::Path) -> Option<Stamp> {
    let stat = rustix::fs::stat(file).ok()?;
    Some((stat.st_size as u64, stat.st_ino, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec))
}

/// From here on this thread has descriptors of its own: standard error, and what it opens. Where the kernel refuses, it goes on with the
/// program's: then a number is taken for a moment when the file has changed.
fn own_table() {
    const CLOSE_RANGE_UNSHARE: u32 = 2;
    for (first, last) in kept_stderr().gaps(3, u32::MAX) {
        // SAFETY: see the top of this file. In the first call the table becomes this thread's own.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, CLOSE_RANGE_UNSHARE) };
    }
}
