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
use crate::cluster::hosts::{HostSpec, MAX_PEERS};
use crate::cluster::local::LocalWorkers;
use crate::cluster::messages::{
    DaemonAddress, Introduction, LinkReport, Reach, RunReply, RunRequest, SetupReport, Topology, TopologyNode, encode,
};
use crate::cluster::watchdog::Watched;
use crate::size::Size;
use eos_verbs::session::{ClusterKey, Purpose};
use eos_verbs::{
    Mailbox, NodeId, PeerName, QueuePair, Region, TransportChoice, TransportKind, VerbsError, Wires, connect_pair,
};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the workers may take to link up with each other.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// A link to another node.
pub type Link = Box<dyn QueuePair>;

/// What connecting needs besides the peers.
#[derive(Clone)]
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

    fn as_node(&self) -> TopologyNode {
        TopologyNode {
            node: self.node,
            name: self.name.clone(),
            memory_only: self.memory_only(),
            reach: self.reach.clone(),
        }
    }

    /// The socket that its worker keeps as a sign of life, on which it can be called.
    pub(crate) fn door(&self) -> Result<OwnedFd, ClusterError> {
        self.control.try_clone().map_err(ClusterError::local("copy a descriptor"))
    }

    /// For the watchdog: that socket.
    pub(crate) fn sign_of_life(&self) -> Result<Watched, ClusterError> {
        Ok(Watched { name: self.name.clone(), fd: self.door()?, speaks: true })
    }

    /// For the watchdog: its link.
    pub(crate) fn other_end(&self, link: &dyn QueuePair) -> Result<Watched, ClusterError> {
        let fd = link.liveness_fd().try_clone_to_owned().map_err(ClusterError::local("copy a descriptor"))?;
        Ok(Watched { name: self.name.clone(), fd, speaks: false })
    }

    pub(crate) fn failed(&self, what: String) -> ClusterError {
        ClusterError::Worker { host: self.name.clone(), what }
    }

    /// Waits until a newcomer, whose link is the last of `links`, has all its links.
    pub(crate) fn wait_until_ready(&self, links: &mut [Option<Link>]) -> Result<(), ClusterError> {
        let mut message = Vec::new();
        let heard = Mailbox::new().wait(links, &mut message, Some(READY_LIMIT))?;
        match heard.map(|_| postcard::from_bytes(&message)) {
            Some(Ok(SetupReport::Ready(_))) => Ok(()),
            Some(Ok(SetupReport::Failed(what))) => Err(self.failed(what)),
            Some(Err(_)) => Err(self.failed("it sent something that makes no sense".to_owned())),
            None => Err(self.failed("it did not get ready in time".to_owned())),
        }
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
    /// What further daemons are joined with.
    joining: Option<(Caller, ConnectOptions)>,
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
        cluster.joining = Some((caller, options.clone()));
        Ok(cluster)
    }

    /// Has the daemon at this address, which answers, start a worker for this run, as the next node. It counts as a node only when it
    /// is [kept](Self::keep); dropping it before ends the worker.
    ///
    /// # Errors
    /// As [`Cluster::connect`].
    pub(crate) fn call_newcomer(&self, spec: &HostSpec, address: SocketAddr) -> Result<(Peer, Link), ClusterError> {
        let refused = |what: &str| ClusterError::Worker { host: spec.to_string(), what: what.to_owned() };
        let (caller, options) = self.joining.as_ref().ok_or_else(|| refused("the peers of this run are local"))?;
        if self.peers.len() == MAX_PEERS {
            return Err(refused("the run has as many peers as it can"));
        }
        join_at(caller, node_id(self.peers.len()), spec, &[address], options)
    }

    /// What the other workers are told of a newcomer.
    pub(crate) fn introduction_of(&self, peer: &Peer) -> Introduction {
        let transport = self.joining.as_ref().map_or(TransportChoice::Auto, |(_, options)| options.transport);
        Introduction { node: peer.as_node(), transport }
    }

    /// What a newcomer is told of all.
    pub(crate) fn topology_with(&self, newcomer: &Peer) -> Vec<u8> {
        let Introduction { transport, node } = self.introduction_of(newcomer);
        encode(&Topology { transport, nodes: self.peers.iter().map(Peer::as_node).chain([node]).collect() })
    }

    /// A newcomer has become a node.
    pub(crate) fn keep(&mut self, newcomer: Peer, among: Vec<(NodeId, LinkReport)>) {
        self.peers.push(newcomer);
        self.among.extend(among);
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
            watched.extend([peer.sign_of_life()?, peer.other_end(link.as_ref())?]);
        }
        Ok(watched)
    }

    /// The sockets that the workers keep as a sign of life, on which they can be called.
    pub fn doors(&self) -> Result<Vec<OwnedFd>, ClusterError> {
        self.peers.iter().map(Peer::door).collect()
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
        Cluster { links: vec![None], peers: Vec::new(), among: Vec::new(), local: None, joining: None }
    }

    fn add(&mut self, peer: Peer, link: Link) {
        self.peers.push(peer);
        self.links.push(Some(link));
    }

    /// Tells every worker about the others and waits until all links are up.
    fn introduce(&mut self, transport: TransportChoice) -> Result<(), ClusterError> {
        let nodes = self.peers.iter().map(Peer::as_node).collect();
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
        self.peers[node - 1].failed(what.to_owned())
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
    let addresses = resolve(&spec.to_string(), &spec.host, spec.port)?;
    join_at(caller, node, spec, &addresses, options)
}

fn join_at(
    caller: &Caller,
    node: NodeId,
    spec: &HostSpec,
    addresses: &[SocketAddr],
    options: &ConnectOptions,
) -> Result<(Peer, Link), ClusterError> {
    let name = spec.to_string();
    let request = encode(&RunRequest { node, memory_limit: spec.memory, payload: options.payload.clone() });
    let call = |address| {
        let payload = request.clone();
        let (stream, welcome) = caller.call(&name, address, Purpose::Run { payload })?;
        Ok((stream, welcome, address))
    };
    let (control, welcome, address) = try_addresses(addresses, call)?;
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
