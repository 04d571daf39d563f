//! The gateway: what every system call of the app does to memory, as data, and who carries the call out.
//!
//! Start at [`lookup`] for the entry of a call, [`class_of`] for who carries it out, and [`ranges`] for the memory that
//! has to be resident before the kernel is asked. Nothing here makes a system call except [`raw::syscall6`].

mod by_command;
mod by_command_admin;
mod call;
mod futex;
pub mod guest;
mod ioctl;
mod nested;
mod ranges;
pub mod raw;
mod sleep;
mod table;
mod verdict;
mod walk;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod kernel_tests;
#[cfg(test)]
mod ranges_tests;

pub use call::{Call, Class, Dir, IOV_MAX, MAX_RW_COUNT, PATH_MAX, Pointer, Rule, Shape};
pub use futex::{FutexWait, futex_sleep, only_wakes, requeues, wakes_or_waits_anywhere};
pub(crate) use guest::to_page_end;
pub use guest::{Fault, GuestMemory, PAGE};
pub(crate) use guest::{read_prefix, write_prefix};
pub use ranges::{Range, Ranges, ranges};
pub use raw::{is_error, syscall6};
pub use sleep::{is_never_cut_short, is_never_restarted, looks_at_files, never_sleeps, own_mask};
pub use table::{LAST, all, lookup};
pub use verdict::{class_of, ships};
pub use walk::Walk;
pub(crate) use walk::iovec;
