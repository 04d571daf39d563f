//! The low descriptor numbers. Alone in its process: nothing else opens or closes files meanwhile.

use eos_jumper::low_fds::{FLOOR, LowFds, fill_standard};
use rustix::process::{Resource, getrlimit};
use std::fs::File;
use std::os::fd::AsRawFd;

#[test]
fn the_runtime_gets_high_numbers_and_the_program_the_low_ones() {
    let before = File::open("/dev/null").expect("opened").as_raw_fd();
    let low = LowFds::reserve().expect("reserved");
    let runtime = File::open("/dev/null").expect("opened");
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let number = u64::try_from(runtime.as_raw_fd()).expect("valid");
    assert!(number >= FLOOR.min(limit / 2), "{number}");
    drop(low);
    let program = File::open("/dev/null").expect("opened");
    assert_eq!(program.as_raw_fd(), before);
    fill_standard().expect("nothing to do");
    let next = File::open("/dev/null").expect("opened");
    assert_eq!(next.as_raw_fd(), before + 1);
}
