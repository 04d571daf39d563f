//! All floors of this machine.

use std::io;
use std::net::TcpStream;

use super::MicroError;
use super::cpu::{self, Placement};
use super::dispatch::DispatchFloor;
use super::fault::FaultFloor;
use super::peer::LocalPeer;
use super::sample::Samples;
use super::table::Row;
use super::wire::{self, JUMP_BYTES, PAGE_BYTES, REQUEST_BYTES, Terms, Waiting};

/// Round trips of each kind.
const TRIPS_COUNT: usize = 5000;
/// Pages behind a cold request: 256 MiB, as the probe of a pull has.
const STORE_PAGES: usize = 1 << 16;
/// How an end can wait.
const WAITINGS: [Waiting; 2] = [Waiting::Blocking, Waiting::Polling];

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// TCP over loopback.
    Tcp,
    /// TCP to a peer that was started elsewhere.
    TcpPeer,
    /// A pair of AF_UNIX sockets.
    Unix,
    /// A cell of shared memory each way.
    Shm,
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP, loopback",
            Self::TcpPeer => "TCP, peer",
            Self::Unix => "AF_UNIX",
            Self::Shm => "shared memory",
        })
    }
}

/// Time of a message.
#[derive(Debug)]
pub struct WireFloor {
    /// What carried it.
    pub carrier: Carrier,
    /// Where the two ends ran.
    pub placement: Placement,
    /// How they waited.
    pub waiting: Waiting,
    /// Microseconds.
    pub samples: Samples,
}

/// Everything that this machine sets as a floor.
#[derive(Debug)]
pub struct Floors {
    /// A page fault.
    pub fault: FaultFloor,
    /// A trapped system call.
    pub dispatch: DispatchFloor,
    /// 32 bytes out and 4 KiB back, the same again and again.
    pub pages: Vec<WireFloor>,
    /// 32 bytes out and a random page of [`STORE_PAGES`] back: what no cache holds, as a pull finds it.
    pub cold_pages: Vec<WireFloor>,
    /// 9 KB one way.
    pub jumps: Vec<WireFloor>,
}

impl Floors {
    /// Measures all floors, about 10 s; messages also to `peer` (`HOST:PORT` of an `eos-bench peer`) if there is one.
    ///
    /// # Errors
    /// Names the mechanism that is missing, or the peer that does not answer.
    pub fn measure(peer: Option<&str>) -> Result<Self, MicroError> {
        let allowed = cpu::allowed();
        cpu::pin(&allowed[..allowed.len().min(1)]);
        let measured = FaultFloor::measure().and_then(|fault| Ok((fault, DispatchFloor::measure()?)));
        cpu::pin(&allowed);
        let (fault, dispatch) = measured?;
        let mut wires = Wires::default();
        for &placement in Placement::possible(&allowed) {
            for waiting in WAITINGS {
                let bench = WireBench { placement, waiting, allowed: &allowed };
                bench.measure(peer, &mut wires)?;
            }
        }
        let Wires { pages, cold_pages, jumps } = wires;
        Ok(Self { fault, dispatch, pages, cold_pages, jumps })
    }

    /// One row for each.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = vec![
            Row::floor("fault: SIGBUS + UFFDIO_COPY", &self.fault.copy),
            Row::floor("fault: the same, mapped write-protected", &self.fault.copy_protected),
            Row::floor("fault: first write then, SIGBUS + WRITEPROTECT", &self.fault.unprotect),
            Row::floor("fault: SIGBUS + COPY + MADV_DONTNEED of 32", &self.fault.with_drop),
            Row::floor("fault: the same, pages copied out before", &self.fault.with_copy_out),
            Row::floor("getppid: native", &self.dispatch.native),
            Row::floor("getppid: Syscall User Dispatch, SIGSYS", &self.dispatch.trapped),
        ];
        let kinds = [
            ("page: 32 B out, 4 KiB back", &self.pages),
            ("page: the same, any of 256 MiB", &self.cold_pages),
            ("jump: 9 KB one way", &self.jumps),
        ];
        for (what, floors) in kinds {
            rows.extend(floors.iter().map(|floor| {
                let WireFloor { carrier, placement, waiting, samples } = floor;
                Row::floor(format!("{what}: {carrier}, {placement}, {waiting}"), samples)
            }));
        }
        rows
    }

    /// The fastest of `floors` that one carrier reaches with both ends on one CPU, in microseconds (p50).
    #[must_use]
    pub fn best_on_one_cpu(floors: &[WireFloor], carrier: Carrier) -> f64 {
        let fitting = floors.iter().filter(|f| f.carrier == carrier && f.placement == Placement::OneCpu);
        fitting.map(|f| f.samples.median()).fold(f64::INFINITY, f64::min)
    }
}

