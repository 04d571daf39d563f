//! Stretch, home's side: a worker on every peer, a link to each of them and between any two.
//!
//! Home calls each daemon, which starts a worker and keeps the call's socket open in it as a sign
//! of life. Then home links itself to the worker, and tells all workers about each other: the node
//! with the lower number calls the daemon of the one with the higher number. Links are made in the
//! order of their pairs of numbers, everywhere the same, so nobody waits in a circle.

use crate::cluster::ClusterError;
use crate::cluster::choice::rdma_within;
use crate::cluster::cpu::CpuFeatures;
use crate::cluster::dial::{Caller, resolve, try_addresses};
use crate::cluster::host::random;
use crate::cluster::hosts::HostSpec;
use crate::cluster::local::LocalWorkers;
use crate::cluster::messages::{
    DaemonAddress, LinkReport, Reach, RunReply, RunRequest, SetupReport, Topology, TopologyNode, encode,
};
use crate::cluster::watchdog::Watched;
use crate::size::Size;
use eos_verbs::session::{ClusterKey, Purpose};
use eos_verbs::{
    Mailbox, NodeId, PeerName, QueuePair, Region, TransportChoice, TransportKind, VerbsError, Wires, connect_pair,
};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the workers may take to link up with each other.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// A link to another node.
pub type Link = Box<dyn QueuePair>;

/// What connecting needs besides the peers.
pub struct ConnectOptions {
    /// The cluster's key; [`ClusterKey::OPEN`] if there is none.
    pub key: ClusterKey,
    /// Transport asked for.
    pub transport: TransportChoice,
    /// Home's own memory that peers may read and write.
    pub region: Arc<Region>,
    /// Handed to every worker as `WorkerStart::setup_payload`; at most 16 MiB with all around it.
    pub payload: Vec<u8>,
    /// Executable of local workers; `None`: this process's own. Tests of the library set it.
    pub worker_exe: Option<PathBuf>,
}

/// A peer that has joined.
#[derive(Debug)]
pub struct Peer {
    /// Its number.
    pub node: NodeId,
    /// Its name, for messages to people: host and port, or `local-1`.
    pub name: String,
    /// Transport between home and it.
    pub transport: TransportKind,
    /// Why this transport, in a few words.
    pub transport_reason: String,
    /// Bytes that its worker may lease at most.
    pub memory_bytes: u64,
    /// Processor features that home has and it lacks. If there are any it serves memory only.
    pub lacks: Vec<&'static str>,
    pub(crate) control: OwnedFd,
    pub(crate) reach: Reach,
}

impl Peer {
    /// The address of its daemon; none for a local peer.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.reach {
            Reach::Daemon(daemon) => Some(daemon.address),
            Reach::Passed(_) => None,
        }
    }

    /// Whether execution must not jump there.
    pub fn memory_only(&self) -> bool {
        !self.lacks.is_empty()
    }
}

/// The nodes of a run, seen from home. Dropping it ends the workers.
pub struct Cluster {
    /// Links by number of the node; home's own place is `None`.
    pub links: Vec<Option<Link>>,
    /// The peers: `peers[0]` is node 1.
    pub peers: Vec<Peer>,
    /// Links between peers, each told by the peer that made it.
    among: Vec<(NodeId, LinkReport)>,
    local: Option<LocalWorkers>,
}

impl Cluster {
    /// Joins the daemons on `hosts` to a new run. Takes milliseconds, or up to 5 s for each host
    /// that does not answer.
    pub fn connect(hosts: &[HostSpec], options: &ConnectOptions) -> Result<Cluster, ClusterError> {
        let caller = Caller {
            run_id: random().map_err(ClusterError::local("draw random numbers"))?,
            me: NodeId::HOME,
            key: options.key.clone(),
        };
        let mut cluster = Cluster::empty();
        for (index, spec) in hosts.iter().enumerate() {
            let (peer, link) = join_daemon(&caller, node_id(index), spec, options)?;
            cluster.add(peer, link);
        }
        cluster.introduce(options.transport)?;
        Ok(cluster)
    }

    /// Starts `count` workers of `memory` bytes each on this host, without a daemon. They end when
    /// this process does.
    pub fn local(count: usize, memory: u64, options: &ConnectOptions) -> Result<Cluster, ClusterError> {
        let transport = match options.transport {
            TransportChoice::Tcp => TransportKind::Tcp,
            TransportChoice::Rdma => {
                let missing = |reason| ClusterError::NoRdma { host: "a local peer".to_owned(), reason };
                rdma_within().map_err(missing)?;
                TransportKind::Rdma
            }
            TransportChoice::Auto | TransportChoice::Shm => TransportKind::Shm,
        };
        let (local, peers) = LocalWorkers::start(count, memory, transport, options)?;
        let mut cluster = Cluster::empty();
        for peer in peers {
            let wires = local.wires_to_home(&peer, transport)?;
            let link = link_to(peer.node, &peer.name, wires, options)?;
            cluster.add(peer, link);
        }
        local.pass_wires_among(&cluster.peers, transport)?;
        cluster.local = Some(local);
        cluster.introduce(options.transport)?;
        Ok(cluster)
    }

