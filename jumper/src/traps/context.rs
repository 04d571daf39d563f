//! The machine state of the program inside a trap: the kernel's signal frame, read, edited, packed for a jump.
//!
//! Everything the program's thread is lies in the frame: general registers, the XSAVE area, the signal mask. What the
//! frame lacks (fs and gs base) is added by the caller. Returning from the handler loads it all again.
//!
//! # Safety
//!
//! A [`Frame`] borrows the `ucontext_t` that the kernel pushed for the running handler. Its `fpregs` points to an XSAVE
//! area in the standard format, whose size the kernel states in the software-reserved bytes (`FP_XSTATE_MAGIC1`).

use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

/// Bytes of the legacy region; the last 48 of it are the kernel's software-reserved bytes.
const LEGACY_BYTES: usize = 512;
const SW_RESERVED: usize = 464;
/// The XSAVE header that follows the legacy region.
const HEADER_BYTES: usize = 64;
const MAGIC1: u32 = 0x4650_5853;
const GENERAL_REGISTERS: usize = 18;

/// Why an arriving context could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The message is shorter than what it announces.
    #[error("the register context that arrived is cut short; both nodes must run the same version")]
    Truncated,
    /// The other processor saves a component that this one has no room for.
    #[error("the register context uses XSAVE component {0}, which this processor lacks; run this peer for memory only")]
    Component(u32),
}

/// The program's state in the signal frame of the running trap.
pub struct Frame<'a> {
    context: &'a mut libc::ucontext_t,
}

impl<'a> Frame<'a> {
    /// Wraps the frame of the running handler.
    pub fn new(context: &'a mut libc::ucontext_t) -> Self {
        Self { context }
    }

    /// The raw frame together with its XSAVE area.
    pub fn raw_with_fp(&mut self) -> (&mut libc::ucontext_t, &mut [u8]) {
        let (area, size) = self.xsave();
        // SAFETY: the area has `size` bytes, lies beside the context, and is borrowed together with it.
        let bytes = unsafe { std::slice::from_raw_parts_mut(area, size) };
        (self.context, bytes)
    }

    /// A general register by its `REG_` index.
    pub fn get(&self, register: i32) -> u64 {
        self.context.uc_mcontext.gregs[register as usize].cast_unsigned()
    }

    /// Sets a general register by its `REG_` index.
    pub fn set(&mut self, register: i32, value: u64) {
        self.context.uc_mcontext.gregs[register as usize] = value.cast_signed();
    }

    /// Address of the instruction that trapped (of the next one, for a system call).
    pub fn rip(&self) -> u64 {
        self.get(libc::REG_RIP)
    }

