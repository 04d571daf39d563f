//! `eos-rdma serve`: the daemon on a peer. It keeps the door, and starts one worker process for
//! each run; what a run does and holds vanishes with its worker.
//!
//! The main thread alone starts and buries workers. It never waits for a caller: that is done by
//! one short-lived thread a call, of which there are at most [`CALLS_MAX`].

use crate::cluster::admit::{Call, Shared, StartRequest, admit, lock};
use crate::cluster::cpu::CpuFeatures;
use crate::cluster::host::{boot_id, hex, random};
use crate::cluster::lease::LeasePool;
use crate::cluster::quota::Quota;
use crate::cluster::signal_set::{ignore_sigpipe, next_signal, signal_fd};
use crate::cluster::workers::Workers;
use crate::low_fds::fill_standard;
use crate::say::say;
use crate::size::Size;
use eos_verbs::session::ClusterKey;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Calls that are dealt with at the same time; more wait in the kernel's queue.
pub const CALLS_MAX: usize = 64;

/// Between two looks at what the workers hold, and what the machine can spare.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

const CALL_STACK_BYTES: usize = 512 << 10;

/// Options of the daemon.
#[derive(Debug)]
pub struct ServeOptions {
    /// Where to listen; port 0 lets the kernel choose.
    pub listen: SocketAddr,
    /// Bytes of memory to offer, at most.
    pub memory_bytes: u64,
    /// Bytes that this machine is left with: then less is offered, and lent memory asked back, while there is less. None: what is offered
    /// does not follow the machine.
    pub keep_free: Option<u64>,
    /// The cluster's key; [`ClusterKey::OPEN`] if there is none, then only on loopback.
    pub key: ClusterKey,
    /// Executable of the workers; `None`: this process's own.
    pub worker_exe: Option<PathBuf>,
}

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Other hosts could call, and anybody could start programs.
    #[error(
        "without a key serve listens on loopback only, not on {0}; make a key with \"eos-rdma key new FILE\", copy it to every host and give --key FILE"
    )]
    NeedsKey(SocketAddr),
    /// The address is taken or not ours.
    #[error(
        "cannot listen on {listen}: {source}; see whether another daemon runs there, or choose another address with --listen"
    )]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// This host is short of something.
    #[error("cannot {what}: {source}")]
    Local {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Serves until SIGTERM or SIGINT, then ends all workers and returns. Call it on the main thread:
/// workers die with the thread that started them.
pub fn serve(options: ServeOptions) -> Result<(), ServeError> {
    if options.key.is_open() && !options.listen.ip().is_loopback() {
        return Err(ServeError::NeedsKey(options.listen));
    }
    let _ = fill_standard();
    ignore_sigpipe();
    let mut daemon = Daemon::start(options)?;
    daemon.announce();
    daemon.work()
}

/// State of the main thread.
struct Daemon {
    address: SocketAddr,
    tcp: TcpListener,
    unix: Option<UnixListener>,
    signals: OwnedFd,
    starts: mpsc::Receiver<StartRequest>,
    calls: Arc<AtomicUsize>,
    shared: Arc<Shared>,
    workers: Workers,
}

fn local(what: &'static str) -> impl FnOnce(io::Error) -> ServeError {
    move |source| ServeError::Local { what, source }
}

impl Daemon {
    fn start(options: ServeOptions) -> Result<Daemon, ServeError> {
        let listen = options.listen;
        let trouble = |source| ServeError::Listen { listen, source };
        let tcp = TcpListener::bind(listen).map_err(trouble)?;
        tcp.set_nonblocking(true).map_err(trouble)?;
        let address = tcp.local_addr().map_err(trouble)?;
        // blocked before any other thread exists, so that all of them inherit it
        let signals = signal_fd(&[libc::SIGTERM, libc::SIGINT, libc::SIGCHLD]);
        let signals = signals.map_err(local("wait for signals"))?;
        let (unix, unix_name) = match listen_abstract(address.port()) {
            Ok((listener, name)) => (Some(listener), Some(name)),
            Err(_) => (None, None),
        };
        let (sender, starts) = mpsc::channel();
        let pool = LeasePool::new(options.memory_bytes);
        let quota = Quota::new(options.memory_bytes, options.keep_free);
        let quota = quota.map_err(local("find out what memory this machine can spare"))?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = rustix::event::eventfd(0, flags).map_err(io::Error::from);
        let shared = Shared {
            key: options.key,
            boot_id: boot_id(),
            unix_name,
            cpu: CpuFeatures::here(),
            pool: Mutex::new(pool.map_err(local("make the memory pool"))?),
            quota: Mutex::new(quota),
            runs: Mutex::new(HashMap::new()),
            starts: Mutex::new(sender),
            wake: wake.map_err(local("make an event descriptor"))?,
        };
        Ok(Daemon {
            address,
            tcp,
            unix,
            signals,
            starts,
            calls: Arc::new(AtomicUsize::new(0)),
            shared: Arc::new(shared),
            workers: Workers::new(options.worker_exe),
        })
    }

    fn announce(&self) {
        let total = Size(lock(&self.shared.pool).total());
        match lock(&self.shared.quota).follows() {
            true => {
                say(format_args!("serving up to {total}, as far as this machine can spare it, on {}", self.address))
            }
            false => say(format_args!("serving {total} on {}", self.address)),
        }
        if self.shared.key.is_open() {
            say(format_args!(
                "without a key only programs on this host can call; \
                 \"eos-rdma key new FILE\" makes one"
            ));
        }
    }

    fn work(&mut self) -> Result<(), ServeError> {
        loop {
            self.wait()?;
            while let Some(signal) = next_signal(&self.signals) {
                if signal != libc::SIGCHLD {
                    self.workers.end_all();
                    return Ok(());
                }
            }
            self.workers.bury_dead(&self.shared);
            self.workers.note_returns(&self.shared);
            lock(&self.shared.quota).look(&mut lock(&self.shared.pool));
            self.workers.note_debts(&self.shared);
            let _ = rustix::io::read(&self.shared.wake, &mut [0u8; 8]);
            while let Ok(start) = self.starts.try_recv() {
                self.workers.start_run(&self.shared, start);
            }
            self.take_calls();
        }
    }

    /// Sleeps until there is something to do. Listeners do not count while all places are taken.
    fn wait(&self) -> Result<(), ServeError> {
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN), PollFd::new(&self.shared.wake, PollFlags::IN)];
        if self.has_place() {
            fds.push(PollFd::new(&self.tcp, PollFlags::IN));
            fds.extend(self.unix.iter().map(|unix| PollFd::new(unix, PollFlags::IN)));
        }
        let looks = self.workers.any() || lock(&self.shared.quota).follows();
        let look = looks.then_some(LOOK);
        match rustix::event::poll(&mut fds, look.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(local("wait for calls")(errno.into())),
        }
    }

    fn has_place(&self) -> bool {
        self.calls.load(Ordering::Acquire) < CALLS_MAX
    }

    fn take_calls(&self) {
        while self.has_place() {
            let tcp = self.tcp.accept().map(|(stream, _)| Call::Tcp(stream));
            let next = tcp.or_else(|error| match (&self.unix, error.kind()) {
                (Some(unix), io::ErrorKind::WouldBlock) => unix.accept().map(|(stream, _)| Call::Unix(stream)),
                _ => Err(error),
            });
            match next {
                Ok(call) => self.spawn_call(call),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    say(format_args!("cannot take a call: {error}"));
                    // the call stays in the queue: out of descriptors, most likely
                    thread::sleep(Duration::from_millis(50));
                    return;
                }
            }
        }
    }

    fn spawn_call(&self, call: Call) {
        let shared = Arc::clone(&self.shared);
        let calls = Arc::clone(&self.calls);
        calls.fetch_add(1, Ordering::AcqRel);
        let body = move || {
            admit(call, &shared);
            calls.fetch_sub(1, Ordering::AcqRel);
            shared.wake_main();
        };
        let thread = thread::Builder::new().stack_size(CALL_STACK_BYTES);
        if let Err(error) = thread.spawn(body) {
            self.calls.fetch_sub(1, Ordering::AcqRel);
            say(format_args!("cannot take a call: {error}"));
        }
    }
}

/// An abstract unix socket whose name nobody else can have taken.
fn listen_abstract(port: u16) -> io::Result<(UnixListener, String)> {
    let name = format!("eos-rdma-{port}-{}", hex(&random::<8>()?));
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name)?;
    let listener = UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    Ok((listener, name))
}
