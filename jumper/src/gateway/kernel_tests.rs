//! The table against the kernel that runs the tests: what it says about lengths and directions is what happens.

use std::os::fd::AsRawFd;

use super::raw::syscall6;
use super::{Dir, Fault, GuestMemory, Ranges, all, ranges};

/// The test's own memory, for calls whose pointers are real.
struct Own;

impl GuestMemory for Own {
    fn read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), Fault> {
        // SAFETY: the tests below pass addresses of live buffers with room to spare.
        into.copy_from_slice(unsafe { std::slice::from_raw_parts(addr as *const u8, into.len()) });
        Ok(())
    }

    fn write(&mut self, addr: u64, _bytes: &[u8]) -> Result<(), Fault> {
        Err(Fault { addr })
    }
}

/// Room for one argument's buffer, with bytes behind it that nobody may touch.
const ROOM: usize = 8192;

/// Makes the call with each argument in `pointers` at a buffer full of `fill`, and returns the buffers.
fn made(name: &str, mut args: [u64; 6], pointers: &[(usize, &[u8])], fill: u8) -> (Vec<Vec<u8>>, Ranges) {
    let call = all().find(|call| call.name == name).expect("in the table");
    let mut buffers = vec![vec![fill; ROOM]; pointers.len()];
    for ((arg, contents), buffer) in pointers.iter().zip(&mut buffers) {
        buffer[..contents.len()].copy_from_slice(contents);
        args[*arg] = buffer.as_mut_ptr() as u64;
    }
    let mut found = Ranges::new();
    ranges(call, &args, &mut Own, &mut found).expect("no fault");
    // SAFETY: every pointer argument has a buffer larger than anything these calls write.
    let result = unsafe { syscall6(call.number.into(), args) };
    assert!(result >= 0, "{name}: {result}");
    (buffers, found)
}

fn check(name: &str, args: [u64; 6], pointers: &[(usize, &[u8])]) {
    let (low, found) = made(name, args, pointers, 0x55);
    let (high, _) = made(name, args, pointers, 0xaa);
    for (i, (arg, contents)) in pointers.iter().enumerate() {
        let range = found.as_slice().iter().find(|range| range.arg == Some(*arg as u8));
        let len = range.map_or(0, |range| range.len as usize);
        let untouched = |buffer: &[u8], fill: u8| buffer[len.max(contents.len())..].iter().all(|byte| *byte == fill);
        assert!(untouched(&low[i], 0x55) && untouched(&high[i], 0xaa), "{name}, argument {arg}: more than {len} bytes");
        if range.is_some_and(|range| range.dir == Dir::Out) {
            let kept = |(low, high): (&u8, &u8)| *low == 0x55 && *high == 0xaa;
            let holes = low[i][..len].iter().zip(&high[i][..len]).filter(|pair| kept(*pair)).count();
            assert_eq!(holes, 0, "{name}, argument {arg}: not all of {len} bytes are written");
        }
    }
}

