//! Calls that may sleep, tried so that they do not: what the deputy does for one thread of several while all others wait.

use super::SLEEPS;
use super::execute::kind_of;
use super::wire::{CUT, Request, VECTOR};
use crate::gateway::{Call, Dir, looks_at_files, never_sleeps};
use crate::traps::interruptible::{self, RESTART};

const AGAIN: i64 = -(libc::EAGAIN as i64);
const NOT_SO: i64 = -(libc::EOPNOTSUPP as i64);

/// Most bytes that a pipe takes all or nothing of.
const PIPE_BUF: u64 = 4096;

/// Whether the call is answered without another thread of the program having to do anything.
pub(super) fn is_answered_at_once(call: &Call, request: &Request<'_>) -> bool {
    let moves_bytes = call.transfer().or(call.vector()).is_some();
    let of_file = || matches!(kind_of(request.args[0]), libc::S_IFREG | libc::S_IFBLK);
    never_sleeps(call) || looks_at_files(call) || (moves_bytes && of_file())
}

/// How to make a call so that it does not sleep, and when its answer is none.
struct Hasty {
    number: i64,
    args: [u64; 6],
    /// These answers mean that the call would have slept.
    no_answer: &'static [i64],
}

/// Makes the call if it is answered without sleeping. Else the answer is [`SLEEPS`] if the thread can sleep in it for long, and
/// [`RESTART`] if it is rather one that takes a moment, or one in pieces.
///
/// # Safety
/// As for [`interruptible::call`]; `args` are those of `request` with the addresses of its buffers.
pub(super) unsafe fn call(signals: *const u64, call: &Call, request: &Request<'_>, args: &[u64; 6]) -> i64 {
    if is_answered_at_once(call, request) {
        // SAFETY: the caller vouches for it.
        return unsafe { interruptible::call(signals, request.number, args) };
    }
    let sleeper = if sleeps_long(call) && request.flags & CUT == 0 { SLEEPS } else { RESTART };
    // What some of the calls below are given instead of the program's own.
    let vector = [args[1], args[2]];
    let no_time = [0_u64; 2];
    let vector_at = if request.flags & VECTOR == 0 { (&raw const vector) as u64 } else { args[1] };
    let Some(hasty) = hasty(call, request, *args, vector_at, (&raw const no_time) as u64) else { return sleeper };
    // SAFETY: the same call, on the same buffers or these two arrays, which the kernel reads.
    let result = unsafe { interruptible::call(signals, hasty.number.cast_unsigned(), &hasty.args) };
    if hasty.no_answer.contains(&result) { sleeper } else { result }
}

fn hasty(call: &Call, request: &Request<'_>, args: [u64; 6], vector: u64, no_time: u64) -> Option<Hasty> {
    let [fd, a1, a2, a3, a4, a5] = args;
    let moved = |number| {
        let args = [fd, vector, 1, u64::MAX, 0, libc::RWF_NOWAIT as u64];
        // Who has asked not to wait has its answer.
        let no_answer: &[i64] = if never_waits(fd) { &[NOT_SO] } else { &[AGAIN, NOT_SO] };
        Some(Hasty { number, args, no_answer })
    };
    let same = |args, no_answer| Some(Hasty { number: request.number.cast_signed(), args, no_answer });
    let waited = |args| same(args, &[0]);
    match i64::from(call.number) {
        libc::SYS_write | libc::SYS_writev if is_small(request) && kind_of(fd) == libc::S_IFIFO => {
            moved(libc::SYS_pwritev2)
        }
        // These wait for more than the first bytes.
        libc::SYS_recvfrom if a3 as i32 & libc::MSG_WAITALL != 0 => None,
        libc::SYS_read | libc::SYS_readv | libc::SYS_recvfrom if low_water(fd) > 1 => None,
        libc::SYS_read | libc::SYS_readv => moved(libc::SYS_preadv2),
        libc::SYS_recvfrom => {
            let never = never_waits(fd) || a3 as i32 & libc::MSG_DONTWAIT != 0;
            let no_answer: &[i64] = if never { &[] } else { &[AGAIN] };
            same([fd, a1, a2, a3 | libc::MSG_DONTWAIT as u64, a4, a5], no_answer)
        }
        // Nothing is ready: so it was asked, or the call sleeps.
        libc::SYS_poll if a2 as i32 != 0 => waited([fd, a1, 0, a3, a4, a5]),
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait if a3 as i32 != 0 => waited([fd, a1, a2, 0, a4, a5]),
        libc::SYS_ppoll => waited([fd, a1, no_time, a3, a4, a5]),
        libc::SYS_epoll_pwait2 => waited([fd, a1, a2, no_time, a4, a5]),
        libc::SYS_select | libc::SYS_pselect6 => waited([fd, a1, a2, a3, no_time, a5]),
        libc::SYS_poll | libc::SYS_epoll_wait | libc::SYS_epoll_pwait => same(args, &[]),
        _ => None,
    }
}

