//! Makes sure that this process lies in the upper half of the address space.
//!
//! With an unlimited (or huge) stack, or with the personality ADDR_COMPAT_LAYOUT, the kernel maps
//! libraries from the bottom up, where the program's own half begins. Both can be changed only
//! before exec: so this process starts itself once more with a finite stack limit, and the new one
//! puts limit, personality and environment back to what the program has to see.
//!
//! # Safety
//!
//! `environ` and the environment's strings are read, and one variable removed, while this process
//! has one thread. The pointers given to execve(2) end with a null and live until the call.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;

/// First address of the runtime's half.
const UPPER_HALF: usize = 0x5000_0000_0000;

/// Larger stack limits move the kernel's mappings far down.
const STACK_LIMIT_MAX: u64 = 1 << 40;

/// The limit for the second start.
const STACK_LIMIT_USUAL: u64 = 8 << 20;

const ADDR_COMPAT_LAYOUT: u32 = 0x0020_0000;

const VARIABLE: &str = "EOS_RDMA_ORIGINAL_LAYOUT";

/// Why this process cannot host a program.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error(
        "this kernel maps libraries where the program has to lie; switch off the legacy layout with: sysctl vm.legacy_va_layout=0"
    )]
    Legacy,
    #[error("cannot start again with a finite stack limit ({0}); run it after: ulimit -s 8192")]
    Restart(io::Error),
}

/// What the first start found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    /// Soft stack limit, `None`: unlimited.
    stack: Option<u64>,
    personality: u32,
}

impl Original {
    fn now() -> Original {
        Original { stack: getrlimit(Resource::Stack).current, personality: personality(0xffff_ffff) }
    }

    fn is_good(self) -> bool {
        self.stack.is_some_and(|bytes| bytes <= STACK_LIMIT_MAX)
            && self.personality & ADDR_COMPAT_LAYOUT == 0
            && lowest_own_address() >= UPPER_HALF
    }

    fn encode(self) -> String {
        format!("{}:{}", self.stack.unwrap_or(u64::MAX), self.personality)
    }

    fn decode(text: &OsStr) -> Option<Original> {
        let (stack, personality) = text.to_str()?.split_once(':')?;
        let stack: u64 = stack.parse().ok()?;
        Some(Original { stack: (stack != u64::MAX).then_some(stack), personality: personality.parse().ok()? })
    }

    fn apply(self) {
        set_stack_limit(self.stack);
        personality(self.personality);
    }
}

/// In the second start: puts everything back and returns what it was. Call it before threads exist.
pub fn restore() -> Option<Original> {
    let original = Original::decode(&std::env::var_os(VARIABLE)?);
    // SAFETY: there is only this thread, see the top of this file.
    unsafe { std::env::remove_var(VARIABLE) };
    original.inspect(|original| original.apply())
}

/// Goes on if the layout is good, else starts again; `original` is what [`restore`] returned.
pub fn ensure(original: Option<Original>) -> Result<(), LayoutError> {
    let now = Original::now();
    let good = match original {
        None => now.is_good(),
        Some(_) => lowest_own_address() >= UPPER_HALF,
    };
    match (good, original) {
        (true, _) => Ok(()),
        (false, Some(_)) => Err(LayoutError::Legacy),
        (false, None) => Err(LayoutError::Restart(start_again(now))),
    }
}

/// For tests: where this process lies, and what the program would see.
pub fn print() {
    let now = Original::now();
    println!("lowest={:#x}", lowest_own_address());
    println!("original={}", now.encode());
    println!("variable={:?}", std::env::var_os(VARIABLE));
    for entry in raw_environment() {
        println!("env {}", entry.display());
    }
}

/// The lowest of: code, a library, the stack, and where the next mapping will lie.
fn lowest_own_address() -> usize {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
    let on_stack = 0u8;
    let mut lowest = [
        lowest_own_address as *const () as usize,
        libc::execve as *const () as usize,
        ptr::from_ref(&on_stack) as usize,
    ]
    .into_iter()
    .min()
    .unwrap_or(0);
    // SAFETY: a new mapping at an address of the kernel's choice, removed again at once.
    unsafe {
        if let Ok(map) = mmap_anonymous(ptr::null_mut(), 4096, ProtFlags::empty(), MapFlags::PRIVATE) {
            lowest = lowest.min(map as usize);
            let _ = munmap(map, 4096);
        }
    }
    lowest
}

/// Replaces this process by itself; returns only if that fails.
fn start_again(original: Original) -> io::Error {
    set_stack_limit(Some(STACK_LIMIT_USUAL));
    personality(original.personality & !ADDR_COMPAT_LAYOUT);
    let mut environment = raw_environment();
    environment.push(format!("{VARIABLE}={}", original.encode()).into());
    let arguments = c_strings(std::env::args_os());
    let environment = c_strings(environment);
    let (argv, envp) = (pointers(&arguments), pointers(&environment));
    // SAFETY: both arrays end with a null, and their strings live until the call.
    unsafe { libc::execve(c"/proc/self/exe".as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    let error = io::Error::last_os_error();
    original.apply();
    error
}

/// The environment exactly as it was given to this process, in its order.
pub fn raw_environment() -> Vec<OsString> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: a null-terminated array of strings, and no other thread changes it: see the top.
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            let entry = CStr::from_ptr(*next).to_bytes();
            entries.push(OsStr::from_bytes(entry).to_owned());
            next = next.add(1);
        }
    }
    entries
}

fn c_strings(words: impl IntoIterator<Item = OsString>) -> Vec<CString> {
    let words = words.into_iter().map(OsString::into_vec);
    words.filter_map(|word| CString::new(word).ok()).collect()
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let pointers = strings.iter().map(|string| string.as_ptr());
    pointers.chain([ptr::null()]).collect()
}

fn set_stack_limit(current: Option<u64>) {
    let maximum = getrlimit(Resource::Stack).maximum;
    let _ = setrlimit(Resource::Stack, Rlimit { current, maximum });
}

/// Sets the personality, or with `0xffff_ffff` only asks; returns what it was before.
fn personality(value: u32) -> u32 {
    // SAFETY: a system call without pointers; it changes what later calls of exec and mmap do.
    let before = unsafe { libc::personality(value.into()) };
    u32::try_from(before).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_first_start_found_survives_the_second() {
        for stack in [None, Some(8 << 20)] {
            let personality = ADDR_COMPAT_LAYOUT;
            let original = Original { stack, personality };
            let text = OsString::from(original.encode());
            assert_eq!(Original::decode(&text), Some(original));
        }
        for text in ["", "x", "1", "1:", ":1", "1:2:3", "-1:0"] {
            assert_eq!(Original::decode(OsStr::new(text)), None, "{text}");
        }
    }
}