    /// For the watchdog: every peer by name, twice, by the socket its worker keeps as a sign of
    /// life and by its link.
    pub fn watched(&self) -> Result<Vec<Watched>, ClusterError> {
        let mut watched = Vec::new();
        for (peer, link) in self.peers.iter().zip(self.links.iter().skip(1).flatten()) {
            for (fd, speaks) in [(peer.control.as_fd(), true), (link.liveness_fd(), false)] {
                let copy = ClusterError::local("copy a descriptor");
                let fd = fd.try_clone_to_owned().map_err(copy)?;
                let name = peer.name.clone();
                watched.push(Watched { name, fd, speaks });
            }
        }
        Ok(watched)
    }

    /// The sockets that the workers keep as a sign of life, on which they can be called.
    pub fn doors(&self) -> Result<Vec<OwnedFd>, ClusterError> {
        let copy = |peer: &Peer| peer.control.try_clone().map_err(ClusterError::local("copy a descriptor"));
        self.peers.iter().map(copy).collect()
    }

    /// One line for each peer: transport, why, memory, and what it lacks; and one for each link between peers.
    pub fn describe(&self) -> Vec<String> {
        let line = |peer: &Peer| {
            let mut text = format!(
                "node {} is {}: {} ({}), up to {}",
                peer.node.0,
                peer.name,
                peer.transport,
                peer.transport_reason,
                Size(peer.memory_bytes)
            );
            if peer.memory_only() {
                let lacks = peer.lacks.join(", ");
                let _ = write!(text, "; its processor lacks {lacks}, so it serves memory only");
            }
            text
        };
        let among = |(from, link): &(NodeId, LinkReport)| {
            format!("node {} to node {}: {} ({})", from.0, link.to.0, link.transport, link.reason)
        };
        self.peers.iter().map(line).chain(self.among.iter().map(among)).collect()
    }

    /// Process ids of local workers; none with daemons.
    pub fn local_pids(&self) -> Vec<u32> {
        self.local.iter().flat_map(LocalWorkers::pids).collect()
    }

    fn empty() -> Cluster {
        Cluster { links: vec![None], peers: Vec::new(), among: Vec::new(), local: None }
    }

    fn add(&mut self, peer: Peer, link: Link) {
        self.peers.push(peer);
        self.links.push(Some(link));
    }

    /// Tells every worker about the others and waits until all links are up.
    fn introduce(&mut self, transport: TransportChoice) -> Result<(), ClusterError> {
        let node = |peer: &Peer| TopologyNode {
            node: peer.node,
            name: peer.name.clone(),
            memory_only: peer.memory_only(),
            reach: peer.reach.clone(),
        };
        let nodes = self.peers.iter().map(node).collect();
        let topology = encode(&Topology { transport, nodes });
        for link in self.links.iter_mut().flatten() {
            link.send(&[&topology])?;
        }
        self.wait_until_ready()
    }

    fn wait_until_ready(&mut self) -> Result<(), ClusterError> {
        let deadline = Instant::now() + READY_LIMIT;
        let mailbox = Mailbox::new();
        let mut message = Vec::new();
        let mut ready = vec![false; self.links.len()];
        ready[NodeId::HOME.index()] = true;
        while let Some(late) = ready.iter().position(|ready| !ready) {
            let left = deadline.saturating_duration_since(Instant::now());
            let from = mailbox.wait(&mut self.links, &mut message, Some(left))?;
            let from = from.ok_or_else(|| self.failed(late, "it did not get ready in time"))?;
            match postcard::from_bytes(&message) {
                Ok(SetupReport::Ready(made)) => {
                    ready[from] = true;
                    let node = self.peers[from - 1].node;
                    self.among.extend(made.into_iter().map(|link| (node, link)));
                }
                Ok(SetupReport::Failed(what)) => return Err(self.failed(from, &what)),
                Err(_) => return Err(self.failed(from, "it sent something that makes no sense")),
            }
        }
        Ok(())
    }

    fn failed(&self, node: usize, what: &str) -> ClusterError {
        ClusterError::Worker { host: self.peers[node - 1].name.clone(), what: what.to_owned() }
    }
}

/// Number of the peer at this place of the list.
pub(crate) fn node_id(index: usize) -> NodeId {
    NodeId(u8::try_from(index + 1).expect("the hosts file allows 15 peers"))
}

fn join_daemon(
    caller: &Caller,
    node: NodeId,
    spec: &HostSpec,
    options: &ConnectOptions,
) -> Result<(Peer, Link), ClusterError> {
    let name = spec.to_string();
    let request = encode(&RunRequest { node, memory_limit: spec.memory, payload: options.payload.clone() });
    let call = |address| {
        let payload = request.clone();
        let (stream, welcome) = caller.call(&name, address, Purpose::Run { payload })?;
        Ok((stream, welcome, address))
    };
    let addresses = resolve(&name, &spec.host, spec.port)?;
    let (control, welcome, address) = try_addresses(&addresses, call)?;
    let reply = RunReply::decode(&name, &welcome.payload)?;
    let daemon = DaemonAddress::new(name.clone(), address, welcome, &reply);
    let (link, transport_reason) =
        caller.link(&daemon, options.transport, |wires| link_to(node, &name, wires, options))?;
    let peer = Peer {
        node,
        name,
        transport: link.transport(),
        transport_reason,
        memory_bytes: reply.memory_bytes,
        lacks: CpuFeatures::here().missing_in(&reply.cpu),
        control: control.into(),
        reach: Reach::Daemon(daemon),
    };
    Ok((peer, link))
}

fn link_to(node: NodeId, name: &str, wires: Wires, options: &ConnectOptions) -> Result<Link, VerbsError> {
    connect_pair(NodeId::HOME, PeerName(node, name.to_owned()), true, wires, &options.region, 0)
}
