//! The floating-point and vector state of a signal frame: the 512 bytes of FXSAVE and, behind them, what XSAVE adds
//! (arch/x86/kernel/fpu/signal.c; Intel SDM volume 1, 13.4).
//!
//! # Safety
//! The one unsafe function makes a slice of the state that the kernel saved for the runtime's own handler; it trusts the
//! kernel's pointer and size, for as long as the caller says that handler runs.

use crate::gateway::guest::GuestMemory;

use super::frame::BadFrame;

const LEGACY_LEN: usize = 512;
const HEADER_END: usize = 576;
const FCW_AT: usize = 0;
const MXCSR_AT: usize = 24;
const MXCSR_MASK_AT: usize = 28;
/// The kernel's own bytes at the end of the legacy area.
const SW_AT: usize = 464;
const XSTATE_BV_AT: usize = 512;
/// `XCOMP_BV` and the first reserved word: XRSTOR wants zeros.
const XCOMP_AT: usize = 520;
const XCOMP_END: usize = 536;

const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;
/// Larger than any state so far (11 KiB with AMX): a size above it is nonsense.
const SIZE_MAX: usize = 1 << 16;

const FCW_INITIAL: u16 = 0x37f;
const MXCSR_INITIAL: u32 = 0x1f80;
/// What processors without a mask of their own support.
const MXCSR_MASK_DEFAULT: u32 = 0xffbf;
const FEATURES_LEGACY: u64 = 0b11;
/// Protection keys are not part of the state that a handler starts afresh with.
const FEATURE_PKRU: u64 = 1 << 9;

/// The state that will be loaded when the runtime's own handler returns.
#[derive(Debug)]
pub struct FpState<'a> {
    bytes: &'a mut [u8],
    extended: Option<Extended>,
}

/// The kernel's description of the extended state: `struct _fpx_sw_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extended {
    features: u64,
    /// Bytes of the XSAVE area; the second magic number follows it.
    xstate_len: usize,
}

impl<'a> FpState<'a> {
    /// The state in `bytes`, whose first 512 say how many belong to it. `None`: fewer than 512 bytes.
    #[must_use]
    pub fn new(bytes: &'a mut [u8]) -> Option<FpState<'a>> {
        let legacy = bytes.first_chunk::<LEGACY_LEN>()?;
        let extended = Extended::of(legacy)
            .filter(|e| bytes.get(e.xstate_len..e.xstate_len + 4).is_some_and(|b| *b == MAGIC2.to_le_bytes()));
        let len = extended.map_or(LEGACY_LEN, |e| e.xstate_len + 4);
        Some(FpState { bytes: &mut bytes[..len], extended })
    }

    /// The state that the kernel saved for the running handler of the runtime, whose context is `ctx`. `None` if it
    /// saved none.
    ///
    /// # Safety
    /// `ctx` is the context that the kernel gave to a handler that has not returned and will not while the result lives,
    /// and nobody else has a reference to its state.
    #[must_use]
    pub unsafe fn of(ctx: &libc::ucontext_t) -> Option<FpState<'a>> {
        let at = ctx.uc_mcontext.fpregs.cast::<u8>();
        if at.is_null() {
            return None;
        }
        // SAFETY: the kernel's pointer to at least the legacy area, by this function's contract.
        let legacy = unsafe { &*at.cast::<[u8; LEGACY_LEN]>() };
        let len = Extended::of(legacy).map_or(LEGACY_LEN, |e| e.xstate_len + 4);
        // SAFETY: the kernel wrote so many bytes there, by its own description; exclusive by this function's contract.
        FpState::new(unsafe { std::slice::from_raw_parts_mut(at, len) })
    }

