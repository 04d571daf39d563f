//! Which calls may sleep, and with which signal mask.

use super::call::Call;
use super::guest::GuestMemory;

/// Whether the kernel answers at once, whatever the arguments: no signal can come in between, and other threads can wait.
/// Calls that are not listed are taken to sleep, which is right for all.
pub fn never_sleeps(call: &Call) -> bool {
    matches!(
        i64::from(call.number),
        libc::SYS_getpid
            | libc::SYS_gettid
            | libc::SYS_getppid
            | libc::SYS_getuid
            | libc::SYS_geteuid
            | libc::SYS_getgid
            | libc::SYS_getegid
            | libc::SYS_getpgrp
            | libc::SYS_getpgid
            | libc::SYS_getsid
            | libc::SYS_umask
            | libc::SYS_lseek
            | libc::SYS_dup
            | libc::SYS_clock_gettime
            | libc::SYS_clock_getres
            | libc::SYS_gettimeofday
            | libc::SYS_time
            | libc::SYS_times
            | libc::SYS_getrusage
            | libc::SYS_getcpu
            | libc::SYS_sched_getaffinity
            | libc::SYS_uname
            | libc::SYS_prlimit64
            | libc::SYS_getrlimit
            | libc::SYS_pipe
            | libc::SYS_pipe2
            | libc::SYS_socket
            | libc::SYS_socketpair
            | libc::SYS_eventfd2
            | libc::SYS_epoll_create1
            | libc::SYS_epoll_ctl
    )
}

/// Calls about files by name or descriptor: the kernel waits for a disk or a file server at most, and carries them to their end.
fn is_about_files(number: i64) -> bool {
    matches!(
        number,
        libc::SYS_stat
            | libc::SYS_lstat
            | libc::SYS_fstat
            | libc::SYS_newfstatat
            | libc::SYS_statx
            | libc::SYS_access
            | libc::SYS_faccessat
            | libc::SYS_faccessat2
            | libc::SYS_readlink
            | libc::SYS_readlinkat
            | libc::SYS_getdents64
            | libc::SYS_getcwd
            | libc::SYS_unlink
            | libc::SYS_unlinkat
            | libc::SYS_mkdir
            | libc::SYS_rmdir
            | libc::SYS_rename
            | libc::SYS_ftruncate
    )
}

/// Whether the call waits for a disk or a file server at most, never for what another thread does. Not among them are calls that may
/// open or use a FIFO, a socket or a terminal.
pub fn looks_at_files(call: &Call) -> bool {
    let number = i64::from(call.number);
    is_about_files(number)
        || matches!(
            number,
            libc::SYS_fadvise64
                | libc::SYS_sched_setaffinity
                | libc::SYS_prctl
                | libc::SYS_getpriority
                | libc::SYS_getresuid
                | libc::SYS_getresgid
                | libc::SYS_getgroups
        )
}

/// Whether the kernel carries the call with this number to its end, however long that takes, so that no signal ever ends it with `EINTR`
/// or makes it begin anew: calls on files, which wait for a disk only. (On a file system in user space a handler then runs when the call
/// is done instead of cutting it short.)
pub fn is_never_cut_short(number: u64, args: &[u64; 6]) -> bool {
    match number.cast_signed() {
        libc::SYS_fcntl => !matches!(args[1] as i32, libc::F_SETLKW | libc::F_OFD_SETLKW),
        libc::SYS_pread64
        | libc::SYS_pwrite64
        | libc::SYS_preadv
        | libc::SYS_pwritev
        | libc::SYS_fsync
        | libc::SYS_fdatasync => true,
        number => is_about_files(number),
    }
}

/// Whether the call with this number ends with `EINTR` whenever a handler runs, `SA_RESTART` or not (signal(7)). One that a signal meets
/// on its way to the kernel ends so too: programs look at a flag of their handler, then fall asleep, and must not sleep over it.
/// (Calls that tell how much time was left, or have a mask of their own, are begun anew.)
pub fn is_never_restarted(number: u64) -> bool {
    matches!(
        number.cast_signed(),
        libc::SYS_poll
            | libc::SYS_select
            | libc::SYS_pause
            | libc::SYS_epoll_wait
            | libc::SYS_epoll_pwait
            | libc::SYS_epoll_pwait2
    )
}

/// The signal mask that a call puts in place while it sleeps (ppoll(2), pselect(2), epoll_pwait(2)), if it does and
/// the mask can be read. rt_sigsuspend is not among them: the runtime makes that call with a mask of its own.
pub fn own_mask(call: &Call, args: &[u64; 6], mem: &mut dyn GuestMemory) -> Option<u64> {
    let at = match i64::from(call.number) {
        libc::SYS_ppoll => args[3],
        libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => args[4],
        libc::SYS_pselect6 if args[5] != 0 => word(mem, args[5])?,
        _ => 0,
    };
    if at == 0 { None } else { word(mem, at) }
}

fn word(mem: &mut dyn GuestMemory, at: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    mem.read(at, &mut bytes).ok()?;
    Some(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeMemory;
    use super::super::lookup;
    use super::*;

    #[test]
    fn waiting_for_a_lock_is_cut_short_and_asking_for_one_is_not() {
        let fcntl = |command: i32| is_never_cut_short(libc::SYS_fcntl as u64, &[3, command as u64, 0, 0, 0, 0]);
        assert!(fcntl(libc::F_SETLK) && fcntl(libc::F_GETFL) && fcntl(libc::F_OFD_SETLK));
        assert!(!fcntl(libc::F_SETLKW) && !fcntl(libc::F_OFD_SETLKW));
        for waits in
            [libc::SYS_read, libc::SYS_write, libc::SYS_open, libc::SYS_openat, libc::SYS_flock, libc::SYS_close]
        {
            assert!(!is_never_cut_short(waits as u64, &[0; 6]), "{waits}");
        }
    }

    #[test]
    fn the_mask_is_found_where_each_call_has_it() {
        let mut mem = FakeMemory::with(0x1000, 16);
        mem.put_words(0x1000, &[0xabcd, 0x1000]);
        let mut mask = |number: i64, args| own_mask(lookup(number as u64).unwrap(), &args, &mut mem);
        assert_eq!(mask(libc::SYS_ppoll, [0, 0, 0, 0x1000, 8, 0]), Some(0xabcd));
        assert_eq!(mask(libc::SYS_epoll_pwait, [0, 0, 0, 0, 0x1000, 8]), Some(0xabcd));
        assert_eq!(mask(libc::SYS_pselect6, [0, 0, 0, 0, 0, 0x1008]), Some(0xabcd));
        assert_eq!(mask(libc::SYS_ppoll, [0; 6]), None);
        assert_eq!(mask(libc::SYS_poll, [0, 0, 0, 0x1000, 8, 0]), None);
    }
}