    /// Instruction pointer and general registers in one number: another one means that something was executed.
    pub fn fingerprint(&self) -> u64 {
        let registers = (libc::REG_R8..=libc::REG_RIP).map(|register| self.get(register));
        registers.fold(0, |sum: u64, register| (sum ^ register).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
    }

    /// The program's stack pointer.
    pub fn rsp(&self) -> u64 {
        self.get(libc::REG_RSP)
    }

    /// Whether the page fault was a write (bit 1 of the processor's error code).
    pub fn fault_is_write(&self) -> bool {
        self.get(libc::REG_ERR) & 2 != 0
    }

    /// The six system-call arguments.
    pub fn arguments(&self) -> [u64; 6] {
        [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_R8, libc::REG_R9]
            .map(|register| self.get(register))
    }

    /// Puts the program back before its `syscall` instruction (two bytes), so that it is executed again elsewhere.
    pub fn rewind_syscall(&mut self, number: u64) {
        self.set(libc::REG_RIP, self.rip() - 2);
        self.set(libc::REG_RAX, number);
    }

    /// The signal mask that returning from this trap will load.
    pub fn signal_mask(&self) -> u64 {
        // SAFETY: a kernel signal set is the first 8 bytes of libc's sigset_t.
        unsafe { (&raw const self.context.uc_sigmask).cast::<u64>().read() }
    }

    /// Changes the signal mask that returning from this trap will load.
    pub fn set_signal_mask(&mut self, mask: u64) {
        // SAFETY: as for `signal_mask`.
        unsafe { (&raw mut self.context.uc_sigmask).cast::<u64>().write(mask) }
    }

    fn xsave(&self) -> (*mut u8, usize) {
        let area = self.context.uc_mcontext.fpregs.cast::<u8>();
        // SAFETY: the kernel always provides at least the legacy region, whose reserved bytes state the whole size.
        let (magic, size) = unsafe {
            let words = area.add(SW_RESERVED).cast::<u32>();
            (words.read_unaligned(), words.add(1).read_unaligned())
        };
        if magic == MAGIC1 { (area, size as usize) } else { (area, LEGACY_BYTES) }
    }

    /// Appends registers and the in-use XSAVE components to `into`: about 0.7 to 3.5 KiB.
    pub fn pack(&self, into: &mut Vec<u8>) {
        for register in 0..GENERAL_REGISTERS {
            into.extend_from_slice(&self.context.uc_mcontext.gregs[register].to_le_bytes());
        }
        let (area, size) = self.xsave();
        // SAFETY: `area` has `size` readable bytes; components in use lie inside it by the processor's own numbers.
        unsafe {
            into.extend_from_slice(std::slice::from_raw_parts(area, LEGACY_BYTES));
            let in_use = if size >= LEGACY_BYTES + HEADER_BYTES {
                area.add(LEGACY_BYTES).cast::<u64>().read_unaligned()
            } else {
                3
            };
            into.extend_from_slice(&in_use.to_le_bytes());
            for component in components(in_use) {
                let (offset, bytes) = place(component);
                into.extend_from_slice(std::slice::from_raw_parts(area.add(offset), bytes));
            }
        }
    }

    /// Loads what [`Frame::pack`] wrote on another node into this frame. Returns how many bytes it used.
    ///
    /// # Errors
    /// The bytes are cut short or use a component that this processor lacks; the frame is then partly changed and
    /// must not be returned from.
    pub fn unpack(&mut self, bytes: &[u8]) -> Result<usize, ContextError> {
        let mut input = Input { bytes, at: 0 };
        for register in 0..GENERAL_REGISTERS {
            self.context.uc_mcontext.gregs[register] = input.word()?.cast_signed();
        }
        let (area, size) = self.xsave();
        let legacy = input.take(SW_RESERVED)?;
        // SAFETY: the legacy region is always there.
        unsafe { area.copy_from_nonoverlapping(legacy.as_ptr(), SW_RESERVED) };
        input.take(LEGACY_BYTES - SW_RESERVED)?;
        let in_use = input.word()?;
        if size >= LEGACY_BYTES + HEADER_BYTES {
            // SAFETY: the header follows the legacy region when the area is larger than that.
            unsafe { area.add(LEGACY_BYTES).cast::<u64>().write_unaligned(in_use) };
        }
        for component in components(in_use) {
            let (offset, bytes) = place(component);
            if bytes == 0 || offset + bytes > size {
                return Err(ContextError::Component(component));
            }
            let source = input.take(bytes)?;
            // SAFETY: just checked to lie inside the area.
            unsafe {
                area.add(offset).copy_from_nonoverlapping(source.as_ptr(), bytes);
            }
        }
        Ok(input.at)
    }
}

/// Components beyond x87 and SSE that a bit set names.
fn components(in_use: u64) -> impl Iterator<Item = u32> {
    (2..63).filter(move |bit| in_use >> bit & 1 == 1)
}

/// Offset and size in bytes of a component in the standard format (CPUID leaf 0xD). Asked once: in a virtual machine
/// the instruction traps to the host.
fn place(component: u32) -> (usize, usize) {
    static PLACES: OnceLock<[(usize, usize); 64]> = OnceLock::new();
    PLACES.get_or_init(|| {
        std::array::from_fn(|component| {
            let leaf = __cpuid_count(0xd, u32::try_from(component).expect("below 64"));
            (leaf.ebx as usize, leaf.eax as usize)
        })
    })[component as usize]
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ContextError> {
        let part = self.bytes.get(self.at..self.at + count).ok_or(ContextError::Truncated)?;
        self.at += count;
        Ok(part)
    }

    fn word(&mut self) -> Result<u64, ContextError> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    }
}
