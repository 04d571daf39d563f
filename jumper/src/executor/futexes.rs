//! Futexes among threads that move together.
//!
//! A wait for a word of the program's own memory is made by the kernel of the node that executes, on the thread that hosts the one that
//! waits. When the process leaves, it is broken off and the call is made anew where the process goes, as Linux itself does after SIGCONT:
//! the kernel compares the word again, so no wake is lost that follows a change of the word. Wakes are made under the lock of the house,
//! so none falls between the two waits. What the word says of threads (PI, robust lists) are numbers of home: such calls go home.

use super::{Done, Executor, Next, Trap, Work};
use crate::RunError;
use crate::gateway::{Call, FutexWait, GuestMemory, futex_sleep, syscall6, wakes_or_waits_anywhere};
use crate::jump::{now_ns, recall};
use crate::threads::BrokenWait;
use crate::threads::crew::Sleep;
use eos_verbs::NodeId;

const SECOND: i64 = 1_000_000_000;

impl Executor {
    /// On a peer: a call of one thread of several.
    pub(super) fn plain_of_several(
        &mut self,
        call: &'static Call,
        args: [u64; 6],
        trap: &mut Trap<'_>,
    ) -> Result<Done, RunError> {
        match i64::from(call.number) {
            libc::SYS_gettid => Ok(Done::Result(trap.thread.number.into())),
            // The thread that is to run next may well be here.
            // SAFETY: a call without arguments.
            libc::SYS_sched_yield => Ok(Done::Result(unsafe { syscall6(call.number.into(), [0; 6]) })),
            libc::SYS_futex if wakes_or_waits_anywhere(&args) && !self.names_shared(call, &args)? => {
                self.plain(call, args, trap)
            }
            _ => self.forward(call, args, trap.thread.number),
        }
    }

    /// What becomes of a thread that makes this call while others leave.
    pub(super) fn how_it_sleeps(
        &mut self,
        call: &'static Call,
        work: &mut Work,
        trap: &mut Trap<'_>,
    ) -> Result<(), RunError> {
        let broken = std::mem::take(&mut trap.thread.broken_wait);
        match futex_sleep(call, &work.args) {
            FutexWait::No => return Ok(()),
            FutexWait::Fixed => {
                work.sleep = Sleep::Anchors;
                return Ok(());
            }
            FutexWait::For | FutexWait::Until { .. } if self.names_shared(call, &work.args)? => return Ok(()),
            FutexWait::For | FutexWait::Until { .. } => work.sleep = Sleep::Moves,
        }
        if work.args[3] == 0 {
            return Ok(());
        }
        let Some(limit) = self.time_at(work.args[3])? else { return Ok(()) };
        let ahead = self.clock_offsets[NodeId::HOME.0 as usize];
        let by_homes_clock = match futex_sleep(call, &work.args) {
            FutexWait::For if broken.at == trap.frame.rip() => broken.until,
            FutexWait::For => (now_ns() + ahead).saturating_add(limit),
            FutexWait::Until { .. } if self.at_home() => return Ok(()),
            FutexWait::Until { realtime: true } => limit.saturating_sub(self.realtime_ahead),
            _ => limit,
        };
        if let FutexWait::For = futex_sleep(call, &work.args) {
            work.until = by_homes_clock;
        }
        let at = trap.thread.time_to_sleep_until(by_homes_clock.saturating_sub(ahead));
        set_end(&mut work.args, at);
        Ok(())
    }

    /// A `struct timespec` of the program's, in nanoseconds; none if the kernel will refuse it.
    fn time_at(&mut self, at: u64) -> Result<Option<i64>, RunError> {
        let mut words = [[0; 8]; 2];
        if self.with_guest(|guest| guest.read(at, words.as_flattened_mut()))?.is_err() {
            return Ok(None);
        }
        let [seconds, rest] = words.map(i64::from_le_bytes);
        let valid = seconds >= 0 && (0..SECOND).contains(&rest);
        Ok(valid.then(|| seconds.saturating_mul(SECOND).saturating_add(rest)))
    }

    /// A wait was broken off by the runtime. The call is made anew, where the process goes if it does.
    pub(super) fn break_off(&mut self, work: &Work, trap: &mut Trap<'_>) -> Next {
        trap.thread.broken_wait = BrokenWait { until: work.until, at: trap.frame.rip() };
        trap.frame.rewind_syscall(work.asked);
        let called = !self.at_home() && recall::heard() > self.recalls_answered;
        if called { Next::Jump(NodeId::HOME) } else { Next::Resume }
    }
}

/// The same wait with an end by this node's CLOCK_MONOTONIC, kept at `at`.
fn set_end(args: &mut [u64; 6], at: u64) {
    let op = args[1] as u32;
    let private = op & libc::FUTEX_PRIVATE_FLAG as u32;
    if op & libc::FUTEX_CMD_MASK as u32 == libc::FUTEX_WAIT as u32 {
        args[5] = u64::from(u32::MAX);
    }
    args[1] = u64::from(private | libc::FUTEX_WAIT_BITSET as u32);
    args[3] = at;
}