#[test]
fn structures_are_written_in_full_and_not_beyond() {
    let file = tempfile::tempfile().expect("temporary file");
    let fd = file.as_raw_fd() as u64;
    let none: &[u8] = &[];
    check("stat", [0; 6], &[(0, b"/\0"), (1, none)]);
    check("fstat", [fd, 0, 0, 0, 0, 0], &[(1, none)]);
    check("newfstatat", [libc::AT_FDCWD as u64, 0, 0, 0, 0, 0], &[(1, b"/\0"), (2, none)]);
    check("statx", [libc::AT_FDCWD as u64, 0, 0, 0xfff, 0, 0], &[(1, b"/\0"), (4, none)]);
    check("statfs", [0; 6], &[(0, b"/\0"), (1, none)]);
    check("fstatfs", [fd, 0, 0, 0, 0, 0], &[(1, none)]);
    check("uname", [0; 6], &[(0, none)]);
    check("sysinfo", [0; 6], &[(0, none)]);
    check("times", [0; 6], &[(0, none)]);
    check("time", [0; 6], &[(0, none)]);
    check("gettimeofday", [0; 6], &[(0, none), (1, none)]);
    check("clock_gettime", [0; 6], &[(1, none)]);
    check("clock_getres", [0; 6], &[(1, none)]);
    check("getitimer", [0; 6], &[(1, none)]);
    check("getrusage", [0; 6], &[(1, none)]);
    check("getrlimit", [7, 0, 0, 0, 0, 0], &[(1, none)]);
    check("prlimit64", [0, 7, 0, 0, 0, 0], &[(3, none)]);
    check("getresuid", [0; 6], &[(0, none), (1, none), (2, none)]);
    check("getcpu", [0; 6], &[(0, none), (1, none)]);
    check("sched_getparam", [0; 6], &[(1, none)]);
    check("sched_rr_get_interval", [0; 6], &[(1, none)]);
    check("rt_sigpending", [0, 8, 0, 0, 0, 0], &[(0, none)]);
    check("rt_sigprocmask", [0, 0, 0, 8, 0, 0], &[(2, none)]);
    check("rt_sigaction", [libc::SIGUSR1 as u64, 0, 0, 8, 0, 0], &[(2, none)]);
    check("prctl", [libc::PR_GET_NAME as u64, 0, 0, 0, 0, 0], &[(1, none)]);
    check("adjtimex", [0; 6], &[(0, &[0; 208])]);
    check("capget", [0; 6], &[(0, &[0x22, 0x05, 0x08, 0x20, 0, 0, 0, 0]), (1, none)]);
    check("sched_getattr", [0, 0, 48, 0, 0, 0], &[(1, none)]);
    check("fcntl", [fd, libc::F_GETLK as u64, 0, 0, 0, 0], &[(2, &[0; 32])]);
}

#[test]
fn system_v_structures_are_written_in_full_and_not_beyond() {
    let made = |name: &str, args: [u64; 6]| {
        let call = all().find(|call| call.name == name).expect("in the table");
        // SAFETY: these calls have no pointer arguments.
        unsafe { syscall6(call.number.into(), args) }
    };
    let mode = libc::IPC_CREAT as u64 | 0o600;
    let (shm, sem, msg) = (
        made("shmget", [0, 4096, mode, 0, 0, 0]),
        made("semget", [0, 1, mode, 0, 0, 0]),
        made("msgget", [0, mode, 0, 0, 0, 0]),
    );
    if shm < 0 || sem < 0 || msg < 0 {
        return; // a kernel without System V objects
    }
    let (stat, remove) = (libc::IPC_STAT as u64, libc::IPC_RMID as u64);
    check("shmctl", [shm as u64, stat, 0, 0, 0, 0], &[(2, &[])]);
    check("msgctl", [msg as u64, stat, 0, 0, 0, 0], &[(2, &[])]);
    check("semctl", [sem as u64, 0, stat, 0, 0, 0], &[(3, &[])]);
    check("semctl", [0, 0, libc::IPC_INFO as u64, 0, 0, 0], &[(3, &[])]);
    check("shmctl", [0, libc::IPC_INFO as u64, 0, 0, 0, 0], &[(2, &[])]);
    check("msgctl", [0, libc::IPC_INFO as u64, 0, 0, 0, 0], &[(2, &[])]);
    made("shmctl", [shm as u64, remove, 0, 0, 0, 0]);
    made("msgctl", [msg as u64, remove, 0, 0, 0, 0]);
    made("semctl", [sem as u64, 0, remove, 0, 0, 0]);
}

#[test]
fn terminal_structures_fit_their_requests() {
    // SAFETY: a plain libc call without pointers.
    let master = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY) };
    let Ok(master) = u64::try_from(master) else {
        return; // a container without /dev/ptmx
    };
    for request in [libc::TCGETS, libc::TIOCGWINSZ, libc::FIONREAD, libc::TIOCOUTQ, libc::TIOCGETD] {
        check("ioctl", [master, request, 0, 0, 0, 0], &[(2, &[])]);
    }
    // 0x802c542a: TCGETS2; 0x80045430: TIOCGPTN
    for request in [0x802c_542a, 0x8004_5430] {
        check("ioctl", [master, request, 0, 0, 0, 0], &[(2, &[])]);
    }
    // SAFETY: `master` is ours and nobody else's.
    unsafe { libc::close(master as i32) };
}
