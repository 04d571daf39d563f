//! Comparing clocks, so that the program can be told home's time on a peer, and how long a jump takes.

use eos_pager::error::PagerError;
use eos_pager::pager::Pager;
use eos_verbs::NodeId;
use zerocopy::{FromBytes, IntoBytes};

use super::messages::{self, WireReadings};
use crate::RunError;
use crate::clock_page::{self, Readings};
use crate::executor::Executor;

/// Exchanges; the one with the shortest round trip counts, as in NTP.
const EXCHANGES: u32 = 8;

/// CLOCK_MONOTONIC in nanoseconds.
pub fn now_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// At home: measures how far the clocks of `node`, which is parked, are behind, and tells it.
///
/// # Errors
/// The wire failed.
pub fn compare_clocks(pager: &mut Pager, node: NodeId) -> Result<(), PagerError> {
    let mut best = (i64::MAX, Readings::default());
    for _ in 0..EXCHANGES {
        let before = Readings::of_kernel();
        ask(pager, node, &[&[messages::CLOCK]])?;
        let reply = pager.wait_reply(node, messages::CLOCK_REPLY)?;
        let theirs = WireReadings::read_from_prefix(&reply[1..]).ok();
        let after = Readings::of_kernel();
        let round_trip = after.monotonic() - before.monotonic();
        if let Some((theirs, _)) = theirs.filter(|_| round_trip < best.0) {
            best = (round_trip, Readings::ahead_of(&theirs.into(), &before, &after));
        }
    }
    ask(pager, node, &[&[messages::CLOCK], WireReadings::from(best.1).as_bytes()])?;
    pager.wait_reply(node, messages::CLOCK_REPLY)?;
    Ok(())
}

fn ask(pager: &mut Pager, node: NodeId, parts: &[&[u8]]) -> Result<(), PagerError> {
    let link = pager.links[node.index()].as_mut().expect("only joined nodes are spoken to");
    Ok(link.send(parts)?)
}

impl Executor {
    /// The parked side: tells the time, and learns how far home's clocks are ahead once home knows.
    pub(super) fn serve_clock(&mut self, from: NodeId, message: &[u8]) -> Result<(), RunError> {
        if let Ok((ahead, _)) = WireReadings::read_from_prefix(&message[1..]) {
            let ahead = Readings::from(ahead);
            self.clock_offsets[from.0 as usize] = ahead.monotonic();
            clock_page::set_offsets(&ahead);
        }
        let now = WireReadings::from(Readings::of_kernel());
        self.send(from, &[&[messages::CLOCK_REPLY], now.as_bytes()])
    }
}
