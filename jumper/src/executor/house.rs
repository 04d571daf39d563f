//! The house: the state that all threads of the program share, behind one lock.
//!
//! A thread holds the lock from the moment it traps until it goes back into the program, but not while the kernel carries out
//! a call that may sleep. With one thread the lock is never contended, and costs two atomic instructions a trap. Lock order: there is
//! no other lock. A signal handler that interrupts the runtime does not take it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eos_pager::page::APP_END;

use super::signals::{die_natively, kernel_mask};
use super::{Executor, Next, Trap, Work, fail};
use crate::RunError;
use crate::gateway::{is_never_cut_short, syscall6};
use crate::jump::recall::{KICK, Recall};
use crate::newcomers::Newcomers;
use crate::process::vfork;
use crate::threads::Hosted;
use crate::threads::crew::Sleep;
use crate::traps::{bit, interruptible};

/// How often a thread of the program yields before it enters all the same, where a thread of the runtime wants its turn; and how long
/// that one sleeps between two tries.
const TURN_YIELDS: u32 = 400;
const TURN_RETRY: Duration = Duration::from_micros(50);

/// One for each process of a run; lives as long as the process.
pub struct House {
    executor: Mutex<Executor>,
    /// Somebody stands ([`together`](super::together)).
    pub(super) stood: Condvar,
    /// Threads whose calls have returned and that wait for the lock: while there are any the process does not leave.
    pub(super) back: AtomicU32,
    /// Signals for which the program has a handler, as a kernel set. Changed under the lock, read by handlers.
    pub(crate) handled: AtomicU64,
    /// Calls execution home for signals.
    pub(crate) recall: Recall,
    /// A thread of the runtime waits for its turn: it would find the lock taken all the time where the program does little but trap.
    turn_wanted: AtomicBool,
    /// Peers that wait to join.
    pub(crate) newcomers: Newcomers,
}

impl House {
    /// A house without threads yet.
    pub fn new(executor: Executor) -> Self {
        let recall = Recall::new();
        executor.set_doors(&recall);
        Self {
            executor: Mutex::new(executor),
            stood: Condvar::new(),
            back: AtomicU32::new(0),
            handled: AtomicU64::new(0),
            recall,
            turn_wanted: AtomicBool::new(false),
            newcomers: Newcomers::default(),
        }
    }

