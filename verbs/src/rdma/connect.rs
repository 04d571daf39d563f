//! Bringing a link up over the authenticated control connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::active::Active;
use super::completion::Channel;
use super::control::Control;
use super::error::RdmaError;
use super::inbox::{BUFFERS, Credits, Inbox, PIECE_MAX};
use super::path::{Address, LocalPort, PortChoice};
use super::queue_pair::RdmaQueuePair;
use super::registration::Registration;
use super::remote::Remote;
use super::servant::Servant;
use super::waiter::Waiter;
use crate::connect::Terms;
use crate::error::VerbsError;
use crate::queue_pair::Counters;
use crate::tcp;

/// How long the peer may take for each step: its host may be busy, and its half of the link is tried for 10 s.
const STEP_LIMIT: Duration = Duration::from_secs(30);
/// Most READs under way on one queue pair, where the devices allow more.
const READS_MAX: u8 = 32;

/// What each end tells the other before the queue pairs are joined.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
struct Offer {
    active: Address,
    passive: Address,
    base: U64,
    /// Receive buffers, and bytes of each.
    buffers: U32,
    buffer_len: U32,
    /// READs this end serves at a time, and would like to have under way.
    reads_served: u8,
    reads_wanted: u8,
    zero: [u8; 2],
}

/// Both ends send `ours`, then hear the other's.
fn exchange<T: FromBytes + IntoBytes + Immutable>(mut control: &TcpStream, ours: &T) -> io::Result<T> {
    control.write_all(ours.as_bytes())?;
    let mut theirs = T::new_zeroed();
    control.set_read_timeout(Some(STEP_LIMIT))?;
    match control.read_exact(theirs.as_mut_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
        other => other?,
    }
    control.set_read_timeout(None)?;
    Ok(theirs)
}

pub(crate) fn connect(
    terms: &Terms,
    control: TcpStream,
    choice: Option<PortChoice>,
) -> Result<RdmaQueuePair, VerbsError> {
    let link = |error| VerbsError::link(&terms.peer, "bringing up the RDMA connection", error);
    tcp::prepare(&control).map_err(link)?;
    let theirs = tcp::exchange(&control, terms.announcement()).map_err(link)?;
    let peer_region_len = terms.check(&theirs)?;

    let port = LocalPort::of(&control, choice.clone())?;
    let domain = Arc::clone(&port.domain);
    let registration = Registration::of(&domain, &terms.region)?;
    let channel = Channel::new(&domain)?;
    let credits = Arc::new(Credits::default());
    let mut inbox = Inbox::new(LocalPort::of(&control, choice)?, &channel, &terms.peer, &credits)?;
    let stream = control.try_clone().map_err(link)?;
    let control = Control::new(control);
    let mut active = Active::new(port, &channel, &terms.peer, &control)?;

    let (now, address, psn) = active.make()?;
    let limits = domain.limits();
    let ours = Offer {
        active: address,
        passive: inbox.make()?,
        base: U64::new(terms.region.base() as u64),
        buffers: U32::new(BUFFERS as u32),
        buffer_len: U32::new(PIECE_MAX as u32),
        reads_served: limits.max_qp_rd_atom.min(READS_MAX),
        reads_wanted: limits.max_qp_init_rd_atom.min(READS_MAX),
        zero: [0; 2],
    };
    let theirs = exchange(&stream, &ours).map_err(link)?;
    if (theirs.buffers, theirs.buffer_len, theirs.zero) != (ours.buffers, ours.buffer_len, ours.zero) {
        return Err(VerbsError::protocol(&terms.peer, "it has other receive buffers"));
    }
    let unreachable = || RdmaError::Unreachable { device: domain.name().to_owned(), peer: terms.peer.clone() };
    active.remote = Remote::new(theirs.base.get(), peer_region_len);
    active.reads_max = ours.reads_wanted.min(theirs.reads_served).max(1);
    inbox.join(&theirs.active, ours.reads_served.min(theirs.reads_wanted)).map_err(|_| unreachable())?;
    active.join(&theirs.passive, now, psn).map_err(|_| unreachable())?;
    // from here on the peer may send to us
    exchange(&stream, &ours.zero).map_err(link)?;

    let inbox = Arc::new(Mutex::new(inbox));
    let mut link = RdmaQueuePair {
        _servant: Servant::start(terms.peer.0, &control, &inbox, &registration)?,
        active,
        waiter: Waiter::new(terms.tuning.initiator_spin, &inbox),
        inbox,
        credits,
        sent: 0,
        told: 0,
        peer: terms.peer.clone(),
        peer_region_len,
        counters: Counters::default(),
    };
    link.verify().map_err(|error| match error {
        // the control connection lives, but nothing comes through between the queue pairs
        VerbsError::Disconnected { .. } if !control.is_gone() => unreachable().into(),
        VerbsError::Rdma(RdmaError::Blocked { .. }) => unreachable().into(),
        other => other,
    })?;
    // a link that works one way only is none; the end that finds out drops it
    match control.agree(Instant::now() + STEP_LIMIT) {
        true => Ok(link),
        false if control.is_gone() => Err(VerbsError::Disconnected { peer: terms.peer.clone() }),
        false => Err(unreachable().into()),
    }
}
