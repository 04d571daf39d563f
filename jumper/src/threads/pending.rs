//! Signals that came while the runtime was at work.
//!
//! # Safety
//!
//! Only the owning thread and the handlers that interrupt it use a [`Pending`], so nothing here races in the sense of two
//! processors; a handler may interrupt `pop` between any two instructions, and is over before `pop` goes on.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};

/// More than there are signal numbers: what has been set aside is blocked until it is delivered.
const SLOTS: usize = 64;

/// Signals set aside by handlers for their thread; delivered on its way back to the program.
#[repr(C, align(8))]
pub struct Pending {
    // These two first, since an interruptible call looks at both by one address.
    count: AtomicU32,
    halted: AtomicU32,
    slots: UnsafeCell<[MaybeUninit<libc::siginfo_t>; SLOTS]>,
}

impl Pending {
    /// None.
    pub const fn new() -> Self {
        Self {
            count: AtomicU32::new(0),
            halted: AtomicU32::new(0),
            slots: UnsafeCell::new([MaybeUninit::uninit(); SLOTS]),
        }
    }

    /// Whether there is nothing to deliver.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Address of a word that is not 0 when something is to be delivered or the thread is to come back to the house.
    pub fn flag(&self) -> *const u64 {
        self.count.as_ptr().cast()
    }

    /// The thread is to come back to the house instead of falling asleep. Called by a handler on the owning thread.
    pub fn halt(&self) {
        self.halted.store(1, Ordering::Release);
    }

    /// It is in the house.
    pub fn clear_halt(&self) {
        self.halted.store(0, Ordering::Relaxed);
    }

    /// Adds a signal. Called by a handler on the owning thread. Does nothing when there is no room.
    pub fn push(&self, info: libc::siginfo_t) {
        let count = self.count.load(Ordering::Relaxed);
        if (count as usize) < SLOTS {
            // SAFETY: the slot is free, and this handler runs to its end before anybody else looks.
            unsafe { (*self.slots.get())[count as usize].write(info) };
            self.count.store(count + 1, Ordering::Release);
        }
    }

    /// Takes the latest.
    pub fn pop(&self) -> Option<libc::siginfo_t> {
        loop {
            let count = self.count.load(Ordering::Acquire);
            let last = count.checked_sub(1)?;
            // SAFETY: slots below the count are filled. A handler that came meanwhile has added one, and then the exchange fails.
            let info = unsafe { (*self.slots.get())[last as usize].assume_init() };
            if self.count.compare_exchange(count, last, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Some(info);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pending;

    fn signal(number: i32) -> libc::siginfo_t {
        // SAFETY: a siginfo_t is plain integers.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        info.si_signo = number;
        info
    }

    #[test]
    fn what_was_set_aside_comes_back_once_and_too_much_is_dropped() {
        let pending = Pending::new();
        assert!(pending.is_empty());
        (1..=70).for_each(|number| pending.push(signal(number)));
        let mut back: Vec<_> = std::iter::from_fn(|| pending.pop()).map(|info| info.si_signo).collect();
        back.reverse();
        assert_eq!(back, (1..=64).collect::<Vec<_>>());
        assert!(pending.is_empty());
    }
}
