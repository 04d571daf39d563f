//! The program's own files in /proc ([`proc_view`](crate::proc_view)): what it opens there, and which threads and descriptors are listed.
//!
//! At home only, since the process is there. A file is copied when it is opened, so a descriptor that is kept open tells of that moment. Whether
//! a folder is one of these is looked at only after something of a process was opened by its name.

use std::fs::File as Copied;
use std::io::{self, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use eos_pager::layout::{Area, Kind, Prot};
use eos_pager::page::PAGE_SIZE;
use rustix::fs::{MemfdFlags, Mode, OFlags};

use super::{Executor, Trap};
use crate::RunError;
use crate::clock_page;
use crate::gateway::{Call, GuestMemory, syscall6};
use crate::memory::STACK_TOP;
use crate::proc_view::mappings::{self, Known};
use crate::proc_view::numbers::{self, Numbers, Resident};
use crate::proc_view::{File, Folder, folder, listing, own_file};

/// Most bytes of a list that are asked of the kernel at once.
const LIST_BYTES_MAX: usize = 32 << 10;

impl Executor {
    /// If the call opens one of these files to read it: the new descriptor, or an errno.
    pub(super) fn open_own_file(
        &mut self,
        call: &Call,
        args: &[u64; 6],
        name: &[u8],
        thread_handles: u64,
    ) -> Result<Option<i64>, RunError> {
        let Some(file) = own_file(name, std::process::id()) else { return Ok(None) };
        let flags = match i64::from(call.number) {
            libc::SYS_open => args[1],
            libc::SYS_openat => args[2],
            // The first word of `struct open_how`.
            libc::SYS_openat2 => {
                let mut word = [0; 8];
                if self.with_guest(|guest| guest.read(args[2], &mut word))?.is_err() {
                    return Ok(None);
                }
                u64::from_le_bytes(word)
            }
            _ => return Ok(None),
        };
        // Whatever else is asked for, the kernel refuses it, or opens the file itself.
        let other = (libc::O_ACCMODE | libc::O_PATH | libc::O_DIRECTORY | libc::O_CREAT | libc::O_TRUNC) as u64;
        if flags & other != libc::O_RDONLY as u64 {
            return Ok(None);
        }
        // The thread's own, where the path says so: this is the thread that hosts it.
        let Ok(kernel) = std::fs::read(Path::new(std::ffi::OsStr::from_bytes(name))) else { return Ok(None) };
        let text = self.own_text(file, &String::from_utf8_lossy(&kernel), thread_handles);
        let cloexec = flags & libc::O_CLOEXEC as u64 != 0;
        let opened = give_copy(&text, cloexec).map_err(|error| error.raw_os_error().unwrap_or(libc::EMFILE));
        Ok(Some(opened.map_or_else(|errno| -i64::from(errno), i64::from)))
    }

    fn own_text(&mut self, file: File, kernel: &str, handled: u64) -> String {
        match file {
            File::Maps => mappings::maps(kernel, &self.known_mappings()),
            File::Smaps => mappings::smaps(kernel, &self.known_mappings()),
            File::Status => numbers::status(kernel, &self.numbers(handled)),
            File::Stat => numbers::stat(kernel, &self.numbers(handled)),
            File::Statm => numbers::statm(kernel, &self.numbers(handled)),
        }
    }

    fn known_mappings(&self) -> Known {
        Known {
            heap: self.brk.start..self.brk.end,
            stack: STACK_TOP - PAGE_SIZE,
            vdso: clock_page::IMAGE,
            copies: self.pager.copies_of_files(),
        }
    }

    fn numbers(&mut self, handled: u64) -> Numbers {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let now = Resident::of_status(&status);
        let before = self.home.as_ref().map_or(Resident::default(), |home| home.before);
        let own_slots = self.pager.slots_here();
        let layout = &self.pager.layout;
        let pages = |filter: fn(&Area) -> bool| layout.total_pages(filter);
        let stack = layout.find(STACK_TOP - PAGE_SIZE).map_or(0, |(range, _)| (range.end - range.start) / PAGE_SIZE);
        Numbers {
            threads: u64::from(self.threads),
            mapped: pages(|_| true),
            data: pages(|area| area.kind != Kind::Shared && area.prot.writable()),
            stack,
            code: pages(|area| area.prot.contains(Prot::EXEC)),
            anon: now.anon.saturating_sub(before.anon) + self.pager.held_elsewhere() + own_slots,
            file: now.file.saturating_sub(before.file),
            // Regions of local peers are shared memory too.
            shared: now.shared.saturating_sub(before.shared).min(pages(|area| area.kind == Kind::Shared)),
            handled,
        }
    }

    /// getdents64(2) on a folder that lists threads or descriptors of this process: its result. None: it is another folder.
    pub(super) fn list_own(&mut self, call: &Call, args: &[u64; 6], trap: &Trap<'_>) -> Result<Option<i64>, RunError> {
        let Some(kind) = self.own_folder(call.number, args[0]) else { return Ok(None) };
        let mut entries = vec![0_u8; (args[2] as u32 as usize).min(LIST_BYTES_MAX)];
        loop {
            let kernel = [args[0], entries.as_mut_ptr() as u64, entries.len() as u64, 0, 0, 0];
            // SAFETY: the kernel writes at most as many bytes as the buffer has.
            let result = unsafe { syscall6(call.number.into(), kernel) };
            let Some(filled) = usize::try_from(result).ok().filter(|&filled| filled > 0) else {
                return Ok(Some(result));
            };
            let shown = match kind {
                Folder::Threads => listing::only(&entries[..filled], |id| {
                    id == std::process::id() || id == trap.thread.id || self.crew.hosts_on(id)
                }),
                Folder::Descriptors => listing::only(&entries[..filled], |fd| !self.own_fds.contains(fd.cast_signed())),
            };
            if !shown.is_empty() {
                let fault = self.store(args[1], &shown)?;
                return Ok(Some(if fault < 0 { fault } else { shown.len() as i64 }));
            }
        }
    }

    /// What the call lists, if it lists threads or descriptors of this process.
    pub(crate) fn own_folder(&self, number: u16, fd: u64) -> Option<Folder> {
        if !self.proc_opened || i64::from(number) != libc::SYS_getdents64 {
            return None;
        }
        let link = std::fs::read_link(format!("/proc/self/fd/{}", fd as i32)).ok()?;
        folder(&link.into_os_string().into_vec(), std::process::id())
    }
}

/// A descriptor with this text, for the program, with the lowest number that is free: to be read only, as the file of the kernel.
fn give_copy(text: &str, cloexec: bool) -> io::Result<i32> {
    let flags = if cloexec { OFlags::CLOEXEC } else { OFlags::empty() };
    let mut memory = Copied::from(rustix::fs::memfd_create("proc", MemfdFlags::CLOEXEC)?);
    memory.write_all(text.as_bytes())?;
    memory.rewind()?;
    rustix::fs::fchmod(&memory, Mode::from_raw_mode(0o444))?;
    let again = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let reading = rustix::fs::open(again, OFlags::RDONLY | flags, Mode::empty())?;
    let number = memory.into_raw_fd();
    // SAFETY: the number is ours until now, and is the program's from here on.
    let place = unsafe { OwnedFd::from_raw_fd(number) };
    let moved = rustix::io::dup3(&reading, &mut std::mem::ManuallyDrop::new(place), dup_flags(cloexec));
    moved?;
    Ok(number)
}

fn dup_flags(cloexec: bool) -> rustix::io::DupFlags {
    if cloexec { rustix::io::DupFlags::CLOEXEC } else { rustix::io::DupFlags::empty() }
}
