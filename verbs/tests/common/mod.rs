//! Pairs of links for tests, and a time limit for each test.
#![allow(dead_code)] // every test file uses a part of it

use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use eos_verbs::rdma::{self, GidKind, PortState};
use eos_verbs::{NodeId, PAGE, PeerName, QueuePair, Region, TransportKind, Wires, connect_pair};

/// The transports under test: those that `EOS_TEST_TRANSPORTS` names, separated by commas; without it the two that every
/// machine has. On a machine with an RDMA device, or in a guest with soft-RoCE, it is set to `rdma`.
pub fn kinds() -> Vec<TransportKind> {
    let words = std::env::var("EOS_TEST_TRANSPORTS").unwrap_or_else(|_| "tcp,shm".into());
    let kind = |word: &str| match word {
        "tcp" => TransportKind::Tcp,
        "shm" => TransportKind::Shm,
        "rdma" => TransportKind::Rdma,
        other => panic!("EOS_TEST_TRANSPORTS has the unknown transport {other:?}"),
    };
    words.split(',').map(kind).collect()
}

/// An IPv4 address of an RDMA port of this node.
pub fn rdma_address() -> IpAddr {
    rdma_address_of(|ip| ip.is_ipv4())
}

/// An address of an RDMA port of this node that is of this kind.
pub fn rdma_address_of(kind: impl Fn(&IpAddr) -> bool) -> IpAddr {
    let devices =
        rdma::devices().expect("these tests need an RDMA device: scripts/rxe-test runs them in a guest that has one");
    let ports = devices.iter().flat_map(|device| &device.ports).filter(|port| port.state == PortState::Active);
    let mut addresses = ports.flat_map(|port| &port.gids).filter(|gid| gid.kind == GidKind::RoceV2).map(|gid| gid.ip());
    // another port of this machine may be in another network namespace
    let mine = |address: &IpAddr| kind(address) && TcpListener::bind((*address, 0)).is_ok();
    addresses.find(mine).expect("an active port with an address of this kind on this node")
}

/// Emulated machines are some 40 times slower.
pub fn slowness() -> u64 {
    if kinds().contains(&TransportKind::Rdma) { 3 } else { 1 }
}

pub const REGION: usize = 8 << 20;

/// How much slower than a quiet machine one may be on which the tests still pass.
const PATIENCE: u64 = 6;

/// Runs `test` on a thread and fails when it takes longer than `seconds`, the time a quiet machine needs at most.
pub fn within(seconds: u64, test: impl FnOnce() + Send + 'static) {
    let (done, finished) = channel();
    let thread = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match finished.recv_timeout(Duration::from_secs(seconds * PATIENCE)) {
        Err(RecvTimeoutError::Timeout) => panic!("the test did not end within {PATIENCE} times {seconds} s"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// One end of a link and the region it offers.
pub struct End {
    pub link: Box<dyn QueuePair>,
    pub region: Arc<Region>,
}

impl End {
    pub fn join(node: u8, peer: u8, initiator: bool, wires: Wires) -> End {
        let region = Region::new(REGION).expect("a region");
        let peer = PeerName(NodeId(peer), "localhost".into());
        let link = connect_pair(NodeId(node), peer, initiator, wires, &region, REGION as u64).expect("a link");
        End { link, region }
    }

    /// Copy of bytes of this end's own region.
    pub fn bytes(&self, offset: usize, len: usize) -> Vec<u8> {
        assert!(offset + len <= self.region.len());
        // SAFETY: in bounds; the tests look only when nobody writes.
        unsafe { std::slice::from_raw_parts(self.region.base().add(offset), len).to_vec() }
    }

    /// Fills bytes of this end's own region.
    pub fn fill(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.region.len());
        // SAFETY: in bounds; the tests fill only when nobody reads.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.region.base().add(offset), bytes.len()) };
    }

    /// Polls for the next message.
    pub fn receive(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        while !self.link.try_recv(&mut message).expect("a sound link") {
            thread::yield_now();
        }
        message
    }
}

/// Two connected TCP streams: (the one that connected, the one that accepted).
pub fn tcp_streams() -> (TcpStream, TcpStream) {
    streams_at(Ipv4Addr::LOCALHOST.into())
}

/// The same between two ends of this address.
pub fn streams_at(address: IpAddr) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((address, 0)).expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
    (near, listener.accept().expect("accepted").0)
}

/// Wires for the initiator and for the acceptor.
pub fn wires(kind: TransportKind) -> (Wires, Wires) {
    match kind {
        TransportKind::Shm => {
            let (near, far) = UnixStream::pair().expect("a pair");
            (Wires::Shm(near), Wires::Shm(far))
        }
        TransportKind::Rdma => {
            let (near, far) = streams_at(rdma_address());
            (Wires::Rdma { control: near, port: None }, Wires::Rdma { control: far, port: None })
        }
        TransportKind::Tcp => {
            let [(msg, msg_far), (forward, forward_far), (back, back_far)] = [(); 3].map(|()| tcp_streams());
            let far = Wires::Tcp { msg: msg_far, forward: forward_far, back: back_far };
            (Wires::Tcp { msg, forward, back }, far)
        }
    }
}

/// Node 0 and node `peer`, joined.
pub fn pair_with(kind: TransportKind, peer: u8) -> (End, End) {
    let (near, far) = wires(kind);
    let acceptor = thread::spawn(move || End::join(peer, 0, false, far));
    let initiator = End::join(0, peer, true, near);
    (initiator, acceptor.join().expect("no panic"))
}

/// Node 0 and node 1, joined.
pub fn pair(kind: TransportKind) -> (End, End) {
    pair_with(kind, 1)
}

/// Bytes that differ from page to page. Copied from a row, since a loop over bytes takes seconds in an emulated machine.
pub fn pattern(len: usize, seed: usize) -> Vec<u8> {
    const PERIOD: usize = 251;
    static ROW: [u8; PAGE + PERIOD] = {
        let mut row = [0; PAGE + PERIOD];
        let mut index = 0;
        while index < row.len() {
            row[index] = (index % PERIOD) as u8;
            index += 1;
        }
        row
    };
    let mut bytes = Vec::with_capacity(len);
    for page in 0..len.div_ceil(PAGE) {
        let start = (page * (PAGE + 13) + seed) % PERIOD;
        bytes.extend_from_slice(&ROW[start..start + PAGE.min(len - page * PAGE)]);
    }
    bytes
}
