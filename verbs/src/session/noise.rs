//! The key exchange, and sealed records on top of it.
//!
//! On the wire: 8 plain bytes each way ("EOSRDMA" and the version), then records: length (u16, little endian) and that
//! many bytes. A record of length 0 says "I cannot open what you sent: our keys differ".

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use snow::{Builder, TransportState};

use super::{ClusterKey, SessionError};

/// How long a whole handshake may take.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Most bytes of an encoded hello or welcome.
pub const PAYLOAD_MAX: usize = 16 << 20;

const PATTERN: &str = "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s";
const MAGIC: &[u8; 7] = b"EOSRDMA";
const RECORD_MAX: usize = 65535;
const TAG: usize = 16;

/// A stream whose blocking calls can be given a limit.
pub trait TimedStream: Read + Write {
    /// Blocking reads and writes fail with `WouldBlock` or `TimedOut` after `limit`; `None`: they wait for ever.
    ///
    /// # Errors
    /// What setsockopt(2) says.
    fn set_limit(&mut self, limit: Option<Duration>) -> io::Result<()>;
}

impl TimedStream for TcpStream {
    fn set_limit(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(limit)?;
        self.set_write_timeout(limit)
    }
}

impl TimedStream for UnixStream {
    fn set_limit(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(limit)?;
        self.set_write_timeout(limit)
    }
}

/// The end of the handshake this node is at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Initiator,
    Responder,
}

/// Exact reads and writes before one deadline for the whole handshake, however slowly the other end drips.
pub(super) struct Wire<'a, S: TimedStream> {
    stream: &'a mut S,
    deadline: Instant,
}

impl<'a, S: TimedStream> Wire<'a, S> {
    pub(super) fn new(stream: &'a mut S) -> Self {
        Wire { stream, deadline: Instant::now() + HANDSHAKE_LIMIT }
    }

    /// The whole limit again: for the part of the handshake after a decision of the caller.
    pub(super) fn renew(&mut self) {
        self.deadline = Instant::now() + HANDSHAKE_LIMIT;
    }

    /// The handshake is over: the stream waits for ever again.
    pub(super) fn release(self) -> Result<(), SessionError> {
        self.stream.set_limit(None).map_err(|source| SessionError::Io { what: "setting a time limit", source })
    }

    fn step(&mut self) -> Result<&mut S, SessionError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(timed_out());
        }
        self.stream
            .set_limit(Some(left))
            .map_err(|source| SessionError::Io { what: "setting a time limit", source })?;
        Ok(self.stream)
    }

    pub(super) fn read_exact(&mut self, mut into: &mut [u8]) -> Result<(), SessionError> {
        while !into.is_empty() {
            match self.step()?.read(into) {
                Ok(0) => return Err(SessionError::Closed),
                Ok(count) => into = &mut into[count..],
                Err(error) => recover("receiving the handshake", error)?,
            }
        }
        Ok(())
    }

    pub(super) fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), SessionError> {
        while !bytes.is_empty() {
            match self.step()?.write(bytes) {
                Ok(0) => return Err(SessionError::Closed),
                Ok(count) => bytes = &bytes[count..],
                Err(error) => recover("sending the handshake", error)?,
            }
        }
        Ok(())
    }

    fn read_record(&mut self) -> Result<Vec<u8>, SessionError> {
        let mut len = [0; 2];
        self.read_exact(&mut len)?;
        let mut record = vec![0; usize::from(u16::from_le_bytes(len))];
        self.read_exact(&mut record)?;
        if record.is_empty() { Err(SessionError::WrongKey) } else { Ok(record) }
    }

    fn write_record(&mut self, record: &[u8]) -> Result<(), SessionError> {
        let len = u16::try_from(record.len()).map_err(|_| SessionError::Protocol { what: "a record is too long" })?;
        let mut framed = len.to_le_bytes().to_vec();
        framed.extend_from_slice(record);
        self.write_all(&framed)
    }
}

fn timed_out() -> SessionError {
    SessionError::TimedOut { seconds: HANDSHAKE_LIMIT.as_secs() }
}

fn recover(what: &'static str, error: io::Error) -> Result<(), SessionError> {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, Interrupted, TimedOut, WouldBlock};
    match error.kind() {
        Interrupted => Ok(()),
        WouldBlock | TimedOut => Err(timed_out()),
        BrokenPipe | ConnectionReset => Err(SessionError::Closed),
        _ => Err(SessionError::Io { what, source: error }),
    }
}

