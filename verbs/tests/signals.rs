//! Signals that interrupt every system call change nothing.
//!
//! # Safety
//! The handler does nothing; the timer and the handler belong to this process, which runs this one test.

mod common;

use std::thread;
use std::time::Duration;

use common::{kinds, pair, pattern, slowness, within};
use eos_verbs::{Mailbox, PAGE};

extern "C" fn ignore(_signal: libc::c_int) {}

/// SIGALRM every 200 us (10 ms where the machine is slow), with a handler that does not restart system calls.
fn start_storm() {
    // SAFETY: zeroed is a valid sigaction and itimerval; the handler is async-signal-safe since it does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ignore as *const () as libc::sighandler_t;
        assert_eq!(libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()), 0);
        // an emulated machine would do nothing else
        let tv_usec = if slowness() > 1 { 10_000 } else { 200 };
        let period = libc::timeval { tv_sec: 0, tv_usec };
        let timer = libc::itimerval { it_interval: period, it_value: period };
        assert_eq!(libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &timer, 0), 0);
    }
}

#[test]
fn a_storm_of_signals_breaks_no_operation() {
    within(60, || {
        start_storm();
        for kind in kinds() {
            let (mut near, mut far) = pair(kind);
            for round in 0..500 / slowness() as usize {
                near.link.post_write(0, &pattern(PAGE, round)).expect("posted");
                assert_eq!(near.link.read(0, PAGE).expect("read"), pattern(PAGE, round));
                near.link.flush().expect("flushed");
            }
            let echo = thread::spawn(move || {
                for _ in 0..20 {
                    thread::sleep(Duration::from_millis(2));
                    let message = far.receive();
                    far.link.send(&[&message]).expect("sent");
                }
            });
            let (mut links, mut message) = ([Some(near.link)], Vec::new());
            for round in 0..20 {
                let sent = pattern(3_000_000, round);
                links[0].as_mut().expect("present").send(&[&sent]).expect("sent");
                Mailbox::new().wait(&mut links, &mut message, None).expect("sound");
                assert!(message == sent, "{kind} {round}");
            }
            echo.join().expect("no panic");
        }
    });
}
