//! Calls that the kernel carries out at home, on the program's own memory.
//!
//! Three steps: what the call will touch is made resident and pinned; the kernel makes the call, and as that may take long, other
//! threads use the house meanwhile; the pins go. A call that never sleeps is made at once.

use eos_pager::page::PageRange;

use super::fence::{fence_off, has_hidden, strays};
use super::transfer::{Progress, Transfer};
use super::{Done, Executor, Next, Trap};
use crate::RunError;
use crate::cluster::nursery;
use crate::config::PeerChoice;
use crate::gateway::{
    Call, Dir, Ranges, is_never_restarted, never_sleeps, only_wakes, own_mask, ranges, requeues, syscall6,
};
use crate::low_fds::RaisedLimit;
use crate::say::say;
use crate::threads::crew::Sleep;
use crate::traps::interruptible::RESTART;

const INTERRUPTED: i64 = -(libc::EINTR as i64);

/// What the kernel is to do while the house is open to other threads.
pub struct Work {
    /// The call as the kernel gets it.
    pub number: u64,
    /// Its arguments.
    pub args: [u64; 6],
    /// The mask that the call itself puts in place while it sleeps: ppoll(2) and its kin.
    pub own_mask: Option<u64>,
    /// What becomes of the thread meanwhile if the others leave.
    pub(crate) sleep: Sleep,
    /// Of a wait that may be broken off: when it ends by home's clock (0: never), if the program has given it a length.
    pub(super) until: i64,
    /// The call as the program made it.
    pub(super) asked: u64,
    /// The rest of a call that is carried out in pieces.
    transfer: Option<Transfer>,
}

impl Work {
    pub(super) fn new(call: &Call, args: [u64; 6]) -> Self {
        let number = u64::from(call.number);
        Self { number, args, own_mask: None, sleep: Sleep::Stays, until: 0, asked: number, transfer: None }
    }

    /// The next piece of `transfer`.
    pub(super) fn piece(asked: u64, transfer: Transfer) -> Self {
        let (number, args) = transfer.next_call();
        Self { number, args, own_mask: None, sleep: Sleep::Stays, until: 0, asked, transfer: Some(transfer) }
    }
}

impl Executor {
    /// A call that the kernel carries out at home, once what it will touch is resident.
    pub(super) fn plain(
        &mut self,
        call: &'static Call,
        mut args: [u64; 6],
        trap: &mut Trap<'_>,
    ) -> Result<Done, RunError> {
        let id = trap.thread.id;
        if self.own_fds.named_by(call.number, &args) {
            return Ok(Done::Result(-i64::from(libc::EBADF)));
        }
        if i64::from(call.number) == libc::SYS_close_range {
            return Ok(Done::Result(self.close_range(call, args)));
        }
        fence_off(call, &mut args);
        let fenced = args;
        if call.self_exe
            && let Some(result) = self.self_exe(call, &mut args, trap)?
        {
            return Ok(Done::Result(result));
        }
        if let Some(result) = self.list_own(call, &args, trap)? {
            return Ok(Done::Result(result));
        }
        if becomes_subreaper(call, &args) && !trap.thread.is_guest() {
            self.open_nursery();
        }
        let mut work = Work::new(call, args);
        let several = self.pager.several_threads || self.governed;
        if self.pager.has_tracked() || several || has_hidden(call) {
            let mut touched = Ranges::new();
            // After a bad address the kernel is asked all the same: it finds it too, or an error that it looks for earlier.
            let listed = self.with_guest(|guest| ranges(call, &args, guest, &mut touched))?;
            // (The path that stands for /proc/self/exe is the runtime's own.)
            if args == fenced && strays(&listed, touched.as_slice()) {
                return Ok(Done::Result(-i64::from(libc::EFAULT)));
            }
            let bytes: u64 = touched.as_slice().iter().map(|range| range.len).sum();
            if bytes > self.piece_bytes() || self.moves_own_memory(call, &args) {
                return self.in_pieces(call, args, id);
            }
            let spans = touched.as_slice().iter().map(|range| (range.addr, range.len, range.dir));
            self.make_resident(spans, id)?;
        }
        if never_sleeps(call) || only_wakes(call, &args) {
            // SAFETY: the class says that the call only touches the program's own memory.
            let result = unsafe { syscall6(work.number, work.args) };
            self.pager.unpin(id);
            if requeues(call, &args) {
                self.crew.hold_sleepers();
            }
            return Ok(Done::Result(result));
        }
        if self.threads > 1 {
            self.how_it_sleeps(call, &mut work, trap)?;
        }
        if let Some(title) = self.home.as_mut().and_then(|home| home.title.as_mut()) {
            title.look();
        }
        work.own_mask = self.with_guest(|guest| own_mask(call, &args, guest))?;
        Ok(Done::Kernel(work))
    }

