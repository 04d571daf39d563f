//! Handing a connected channel to another process of this host (SCM_RIGHTS): the listener authenticates, the worker of the
//! run takes the stream over.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use super::SessionError;
use crate::descriptors;
use crate::names::{ChannelKind, NodeId};

/// Bytes of the record that goes with each descriptor: length, postcard bytes, zeros.
const RECORD: usize = 32;

/// Which channel a passed descriptor is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ChannelTag {
    /// The node at the other end of the channel.
    pub from: NodeId,
    /// What it is for.
    pub kind: ChannelKind,
}

/// Passes `fd` with its tag. The sender may close its own copy on return.
///
/// # Errors
/// `Closed` when the receiver is gone, `Io`.
pub fn send_channel(stream: &UnixStream, tag: &ChannelTag, fd: impl AsFd) -> Result<(), SessionError> {
    let mut record = [0; RECORD];
    let encoding = |_| SessionError::Protocol { what: "a channel tag could not be encoded" };
    let len = postcard::to_slice(tag, &mut record[1..]).map_err(encoding)?.len();
    record[0] = u8::try_from(len).map_err(|_| SessionError::Protocol { what: "a channel tag is too long" })?;
    descriptors::send(stream, &record, &[fd.as_fd()]).map_err(|source| trouble("passing a channel", source))
}

/// Takes the next passed descriptor; waits for it (as long as the stream's read time-out says).
///
/// # Errors
/// `Closed` when the sender is gone, `Protocol` when a record holds anything but one tag and one descriptor, `Io`.
pub fn recv_channel(stream: &UnixStream) -> Result<(ChannelTag, OwnedFd), SessionError> {
    let mut record = [0; RECORD];
    let fds = descriptors::receive(stream, &mut record).map_err(|source| trouble("taking a passed channel", source))?;
    let shape = SessionError::Protocol { what: "a passed channel has no valid tag" };
    let Some(Ok(tag)) = record[1..].get(..usize::from(record[0])).map(postcard::from_bytes) else {
        return Err(shape);
    };
    match <[OwnedFd; 1]>::try_from(fds) {
        Ok([fd]) => Ok((tag, fd)),
        Err(_) => Err(SessionError::Protocol { what: "a channel tag came without exactly one descriptor" }),
    }
}

fn trouble(what: &'static str, source: std::io::Error) -> SessionError {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match source.kind() {
        BrokenPipe | ConnectionReset | UnexpectedEof => SessionError::Closed,
        _ => SessionError::Io { what, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn a_passed_channel_works_in_the_hands_of_the_receiver() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        for kind in [ChannelKind::Msg, ChannelKind::Forward, ChannelKind::Back, ChannelKind::Shm] {
            let (mut near, far) = UnixStream::pair().expect("a pair");
            let tag = ChannelTag { from: NodeId(7), kind };
            send_channel(&ours, &tag, far).expect("sent");
            let (got, fd) = recv_channel(&theirs).expect("received");
            assert_eq!(got, tag);
            near.write_all(b"hi").expect("written");
            let mut text = [0; 2];
            UnixStream::from(fd).read_exact(&mut text).expect("read");
            assert_eq!(&text, b"hi");
        }
        drop(ours);
        assert!(matches!(recv_channel(&theirs), Err(SessionError::Closed)));
    }

    #[test]
    fn a_record_without_a_descriptor_or_with_nonsense_is_refused() {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        ours.write_all(&[2, 7, 0].iter().copied().chain([0; 29]).collect::<Vec<_>>()).expect("written");
        assert!(matches!(recv_channel(&theirs), Err(SessionError::Protocol { .. })));
        ours.write_all(&[255; 32]).expect("written");
        assert!(matches!(recv_channel(&theirs), Err(SessionError::Protocol { .. })));
    }
}
