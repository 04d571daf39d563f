//! The memory map, and memory of other processes.

use super::super::call::{Call, Pointer::*, Shape::*, call};
use super::super::nested::{get_mempolicy, iovec_array, mbind, migrate_pages, mincore, move_pages};
use super::super::nested::{process_vm_readv, process_vm_writev, set_mempolicy};

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    call(9, "mmap", &[]).memory(),
    call(10, "mprotect", &[]).memory(),
    call(11, "munmap", &[]).memory(),
    call(12, "brk", &[]).memory(),
    call(25, "mremap", &[]).memory(),
    call(26, "msync", &[]).memory(),
    call(27, "mincore", &[By(mincore)]).memory(),
    call(28, "madvise", &[]).memory(),
    call(440, "process_madvise", &[By(iovec_array)]).memory(),
    call(30, "shmat", &[]).memory(),
    call(67, "shmdt", &[]).memory(),
    call(149, "mlock", &[]).memory(),
    call(325, "mlock2", &[]).memory(),
    call(150, "munlock", &[]).memory(),
    call(151, "mlockall", &[]).memory(),
    call(152, "munlockall", &[]).memory(),
    call(216, "remap_file_pages", &[]).memory(),
    call(462, "mseal", &[]).memory(),
    // Shadow stacks and protection keys are per-thread CPU state that no frame of ours carries: absent, as on an older CPU.
    call(453, "map_shadow_stack", &[]).refused(libc::EOPNOTSUPP),
    call(329, "pkey_mprotect", &[]).memory(),
    call(330, "pkey_alloc", &[]).refused(libc::ENOSPC),
    call(331, "pkey_free", &[]).refused(libc::EINVAL),

    // NUMA.
    call(237, "mbind", &[By(mbind)]).memory(),
    call(238, "set_mempolicy", &[By(set_mempolicy)]).memory(),
    call(239, "get_mempolicy", &[Out(0, Fixed(4)), By(get_mempolicy)]).memory(),
    call(450, "set_mempolicy_home_node", &[]).memory(),
    call(256, "migrate_pages", &[By(migrate_pages)]).memory(),
    call(279, "move_pages", &[By(move_pages)]).memory(),

    // Memory that the kernel, or a file, would share with the app behind the runtime's back.
    call(323, "userfaultfd", &[]).refused(libc::ENOSYS),
    call(447, "memfd_secret", &[]).refused(libc::ENOSYS),
    call(278, "vmsplice", &[IovIn(1, 2)]),

    // Other processes.
    call(310, "process_vm_readv", &[By(process_vm_readv)]),
    call(311, "process_vm_writev", &[By(process_vm_writev)]),
    call(448, "process_mrelease", &[]),
];
