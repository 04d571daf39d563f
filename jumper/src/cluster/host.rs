//! Facts about this host.

use crate::spare::Spare;
use rustix::process::{Resource, getrlimit};
use std::io;

/// A random id that the kernel draws at each boot: two processes that see the same one are on the
/// same host, in whatever containers.
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Random bytes of the kernel.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut have = 0;
    while have < N {
        have += rustix::rand::getrandom(&mut bytes[have..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of memory that this process could be given now without swapping, its control groups considered ([`Spare`]).
pub fn memory_available() -> io::Result<u64> {
    Ok(Spare::open()?.read()?.available)
}

/// What helps against [`lockable_bytes`].
pub const LOCK_REMEDY: &str = "raise it with \"* - memlock unlimited\" in /etc/security/limits.conf, or \
                               LimitMEMLOCK=infinity in the unit of the daemon";

/// Bytes that this process may lock, as RDMA does with all that peers read and write; `None`: no limit.
pub fn lockable_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match may_lock(&status) {
        true => None,
        false => getrlimit(Resource::Memlock).current,
    }
}

/// Whether the process has CAP_IPC_LOCK, to which the limit does not apply (capabilities(7), proc_pid_status(5)).
fn may_lock(status: &str) -> bool {
    const IPC_LOCK: u32 = 14;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    capabilities.is_some_and(|set| set >> IPC_LOCK & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_the_capability_may_lock() {
        assert!(may_lock("Name:\tx\nCapEff:\t0000000000004000\n"));
        assert!(!may_lock("CapEff:\t0000000000000400\n"));
        assert!(!may_lock(""));
    }

    #[test]
    fn this_host_has_a_boot_id_and_memory() {
        assert_eq!(boot_id().len(), 36);
        assert!(memory_available().expect("readable") > 1 << 20);
        assert_ne!(random::<16>().expect("random"), random::<16>().expect("random"));
        assert_eq!(hex(&[0, 255]), "00ff");
    }
}
