//! The streams of one link, while they come in one by one.

use crate::cluster::ClusterError;
use crate::cluster::choice::rdma_within;
use eos_verbs::session::SessionError;
use eos_verbs::session::pass::{self, ChannelTag};
use eos_verbs::{ChannelKind, NodeId, TransportKind, Wires};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A worker's letter box: the channels that its parent passes to it, sorted by sender.
pub struct WireBox {
    door: UnixStream,
    senders: BTreeMap<NodeId, Partial>,
}

/// What has come from one sender.
#[derive(Default)]
struct Partial {
    msg: Option<OwnedFd>,
    forward: Option<OwnedFd>,
    back: Option<OwnedFd>,
    shm: Option<OwnedFd>,
    rdma: Option<OwnedFd>,
}

impl WireBox {
    /// Channels come in over `door`.
    pub fn new(door: UnixStream) -> WireBox {
        WireBox { door, senders: BTreeMap::new() }
    }

    /// Waits until all wires of the link with `from` are there.
    pub fn wait_for(&mut self, from: NodeId, limit: Duration) -> Result<Wires, SessionError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(wires) = self.senders.get_mut(&from).and_then(Partial::complete) {
                return Ok(wires);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let seconds = limit.as_secs();
            if left.is_zero() {
                return Err(SessionError::TimedOut { seconds });
            }
            let what = "setting a time limit";
            let trouble = |source| SessionError::Io { what, source };
            self.door.set_read_timeout(Some(left)).map_err(trouble)?;
            match pass::recv_channel(&self.door) {
                Ok((tag, fd)) => self.senders.entry(tag.from).or_default().put(tag.kind, fd),
                Err(SessionError::Io { source, .. }) if is_timeout(&source) => {
                    return Err(SessionError::TimedOut { seconds });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Partial {
    fn put(&mut self, kind: ChannelKind, fd: OwnedFd) {
        let place = match kind {
            ChannelKind::Msg => &mut self.msg,
            ChannelKind::Forward => &mut self.forward,
            ChannelKind::Back => &mut self.back,
            ChannelKind::Shm => &mut self.shm,
            ChannelKind::Rdma => &mut self.rdma,
        };
        *place = Some(fd);
    }

    fn complete(&mut self) -> Option<Wires> {
        if let Some(fd) = self.shm.take() {
            return Some(Wires::Shm(UnixStream::from(fd)));
        }
        if let Some(fd) = self.rdma.take() {
            return Some(Wires::Rdma { control: TcpStream::from(fd), port: None });
        }
        if self.msg.is_none() || self.forward.is_none() || self.back.is_none() {
            return None;
        }
        Some(Wires::Tcp {
            msg: TcpStream::from(self.msg.take()?),
            forward: TcpStream::from(self.forward.take()?),
            back: TcpStream::from(self.back.take()?),
        })
    }
}

/// Both ends of the wires of a link between two processes of this host: initiator's, acceptor's.
pub fn wires_pair(transport: TransportKind) -> io::Result<(Wires, Wires)> {
    match transport {
        TransportKind::Shm => {
            let (one, other) = UnixStream::pair()?;
            Ok((Wires::Shm(one), Wires::Shm(other)))
        }
        TransportKind::Tcp => {
            let pair = || tcp_pair(Ipv4Addr::LOCALHOST.into());
            let (msg, their_msg) = pair()?;
            let (forward, their_forward) = pair()?;
            let (back, their_back) = pair()?;
            let ours = Wires::Tcp { msg, forward, back };
            let theirs = Wires::Tcp { msg: their_msg, forward: their_forward, back: their_back };
            Ok((ours, theirs))
        }
        TransportKind::Rdma => {
            let (control, theirs) = tcp_pair(rdma_within().map_err(io::Error::other)?)?;
            Ok((Wires::Rdma { control, port: None }, Wires::Rdma { control: theirs, port: None }))
        }
    }
}

/// Two connected TCP sockets at an address of this host. A stranger who connects in between is sent away.
fn tcp_pair(address: IpAddr) -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((address, 0))?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    loop {
        let (other, from) = listener.accept()?;
        if from == one.local_addr()? {
            return Ok((one, other));
        }
    }
}

/// Passes this end of the wires of the link with `from` to a worker.
pub fn pass_wires(door: &UnixStream, host: &str, from: NodeId, wires: &Wires) -> Result<(), ClusterError> {
    let send = |kind, fd: &dyn AsFd| {
        pass::send_channel(door, &ChannelTag { from, kind }, fd.as_fd())
            .map_err(|source| ClusterError::session(host, true, source))
    };
    match wires {
        Wires::Shm(stream) => send(ChannelKind::Shm, stream),
        Wires::Rdma { control, .. } => send(ChannelKind::Rdma, control),
        Wires::Tcp { msg, forward, back } => {
            send(ChannelKind::Msg, msg)?;
            send(ChannelKind::Forward, forward)?;
            send(ChannelKind::Back, back)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[test]
    fn wires_that_come_mixed_up_are_sorted_by_sender() {
        let (door, inside) = UnixStream::pair().expect("a pair");
        let mut letters = WireBox::new(inside);
        let (_near, tcp) = wires_pair(TransportKind::Tcp).expect("a pair");
        let (_close, shm) = wires_pair(TransportKind::Shm).expect("a pair");
        let Wires::Tcp { msg, forward, back } = &tcp else {
            panic!("tcp was asked for");
        };
        let send = |from, kind, fd: &dyn AsFd| {
            let tag = ChannelTag { from: NodeId(from), kind };
            pass::send_channel(&door, &tag, fd.as_fd()).expect("sent");
        };
        send(2, ChannelKind::Back, back);
        send(2, ChannelKind::Msg, msg);
        pass_wires(&door, "x", NodeId(3), &shm).expect("passed");
        send(2, ChannelKind::Forward, forward);
        assert!(matches!(letters.wait_for(NodeId(2), LIMIT), Ok(Wires::Tcp { .. })));
        assert!(matches!(letters.wait_for(NodeId(3), LIMIT), Ok(Wires::Shm(_))));
    }

    #[test]
    fn waiting_ends_at_the_limit_and_when_the_parent_is_gone() {
        let (door, inside) = UnixStream::pair().expect("a pair");
        let mut letters = WireBox::new(inside);
        let late = letters.wait_for(NodeId(1), Duration::from_millis(20));
        assert!(matches!(late, Err(SessionError::TimedOut { .. })));
        drop(door);
        let gone = letters.wait_for(NodeId(1), LIMIT);
        assert!(matches!(gone, Err(SessionError::Closed)));
    }
}
