//! What can go wrong before a link exists.

use std::io;
use std::path::PathBuf;

/// A handshake, key file or descriptor transfer that failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The other end is something else.
    #[error("the other end is not eos-rdma; check host and port")]
    NotEos,
    /// The other end speaks another version of the handshake.
    #[error(
        "the other end speaks version {theirs} of the session protocol, this node version {ours}; install the same release of eos-rdma on both hosts"
    )]
    Version {
        /// Ours.
        ours: u8,
        /// Theirs.
        theirs: u8,
    },
    /// The keys of the two ends differ.
    #[error("the other end has another cluster key; copy one key file to every host")]
    WrongKey,
    /// The other end refused, and said why.
    #[error("the other end refused: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// The other end did not finish the handshake in time.
    #[error("the other end did not answer within {seconds} s; check that it runs and that the network is up")]
    TimedOut {
        /// The limit.
        seconds: u64,
    },
    /// The stream ended during the handshake.
    #[error("the other end closed the connection during the handshake; look at its log")]
    Closed,
    /// The other end sent something that makes no sense.
    #[error("the other end broke the session protocol: {what}; run the same version of eos-rdma on both hosts")]
    Protocol {
        /// What it did.
        what: &'static str,
    },
    /// A hello or welcome above the limit.
    #[error(
        "{len} bytes do not fit in a hello or welcome (limit {limit}); shorten the environment or the arguments of the program"
    )]
    TooLong {
        /// Bytes asked for.
        len: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// A system call on the stream failed.
    #[error("{what} failed: {source}; check the network between the hosts")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A key file that others can read.
    #[error("key file {path:?} can be read by others (mode {mode:04o}); run: chmod 600 {path:?}")]
    KeyReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key file that holds no key.
    #[error(
        "key file {path:?} does not hold one line of 64 hexadecimal digits; copy it again from the host where it was made"
    )]
    KeyMalformed {
        /// The file.
        path: PathBuf,
    },
    /// A key file that exists already.
    #[error("key file {path:?} exists already and is not overwritten; move it away first if you really want a new key")]
    KeyExists {
        /// The file.
        path: PathBuf,
    },
    /// A key file that cannot be read or written.
    #[error("key file {path:?}: {source}; check the path and its permissions")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}
