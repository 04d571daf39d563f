//! The gateway: what becomes of a system call of the program.

use eos_pager::layout::Kind;
use eos_verbs::NodeId;

use super::guest::Guest;
use super::{Executor, Next, Trap, Work};
use crate::RunError;
use crate::clock_page;
use crate::gateway::{Call, Class, Ranges, class_of, lookup, ranges, ships};
use crate::say::say;
use crate::threads::Birth;
use crate::traps::interruptible::RESTART;

/// Numbers from here up are x32 calls, which this runtime does not have (as kernels without CONFIG_X86_X32).
const X32_BIT: u64 = 0x4000_0000;

/// Size of `struct robust_list_head`, which every caller has to tell.
const ROBUST_HEAD_BYTES: u64 = 24;

/// Calls that every C library makes at its start and does without.
const ROUTINE: [i64; 1] = [libc::SYS_rseq];

/// What the gateway did with a call.
pub(crate) enum Done {
    /// The program gets this result.
    Result(i64),
    /// The registers are set already (rt_sigreturn, the end of a thread).
    Registers,
    /// The kernel is to carry it out.
    Kernel(Work),
    /// Something that is done outside the lock.
    Next(Next),
    /// It must be carried out at home, by the program itself.
    GoHome,
    /// It sleeps, and was not made: the thread may go home alone with this request.
    Sleeps(Vec<u8>),
    /// Home was interrupted by a signal for the program, which goes there: with this answer, or to make the call anew.
    Interrupted(i64),
}

impl Executor {
    /// SIGSYS: one system call.
    pub(super) fn on_system_call(&mut self, trap: &mut Trap<'_>) -> Result<Next, RunError> {
        let number = trap.frame.get(libc::REG_RAX);
        let may_leave = self.may_leave(trap);
        if let Some(node) = self.torture_step(may_leave)? {
            trap.frame.rewind_syscall(number);
            return Ok(Next::Jump(node));
        }
        match self.carry_out(number, trap)? {
            Done::Result(result) => trap.frame.set(libc::REG_RAX, result.cast_unsigned()),
            Done::Registers => {}
            Done::Kernel(work) => return Ok(Next::Kernel(work)),
            Done::Next(next) => return Ok(next),
            Done::Sleeps(request) => return Ok(Next::Alone(request)),
            Done::Interrupted(answer) if answer != RESTART => {
                trap.frame.set(libc::REG_RAX, answer.cast_unsigned());
                return Ok(Next::Jump(NodeId::HOME));
            }
            Done::GoHome | Done::Interrupted(_) => {
                trap.frame.rewind_syscall(number);
                return Ok(Next::Jump(NodeId::HOME));
            }
        }
        Ok(Next::Resume)
    }

    fn carry_out(&mut self, number: u64, trap: &mut Trap<'_>) -> Result<Done, RunError> {
        let Some(call) = lookup(number).filter(|_| number & X32_BIT == 0) else {
            return Ok(Done::Result(-i64::from(libc::ENOSYS)));
        };
        let args = trap.frame.arguments();
        match class_of(call, &args) {
            Class::Plain if i64::from(call.number) == libc::SYS_clock_gettime => self.clock_gettime(call, args, trap),
            Class::Plain if self.at_home() => self.plain(call, args, trap),
            Class::Plain if self.threads > 1 => self.plain_of_several(call, args, trap),
            Class::Plain => self.forward(call, args, trap.thread.number),
            Class::Memory => self.memory_call(call, args),
            // Home names the call: only there does the user look.
            Class::Refused(_) if !self.at_home() && self.would_name(call) => {
                self.refused.push(u64::from(call.number));
                Ok(Done::GoHome)
            }
            Class::Refused(errno) => {
                self.name_refused(call);
                Ok(Done::Result(-i64::from(errno)))
            }
            Class::Thread => self.thread_call(call, args, trap),
            Class::Process | Class::Signal if !self.at_home() => Ok(Done::GoHome),
            Class::Process => self.process_call(call, args, trap),
            Class::Signal => self.signal_call(call, args, trap),
        }
    }

    /// The bare system call tells what the clock page tells, so that the two never contradict each other.
    fn clock_gettime(&mut self, call: &'static Call, args: [u64; 6], trap: &mut Trap<'_>) -> Result<Done, RunError> {
        match clock_page::read(args[0] as i32) {
            Some(now) => Ok(Done::Result(self.store(args[1], &now.map(i64::to_le_bytes).concat())?)),
            None if self.at_home() => self.plain(call, args, trap),
            None => self.forward(call, args, trap.thread.number),
        }
    }

