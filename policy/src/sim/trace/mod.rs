//! The trace of a run: what `eos-rdma run --record` writes and `eos-rdma sim` reads.
//!
//! A file is a header and blocks. A block has the events of one node in the order in which they came; it begins anew, so that a file
//! that was cut off anywhere can be read up to its last whole event. All numbers are little endian; `v` is a varint.
//!
//! | part | bytes |
//! |---|---|
//! | header | `EOSTRACE`, version u32, budget of home in pages u64, nodes u32, length of the command u32, the command (UTF-8) |
//! | block | length of its events in bytes u32, node u32, time of the first event u64 (ns, home's clock), events |
//! | event | tag u8, page v (difference to the end of the last event's pages, folded), pages v unless one, node u8 for `Pull`, `Push`, `Arrive`, v ns since the end of the last event, v ns that it took |
//! | tag | bits 0 to 2: what; bit 3: a write; bit 4: one page |

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::Trace;
pub use encode::Encoder;

/// First bytes of a file.
pub const MAGIC: &[u8; 8] = b"EOSTRACE";
/// Version of the format.
pub const VERSION: u32 = 1;
/// Bytes of a block before its events.
pub const BLOCK_HEADER_BYTES: usize = 16;
const HEADER_BYTES: usize = 28;

/// What happened to pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Came from this node.
    Pull(u8),
    /// Were in a slot of the executing node itself.
    Slot,
    /// Touched for the first time.
    Fresh,
    /// Were there; the first write to a clean page.
    Upgrade,
    /// Went to this node.
    Push(u8),
    /// Execution arrived from this node; no page.
    Arrive(u8),
}

/// One event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// When it began: nanoseconds by home's clock.
    pub at_ns: u64,
    /// How long the program waited for it.
    pub took_ns: u64,
    /// The first page.
    pub page: u64,
    /// How many pages.
    pub pages: u64,
    /// Whether the program wrote.
    pub write: bool,
    /// What happened.
    pub what: What,
}

impl What {
    fn code(self) -> (u8, Option<u8>) {
        match self {
            What::Pull(node) => (0, Some(node)),
            What::Slot => (1, None),
            What::Fresh => (2, None),
            What::Upgrade => (3, None),
            What::Push(node) => (4, Some(node)),
            What::Arrive(node) => (5, Some(node)),
        }
    }
}

/// Where an event is told as a difference from.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    page: u64,
    end_ns: u64,
}

/// What a trace says about its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Home's budget in pages.
    pub budget_pages: u64,
    /// Nodes, home included.
    pub nodes: u32,
    /// The program and its arguments.
    pub command: String,
}

impl Header {
    /// As it stands at the start of a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.budget_pages.to_le_bytes());
        bytes.extend(self.nodes.to_le_bytes());
        bytes.extend((self.command.len() as u32).to_le_bytes());
        bytes.extend(self.command.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<(Header, &[u8]), TraceError> {
        if !bytes.starts_with(&MAGIC[..bytes.len().min(8)]) || bytes.is_empty() {
            return Err(TraceError::NoTrace);
        }
        let fixed = bytes.get(8..HEADER_BYTES).ok_or(TraceError::Short)?;
        let word = |at: usize| u32::from_le_bytes(fixed[at..at + 4].try_into().expect("four bytes"));
        if word(0) != VERSION {
            return Err(TraceError::Version(word(0)));
        }
        let budget_pages = u64::from_le_bytes(fixed[4..12].try_into().expect("eight bytes"));
        let end = HEADER_BYTES + word(16) as usize;
        let command = bytes.get(HEADER_BYTES..end).ok_or(TraceError::Short)?;
        let command = String::from_utf8_lossy(command).into_owned();
        Ok((Header { budget_pages, nodes: word(12), command }, &bytes[end..]))
    }
}

/// Why a file cannot be read as a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TraceError {
    /// Something else.
    NoTrace,
    /// Not even the header is there.
    Short,
    /// Of another version.
    Version(u32),
}

impl std::fmt::Display for TraceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TraceError::NoTrace => write!(f, "it is not a trace; make one with: eos-rdma run --record FILE"),
            TraceError::Short => write!(f, "it ends within its header; record the run again"),
            TraceError::Version(version) => {
                write!(f, "it has version {version} of the format, this release reads {VERSION}; record the run again")
            }
        }
    }
}

impl std::error::Error for TraceError {}
