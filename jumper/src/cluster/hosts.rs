//! `hosts.txt`: the peers of a run, one `HOST[:PORT] [memory=SIZE]` a line.
//!
//! `#` starts a comment, blank lines are skipped. An IPv6 address is written in brackets.
//! The order of the lines is the order of the nodes: the first line is node 1.

use crate::size::{SizeError, parse_size};
use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

/// Port that `serve` listens on, and that a line without one means.
pub const DEFAULT_PORT: u16 = 7471;

/// Peers of one run at most: sixteen nodes with home.
pub const MAX_PEERS: usize = 15;

/// One peer as the hosts file names it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HostSpec {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port of its daemon.
    pub port: u16,
    /// Bytes that may be used there at most; `None`: whatever the daemon grants.
    pub memory: Option<u64>,
}

impl fmt::Display for HostSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What is wrong with a hosts file, and where.
#[derive(Debug, thiserror::Error)]
pub enum HostsError {
    /// The file could not be read.
    #[error("cannot read the hosts file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is wrong.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        what: LineError,
    },
    /// Nothing but comments.
    #[error("{}: names no peer; write one HOST[:PORT] a line", .0.display())]
    Empty(PathBuf),
}

/// What is wrong with one line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The host's name is missing or has characters that no host name has.
    #[error("\"{0}\" is not a host name or address")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("\"{0}\" is not a port; it is a number from 1 to 65535")]
    Port(String),
    /// An IPv6 address that is not in brackets, or brackets that hold none.
    #[error("\"{0}\" is not understood; an IPv6 address is written in brackets, as in [fd00::2]:7471")]
    Brackets(String),
    /// `memory=` without a valid size.
    #[error("memory={0}")]
    Memory(#[from] MemoryError),
    /// A word that is no option.
    #[error("\"{0}\" is not an option; the only one is memory=SIZE")]
    Option(String),
    /// The same option twice.
    #[error("memory= is given twice")]
    Twice,
    /// The host was named before.
    #[error("{host} is named twice, first on line {first}")]
    Duplicate {
        /// Host and port.
        host: String,
        /// Line that named it first.
        first: usize,
    },
    /// More hosts than there can be nodes.
    #[error("there are more than {MAX_PEERS} peers; a run has at most {MAX_PEERS}")]
    TooMany,
}

/// A size after `memory=` that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}: {source}")]
pub struct MemoryError {
    text: String,
    source: SizeError,
}

/// Reads and checks a hosts file.
pub fn load(path: &Path) -> Result<Vec<HostSpec>, HostsError> {
    let text = std::fs::read_to_string(path).map_err(|source| HostsError::Read { path: path.to_owned(), source })?;
    parse(&text, path)
}

/// Checks the text of a hosts file; `path` only serves the error messages.
pub fn parse(text: &str, path: &Path) -> Result<Vec<HostSpec>, HostsError> {
    let (hosts, wrong) = parse_all(text, path);
    match wrong.into_iter().next() {
        Some(error) => Err(error),
        None if hosts.is_empty() => Err(HostsError::Empty(path.to_owned())),
        None => Ok(hosts),
    }
}

/// The good lines of a hosts file, and what is wrong with the others.
pub fn parse_all(text: &str, path: &Path) -> (Vec<HostSpec>, Vec<HostsError>) {
    let (mut hosts, mut lines, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (line, raw) in (1..).zip(text.lines()) {
        match parse_next(raw, &hosts, &lines) {
            Ok(None) => {}
            Ok(Some(spec)) => {
                hosts.push(spec);
                lines.push(line);
            }
            Err(what) => errors.push(HostsError::Line { path: path.to_owned(), line, what }),
        }
    }
    (hosts, errors)
}

/// One line, after others.
fn parse_next(raw: &str, hosts: &[HostSpec], lines: &[usize]) -> Result<Option<HostSpec>, LineError> {
    let Some(spec) = parse_line(raw)? else {
        return Ok(None);
    };
    if let Some(at) = hosts.iter().position(|other| same_daemon(other, &spec)) {
        return Err(LineError::Duplicate { host: spec.to_string(), first: lines[at] });
    }
    if hosts.len() == MAX_PEERS { Err(LineError::TooMany) } else { Ok(Some(spec)) }
}

/// Whether two lines name the same daemon.
pub(crate) fn same_daemon(one: &HostSpec, other: &HostSpec) -> bool {
    one.port == other.port && one.host.eq_ignore_ascii_case(&other.host)
}

/// One line; `None` if there is nothing on it.
fn parse_line(raw: &str) -> Result<Option<HostSpec>, LineError> {
    let meaning = raw.split('#').next().unwrap_or_default();
    let mut words = meaning.split_whitespace();
    let Some(address) = words.next() else {
        return Ok(None);
    };
    let (host, port) = parse_address(address)?;
    let mut memory = None;
    for word in words {
        let size = word.strip_prefix("memory=").ok_or_else(|| LineError::Option(word.to_owned()))?;
        let bytes = parse_size(size).map_err(|source| MemoryError { text: size.to_owned(), source })?;
        if memory.replace(bytes).is_some() {
            return Err(LineError::Twice);
        }
    }
    Ok(Some(HostSpec { host, port, memory }))
}

/// `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.
pub fn parse_address(text: &str) -> Result<(String, u16), LineError> {
    if let Some(rest) = text.strip_prefix('[') {
        let brackets = || LineError::Brackets(text.to_owned());
        let (inside, after) = rest.split_once(']').ok_or_else(brackets)?;
        let (address, _zone) = inside.split_once('%').unwrap_or((inside, ""));
        address.parse::<Ipv6Addr>().map_err(|_| brackets())?;
        let port = match after.strip_prefix(':') {
            Some(port) => parse_port(port)?,
            None if after.is_empty() => DEFAULT_PORT,
            None => return Err(brackets()),
        };
        return Ok((inside.to_owned(), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => return Err(LineError::Brackets(text.to_owned())),
        Some((host, port)) => (host, parse_port(port)?),
        None => (text, DEFAULT_PORT),
    };
    let good = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || host.len() > 253 || host.starts_with('-') || !host.chars().all(good) {
        return Err(LineError::Host(host.to_owned()));
    }
    Ok((host.to_owned(), port))
}

fn parse_port(text: &str) -> Result<u16, LineError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(LineError::Port(text.to_owned())),
    }
}

#[cfg(test)]
#[path = "hosts_tests.rs"]
mod tests;
