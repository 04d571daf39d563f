//! The fence between the two halves: the program's arguments must not lead the kernel into the runtime's.
//!
//! Natively nothing of the runtime is there, so an address of the runtime's half is a bad one (`EFAULT`), and a
//! descriptor of the runtime's is not open (`EBADF`).

use super::Executor;
use crate::gateway::{Call, Fault, Pointer, Range, syscall6};
use eos_pager::page::{APP_END, APP_START, PAGE_SIZE};

/// First address of the kernel's half and of what is no address at all: the kernel refuses those itself.
const USER_END: u64 = 0x8000_0000_0000;

/// Whether an address lies in the runtime's half.
pub(super) fn is_runtimes(addr: u64) -> bool {
    (APP_END..USER_END).contains(&addr)
}

/// Replaces direct pointers into the runtime's half by ones at which nothing is ever mapped. The kernel then finds what
/// it would find natively, in its own order of checks.
pub(super) fn fence_off(call: &Call, args: &mut [u64; 6]) {
    for arg in call.pointers.iter().filter_map(direct) {
        let addr = &mut args[usize::from(arg)];
        if is_runtimes(*addr) {
            *addr = APP_START - PAGE_SIZE + *addr % PAGE_SIZE;
        }
    }
}

fn direct(pointer: &Pointer) -> Option<u8> {
    match *pointer {
        Pointer::In(arg, _) | Pointer::Out(arg, _) | Pointer::InOut(arg, _) => Some(arg),
        Pointer::Path(arg) | Pointer::Text(arg, _) | Pointer::IovIn(arg, _) | Pointer::IovOut(arg, _) => Some(arg),
        Pointer::By(_) => None,
    }
}

/// Whether the memory of the call has to be looked at for pointers that are not arguments.
pub(super) fn has_hidden(call: &Call) -> bool {
    let hidden = |pointer: &Pointer| matches!(pointer, Pointer::By(_) | Pointer::IovIn(..) | Pointer::IovOut(..));
    call.pointers.iter().any(hidden)
}

/// Whether the ranges of a call, or the address at which listing them has failed, lead into the runtime's half.
pub(super) fn strays(listed: &Result<(), Fault>, touched: &[Range]) -> bool {
    touched.iter().any(|range| is_runtimes(range.addr)) || matches!(listed, Err(fault) if is_runtimes(fault.addr))
}

impl Executor {
    /// close_range(2) around the runtime's own descriptors.
    pub(super) fn close_range(&mut self, call: &Call, args: [u64; 6]) -> i64 {
        let [first, last, ..] = args.map(|arg| arg as u32);
        // SAFETY: closes descriptors of the program; an empty or bad range is the kernel's to refuse.
        let close = |first: u32, last: u32| unsafe {
            syscall6(call.number.into(), [first.into(), last.into(), args[2], 0, 0, 0])
        };
        if first > last {
            return close(first, last);
        }
        let results = self.own_fds.gaps(first, last).into_iter().map(|(first, last)| close(first, last));
        results.min().unwrap_or(0)
    }
}
