//! futex(2) and its successors.
//!
//! The key of a private futex is an address: waking touches no memory. The key of a shared one is the page itself, which
//! the kernel has to find, and for anonymous memory it insists on a writable one (get_futex_key).

use super::call::{Call, Dir};
use super::guest::Fault;
use super::walk::Walk;

const PRIVATE: u32 = libc::FUTEX_PRIVATE_FLAG as u32;
const CLOCK_REALTIME: u32 = libc::FUTEX_CLOCK_REALTIME as u32;
/// `FUTEX2_PRIVATE`, of the calls since Linux 6.7.
const PRIVATE2: u64 = 128;

/// The command of a futex(2) operation word without its flags.
pub(super) fn command(op: u64) -> i32 {
    (op as u32 & !(PRIVATE | CLOCK_REALTIME)) as i32
}

/// What sort of futex wait a call is, if it is one that can last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FutexWait {
    /// None.
    No,
    /// One that can be broken off and made anew, with a relative time limit or none.
    For,
    /// The same with an absolute limit, if there is one, by CLOCK_REALTIME or CLOCK_MONOTONIC.
    Until {
        /// See above.
        realtime: bool,
    },
    /// One that cannot: it takes a lock that names threads, or is of the calls that came with Linux 5.16.
    Fixed,
}

/// Whether the call waits for a futex. Pure.
pub fn futex_sleep(call: &Call, args: &[u64; 6]) -> FutexWait {
    const FUTEX_WAITV: i64 = 449;
    const FUTEX_WAIT2: i64 = 455;
    match i64::from(call.number) {
        libc::SYS_futex => match command(args[1]) {
            libc::FUTEX_WAIT => FutexWait::For,
            libc::FUTEX_WAIT_BITSET => FutexWait::Until { realtime: args[1] as u32 & CLOCK_REALTIME != 0 },
            libc::FUTEX_LOCK_PI | LOCK_PI2 | libc::FUTEX_WAIT_REQUEUE_PI => FutexWait::Fixed,
            _ => FutexWait::No,
        },
        FUTEX_WAITV | FUTEX_WAIT2 => FutexWait::Fixed,
        _ => FutexWait::No,
    }
}

/// Whether futex(2) with these arguments wakes or waits for plain words, so that any node can do it. Pure.
pub fn wakes_or_waits_anywhere(args: &[u64; 6]) -> bool {
    let waits = matches!(command(args[1]), libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET);
    waits || matches!(command(args[1]), libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET | libc::FUTEX_WAKE_OP)
}

/// Whether the call only wakes who waits for futexes, or has them wait for another, and so is answered at once. Pure.
pub fn only_wakes(call: &Call, args: &[u64; 6]) -> bool {
    let wakes = matches!(command(args[1]), libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET | libc::FUTEX_WAKE_OP);
    i64::from(call.number) == libc::SYS_futex && wakes || requeues(call, args)
}

/// Whether it has them wait for another. Pure.
pub fn requeues(call: &Call, args: &[u64; 6]) -> bool {
    let requeues = matches!(command(args[1]), libc::FUTEX_REQUEUE | libc::FUTEX_CMP_REQUEUE);
    i64::from(call.number) == libc::SYS_futex && requeues
}

/// True when the operation only names addresses, which lets a deputy do it: threads wait at home.
pub(super) fn touches_no_memory(op: u64) -> bool {
    op as u32 & PRIVATE != 0 && matches!(command(op), libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET)
}

pub(super) fn futex(walk: &mut Walk<'_>) -> Result<(), Fault> {
    let op = walk.arg(1);
    if touches_no_memory(op) {
        return Ok(());
    }
    let reads = if op as u32 & PRIVATE != 0 { Dir::In } else { Dir::InOut };
    let (first, second, timed) = match command(op) {
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => (reads, None, true),
        libc::FUTEX_REQUEUE | libc::FUTEX_CMP_REQUEUE => (reads, Some(reads), false),
        libc::FUTEX_WAKE_OP => (reads, Some(Dir::InOut), false),
        libc::FUTEX_CMP_REQUEUE_PI => (reads, Some(Dir::InOut), false),
        libc::FUTEX_WAIT_REQUEUE_PI => (reads, Some(Dir::InOut), true),
        libc::FUTEX_LOCK_PI | LOCK_PI2 => (Dir::InOut, None, true),
        libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET => (reads, None, false),
        _ => (Dir::InOut, None, false),
    };
    walk.direct(0, 4, first);
    if timed {
        walk.direct(3, 16, Dir::In);
    }
    if let Some(dir) = second {
        walk.direct(4, 4, dir);
    }
    Ok(())
}

