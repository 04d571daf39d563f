//! What can go wrong while pages move. Each message names the node and the remedy.

use eos_verbs::VerbsError;

/// An error of the pager. The run cannot go on after one: a page is out of reach.
#[derive(Debug, thiserror::Error)]
pub enum PagerError {
    /// The wire to a peer failed.
    #[error(transparent)]
    Wire(#[from] VerbsError),
    /// Neither this node nor any peer has room for one more page.
    #[error(
        "no memory left: {node} has used its {limit_mib} MiB and {peers}; add a peer, give peers more memory (serve --memory), or raise --memory"
    )]
    Full {
        /// The node that executes.
        node: String,
        /// Its limit.
        limit_mib: u64,
        /// What the peers have left, in words.
        peers: String,
    },
    /// The kernel refused something that the runtime needs.
    #[error("{what} failed on {node}: {source}{}", remedy(source))]
    Kernel {
        /// The node that executes.
        node: String,
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The page table does not fit the address space.
    #[error(transparent)]
    Table(#[from] crate::table::TableError),
    /// Peers were needed and could not be joined.
    #[error("the program needs more memory than --memory says, and {0}")]
    Stretch(Box<dyn std::error::Error + Send + Sync>),
    /// Not an error: the page cannot leave home now, so execution goes there.
    #[error("a page of the program is in use at home and cannot come")]
    Held,
    /// A message that this version does not understand.
    #[error("{peer} sent a {what} that makes no sense; both nodes must run the same version of eos-rdma")]
    Message {
        /// Who sent it.
        peer: String,
        /// Which message.
        what: &'static str,
    },
}

fn remedy(source: &std::io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::ENOMEM) => "; the machine is out of memory or of mappings (see sysctl vm.max_map_count)",
        _ => "",
    }
}
