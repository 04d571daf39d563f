//! Framing of messages, the same on every transport: length (u32, little endian), then the bytes.

use crate::error::VerbsError;
use crate::names::PeerName;
use crate::queue_pair::MESSAGE_MAX;

/// Bytes of the length that goes before each message.
pub(crate) const HEADER: usize = 4;

/// The length of a message as its header, or `TooLong`.
pub(crate) fn header(parts: &[&[u8]], peer: &PeerName) -> Result<([u8; HEADER], usize), VerbsError> {
    let len = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
    match u32::try_from(len) {
        Ok(short) if len <= MESSAGE_MAX => Ok((short.to_le_bytes(), len)),
        _ => Err(VerbsError::TooLong { peer: peer.clone(), what: "a message", len, limit: MESSAGE_MAX }),
    }
}

/// A message that is coming in, piece by piece. Memory grows with what came, not with what a header claims.
#[derive(Default)]
pub(crate) struct Assembly {
    header: [u8; HEADER],
    header_len: usize,
    body: Vec<u8>,
}

impl Assembly {
    /// Takes from the front of `bytes` what belongs to this message; returns how many. Call again until
    /// [`is_complete`](Self::is_complete) or `bytes` is used up.
    pub(crate) fn feed(&mut self, bytes: &[u8], peer: &PeerName) -> Result<usize, VerbsError> {
        let for_header = bytes.len().min(HEADER - self.header_len);
        self.header[self.header_len..self.header_len + for_header].copy_from_slice(&bytes[..for_header]);
        self.header_len += for_header;
        if self.header_len == HEADER && self.announced() > MESSAGE_MAX {
            return Err(VerbsError::protocol(peer, "it announced a message above the limit"));
        }
        let for_body = (bytes.len() - for_header).min(self.missing());
        self.body.extend_from_slice(&bytes[for_header..for_header + for_body]);
        Ok(for_header + for_body)
    }

    fn announced(&self) -> usize {
        u32::from_le_bytes(self.header) as usize
    }

    /// Bytes of the body that have not come yet; 0 before the header is known.
    pub(crate) fn missing(&self) -> usize {
        if self.header_len < HEADER { 0 } else { self.announced() - self.body.len() }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.header_len == HEADER && self.missing() == 0
    }

    /// The body so far, to be extended in place by at most [`missing`](Self::missing) bytes.
    pub(crate) fn body(&mut self) -> &mut Vec<u8> {
        &mut self.body
    }

    /// Hands the complete message over; `into`'s memory is kept for the next one. Returns its length.
    pub(crate) fn take(&mut self, into: &mut Vec<u8>) -> usize {
        debug_assert!(self.is_complete());
        std::mem::swap(into, &mut self.body);
        self.body.clear();
        self.header_len = 0;
        into.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::NodeId;
    use proptest::prelude::*;

    fn peer() -> PeerName {
        PeerName(NodeId(1), "test".into())
    }

    #[test]
    fn a_header_above_the_limit_is_refused_before_any_memory_is_taken() {
        let mut assembly = Assembly::default();
        assert!(assembly.feed(&u32::MAX.to_le_bytes(), &peer()).is_err());
        assert_eq!(assembly.body().capacity(), 0);
    }

    proptest! {
        #[test]
        fn messages_cut_anywhere_come_out_whole(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            cuts in prop::collection::vec(1usize..50, 1..20),
        ) {
            let mut wire = Vec::new();
            for message in &messages {
                wire.extend(header(&[message], &peer()).expect("short").0);
                wire.extend(message);
            }
            let (mut assembly, mut out, mut at, mut cut) = (Assembly::default(), Vec::new(), 0, 0);
            while at < wire.len() {
                let piece = &wire[at..(at + cuts[cut % cuts.len()]).min(wire.len())];
                at += assembly.feed(piece, &peer()).expect("in the limits");
                cut += 1;
                if assembly.is_complete() {
                    let mut message = vec![1, 2, 3];
                    assembly.take(&mut message);
                    out.push(message);
                }
            }
            prop_assert_eq!(out, messages);
        }
    }
}
