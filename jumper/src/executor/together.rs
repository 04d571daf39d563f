//! Several threads stop, move together, and go on where the process is.
//!
//! Invariants:
//!
//! - All threads that run the program are on the node that executes. Its page table is the true one.
//! - Who moves the process holds the lock of the house, and all other threads stand ([`Crew`](crate::threads::crew::Crew)) or sleep at home
//!   in calls that stay there. While execution is away home's lock is held by the thread that serves the others, so whoever
//!   comes back from such a call waits for it, and has called execution home before.
//! - What such a call has pinned stays resident at home: no peer takes it, and a peer that touches it goes home.
//! - Nobody waits for a futex of the program's own memory but on the node that executes, so a wake finds all who wait.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use eos_verbs::NodeId;

use super::{Executor, House, Trap, change_mask};
use crate::RunError;
use crate::executor::signals::kernel_mask;
use crate::forward::{Patience, Staging, execute};
use crate::jump::Sleeper;
use crate::threads::context;
use crate::threads::crew::{Companion, Errand, Order};
use crate::traps::stop;

type Locked<'a> = MutexGuard<'a, Executor>;

/// Between two signals to a thread that does not stand yet.
const STOP_AGAIN: Duration = Duration::from_millis(2);

impl House {
    /// Stops all threads and moves the process to `target`. Returns when it is back here, or at once if somebody has come back from a
    /// call, or a signal has come, while the others stopped.
    pub(super) fn jump_together<'a>(
        &'a self,
        executor: Locked<'a>,
        target: NodeId,
        trap: &mut Trap<'_>,
    ) -> (Locked<'a>, Result<(), RunError>) {
        let signals = self.recall.signals();
        let mut executor = self.stop_others(executor, trap.thread.id);
        let answered = self.recall.said();
        self.recall.set_away(true);
        let wanted_here =
            self.back.load(Ordering::SeqCst) > 0 || self.recall.signals() != signals || !trap.thread.pending.is_empty();
        if executor.at_home() && wanted_here {
            self.recall.set_away(false);
            executor.crew.go_on();
            return (executor, Ok(()));
        }
        executor.said_at_departure = answered;
        let moved = executor.jump(target, trap);
        self.recall.set_away(false);
        (executor, moved)
    }

    fn stop_others<'a>(&'a self, mut executor: Locked<'a>, me: u32) -> Locked<'a> {
        loop {
            executor.crew.stop(me).into_iter().for_each(stop);
            // One that has let the lock go and was about to enter the program when the signal came has not looked at it; it gets
            // another one there.
            let waited = self.stood.wait_timeout_while(executor, STOP_AGAIN, |executor| !executor.crew.all_stand(me));
            let (guard, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            executor = guard;
            if !timed_out.timed_out() {
                return executor;
            }
        }
    }

    /// Stands until the process, or this thread of it, goes on here. Meanwhile, at home, this thread is the deputy of the one that it
    /// hosts, and signals that it handles call execution home.
    pub(super) fn stand(&self, mut executor: Locked<'_>, trap: &mut Trap<'_>) -> Result<(), RunError> {
        let registers = context::pack(&trap.frame, *trap.app_fs, trap.thread.broken_wait);
        let signals_come = executor.at_home() && trap.thread.handled() != 0;
        executor.crew.stands(trap.thread.id, registers);
        drop(executor);
        self.stood.notify_all();
        if signals_come {
            change_mask(libc::SIG_SETMASK, kernel_mask(trap.thread.signals.mask));
        }
        let order = next_order(trap);
        if signals_come {
            change_mask(libc::SIG_BLOCK, kernel_mask(trap.thread.handled()));
        }
        self.follow(order?, trap)
    }

    /// On a peer: this thread of the program goes home, to sleep there in the call of `request`; this thread of the node waits for another.
    pub(super) fn go_home_alone(
        &self,
        mut executor: Locked<'_>,
        request: &[u8],
        trap: &mut Trap<'_>,
    ) -> Result<(), RunError> {
        let registers = context::pack(&trap.frame, *trap.app_fs, trap.thread.broken_wait);
        executor.send_sleeper(trap.thread.number, &registers, request)?;
        executor.crew.vacates(trap.thread.id);
        drop(executor);
        self.follow(next_order(trap)?, trap)
    }

    /// Goes on as it was told.
    fn follow(&self, told: Told, trap: &mut Trap<'_>) -> Result<(), RunError> {
        match told {
            Told::Go((number, registers)) => {
                context::unpack(&registers, &mut trap.frame, trap.app_fs, trap.thread)?;
                trap.thread.number = number;
            }
            Told::Woken(sleeper, reply) => {
                // As whoever comes back from a call that stays: see `House::sleep`.
                self.back.fetch_add(1, Ordering::SeqCst);
                self.recall.call();
                let mut executor = self.enter();
                self.back.fetch_sub(1, Ordering::SeqCst);
                executor.crew.wakes(trap.thread.id);
                executor.wake_sleeper(&sleeper, &reply, trap)?;
            }
        }
        if !trap.thread.parks {
            trap.frame.set_signal_mask(kernel_mask(trap.thread.signals.mask));
        }
        trap.thread.arrival = super::Arrival::default();
        Ok(())
    }

    /// In a forked child.
    pub(crate) fn nobody_is_back(&self) {
        self.back.store(0, Ordering::SeqCst);
        self.nobody_wants_a_turn();
    }
}

/// What ends the wait of a thread that stands.
enum Told {
    Go(Companion),
    /// At home: the call of the thread that came home alone has this answer.
    Woken(Sleeper, Vec<u8>),
}

/// Waits for an order to go on, and carries out the others.
fn next_order(trap: &Trap<'_>) -> Result<Told, RunError> {
    loop {
        match trap.thread.next_order() {
            Some(Order::Go(companion)) => return Ok(Told::Go(companion)),
            Some(Order::Errand(errand)) => run_errand(errand, trap),
            Some(Order::Sleep(sleeper)) => {
                trap.thread.pending.clear_halt();
                let reply = sleeper.sleep(trap).ok_or(RunError::Internal("a call that sleeps could not be read"))?;
                return Ok(Told::Woken(sleeper, reply));
            }
            None => return Err(RunError::Internal("a thread that stands was forgotten")),
        }
    }
}

/// A forwarded call, on the thread that the caller is at home.
fn run_errand(errand: Errand, trap: &Trap<'_>) {
    let mut reply = Vec::new();
    trap.thread.pending.clear_halt();
    let (staging, signals) = (&mut Staging::new(), &trap.thread.pending);
    let done = execute(&errand.request, &errand.own_fds, staging, signals, Patience::Tries, &mut reply);
    // Nobody takes the answer only if the run has failed meanwhile.
    let _ = errand.answer.send(done.map(|()| reply));
}

impl Executor {
    /// Whether a trap is not looked into, since the thread is to stand and comes back to the same instruction elsewhere.
    pub(super) fn puts_off(&mut self, trap: &mut Trap<'_>) -> bool {
        // What an instruction or a trap raised has a positive code. Signals that somebody sent are handled first.
        let raised = trap.info.si_code > 0 && !trap.thread.is_guest();
        match trap.signal {
            libc::SIGSYS if raised => {
                let number = trap.frame.get(libc::REG_RAX);
                trap.frame.rewind_syscall(number);
                true
            }
            libc::SIGBUS => raised,
            _ => false,
        }
    }
}