/// Whether the file was opened with, or given, `O_NONBLOCK`.
fn never_waits(fd: u64) -> bool {
    // SAFETY: F_GETFL changes nothing.
    let flags = unsafe { libc::fcntl(fd as i32, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

/// Bytes that a read of a socket waits for (`SO_RCVLOWAT`); 0: it is none.
fn low_water(fd: u64) -> i32 {
    let (mut bytes, mut size) = (0_i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: the kernel writes at most the four bytes of `bytes`, and `size`.
    let told = unsafe {
        let at = (&raw mut bytes).cast();
        libc::getsockopt(fd as i32, libc::SOL_SOCKET, libc::SO_RCVLOWAT, at, &raw mut size)
    };
    if told == 0 { bytes } else { 0 }
}

fn is_small(request: &Request<'_>) -> bool {
    request.segments().iter().all(|segment| segment.dir == Dir::In && u64::from(segment.len) <= PIPE_BUF)
}

/// Calls in which threads wait for others, or for the time. A call that is not listed takes all threads home, which is right for all.
fn sleeps_long(call: &Call) -> bool {
    matches!(
        i64::from(call.number),
        libc::SYS_read
            | libc::SYS_readv
            | libc::SYS_recvfrom
            | libc::SYS_accept
            | libc::SYS_accept4
            | libc::SYS_poll
            | libc::SYS_ppoll
            | libc::SYS_select
            | libc::SYS_pselect6
            | libc::SYS_epoll_wait
            | libc::SYS_epoll_pwait
            | libc::SYS_epoll_pwait2
            | libc::SYS_nanosleep
            | libc::SYS_clock_nanosleep
            | libc::SYS_wait4
            | libc::SYS_waitid
            | libc::SYS_flock
            | libc::SYS_semop
            | libc::SYS_semtimedop
            | libc::SYS_msgrcv
            | libc::SYS_mq_timedreceive
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write, pipe};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::super::{Patience, SLEEPS, apply, encode, execute};
    use crate::gateway::fake::FakeMemory;
    use crate::gateway::{GuestMemory, lookup};
    use crate::own_fds::OwnFds;
    use crate::threads::Pending;
    use crate::traps::interruptible::RESTART;

    /// What a deputy that only tries answers, and what is at 0x1000 afterwards.
    fn tried(number: i64, args: [u64; 6], before: &[u8]) -> (i64, Vec<u8>) {
        let mut memory = FakeMemory::with(0x1000, 4 * 4096);
        memory.write(0x1000, before).unwrap();
        let call = lookup(number as u64).unwrap();
        let (mut request, mut reply, mut after) = (Vec::new(), Vec::new(), vec![0; 8]);
        encode(call, &args, &mut memory, &mut request).unwrap();
        let (staging, signals) = (&mut super::super::Staging::new(), &Pending::new());
        execute(&request, &OwnFds::default(), staging, signals, Patience::Tries, &mut reply).unwrap();
        let result = apply(&reply, call, &args, &mut memory).unwrap();
        memory.read(0x1000, &mut after).unwrap();
        (result, after)
    }

    fn number(file: &impl AsRawFd) -> u64 {
        file.as_raw_fd() as u64
    }

    #[test]
    fn a_read_is_answered_if_there_is_something_to_read() {
        let (reader, mut writer) = pipe().unwrap();
        let read = [number(&reader), 0x1000, 100, 0, 0, 0];
        assert_eq!(tried(libc::SYS_read, read, b"--------"), (SLEEPS, b"--------".to_vec()));
        writer.write_all(b"1234").unwrap();
        assert_eq!(tried(libc::SYS_read, read, b"--------"), (4, b"1234----".to_vec()));
        drop(writer);
        assert_eq!(tried(libc::SYS_read, read, b"--------").0, 0, "the end of the pipe");
        assert_eq!(tried(libc::SYS_read, [999, 0x1000, 1, 0, 0, 0], b"").0, -i64::from(libc::EBADF));
    }

    #[test]
    fn who_has_asked_not_to_wait_is_not_sent_to_sleep() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let receive = |flags: i32| tried(libc::SYS_recvfrom, [number(&ours), 0x1000, 8, flags as u64, 0, 0], b"").0;
        assert_eq!((receive(0), receive(libc::MSG_DONTWAIT)), (SLEEPS, -i64::from(libc::EAGAIN)));
        theirs.write_all(b"some").unwrap();
        assert_eq!(receive(libc::MSG_WAITALL), SLEEPS, "four bytes are not eight");
        assert_eq!(receive(0), 4);
        ours.set_nonblocking(true).unwrap();
        assert_eq!(tried(libc::SYS_read, [number(&ours), 0x1000, 8, 0, 0, 0], b"").0, -i64::from(libc::EAGAIN));
    }

    #[test]
    fn a_small_write_to_a_pipe_is_made_whole_or_not_at_all() {
        let (mut reader, writer) = pipe().unwrap();
        let write = |bytes: u64| tried(libc::SYS_write, [number(&writer), 0x1000, bytes, 0, 0, 0], b"whole").0;
        let made = (0..1000).take_while(|_| write(4096) == 4096).count();
        assert!((1..1000).contains(&made), "{made} writes");
        assert_eq!(write(4096), RESTART, "a full pipe: all go home for that");
        assert_eq!(write(5000), RESTART);
        let mut bytes = vec![0; made * 4096];
        reader.read_exact(&mut bytes).unwrap();
        assert_eq!(write(5), 5);
        reader.read_exact(&mut bytes[..5]).unwrap();
        assert_eq!(&bytes[..5], b"whole");
    }

    #[test]
    fn polls_are_answered_unless_nothing_is_ready_and_there_is_time() {
        let (reader, mut writer) = pipe().unwrap();
        let mut one = [0; 8];
        one[..4].copy_from_slice(&(reader.as_raw_fd()).to_le_bytes());
        one[4] = libc::POLLIN as u8;
        let poll = |time: i32| tried(libc::SYS_poll, [0x1000, 1, time as u64, 0, 0, 0], &one);
        assert_eq!((poll(-1).0, poll(5).0, poll(0).0), (SLEEPS, SLEEPS, 0));
        writer.write_all(b"!").unwrap();
        assert_eq!(poll(-1), (1, [&one[..6], &[libc::POLLIN as u8, 0]].concat()));
    }

    #[test]
    fn a_nap_is_not_taken() {
        // It would be answered with 0 if it were.
        let second = [1_u64.to_le_bytes(), 0_u64.to_le_bytes()].concat();
        assert_eq!(tried(libc::SYS_nanosleep, [0x1000, 0, 0, 0, 0, 0], &second).0, SLEEPS);
    }
}
