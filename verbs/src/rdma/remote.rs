//! The peer's region as this end knows it: where it is, and the key of each extent, once that was asked for.

use std::time::{Duration, Instant};

use super::active::Active;
use super::error::RdmaError;
use super::loss::Loss;
use crate::error::VerbsError;
use crate::region::EXTENT;

/// How long the peer may take to register an extent: the kernel clears some 3 GiB a second, but its host may be busy.
const KEY_LIMIT: Duration = Duration::from_secs(30);

/// The memory of the peer that this end may read and write.
pub(super) struct Remote {
    base: u64,
    keys: Box<[Option<u32>]>,
}

impl Remote {
    pub(super) fn new(base: u64, len: u64) -> Remote {
        Remote { base, keys: vec![None; len.div_ceil(EXTENT as u64) as usize].into() }
    }

    /// Address and key of the byte at `offset`, as work requests name it; a request for no bytes needs no key.
    pub(super) fn place(&self, offset: u64) -> (u64, u32) {
        let key = self.keys.get(extent_of(offset)).copied().flatten();
        (self.base.wrapping_add(offset), key.unwrap_or(0))
    }

    #[cfg(test)]
    pub(super) fn spoil_keys(&mut self) {
        self.keys.iter_mut().flatten().for_each(|key| *key ^= 0x55);
    }
}

fn extent_of(offset: u64) -> usize {
    (offset / EXTENT as u64) as usize
}

/// Bytes from `offset` on that lie in one extent, of `len`.
pub(super) fn in_one_extent(offset: u64, len: usize) -> usize {
    len.min(EXTENT - (offset % EXTENT as u64) as usize)
}

/// `offset..offset+len`, which is at most as long as an extent, cut where the next one begins; the second part may be empty.
pub(super) fn cut(offset: u64, len: usize) -> [(u64, usize); 2] {
    let first = in_one_extent(offset, len);
    [(offset, first), (offset + first as u64, len - first)]
}

impl Active {
    /// Makes sure that the keys of these bytes, which are in the region, are known. Asks the peer for each extent once.
    ///
    /// # Errors
    /// `Disconnected`; `Rdma` when the peer cannot register more memory.
    pub(super) fn learn_keys(&mut self, offset: u64, len: usize) -> Result<(), VerbsError> {
        let last = extent_of(offset + (len as u64).saturating_sub(1));
        for extent in extent_of(offset)..=last {
            if self.remote.keys.get(extent).is_some_and(Option::is_none) {
                self.learn_key(extent)?;
            }
        }
        Ok(())
    }

    #[cold]
    fn learn_key(&mut self, extent: usize) -> Result<(), VerbsError> {
        match self.control.ask_for_key(extent, Instant::now() + KEY_LIMIT) {
            Some(Some(key)) => self.remote.keys[extent] = Some(key),
            Some(None) => return Err(RdmaError::PeerMemory { peer: self.peer.clone(), len: EXTENT }.into()),
            None => return Err(self.lose(Loss::Gone)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_cut_where_an_extent_begins() {
        let border = EXTENT as u64;
        assert_eq!(cut(0, EXTENT), [(0, EXTENT), (border, 0)]);
        assert_eq!(cut(border - 4096, 8192), [(border - 4096, 4096), (border, 4096)]);
        assert_eq!(cut(border, 4096), [(border, 4096), (border + 4096, 0)]);
        assert_eq!(in_one_extent(3 * border - 1, 100), 1);
    }
}
