//! The daemon's door: who calls, may they come in, and what for. One short-lived thread a call.

use crate::cluster::choice::rdma_of_lender;
use crate::cluster::cpu::CpuFeatures;
use crate::cluster::dial::keep_alive;
use crate::cluster::lease::LeasePool;
use crate::cluster::messages::{Loans, Order, PROTOCOL_VERSION, RunId, RunReply, RunRequest, encode};
use crate::cluster::quota::Quota;
use crate::say::say;
use crate::spare::Spare;
use eos_pager::demand::Progress;
use eos_verbs::session::pass::{self, ChannelTag};
use eos_verbs::session::{self, ClusterKey, Hello, PendingReply, Purpose, SessionError, TimedStream, Welcome};
use eos_verbs::{ChannelKind, MAX_NODES, NodeId};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::time::Duration;

/// How long a worker may leave a passed channel lying, and the main thread a request.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);

/// What the main thread of the daemon and the threads of calls share.
pub(super) struct Shared {
    pub key: ClusterKey,
    pub boot_id: String,
    pub unix_name: Option<String>,
    pub cpu: CpuFeatures,
    /// Locked before the pool.
    pub quota: Mutex<Quota>,
    pub pool: Mutex<LeasePool>,
    /// The door of each run's worker.
    pub runs: Mutex<HashMap<RunId, Arc<Mutex<UnixStream>>>>,
    /// Requests to the main thread; it looks when `wake` becomes readable.
    pub starts: Mutex<mpsc::Sender<StartRequest>>,
    pub wake: OwnedFd,
}

/// A run that begins: the main thread starts the worker, since a worker dies with the thread that
/// started it.
pub(super) struct StartRequest {
    pub run_id: RunId,
    pub request: RunRequest,
    pub control: OwnedFd,
    pub from: String,
    pub answer: mpsc::Sender<Result<u64, String>>,
}

/// A fresh connection.
pub(super) enum Call {
    /// From anywhere.
    Tcp(TcpStream),
    /// From this host and this network namespace.
    Unix(UnixStream),
}

impl Call {
    fn from(&self) -> String {
        match self {
            Call::Tcp(stream) => {
                stream.peer_addr().map_or_else(|_| "a caller that is gone".to_owned(), |a| a.to_string())
            }
            Call::Unix(_) => "this host".to_owned(),
        }
    }

    /// The address of this host that was called; none on a unix socket.
    fn called_at(&self) -> Option<IpAddr> {
        match self {
            Call::Tcp(stream) => stream.local_addr().ok().map(|address| address.ip()),
            Call::Unix(_) => None,
        }
    }

    fn can_carry(&self, kind: ChannelKind) -> bool {
        matches!(self, Call::Unix(_)) == (kind == ChannelKind::Shm)
    }
}

impl Read for Call {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Call::Tcp(stream) => stream.read(into),
            Call::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Call {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Call::Tcp(stream) => stream.write(bytes),
            Call::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TimedStream for Call {
    fn set_limit(&mut self, limit: Option<Duration>) -> io::Result<()> {
        match self {
            Call::Tcp(stream) => stream.set_limit(limit),
            Call::Unix(stream) => stream.set_limit(limit),
        }
    }
}

impl AsFd for Call {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Call::Tcp(stream) => stream.as_fd(),
            Call::Unix(stream) => stream.as_fd(),
        }
    }
}

/// Deals with one call from handshake to hand-over, and logs what went wrong.
pub(super) fn admit(call: Call, shared: &Shared) {
    let from = call.from();
    match serve_call(call, shared) {
        Ok(()) | Err(SessionError::Closed) => {}
        Err(error) => say(format_args!("a call from {from} failed: {error}")),
    }
}

