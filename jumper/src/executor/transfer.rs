//! Calls whose buffers are larger than what may be resident at once: carried out in pieces, or cut short where the
//! kernel may cut them short too.

use super::Executor;
use crate::RunError;
use crate::gateway::{Call, Dir, GuestMemory, MAX_RW_COUNT, is_error, syscall6};

/// Largest piece, in bytes: what one call may keep resident.
const PIECE_BYTES_MAX: u64 = 8 << 20;

/// One stretch of the program's memory.
#[derive(Clone, Copy)]
struct Stretch {
    addr: u64,
    len: u64,
}

/// What stays the same over the pieces of one call.
struct Transfer {
    number: u64,
    fd: u64,
    dir: Dir,
    /// File position, for the positioned calls.
    offset: Option<u64>,
    /// Short counts end the transfer; for regular files only the end of the file gives one.
    regular: bool,
}

impl Executor {
    /// How many bytes one call may have resident at once: a quarter of the budget.
    pub(super) fn piece_bytes(&mut self) -> u64 {
        (self.pager.here().limit * eos_pager::page::PAGE_SIZE / 4).clamp(64 << 10, PIECE_BYTES_MAX)
    }

    /// A call with more bytes than that.
    pub(super) fn in_pieces(&mut self, call: &'static Call, args: [u64; 6]) -> Result<i64, RunError> {
        let Some((number, positioned)) = scalar_form(call) else {
            return self.trimmed(call, args);
        };
        let stretches = match self.stretches(call, args)? {
            Ok(stretches) => stretches,
            Err(errno) => return Ok(-i64::from(errno)),
        };
        let dir = call.transfer().or(call.vector()).map_or(Dir::In, |(_, _, dir)| dir);
        let mut transfer =
            Transfer { number, fd: args[0], dir, offset: positioned.then_some(args[3]), regular: is_regular(args[0]) };
        let mut done = 0;
        for stretch in stretches {
            let (moved, ended) = self.move_stretch(&mut transfer, stretch)?;
            if is_error(moved) {
                return Ok(if done > 0 { done } else { moved });
            }
            done += moved;
            if ended {
                break;
            }
        }
        Ok(done)
    }

    /// Moves one stretch piece by piece. Says whether the transfer has ended with a short count.
    fn move_stretch(&mut self, transfer: &mut Transfer, stretch: Stretch) -> Result<(i64, bool), RunError> {
        let piece_max = self.piece_bytes();
        let mut done = 0;
        while done < stretch.len {
            let piece = piece_max.min(stretch.len - done);
            let at = stretch.addr + done;
            self.make_resident([(at, piece, transfer.dir)].into_iter())?;
            let args = [transfer.fd, at, piece, transfer.offset.unwrap_or(0), 0, 0];
            // SAFETY: a read or write of the program's own memory.
            let moved = unsafe { syscall6(transfer.number, args) };
            self.pager.unpin();
            if is_error(moved) {
                return Ok((if done > 0 { done.cast_signed() } else { moved }, true));
            }
            let moved = moved.cast_unsigned();
            done += moved;
            transfer.offset = transfer.offset.map(|offset| offset + moved);
            let may_block = transfer.dir.writes() && !transfer.regular;
            if moved < piece || (may_block && done < stretch.len) {
                return Ok((done.cast_signed(), true));
            }
        }
        Ok((done.cast_signed(), false))
    }

    /// The buffers of the call, in order, cut where the kernel cuts.
    fn stretches(&mut self, call: &Call, args: [u64; 6]) -> Result<Result<Vec<Stretch>, i32>, RunError> {
        if let Some((buffer, length, _)) = call.transfer() {
            let len = args[length].min(MAX_RW_COUNT);
            return Ok(Ok(vec![Stretch { addr: args[buffer], len }]));
        }
        let Some((array, count, _)) = call.vector() else {
            return Ok(Err(libc::EINVAL));
        };
        let mut bytes = vec![0; args[count] as usize * 16];
        if self.with_guest(|guest| guest.read(args[array], &mut bytes))?.is_err() {
            return Ok(Err(libc::EFAULT));
        }
        let mut left = MAX_RW_COUNT;
        let stretches = bytes.as_chunks::<16>().0.iter().map(|entry| {
            let word = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
            let len = word(8).min(left);
            left -= len;
            Stretch { addr: word(0), len }
        });
        Ok(Ok(stretches.filter(|stretch| stretch.len > 0).collect()))
    }

    /// Any other call with very large buffers: as much as fits is made resident; the kernel answers for the rest.
    fn trimmed(&mut self, call: &'static Call, args: [u64; 6]) -> Result<i64, RunError> {
        let mut touched = crate::gateway::Ranges::new();
        let _ = self.with_guest(|guest| crate::gateway::ranges(call, &args, guest, &mut touched))?;
        let mut room = self.pager.here().limit / 2 * eos_pager::page::PAGE_SIZE;
        let fitting = touched.as_slice().iter().map_while(|range| {
            let len = range.len.min(room);
            room -= len;
            (len > 0 || range.len == 0).then_some((range.addr, len, range.dir))
        });
        let fitting: Vec<_> = fitting.collect();
        self.make_resident(fitting.into_iter())?;
        // SAFETY: the class says that the call only touches the program's own memory.
        let result = unsafe { syscall6(u64::from(call.number), args) };
        self.pager.unpin();
        Ok(result)
    }
}

/// The call for one buffer that does what `call` does for one or many, and whether it takes a file position.
fn scalar_form(call: &Call) -> Option<(u64, bool)> {
    let (number, positioned) = match i64::from(call.number) {
        libc::SYS_read | libc::SYS_readv => (libc::SYS_read, false),
        libc::SYS_write | libc::SYS_writev => (libc::SYS_write, false),
        libc::SYS_pread64 | libc::SYS_preadv => (libc::SYS_pread64, true),
        libc::SYS_pwrite64 | libc::SYS_pwritev => (libc::SYS_pwrite64, true),
        _ => return None,
    };
    Some((number.cast_unsigned(), positioned))
}

fn is_regular(fd: u64) -> bool {
    // SAFETY: fstat fills the structure or fails.
    unsafe {
        let mut stat = std::mem::zeroed::<libc::stat>();
        libc::fstat(fd as i32, &raw mut stat) == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFREG
    }
}
