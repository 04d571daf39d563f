//! Calling a daemon: connect, prove the key, say what for.

use crate::cluster::messages::{DaemonAddress, PROTOCOL_VERSION, RunId};
use crate::cluster::stretch::Link;
use crate::cluster::{ClusterError, choice};
use eos_verbs::session::{self, ClusterKey, Hello, Purpose, Welcome};
use eos_verbs::{ChannelKind, NodeId, TransportChoice, TransportKind, VerbsError, Wires};
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long connecting may take.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Who calls, and with what.
#[derive(Clone)]
pub struct Caller {
    /// The run.
    pub run_id: RunId,
    /// The calling node.
    pub me: NodeId,
    /// The cluster's key.
    pub key: ClusterKey,
}

impl Caller {
    fn hello(&self, purpose: Purpose) -> Hello {
        Hello { version: PROTOCOL_VERSION, run_id: self.run_id, from: self.me, purpose }
    }

    /// Calls a daemon over TCP. `name` is for messages to people.
    pub fn call(
        &self,
        name: &str,
        address: SocketAddr,
        purpose: Purpose,
    ) -> Result<(TcpStream, Welcome), ClusterError> {
        let unreachable = |source| ClusterError::connect(name, source);
        let mut stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT).map_err(unreachable)?;
        keep_alive(&stream).map_err(unreachable)?;
        let welcome = session::initiate(&mut stream, &self.key, &self.hello(purpose))
            .map_err(|source| ClusterError::session(name, self.key.is_open(), source))?;
        Ok((stream, welcome))
    }

    /// Links this node to the worker behind a daemon, by the best transport that `choice` allows and
    /// both ends have; also says in a few words why this one. `connect` makes a link of its wires.
    ///
    /// Under `auto` a transport that turns out not to work is given up for the next.
    pub fn link(
        &self,
        to: &DaemonAddress,
        choice: TransportChoice,
        connect: impl Fn(Wires) -> Result<Link, VerbsError>,
    ) -> Result<(Link, String), ClusterError> {
        let host = || to.name.clone();
        let choice::Chosen { kind, reason } = choice::choose(to, choice)?;
        let failed = match kind {
            TransportKind::Tcp => return Ok((connect(self.tcp_wires(to)?)?, reason)),
            TransportKind::Shm => match self.shm_wires(to) {
                Ok(wires) => return Ok((connect(wires)?, reason)),
                Err(cause) if choice == TransportChoice::Shm => {
                    return Err(ClusterError::NoShm { host: host(), reason: cause });
                }
                Err(cause) => format!("instead of shm: {cause}"),
            },
            TransportKind::Rdma => match self.rdma_link(to, &connect) {
                Ok(link) => return Ok((link, reason)),
                Err(error) if choice == TransportChoice::Rdma => return Err(error),
                Err(ClusterError::NoRdma { reason, .. }) => format!("instead of rdma: {reason}"),
                Err(error) => format!("instead of rdma: {error}"),
            },
        };
        Ok((connect(self.tcp_wires(to)?)?, failed))
    }

    fn rdma_link(
        &self,
        to: &DaemonAddress,
        connect: impl Fn(Wires) -> Result<Link, VerbsError>,
    ) -> Result<Link, ClusterError> {
        let purpose = Purpose::Channel { kind: ChannelKind::Rdma };
        let (control, _) = self.call(&to.name, to.address, purpose)?;
        connect(Wires::Rdma { control, port: None }).map_err(|error| {
            let reason = match error {
                VerbsError::Disconnected { .. } => {
                    "its worker could not bring the connection up; see the log of its daemon".to_owned()
                }
                VerbsError::Rdma(error) => error.to_string(),
                error => error.to_string(),
            };
            ClusterError::NoRdma { host: to.name.clone(), reason }
        })
    }

    fn tcp_wires(&self, to: &DaemonAddress) -> Result<Wires, ClusterError> {
        let channel = |kind| {
            let (stream, _) = self.call(&to.name, to.address, Purpose::Channel { kind })?;
            Ok::<_, ClusterError>(stream)
        };
        Ok(Wires::Tcp {
            msg: channel(ChannelKind::Msg)?,
            forward: channel(ChannelKind::Forward)?,
            back: channel(ChannelKind::Back)?,
        })
    }

    /// The error says why shared memory is impossible.
    fn shm_wires(&self, to: &DaemonAddress) -> Result<Wires, String> {
        let mut stream = choice::shm_stream(to)?;
        let kind = ChannelKind::Shm;
        let hello = self.hello(Purpose::Channel { kind });
        session::initiate(&mut stream, &self.key, &hello).map_err(|error| error.to_string())?;
        Ok(Wires::Shm(stream))
    }
}

/// All addresses of a host.
pub fn resolve(name: &str, host: &str, port: u16) -> Result<Vec<SocketAddr>, ClusterError> {
    let lookup = |source| ClusterError::Lookup { host: name.to_owned(), source };
    let found: Vec<_> = (host, port).to_socket_addrs().map_err(lookup)?.collect();
    match found.is_empty() {
        true => Err(lookup(io::Error::other("it has none"))),
        false => Ok(found),
    }
}

/// Tries the addresses of one host in turn. The first error is told if none works, unless a later
/// address did answer.
pub(crate) fn try_addresses<T>(
    addresses: &[SocketAddr],
    attempt: impl Fn(SocketAddr) -> Result<T, ClusterError>,
) -> Result<T, ClusterError> {
    let mut told = None;
    for address in addresses {
        match attempt(*address) {
            Ok(value) => return Ok(value),
            Err(error) if answered(&error) => return Err(error),
            Err(error) => drop(told.get_or_insert(error)),
        }
    }
    Err(told.expect("a host has at least one address"))
}

/// Whether the error came from a daemon: then another address of the same host is no better.
fn answered(error: &ClusterError) -> bool {
    !matches!(error, ClusterError::Down { .. } | ClusterError::Unreachable { .. } | ClusterError::TimedOut { .. })
}

/// Notices within about ten seconds that the other host has gone silently (tcp(7)).
pub fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(1))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(1))?;
    sockopt::set_tcp_keepcnt(stream, 9)?;
    sockopt::set_tcp_user_timeout(stream, 10_000)?;
    stream.set_nodelay(true)
}
