//! Who may join: an authenticated handshake on a fresh stream, before any link is made from it.
//!
//! Both ends hold the same [`ClusterKey`]. The handshake is `Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s`
//! (<https://noiseprotocol.org/noise.html>), preceded by eight plain bytes each way that tell the version. The
//! [`Hello`] travels after the key exchange, so that a recorded one cannot be played again.
//!
//! **After the handshake the stream is raw**: the ends know each other, but what follows is neither encrypted nor protected
//! against change on the way. Run it on a network you trust, or inside a tunnel.

mod error;
mod hello;
mod key;
mod noise;
pub mod pass;

pub use error::SessionError;
pub use hello::{Hello, PendingReply, Purpose, VERSION, Welcome, initiate, respond};
pub use key::ClusterKey;
pub use noise::{HANDSHAKE_LIMIT, PAYLOAD_MAX, TimedStream};