const LOCK_PI2: i32 = 13;

pub(super) fn futex_wake(walk: &mut Walk<'_>) -> Result<(), Fault> {
    let flags = walk.arg(3);
    if flags & PRIVATE2 == 0 {
        walk.direct(0, word_len(flags), word_dir(flags));
    }
    Ok(())
}

pub(super) fn futex_wait(walk: &mut Walk<'_>) -> Result<(), Fault> {
    let flags = walk.arg(3);
    walk.direct(0, word_len(flags), word_dir(flags));
    Ok(())
}

/// An array of `struct futex_waitv { u64 val; u64 uaddr; u32 flags; u32 reserved; }`.
pub(super) fn futex_waitv(walk: &mut Walk<'_>) -> Result<(), Fault> {
    waiters(walk, u64::from(walk.arg32(1)).min(128)) // FUTEX_WAITV_MAX
}

pub(super) fn futex_requeue(walk: &mut Walk<'_>) -> Result<(), Fault> {
    waiters(walk, 2)
}

fn waiters(walk: &mut Walk<'_>, count: u64) -> Result<(), Fault> {
    let array = walk.arg(0);
    if array == 0 {
        return Ok(());
    }
    (0..count).try_for_each(|i| {
        let at = array.checked_add(24 * i).ok_or(Fault { addr: array })?;
        let [_value, word, flags] = walk.read_u64s(at)?;
        walk.nested(word, word_len(flags), word_dir(flags));
        Ok(())
    })
}

/// `FUTEX2_SIZE_*` in the low two bits; `FUTEX2_NUMA` puts a node number after the word.
fn word_len(flags: u64) -> u64 {
    (1 << (flags & 3)) << (flags >> 2 & 1)
}

fn word_dir(flags: u64) -> Dir {
    let node_may_be_written = flags & 4 != 0;
    if flags & PRIVATE2 != 0 && !node_may_be_written { Dir::In } else { Dir::InOut }
}

#[cfg(test)]
mod tests {
    use super::super::lookup;
    use super::*;

    fn futex(op: i32) -> (&'static Call, [u64; 6]) {
        (lookup(libc::SYS_futex as u64).expect("in the table"), [0x1000, op as u64, 0, 0, 0, 0])
    }

    #[test]
    fn waits_for_plain_words_can_be_broken_off_and_others_cannot() {
        let wait = |op| {
            let (call, args) = futex(op);
            futex_sleep(call, &args)
        };
        assert_eq!(wait(libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG), FutexWait::For);
        let realtime = libc::FUTEX_WAIT_BITSET | libc::FUTEX_CLOCK_REALTIME;
        assert_eq!(wait(realtime), FutexWait::Until { realtime: true });
        assert_eq!(wait(libc::FUTEX_LOCK_PI), FutexWait::Fixed);
        assert_eq!(wait(libc::FUTEX_WAKE), FutexWait::No);
        assert_eq!(futex_sleep(lookup(449).expect("futex_waitv"), &[0; 6]), FutexWait::Fixed);
        assert_eq!(futex_sleep(lookup(0).expect("read"), &[0; 6]), FutexWait::No);
    }

    #[test]
    fn a_requeue_is_answered_at_once_and_made_at_home() {
        let (call, args) = futex(libc::FUTEX_CMP_REQUEUE | libc::FUTEX_PRIVATE_FLAG);
        assert!(only_wakes(call, &args) && requeues(call, &args) && !wakes_or_waits_anywhere(&args));
        let (call, args) = futex(libc::FUTEX_WAKE);
        assert!(only_wakes(call, &args) && !requeues(call, &args) && wakes_or_waits_anywhere(&args));
    }
}
