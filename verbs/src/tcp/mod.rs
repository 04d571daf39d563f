//! Links over three TCP connections: messages, and one for the one-sided operations of each direction, which a responder
//! thread at the other end serves.
//!
//! A READ is one request and one response. Those that are read ahead are requested at once and taken off the socket when somebody
//! waits for them, or for something that comes after them. WRITEs are streamed without waiting; a fence tells when they are placed.
//! Where whoever decides says so ([`PackRule`](crate::packing::PackRule)), data is compressed: both ends always can.
//! A link that hears nothing for 10 s (TCP_USER_TIMEOUT, with keepalive probes every second) counts as dead; so does one
//! whose peer takes nothing from a full socket for 10 s.
//!
//! # Measured
//! `cargo run --release -p eos-verbs --example ping`, loopback, two processes, the 2-core development VM, a spin limit of 100 us;
//! p50 in us. *Bare* is a request of 32 bytes and a response of 4 KiB on a plain socket, in the better of two ways.
//!
//! | | both ends on one CPU | on two CPUs |
//! |---|---|---|
//! | bare, blocking | 13.8 | 40 to 65 |
//! | bare, polling and yielding | 13.9 | 8.4 to 9.4 |
//! | read of 4 KiB (each from another page of 64 MiB) | 15.4 (1.12 times bare) | 9.1 to 10.9 (1.08 to 1.2 times) |
//! | read of 4 KiB, 300 us after the last | 16.5 | 33 to 41; with a spin limit of 400 us 12.2 |
//! | a page of a list of 64 reads | 2.0 to 2.6 | 1.5 |
//! | a page of 64 writes and a flush | 2.2 (5.2 without MSG_MORE) | 2.0 |
//! | message of 64 bytes, one way | 7.4 | 4.2 |
//!
//! The read on two CPUs has two modes: of the last 8 runs 5 gave 9.1 to 10.0 and 3 gave 15 (1.75 times bare). Bare polling
//! shows the slow mode too (14), but more rarely. The cause is not known; other work ran on the machine.
//! Without any spin a read on two CPUs takes 60: waking the other CPU twice. Spinning always yields, so that it does no harm on
//! one CPU; and after a yield that took 1 ms or more it stops for 50 ms, since somebody else computes on this CPU: with a busy
//! loop on the CPU of the initiator a read on two CPUs takes 21 to 34 (4000 for bare polling), on one CPU 17.
//! Hence the limits: 100 us for the initiator (a response over Gigabit Ethernet takes 35 to 60), 200 us for responders and
//! mailboxes, whose CPU has nothing else to do.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use zerocopy::{FromZeros, IntoBytes};

use crate::connect::{Announcement, CONNECT_LIMIT, Terms};
use crate::error::VerbsError;
use crate::poll::Spinner;
use crate::queue_pair::{Counters, TRANSFER_MAX};
use crate::tuning::Tuning;

mod ahead;
mod block;
mod bounce;
mod carried;
mod frame;
mod messages;
mod packed;
mod packed_service;
mod packs;
mod queue_pair;
mod requests;
mod responder;
mod socket;

pub use queue_pair::TcpQueuePair;

/// How long sent bytes may stay unacknowledged before the peer counts as dead.
const DEAD_AFTER: Duration = Duration::from_secs(10);
/// How long a connection is idle before it is probed, and between probes.
const PROBE_EVERY: Duration = Duration::from_secs(1);

pub(crate) fn connect(
    terms: &Terms,
    msg: TcpStream,
    forward: TcpStream,
    back: TcpStream,
) -> Result<TcpQueuePair, VerbsError> {
    for stream in [&msg, &forward, &back] {
        prepare(stream).map_err(|error| VerbsError::link(&terms.peer, "setting socket options", error))?;
    }
    let ours = terms.announcement();
    let theirs =
        exchange(&msg, ours).map_err(|error| VerbsError::link(&terms.peer, "exchanging region lengths", error))?;
    let peer_region_len = terms.check(&theirs)?;
    let (data, served) = if terms.initiator { (forward, back) } else { (back, forward) };
    let region = Arc::clone(&terms.region);
    let same_host = is_to_this_host(&data);
    let shares_cpu = same_host && ours.shares_cpu(&theirs);
    let tuning = if shares_cpu { Tuning::SLEEP } else { terms.tuning };
    Ok(TcpQueuePair {
        _responder: responder::Responder::start(terms.peer.0, served, region, tuning.responder_spin)?,
        peer: terms.peer.clone(),
        peer_region_len,
        data,
        messages: messages::Messages::new(msg),
        bounce: bounce::Bounce::new(TRANSFER_MAX)?,
        ahead: ahead::Ahead::new(),
        ahead_bytes: bounce::Bounce::new(ahead::AHEAD_BYTES)?,
        spinner: Spinner::new(tuning.initiator_spin),
        counters: Counters::default(),
        same_host,
        shares_cpu,
        packs: None,
        block: Box::default(),
        unflushed: false,
    })
}

fn is_to_this_host(stream: &TcpStream) -> bool {
    matches!((stream.local_addr(), stream.peer_addr()), (Ok(ours), Ok(theirs)) if ours.ip() == theirs.ip())
}

/// Options of every stream of a link: small packets at once, and a dead peer noticed within 10 s.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    let socket = stream.as_fd();
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_tcp_user_timeout(socket, DEAD_AFTER.as_millis() as u32)?;
    sockopt::set_tcp_keepidle(socket, PROBE_EVERY)?;
    sockopt::set_tcp_keepintvl(socket, PROBE_EVERY)?;
    sockopt::set_tcp_keepcnt(socket, 10)?;
    sockopt::set_socket_keepalive(socket, true)?;
    Ok(())
}

/// Both ends announce themselves on the message socket, then hear the other.
pub(crate) fn exchange(mut msg: &TcpStream, ours: Announcement) -> io::Result<Announcement> {
    msg.write_all(ours.as_bytes())?;
    let mut theirs = Announcement::new_zeroed();
    msg.set_read_timeout(Some(CONNECT_LIMIT))?;
    match msg.read_exact(theirs.as_mut_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(io::ErrorKind::TimedOut.into());
        }
        other => other?,
    }
    msg.set_read_timeout(None)?;
    Ok(theirs)
}
