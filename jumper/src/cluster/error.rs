//! What can go wrong when machines are joined to a run.

use eos_verbs::VerbsError;
use eos_verbs::session::SessionError;
use std::io;

/// Why the machines of a run could not be joined. Each names the host and what the person can do.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The name has no address.
    #[error("the address of {host} is not known ({source}); correct its name in the hosts file")]
    Lookup {
        /// The host.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody listens there.
    #[error("{host} refuses connections; start the daemon there with: eos-rdma serve --listen {host}")]
    Down {
        /// The host.
        host: String,
    },
    /// There is no way to the host.
    #[error("{host} cannot be reached ({source}); correct its address or the network")]
    Unreachable {
        /// The host.
        host: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{host} did not answer within 5 s; see whether the host is up and no firewall drops its port")]
    TimedOut {
        /// The host.
        host: String,
    },
    /// The keys differ.
    #[error("{host} has another cluster key; give --key a copy of the same key file on both hosts")]
    WrongKey {
        /// The host.
        host: String,
    },
    /// The host has a key and no key was given here.
    #[error("{host} wants a cluster key and none was given; use --key with a copy of its key file")]
    NoKey {
        /// The host.
        host: String,
    },
    /// The daemon said no.
    #[error("{host} refused: {reason}")]
    Refused {
        /// The host.
        host: String,
        /// What it said.
        reason: String,
    },
    /// Any other failure of the handshake.
    #[error("{host}: {source}")]
    Session {
        /// The host.
        host: String,
        /// What failed.
        source: SessionError,
    },
    /// `--transport shm` with a peer that is elsewhere.
    #[error("{host} cannot be reached through shared memory: {reason}; use --transport auto")]
    NoShm {
        /// The host.
        host: String,
        /// Why not.
        reason: String,
    },
    /// `--transport rdma` where one of the ends has none.
    #[error("{host} cannot be reached over rdma: {reason}")]
    NoRdma {
        /// The host.
        host: String,
        /// Which end lacks what, and what helps.
        reason: String,
    },
    /// The worker on a peer could not join the others.
    #[error("the worker on {host} could not be set up: {what}")]
    Worker {
        /// The host.
        host: String,
        /// What it said.
        what: String,
    },
    /// This host is short of something.
    #[error("cannot {what}: {source}; raise the limits of this host (processes, open files, memory) and try again")]
    Local {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The wire failed.
    #[error(transparent)]
    Verbs(#[from] VerbsError),
}

impl ClusterError {
    /// An error of this host, for `map_err`.
    pub(crate) fn local(what: &'static str) -> impl FnOnce(io::Error) -> ClusterError {
        move |source| ClusterError::Local { what, source }
    }

    /// A failed handshake with `host`. `open`: this side has no key.
    pub(crate) fn session(host: &str, open: bool, source: SessionError) -> ClusterError {
        let host = host.to_owned();
        match source {
            SessionError::WrongKey if open => ClusterError::NoKey { host },
            SessionError::WrongKey => ClusterError::WrongKey { host },
            SessionError::Refused { reason } => ClusterError::Refused { host, reason },
            SessionError::TimedOut { .. } => ClusterError::TimedOut { host },
            source => ClusterError::Session { host, source },
        }
    }

    /// A failed connect(2) to `host`.
    pub(crate) fn connect(host: &str, source: io::Error) -> ClusterError {
        let host = host.to_owned();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => ClusterError::Down { host },
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => ClusterError::TimedOut { host },
            _ => ClusterError::Unreachable { host, source },
        }
    }
}
