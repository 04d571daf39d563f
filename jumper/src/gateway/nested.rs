//! Structures that hold further pointers.

use super::call::{Dir, IOV_MAX};
use super::guest::Fault;
use super::walk::Walk;

/// Longest argument or environment string in bytes (`MAX_ARG_STRLEN`).
const ARG_STRLEN: u64 = 32 * 4096;
/// Most strings that are followed; the kernel's limit on their total size is met long before.
const STRINGS_MAX: u64 = 1 << 18;
/// Bits of the largest fd_set that makes sense: the default of fs.nr_open.
pub(super) const FD_SET_BITS: u32 = 1 << 20;

/// The three sets of select(2): `nfds` bits each, rounded up to whole words.
pub(super) fn fd_sets(walk: &mut Walk<'_>) -> Result<(), Fault> {
    let bits = walk.arg32(0);
    if bits as i32 >= 0 {
        let bytes = u64::from(bits.min(FD_SET_BITS)).div_ceil(64) * 8;
        (1..=3).for_each(|arg| walk.direct(arg, bytes, Dir::InOut));
    }
    Ok(())
}

/// The sixth argument of pselect6: a pointer to `{ const sigset_t *mask; size_t size; }`.
pub(super) fn mask_of_pselect6(walk: &mut Walk<'_>) -> Result<(), Fault> {
    if walk.arg(5) == 0 {
        return Ok(());
    }
    walk.direct(5, 16, Dir::In);
    let [mask, size] = walk.read_u64s(walk.arg(5))?;
    walk.nested(mask, size.min(128), Dir::In);
    Ok(())
}

pub(super) fn sendmsg(walk: &mut Walk<'_>) -> Result<(), Fault> {
    walk.direct(1, MSGHDR, Dir::In);
    message(walk, walk.arg(1), Dir::In)
}

pub(super) fn recvmsg(walk: &mut Walk<'_>) -> Result<(), Fault> {
    walk.direct(1, MSGHDR, Dir::InOut);
    message(walk, walk.arg(1), Dir::Out)
}

pub(super) fn sendmmsg(walk: &mut Walk<'_>) -> Result<(), Fault> {
    messages(walk, Dir::In)
}

pub(super) fn recvmmsg(walk: &mut Walk<'_>) -> Result<(), Fault> {
    messages(walk, Dir::Out)
}

const MSGHDR: u64 = size_of::<libc::msghdr>() as u64;
const MMSGHDR: u64 = size_of::<libc::mmsghdr>() as u64;

/// An array of mmsghdr at argument 1, as many as argument 2 says; the kernel writes a length into each.
fn messages(walk: &mut Walk<'_>, dir: Dir) -> Result<(), Fault> {
    let count = u64::from(walk.arg32(2)).min(IOV_MAX); // the kernel's own limit is the same
    walk.direct(1, count * MMSGHDR, Dir::InOut);
    let array = walk.arg(1);
    (0..count).try_for_each(|i| match array.checked_add(i * MMSGHDR) {
        Some(header) => message(walk, header, dir),
        None => Err(Fault { addr: array }),
    })
}

/// What a msghdr points to. The header itself is the caller's to add.
fn message(walk: &mut Walk<'_>, header: u64, dir: Dir) -> Result<(), Fault> {
    if header == 0 {
        return Ok(());
    }
    let [name, name_len, array, count, control, control_len] = walk.read_u64s(header)?;
    walk.nested(name, u64::from(name_len as u32), dir);
    walk.nested(control, control_len.min(1 << 31), dir);
    if array != 0 && count <= IOV_MAX {
        walk.nested(array, 16 * count, Dir::In);
        walk.buffers(array, count, dir)?;
    }
    Ok(())
}

pub(super) fn strings_of_execve(walk: &mut Walk<'_>) -> Result<(), Fault> {
    strings(walk, 1)?;
    strings(walk, 2)
}

pub(super) fn strings_of_execveat(walk: &mut Walk<'_>) -> Result<(), Fault> {
    strings(walk, 2)?;
    strings(walk, 3)
}

