//! The alternate signal stack of an app thread: sigaltstack(2), kept by the runtime.

use rustix::io::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Not in the libc crate for this target.
const SS_AUTODISARM: u32 = 1 << 31;
const SS_ONSTACK: u32 = libc::SS_ONSTACK as u32;
const SS_DISABLE: u32 = libc::SS_DISABLE as u32;
/// The smallest stack that the kernel takes, in bytes (its own `MINSIGSTKSZ`, whatever AT_MINSIGSTKSZ says).
const SIZE_MIN: u64 = 2048;

/// `stack_t` as sigaltstack(2) takes it, and as it is kept for a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct AltStack {
    /// Lowest address.
    pub sp: u64,
    /// `SS_*` bits as the app set them.
    pub flags: u32,
    /// Not used: the structure has a hole here.
    pub hole: u32,
    /// Bytes.
    pub size: u64,
}

impl AltStack {
    /// No alternate stack.
    pub const DISABLED: AltStack = AltStack { sp: 0, flags: SS_DISABLE, hole: 0, size: 0 };

    /// sigaltstack(2): what is told to a thread whose stack pointer is `sp`.
    #[must_use]
    pub fn report(&self, sp: u64) -> AltStack {
        AltStack { flags: self.state_at(sp) | (self.flags & SS_AUTODISARM), hole: 0, ..*self }
    }

    /// sigaltstack(2): replaces the alternate stack of a thread whose stack pointer is `sp`.
    ///
    /// # Errors
    /// `EPERM`: the thread runs on it. `EINVAL`: unknown flags. `ENOMEM`: too small.
    pub fn set(&mut self, new: AltStack, sp: u64) -> Result<(), Errno> {
        if self.in_use_at(sp) {
            return Err(Errno::PERM);
        }
        *self = match new.flags & !SS_AUTODISARM {
            SS_DISABLE => AltStack { sp: 0, hole: 0, size: 0, ..new },
            0 | SS_ONSTACK if new.size < SIZE_MIN => return Err(Errno::NOMEM),
            0 | SS_ONSTACK => AltStack { hole: 0, ..new },
            _ => return Err(Errno::INVAL),
        };
        Ok(())
    }

    /// `SS_DISABLE` if there is none, `SS_ONSTACK` if `sp` is on it, else 0: it is free to be entered.
    pub(super) fn state_at(&self, sp: u64) -> u32 {
        match self {
            AltStack { size: 0, .. } => SS_DISABLE,
            _ if self.in_use_at(sp) => SS_ONSTACK,
            _ => 0,
        }
    }

    /// One with `SS_AUTODISARM` never counts as in use, since it is disarmed by then.
    pub(super) fn in_use_at(&self, sp: u64) -> bool {
        self.flags & SS_AUTODISARM == 0 && self.holds(sp)
    }

    pub(super) fn holds(&self, sp: u64) -> bool {
        sp > self.sp && sp - self.sp <= self.size
    }

    pub(super) fn top(&self) -> u64 {
        self.sp.wrapping_add(self.size)
    }

    /// What the delivery of a signal, on whatever stack, does to one with `SS_AUTODISARM`.
    pub(super) fn disarm_if_asked(&mut self) {
        if self.flags & SS_AUTODISARM != 0 {
            *self = AltStack::DISABLED;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: AltStack = AltStack { sp: 0x10000, flags: 0, hole: 0, size: 0x2000 };

    #[test]
    fn the_stack_is_told_as_in_use_only_from_within() {
        let mut kept = AltStack::DISABLED;
        assert_eq!(kept.report(0x11000), AltStack::DISABLED);
        kept.set(STACK, 0x11000).unwrap();
        assert_eq!(kept.report(0x9000).flags, 0);
        assert_eq!(kept.report(0x10000).flags, 0, "the lowest address is outside: the stack grows down from it");
        assert_eq!(kept.report(0x12000).flags, SS_ONSTACK);
        assert_eq!(kept.set(AltStack::DISABLED, 0x11000), Err(Errno::PERM));
        assert_eq!(kept.set(AltStack { flags: SS_DISABLE, ..STACK }, 0x9000), Ok(()));
        assert_eq!(kept, AltStack::DISABLED);
    }

    #[test]
    fn what_linux_refuses_is_refused_and_leaves_the_old_one() {
        let mut kept = STACK;
        assert_eq!(kept.set(AltStack { size: SIZE_MIN - 1, ..STACK }, 0), Err(Errno::NOMEM));
        assert_eq!(kept.set(AltStack { flags: 3, ..STACK }, 0), Err(Errno::INVAL));
        assert_eq!(kept, STACK);
        assert_eq!(kept.set(AltStack { flags: SS_ONSTACK, size: SIZE_MIN, ..STACK }, 0), Ok(()));
    }

    #[test]
    fn an_auto_disarmed_stack_may_be_replaced_from_within() {
        let mut kept = AltStack { flags: SS_AUTODISARM, ..STACK };
        assert_eq!(kept.report(0x11000).flags, SS_AUTODISARM);
        assert_eq!(kept.set(STACK, 0x11000), Ok(()));
    }
}
