//! One read or write of the app in several pieces.

use super::{PIECE_MAX, Refusal};
use crate::gateway::raw::is_error;
use crate::gateway::{Call, Dir, Fault, GuestMemory, IOV_MAX, MAX_RW_COUNT, Ranges, iovec};

/// The sum of the pieces so far: `(done, answer)` after a piece had `result` and `done` bytes were moved before it. `answer`
/// is what the app gets if this was the last piece: an error counts only when nothing was moved.
pub fn add(done: u64, result: i64) -> (u64, i64) {
    match result {
        result if !is_error(result) => (done + result as u64, done as i64 + result),
        _ if done > 0 => (done, done as i64),
        error => (0, error),
    }
}

/// The arguments of what is left of a call after `done` bytes.
pub(super) fn rest(call: &Call, args: &[u64; 6], done: u64) -> [u64; 6] {
    let mut args = *args;
    if let Some((buffer, len, _)) = call.transfer() {
        args[buffer] = args[buffer].wrapping_add(done);
        args[len] = args[len].saturating_sub(done);
    }
    if positional(call, &args) {
        args[3] = args[3].wrapping_add(done);
    }
    args
}

/// The call takes its file offset from argument 3. For preadv2 and pwritev2, -1 means the offset of the file.
fn positional(call: &Call, args: &[u64; 6]) -> bool {
    match i64::from(call.number) {
        libc::SYS_pread64 | libc::SYS_pwrite64 | libc::SYS_preadv | libc::SYS_pwritev => true,
        libc::SYS_preadv2 | libc::SYS_pwritev2 => args[3] != u64::MAX,
        _ => false,
    }
}

/// Cuts the buffer of a read or write to one piece. True when something was cut off.
pub(super) fn cut(call: &Call, args: &mut [u64; 6]) -> Result<bool, Refusal> {
    let Some((_, len, _)) = call.transfer() else {
        return Ok(false);
    };
    if args[len] > i64::MAX as u64 {
        return Err(Refusal::Home); // the kernel has an answer of its own to that: EINVAL
    }
    let cut = args[len] > PIECE_MAX;
    args[len] = args[len].min(PIECE_MAX);
    Ok(cut)
}

/// The buffers of an iovec array, without its first `done` bytes and cut to one piece.
pub(super) struct Vector {
    pub buffers: Ranges,
    /// Bytes in `buffers`, at most [`PIECE_MAX`].
    pub len: u64,
    /// The array has more bytes than these.
    pub cut: bool,
}

/// Reads the iovec array at `array`. Refuses what the kernel would: it has the right errno.
pub(super) fn vector(
    mem: &mut dyn GuestMemory,
    (array, count): (u64, u64),
    dir: Dir,
    done: u64,
) -> Result<Vector, Refusal> {
    if array == 0 || count > IOV_MAX {
        return Err(Refusal::Home);
    }
    let mut vector = Vector { buffers: Ranges::new(), len: 0, cut: false };
    let (mut skip, mut left) = (done, MAX_RW_COUNT.saturating_sub(done));
    for i in 0..count {
        let (addr, len) = iovec(mem, array, i)?;
        if len > i64::MAX as u64 {
            return Err(Refusal::Home);
        }
        let skipped = skip.min(len);
        skip -= skipped;
        let wanted = (len - skipped).min(left);
        left -= wanted;
        let taken = wanted.min(PIECE_MAX - vector.len);
        vector.cut |= taken < wanted;
        if taken > 0 {
            let from = addr.checked_add(skipped).filter(|from| *from != 0).ok_or(Fault { addr })?;
            vector.buffers.push(from, taken, dir, None);
        }
        vector.len += taken;
    }
    Ok(vector)
}
