//! Leaving: the program's state becomes one message.

use eos_pager::error::PagerError;
use eos_pager::handover::Handover;
use eos_pager::page::{PAGE_SIZE, PageRange};
use eos_policy::adaptive::Luggage;
use eos_verbs::NodeId;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, IntoBytes};

use super::messages::{self, JumpHeader, Party};
use super::now_ns;
use crate::RunError;
use crate::clock_page;
use crate::executor::{Arrival, Executor, Trap};
use crate::memory::Brk;
use crate::threads::Hosted;
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
        self.record_all()?;
        let sent_at = now_ns();
        let mut pages = std::mem::take(&mut self.hot_bytes);
        pages.clear();
        let handover = self.pager.hand_over(target, hot_pages(trap.frame.rsp()), &mut pages)?;
        let mut outbox = std::mem::take(&mut self.outbox);
        outbox.clear();
        handover.encode(&mut outbox).map_err(|_| RunError::Internal("a jump could not be encoded"))?;
        let handover_bytes = outbox.len();
        trap.frame.pack(&mut outbox);
        let context_bytes = outbox.len() - handover_bytes;
        self.pack_party(trap.thread, &mut outbox)?;
        let party_bytes = outbox.len() - handover_bytes - context_bytes;
        let luggage = self.leave_with_advice().to_words();
        let header = JumpHeader {
            sent_at: (sent_at + self.clock_offsets[NodeId::HOME.0 as usize]).into(),
            clocks: clock_page::readings().into(),
            fs: (*trap.app_fs).into(),
            gs: read_gs().into(),
            app_mask: trap.thread.signals.mask.into(),
            brk: [self.brk.start, self.brk.end].map(Into::into),
            events: self.events.into(),
            recalls: self.recalls_answered(trap.thread).into(),
            thread: trap.thread.number.into(),
            luggage: luggage.map(Into::into),
            handover_bytes: (handover_bytes as u32).into(),
            context_bytes: (context_bytes as u32).into(),
            party_bytes: (party_bytes as u32).into(),
        };
        let link = self.pager.links[target.0 as usize].as_mut().expect("jumps go to joined nodes");
        let sent = link.send(&[&[messages::JUMP], header.as_bytes(), &outbox, &pages]);
        sent.map_err(PagerError::from)?;
        self.tally.jumps += 1;
        self.hot_bytes = pages;
        self.outbox = outbox;
        self.await_execution(trap)
    }

    fn recalls_answered(&self, thread: &Hosted) -> u64 {
        match self.at_home() {
            true if self.threads > 1 => self.said_at_departure,
            true => thread.house.recall.said(),
            false => self.recalls_answered,
        }
    }

    /// Takes over what a JUMP message brings. The trap's frame is what the program goes on from.
    ///
    /// # Errors
    /// The message makes no sense, or cannot be followed here.
    pub(super) fn arrive(&mut self, from: NodeId, message: &[u8], trap: &mut Trap<'_>) -> Result<(), RunError> {
        let nonsense = || RunError::Internal("a jump message is cut short; all nodes must run the same version");
        let (header, rest) = JumpHeader::ref_from_prefix(&message[1..]).map_err(|_| nonsense())?;
        let (handover, rest) = rest.split_at_checked(header.handover_bytes.get() as usize).ok_or_else(nonsense)?;
        let (context, rest) = rest.split_at_checked(header.context_bytes.get() as usize).ok_or_else(nonsense)?;
        let (party, pages) = rest.split_at_checked(header.party_bytes.get() as usize).ok_or_else(nonsense)?;
        let party = Party::decode(party).map_err(|_| nonsense())?;
        let handover = Handover::decode(handover).map_err(|_| nonsense())?;
        self.pager.take_over(from, handover, pages)?;
        let told = header.clocks.into();
        if from == NodeId::HOME {
            clock_page::heard_from_home(&told);
        }
        clock_page::execution_arrives(&told);
        match party {
            None => {
                self.alone(header.thread.get(), trap);
                trap.frame.unpack(context)?;
                *trap.app_fs = header.fs.get();
                write_gs(header.gs.get());
                trap.thread.signals.mask = header.app_mask.get();
            }
            Some(party) => self.arrive_together(header, context, party, trap)?,
        }
        let [start, end] = header.brk.map(U64::get);
        self.brk = Brk { start, end };
        self.events = header.events.get();
        self.recalls_answered = header.recalls.get();
        self.arrival = Arrival::default();
        self.forget_to_leave();
        if self.at_home() {
            trap.frame.set_signal_mask(crate::executor::signals::kernel_mask(trap.thread.signals.mask));
        }
        let home_time = now_ns() + self.clock_offsets[NodeId::HOME.0 as usize];
        let took = u64::try_from(home_time - header.sent_at.get()).unwrap_or(0);
        self.arrive_with_advice(Luggage::from_words(header.luggage.map(U64::get)), took);
        self.tally.jump_latency.record(std::time::Duration::from_nanos(took));
        if let Some(witness) = &mut self.pager.witness {
            witness.home_ahead_ns = self.clock_offsets[NodeId::HOME.0 as usize];
            witness.arrived(from, took);
        }
        Ok(())
    }
}

/// The pages around the stack pointer.
fn hot_pages(rsp: u64) -> PageRange {
    let hot = rsp.saturating_sub(HOT_BELOW)..rsp.saturating_add(HOT_ABOVE);
    PageRange::covering(&hot).intersection(&PageRange::APP)
}
