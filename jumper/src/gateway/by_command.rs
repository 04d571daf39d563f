//! Calls whose pointer arguments depend on a command, a type or a size given by another argument.

use super::call::Dir;
use super::guest::Fault;
use super::walk::Walk;

type Done = Result<(), Fault>;

pub(super) fn fcntl(walk: &mut Walk<'_>) -> Done {
    let (len, dir) = match walk.arg32(1) as i32 {
        libc::F_GETLK | libc::F_OFD_GETLK => (FLOCK, Dir::InOut),
        libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_SETLK | libc::F_OFD_SETLKW => (FLOCK, Dir::In),
        F_SETOWN_EX => (8, Dir::In),
        F_GETOWN_EX | F_GETOWNER_UIDS => (8, Dir::InOut),
        F_GET_RW_HINT | F_GET_FILE_RW_HINT | F_GETDELEG => (8, Dir::InOut),
        F_SET_RW_HINT | F_SET_FILE_RW_HINT | F_SETDELEG => (8, Dir::In),
        _ => (0, Dir::In), // an integer, or nothing
    };
    walk.direct(2, len, dir);
    Ok(())
}

const FLOCK: u64 = size_of::<libc::flock>() as u64;
const F_SETOWN_EX: i32 = 15;
const F_GETOWN_EX: i32 = 16;
const F_GETOWNER_UIDS: i32 = 17;
const F_GET_RW_HINT: i32 = 1035;
const F_SET_RW_HINT: i32 = 1036;
const F_GET_FILE_RW_HINT: i32 = 1037;
const F_SET_FILE_RW_HINT: i32 = 1038;
const F_GETDELEG: i32 = 1039; // Linux 6.19
const F_SETDELEG: i32 = 1040;

/// The event is not looked at by `EPOLL_CTL_DEL`: whatever is there may be no address.
pub(super) fn epoll_ctl(walk: &mut Walk<'_>) -> Done {
    let deletes = walk.arg32(1) as i32 == libc::EPOLL_CTL_DEL;
    walk.direct(3, if deletes { 0 } else { 12 }, Dir::In);
    Ok(())
}

/// Socket filters are `{ u16 count; struct sock_filter *filter; }`. The option itself is a plain pointer of the table.
pub(super) fn setsockopt(walk: &mut Walk<'_>) -> Done {
    let filter = matches!(walk.arg32(2) as i32, libc::SO_ATTACH_FILTER | libc::SO_ATTACH_REUSEPORT_CBPF);
    if walk.arg32(1) as i32 == libc::SOL_SOCKET && filter && walk.arg32(4) >= 16 && walk.arg(3) != 0 {
        let [count, instructions] = walk.read_u64s(walk.arg(3))?;
        walk.nested(instructions, 8 * (count & 0xffff), Dir::In);
    }
    Ok(())
}

pub(super) fn arch_prctl(walk: &mut Walk<'_>) -> Done {
    let answers_in_memory = matches!(walk.arg32(0), 0x1003 | 0x1004 | 0x1021 | 0x1022 | 0x1024 | 0x4001 | 0x5005);
    walk.direct(1, if answers_in_memory { 8 } else { 0 }, Dir::Out);
    Ok(())
}

pub(super) fn prctl(walk: &mut Walk<'_>) -> Done {
    match walk.arg32(0) as i32 {
        libc::PR_SET_NAME => return walk.text(1, 16),
        libc::PR_GET_NAME => walk.direct(1, 16, Dir::Out),
        libc::PR_GET_PDEATHSIG | libc::PR_GET_UNALIGN | libc::PR_GET_FPEMU | libc::PR_GET_FPEXC => int_out(walk),
        libc::PR_GET_ENDIAN | libc::PR_GET_TSC | libc::PR_GET_CHILD_SUBREAPER => int_out(walk),
        libc::PR_GET_TID_ADDRESS => walk.direct(1, 8, Dir::Out),
        libc::PR_SET_VMA => return walk.text(4, 80),
        libc::PR_SCHED_CORE if walk.arg(1) == 0 => walk.direct(4, 8, Dir::Out),
        _ => {} // integers only, or refused
    }
    Ok(())
}

