//! Memory of the app as the gateway sees it.

use thiserror::Error;

/// A page of the app in bytes.
pub const PAGE: u64 = 4096;

/// An address that the app may not use in this way: what the kernel answers with `EFAULT`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("bad address {addr:#x} (EFAULT)")]
pub struct Fault {
    /// First byte address that could not be read or written.
    pub addr: u64,
}

/// Memory of the app. Whoever implements it pulls pages that are remote; a holder proves nothing about
/// an address until a call here succeeds.
pub trait GuestMemory {
    /// Copies `into.len()` bytes starting at `addr`. All or nothing: on a fault `into` is unspecified.
    fn read(&mut self, addr: u64, into: &mut [u8]) -> Result<(), Fault>;

    /// Copies `bytes` to `addr`. On a fault an unspecified prefix may have been written.
    fn write(&mut self, addr: u64, bytes: &[u8]) -> Result<(), Fault>;
}

/// Bytes from `addr` to the end of its page: how much can be read without touching another page.
pub(crate) fn to_page_end(addr: u64) -> usize {
    (PAGE - addr % PAGE) as usize
}

/// Reads the longest readable prefix of `into`, a page at a time. Returns its length in bytes; an error
/// only when not even the first byte can be read. This is how the kernel treats the buffer of write(2).
pub(crate) fn read_prefix(mem: &mut dyn GuestMemory, addr: u64, into: &mut [u8]) -> Result<usize, Fault> {
    let mut at = 0;
    while at < into.len() {
        let from = addr.checked_add(at as u64).ok_or(Fault { addr });
        let piece = from.and_then(|from| {
            let n = to_page_end(from).min(into.len() - at);
            mem.read(from, &mut into[at..at + n]).map(|()| n)
        });
        match piece {
            Ok(n) => at += n,
            Err(fault) if at == 0 => return Err(fault),
            Err(_) => break,
        }
    }
    Ok(at)
}

/// Writes the longest writable prefix of `bytes`, a page at a time: the mirror image of [`read_prefix`].
pub(crate) fn write_prefix(mem: &mut dyn GuestMemory, addr: u64, bytes: &[u8]) -> Result<usize, Fault> {
    let mut at = 0;
    while at < bytes.len() {
        let to = addr.checked_add(at as u64).ok_or(Fault { addr });
        let piece = to.and_then(|to| {
            let n = to_page_end(to).min(bytes.len() - at);
            mem.write(to, &bytes[at..at + n]).map(|()| n)
        });
        match piece {
            Ok(n) => at += n,
            Err(fault) if at == 0 => return Err(fault),
            Err(_) => break,
        }
    }
    Ok(at)
}
