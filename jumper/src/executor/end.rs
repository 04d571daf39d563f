//! How a run ends: by the program's own exit, or by an error of ours.

use std::sync::atomic::{AtomicBool, Ordering};

use eos_verbs::NodeId;

use super::Executor;
use crate::cluster::last_words;
use crate::cluster::watchdog::Watchdog;
use crate::jump::messages;
use crate::say::say;
use crate::{EXIT_OWN_ERROR, RunError};

/// Prints one sentence and ends the process with [`EXIT_OWN_ERROR`]. Callable from any thread and from trap handlers.
///
/// Called twice, as when the watchdog and the wire notice the same death, it prints the first sentence only.
pub fn fail(text: &str) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    while ENDING.swap(true, Ordering::AcqRel) {
        std::thread::park();
    }
    say(format_args!("{text}"));
    // SAFETY: ends the process without running destructors or exit handlers of a half-finished run.
    unsafe { libc::_exit(EXIT_OWN_ERROR) }
}

impl Executor {
    /// The program has called exit_group(2), at home: peers report and end, then this process does.
    pub(super) fn exit(&mut self, status: i32) -> ! {
        self.end_record();
        let gathered = self.gather(status & 0xff);
        self.leave_peers();
        if let (Some(home), Some(stats)) = (self.home.as_mut(), gathered)
            && let Some(report) = home.report.take()
        {
            report(&stats);
        }
        // SAFETY: as in `fail`; the program's own exit handlers have run already.
        unsafe { libc::_exit(status) }
    }

    /// The peers' part in this process's run is over.
    pub(crate) fn leave_peers(&mut self) {
        let disarmed = |home: &super::Home| home.alarms.lock().watchdogs.iter().all(Watchdog::disarm);
        if !self.home.as_ref().is_none_or(disarmed) {
            // a peer was lost a moment ago: the watchdog is ending this process
            loop {
                std::thread::park();
            }
        }
        for link in self.pager.links.iter_mut().flatten() {
            let _ = link.send(&[&[messages::BYE]]);
        }
    }

    /// The run cannot go on. A worker tells home, which prints it; home prints and ends.
    pub fn fail(&mut self, error: &RunError) -> ! {
        let text = error.to_string();
        if !self.at_home() {
            if let Some(home) = self.pager.links[NodeId::HOME.0 as usize].as_mut() {
                if home.send(&[&[messages::TROUBLE], text.as_bytes()]).is_err() {
                    last_words::speak(&text);
                }
                // Home ends by itself; leaving first would look like a lost peer.
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
            // SAFETY: as in `fail`.
            unsafe { libc::_exit(EXIT_OWN_ERROR) }
        }
        fail(&text)
    }
}
