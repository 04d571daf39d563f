//! Leaving: the program's state becomes one message.

use std::time::Duration;

use eos_pager::error::PagerError;
use eos_pager::handover::Handover;
use eos_pager::page::{PAGE_SIZE, PageRange};
use eos_verbs::NodeId;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, IntoBytes};

use super::messages::{self, JumpHeader};
use super::now_ns;
use crate::RunError;
use crate::executor::{Arrival, Executor, Trap};
use crate::memory::Brk;
use crate::traps::block::{read_gs, write_gs};

/// Bytes around the stack pointer whose pages go along: what the next calls push, and the frames in use.
const HOT_BELOW: u64 = 512;
const HOT_ABOVE: u64 = 2 * PAGE_SIZE - HOT_BELOW;

impl Executor {
    /// Moves execution to `target` and serves as a parked node until execution comes back, which is when this returns.
    ///
    /// # Errors
    /// A wire failed, or a message made no sense; the run must end.
    pub(crate) fn jump(&mut self, target: NodeId, trap: &mut Trap<'_>) -> Result<(), RunError> {
        let sent_at = now_ns();
        let mut pages = std::mem::take(&mut self.hot_bytes);
        pages.clear();
        let handover = self.pager.hand_over(target, hot_pages(trap.frame.rsp()), &mut pages)?;
        let mut outbox = std::mem::take(&mut self.outbox);
        outbox.clear();
        handover.encode(&mut outbox).map_err(|_| RunError::Internal("a jump could not be encoded"))?;
        let handover_bytes = outbox.len();
        trap.frame.pack(&mut outbox);
        let stay = Duration::from_nanos(sent_at.abs_diff(self.arrival.at));
        let pulling = self.pager.pull_time - self.arrival.pull_time;
        self.threshold.on_leave(stay.as_micros() as u64, pulling.as_micros() as u64);
        let header = JumpHeader {
            sent_at: (sent_at + self.clock_offsets[NodeId::HOME.0 as usize]).into(),
            fs: (*trap.app_fs).into(),
            gs: read_gs().into(),
            app_mask: self.thread.mask.into(),
            brk: [self.brk.start, self.brk.end].map(Into::into),
            events: self.events.into(),
            threshold: self.threshold.raised().into(),
            handover_bytes: (handover_bytes as u32).into(),
            context_bytes: ((outbox.len() - handover_bytes) as u32).into(),
        };
        let link = self.pager.links[target.0 as usize].as_mut().expect("jumps go to joined nodes");
        let sent = link.send(&[&[messages::JUMP], header.as_bytes(), &outbox, &pages]);
        sent.map_err(PagerError::from)?;
        self.tally.jumps += 1;
        self.hot_bytes = pages;
        self.outbox = outbox;
        self.await_execution(trap)
    }

    /// Takes over what a JUMP message brings. The trap's frame is what the program goes on from.
    ///
    /// # Errors
    /// The message makes no sense, or cannot be followed here.
    pub(super) fn arrive(&mut self, from: NodeId, message: &[u8], trap: &mut Trap<'_>) -> Result<(), RunError> {
        let nonsense = || RunError::Internal("a jump message is cut short; all nodes must run the same version");
        let (header, rest) = JumpHeader::ref_from_prefix(&message[1..]).map_err(|_| nonsense())?;
        let (handover, rest) = rest.split_at_checked(header.handover_bytes.get() as usize).ok_or_else(nonsense)?;
        let (context, pages) = rest.split_at_checked(header.context_bytes.get() as usize).ok_or_else(nonsense)?;
        let handover = Handover::decode(handover).map_err(|_| nonsense())?;
        self.pager.take_over(from, handover, pages)?;
        trap.frame.unpack(context)?;
        *trap.app_fs = header.fs.get();
        write_gs(header.gs.get());
        self.thread.mask = header.app_mask.get();
        let [start, end] = header.brk.map(U64::get);
        self.brk = Brk { start, end };
        self.events = header.events.get();
        self.arrival = Arrival { at: now_ns(), pull_time: self.pager.pull_time, ..Arrival::default() };
        self.threshold.on_jump();
        self.threshold.set_raised(header.threshold.get());
        if self.at_home() {
            trap.frame.set_signal_mask(crate::executor::signals::kernel_mask(self.thread.mask));
        }
        let home_time = now_ns() + self.clock_offsets[NodeId::HOME.0 as usize];
        let took = u64::try_from(home_time - header.sent_at.get()).unwrap_or(0);
        self.tally.jump_latency.record(std::time::Duration::from_nanos(took));
        Ok(())
    }
}

/// The pages around the stack pointer.
fn hot_pages(rsp: u64) -> PageRange {
    let hot = rsp.saturating_sub(HOT_BELOW)..rsp.saturating_add(HOT_ABOVE);
    PageRange::covering(&hot).intersection(&PageRange::APP)
}
