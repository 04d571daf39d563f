//! What a worker has to say when its link with home does not carry it any more: a sentence on the socket that is its sign of life.
//! Home reads it when that socket ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

/// Most bytes of a sentence.
const WORDS_MAX: usize = 2048;

static SIGN_OF_LIFE: OnceLock<OwnedFd> = OnceLock::new();

/// A worker: this socket is its sign of life.
pub fn keep(socket: &OwnedFd) -> io::Result<()> {
    let copy = socket.try_clone()?;
    // a second call changes nothing
    let _ = SIGN_OF_LIFE.set(copy);
    Ok(())
}

/// A worker: tells home why it ends. Home ends the run when it has read this.
pub fn speak(words: &str) {
    if let Some(socket) = SIGN_OF_LIFE.get() {
        speak_on(socket, words);
    }
}

fn speak_on(socket: impl AsFd, words: &str) {
    let words = &words.as_bytes()[..words.len().min(WORDS_MAX)];
    let _ = send(&socket, words, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    let _ = shutdown(&socket, Shutdown::Write);
}

/// Home: what the worker has said on its sign of life, which has ended; on one line.
pub fn hear(socket: impl AsFd) -> Option<String> {
    let mut bytes = [0; WORDS_MAX];
    let (len, _) = recv(&socket, &mut bytes[..], RecvFlags::DONTWAIT).ok()?;
    let words = String::from_utf8_lossy(&bytes[..len]).replace(char::is_control, " ");
    (len > 0).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_last_words_are_heard_on_one_line_and_silence_is_told_apart() {
        let (worker, home) = UnixStream::pair().expect("a pair");
        speak_on(&worker, "no way\nto home");
        assert_eq!(hear(&home).as_deref(), Some("no way to home"));
        assert_eq!(hear(&home), None, "nothing more, and the end");
    }
}
