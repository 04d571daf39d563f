//! The same as [`by_command`](super::by_command), for calls that administer the machine.

use super::by_command::sized;
use super::call::{Dir, PATH_MAX};
use super::guest::Fault;
use super::walk::Walk;

type Done = Result<(), Fault>;

/// `struct perf_event_attr`: its size is the second word.
pub(super) fn perf_event_open(walk: &mut Walk<'_>) -> Done {
    sized(walk, 0, 4, 64)
}

/// `struct mnt_id_req` of statmount and listmount.
pub(super) fn mnt_id_req(walk: &mut Walk<'_>) -> Done {
    sized(walk, 0, 0, 24)
}

pub(super) fn quotactl(walk: &mut Walk<'_>) -> Done {
    quota(walk, walk.arg32(0))
}

pub(super) fn quotactl_fd(walk: &mut Walk<'_>) -> Done {
    quota(walk, walk.arg32(1))
}

/// The fourth argument, by the upper 24 bits of the command.
fn quota(walk: &mut Walk<'_>, command: u32) -> Done {
    match command >> 8 {
        0x80_0002 => return walk.text(3, PATH_MAX),              // Q_QUOTAON
        0x80_0004 => walk.direct(3, 4, Dir::Out),                // Q_GETFMT
        0x80_0005 | 0x80_0006 => walk.direct(3, 24, Dir::InOut), // Q_GETINFO, Q_SETINFO
        0x80_0007 | 0x80_0008 => walk.direct(3, 72, Dir::InOut), // Q_GETQUOTA, Q_SETQUOTA
        0x80_0009 => walk.direct(3, 80, Dir::InOut),             // Q_GETNEXTQUOTA
        0x80_0001 | 0x80_0003 => {}                              // Q_SYNC, Q_QUOTAOFF
        _ => walk.guess(3, 512),                                 // those of XFS
    }
    Ok(())
}

/// keyctl(2), by operation. Buffers with an answer may be filled in part.
pub(super) fn keyctl(walk: &mut Walk<'_>) -> Done {
    match walk.arg32(0) {
        0 | 3 | 4 | 5 | 7 | 8 | 9 | 13..=16 | 18 | 19 | 21 | 22 | 30 | 32 => {} // integers only
        1 => walk.text(1, 4096)?,                                               // KEYCTL_JOIN_SESSION_KEYRING
        2 | 12 => walk.direct(2, walk.arg(3), Dir::In),                         // UPDATE, INSTANTIATE
        6 | 11 | 17 => walk.direct(2, walk.arg(3), Dir::InOut),                 // DESCRIBE, READ, GET_SECURITY
        10 | 29 => {
            walk.text(2, 32)?; // SEARCH, RESTRICT_KEYRING: a type, then a description
            walk.text(3, 4096)?;
        }
        20 => walk.vector(2, 3, Dir::In)?,                  // INSTANTIATE_IOV
        31 => walk.direct(1, walk.arg(2), Dir::InOut),      // CAPABILITIES
        _ => (1..=4).for_each(|arg| walk.guess(arg, 4096)), // DH_COMPUTE, PKEY_*
    }
    Ok(())
}

/// Type 1 has a packed 12-byte attribute (path beneath), type 2 one of 16 bytes (port).
pub(super) fn landlock_add_rule(walk: &mut Walk<'_>) -> Done {
    walk.direct(2, if walk.arg32(1) == 1 { 12 } else { 16 }, Dir::In);
    Ok(())
}

/// 0 and 2 read the table into memory, 1 and 0x11 set one entry (`struct user_desc`).
pub(super) fn modify_ldt(walk: &mut Walk<'_>) -> Done {
    let dir = if matches!(walk.arg32(0), 0 | 2) { Dir::InOut } else { Dir::In };
    walk.direct(1, walk.arg(2), dir);
    Ok(())
}

/// 1 takes a name, 2 writes one of unknown length.
pub(super) fn sysfs(walk: &mut Walk<'_>) -> Done {
    match walk.arg32(0) {
        1 => walk.text(1, PATH_MAX)?,
        2 => walk.guess(2, 256),
        _ => {}
    }
    Ok(())
}

/// The value is a string, bytes or a path, by command.
pub(super) fn fsconfig(walk: &mut Walk<'_>) -> Done {
    walk.text(2, 256)?;
    match walk.arg32(1) {
        1 => walk.text(3, 256)?,
        2 => walk.direct(3, u64::from(walk.arg32(4)), Dir::In),
        3 | 4 => walk.text(3, PATH_MAX)?,
        _ => {}
    }
    Ok(())
}

/// `struct file_handle { u32 handle_bytes; int type; u8 handle[]; }` at argument 2, then a mount id: 4 bytes, or 8 with
/// `AT_HANDLE_MNT_ID_UNIQUE`.
pub(super) fn name_to_handle_at(walk: &mut Walk<'_>) -> Done {
    handle(walk, 2, Dir::InOut)?;
    walk.direct(3, if walk.arg(4) & 1 != 0 { 8 } else { 4 }, Dir::InOut);
    Ok(())
}

pub(super) fn open_by_handle_at(walk: &mut Walk<'_>) -> Done {
    handle(walk, 1, Dir::In)
}

fn handle(walk: &mut Walk<'_>, arg: u8, dir: Dir) -> Done {
    if walk.arg(arg) != 0 {
        let bytes = walk.read_u32(walk.arg(arg))?.min(128); // MAX_HANDLE_SZ
        walk.direct(arg, 8 + u64::from(bytes), dir);
    }
    Ok(())
}

pub(super) fn setxattrat(walk: &mut Walk<'_>) -> Done {
    xattr_args(walk, Dir::In)
}

pub(super) fn getxattrat(walk: &mut Walk<'_>) -> Done {
    xattr_args(walk, Dir::InOut)
}

/// `struct xattr_args { u64 value; u32 size; u32 flags; }`, its own size in argument 5.
fn xattr_args(walk: &mut Walk<'_>, dir: Dir) -> Done {
    walk.direct(4, walk.arg(5).min(4096), Dir::In);
    if walk.arg(4) != 0 && walk.arg(5) >= 16 {
        let [value, size_and_flags] = walk.read_u64s(walk.arg(4))?;
        walk.nested(value, u64::from(size_and_flags as u32), dir);
    }
    Ok(())
}
