//! Notices at once that another process of the run is gone.

use crate::cluster::last_words;
use crate::cluster::signal_set::{SignalsBlocked, block_for_good};
use rustix::event::{EventfdFlags, PollFd, PollFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

/// A process, known by a socket that it holds the other end of.
#[derive(Debug)]
pub struct Watched {
    /// Name of the process's host, for the callback.
    pub name: String,
    /// The socket.
    pub fd: OwnedFd,
    /// Whether it is the process's sign of life, on which it may say why it ends.
    pub speaks: bool,
}

const ARMED: u8 = 0;
const DISARMED: u8 = 1;
const FIRED: u8 = 2;

const STACK_BYTES: usize = 128 << 10;

/// A thread that sleeps until a socket reports a hang-up. Dropping this does not end the watch.
#[derive(Debug)]
pub struct Watchdog {
    state: Arc<AtomicU8>,
    wake: Arc<OwnedFd>,
}

impl Watchdog {
    /// Starts to watch. `on_death` gets the name of the first process that is gone, and its last words; it runs on the
    /// watchdog's small thread, with all signals blocked, and usually ends the process.
    pub fn start(
        watched: Vec<Watched>,
        on_death: impl FnOnce(&str, Option<String>) + Send + 'static,
    ) -> io::Result<Watchdog> {
        let state = Arc::new(AtomicU8::new(ARMED));
        let wake = Arc::new(rustix::event::eventfd(0, EventfdFlags::CLOEXEC)?);
        let (their_state, their_wake) = (Arc::clone(&state), Arc::clone(&wake));
        let body = move || {
            block_for_good();
            let Some(gone) = wait(&watched, &their_wake) else {
                return;
            };
            if swap(&their_state, FIRED) {
                on_death(&gone.name, if gone.speaks { last_words::hear(&gone.fd) } else { None });
            }
        };
        let blocked = SignalsBlocked::all()?;
        thread::Builder::new().name("eos-watchdog".to_owned()).stack_size(STACK_BYTES).spawn(body)?;
        drop(blocked);
        Ok(Watchdog { state, wake })
    }

    /// Ends the watch: call it before the others are told to end. `false` if a process was gone
    /// already and the callback has begun.
    pub fn disarm(&self) -> bool {
        let disarmed = swap(&self.state, DISARMED);
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        disarmed
    }
}

fn swap(state: &AtomicU8, to: u8) -> bool {
    let exchange = state.compare_exchange(ARMED, to, Ordering::AcqRel, Ordering::Acquire);
    exchange.is_ok()
}

/// The first process that is gone; `None` once `wake` is readable.
fn wait<'a>(watched: &'a [Watched], wake: &OwnedFd) -> Option<&'a Watched> {
    let hang_up = |w: &'a Watched| PollFd::from_borrowed_fd(w.fd.as_fd(), PollFlags::RDHUP);
    let mut fds: Vec<PollFd<'_>> = watched.iter().map(hang_up).collect();
    fds.push(PollFd::new(wake, PollFlags::IN));
    loop {
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
        }
        if !fds[watched.len()].revents().is_empty() {
            return None;
        }
        let gone = fds.iter().position(|fd| !fd.revents().is_empty());
        if let Some(index) = gone {
            return Some(&watched[index]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_secs(10);

    fn watched(name: &str) -> (UnixStream, Watched) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let name = name.to_owned();
        let fd = theirs.into();
        (ours, Watched { name, fd, speaks: true })
    }

    #[test]
    fn the_process_that_is_gone_is_named() {
        let (_alive, one) = watched("one");
        let (gone, two) = watched("two");
        let (tell, told) = mpsc::channel();
        let callback = move |name: &str, words| tell.send((name.to_owned(), words)).expect("a listener");
        let watchdog = Watchdog::start(vec![one, two], callback).expect("a thread");
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "all are alive");
        drop(gone);
        assert_eq!(told.recv_timeout(LIMIT).expect("told"), ("two".to_owned(), None));
        assert!(!watchdog.disarm(), "too late");
    }

    #[test]
    fn what_the_process_said_last_on_its_sign_of_life_is_passed_on() {
        use std::io::Write;
        let (mut gone, one) = watched("one");
        let (tell, told) = mpsc::channel();
        let callback = move |_: &str, words| tell.send(words).expect("a listener");
        Watchdog::start(vec![one], callback).expect("a thread");
        gone.write_all(b"no way home").expect("written");
        drop(gone);
        assert_eq!(told.recv_timeout(LIMIT).expect("told").as_deref(), Some("no way home"));
    }

    #[test]
    fn bytes_that_wait_on_the_socket_are_no_death() {
        use std::io::Write;
        let (mut alive, one) = watched("one");
        let (tell, told) = mpsc::channel();
        let callback = move |_: &str, _| tell.send(()).expect("a listener");
        Watchdog::start(vec![one], callback).expect("a thread");
        alive.write_all(b"hello").expect("written");
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
    }

    #[test]
    fn after_disarming_nothing_is_said() {
        let (gone, one) = watched("one");
        let (tell, told) = mpsc::channel::<()>();
        let callback = move |_: &str, _| tell.send(()).expect("a listener");
        let watchdog = Watchdog::start(vec![one], callback).expect("a thread");
        assert!(watchdog.disarm());
        drop(gone);
        let end = told.recv_timeout(LIMIT);
        assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected), "the thread has ended");
    }
}
