//! The gateway: what becomes of a system call of the program.

use eos_pager::page::PageRange;
use eos_verbs::NodeId;

use super::fence::{fence_off, has_hidden, strays};
use super::guest::Guest;
use super::{Executor, Next, Trap};
use crate::RunError;
use crate::gateway::{Call, Class, Dir, Ranges, class_of, lookup, ranges, ships, syscall6};
use crate::say::say;

/// Numbers from here up are x32 calls, which this runtime does not have (as kernels without CONFIG_X86_X32).
const X32_BIT: u64 = 0x4000_0000;

/// Calls that every C library makes at its start and does without.
const ROUTINE: [i64; 1] = [libc::SYS_rseq];

/// What the gateway did with a call.
pub(crate) enum Done {
    /// The program gets this result.
    Result(i64),
    /// The registers are set already (rt_sigreturn).
    Registers,
    /// It must be carried out at home, by the program itself.
    GoHome,
}

impl Executor {
    /// SIGSYS: one system call.
    pub(super) fn on_system_call(&mut self, trap: &mut Trap<'_>) -> Result<Next, RunError> {
        let number = trap.frame.get(libc::REG_RAX);
        let may_leave = self.arrival.may_leave(trap.frame.rip());
        if let Some(node) = self.torture_step(may_leave)? {
            trap.frame.rewind_syscall(number);
            return Ok(Next::Jump(node));
        }
        match self.carry_out(number, trap)? {
            Done::Result(result) => trap.frame.set(libc::REG_RAX, result.cast_unsigned()),
            Done::Registers => {}
            Done::GoHome => {
                trap.frame.rewind_syscall(number);
                return Ok(Next::Jump(NodeId::HOME));
            }
        }
        self.deliver_pending(trap)?;
        Ok(Next::Resume)
    }

    fn carry_out(&mut self, number: u64, trap: &mut Trap<'_>) -> Result<Done, RunError> {
        let Some(call) = lookup(number).filter(|_| number & X32_BIT == 0) else {
            return Ok(Done::Result(-i64::from(libc::ENOSYS)));
        };
        let args = trap.frame.arguments();
        match class_of(call, &args) {
            Class::Plain if self.at_home() => self.plain(call, args).map(Done::Result),
            Class::Plain => self.forward(call, args),
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
            Class::Process => self.process_call(call, args),
            Class::Signal => self.signal_call(call, args, trap),
        }
    }

    /// A call that the kernel carries out at home, once what it will touch is resident.
    pub(super) fn plain(&mut self, call: &'static Call, mut args: [u64; 6]) -> Result<i64, RunError> {
        if self.own_fds.named_by(call.number, &args) {
            return Ok(-i64::from(libc::EBADF));
        }
        if i64::from(call.number) == libc::SYS_close_range {
            return Ok(self.close_range(call, args));
        }
        fence_off(call, &mut args);
        let fenced = args;
        if call.self_exe
            && let Some(result) = self.self_exe(call, &mut args)?
        {
            return Ok(result);
        }
        if !self.pager.has_tracked() && !has_hidden(call) {
            // SAFETY: the class says that the call only touches the program's own memory.
            return Ok(unsafe { syscall6(u64::from(call.number), args) });
        }
        let mut touched = Ranges::new();
        // After a bad address the kernel is asked all the same: it finds it too, or an error that it looks for earlier.
        let listed = self.with_guest(|guest| ranges(call, &args, guest, &mut touched))?;
        // (The path that stands for /proc/self/exe is the runtime's own.)
        if args == fenced && strays(&listed, touched.as_slice()) {
            return Ok(-i64::from(libc::EFAULT));
        }
        let bytes: u64 = touched.as_slice().iter().map(|range| range.len).sum();
        if bytes > self.piece_bytes() {
            return self.in_pieces(call, args);
        }
        self.make_resident(touched.as_slice().iter().map(|range| (range.addr, range.len, range.dir)))?;
        // SAFETY: as above.
        let result = unsafe { syscall6(u64::from(call.number), args) };
        self.pager.unpin();
        Ok(result)
    }

    /// Pins ranges and makes them resident, for the call that follows.
    pub(super) fn make_resident(&mut self, touched: impl Iterator<Item = (u64, u64, Dir)>) -> Result<(), RunError> {
        for (addr, len, dir) in touched {
            let range = PageRange::covering(&(addr..addr.saturating_add(len))).intersection(&PageRange::APP);
            self.pager.pin(range);
            self.pager.ensure(range, dir.writes())?;
        }
        Ok(())
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
    fn forward(&mut self, call: &'static Call, args: [u64; 6]) -> Result<Done, RunError> {
        if !ships(call, &args) || (call.self_exe && self.may_name_own_exe(call, &args)?) {
            return Ok(Done::GoHome);
        }
        self.forward_call(call, args)
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

    fn process_call(&mut self, call: &'static Call, args: [u64; 6]) -> Result<Done, RunError> {
        match i64::from(call.number) {
            libc::SYS_exit | libc::SYS_exit_group => self.exit(args[0] as i32),
            // Local workers are children of this process, but not the program's. It has none as long as it cannot fork.
            libc::SYS_wait4 | libc::SYS_waitid => Ok(Done::Result(-i64::from(libc::ECHILD))),
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
            (libc::SYS_set_tid_address, _) if !self.at_home() => return Ok(Done::GoHome),
            // SAFETY: gettid has no arguments.
            (libc::SYS_set_tid_address, _) => i64::from(unsafe { libc::gettid() }),
            (libc::SYS_set_robust_list, _) => 0,
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
