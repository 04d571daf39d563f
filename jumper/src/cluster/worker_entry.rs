//! Stretch, the worker's side: from a fresh process with four descriptors to a node with all its links.
//!
//! # Safety
//!
//! The only unsafe code takes over descriptors by number. The numbers come from the process that
//! started this one, which opened them for it (`spawn`); each is checked to be open and to be
//! given once.

use crate::cluster::ClusterError;
use crate::cluster::dial::Caller;
use crate::cluster::last_words;
use crate::cluster::lease::Lease;
use crate::cluster::messages::{LinkReport, Reach, RunId, SetupReport, Topology, WorkerSetup, encode};
use crate::cluster::signal_set::ignore_sigpipe;
use crate::cluster::stretch::Link;
use crate::cluster::watchdog::{Watchdog, Watched};
use crate::cluster::wires::WireBox;
use crate::jump::recall;
use crate::low_fds::fill_standard;
use crate::say::say;
use eos_verbs::session::ClusterKey;
use eos_verbs::{Mailbox, NodeId, PAGE, PeerName, Region, Wires, connect_pair};
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// How long linking to one other worker may take.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// How long the initiator of a link that failed may take to come again.
const AGAIN_LIMIT: Duration = Duration::from_secs(10);

/// How long home may be busy with other peers; when home is gone the watchdog ends this process.
const HOME_LIMIT: Duration = Duration::from_secs(120);

/// How long the watchdog may take to notice that home is gone.
const HOME_NOTICED: Duration = Duration::from_millis(300);

/// Exit status of a worker whose home is gone; the daemon logs it.
pub const EXIT_HOME_GONE: i32 = 3;

/// The descriptors a worker is started with, by number, in the order of the arguments.
#[derive(Debug, Clone, Copy)]
pub struct WorkerArgs {
    /// Channels are passed in here.
    pub parent: RawFd,
    /// Home is alive as long as this is.
    pub control: RawFd,
    /// The lease table.
    pub lease: RawFd,
    /// The [`WorkerSetup`].
    pub setup: RawFd,
}

/// A node that is ready to serve.
pub struct WorkerStart {
    /// This node.
    pub me: NodeId,
    /// Links by number of the node; this node's own place is `None`.
    pub links: Vec<Option<Link>>,
    /// What is known of each node, by number.
    pub nodes: Vec<NodeInfo>,
    /// This worker's part in its daemon's memory.
    pub lease: Lease,
    /// The memory that other nodes read and write; as long as the lease's limit.
    pub region: Arc<Region>,
    /// What home gave as `ConnectOptions::payload`.
    pub setup_payload: Vec<u8>,
    /// For dialling daemons of peers that join later.
    pub caller: Caller,
    /// Ends this process when home is gone; disarm it before a regular end.
    pub watchdog: Watchdog,
}

/// A node, as the others know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name, for messages to people.
    pub name: String,
    /// Whether execution must not jump there.
    pub memory_only: bool,
}

