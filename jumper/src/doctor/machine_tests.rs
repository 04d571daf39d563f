use super::*;
use crate::doctor::State;

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

#[test]
fn this_machine_is_fit_for_runs() {
    let section = examine();
    let failed: Vec<_> = section.checks.iter().filter(|check| check.state == State::Failed).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_kernel_is_judged_by_its_first_two_numbers() {
    let cases = [
        ("6.18.0", State::Ok),
        ("5.11.0-rc1", State::Ok),
        ("5.15.0-113-generic", State::Ok),
        ("10.0", State::Ok),
        ("5.10.200", State::Failed),
        ("4.18.0-553.el8", State::Failed),
        ("odd", State::Warning),
    ];
    for (release, state) in cases {
        let check = kernel(release);
        assert_eq!(check.state, state, "{release}");
        assert!(check.found.contains(release), "{check:?}");
        assert_eq!(check.remedy.is_some(), state != State::Ok, "{check:?}");
    }
}

#[test]
fn a_trap_that_does_not_come_says_who_forbids_it() {
    let forbidden = userfaultfd(Err(TrialError::Refused(errno(libc::EPERM))));
    assert_eq!(forbidden.state, State::Failed);
    assert!(forbidden.text().contains("userfaultfd is forbidden") && forbidden.text().contains("seccomp"));
    let missing = userfaultfd(Err(TrialError::Refused(errno(libc::ENOSYS))));
    assert!(missing.text().ends_with("built with CONFIG_USERFAULTFD"), "{missing:?}");
    let old = syscall_user_dispatch(Err(TrialError::Refused(errno(libc::EINVAL))));
    assert!(old.text().contains("Linux 5.11 or later"), "{old:?}");
    for error in [TrialError::NoTrap, TrialError::Died(9)] {
        let check = syscall_user_dispatch(Err(error));
        assert_eq!(check.state, State::Failed);
        assert!(check.remedy.is_some(), "{check:?}");
    }
    assert!(own_memory(Err(errno(libc::EPERM))).text().ends_with("run outside of it"));
}

#[test]
fn fsgsbase_is_the_second_bit() {
    assert_eq!(fsgsbase(0b10).state, State::Ok);
    let without = fsgsbase(0b1);
    assert_eq!(without.state, State::Failed);
    assert!(without.text().ends_with("on the kernel's command line"));
}

#[test]
fn a_limit_of_address_space_keeps_its_remedy() {
    let check = address_space(Some("160 GiB cannot be reserved; lift ulimit -v".to_owned()));
    assert_eq!((check.state, check.remedy.as_deref()), (State::Failed, Some("lift ulimit -v")));
    assert_eq!(address_space(None).state, State::Ok);
}

#[test]
fn little_memory_is_a_warning_and_unknown_memory_a_failure() {
    assert_eq!(memory(Ok(1 << 30)).state, State::Ok);
    let little = memory(Ok(100 << 20));
    assert_eq!(little.state, State::Warning);
    assert!(little.text().contains("100 MiB"), "{little:?}");
    assert_eq!(memory(Err(errno(libc::ENOENT))).state, State::Failed);
}

#[test]
fn huge_pages_show_the_chosen_word() {
    assert_eq!(huge_pages("always [madvise] never\n").found, "madvise");
    assert_eq!(huge_pages("").found, "none in this kernel");
}

#[test]
fn the_limit_of_locked_memory_matters_with_an_rdma_device_only() {
    assert_eq!(locked_memory(None, true).state, State::Ok);
    assert_eq!(locked_memory(Some(8 << 20), false).state, State::Ok);
    let low = locked_memory(Some(8 << 20), true);
    assert_eq!(low.state, State::Warning);
    assert!(low.text().contains("8 MiB at most") && low.text().contains("limits.conf"), "{low:?}");
}