    /// Runs `job` with a view of the program's memory; an error of the pager comes out as such.
    pub(crate) fn with_guest<T>(&mut self, job: impl FnOnce(&mut Guest<'_>) -> T) -> Result<T, RunError> {
        let mut guest = Guest::new(&mut self.pager);
        let value = job(&mut guest);
        match guest.error {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }

    /// On a peer: ship the call to home, or go home with it.
    pub(super) fn forward(&mut self, call: &'static Call, args: [u64; 6], caller: u32) -> Result<Done, RunError> {
        if !ships(call, &args) || (call.self_exe && self.may_name_own_exe(call, &args)?) {
            return Ok(Done::GoHome);
        }
        if self.names_shared(call, &args)? { Ok(Done::GoHome) } else { self.forward_call(call, args, caller) }
    }

    /// Whether the call would read or write shared memory, or pages that home holds on to, which only home has: the answer could not be
    /// stored here.
    pub(super) fn names_shared(&mut self, call: &'static Call, args: &[u64; 6]) -> Result<bool, RunError> {
        let mut touched = Ranges::new();
        let _ = self.with_guest(|guest| ranges(call, args, guest, &mut touched))?;
        if touched.as_slice().iter().any(|range| self.pager.holds(range.addr, range.len)) {
            return Ok(true);
        }
        let layout = &self.pager.layout;
        let mut spans = touched.as_slice().iter().map(|range| range.addr..range.addr.saturating_add(range.len));
        Ok(spans.any(|span| layout.overlapping(span).any(|(_, area)| area.kind == Kind::Shared)))
    }

    /// Names a call that is not there yet, once, if the user wants to know.
    pub(crate) fn name_refused(&mut self, call: &Call) {
        if self.would_name(call) {
            self.refused.push(u64::from(call.number));
            say(format_args!("the program called {}, which is not supported yet; it was told so", call.name));
        }
    }

    fn would_name(&self, call: &Call) -> bool {
        let routine = ROUTINE.contains(&i64::from(call.number));
        self.verbose && !routine && !self.refused.contains(&u64::from(call.number))
    }

    fn process_call(&mut self, call: &'static Call, args: [u64; 6], trap: &mut Trap<'_>) -> Result<Done, RunError> {
        match i64::from(call.number) {
            libc::SYS_exit | libc::SYS_exit_group if trap.thread.is_guest() => {
                self.release_thread(trap.thread)?;
                Ok(Done::Next(Next::EndGuest(args[0] as i32)))
            }
            libc::SYS_fork | libc::SYS_vfork => self.make_process(call, Birth::of_call(i64::from(call.number)), trap),
            libc::SYS_exit if self.threads > 1 => self.end_thread(args[0] as i32, trap),
            libc::SYS_exit | libc::SYS_exit_group => {
                self.release_thread(trap.thread)?;
                let last_of_several = i64::from(call.number) == libc::SYS_exit;
                let of_first = self.first_thread_status.filter(|_| last_of_several);
                self.exit(of_first.unwrap_or(args[0] as i32))
            }
            libc::SYS_execve | libc::SYS_execveat => self.exec_call(call, args),
            libc::SYS_clone | libc::SYS_clone3 => self.clone_call(call, args, trap),
            _ => {
                self.name_refused(call);
                Ok(Done::Result(-i64::from(libc::ENOSYS)))
            }
        }
    }

    /// Per-thread state. The kernel must not know of any of it: it would write to the program's memory unasked.
    fn thread_call(&mut self, call: &'static Call, args: [u64; 6], trap: &mut Trap<'_>) -> Result<Done, RunError> {
        /// linux/arch/x86/include/uapi/asm/prctl.h
        const SET_GS: u64 = 0x1001;
        const SET_FS: u64 = 0x1002;
        const GET_FS: u64 = 0x1003;
        const GET_GS: u64 = 0x1004;
        let result = match (i64::from(call.number), args[0]) {
            (libc::SYS_arch_prctl, SET_FS | SET_GS) if args[1] >= eos_pager::page::APP_END => -i64::from(libc::EPERM),
            (libc::SYS_arch_prctl, SET_FS) => {
                *trap.app_fs = args[1];
                0
            }
            (libc::SYS_arch_prctl, SET_GS) => {
                crate::traps::block::write_gs(args[1]);
                0
            }
            (libc::SYS_arch_prctl, GET_FS) => self.store(args[1], &trap.app_fs.to_le_bytes())?,
            (libc::SYS_arch_prctl, GET_GS) => self.store(args[1], &crate::traps::block::read_gs().to_le_bytes())?,
            (libc::SYS_arch_prctl, _) => -i64::from(libc::EINVAL),
            // The thread belongs to home, and ends there.
            (libc::SYS_set_tid_address | libc::SYS_set_robust_list | libc::SYS_get_robust_list, _)
                if !self.at_home() =>
            {
                return Ok(Done::GoHome);
            }
            (libc::SYS_set_tid_address, at) => {
                trap.thread.clear_child_tid = at;
                i64::from(trap.thread.id)
            }
            (libc::SYS_set_robust_list, head) if args[1] == ROBUST_HEAD_BYTES => {
                trap.thread.set_robust_list(head);
                0
            }
            (libc::SYS_set_robust_list, _) => -i64::from(libc::EINVAL),
            (libc::SYS_get_robust_list, of) if of == 0 || of == u64::from(trap.thread.id) => {
                match self.store(args[2], &ROBUST_HEAD_BYTES.to_le_bytes())? {
                    0 => self.store(args[1], &trap.thread.robust_list.to_le_bytes())?,
                    fault => fault,
                }
            }
            (libc::SYS_get_robust_list, _) => -i64::from(libc::EPERM),
            _ => -i64::from(libc::ENOSYS),
        };
        Ok(Done::Result(result))
    }

    /// Writes bytes to the program's memory for a call that the runtime carries out itself: 0 or `-EFAULT`.
    pub(crate) fn store(&mut self, addr: u64, bytes: &[u8]) -> Result<i64, RunError> {
        use crate::gateway::GuestMemory;
        let stored = self.with_guest(|guest| guest.write(addr, bytes))?;
        Ok(stored.map_or(-i64::from(libc::EFAULT), |()| 0))
    }
}
