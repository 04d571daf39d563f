//! What other processes find in `/proc/PID/cmdline`, `environ` and `auxv` of a program, and where they take its code and its stack to be.
//!
//! The kernel reads arguments and environment out of the process's memory, at addresses that prctl(2) sets (`PR_SET_MM_MAP`, Linux 3.18,
//! without privilege where CONFIG_CHECKPOINT_RESTORE is on; where the kernel refuses, others see the runtime's own). Pages of
//! the program may be elsewhere, so they are set to a copy in the runtime's half. A program that writes a title over its arguments, as
//! servers do, is looked at when it goes to sleep in a system call, at most once a millisecond.
//!
//! # Safety
//!
//! The copy is memory of this file alone, mapped until the process ends and private to it, so that a forked child has its own. The kernel only reads it.

use std::io;
use std::ops::Range;
use std::ptr;
use std::time::{Duration, Instant};

use crate::load::Plan;
use crate::load::stack::StackImage;

/// Between two looks at what the program has made of its arguments.
const LOOK: Duration = Duration::from_millis(1);
/// So many bytes are looked at. Titles are short, and longer ones end here.
const TITLE_BYTES_MAX: usize = 4096;

/// `struct prctl_mm_map` of linux/prctl.h.
#[repr(C)]
#[derive(Debug, Default)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

const _: () = assert!(size_of::<MemoryMap>() == 104);

/// The copy of the program's arguments and environment.
#[derive(Debug)]
pub struct Title {
    copy: *mut u8,
    len: usize,
    /// Where the program has them.
    source: u64,
    looked: Instant,
}

// SAFETY: the pointer is this structure's alone.
unsafe impl Send for Title {}

impl Title {
    /// Shows the program of `plan` with the stack `image`. Call it before the program runs.
    ///
    /// # Errors
    /// The kernel refuses; nothing has changed then.
    pub fn show(plan: &Plan, image: &StackImage) -> io::Result<Title> {
        let source = image.arguments.start;
        let from = (source - image.start) as usize;
        let bytes = &image.bytes[from..from + (image.environment.end - source) as usize];
        let copy = map(bytes)?;
        let moved = |range: &Range<u64>| {
            let at = |address: u64| copy as u64 + (address - source);
            (at(range.start), at(range.end))
        };
        let (arg_start, arg_end) = moved(&image.arguments);
        let (env_start, env_end) = moved(&image.environment);
        let (start_code, end_code) = plan.main.code();
        let (start_data, end_data) = plan.main.data();
        let (start_brk, brk) = runtimes_heap()?;
        let map = MemoryMap {
            start_code,
            end_code,
            start_data,
            end_data,
            // The C library of the runtime has its heap there.
            start_brk,
            brk,
            start_stack: image.sp,
            arg_start,
            arg_end,
            env_start,
            env_end,
            auxv: image.auxv.as_ptr() as u64,
            auxv_size: size_of_val(image.auxv.as_slice()) as u32,
            exe_fd: u32::MAX,
        };
        // SAFETY: the kernel reads the structure and the vector.
        let set =
            unsafe { libc::prctl(libc::PR_SET_MM, libc::PR_SET_MM_MAP, &raw const map, size_of::<MemoryMap>(), 0) };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Title { copy, len: bytes.len().min(TITLE_BYTES_MAX), source, looked: Instant::now() })
    }

    /// Takes over what the program has written there, where its pages are here.
    pub fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let local = libc::iovec { iov_base: self.copy.cast(), iov_len: self.len };
        let remote = libc::iovec { iov_base: self.source as *mut libc::c_void, iov_len: self.len };
        // SAFETY: the copy is as long as that; a page of the program that is not here gives an error, and no fault.
        unsafe { libc::process_vm_readv(libc::getpid(), &raw const local, 1, &raw const remote, 1, 0) };
    }
}

/// Fresh memory of the runtime with these bytes.
fn map(bytes: &[u8]) -> io::Result<*mut u8> {
    let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, in which the bytes have room.
    unsafe {
        let place = libc::mmap(ptr::null_mut(), bytes.len().max(1), prot, flags, -1, 0);
        if place == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), bytes.len());
        Ok(place.cast())
    }
}

/// Where brk(2) begins and ends: field 47 of proc_pid_stat(5), and what the call itself tells.
fn runtimes_heap() -> io::Result<(u64, u64)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let start = fields.split_whitespace().nth(47 - 3).and_then(|field| field.parse().ok());
    // SAFETY: asks only.
    let end = unsafe { libc::syscall(libc::SYS_brk, 0) };
    Ok((start.ok_or(io::ErrorKind::InvalidData)?, end.cast_unsigned()))
}
