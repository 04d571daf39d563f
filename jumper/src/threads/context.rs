//! One thread of the program, as it travels beside the one that jumps: fs base, gs base, a wait that was broken off (its end, and where; each
//! 8 bytes, little endian), then registers as [`Frame::pack`](crate::traps::context::Frame::pack) writes them.
//!
//! The signal mask and the alternate stack stay at home with the thread that hosts it there: only home changes them.

use super::{Hosted, Start};
use crate::traps::block::{read_gs, write_gs};
use crate::traps::context::{ContextError, Frame};

const WORDS: usize = 4;

/// A wait with a relative time limit that was broken off. Making the same call again goes on with the same end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BrokenWait {
    /// By home's CLOCK_MONOTONIC, in nanoseconds; 0: none.
    pub until: i64,
    /// Where the program goes on after the call.
    pub at: u64,
}

/// Writes down the calling thread, which stands in a trap.
pub(crate) fn pack(frame: &Frame<'_>, app_fs: u64, broken: BrokenWait) -> Vec<u8> {
    let mut context = Vec::with_capacity(4096);
    for word in [app_fs, read_gs(), broken.until.cast_unsigned(), broken.at] {
        context.extend_from_slice(&word.to_le_bytes());
    }
    frame.pack(&mut context);
    context
}

/// The context of a thread whose registers travelled as a jump's own.
pub(crate) fn of_parts(fs: u64, gs: u64, broken: BrokenWait, registers: &[u8]) -> Vec<u8> {
    let words = [fs, gs, broken.until.cast_unsigned(), broken.at].map(u64::to_le_bytes);
    [words.as_flattened(), registers].concat()
}

/// Makes the calling thread's trap lead to where `context` was.
///
/// # Errors
/// The registers are cut short, or use what this processor lacks.
pub(crate) fn unpack(
    context: &[u8],
    frame: &mut Frame<'_>,
    app_fs: &mut u64,
    thread: &mut Hosted,
) -> Result<(), ContextError> {
    let ([fs, gs, until, at], registers) = split(context)?;
    frame.unpack(registers)?;
    *app_fs = fs;
    write_gs(gs);
    thread.broken_wait = BrokenWait { until: until.cast_signed(), at };
    Ok(())
}

/// How a new thread on a peer goes on as the program's thread `number`.
///
/// # Errors
/// The context is cut short.
pub(crate) fn start(number: u32, context: &[u8]) -> Result<Start, ContextError> {
    let ([fs, gs, until, at], registers) = split(context)?;
    let broken_wait = BrokenWait { until: until.cast_signed(), at };
    Ok(Start { registers: registers.to_vec(), fs, gs, mask: 0, clear_child_tid: 0, hosts: Some((number, broken_wait)) })
}

fn split(context: &[u8]) -> Result<([u64; WORDS], &[u8]), ContextError> {
    let (words, registers) = context.split_at_checked(8 * WORDS).ok_or(ContextError::Truncated)?;
    let mut words = words.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    Ok((std::array::from_fn(|_| words.next().unwrap_or(0)), registers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_made_of_parts_starts_a_thread_with_them() {
        let context = of_parts(1, 2, BrokenWait { until: 3, at: 4 }, b"registers");
        let start = start(7, &context).unwrap();
        assert_eq!((start.fs, start.gs, &start.registers[..]), (1, 2, &b"registers"[..]));
        assert_eq!(start.hosts, Some((7, BrokenWait { until: 3, at: 4 })));
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        assert!(start(7, &[0; 8 * WORDS - 1]).is_err());
    }
}
