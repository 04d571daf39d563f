//! What this machine has.

use super::trial::{self, TrialError};
use super::{Check, Section};
use crate::cluster::host::{LOCK_REMEDY, memory_available};
use crate::size::Size;
use eos_pager::table::PageTable;
use std::io;

/// First kernel with Syscall User Dispatch and userfaultfd in user mode.
const KERNEL_MIN: (u32, u32) = (5, 11);

/// Less memory than this is hardly worth a run.
const MEMORY_LOW: u64 = 256 << 20;

/// `AT_HWCAP2` bit 1: the kernel lets programs use rdfsbase and wrfsbase (linux/Documentation/x86/x86_64/fsgs).
const HWCAP2_FSGSBASE: usize = 1 << 1;

/// All checks of this machine but those of RDMA. Takes some milliseconds.
pub fn examine() -> Section {
    let release = rustix::system::uname();
    let (_, hwcap2) = rustix::param::linux_hwcap();
    let checks = vec![
        kernel(&release.release().to_string_lossy()),
        userfaultfd(trial::userfaultfd()),
        syscall_user_dispatch(trial::syscall_user_dispatch()),
        own_memory(trial::process_vm_readv()),
        fsgsbase(hwcap2),
        address_space(PageTable::new().err().map(|error| error.to_string())),
        memory(memory_available()),
        huge_pages(&std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default()),
    ];
    Section { name: "this machine".to_owned(), checks }
}

fn kernel(release: &str) -> Check {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= KERNEL_MIN => {
            Check::ok("kernel", format!("Linux {release}"))
        }
        (Some(Ok(_)), Some(Ok(_))) => Check::failed(
            "kernel",
            format!("Linux {release} is older than {}.{}", KERNEL_MIN.0, KERNEL_MIN.1),
            "install a newer kernel",
        ),
        _ => Check::warning("kernel", format!("its release \"{release}\" has no number"), "see the lines below"),
    }
}

fn userfaultfd(outcome: Result<(), TrialError>) -> Check {
    match outcome {
        Ok(()) => Check::ok("userfaultfd", "a missing page raises SIGBUS (tried)"),
        Err(error) => trapless("userfaultfd", &error, "CONFIG_USERFAULTFD", "userfaultfd"),
    }
}

fn syscall_user_dispatch(outcome: Result<(), TrialError>) -> Check {
    const NAME: &str = "system calls";
    match outcome {
        Ok(()) => Check::ok(NAME, "Syscall User Dispatch raises SIGSYS (tried)"),
        Err(error) => trapless(NAME, &error, "CONFIG_GENERIC_ENTRY", "prctl(PR_SET_SYSCALL_USER_DISPATCH)"),
    }
}

/// A trap that did not come.
fn trapless(name: &'static str, error: &TrialError, option: &str, call: &str) -> Check {
    let kernel = format!("use Linux 5.11 or later on x86-64, built with {option}");
    match error {
        TrialError::Refused(error) if error.kind() == io::ErrorKind::PermissionDenied => Check::failed(
            name,
            format!("{call} is forbidden ({error})"),
            format!("allow {call} in the seccomp profile of the container, or run outside of it"),
        ),
        TrialError::Refused(error) => Check::failed(name, format!("{call} does not work ({error})"), kernel),
        TrialError::NoTrap => Check::failed(name, format!("{call} succeeds but no trap comes"), kernel),
        TrialError::Died(signal) => Check::failed(name, format!("a trial of {call} died by signal {signal}"), kernel),
    }
}

fn own_memory(outcome: io::Result<()>) -> Check {
    const NAME: &str = "own memory";
    match outcome {
        Ok(()) => Check::ok(NAME, "process_vm_readv works (tried)"),
        Err(error) => Check::failed(
            NAME,
            format!("process_vm_readv on this process does not work ({error})"),
            "allow process_vm_readv in the seccomp profile of the container, or run outside of it",
        ),
    }
}

fn fsgsbase(hwcap2: usize) -> Check {
    match hwcap2 & HWCAP2_FSGSBASE {
        0 => Check::failed(
            "fsgsbase",
            "programs may not use rdfsbase and wrfsbase",
            "use a processor from 2013 or later, Linux 5.9 or later, and no \"nofsgsbase\" on the kernel's command line",
        ),
        _ => Check::ok("fsgsbase", "programs may use it"),
    }
}

fn address_space(error: Option<String>) -> Check {
    const NAME: &str = "address space";
    match error {
        None => Check::ok(NAME, "the page table can be reserved (tried)"),
        Some(sentence) => Check::failed_with(NAME, &sentence),
    }
}

fn memory(available: io::Result<u64>) -> Check {
    match available {
        Ok(bytes) if bytes < MEMORY_LOW => Check::warning(
            "memory",
            format!("only {} available", Size(bytes)),
            "end other programs, or give runs a small --memory",
        ),
        Ok(bytes) => Check::ok("memory", format!("{} available; a run takes half unless --memory says", Size(bytes))),
        Err(error) => Check::failed("memory", format!("its size is not known ({error})"), "mount /proc"),
    }
}

/// The setting in brackets; it only matters for speed.
fn huge_pages(setting: &str) -> Check {
    let chosen = setting.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    Check::ok("huge pages", chosen.map_or_else(|| "none in this kernel".to_owned(), |(word, _)| word.to_owned()))
}

/// The limit of locked memory, which RDMA needs for all that peers read and write. `rdma`: there is a device.
pub fn locked_memory(limit: Option<u64>, rdma: bool) -> Check {
    const NAME: &str = "locked memory";
    match limit {
        None => Check::ok(NAME, "no limit"),
        Some(bytes) if rdma => {
            let found = format!("rdma can register {} at most, and needs --memory of run and serve", Size(bytes));
            Check::warning(NAME, found, LOCK_REMEDY)
        }
        Some(bytes) => Check::ok(NAME, format!("limit {}; only rdma needs more", Size(bytes))),
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
