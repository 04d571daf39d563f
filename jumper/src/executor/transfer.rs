//! Calls whose buffers are larger than what may be resident at once: carried out in pieces, or cut short where the
//! kernel may cut them short too.

use super::plain::Work;
use super::{Done, Executor};
use crate::RunError;
use crate::gateway::{Call, Dir, GuestMemory, MAX_RW_COUNT, is_error};
use crate::traps::interruptible::RESTART;

/// Largest piece, in bytes: what one call may keep resident.
const PIECE_BYTES_MAX: u64 = 8 << 20;

/// One stretch of the program's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    addr: u64,
    len: u64,
}

/// A read or write that is carried out piece by piece.
#[derive(Debug)]
pub(super) struct Transfer {
    number: u64,
    fd: u64,
    dir: Dir,
    /// File position, for the positioned calls.
    offset: Option<u64>,
    /// Short counts end the transfer; for regular files only the end of the file gives one.
    regular: bool,
    piece_max: u64,
    /// The file is the program's own memory: the address at which the next piece begins there.
    own: Option<u64>,
    /// What is left to do; the first may be begun already.
    stretches: Vec<Stretch>,
    at: usize,
    done: i64,
}

/// What a piece has led to.
pub(super) enum Progress {
    /// The answer for the program.
    Ended(i64),
    /// The next piece.
    More(Transfer),
}

impl Transfer {
    fn piece(&self) -> Stretch {
        let stretch = self.stretches[self.at];
        Stretch { len: stretch.len.min(self.piece_max), ..stretch }
    }

    /// The system call of the next piece.
    pub(super) fn next_call(&self) -> (u64, [u64; 6]) {
        let piece = self.piece();
        (self.number, [self.fd, piece.addr, piece.len, self.offset.unwrap_or(0), 0, 0])
    }

    /// Takes the kernel's answer to the last piece into account.
    pub(super) fn advance(mut self, result: i64) -> Progress {
        if is_error(result) || result == RESTART {
            return Progress::Ended(if self.done > 0 { self.done } else { result });
        }
        let piece = self.piece();
        let moved = result.cast_unsigned();
        self.done += result;
        self.offset = self.offset.map(|offset| offset + moved);
        self.own = self.own.map(|at| at + moved);
        let stretch = &mut self.stretches[self.at];
        *stretch = Stretch { addr: stretch.addr + moved, len: stretch.len - moved };
        let more_of_it = stretch.len > 0;
        let may_block = self.dir.writes() && !self.regular;
        if moved < piece.len || (may_block && more_of_it) {
            return Progress::Ended(self.done);
        }
        self.at += usize::from(!more_of_it);
        if self.at == self.stretches.len() { Progress::Ended(self.done) } else { Progress::More(self) }
    }
}

impl Executor {
    /// How many bytes one call may have resident at once: a quarter of the budget.
    pub(super) fn piece_bytes(&mut self) -> u64 {
        (self.pager.here().limit * eos_pager::page::PAGE_SIZE / 4).clamp(64 << 10, PIECE_BYTES_MAX)
    }

    /// A call with more bytes than that, or one on the program's own memory.
    pub(super) fn in_pieces(&mut self, call: &'static Call, args: [u64; 6], holder: u32) -> Result<Done, RunError> {
        let Some((number, positioned)) = scalar_form(call) else {
            return self.trimmed(call, args, holder);
        };
        let own = match self.place_in_own_memory(call, &args, positioned).transpose() {
            Ok(own) => own,
            Err(errno) => return Ok(Done::Result(-i64::from(errno))),
        };
        let stretches = match self.stretches(call, args)? {
            Ok(stretches) if stretches.is_empty() => return Ok(Done::Result(0)),
            Ok(stretches) => stretches,
            Err(errno) => return Ok(Done::Result(-i64::from(errno))),
        };
        let dir = call.transfer().or(call.vector()).map_or(Dir::In, |(_, _, dir)| dir);
        let transfer = Transfer {
            number,
            fd: args[0],
            dir,
            offset: positioned.then_some(args[3]),
            regular: is_regular(args[0]),
            piece_max: if own.is_some() { self.piece_bytes() / 2 } else { self.piece_bytes() },
            own,
            stretches,
            at: 0,
            done: 0,
        };
        self.ready_piece(&transfer, holder)?;
        Ok(Done::Kernel(Work::piece(u64::from(call.number), transfer)))
    }