/// A NULL-terminated array of strings.
fn strings(walk: &mut Walk<'_>, arg: u8) -> Result<(), Fault> {
    let array = walk.arg(arg);
    if array == 0 {
        return Ok(());
    }
    for i in 0..STRINGS_MAX {
        let at = array.checked_add(8 * i).ok_or(Fault { addr: array })?;
        let [string] = walk.read_u64s(at)?;
        walk.out.push(at, 8, Dir::In, (i == 0).then_some(arg));
        if string == 0 {
            break;
        }
        let len = walk.text_len(string, ARG_STRLEN)?;
        walk.nested(string, len, Dir::In);
    }
    Ok(())
}

/// The pointers in `struct clone_args`: pidfd, child_tid, parent_tid, set_tid.
pub(super) fn clone3(walk: &mut Walk<'_>) -> Result<(), Fault> {
    let (at, size) = (walk.arg(0), walk.arg(1));
    if at == 0 || size < 64 {
        return Ok(()); // EINVAL: CLONE_ARGS_SIZE_VER0
    }
    let [_flags, pidfd, child_tid, parent_tid] = walk.read_u64s(at)?;
    for word in [pidfd, child_tid, parent_tid] {
        walk.nested(word, 4, Dir::InOut);
    }
    if size >= 80 {
        let [set_tid, count] = walk.read_u64s(at.saturating_add(64))?;
        walk.nested(set_tid, 4 * count.min(32), Dir::In);
    }
    Ok(())
}

/// process_madvise: the array is read, the addresses in it are only named.
pub(super) fn iovec_array(walk: &mut Walk<'_>) -> Result<(), Fault> {
    walk.direct(1, 16 * walk.arg(2).min(IOV_MAX), Dir::In);
    Ok(())
}

pub(super) fn process_vm_readv(walk: &mut Walk<'_>) -> Result<(), Fault> {
    process_vm(walk, Dir::Out, Dir::In)
}

pub(super) fn process_vm_writev(walk: &mut Walk<'_>) -> Result<(), Fault> {
    process_vm(walk, Dir::In, Dir::Out)
}

/// Local buffers, and the remote ones too where "remote" is the app itself.
fn process_vm(walk: &mut Walk<'_>, local: Dir, remote: Dir) -> Result<(), Fault> {
    walk.vector(1, 2, local)?;
    if walk.arg32(0) == std::process::id() {
        return walk.vector(3, 4, remote);
    }
    walk.direct(3, 16 * walk.arg(4).min(IOV_MAX), Dir::In);
    Ok(())
}

/// One byte for each page of the range.
pub(super) fn mincore(walk: &mut Walk<'_>) -> Result<(), Fault> {
    walk.direct(2, walk.arg(1).div_ceil(4096), Dir::Out);
    Ok(())
}

pub(super) fn mbind(walk: &mut Walk<'_>) -> Result<(), Fault> {
    node_mask(walk, 3, 4, Dir::In)
}

pub(super) fn set_mempolicy(walk: &mut Walk<'_>) -> Result<(), Fault> {
    node_mask(walk, 1, 2, Dir::In)
}

pub(super) fn get_mempolicy(walk: &mut Walk<'_>) -> Result<(), Fault> {
    node_mask(walk, 1, 2, Dir::InOut)
}

pub(super) fn migrate_pages(walk: &mut Walk<'_>) -> Result<(), Fault> {
    node_mask(walk, 2, 1, Dir::In)?;
    node_mask(walk, 3, 1, Dir::In)
}

/// A mask of as many bits as an argument says, in whole words. More than a page of it is EINVAL.
fn node_mask(walk: &mut Walk<'_>, arg: u8, bits: u8, dir: Dir) -> Result<(), Fault> {
    walk.direct(arg, (walk.arg(bits).div_ceil(64)).saturating_mul(8).min(4096), dir);
    Ok(())
}

/// move_pages: addresses in, nodes in, a status for each out.
pub(super) fn move_pages(walk: &mut Walk<'_>) -> Result<(), Fault> {
    let count = walk.arg(1);
    walk.direct(2, count.saturating_mul(8), Dir::In);
    walk.direct(3, count.saturating_mul(4), Dir::In);
    walk.direct(4, count.saturating_mul(4), Dir::InOut);
    Ok(())
}