/// Why a worker could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Not started by a daemon.
    #[error("the worker command is started by eos-rdma itself; use run or serve")]
    Descriptors,
    /// This host is short of something.
    #[error("a worker cannot {what}: {source}")]
    Local {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Home sent something that makes no sense.
    #[error("home sent a set-up that makes no sense; install the same release of eos-rdma on both hosts")]
    Protocol,
    /// Home did not say who else is there.
    #[error("home did not go on with the set-up within {} s", HOME_LIMIT.as_secs())]
    TimedOut,
    /// Another node could not be reached.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The wire failed.
    #[error(transparent)]
    Verbs(#[from] eos_verbs::VerbsError),
}

/// Sets this process up as a worker and hands over to `run`, on the same thread.
pub fn enter(args: WorkerArgs, run: fn(WorkerStart) -> !) -> Result<std::convert::Infallible, WorkerError> {
    match join(args) {
        Ok(start) => run(start),
        Err(error) => {
            // If home is gone, which is no error, the watchdog ends this process first.
            std::thread::sleep(HOME_NOTICED);
            Err(error)
        }
    }
}

/// Sets this process up as a worker.
pub fn join(args: WorkerArgs) -> Result<WorkerStart, WorkerError> {
    let [parent, control, lease, setup] = take_descriptors(args)?;
    let _ = fill_standard();
    // system calls of the program run at home, and so do their SIGPIPEs
    ignore_sigpipe();
    let _ = rustix::thread::set_name(c"eos-rdma");
    let watchdog = watch_home(control)?;
    let setup = read_setup(setup)?;
    let lease = Lease::join(lease, setup.terms).map_err(local("map the lease table"))?;
    let mut joining = Joining {
        me: setup.node,
        run_id: setup.run_id,
        key: ClusterKey::from(setup.key),
        region: Region::new(region_len(lease.limit_bytes()))?,
        letters: WireBox::new(UnixStream::from(parent)),
        links: vec![None],
    };
    let nodes = joining.link_all()?;
    Ok(WorkerStart {
        me: joining.me,
        links: joining.links,
        nodes,
        lease,
        region: joining.region,
        caller: Caller { run_id: joining.run_id, me: joining.me, key: joining.key },
        setup_payload: setup.payload,
        watchdog,
    })
}

/// Whole pages only, at least one.
fn region_len(limit: u64) -> usize {
    let bytes = usize::try_from(limit).unwrap_or(usize::MAX / 2);
    (bytes / PAGE * PAGE).max(PAGE)
}

fn take_descriptors(args: WorkerArgs) -> Result<[OwnedFd; 4], WorkerError> {
    let numbers = [args.parent, args.control, args.lease, args.setup];
    let given_once = |n: &RawFd| numbers.iter().filter(|other| *other == n).count() == 1;
    // SAFETY: fcntl with F_SETFD changes only a flag; it fails on a number that is not open.
    let is_open = |n: &RawFd| unsafe { libc::fcntl(*n, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
    if !numbers.iter().all(|n| *n > 2 && given_once(n) && is_open(n)) {
        return Err(WorkerError::Descriptors);
    }
    // SAFETY: open, given once, and opened for this process alone: see the top of this file.
    Ok(numbers.map(|n| unsafe { OwnedFd::from_raw_fd(n) }))
}

fn watch_home(control: OwnedFd) -> Result<Watchdog, WorkerError> {
    last_words::keep(&control).map_err(local("watch home"))?;
    let copy = control.try_clone().map_err(local("watch home"))?;
    recall::listen(copy.into()).map_err(local("listen to home"))?;
    let home = Watched { name: "home".to_owned(), fd: control, speaks: false };
    // SAFETY: _exit ends the process without running anything else of it.
    let end = |_: &str, _| unsafe { libc::_exit(EXIT_HOME_GONE) };
    Watchdog::start(vec![home], end).map_err(local("watch home"))
}

fn read_setup(fd: OwnedFd) -> Result<WorkerSetup, WorkerError> {
    let mut bytes = Vec::new();
    let mut file = std::fs::File::from(fd);
    file.read_to_end(&mut bytes).map_err(local("read its set-up"))?;
    postcard::from_bytes(&bytes).map_err(|_| WorkerError::Protocol)
}

fn local(what: &'static str) -> impl FnOnce(io::Error) -> WorkerError {
    move |source| WorkerError::Local { what, source }
}

/// A worker on its way to all its links.
struct Joining {
    me: NodeId,
    run_id: RunId,
    key: ClusterKey,
    region: Arc<Region>,
    letters: WireBox,
    links: Vec<Option<Link>>,
}

impl Joining {
    fn link_all(&mut self) -> Result<Vec<NodeInfo>, WorkerError> {
        let home = PeerName(NodeId::HOME, "home".to_owned());
        self.links[0] = Some(self.accept(home)?);
        let topology = self.hear_topology()?;
        let outcome = self.link_peers(&topology);
        let report = match &outcome {
            Ok(made) => SetupReport::Ready(made.clone()),
            Err(error) => SetupReport::Failed(error.to_string()),
        };
        if let Some(home) = &mut self.links[0] {
            home.send(&[&encode(&report)])?;
        }
        outcome?;
        Ok(node_infos(&topology))
    }

    fn hear_topology(&mut self) -> Result<Topology, WorkerError> {
        let mut message = Vec::new();
        let heard = Mailbox::new().wait(&mut self.links, &mut message, Some(HOME_LIMIT))?;
        heard.ok_or(WorkerError::TimedOut)?;
        let topology: Topology = postcard::from_bytes(&message).map_err(|_| WorkerError::Protocol)?;
        let numbers = topology.nodes.iter().map(|n| n.node.index());
        let knows_me = numbers.clone().any(|number| number == self.me.index());
        match knows_me && numbers.eq(1..=topology.nodes.len()) {
            true => Ok(topology),
            false => Err(WorkerError::Protocol),
        }
    }

    /// In the order of the numbers, as everywhere: see `stretch`. Returns the links that this worker has made.
    fn link_peers(&mut self, topology: &Topology) -> Result<Vec<LinkReport>, WorkerError> {
        let mut made = Vec::new();
        for other in &topology.nodes {
            let name = PeerName(other.node, other.name.clone());
            let link = match (&other.reach, other.node.cmp(&self.me)) {
                (_, std::cmp::Ordering::Equal) => None,
                (_, std::cmp::Ordering::Less) => Some(self.accept(name)?),
                (Reach::Passed(_), _) => Some(self.receive(name, true)?),
                (Reach::Daemon(daemon), _) => {
                    let caller = Caller { run_id: self.run_id, me: self.me, key: self.key.clone() };
                    let connect = |wires| connect_pair(self.me, name.clone(), true, wires, &self.region, 0);
                    let (link, reason) = caller.link(daemon, topology.transport, connect)?;
                    made.push(LinkReport { to: other.node, transport: link.transport(), reason });
                    Some(link)
                }
            };
            self.links.push(link);
        }
        Ok(made)
    }

    fn accept(&mut self, peer: PeerName) -> Result<Link, WorkerError> {
        self.receive(peer, false)
    }

    /// Links to a node whose wires come through the parent. If rdma turns out not to work, the initiator may come again over tcp.
    fn receive(&mut self, peer: PeerName, initiator: bool) -> Result<Link, WorkerError> {
        let mut limit = match peer.node() {
            NodeId::HOME => HOME_LIMIT,
            _ => STEP_LIMIT,
        };
        let mut failed = None;
        loop {
            let wires = match (self.letters.wait_for(peer.node(), limit), failed.take()) {
                (Ok(wires), _) => wires,
                (Err(_), Some(error)) => return Err(error),
                (Err(source), None) => return Err(ClusterError::session(&peer.1, false, source).into()),
            };
            let over_rdma = matches!(wires, Wires::Rdma { .. });
            match connect_pair(self.me, peer.clone(), initiator, wires, &self.region, 0) {
                Err(error) if over_rdma && !initiator => {
                    say(format_args!("the rdma link with {peer} failed: {error}"));
                    failed = Some(error.into());
                    limit = AGAIN_LIMIT;
                }
                other => return Ok(other?),
            }
        }
    }
}

fn node_infos(topology: &Topology) -> Vec<NodeInfo> {
    let home = NodeInfo { name: "home".to_owned(), memory_only: false };
    let info = |node: &crate::cluster::messages::TopologyNode| NodeInfo {
        name: node.name.clone(),
        memory_only: node.memory_only,
    };
    std::iter::once(home).chain(topology.nodes.iter().map(info)).collect()
}
