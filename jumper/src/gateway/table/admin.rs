//! The machine: mounts, modules, keys, quotas, security modules, and calls that Linux no longer has.

use super::super::by_command_admin::*;
use super::super::call::{Call, Pointer::*, Shape::*, call};
use super::sizes::*;

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    call(63, "uname", &[Out(0, Fixed(UTSNAME))]).ships(),
    call(99, "sysinfo", &[Out(0, Fixed(SYSINFO))]).ships(),
    call(318, "getrandom", &[Out(0, Got(1))]).ships(),
    call(170, "sethostname", &[In(0, Int(1))]),
    call(171, "setdomainname", &[In(0, Int(1))]),
    call(103, "syslog", &[InOut(1, Int(2))]),
    call(139, "sysfs", &[By(sysfs)]),
    call(153, "vhangup", &[]),
    call(154, "modify_ldt", &[By(modify_ldt)]),
    call(163, "acct", &[Path(0)]),
    call(167, "swapon", &[Path(0)]),
    call(168, "swapoff", &[Path(0)]),
    call(169, "reboot", &[Text(3, 256)]),
    call(172, "iopl", &[]),
    call(173, "ioperm", &[]),

    // Mounts.
    call(165, "mount", &[Path(0), Path(1), Text(2, PAGE), In(4, Fixed(PAGE))]),
    call(166, "umount2", &[Path(0)]),
    call(155, "pivot_root", &[Path(0), Path(1)]),
    call(428, "open_tree", &[Path(1)]),
    call(467, "open_tree_attr", &[Path(1), In(3, Bytes(4))]),
    call(429, "move_mount", &[Path(1), Path(3)]),
    call(430, "fsopen", &[Text(0, PAGE)]),
    call(431, "fsconfig", &[By(fsconfig)]),
    call(432, "fsmount", &[]),
    call(433, "fspick", &[Path(1)]),
    call(442, "mount_setattr", &[Path(1), In(3, Bytes(4))]),
    call(457, "statmount", &[By(mnt_id_req), InOut(1, Bytes(2))]),
    call(458, "listmount", &[By(mnt_id_req), InOut(1, Items(2, 8))]),
    call(179, "quotactl", &[Path(1), By(quotactl)]),
    call(443, "quotactl_fd", &[By(quotactl_fd)]),

    // Kernel code.
    call(175, "init_module", &[In(0, Bytes(1)), Text(2, PAGE)]),
    call(313, "finit_module", &[Text(1, PAGE)]),
    call(176, "delete_module", &[Text(0, 64)]),
    call(246, "kexec_load", &[]).refused(libc::EPERM),
    call(320, "kexec_file_load", &[In(3, Bytes(2))]),
    // As where unprivileged BPF is disabled: its programs and maps hold app addresses of any kind and length.
    call(321, "bpf", &[]).refused(libc::EPERM),
    call(298, "perf_event_open", &[By(perf_event_open)]),

    // Keys and security modules.
    call(248, "add_key", &[Text(0, 32), Text(1, PAGE), In(2, Bytes(3))]),
    call(249, "request_key", &[Text(0, 32), Text(1, PAGE), Text(2, PAGE)]),
    call(250, "keyctl", &[By(keyctl)]),
    call(444, "landlock_create_ruleset", &[In(0, Bytes(1))]),
    call(445, "landlock_add_rule", &[By(landlock_add_rule)]),
    call(446, "landlock_restrict_self", &[]),
    call(459, "lsm_get_self_attr", &[InOut(1, LenAt(2)), InOut(2, Fixed(4))]),
    call(460, "lsm_set_self_attr", &[In(1, Int(2))]),
    call(461, "lsm_list_modules", &[InOut(0, LenAt(1)), InOut(1, Fixed(4))]),

    // Numbers without a call behind them.
    call(134, "uselib", &[]).refused(libc::ENOSYS),
    call(156, "_sysctl", &[]).refused(libc::ENOSYS),
    call(174, "create_module", &[]).refused(libc::ENOSYS),
    call(177, "get_kernel_syms", &[]).refused(libc::ENOSYS),
    call(178, "query_module", &[]).refused(libc::ENOSYS),
    call(180, "nfsservctl", &[]).refused(libc::ENOSYS),
    call(181, "getpmsg", &[]).refused(libc::ENOSYS),
    call(182, "putpmsg", &[]).refused(libc::ENOSYS),
    call(183, "afs_syscall", &[]).refused(libc::ENOSYS),
    call(184, "tuxcall", &[]).refused(libc::ENOSYS),
    call(185, "security", &[]).refused(libc::ENOSYS),
    call(212, "lookup_dcookie", &[]).refused(libc::ENOSYS),
    call(236, "vserver", &[]).refused(libc::ENOSYS),
];