fn int_out(walk: &mut Walk<'_>) {
    walk.direct(1, 4, Dir::Out);
}

/// capget and capset: the version in the header says how many 12-byte entries follow.
pub(super) fn capabilities(walk: &mut Walk<'_>) -> Done {
    if walk.arg(0) != 0 {
        let first_version = walk.read_u32(walk.arg(0))? == 0x1998_0330;
        walk.direct(1, if first_version { 12 } else { 24 }, Dir::InOut);
    }
    Ok(())
}

/// The structure begins with its own size; 0 means the first version's.
pub(super) fn sched_setattr(walk: &mut Walk<'_>) -> Done {
    sized(walk, 1, 0, 48)
}

/// A structure at `arg` with its size in bytes as a `u32` at offset `at`. The kernel refuses sizes above a page, and may
/// write the size it knows back.
pub(super) fn sized(walk: &mut Walk<'_>, arg: u8, at: u64, first_version: u64) -> Done {
    if walk.arg(arg) != 0 {
        let size = u64::from(walk.read_u32(walk.arg(arg).saturating_add(at))?);
        let size = if size == 0 { first_version } else { size };
        walk.direct(arg, size.clamp(at + 4, 4096), Dir::InOut);
    }
    Ok(())
}

pub(super) fn semctl(walk: &mut Walk<'_>) -> Done {
    match command(walk, 2) {
        libc::IPC_SET => walk.direct(3, 104, Dir::In),
        libc::IPC_STAT | libc::SEM_STAT | SEM_STAT_ANY => walk.direct(3, 104, Dir::Out),
        libc::IPC_INFO | libc::SEM_INFO => walk.direct(3, 40, Dir::Out),
        libc::GETALL | libc::SETALL => walk.guess(3, 64_000), // 2 bytes for each semaphore of the set: SEMMSL
        _ => {}
    }
    Ok(())
}

pub(super) fn shmctl(walk: &mut Walk<'_>) -> Done {
    match command(walk, 1) {
        libc::IPC_SET => walk.direct(2, 112, Dir::In),
        libc::IPC_STAT | SHM_STAT | SHM_STAT_ANY => walk.direct(2, 112, Dir::Out),
        libc::IPC_INFO => walk.direct(2, 72, Dir::Out),
        SHM_INFO => walk.direct(2, 48, Dir::Out),
        _ => {}
    }
    Ok(())
}

pub(super) fn msgctl(walk: &mut Walk<'_>) -> Done {
    match command(walk, 1) {
        libc::IPC_SET => walk.direct(2, 120, Dir::In),
        libc::IPC_STAT | libc::MSG_STAT | MSG_STAT_ANY => walk.direct(2, 120, Dir::Out),
        libc::IPC_INFO | libc::MSG_INFO => walk.direct(2, 32, Dir::Out),
        _ => {}
    }
    Ok(())
}

const SEM_STAT_ANY: i32 = 20;
const SHM_STAT: i32 = 13;
const SHM_INFO: i32 = 14;
const SHM_STAT_ANY: i32 = 15;
const MSG_STAT_ANY: i32 = 13;

/// A System V command without `IPC_64`, which changes nothing on x86-64.
fn command(walk: &Walk<'_>, arg: u8) -> i32 {
    walk.arg32(arg) as i32 & !0x100
}

/// A `long` for the type, then as many bytes as argument 2 says.
pub(super) fn msgsnd(walk: &mut Walk<'_>) -> Done {
    walk.direct(1, walk.arg(2).saturating_add(8), Dir::In);
    Ok(())
}

pub(super) fn msgrcv(walk: &mut Walk<'_>) -> Done {
    walk.direct(1, walk.arg(2).saturating_add(8), Dir::InOut);
    Ok(())
}
