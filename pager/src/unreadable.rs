//! Reading pages that their protection forbids to read, where the kernel's `/proc/self/mem` heeds it.
//!
//! Kernels since 6.12 can be built, or started with `proc_mem.force_override=never`, so that `/proc/PID/mem` no longer
//! overrides protection (<https://docs.kernel.org/admin-guide/kernel-parameters.html>). Debian's 7.x kernels are.
//!
//! # Safety
//!
//! The protection of the pages is widened for one read and put back. It is only ever more than the program asked for
//! while the house is locked; another thread of the program that reads it in this moment does not get its SIGSEGV.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use crate::kernel;
use crate::page::PageRange;

/// Runs `read` with the pages of `range` made readable. `None` if they are readable as they are, or not of one mapping:
/// then a read fails for another reason.
pub fn made_readable<T>(range: PageRange, read: impl FnOnce() -> io::Result<T>) -> io::Result<Option<T>> {
    let Some(prot) = protection(range)? else { return Ok(None) };
    if prot & libc::PROT_READ != 0 {
        return Ok(None);
    }
    kernel::protect(range, prot | libc::PROT_READ)?;
    let outcome = read();
    kernel::protect(range, prot)?;
    outcome.map(Some)
}

/// What the kernel has for the range, if that is one mapping (proc_pid_maps(5)).
fn protection(range: PageRange) -> io::Result<Option<i32>> {
    let end = range.start.addr() + range.bytes();
    for line in BufReader::new(File::open("/proc/self/maps")?).lines() {
        let line = line?;
        let Some(mapping) = parse(&line) else { continue };
        if mapping.1 > range.start.addr() {
            return Ok((mapping.0 <= range.start.addr() && end <= mapping.1).then_some(mapping.2));
        }
    }
    Ok(None)
}

/// Start, end and protection in a line such as `7f00-7f10 r-xp 0000 ...`.
fn parse(line: &str) -> Option<(u64, u64, i32)> {
    let (addresses, rest) = line.split_once(' ')?;
    let (start, end) = addresses.split_once('-')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    let bits = [('r', libc::PROT_READ), ('w', libc::PROT_WRITE), ('x', libc::PROT_EXEC)];
    let letters = rest.get(..3)?;
    let prot = bits.iter().filter(|(letter, _)| letters.contains(*letter)).fold(0, |prot, (_, bit)| prot | bit);
    Some((number(start)?, number(end)?, prot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::PageNumber;

    #[test]
    fn lines_of_maps_are_understood() {
        let line = "7f0000001000-7f0000003000 -wxp 00000000 00:00 0  [heap]";
        assert_eq!(parse(line), Some((0x7f00_0000_1000, 0x7f00_0000_3000, libc::PROT_WRITE | libc::PROT_EXEC)));
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn pages_without_access_are_readable_for_one_read_only() {
        let range = PageRange::new(PageNumber(0x1f00_0000_0000 >> 12), PageNumber((0x1f00_0000_0000 >> 12) + 2));
        kernel::map_anon(range, libc::PROT_READ | libc::PROT_WRITE).expect("mapped");
        // SAFETY: mapped just now, known to nobody else.
        unsafe { *(range.start.addr() as *mut u8) = 7 };
        assert_eq!(made_readable(range, || Ok(())).expect("maps"), None, "readable as it is");
        kernel::protect(range, libc::PROT_NONE).expect("protected");
        let first = PageRange::single(range.start);
        // SAFETY: readable meanwhile, says the function under test.
        let byte = made_readable(first, || Ok(unsafe { *(range.start.addr() as *const u8) }));
        assert_eq!(byte.expect("maps"), Some(7));
        assert_eq!(protection(range).expect("maps"), Some(libc::PROT_NONE), "one mapping without access again");
        kernel::unmap(range).expect("unmapped");
    }
}
