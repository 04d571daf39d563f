//! A command with a time limit.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::FiguresError;

/// Becomes true at Ctrl-C and SIGTERM.
pub type Stop = Arc<AtomicBool>;

/// Longest time without a look at [`Stop`].
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// Notes Ctrl-C and SIGTERM from now on, so that what was set up is torn down. A second one ends the process at once.
#[must_use]
pub fn stop_on_signals() -> Stop {
    let stop = Stop::default();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // In this order, so that the first one only sets the flag.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop));
        let _ = signal_hook::flag::register(signal, Arc::clone(&stop));
    }
    stop
}

/// What a command did.
pub struct Ended {
    /// Its status; none if it was ended at the limit.
    pub status: Option<ExitStatus>,
    /// What it wrote to its standard output.
    pub said: String,
    /// What it wrote to its standard error.
    pub complained: String,
}

/// Runs a command in a process group of its own, without input, for at most `limit`.
///
/// # Errors
/// It could not be started, or [`Stop`] was set.
pub fn run(command: &mut Command, limit: Duration, stop: &Stop) -> Result<Ended, FiguresError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let fails = |source| FiguresError::File { path: name.clone(), source };
    let (mut said, mut complained) = (tempfile::tempfile().map_err(fails)?, tempfile::tempfile().map_err(fails)?);
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(said.try_clone().map_err(fails)?).stderr(complained.try_clone().map_err(fails)?);
    let mut child = command.spawn().map_err(fails)?;
    let ended = wait(&mut child, limit, stop);
    if !matches!(ended, Ok(true)) {
        end_group(&child);
    }
    let status = child.wait().map_err(fails)?;
    let in_time = ended.map_err(fails)?;
    if stop.load(Ordering::Relaxed) {
        return Err(FiguresError::Interrupted);
    }
    let text = |file: &mut std::fs::File| {
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text)).map_err(fails)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    Ok(Ended { status: in_time.then_some(status), said: text(&mut said)?, complained: text(&mut complained)? })
}

/// Runs a command that must work within ten seconds; what it wrote to its standard output.
///
/// # Errors
/// It did not, with what it complained of.
pub fn must(command: &mut Command, stop: &Stop) -> Result<String, FiguresError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ended = run(command, Duration::from_secs(10), stop)?;
    if ended.status.is_some_and(|status| status.success()) {
        return Ok(ended.said);
    }
    Err(FiguresError::Command { command: name, what: last_line(&ended.complained, "it did not work") })
}

/// The last line that is not empty, or `otherwise`.
#[must_use]
pub fn last_line(text: &str, otherwise: &str) -> String {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or(otherwise).to_owned()
}

/// Whether it ended by itself; false at the limit, and at a stop.
fn wait(child: &mut Child, limit: Duration, stop: &Stop) -> std::io::Result<bool> {
    let end = Instant::now() + limit;
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Ends the process group of a child that has not been waited for.
pub fn end_group(child: &Child) {
    // Gone already is as good.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

/// A process in the background, ended with its group when this is dropped.
pub struct Daemon(Child);

impl Daemon {
    /// Starts it, with its errors in a file.
    ///
    /// # Errors
    /// It could not be started.
    pub fn start(command: &mut Command, log: &std::path::Path) -> Result<Self, FiguresError> {
        let name = command.get_program().to_string_lossy().into_owned();
        let fails = |source| FiguresError::File { path: name.clone(), source };
        let log = std::fs::File::create(log).map_err(fails)?;
        let out = log.try_clone().map_err(fails)?;
        Ok(Self(command.stdin(Stdio::null()).stdout(out).stderr(log).process_group(0).spawn().map_err(fails)?))
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// It ended, or ten seconds have gone by; what its log says last.
    pub fn wait_until(
        &mut self,
        name: &str,
        log: &std::path::Path,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), FiguresError> {
        for _ in 0..200 {
            if ready() {
                return Ok(());
            }
            if matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let what = last_line(&std::fs::read_to_string(log).unwrap_or_default(), "it did not become ready");
        Err(FiguresError::Command { command: name.to_owned(), what })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(Pid::from_child(&self.0), Signal::TERM);
        for _ in 0..40 {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        end_group(&self.0);
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_slow_command_is_ended_with_all_that_it_started() -> Result<(), FiguresError> {
        let ended = run(&mut shell("sleep 60 & echo $!; wait"), Duration::from_millis(500), &Stop::default())?;
        assert!(ended.status.is_none());
        let pid = Pid::from_raw(ended.said.trim().parse().expect("a pid")).expect("a pid");
        // Its new parent may take a moment to bury it.
        let gone = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
                .map_or(true, |stat| stat.contains(") Z "))
        });
        assert!(gone);
        Ok(())
    }

    #[test]
    fn output_and_status_come_back_and_a_stop_ends_it() -> Result<(), FiguresError> {
        let ended = run(&mut shell("echo out; echo err >&2; exit 3"), Duration::from_secs(20), &Stop::default())?;
        assert_eq!((ended.status.and_then(|status| status.code()), ended.said.as_str()), (Some(3), "out\n"));
        assert_eq!(last_line(&ended.complained, ""), "err");
        let stopped = run(&mut shell("sleep 60"), Duration::from_secs(60), &Arc::new(AtomicBool::new(true)));
        assert!(matches!(stopped, Err(FiguresError::Interrupted)));
        Ok(())
    }
}
