//! What one trapped system call costs at least: Syscall User Dispatch, SIGSYS, a native `getppid` in the handler, back.
//!
//! # Safety
//! A page of code that calls `getppid` and returns lives below `RUNTIME_START`, where system calls are trapped; this
//! program and its libraries live above, where they are not, as in the runtime itself. The handler writes only the
//! saved rax of the context that it was given.

#![allow(unsafe_code)]

use std::hint::black_box;
use std::{mem, ptr};

use super::MicroError;
use super::mapping::Mapping;
use super::sample::{Samples, time_batches};

/// Calls from below this address are trapped. Position-independent programs are loaded above it.
const RUNTIME_START: usize = 0x5000_0000_0000;
const RUNTIME_LEN: usize = 0x7fff_ffff_f000 - RUNTIME_START;
/// Where the trapped code goes.
const CODE_ADDRESS: usize = 0x10_0000_0000;
/// `mov eax, 110 (getppid); syscall; ret`
const CODE: [u8; 8] = [0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3];

const PR_SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
const PR_SYS_DISPATCH_OFF: usize = 0;
const PR_SYS_DISPATCH_ON: usize = 1;

const BATCHES: usize = 2000;
const BATCH_CALLS: usize = 100;
const REMEDY: &str = "This needs Linux 5.11 or newer on x86-64 and a sandbox that allows the prctl";

/// Microseconds of one `getppid`.
#[derive(Debug)]
pub struct DispatchFloor {
    /// Trapped, and called natively by the handler.
    pub trapped: Samples,
    /// The plain call.
    pub native: Samples,
}

impl DispatchFloor {
    /// Measures both; takes less than a second.
    ///
    /// # Errors
    /// The kernel or the sandbox has no Syscall User Dispatch.
    pub fn measure() -> Result<Self, MicroError> {
        let stack = Mapping::anonymous(64 << 10).map_err(|_| MicroError::last_os("mmap", REMEDY))?;
        let code = Code::map()?;
        let native = time_batches(BATCHES, BATCH_CALLS, || {
            black_box(code.call());
        });
        install_handler(libc::SIGSYS, on_sys, &stack)?;
        dispatch(PR_SYS_DISPATCH_ON, RUNTIME_START, RUNTIME_LEN)?;
        let trapped = time_batches(BATCHES, BATCH_CALLS, || {
            black_box(code.call());
        });
        dispatch(PR_SYS_DISPATCH_OFF, 0, 0)?;
        remove_handler(libc::SIGSYS);
        Ok(Self { trapped, native })
    }
}

fn dispatch(mode: usize, start: usize, len: usize) -> Result<(), MicroError> {
    // SAFETY: only changes which system calls of this thread are trapped; the handler is in place before it is turned on.
    match unsafe { libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, start, len, 0usize) } {
        0 => Ok(()),
        _ => Err(MicroError::last_os("prctl(PR_SET_SYSCALL_USER_DISPATCH)", REMEDY)),
    }
}

/// The page of trapped code.
struct Code;

impl Code {
    fn map() -> Result<Self, MicroError> {
        let address = CODE_ADDRESS as *mut libc::c_void;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        // SAFETY: replaces no mapping; the page is filled before it becomes executable and never written again.
        unsafe {
            if libc::mmap(address, 4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) != address {
                return Err(MicroError::last_os("mmap of a page of code", REMEDY));
            }
            ptr::copy_nonoverlapping(CODE.as_ptr(), address.cast(), CODE.len());
            if libc::mprotect(address, 4096, libc::PROT_READ | libc::PROT_EXEC) != 0 {
                return Err(MicroError::last_os("mprotect of a page of code", REMEDY));
            }
        }
        Ok(Self)
    }

    #[inline]
    fn call(&self) -> i64 {
        // SAFETY: `map` put a function of this signature there; it clobbers what a C function may.
        let function: extern "C" fn() -> i64 = unsafe { mem::transmute(CODE_ADDRESS) };
        function()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: the page is ours, and nothing runs in it.
        unsafe { libc::munmap(CODE_ADDRESS as *mut libc::c_void, 4096) };
    }
}

extern "C" fn on_sys(_signal: libc::c_int, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext to a handler with SA_SIGINFO; it is ours until we return.
    unsafe {
        let context = context.cast::<libc::ucontext_t>();
        (*context).uc_mcontext.gregs[libc::REG_RAX as usize] = i64::from(libc::getppid());
    }
}

/// A handler with SA_SIGINFO.
pub(super) type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// Installs a handler that runs on `stack`, as the runtime's do. The stack must outlive the handler.
pub(super) fn install_handler(signal: libc::c_int, handler: Handler, stack: &Mapping) -> Result<(), MicroError> {
    let stack = libc::stack_t { ss_sp: stack.base().cast(), ss_flags: 0, ss_size: stack.len() };
    // SAFETY: both structures are valid; the handlers of this crate only do what a handler may (see theirs).
    let result = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaltstack(&stack, ptr::null_mut()) | libc::sigaction(signal, &action, ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(MicroError::last_os("sigaction", REMEDY)) }
}

/// Takes the handler and its stack away.
pub(super) fn remove_handler(signal: libc::c_int) {
    let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: a zeroed action is SIG_DFL; no handler runs now.
    unsafe {
        libc::sigaction(signal, &mem::zeroed(), ptr::null_mut());
        libc::sigaltstack(&none, ptr::null_mut());
    }
}