    /// Enters: waits until no other thread is in. Not for handlers that have interrupted the runtime.
    pub fn enter(&self) -> MutexGuard<'_, Executor> {
        for _ in 0..TURN_YIELDS {
            if !self.turn_wanted.load(Ordering::Relaxed) {
                break;
            }
            std::thread::yield_now();
        }
        // A thread that panicked has aborted the process, so there is no poison to see.
        self.executor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters if nobody else is in; for threads that are none of the program's.
    pub fn try_enter(&self) -> Option<MutexGuard<'_, Executor>> {
        self.executor.try_lock().ok()
    }

    /// Enters within `limit`, if that can be: threads of the program that are about to enter wait a moment. For threads that are none of
    /// the program's.
    pub fn enter_in_turn(&self, limit: Duration) -> Option<MutexGuard<'_, Executor>> {
        let begin = Instant::now();
        loop {
            if let Some(executor) = self.try_enter() {
                self.turn_wanted.store(false, Ordering::Relaxed);
                return Some(executor);
            }
            if begin.elapsed() > limit {
                self.turn_wanted.store(false, Ordering::Relaxed);
                return None;
            }
            self.turn_wanted.store(true, Ordering::Relaxed);
            std::thread::sleep(TURN_RETRY);
        }
    }

    /// In a forked child, in which the runtime has no other threads.
    pub(super) fn nobody_wants_a_turn(&self) {
        self.turn_wanted.store(false, Ordering::Relaxed);
    }

    /// Handles one trap and returns when the program may go on here.
    pub fn on_trap(&self, mut trap: Trap<'_>) {
        let mut executor = self.enter();
        let next = executor.on_trap(&mut trap);
        self.go_on(executor, next, trap);
    }

    /// A thread is about to enter the program for the first time: as if it came from a trap.
    pub(crate) fn settle(&self, trap: Trap<'_>) {
        self.go_on(self.enter(), Ok(Next::Resume), trap);
    }

    fn go_on<'a>(
        &'a self,
        mut executor: MutexGuard<'a, Executor>,
        mut next: Result<Next, RunError>,
        mut trap: Trap<'_>,
    ) {
        loop {
            if self.newcomers.are_waiting() && !trap.thread.is_guest() && next.is_ok() {
                next = executor.receive_newcomers(self).and(next);
            }
            executor.note_late_peers(&self.recall);
            if !trap.thread.is_guest() {
                next = executor.keep(trap.thread.house).and(next);
            }
            trap.thread.let_go();
            next = match next {
                Ok(Next::Resume) if trap.frame.rip() >= APP_END => return,
                Ok(Next::Resume) if !trap.thread.pending.is_empty() => {
                    executor.deliver_pending(&mut trap).map(|()| Next::Resume)
                }
                // If others are stopping, the instruction is tried again where the process goes.
                Ok(Next::Resume | Next::Jump(_)) if executor.crew.is_stopping() => {
                    let stood = self.stand(executor, &mut trap);
                    executor = self.enter();
                    stood.map(|()| Next::Resume)
                }
                Ok(Next::Resume) => return,
                Ok(Next::Jump(node)) if executor.crew.is_several() => {
                    let moved;
                    (executor, moved) = self.jump_together(executor, node, &mut trap);
                    moved.map(|()| Next::Resume)
                }
                Ok(Next::Jump(node)) => executor.jump(node, &mut trap).map(|()| Next::Resume),
                Ok(Next::Alone(request)) => {
                    let gone = self.go_home_alone(executor, &request, &mut trap);
                    executor = self.enter();
                    gone.map(|()| Next::Resume)
                }
                Ok(Next::Kernel(work)) => {
                    let result;
                    (executor, result) = self.sleep(executor, trap.thread, &work);
                    executor.kernel_done(work, result, &mut trap)
                }
                Ok(Next::Retire) => {
                    drop(executor);
                    retire()
                }
                Ok(Next::Exec(ready)) => {
                    if !trap.thread.is_guest() {
                        executor.leave_peers();
                    }
                    executor.crew.anchor();
                    drop(executor);
                    let error = ready.launch(trap.thread.signals.mask);
                    executor = self.enter();
                    executor.crew.weigh();
                    executor.exec_failed(&ready, &error, &mut trap)
                }
                Ok(Next::Vfork(birth)) => {
                    let start = birth.start(&mut trap);
                    let guest = executor.invite();
                    drop(executor);
                    let born = vfork(trap.thread, &birth, start, guest);
                    executor = self.enter();
                    executor.guest_has_left(&birth, born, &mut trap)
                }
                Ok(Next::EndGuest(status)) => {
                    drop(executor);
                    // SAFETY: ends a process that has borrowed all that it used.
                    unsafe { libc::_exit(status) }
                }
                Err(error) if !executor.at_home() => executor.fail(&error),
                // Nobody may be left waiting for the lock: a guest's parent goes on.
                Err(RunError::Killed(signal)) => {
                    drop(executor);
                    die_natively(signal)
                }
                Err(error) => {
                    drop(executor);
                    fail(&error.to_string())
                }
            };
        }
    }

    /// The kernel carries out a call while the house is open to the others.
    fn sleep<'a>(
        &'a self,
        mut executor: MutexGuard<'a, Executor>,
        thread: &Hosted,
        work: &Work,
    ) -> (MutexGuard<'a, Executor>, i64) {
        // A stop that found this thread on its way here has done its work.
        thread.pending.clear_halt();
        if !executor.crew.is_several() {
            drop(executor);
            let result = self.call_kernel(thread, work);
            return (self.enter(), result);
        }
        executor.crew.falls_asleep(thread.id, work.sleep);
        drop(executor);
        let result = self.call_kernel(thread, work);
        let stays = work.sleep != Sleep::Moves;
        if stays {
            // In this order: either who is about to leave sees it, or execution is away already and is called home.
            self.back.fetch_add(1, Ordering::SeqCst);
            self.recall.call();
        }
        let mut executor = self.enter();
        if stays {
            self.back.fetch_sub(1, Ordering::SeqCst);
        }
        executor.crew.wakes(thread.id);
        (executor, result)
    }

    /// The kernel carries out a call of the program. Signals with handlers, which wait while the runtime is at work, may
    /// interrupt it.
    fn call_kernel(&self, thread: &Hosted, work: &Work) -> i64 {
        if work.sleep == Sleep::Moves {
            return self.wait_on_futex(thread, work);
        }
        let held_back = thread.held_back();
        // A call with a mask of its own lets the signals in itself, in the moment it falls asleep.
        if held_back & !thread.signals.mask == 0
            || (work.own_mask.is_some() && thread.pending.is_empty())
            || is_never_cut_short(work.number, &work.args)
        {
            // SAFETY: the class of the call says that it only touches the program's own memory.
            return unsafe { syscall6(work.number, work.args) };
        }
        change_mask(libc::SIG_SETMASK, kernel_mask(thread.signals.mask));
        // SAFETY: as above; the flag lives as long as the thread.
        let result = unsafe { interruptible::call(thread.pending.flag(), work.number, &work.args) };
        change_mask(libc::SIG_BLOCK, kernel_mask(held_back));
        result
    }

    /// A wait that the runtime too may interrupt: to move the thread with the others, and on a peer because home calls.
    fn wait_on_futex(&self, thread: &Hosted, work: &Work) -> i64 {
        let (open, shut) = match thread.parks {
            true => (0, bit(KICK)),
            false => (kernel_mask(thread.signals.mask), kernel_mask(thread.held_back())),
        };
        let shuts = shut & !open != 0;
        if shuts {
            change_mask(libc::SIG_SETMASK, open);
        }
        // SAFETY: the class of the call says that it only touches the program's own memory; the flag lives as long as the thread.
        let result = unsafe { interruptible::call(thread.pending.flag(), work.number, &work.args) };
        if shuts {
            change_mask(libc::SIG_BLOCK, shut);
        }
        result
    }
}

