//! Strings and arrays of strings in the program's memory, as execve(2) takes them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::gateway::{GuestMemory, to_page_end};

/// Longest string in bytes, NUL included (`MAX_ARG_STRLEN`).
const STRING_BYTES_MAX: usize = 32 * 4096;
/// Most bytes of all strings together: what Linux allows with the largest stack.
const ALL_BYTES_MAX: usize = 6 << 20;
const WORD: usize = 8;

/// The string at `at`, without its NUL, of at most `max` bytes with it. `too_long` is the error for longer ones.
pub(super) fn string(mem: &mut dyn GuestMemory, at: u64, max: usize, too_long: i32) -> Result<OsString, i32> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let from = at.checked_add(bytes.len() as u64).ok_or(libc::EFAULT)?;
        let piece = &mut piece[..to_page_end(from)];
        mem.read(from, piece).map_err(|_| libc::EFAULT)?;
        let end = piece.iter().position(|&byte| byte == 0);
        bytes.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
        if bytes.len() >= max {
            return Err(too_long);
        }
        if end.is_some() {
            return Ok(OsString::from_vec(bytes));
        }
    }
}

/// The strings of a null-terminated array of pointers; none at address 0, as Linux has it.
pub(super) fn strings(mem: &mut dyn GuestMemory, at: u64) -> Result<Vec<OsString>, i32> {
    let mut all = Vec::new();
    if at == 0 {
        return Ok(all);
    }
    let mut total = 0;
    for pointer in (0..).map(|index| at.checked_add(index * WORD as u64)) {
        let mut word = [0; WORD];
        mem.read(pointer.ok_or(libc::EFAULT)?, &mut word).map_err(|_| libc::EFAULT)?;
        let string_at = u64::from_le_bytes(word);
        if string_at == 0 {
            break;
        }
        let next = string(mem, string_at, STRING_BYTES_MAX, libc::E2BIG)?;
        total += next.len() + 1 + WORD;
        if total > ALL_BYTES_MAX {
            return Err(libc::E2BIG);
        }
        all.push(next);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake::FakeMemory;

    #[test]
    fn strings_over_page_ends_and_the_ends_of_arrays() {
        let mut memory = FakeMemory::with(0x1000, 0x2000);
        memory.put(0x1ffd, b"hello\0");
        memory.put(0x1100, b"\0");
        memory.put_words(0x1ff0 - 24, &[0x1ffd, 0x1100, 0]);
        assert_eq!(strings(&mut memory, 0x1ff0 - 24), Ok(vec!["hello".into(), "".into()]));
        assert_eq!(strings(&mut memory, 0), Ok(vec![]));
        assert_eq!(strings(&mut memory, 0x8000), Err(libc::EFAULT));
        assert_eq!(string(&mut memory, 0x1ffd, 5, libc::ENAMETOOLONG), Err(libc::ENAMETOOLONG));
        assert_eq!(string(&mut memory, 0x1ffd, 6, libc::ENAMETOOLONG), Ok("hello".into()));
    }

    #[test]
    fn a_string_that_runs_into_a_hole_is_a_fault() {
        let mut memory = FakeMemory::with(0x1000, 0x1000);
        memory.put(0x1ff0, &[b'x'; 16]);
        assert_eq!(string(&mut memory, 0x1ff0, 4096, libc::ENAMETOOLONG), Err(libc::EFAULT));
    }
}
