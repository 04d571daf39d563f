//! The other end of the message benchmarks: a process that answers, and how to start one.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use clap::{Args, ValueEnum};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::cpu;
use super::ring::Ring;
use super::wire::{self, PAGE_BYTES, Terms, Waiting, Wire};
use crate::random::SplitMix64;

/// What standard input is, when a peer is started by the benchmark itself.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Inherited {
    /// One end of a socket pair.
    Socket,
    /// The memory file of a ring.
    Ring,
}

/// Command line of `eos-bench peer`.
#[derive(Args, Debug)]
pub struct PeerOptions {
    /// Address to listen on, for example 10.77.0.2:7472; prints `listening on ADDRESS`, serves until killed
    #[arg(long, required_unless_present = "inherited")]
    pub listen: Option<String>,
    /// Serve what standard input is, then end (used by `eos-bench micro` itself)
    #[arg(long, value_enum, hide = true)]
    pub inherited: Option<Inherited>,
    /// How to wait on an inherited ring
    #[arg(long, value_enum, default_value = "blocking", hide = true)]
    pub waiting: Waiting,
    /// CPU for an inherited ring
    #[arg(long, hide = true)]
    pub cpu: Option<usize>,
}

/// Runs a peer.
///
/// # Errors
/// Those of the sockets; a client that leaves is none.
pub fn serve(options: &PeerOptions) -> io::Result<()> {
    match (options.inherited, &options.listen) {
        (Some(kind), _) => serve_inherited(kind, options),
        (None, Some(address)) => serve_tcp(address),
        (None, None) => Ok(()),
    }
}

fn serve_inherited(kind: Inherited, options: &PeerOptions) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let input: OwnedFd = rustix::io::dup(rustix::stdio::stdin())?;
    match kind {
        Inherited::Socket => converse(UnixStream::from(input)),
        Inherited::Ring => {
            cpu::pin(options.cpu.as_slice());
            Ring::new(input, options.waiting, false)?.answer()
        }
    }
}

fn serve_tcp(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    io::stdout().flush()?;
    let allowed = cpu::allowed();
    loop {
        let (stream, _) = listener.accept()?;
        if let Err(error) = converse(stream) {
            eprintln!("eos-bench peer: a conversation broke off: {error}");
        }
        cpu::pin(&allowed);
    }
}

/// Answers one client until it closes its end.
fn converse(mut wire: impl Wire) -> io::Result<()> {
    let terms = Terms::receive(&mut wire)?;
    cpu::pin(terms.peer_cpu.as_slice());
    wire.set_polling(terms.waiting == Waiting::Polling)?;
    let (mut request, answer) = (vec![0; terms.request_bytes], vec![0xa5; terms.answer_bytes]);
    let store = vec![0x5a; terms.store_pages * PAGE_BYTES];
    let mut random = SplitMix64::new(1, 0);
    loop {
        match wire::receive(&mut wire, &mut request) {
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                return Ok(());
            }
            outcome => outcome?,
        }
        let page = if store.is_empty() { 0 } else { random.below(terms.store_pages as u64) as usize * PAGE_BYTES };
        wire::send(&mut wire, store.get(page..page + PAGE_BYTES).unwrap_or(&answer))?;
    }
}

/// A peer process of our own, ended with its owner.
#[derive(Debug)]
pub struct LocalPeer {
    child: Child,
    /// Where it listens, if it does.
    pub address: String,
}

impl LocalPeer {
    /// Starts a peer that listens on a free loopback port.
    ///
    /// # Errors
    /// The process does not start or does not listen.
    pub fn listening() -> io::Result<Self> {
        let mut command = Self::command()?;
        let mut child = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut peer = Self { child, address: String::new() };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        peer.address = line.trim().strip_prefix("listening on ").ok_or(io::ErrorKind::UnexpectedEof)?.to_owned();
        Ok(peer)
    }

    /// Starts a peer on the other end of a socket pair.
    ///
    /// # Errors
    /// The process does not start.
    pub fn on_socket_pair() -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Self::command()?.args(["--inherited", "socket"]).stdin(OwnedFd::from(theirs)).spawn()?;
        Ok((Self { child, address: String::new() }, ours))
    }

    /// Starts a peer on the other end of a ring.
    ///
    /// # Errors
    /// The process does not start.
    pub fn on_ring(waiting: Waiting, peer_cpu: usize) -> io::Result<(Self, Ring)> {
        let file = Ring::file()?;
        let ring = Ring::new(&file, waiting, true)?;
        let mut command = Self::command()?;
        command.args(["--inherited", "ring", "--waiting", &waiting.to_string(), "--cpu", &peer_cpu.to_string()]);
        Ok((Self { child: command.stdin(file).spawn()?, address: String::new() }, ring))
    }

    /// Connects to a peer that listens.
    ///
    /// # Errors
    /// Those of connecting.
    pub fn connect(&self) -> io::Result<TcpStream> {
        TcpStream::connect(&self.address)
    }

    fn command() -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("peer");
        Ok(command)
    }
}

impl Drop for LocalPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