    /// All bytes, the second magic number included.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// Whether there is more than the legacy 512 bytes.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.extended.is_some()
    }

    /// The state a handler starts with: as after a fresh start of the processor, protection keys as they are.
    pub(super) fn reset(&mut self) {
        put(self.bytes, MXCSR_AT, &MXCSR_INITIAL.to_le_bytes());
        put(self.bytes, FCW_AT, &FCW_INITIAL.to_le_bytes());
        if self.extended.is_some() {
            let keep = get_u64(self.bytes, XSTATE_BV_AT) & FEATURE_PKRU;
            put(self.bytes, XSTATE_BV_AT, &keep.to_le_bytes());
        } else {
            self.bytes[2..MXCSR_AT].fill(0);
            self.bytes[MXCSR_MASK_AT + 4..SW_AT].fill(0);
        }
    }

    /// Loads the state at `at` in app memory, as rt_sigreturn does: 0 stands for a fresh state; without valid magic
    /// numbers only the legacy 512 bytes count. Unchanged on error.
    pub(super) fn load(&mut self, at: u64, mem: &mut dyn GuestMemory) -> Result<(), BadFrame> {
        if at == 0 {
            self.reset();
            return Ok(());
        }
        let mut legacy = [0; LEGACY_LEN];
        mem.read(at, &mut legacy)?;
        self.check_mxcsr(&legacy)?;
        let theirs = Extended::of(&legacy);
        if let (Some(ours), Some(theirs)) = (self.extended, theirs.filter(|t| self.accepts(t))) {
            let mut magic = [0; 4];
            mem.read(at.wrapping_add(theirs.xstate_len as u64), &mut magic)?;
            if magic == MAGIC2.to_le_bytes() {
                return self.load_extended(at, &legacy, ours, theirs, mem);
            }
        }
        self.load_legacy(&legacy);
        if self.extended.is_some() {
            let keep = get_u64(self.bytes, XSTATE_BV_AT) & FEATURE_PKRU;
            put(self.bytes, XSTATE_BV_AT, &(FEATURES_LEGACY | keep).to_le_bytes());
        }
        Ok(())
    }

    fn accepts(&self, theirs: &Extended) -> bool {
        self.extended.is_some_and(|ours| theirs.xstate_len <= ours.xstate_len)
    }

    /// Reserved bits would make the processor refuse the whole state.
    fn check_mxcsr(&self, legacy: &[u8]) -> Result<(), BadFrame> {
        let mask = match get_u32(self.bytes, MXCSR_MASK_AT) {
            0 => MXCSR_MASK_DEFAULT,
            mask => mask,
        };
        if get_u32(legacy, MXCSR_AT) & !mask == 0 { Ok(()) } else { Err(BadFrame) }
    }

    fn load_extended(
        &mut self,
        at: u64,
        legacy: &[u8],
        ours: Extended,
        theirs: Extended,
        mem: &mut dyn GuestMemory,
    ) -> Result<(), BadFrame> {
        // The processor reads by its own layout, not by the length in the frame.
        let mut rest = vec![0; ours.xstate_len - LEGACY_LEN];
        mem.read(at.wrapping_add(LEGACY_LEN as u64), &mut rest)?;
        let present = get_u64(&rest, XSTATE_BV_AT - LEGACY_LEN);
        let must_be_zero = &rest[XCOMP_AT - LEGACY_LEN..XCOMP_END - LEGACY_LEN];
        if present & !ours.features != 0 || must_be_zero.iter().any(|&b| b != 0) {
            return Err(BadFrame);
        }
        self.load_legacy(legacy);
        put(self.bytes, LEGACY_LEN, &rest);
        // What the frame does not cover starts afresh.
        put(self.bytes, XSTATE_BV_AT, &(present & theirs.features).to_le_bytes());
        Ok(())
    }

    /// All but the kernel's own bytes, which describe our frame.
    fn load_legacy(&mut self, legacy: &[u8]) {
        let mask = get_u32(self.bytes, MXCSR_MASK_AT);
        put(self.bytes, 0, &legacy[..SW_AT]);
        put(self.bytes, MXCSR_MASK_AT, &mask.to_le_bytes());
    }
}

impl Extended {
    /// Checks all but the second magic number.
    fn of(legacy: &[u8; LEGACY_LEN]) -> Option<Extended> {
        let (magic, extended_len) = (get_u32(legacy, SW_AT), get_u32(legacy, SW_AT + 4) as usize);
        let xstate_len = get_u32(legacy, SW_AT + 16) as usize;
        let sound = magic == MAGIC1 && (HEADER_END..=SIZE_MAX).contains(&xstate_len) && xstate_len <= extended_len;
        sound.then(|| Extended { features: get_u64(legacy, SW_AT + 8), xstate_len })
    }
}

fn get_u32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
}

fn get_u64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}