    /// The program is about to adopt the orphans among its descendants, which must not be the runtime's.
    fn open_nursery(&mut self) {
        let options = self.home.as_ref().map(|home| &home.options);
        if !options.is_some_and(|options| matches!(options.peers, PeerChoice::Local { .. })) {
            return;
        }
        let limit = RaisedLimit::raise();
        if let Err(error) = nursery::open() {
            say(format_args!(
                "the program will find local peers among its children: a process could not be started ({error})"
            ));
        }
        drop(limit);
        self.own_fds.extend(nursery::kept());
    }

    /// Pins ranges for `holder` and makes them resident, for the call that follows.
    pub(super) fn make_resident(
        &mut self,
        touched: impl Iterator<Item = (u64, u64, Dir)>,
        holder: u32,
    ) -> Result<(), RunError> {
        for (addr, len, dir) in touched {
            let range = PageRange::covering(&(addr..addr.saturating_add(len))).intersection(&PageRange::APP);
            self.pager.pin(range, dir.writes(), holder);
            self.pager.ensure(range, dir.writes())?;
        }
        Ok(())
    }

    /// The kernel has answered. The next piece, or the answer for the program.
    pub(super) fn kernel_done(&mut self, mut work: Work, result: i64, trap: &mut Trap<'_>) -> Result<Next, RunError> {
        self.pager.unpin(trap.thread.id);
        let result = match work.transfer.take() {
            None => result,
            Some(transfer) => match transfer.advance(result) {
                Progress::Ended(result) => result,
                Progress::More(transfer) => {
                    self.ready_piece(&transfer, trap.thread.id)?;
                    return Ok(Next::Kernel(Work::piece(work.asked, transfer)));
                }
            },
        };
        if work.sleep == Sleep::Moves && matches!(result, RESTART | INTERRUPTED) && trap.thread.pending.is_empty() {
            return Ok(self.break_off(&work, trap));
        }
        let came_first = result == RESTART && work.own_mask.is_none() && !trap.thread.pending.is_empty();
        let result = if came_first && is_never_restarted(work.asked) { INTERRUPTED } else { result };
        if result == RESTART {
            // The handler first, then the call anew.
            trap.frame.rewind_syscall(work.asked);
            return Ok(Next::Resume);
        }
        if let Some(mask) = work.own_mask
            && !trap.thread.pending.is_empty()
        {
            // The handler runs with the call's mask, and leaves with the one from before.
            trap.thread.signals.saved_mask = Some(trap.thread.signals.mask);
            trap.thread.signals.mask = mask;
        }
        trap.frame.set(libc::REG_RAX, result.cast_unsigned());
        Ok(Next::Resume)
    }
}

/// prctl(`PR_SET_CHILD_SUBREAPER`, 1).
fn becomes_subreaper(call: &Call, args: &[u64; 6]) -> bool {
    i64::from(call.number) == libc::SYS_prctl && args[0] as i32 == libc::PR_SET_CHILD_SUBREAPER && args[1] != 0
}