pub(crate) fn change_mask(how: libc::c_int, set: u64) {
    // SAFETY: the kernel reads eight bytes of this function's own variable.
    unsafe {
        syscall6(libc::SYS_rt_sigprocmask.cast_unsigned(), [how as u64, (&raw const set) as u64, 0, 8, 0, 0]);
    }
}

/// Does something with the program's own mask in place, as far as the runtime can bear it.
pub(crate) fn with_kernel_mask<T>(app_mask: u64, job: impl FnOnce() -> T) -> T {
    let mut before = 0_u64;
    // SAFETY: the kernel writes eight bytes to this function's own variable.
    unsafe {
        let at = (&raw mut before) as u64;
        syscall6(libc::SYS_rt_sigprocmask.cast_unsigned(), [libc::SIG_SETMASK as u64, 0, at, 8, 0, 0]);
    }
    change_mask(libc::SIG_SETMASK, kernel_mask(app_mask));
    let outcome = job();
    change_mask(libc::SIG_SETMASK, before);
    outcome
}

/// The program's first thread has ended while others go on: the process lives as long as they do.
fn retire() -> ! {
    change_mask(libc::SIG_BLOCK, !0);
    loop {
        // SAFETY: sleeps; all signals are blocked.
        unsafe { libc::pause() };
    }
}
