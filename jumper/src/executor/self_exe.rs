//! `/proc/self/exe`: the program asks for itself and must not find the runtime.

use super::own_memory::is_memory;
use super::{Executor, Trap};
use crate::RunError;
use crate::gateway::{Call, GuestMemory, to_page_end};
use crate::proc_view::is_ours;

/// Names of the link, all of the same length or shorter than a buffer of this size.
const NAME_BYTES_MAX: usize = 64;

impl Executor {
    /// If the call names `/proc/self/exe`: its result for readlink(2), else None with the path argument replaced. The result too if it opens
    /// another file that tells of this process.
    pub(super) fn self_exe(
        &mut self,
        call: &Call,
        args: &mut [u64; 6],
        trap: &Trap<'_>,
    ) -> Result<Option<i64>, RunError> {
        let Some(home) = &self.home else { return Ok(None) };
        let exe = home.exe.clone();
        let Some((path, buffer)) = path_and_buffer(call) else { return Ok(None) };
        let mut bytes = [0; NAME_BYTES_MAX];
        let name = self.short_name(args[path], &mut bytes)?;
        self.memory_opened |= is_memory(name);
        if !is_ours(name) {
            return Ok(None);
        }
        self.proc_opened = true;
        if !is_own_exe(name) {
            return self.open_own_file(call, args, name, trap.thread.handled());
        }
        let Some(buffer) = buffer else {
            // The runtime's copy lives as long as the process.
            args[path] = self.home.as_ref().map_or(0, |home| home.exe.as_ptr() as u64);
            return Ok(None);
        };
        let bytes = exe.as_bytes();
        let count = bytes.len().min(args[buffer + 1] as usize);
        if args[buffer + 1] == 0 {
            return Ok(Some(-i64::from(libc::EINVAL)));
        }
        let stored = self.store(args[buffer], &bytes[..count])?;
        Ok(Some(if stored < 0 { stored } else { count as i64 }))
    }

    /// On a peer, where the program's process is not known: whether the path could be of its folder in /proc.
    pub(super) fn may_name_own_exe(&mut self, call: &Call, args: &[u64; 6]) -> Result<bool, RunError> {
        let Some((path, _)) = path_and_buffer(call) else { return Ok(true) };
        let mut bytes = [0; NAME_BYTES_MAX];
        let name = self.short_name(args[path], &mut bytes)?;
        Ok(is_ours(name))
    }

    /// The path at `path`, cut at the size of the buffer; empty if it cannot be read.
    fn short_name<'a>(&mut self, path: u64, bytes: &'a mut [u8; NAME_BYTES_MAX]) -> Result<&'a [u8], RunError> {
        let count = to_page_end(path).min(NAME_BYTES_MAX);
        if path == 0 || self.with_guest(|guest| guest.read(path, &mut bytes[..count]))?.is_err() {
            return Ok(&[]);
        }
        if !bytes[..count].contains(&0) && count < NAME_BYTES_MAX {
            let rest = path + count as u64;
            if self.with_guest(|guest| guest.read(rest, &mut bytes[count..]))?.is_err() {
                return Ok(&[]);
            }
        }
        Ok(bytes.split(|&byte| byte == 0).next().unwrap_or(&[]))
    }
}

/// Whether the path is the link to the own executable.
pub(crate) fn is_own_exe(name: &[u8]) -> bool {
    let own = || format!("/proc/{}/exe", std::process::id());
    matches!(name, b"/proc/self/exe" | b"/proc/thread-self/exe")
        || (name.starts_with(b"/proc/") && name == own().as_bytes())
}

/// The argument with the path, and for readlink(2) the one with the buffer. None: not a call that is answered here.
fn path_and_buffer(call: &Call) -> Option<(usize, Option<usize>)> {
    Some(match i64::from(call.number) {
        libc::SYS_readlink => (0, Some(1)),
        libc::SYS_readlinkat => (1, Some(2)),
        libc::SYS_openat
        | libc::SYS_openat2
        | libc::SYS_newfstatat
        | libc::SYS_statx
        | libc::SYS_faccessat
        | libc::SYS_faccessat2 => (1, None),
        libc::SYS_execveat => return None,
        _ => (0, None),
    })
}
