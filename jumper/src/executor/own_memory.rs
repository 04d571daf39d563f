//! `/proc/self/mem`: the program reads and writes its own memory as a file.
//!
//! The kernel does it, as natively, once the pages are here: at home, since it is the program's process that the file belongs to. Which
//! descriptors are such files is looked at only after one was opened by its name.

use eos_pager::layout::Kind;
use eos_pager::page::PageRange;
use eos_pager::space::SpaceError;

use super::fence::is_runtimes;
use super::{Executor, RunError};
use crate::gateway::{Call, Dir};

/// Whether the path is, or may be, that of such a file of this process.
pub(super) fn is_memory(name: &[u8]) -> bool {
    name.starts_with(b"/proc/") && name.ends_with(b"/mem")
}

impl Executor {
    /// Whether the descriptor is the memory of this process.
    pub(crate) fn is_own_memory(&self, fd: u64) -> bool {
        if !self.memory_opened {
            return false;
        }
        let link = std::fs::read_link(format!("/proc/self/fd/{}", fd as i32));
        let own = format!("/proc/{}/", std::process::id());
        link.is_ok_and(|link| link.to_str().is_some_and(|link| link.starts_with(&own) && link.ends_with("/mem")))
    }

    /// Whether the call reads or writes it.
    pub(super) fn moves_own_memory(&self, call: &Call, args: &[u64; 6]) -> bool {
        self.memory_opened && call.transfer().or(call.vector()).is_some() && self.is_own_memory(args[0])
    }

    /// Where in its own memory a call of the program begins to read or write, if it does; an errno if that is none of the program's.
    pub(super) fn place_in_own_memory(
        &self,
        call: &Call,
        args: &[u64; 6],
        positioned: bool,
    ) -> Option<Result<u64, i32>> {
        if !self.moves_own_memory(call, args) {
            return None;
        }
        let at = match positioned {
            true => args[3].cast_signed(),
            // SAFETY: a system call without pointers.
            false => unsafe { libc::lseek(args[0] as i32, 0, libc::SEEK_CUR) },
        };
        let at = at.cast_unsigned();
        Some(if is_runtimes(at) { Err(libc::EIO) } else { Ok(at) })
    }

    /// Makes memory ready for the kernel, which reads it, or writes it whatever its protection.
    pub(super) fn expose(&mut self, at: u64, len: u64, dir: Dir, holder: u32) -> Result<(), RunError> {
        if dir == Dir::In {
            return self.make_resident([(at, len, dir)].into_iter(), holder);
        }
        let range = PageRange::covering(&(at..at.saturating_add(len))).intersection(&PageRange::APP);
        let of_files = self.pager.layout.overlapping(range.addresses()).filter(|(_, area)| area.kind == Kind::FileRo);
        let of_files: Vec<_> = of_files.collect();
        for (part, area) in of_files {
            match self.pager.make_private(PageRange::covering(&part), area.prot) {
                Err(SpaceError::Fatal(error)) => return Err(error.into()),
                // The kernel says why when it is asked to write there.
                Err(SpaceError::Errno(_)) | Ok(()) => {}
            }
        }
        self.pager.pin(range, true, holder);
        Ok(self.pager.ensure_for_force(range)?)
    }
}

#[cfg(test)]
mod tests {
    use super::is_memory;

    #[test]
    fn the_names_of_memory() {
        for name in ["/proc/self/mem", "/proc/17/mem", "/proc/self/task/18/mem"] {
            assert!(is_memory(name.as_bytes()), "{name}");
        }
        assert!(!is_memory(b"/proc/self/maps") && !is_memory(b"/dev/mem"));
    }
}
