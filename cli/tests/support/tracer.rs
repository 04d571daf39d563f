//! Counts the system calls of one thread: ptrace(2), as `strace -c` does, but between two marks, and with names for what matters here.
//! Only the thread that the program starts with is traced, which is the one that hosts the program under `eos-rdma run`.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{mem, ptr, thread};

use syscalls::Sysno;

const UFFDIO_COPY: u64 = 0xc028_aa03;
const RDMA_VERBS_IOCTL: u64 = 0xc018_1b01;
/// Commands of libibverbs that are written to the device (rdma/ib_user_verbs.h).
const REQ_NOTIFY_CQ: i64 = 23;
const POST_SEND: i64 = 28;

/// Calls by name.
pub type Calls = BTreeMap<String, u64>;

/// Runs a program to its end and returns its calls, cut into parts at every getppid(2), which is counted nowhere; or the wait status of
/// a bad end.
#[expect(clippy::zombie_processes)] // `follow` waits for it
pub fn trace(command: &mut Command, limit: Duration) -> Result<Vec<Calls>, i32> {
    let child = start(command);
    let pid = i32::try_from(child.id()).expect("a pid");
    let (done, wait) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if wait.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            // SAFETY: no pointers; the child is not waited for before this thread has ended.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    });
    let mut parts = vec![Calls::new()];
    let status = follow(pid, &mut parts);
    drop(done);
    watch.join().expect("no panic");
    if status == 0 { Ok(parts) } else { Err(status) }
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    // SAFETY: one system call between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::ptrace(libc::PTRACE_TRACEME) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// From stop to stop; returns the wait status of the end.
fn follow(pid: i32, parts: &mut Vec<Calls>) -> i32 {
    let mut signal = 0;
    assert_eq!(libc::WSTOPSIG(wait(pid)), libc::SIGTRAP, "the program has begun");
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SETOPTIONS, pid, 0, options as usize);
    loop {
        request(libc::PTRACE_SYSCALL, pid, 0, signal as usize);
        let status = wait(pid);
        if !libc::WIFSTOPPED(status) {
            return status;
        }
        signal = 0;
        match status >> 8 {
            stop if stop == libc::SIGTRAP | 0x80 => note(pid, parts),
            stop if stop >> 8 == libc::PTRACE_EVENT_EXEC => {}
            stop => signal = stop & 0xff,
        }
    }
}

fn note(pid: i32, parts: &mut Vec<Calls>) {
    let Some((number, args)) = entered(pid) else {
        return;
    };
    if number == Sysno::getppid as u64 {
        parts.push(Calls::new());
        return;
    }
    let calls = parts.last_mut().expect("there is always one");
    *calls.entry(name(pid, number, args)).or_default() += 1;
}

/// What is told apart: ioctls of userfaultfd, and what the provider of soft-RoCE writes to its device.
fn name(pid: i32, number: u64, args: [u64; 6]) -> String {
    let sysno = Sysno::new(number as usize).expect("a system call");
    match sysno {
        Sysno::ioctl if args[1] == UFFDIO_COPY => "UFFDIO_COPY".to_owned(),
        Sysno::ioctl if args[1] == RDMA_VERBS_IOCTL => method_name(pid, args[2]),
        Sysno::ioctl => format!("ioctl {:#x}", args[1]),
        Sysno::read | Sysno::write => {
            let file = std::fs::read_link(format!("/proc/{pid}/fd/{}", args[0])).unwrap_or_default();
            let file = file.to_string_lossy();
            match sysno {
                Sysno::write if file.contains("/uverbs") => command_name(pid, args[1]),
                _ => format!("{sysno} {file}"),
            }
        }
        _ => sysno.to_string(),
    }
}

/// The name of what is written to the device: the command is the first word.
fn command_name(pid: i32, address: u64) -> String {
    match peek(pid, address) & 0xffff_ffff {
        REQ_NOTIFY_CQ => "REQ_NOTIFY_CQ".to_owned(),
        POST_SEND => "POST_SEND".to_owned(),
        other => format!("uverbs command {other}"),
    }
}

/// The name of what an ioctl asks the device for (rdma/rdma_user_ioctl_cmds.h): a header of 24 bytes that begins with length, object,
/// method and number of attributes, then these, 16 bytes each, which begin with their id and end with a value. Method 0 of object 0
/// stands for a write of the command that its attribute 2 names.
fn method_name(pid: i32, address: u64) -> String {
    let header = peek(pid, address).cast_unsigned();
    let [object, method, attributes] = [16, 32, 48].map(|shift| header >> shift & 0xffff);
    let mut at = (0..attributes).map(|index| address + 24 + 16 * index);
    match at.find(|at| peek(pid, *at) & 0xffff == 2) {
        Some(at) if (object, method) == (0, 0) => match peek(pid, at + 8) {
            REQ_NOTIFY_CQ => "REQ_NOTIFY_CQ".to_owned(),
            other => format!("uverbs command {other}"),
        },
        _ => format!("uverbs object {object} method {method}"),
    }
}

/// A word of the process's memory.
fn peek(pid: i32, address: u64) -> i64 {
    request(libc::PTRACE_PEEKDATA, pid, address as usize, 0)
}

/// Number and arguments of the call that the process has stopped in front of; none behind it.
fn entered(pid: i32) -> Option<(u64, [u64; 6])> {
    // SAFETY: numbers only: all zeros is a valid value.
    let mut info: libc::ptrace_syscall_info = unsafe { mem::zeroed() };
    let size = size_of_val(&info);
    request(libc::PTRACE_GET_SYSCALL_INFO, pid, size, &raw mut info as usize);
    match info.op {
        // SAFETY: `op` says which member the kernel has filled.
        libc::PTRACE_SYSCALL_INFO_ENTRY => Some(unsafe { (info.u.entry.nr, info.u.entry.args) }),
        _ => None,
    }
}

fn wait(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: the status may be written.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) }, pid, "our own child");
    status
}

/// A request of ptrace(2), as the C library makes it; what is peeked comes back. A process that was killed meanwhile is told by `wait`.
fn request(what: libc::c_uint, pid: i32, address: usize, data: usize) -> i64 {
    // SAFETY: what the kernel writes through `data` has the length that goes with it; the other requests pass numbers.
    unsafe { libc::ptrace(what, pid, ptr::without_provenance_mut::<u8>(address), data) }
}