/// Times of messages of each kind.
#[derive(Default)]
struct Wires {
    pages: Vec<WireFloor>,
    cold_pages: Vec<WireFloor>,
    jumps: Vec<WireFloor>,
}

/// One way to measure messages.
struct WireBench<'a> {
    placement: Placement,
    waiting: Waiting,
    allowed: &'a [usize],
}

impl WireBench<'_> {
    fn measure(&self, peer: Option<&str>, wires: &mut Wires) -> Result<(), MicroError> {
        let fails = |source| MicroError::Peer { peer: "127.0.0.1 (our own)".to_owned(), source };
        let local = LocalPeer::listening().map_err(fails)?;
        self.tcp(Carrier::Tcp, || local.connect(), wires).map_err(fails)?;
        if let Some(address) = peer {
            let fails = |source| MicroError::Peer { peer: address.to_owned(), source };
            self.tcp(Carrier::TcpPeer, || TcpStream::connect(address), wires).map_err(fails)?;
        }
        let (_unix, mut socket) = LocalPeer::on_socket_pair().map_err(fails)?;
        wires.jumps.push(self.floor(Carrier::Unix, || self.jump_trips(&mut socket)).map_err(fails)?);
        let (_ring, ring) = LocalPeer::on_ring(self.waiting, self.cpus().1).map_err(fails)?;
        let trips = || Ok(ring.round_trips(TRIPS_COUNT as u32)?.scaled(0.5));
        wires.jumps.push(self.floor(Carrier::Shm, trips).map_err(fails)?);
        Ok(())
    }

    fn tcp(&self, carrier: Carrier, connect: impl Fn() -> io::Result<TcpStream>, wires: &mut Wires) -> io::Result<()> {
        let terms = self.terms(REQUEST_BYTES, PAGE_BYTES);
        wires.pages.push(self.floor(carrier, || wire::round_trips(&mut connect()?, terms, TRIPS_COUNT))?);
        let terms = Terms { store_pages: STORE_PAGES, ..terms };
        wires.cold_pages.push(self.floor(carrier, || wire::round_trips(&mut connect()?, terms, TRIPS_COUNT))?);
        wires.jumps.push(self.floor(carrier, || self.jump_trips(&mut connect()?))?);
        Ok(())
    }

    /// One way is half of a round trip with a jump's bytes each way.
    fn jump_trips(&self, wire: &mut impl wire::Wire) -> io::Result<Samples> {
        Ok(wire::round_trips(wire, self.terms(JUMP_BYTES, JUMP_BYTES), TRIPS_COUNT)?.scaled(0.5))
    }

    fn terms(&self, request_bytes: usize, answer_bytes: usize) -> Terms {
        Terms { request_bytes, answer_bytes, waiting: self.waiting, peer_cpu: Some(self.cpus().1), store_pages: 0 }
    }

    fn cpus(&self) -> (usize, usize) {
        self.placement.cpus(self.allowed)
    }

    fn floor(&self, carrier: Carrier, measure: impl FnOnce() -> io::Result<Samples>) -> io::Result<WireFloor> {
        cpu::pin(&[self.cpus().0]);
        let samples = measure();
        cpu::pin(self.allowed);
        Ok(WireFloor { carrier, placement: self.placement, waiting: self.waiting, samples: samples? })
    }
}
