//! Comparing clocks, so that the time of a jump can be told although it begins on one machine and ends on another.

use eos_verbs::NodeId;

use super::messages;
use crate::RunError;
use crate::executor::Executor;

/// Exchanges; the one with the shortest round trip counts, as in NTP.
const EXCHANGES: u32 = 8;

/// CLOCK_MONOTONIC in nanoseconds.
pub fn now_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

impl Executor {
    /// At home: measures how far the clock of `node`, which is parked, is ahead, and tells it.
    ///
    /// # Errors
    /// The wire failed.
    pub fn compare_clocks(&mut self, node: NodeId) -> Result<(), RunError> {
        let mut best = (i64::MAX, 0);
        for _ in 0..EXCHANGES {
            let sent = now_ns();
            let link = self.pager.links[node.0 as usize].as_mut().expect("joined");
            link.send(&[&[messages::CLOCK]]).map_err(eos_pager::error::PagerError::from)?;
            let reply = self.pager.wait_reply(node, messages::CLOCK_REPLY)?;
            let theirs = reply.get(1..9).map_or(0, |bytes| i64::from_le_bytes(bytes.try_into().expect("eight bytes")));
            let round_trip = now_ns() - sent;
            if round_trip < best.0 {
                best = (round_trip, theirs - (sent + round_trip / 2));
            }
        }
        let home_ahead = (-best.1).to_le_bytes();
        self.send(node, &[&[messages::CLOCK], &home_ahead])?;
        self.pager.wait_reply(node, messages::CLOCK_REPLY)?;
        Ok(())
    }

    /// The parked side: tells the time, and learns how far home's clock is ahead once home knows.
    pub(super) fn serve_clock(&mut self, from: NodeId, message: &[u8]) -> Result<(), RunError> {
        if let Some(ahead) = message.get(1..9) {
            self.clock_offsets[from.0 as usize] = i64::from_le_bytes(ahead.try_into().expect("eight bytes"));
        }
        self.send(from, &[&[messages::CLOCK_REPLY], &now_ns().to_le_bytes()])
    }
}