/// Both ends say the version first and look at the other's before anything else, so that an old version is told apart
/// from a wrong key.
fn exchange_version<S: TimedStream>(wire: &mut Wire<'_, S>, version: u8) -> Result<[u8; 8], SessionError> {
    let mut ours = [0; 8];
    ours[..7].copy_from_slice(MAGIC);
    ours[7] = version;
    wire.write_all(&ours)?;
    let mut theirs = [0; 8];
    wire.read_exact(&mut theirs)?;
    if theirs[..7] != MAGIC[..] {
        return Err(SessionError::NotEos);
    }
    if theirs[7] != version {
        return Err(SessionError::Version { ours: version, theirs: theirs[7] });
    }
    Ok(ours)
}

/// Sealed records after the key exchange.
pub(super) struct Sealed {
    noise: TransportState,
}

/// Runs the key exchange. The prologue is mixed in: whoever changes it on the way makes the handshake fail.
pub(super) fn shake_hands<S: TimedStream>(
    wire: &mut Wire<'_, S>,
    key: &ClusterKey,
    role: Role,
    version: u8,
) -> Result<Sealed, SessionError> {
    let prologue = exchange_version(wire, version)?;
    let internal = |_| SessionError::Protocol { what: "the key exchange could not be set up" };
    let builder = Builder::new(PATTERN.parse().map_err(internal)?).psk(0, &key.0).map_err(internal)?;
    let builder = builder.prologue(&prologue).map_err(internal)?;
    let mut buffer = [0; 128];
    let mut noise;
    if role == Role::Initiator {
        noise = builder.build_initiator().map_err(internal)?;
        let len = noise.write_message(&[], &mut buffer).map_err(internal)?;
        wire.write_record(&buffer[..len])?;
        let reply = wire.read_record()?;
        noise.read_message(&reply, &mut buffer).map_err(|_| SessionError::WrongKey)?;
    } else {
        noise = builder.build_responder().map_err(internal)?;
        let first = wire.read_record()?;
        if noise.read_message(&first, &mut buffer).is_err() {
            let _ = wire.write_record(&[]);
            return Err(SessionError::WrongKey);
        }
        let len = noise.write_message(&[], &mut buffer).map_err(internal)?;
        wire.write_record(&buffer[..len])?;
    }
    Ok(Sealed { noise: noise.into_transport_mode().map_err(internal)? })
}

impl Sealed {
    /// Sends `payload` (at most [`PAYLOAD_MAX`] bytes) in as many records as it needs.
    pub(super) fn send<S: TimedStream>(&mut self, wire: &mut Wire<'_, S>, payload: &[u8]) -> Result<(), SessionError> {
        if payload.len() > PAYLOAD_MAX {
            return Err(SessionError::TooLong { len: payload.len(), limit: PAYLOAD_MAX });
        }
        let mut plain = (payload.len() as u64).to_le_bytes().to_vec();
        plain.extend_from_slice(payload);
        let mut record = vec![0; RECORD_MAX];
        for piece in plain.chunks(RECORD_MAX - TAG) {
            let sealing = |_| SessionError::Protocol { what: "a record could not be sealed" };
            let len = self.noise.write_message(piece, &mut record).map_err(sealing)?;
            wire.write_record(&record[..len])?;
        }
        Ok(())
    }

    /// Receives what the other end sent with [`send`](Self::send).
    pub(super) fn receive<S: TimedStream>(&mut self, wire: &mut Wire<'_, S>) -> Result<Vec<u8>, SessionError> {
        let mut plain = Vec::new();
        let mut piece = vec![0; RECORD_MAX];
        loop {
            let record = wire.read_record()?;
            let opening = |_| SessionError::Protocol { what: "a record was changed on the way" };
            let len = self.noise.read_message(&record, &mut piece).map_err(opening)?;
            plain.extend_from_slice(&piece[..len]);
            let Some((head, body)) = plain.split_first_chunk::<8>() else {
                return Err(SessionError::Protocol { what: "the first record is too short" });
            };
            let announced = u64::from_le_bytes(*head);
            if announced > PAYLOAD_MAX as u64 || body.len() as u64 > announced || len == 0 {
                return Err(SessionError::Protocol { what: "a payload does not have the length it announced" });
            }
            if body.len() as u64 == announced {
                return Ok(body.to_vec());
            }
        }
    }
}
