//! Micro-benchmarks: floors that this machine sets with nothing of ours in between, and what the runtime reaches.
//!
//! | floor | what it is compared with |
//! |---|---|
//! | [`fault`]: SIGBUS in the faulting thread, UFFDIO_COPY | a pull over shm |
//! | [`dispatch`]: Syscall User Dispatch to a handler that calls natively | a forwarded-to-itself system call |
//! | [`wire`]: 32 bytes out, 4 KiB back | the wire's part of a pull over tcp |
//! | [`wire`]: 9 KB one way, the size of a jump in the ElasticOS paper | a jump |
//!
//! Two ends that take turns are measured on one CPU and on two: waking a thread on another CPU is what costs.

pub mod cpu;
pub mod dispatch;
pub mod fault;
pub mod floors;
mod mapping;
pub mod peer;
pub mod probe;
pub mod ring;
pub mod sample;
pub mod table;
pub mod tsc;
mod userfault;
pub mod wire;

/// What can go wrong in a measurement.
#[derive(Debug, thiserror::Error)]
pub enum MicroError {
    /// A system call that the measurement is about does not work here.
    #[error("{what} failed: {source}. {remedy}")]
    Kernel {
        /// The call.
        what: &'static str,
        /// What the kernel answered.
        source: std::io::Error,
        /// What the person can do.
        remedy: &'static str,
    },
    /// The other end of a message benchmark.
    #[error("the peer of the message benchmark at {peer}: {source}. Start it with `eos-bench peer --listen {peer}`")]
    Peer {
        /// Its address.
        peer: String,
        /// What happened.
        source: std::io::Error,
    },
    /// A process of the benchmark could not be started, or ended badly.
    #[error("{program}: {what}")]
    Program {
        /// Path of the program.
        program: String,
        /// What happened.
        what: String,
    },
    /// A file that is written or read.
    #[error("{path}: {source}")]
    File {
        /// Path of the file.
        path: String,
        /// What happened.
        source: std::io::Error,
    },
}

impl MicroError {
    /// The last call of this thread failed.
    pub(crate) fn last_os(what: &'static str, remedy: &'static str) -> Self {
        Self::Kernel { what, source: std::io::Error::last_os_error(), remedy }
    }
}
