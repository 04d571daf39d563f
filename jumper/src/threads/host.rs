//! Hosting: a thread of the runtime becomes a thread of the program, and itself again.
//!
//! The way in: the hosting thread raises a signal for itself, whose frame is overwritten with the registers that the
//! program wants; returning from the handler enters the program. What the frame held is kept. The way back, when the program's
//! thread has called exit(2): that is put into the frame of this last trap, and the hosting thread goes on after its `raise`
//! and ends as any other, so that its stack and its thread-local storage go too.
//!
//! # Safety
//!
//! The state that a hosting thread's block points to is freed by this thread itself, when it has left its last trap and
//! the block is no signal stack any more.

use std::io;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};

use super::crew::Order;
use super::{BrokenWait, Hosted};
use crate::cluster::signal_set::{SignalsBlocked, block_for_good};
use crate::executor::House;
use crate::executor::signals::kernel_mask;
use crate::traps::block::write_gs;
use crate::traps::context::{ContextError, Frame};
use crate::traps::{self, bit};

/// Stack of a hosting thread in bytes. Traps run on the block.
const STACK_BYTES: usize = 128 << 10;

/// How a new thread enters the program.
pub(crate) struct Start {
    /// General registers and XSAVE state, as [`Frame::pack`] writes them.
    pub registers: Vec<u8>,
    pub fs: u64,
    pub gs: u64,
    /// Blocked signals.
    pub mask: u64,
    pub clear_child_tid: u64,
    /// On a peer: the program's thread that it hosts, and the wait of it that was broken off.
    pub hosts: Option<(u32, BrokenWait)>,
}

/// The way into the program, and back.
pub(super) enum Passage {
    Waiting(Start),
    Inside { way_back: Vec<u8>, mask: u64 },
}

/// What is known of a thread that has started: its number, and where it takes orders.
pub(crate) type Started = (u32, Sender<Order>);

/// Starts a thread that enters the program as `start` says, once the house is open.
pub(crate) fn spawn(house: &'static House, start: Start) -> io::Result<Started> {
    let (report, reported) = sync_channel(1);
    // The new thread inherits this: no signal finds it before it can take one.
    let _blocked = SignalsBlocked::all()?;
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || host(house, start, &report))?;
    reported.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

fn host(house: &'static House, start: Start, report: &SyncSender<io::Result<Started>>) {
    // Before anybody knows the thread's number and can send it a signal: the program decides which of them it takes.
    block_for_good();
    let hosted = Hosted::starting(house, start);
    let started = (hosted.id, hosted.orders());
    let hosted = Box::into_raw(Box::new(hosted));
    let ready = traps::attach(hosted).and_then(|block| traps::dispatch_system_calls().map(|()| block));
    match ready {
        Ok(block) => {
            let _ = report.send(Ok(started));
            raise_first_trap();
            traps::detach(block);
        }
        Err(error) => {
            let _ = report.send(Err(error));
        }
    }
    // SAFETY: made above; no trap of this thread can come any more, and no other thread knows of it.
    drop(unsafe { Box::from_raw(hosted) });
}

/// Enters the program by a signal. Returns when the program's thread has ended.
pub(crate) fn raise_first_trap() {
    // This one alone: a stop (SIGBUS) that came at the same time would have a frame below the one that is overwritten, and the way back
    // would lead into that, when it is long gone. It waits until the program runs.
    let first = bit(libc::SIGSYS);
    // SAFETY: raises a signal for this thread, and unblocks it; its handler is in place.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        (&raw mut set).cast::<u64>().write(first);
        // Not raise(3): a guest has its parent's thread-local storage, with the parent's numbers in it.
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::syscall(libc::SYS_gettid), libc::SIGSYS);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
    }
}

impl Hosted {
    /// In the first trap of a hosting thread: makes the frame lead into the program. False in any other trap.
    ///
    /// # Errors
    /// The registers cannot be loaded: memory of the runtime was overwritten.
    pub(crate) fn enter_program(&mut self, frame: &mut Frame<'_>, app_fs: &mut u64) -> Result<bool, ContextError> {
        let Some(Passage::Waiting(start)) = &mut self.passage else {
            return Ok(false);
        };
        let mut way_back = Vec::with_capacity(start.registers.capacity());
        frame.pack(&mut way_back);
        let mask = frame.signal_mask();
        frame.unpack(&start.registers)?;
        frame.set_signal_mask(kernel_mask(start.mask));
        *app_fs = start.fs;
        write_gs(start.gs);
        self.passage = Some(Passage::Inside { way_back, mask });
        Ok(true)
    }

    /// Makes the frame of the program's last trap lead back to the hosting thread. False for the program's first thread,
    /// which has nowhere to go.
    ///
    /// # Errors
    /// As [`Hosted::enter_program`].
    pub(super) fn leave_program(&mut self, frame: &mut Frame<'_>) -> Result<bool, ContextError> {
        let Some(Passage::Inside { way_back, mask }) = &self.passage else {
            return Ok(false);
        };
        frame.unpack(way_back)?;
        frame.set_signal_mask(*mask);
        Ok(true)
    }
}
