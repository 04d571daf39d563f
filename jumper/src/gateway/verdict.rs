//! Where the arguments of a call change what the table says about it.

use super::call::{Call, Class};
use super::{futex, ioctl, nested};

/// Who carries out `call(args)`: the class of the table, refined by the arguments. Pure.
pub fn class_of(call: &Call, args: &[u64; 6]) -> Class {
    match i64::from(call.number) {
        libc::SYS_prctl => prctl(args[0] as i32),
        libc::SYS_arch_prctl if !matches!(args[0] as u32, ARCH_SET_GS..=ARCH_GET_GS) => arch_prctl(args[0] as u32),
        // CLONE_VM and CLONE_SIGHAND only unshare what threads share: the runtime has to know of threads first.
        libc::SYS_unshare if args[0] as i32 & (libc::CLONE_VM | libc::CLONE_SIGHAND) != 0 => Class::Process,
        _ => call.class,
    }
}

const ARCH_SET_GS: u32 = 0x1001;
const ARCH_GET_GS: u32 = 0x1004;

/// Options that would take the ground from under the runtime are answered as by a kernel that does not have them.
fn prctl(option: i32) -> Class {
    match option {
        libc::PR_SET_SECCOMP | libc::PR_SET_MM | libc::PR_SET_MDWE => Class::Refused(libc::EINVAL),
        PR_SET_SYSCALL_USER_DISPATCH | PR_GET_AUXV | PR_SET_SHADOW_STACK_STATUS => Class::Refused(libc::EINVAL),
        libc::PR_GET_TID_ADDRESS => Class::Thread,
        _ => Class::Plain,
    }
}

const PR_SET_SYSCALL_USER_DISPATCH: i32 = 59;
const PR_SET_SHADOW_STACK_STATUS: i32 = 75;
const PR_GET_AUXV: i32 = 0x4155_5856;

/// CPUID faulting, extended features, shadow stacks and address masking are state that no jump carries; asking is fine.
fn arch_prctl(option: u32) -> Class {
    match option {
        0x1011 | 0x1021 | 0x1022 | 0x1024 => Class::Plain, // GET_CPUID, GET_XCOMP_SUPP, _PERM, _GUEST_PERM
        _ => Class::Refused(libc::EINVAL),
    }
}

/// A deputy may execute `call(args)` with staged buffers: the flag of the table, refined by the arguments. Pure. Encoding may
/// still refuse the call when it sees its memory.
pub fn ships(call: &Call, args: &[u64; 6]) -> bool {
    call.forward && class_of(call, args) == Class::Plain && by_arguments(call.number.into(), args)
}

fn by_arguments(number: i64, args: &[u64; 6]) -> bool {
    let [a0, a1, a2, a3, a4, a5] = *args;
    match number {
        libc::SYS_futex => futex::touches_no_memory(a1),
        SYS_FUTEX_WAKE => a3 & 128 != 0,
        libc::SYS_ioctl => ioctl::ships(a1),
        libc::SYS_prctl => {
            matches!(a0 as i32, PR_GET_DUMPABLE | libc::PR_SET_NAME | libc::PR_GET_NAME | PR_NO_NEW_PRIVS)
        }
        // A mask for the time of the call is the business of whoever keeps the app's signals.
        libc::SYS_ppoll => a3 == 0,
        libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => a4 == 0,
        libc::SYS_pselect6 => a5 == 0 && a0 as u32 <= nested::FD_SET_BITS,
        libc::SYS_select => a0 as u32 <= nested::FD_SET_BITS,
        // Known commands only, since an unknown one may take a pointer; none that leads to signals.
        libc::SYS_fcntl => {
            matches!(a1, 0..=7 | 9 | 11 | 16 | 17 | 36..=38 | 1025..=1028 | 1030..=1040)
        }
        // Zero-copy receive maps pages into the app.
        libc::SYS_getsockopt => !(a1 as i32 == libc::IPPROTO_TCP && a2 as i32 == TCP_ZEROCOPY_RECEIVE),
        // Options that hold pointers or change how buffers are owned; packet rings are mapped.
        libc::SYS_setsockopt => setsockopt(a1 as i32, a2 as i32),
        libc::SYS_semctl => !matches!(a2 as i32 & !0x100, libc::GETALL | libc::SETALL),
        // The kernel takes these lengths as signed and would refuse what we could not stage anyway.
        libc::SYS_msgsnd | libc::SYS_msgrcv => a2 < 1 << 24,
        _ => true,
    }
}

fn setsockopt(level: i32, option: i32) -> bool {
    match level {
        libc::SOL_SOCKET => !matches!(option, libc::SO_ATTACH_FILTER | libc::SO_ATTACH_REUSEPORT_CBPF),
        libc::IPPROTO_TCP | libc::IPPROTO_UDP => true,
        libc::IPPROTO_IP | libc::IPPROTO_IPV6 => option < 64, // from 64 on: netfilter's tables
        _ => false,
    }
}

const SYS_FUTEX_WAKE: i64 = 454;
const PR_GET_DUMPABLE: i32 = 3;
const PR_NO_NEW_PRIVS: i32 = 38;
const TCP_ZEROCOPY_RECEIVE: i32 = 35;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::all;

    fn named(name: &str) -> &'static Call {
        all().find(|call| call.name == name).expect("in the table")
    }

    #[test]
    fn a_futex_is_forwarded_only_to_wake_private_waiters() {
        let futex = named("futex");
        assert!(ships(futex, &[0x1000, 1 | 128, 1, 0, 0, 0]));
        assert!(!ships(futex, &[0x1000, 1, 1, 0, 0, 0]), "shared");
        assert!(!ships(futex, &[0x1000, 128, 1, 0, 0, 0]), "wait");
    }

    #[test]
    fn prctl_cannot_switch_the_runtimes_own_trap_off() {
        assert_eq!(class_of(named("prctl"), &[59, 0, 0, 0, 0, 0]), Class::Refused(libc::EINVAL));
        assert_eq!(class_of(named("prctl"), &[15, 0x1000, 0, 0, 0, 0]), Class::Plain);
    }

    #[test]
    fn the_segment_bases_belong_to_the_runtime() {
        assert_eq!(class_of(named("arch_prctl"), &[0x1002, 0x1000, 0, 0, 0, 0]), Class::Thread);
        assert_eq!(class_of(named("arch_prctl"), &[0x5001, 1, 0, 0, 0, 0]), Class::Refused(libc::EINVAL));
    }

    #[test]
    fn terminal_requests_are_forwarded_and_unknown_ones_are_not() {
        assert!(ships(named("ioctl"), &[1, libc::TCGETS, 0x1000, 0, 0, 0]));
        assert!(!ships(named("ioctl"), &[1, 0xc010_6401, 0x1000, 0, 0, 0]));
    }
}
