//! A walk over the arguments of one call, adding ranges on its way.

use super::call::{Dir, IOV_MAX, MAX_RW_COUNT};
use super::guest::{Fault, GuestMemory, to_page_end};
use super::ranges::Ranges;

/// What a [`Rule`](super::Rule) works with.
pub struct Walk<'a> {
    pub(super) args: &'a [u64; 6],
    pub(super) mem: &'a mut dyn GuestMemory,
    pub(super) out: &'a mut Ranges,
}

/// Entry `index` of the iovec array at `array`: where the buffer is and how many bytes it has.
pub(crate) fn iovec(mem: &mut dyn GuestMemory, array: u64, index: u64) -> Result<(u64, u64), Fault> {
    let at = array.checked_add(16 * index).ok_or(Fault { addr: array })?;
    let mut entry = [[0; 8]; 2];
    mem.read(at, entry.as_flattened_mut())?;
    let [addr, len] = entry.map(u64::from_le_bytes);
    Ok((addr, len))
}

impl Walk<'_> {
    /// Argument `arg` in full.
    pub(super) fn arg(&self, arg: u8) -> u64 {
        self.args[usize::from(arg)]
    }

    /// Argument `arg` as the kernel sees an `int` or `unsigned`: the upper half may hold anything.
    pub(super) fn arg32(&self, arg: u8) -> u32 {
        self.arg(arg) as u32
    }

    /// Adds `len` bytes at the address that argument `arg` holds.
    pub(super) fn direct(&mut self, arg: u8, len: u64, dir: Dir) {
        self.out.push(self.arg(arg), len, dir, Some(arg));
    }

    /// Adds `len` bytes at an address found in memory.
    pub(super) fn nested(&mut self, addr: u64, len: u64, dir: Dir) {
        self.out.push(addr, len, dir, None);
    }

    /// Adds up to `len` bytes at argument `arg`, of which nobody knows what the kernel does to them. Small integers are no
    /// pointers: nothing is ever mapped in the first 64 KiB.
    pub(super) fn guess(&mut self, arg: u8, len: u64) {
        self.out.guess();
        if self.arg(arg) >= 0x1_0000 {
            self.direct(arg, len, Dir::InOut);
        }
    }

    /// Adds the NUL-terminated string at argument `arg`, NUL included, or its first `limit` bytes.
    pub(super) fn text(&mut self, arg: u8, limit: u32) -> Result<(), Fault> {
        let addr = self.arg(arg);
        let len = self.text_len(addr, limit.into())?;
        self.direct(arg, len, Dir::In);
        Ok(())
    }

    /// Bytes of the string at `addr`, NUL included, at most `limit`; 0 for no string. Never reads beyond the page of the NUL.
    pub(super) fn text_len(&mut self, addr: u64, limit: u64) -> Result<u64, Fault> {
        if addr == 0 {
            return Ok(0);
        }
        let mut piece = [0; 256];
        let mut len = 0;
        while len < limit {
            let at = addr.checked_add(len).ok_or(Fault { addr })?;
            let n = to_page_end(at).min(piece.len()).min((limit - len) as usize);
            self.mem.read(at, &mut piece[..n])?;
            if let Some(nul) = piece[..n].iter().position(|byte| *byte == 0) {
                return Ok(len + nul as u64 + 1);
            }
            len += n as u64;
        }
        Ok(limit)
    }

    /// The `u32` at `addr`.
    pub(super) fn read_u32(&mut self, addr: u64) -> Result<u32, Fault> {
        let mut bytes = [0; 4];
        self.mem.read(addr, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// `N` consecutive `u64` at `addr`.
    pub(super) fn read_u64s<const N: usize>(&mut self, addr: u64) -> Result<[u64; N], Fault> {
        let mut words = [0; N];
        for (i, word) in words.iter_mut().enumerate() {
            let mut bytes = [0; 8];
            let at = addr.checked_add(8 * i as u64).ok_or(Fault { addr })?;
            self.mem.read(at, &mut bytes)?;
            *word = u64::from_le_bytes(bytes);
        }
        Ok(words)
    }

    /// Adds the iovec array at argument `arg` and its buffers.
    pub(super) fn vector(&mut self, arg: u8, count: u8, dir: Dir) -> Result<(), Fault> {
        let (array, count) = (self.arg(arg), self.arg(count));
        if array == 0 || count > IOV_MAX {
            return Ok(()); // EINVAL or EFAULT before the kernel reads anything
        }
        self.direct(arg, 16 * count, Dir::In);
        self.buffers(array, count, dir)
    }

    /// Adds the buffers of an iovec array, cut like the kernel does where they exceed [`MAX_RW_COUNT`] in total.
    pub(super) fn buffers(&mut self, array: u64, count: u64, dir: Dir) -> Result<(), Fault> {
        let mut left = MAX_RW_COUNT;
        for i in 0..count.min(IOV_MAX) {
            let (addr, len) = iovec(self.mem, array, i)?;
            let len = len.min(left);
            self.nested(addr, len, dir);
            left -= len;
        }
        Ok(())
    }
}
