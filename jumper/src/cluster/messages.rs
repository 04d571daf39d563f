//! What home, daemons and workers tell each other while a run is set up (postcard).

use crate::cluster::ClusterError;
use crate::cluster::cpu::CpuFeatures;
use crate::cluster::lease::LeaseTerms;
use eos_verbs::session::Welcome;
use eos_verbs::{NodeId, TransportChoice, TransportKind};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Version of these messages and of everything the nodes of a run say to each other.
pub const PROTOCOL_VERSION: u16 = 7;

/// Names one run; drawn at random by home.
pub type RunId = [u8; 16];

/// Home to daemon, in the hello that starts a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// The node the worker is going to be.
    pub node: NodeId,
    /// Bytes it may use at most, if home says so (`memory=` in the hosts file).
    pub memory_limit: Option<u64>,
    /// Handed to the worker unread.
    pub payload: Vec<u8>,
}

/// Daemon to home, in the welcome that answers it, and in the answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReply {
    /// Version of eos-rdma there.
    pub release: String,
    /// What the processor there can do.
    pub cpu: CpuFeatures,
    /// Bytes the worker may lease at most; to a probe: bytes that nobody holds now.
    pub memory_bytes: u64,
    /// Whether it can use rdma at the address at which it was called; if not, why and what helps.
    pub rdma: Result<(), String>,
}

/// Daemon (or home, for local peers) to a fresh worker process, through a memory file.
#[derive(Serialize, Deserialize)]
pub struct WorkerSetup {
    /// The run.
    pub run_id: RunId,
    /// The node the worker is.
    pub node: NodeId,
    /// The key for dialling other daemons.
    pub key: [u8; 32],
    /// The worker's part in the memory pool.
    pub terms: LeaseTerms,
    /// From home's request.
    pub payload: Vec<u8>,
}

/// Home to each worker: first message on their link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Transport the person asked for.
    pub transport: TransportChoice,
    /// All peers, in the order of their numbers; home is left out.
    pub nodes: Vec<TopologyNode>,
}

/// Home to each worker of a run that goes on: another peer joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// It; its number is the next.
    pub node: TopologyNode,
    /// Transport the person asked for.
    pub transport: TransportChoice,
}

/// One node of a run, as the others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyNode {
    /// Its number.
    pub node: NodeId,
    /// Its name, for messages to people.
    pub name: String,
    /// Whether it lacks features and so never executes.
    pub memory_only: bool,
    /// How the nodes before it reach it.
    pub reach: Reach,
}

/// How a node with a lower number links itself to one with a higher number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// By dialling its daemon.
    Daemon(DaemonAddress),
    /// Home passes both ends of the wires.
    Passed(TransportKind),
}

/// Where a daemon is reached, and what it said about its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonAddress {
    /// As people call it.
    pub name: String,
    /// The address home reached it at.
    pub address: SocketAddr,
    /// Boot id of its host.
    pub boot_id: String,
    /// Its abstract unix socket.
    pub unix_name: Option<String>,
    /// Whether it can use rdma at this address; if not, why and what helps.
    pub rdma: Result<(), String>,
}

/// How much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// A share of what the machine, or the control group, has.
    Percent(u8),
}

impl Amount {
    /// In bytes, of `total`.
    pub fn of(self, total: u64) -> u64 {
        match self {
            Amount::Bytes(bytes) => bytes,
            Amount::Percent(percent) => total / 100 * u64::from(percent),
        }
    }
}

/// Operator to daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Tell how much is lent.
    Tell,
    /// Lend at most so much from now on.
    LendAtMost(Amount),
    /// Lend as much as when the daemon was started.
    LendAll,
}

/// Daemon to operator. All in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loans {
    /// What it was started with.
    pub most: u64,
    /// What may be lent now.
    pub quota: u64,
    /// What is lent.
    pub lent: u64,
    /// Of that, what it wants back.
    pub owed: u64,
    /// Of that, what runs say they cannot give: nobody has room for what is in it.
    pub no_room: u64,
    /// Of that, what stays until its run ends, since a device uses it.
    pub pinned: u64,
}

impl RunReply {
    /// Reads the payload of a welcome from `host`.
    pub fn decode(host: &str, payload: &[u8]) -> Result<RunReply, ClusterError> {
        let what = || "its answer makes no sense".to_owned();
        postcard::from_bytes(payload).map_err(|_| ClusterError::Worker { host: host.to_owned(), what: what() })
    }
}

impl DaemonAddress {
    /// The daemon that answered `welcome` at `address`; `name` as people call it.
    pub fn new(name: String, address: SocketAddr, welcome: Welcome, reply: &RunReply) -> DaemonAddress {
        let rdma = reply.rdma.clone();
        DaemonAddress { name, address, boot_id: welcome.boot_id, unix_name: welcome.unix_name, rdma }
    }
}

/// Worker to home: whether all its links are up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetupReport {
    /// They are: those that this worker has made.
    Ready(Vec<LinkReport>),
    /// They are not, and why.
    Failed(String),
}

/// A link between two peers, told by the one that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkReport {
    /// The other end.
    pub to: NodeId,
    /// How it carries its bytes.
    pub transport: TransportKind,
    /// Why so.
    pub reason: String,
}

/// Encodes a message. These types cannot fail to encode.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(message).expect("plain data always encodes")
}
