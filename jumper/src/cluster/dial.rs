//! Calling a daemon: connect, prove the key, say what for.

use crate::cluster::ClusterError;
use crate::cluster::host::boot_id;
use crate::cluster::messages::{DaemonAddress, PROTOCOL_VERSION, RunId};
use eos_verbs::session::{self, ClusterKey, Hello, Purpose, Welcome};
use eos_verbs::{ChannelKind, NodeId, TransportChoice, TransportKind, Wires};
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixStream;
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

    /// Opens the wires of one link to the worker behind a daemon, by the best transport that
    /// `choice` allows; also says in a few words why this one.
    pub fn wires(&self, to: &DaemonAddress, choice: TransportChoice) -> Result<(Wires, String), ClusterError> {
        if choice == TransportChoice::Tcp {
            return Ok((self.tcp_wires(to)?, "as asked for".to_owned()));
        }
        match self.shm_wires(to) {
            Ok(wires) => Ok((wires, "same host".to_owned())),
            Err(reason) if choice == TransportChoice::Shm => Err(ClusterError::NoShm { host: to.name.clone(), reason }),
            Err(reason) => Ok((self.tcp_wires(to)?, reason)),
        }
    }

    /// What [`wires`](Self::wires) would choose, without a worker and without a link.
    pub fn forecast(
        &self,
        to: &DaemonAddress,
        choice: TransportChoice,
    ) -> Result<(TransportKind, String), ClusterError> {
        if choice == TransportChoice::Tcp {
            return Ok((TransportKind::Tcp, "as asked for".to_owned()));
        }
        match shm_stream(to) {
            Ok(_) => Ok((TransportKind::Shm, "same host".to_owned())),
            Err(reason) if choice == TransportChoice::Shm => Err(ClusterError::NoShm { host: to.name.clone(), reason }),
            Err(reason) => Ok((TransportKind::Tcp, reason)),
        }
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
        let mut stream = shm_stream(to)?;
        let kind = ChannelKind::Shm;
        let hello = self.hello(Purpose::Channel { kind });
        session::initiate(&mut stream, &self.key, &hello).map_err(|error| error.to_string())?;
        Ok(Wires::Shm(stream))
    }
}

/// A stream to a daemon of this host. Processes of one host may be in different network namespaces:
/// then the abstract socket is not there.
fn shm_stream(to: &DaemonAddress) -> Result<UnixStream, String> {
    if to.boot_id.is_empty() || to.boot_id != boot_id() {
        return Err("another host".to_owned());
    }
    let unix_name = to.unix_name.as_deref().ok_or("it offers none")?;
    connect_abstract(unix_name).map_err(|_| "same host, another network namespace".to_owned())
}

fn connect_abstract(name: &str) -> io::Result<UnixStream> {
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    UnixStream::connect_addr(&address)
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