    /// Makes the memory of the next piece resident.
    pub(super) fn ready_piece(&mut self, transfer: &Transfer, holder: u32) -> Result<(), RunError> {
        let piece = transfer.piece();
        self.make_resident([(piece.addr, piece.len, transfer.dir)].into_iter(), holder)?;
        match transfer.own {
            // What the call writes to its buffer it reads there.
            Some(at) if transfer.dir.writes() => self.expose(at, piece.len, Dir::In, holder),
            Some(at) => self.expose(at, piece.len, Dir::Out, holder),
            None => Ok(()),
        }
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
        let negative = |entry: &[u8; 16]| entry[15] & 0x80 != 0;
        if bytes.as_chunks::<16>().0.iter().any(negative) {
            return Ok(Err(libc::EINVAL));
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
    fn trimmed(&mut self, call: &'static Call, args: [u64; 6], holder: u32) -> Result<Done, RunError> {
        let mut touched = crate::gateway::Ranges::new();
        let _ = self.with_guest(|guest| crate::gateway::ranges(call, &args, guest, &mut touched))?;
        let mut room = self.pager.here().limit / 2 * eos_pager::page::PAGE_SIZE;
        let fitting = touched.as_slice().iter().map_while(|range| {
            let len = range.len.min(room);
            room -= len;
            (len > 0 || range.len == 0).then_some((range.addr, len, range.dir))
        });
        let fitting: Vec<_> = fitting.collect();
        self.make_resident(fitting.into_iter(), holder)?;
        Ok(Done::Kernel(Work::new(call, args)))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(dir: Dir, regular: bool, lens: &[u64]) -> Transfer {
        let stretches = lens.iter().map(|&len| Stretch { addr: 0x1000, len }).collect();
        Transfer {
            number: 0,
            fd: 3,
            dir,
            offset: Some(100),
            regular,
            piece_max: 10,
            own: None,
            stretches,
            at: 0,
            done: 0,
        }
    }

    /// Feeds answers; the lengths that were asked for, and the end.
    fn play(mut transfer: Transfer, answers: &[i64]) -> (Vec<u64>, i64) {
        let mut asked = vec![];
        for &answer in answers {
            asked.push(transfer.next_call().1[2]);
            match transfer.advance(answer) {
                Progress::Ended(result) => return (asked, result),
                Progress::More(rest) => transfer = rest,
            }
        }
        panic!("the transfer wants more than {} answers", answers.len());
    }

    #[test]
    fn pieces_add_up_over_all_stretches() {
        assert_eq!(play(transfer(Dir::In, true, &[25, 5]), &[10, 10, 5, 5]), (vec![10, 10, 5, 5], 30));
    }

    #[test]
    fn a_short_piece_an_error_and_a_signal_end_it_with_what_was_done() {
        assert_eq!(play(transfer(Dir::In, true, &[25]), &[10, 3]).1, 13);
        assert_eq!(play(transfer(Dir::In, true, &[25]), &[10, -5]).1, 10);
        assert_eq!(play(transfer(Dir::In, true, &[25]), &[-5]).1, -5);
        assert_eq!(play(transfer(Dir::In, true, &[25]), &[10, RESTART]).1, 10);
        assert_eq!(play(transfer(Dir::In, true, &[25]), &[RESTART]).1, RESTART);
    }

    #[test]
    fn a_read_that_may_block_ends_after_its_first_piece() {
        assert_eq!(play(transfer(Dir::Out, false, &[25]), &[10]).1, 10);
        assert_eq!(play(transfer(Dir::Out, true, &[25]), &[10, 10, 5]).1, 25);
    }
}
