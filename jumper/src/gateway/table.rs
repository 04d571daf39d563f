//! The table of all Linux x86-64 system calls, joined from one file for each area.
//!
//! Source: arch/x86/entry/syscalls/syscall_64.tbl up to Linux 6.17, and the manual page of each call.

mod admin;
mod events;
mod files;
mod ipc;
mod memory;
mod net;
mod paths;
mod process;
mod sizes;
mod time;

use super::call::Call;

/// Highest number in the table.
pub const LAST: usize = 469;

const AREAS: [&[Call]; 9] = [
    files::CALLS,
    paths::CALLS,
    events::CALLS,
    net::CALLS,
    time::CALLS,
    process::CALLS,
    memory::CALLS,
    ipc::CALLS,
    admin::CALLS,
];

static TABLE: [Option<&'static Call>; LAST + 1] = by_number();

const fn by_number() -> [Option<&'static Call>; LAST + 1] {
    let mut table = [None; LAST + 1];
    let mut area = 0;
    while area < AREAS.len() {
        let mut i = 0;
        while i < AREAS[area].len() {
            let call = &AREAS[area][i];
            assert!(table[call.number as usize].is_none(), "two entries for one number");
            table[call.number as usize] = Some(call);
            i += 1;
        }
        area += 1;
    }
    table
}

/// The entry of call `number` (the app's rax). `None` for numbers that Linux x86-64 does not have, or that are newer
/// than this table: answer them with `ENOSYS`.
pub fn lookup(number: u64) -> Option<&'static Call> {
    TABLE.get(usize::try_from(number).ok()?).copied().flatten()
}

/// All entries, by rising number.
pub fn all() -> impl Iterator<Item = &'static Call> {
    TABLE.iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use syscalls::Sysno;

    #[test]
    fn every_call_of_the_syscalls_crate_has_an_entry_of_the_same_name() {
        let mut known = 0;
        for number in 0..1024 {
            let Some(sysno) = Sysno::new(number) else {
                continue;
            };
            let entry = lookup(number as u64).map(|call| (call.number as usize, call.name));
            assert_eq!(entry, Some((number, sysno.name())));
            known += 1;
        }
        assert_eq!(all().count(), known, "the table has an entry that Linux does not have");
    }

    #[test]
    fn numbers_that_linux_does_not_have_have_no_entry() {
        for number in [337, 400, 423, LAST as u64 + 1, u64::MAX] {
            assert!(lookup(number).is_none(), "{number}");
        }
    }

    #[test]
    fn only_plain_calls_are_forwarded() {
        for call in all().filter(|call| call.forward) {
            assert_eq!(call.class, crate::gateway::Class::Plain, "{}", call.name);
        }
    }

    /// A deputy sends back as much of a buffer as the result counts, or else all of it: then it must be a structure.
    #[test]
    fn buffers_of_forwarded_calls_have_a_fixed_size_or_are_counted_by_the_result() {
        use crate::gateway::{Pointer, Shape};
        for call in all().filter(|call| call.forward) {
            for pointer in call.pointers {
                if let Pointer::Out(_, shape) = pointer {
                    let small = matches!(shape, Shape::Fixed(len) if *len <= 4096);
                    let counted = matches!(shape, Shape::Rw(_) | Shape::Got(_) | Shape::GotItems(..));
                    assert!(small || counted, "{}: {pointer:?}", call.name);
                }
            }
        }
    }

    #[test]
    fn calls_that_hand_app_memory_to_the_kernel_for_later_are_refused() {
        for name in ["io_uring_setup", "io_setup", "rseq", "userfaultfd", "bpf"] {
            let call = all().find(|call| call.name == name).expect("in the table");
            assert!(matches!(call.class, crate::gateway::Class::Refused(_)), "{name}");
        }
    }
}
