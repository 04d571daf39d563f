//! The end of a thread: what Linux does to the program's memory then (mm_release and exit_robust_list in the kernel, set_robust_list(2)).
//!
//! # Safety
//!
//! A futex word is changed in place, atomically, since other threads may change it too. The word was just read through the
//! kernel, its page is resident and writable, and the house is locked, so that the page stays.

use std::sync::atomic::{AtomicU32, Ordering};

use eos_pager::page::{APP_END, PageNumber, PageRange};

use super::Hosted;
use crate::RunError;
use crate::executor::{Done, Executor, Next, Trap};
use crate::gateway::{GuestMemory, syscall6};

/// Longest list that is followed (`ROBUST_LIST_LIMIT` in linux/futex.h): it may lead in a circle.
const LINKS_MAX: usize = 2048;
/// Bit 0 of a link: the futex is a PI one.
const PI: u64 = 1;

impl Executor {
    /// exit(2) of one thread among several.
    pub(crate) fn end_thread(&mut self, status: i32, trap: &mut Trap<'_>) -> Result<Done, RunError> {
        self.release_thread(trap.thread)?;
        self.crew.remove(trap.thread.id);
        self.threads -= 1;
        // With one thread left nobody can write while it stands in a trap.
        self.pager.several_threads = self.threads > 1;
        if trap.thread.leave_program(&mut trap.frame)? {
            return Ok(Done::Registers);
        }
        self.first_thread_status = Some(status);
        Ok(Done::Next(Next::Retire))
    }

    /// Gives up the futexes that the thread has died with, and tells whoever waits for its end.
    pub(crate) fn release_thread(&mut self, thread: &mut Hosted) -> Result<(), RunError> {
        let head = thread.robust_list;
        thread.set_robust_list(0);
        if head != 0 {
            self.give_up_robust(head, thread.id)?;
        }
        let tid_at = std::mem::take(&mut thread.clear_child_tid);
        if tid_at != 0 && self.store(tid_at, &0_u32.to_le_bytes())? == 0 {
            wake_one(tid_at);
        }
        Ok(())
    }

    fn give_up_robust(&mut self, head: u64, tid: u32) -> Result<(), RunError> {
        // struct robust_list_head { next, futex_offset, list_op_pending }
        let Some([first, offset, pending]) = self.words::<3>(head)? else {
            return Ok(());
        };
        let mut link = first;
        for _ in 0..LINKS_MAX {
            if link & !PI == head {
                break;
            }
            // The link is read first: once the futex is given up, its memory may be anybody's.
            let next = self.words::<1>(link & !PI)?;
            if link != pending {
                self.give_up(link, offset, tid, false)?;
            }
            let Some([next]) = next else { break };
            link = next;
        }
        if pending != 0 { self.give_up(pending, offset, tid, true) } else { Ok(()) }
    }

    /// handle_futex_death: the word says that its owner has died, and one who waits is woken.
    fn give_up(&mut self, link: u64, offset: u64, tid: u32, pending: bool) -> Result<(), RunError> {
        let at = (link & !PI).wrapping_add(offset);
        let Some(word) = self.futex_word(at)? else { return Ok(()) };
        let mut value = word.load(Ordering::Acquire);
        loop {
            if value & libc::FUTEX_TID_MASK != tid {
                let lost_its_wake = pending && link & PI == 0 && value == 0;
                if lost_its_wake {
                    wake_one(at);
                }
                return Ok(());
            }
            let died = value & libc::FUTEX_WAITERS | libc::FUTEX_OWNER_DIED;
            match word.compare_exchange(value, died, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(other) => value = other,
            }
        }
        if link & PI == 0 && value & libc::FUTEX_WAITERS != 0 {
            wake_one(at);
        }
        Ok(())
    }

    fn words<const N: usize>(&mut self, at: u64) -> Result<Option<[u64; N]>, RunError> {
        let mut bytes = [[0_u8; 8]; N];
        let read = self.with_guest(|guest| guest.read(at, bytes.as_flattened_mut()))?;
        Ok(read.is_ok().then(|| bytes.map(u64::from_le_bytes)))
    }

    /// A futex of the program, resident and writable; None if there is none at the address.
    fn futex_word(&mut self, at: u64) -> Result<Option<&AtomicU32>, RunError> {
        let mut bytes = [0; 4];
        if at >= APP_END || !at.is_multiple_of(4) || self.with_guest(|guest| guest.read(at, &mut bytes))?.is_err() {
            return Ok(None);
        }
        if !self.pager.layout.find(at).is_some_and(|(_, area)| area.prot.writable()) {
            return Ok(None);
        }
        self.pager.ensure(PageRange::single(PageNumber::from_addr(at)), true)?;
        // SAFETY: see the top of this file; aligned as checked.
        Ok(Some(unsafe { AtomicU32::from_ptr(at as *mut u32) }))
    }
}

impl Hosted {
    /// Notes the list, and tells the kernel too: when the process is killed nobody else can walk it. The kernel then finds as much of
    /// it as is resident.
    pub(crate) fn set_robust_list(&mut self, head: u64) {
        const HEAD_BYTES: u64 = 24;
        self.robust_list = head;
        // SAFETY: an address of the program's half, or none; the kernel looks at it when the thread is gone.
        unsafe { syscall6(libc::SYS_set_robust_list.cast_unsigned(), [head, HEAD_BYTES, 0, 0, 0, 0]) };
    }
}

/// FUTEX_WAKE of one, as the kernel does it for the end of a thread: with the key of a shared futex.
fn wake_one(at: u64) {
    // SAFETY: waking only looks the page up.
    unsafe { syscall6(libc::SYS_futex.cast_unsigned(), [at, libc::FUTEX_WAKE as u64, 1, 0, 0, 0]) };
}