fn serve_call(mut call: Call, shared: &Shared) -> Result<(), SessionError> {
    let trouble = |what| move |source| SessionError::Io { what, source };
    if let Call::Tcp(stream) = &call {
        keep_alive(stream).map_err(trouble("setting socket options"))?;
    }
    let (from, called_at) = (call.from(), call.called_at());
    let copy = call.as_fd().try_clone_to_owned();
    let control = copy.map_err(trouble("copying a descriptor"))?;
    let carries = [call.can_carry(ChannelKind::Msg), call.can_carry(ChannelKind::Shm)];
    let (hello, reply) = session::respond(&mut call, &shared.key)?;
    if hello.version != PROTOCOL_VERSION {
        return reply.reject(version_reason(hello.version));
    }
    match hello.purpose {
        Purpose::Probe => {
            let free = lock(&shared.pool).free();
            reply.accept(shared.welcome(free, called_at))
        }
        Purpose::Order { ref payload } => match postcard::from_bytes(payload) {
            Ok(order) => reply.accept(shared.obey(order)),
            Err(_) => reply.reject("the order makes no sense".to_owned()),
        },
        Purpose::Run { ref payload } => match postcard::from_bytes(payload) {
            Ok(request) => start_run(shared, &hello, request, control, (from, called_at), reply),
            Err(_) => reply.reject("the request for a worker makes no sense".to_owned()),
        },
        Purpose::Channel { kind } => {
            let right_socket = carries[usize::from(kind == ChannelKind::Shm)];
            hand_over(shared, &hello, kind, right_socket, control, reply)
        }
    }
}

fn version_reason(theirs: u16) -> String {
    format!(
        "it speaks version {PROTOCOL_VERSION} and the caller version {theirs}; \
         install the same release of eos-rdma on both hosts"
    )
}

/// Has a worker started and tells home. If home is gone by then, the worker notices by itself.
fn start_run(
    shared: &Shared,
    hello: &Hello,
    request: RunRequest,
    control: OwnedFd,
    (from, called_at): (String, Option<IpAddr>),
    reply: PendingReply<'_, Call>,
) -> Result<(), SessionError> {
    let is_peer = (1..MAX_NODES).contains(&request.node.index());
    if hello.from != NodeId::HOME || !is_peer {
        return reply.reject("the caller has no valid number for its worker".to_owned());
    }
    let (answer, answered) = mpsc::channel();
    let start = StartRequest { run_id: hello.run_id, request, control, from, answer };
    let sent = lock(&shared.starts).send(start);
    shared.wake_main();
    let outcome = sent.map_err(drop).and_then(|()| answered.recv_timeout(ANSWER_LIMIT).map_err(drop));
    match outcome {
        Ok(Ok(memory)) => reply.accept(shared.welcome(memory, called_at)),
        Ok(Err(reason)) => reply.reject(reason),
        Err(()) => reply.reject("the daemon is ending or overloaded; try again".to_owned()),
    }
}

/// Passes a channel to the worker of its run.
fn hand_over(
    shared: &Shared,
    hello: &Hello,
    kind: ChannelKind,
    right_socket: bool,
    channel: OwnedFd,
    reply: PendingReply<'_, Call>,
) -> Result<(), SessionError> {
    if !right_socket {
        return reply.reject("this kind of channel does not come over this socket".to_owned());
    }
    let Some(door) = lock(&shared.runs).get(&hello.run_id).cloned() else {
        return reply.reject("it has no worker for this run; the run has ended there".to_owned());
    };
    reply.accept(shared.welcome(0, None))?;
    let tag = ChannelTag { from: hello.from, kind };
    pass::send_channel(&lock(&door), &tag, channel)
}

impl Shared {
    /// Takes an operator's order; the answer is how much is lent.
    fn obey(&self, order: Order) -> Welcome {
        let total = Spare::open().and_then(|spare| spare.total()).unwrap_or(0);
        let mut quota = lock(&self.quota);
        let mut pool = lock(&self.pool);
        quota.obey(order, total, &mut pool);
        let shortage = pool.balance();
        let [no_room, pinned] = [Progress::NoRoom, Progress::Pinned].map(|why| pool.owed_because(why as u8));
        let loans =
            Loans { most: pool.total(), quota: pool.quota(), lent: pool.lent(), owed: shortage.owed, no_room, pinned };
        drop((pool, quota));
        self.wake_main();
        Welcome { payload: encode(&loans), ..Welcome::default() }
    }

    /// `called_at`: this host's address of the call, if it matters whether rdma can be used there.
    fn welcome(&self, memory_bytes: u64, called_at: Option<IpAddr>) -> Welcome {
        let release = env!("CARGO_PKG_VERSION").to_owned();
        let rdma = match called_at {
            Some(address) => rdma_of_lender(address, memory_bytes),
            None => Err("not asked for".to_owned()),
        };
        let reply = RunReply { release, cpu: self.cpu.clone(), memory_bytes, rdma };
        Welcome { boot_id: self.boot_id.clone(), unix_name: self.unix_name.clone(), payload: encode(&reply) }
    }

    /// Makes the main thread look around.
    pub fn wake_main(&self) {
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// No thread panics while it holds one of these locks: the daemon aborts on panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
