//! The program's threads. Each is hosted on a thread of the runtime: it traps on a block of its own and has the runtime's
//! thread-local storage under it, while its registers, its stack and its own thread-local storage are the program's.
//!
//! The kernel knows the hosting thread only, so gettid(2), tgkill(2), /proc/self/task, affinity and scheduling are the
//! hosting thread's and right by themselves. What the kernel would write to the program's memory on its own
//! (clear_child_tid, the robust list) is kept here and carried out by the runtime.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};

mod clone;
pub(crate) mod context;
pub(crate) mod crew;
mod exit;
mod host;
mod pending;

pub(crate) use pending::Pending;

use crate::executor::{Arrival, House};
use crate::signals::{Actions, ThreadSignals, signal_bit};
pub use clone::Birth;
pub(crate) use context::BrokenWait;
use crew::Order;
use host::Passage;
pub(crate) use host::{Start, raise_first_trap, spawn};

/// What the runtime keeps of one thread of the program. Used by the thread itself only, in its traps.
pub struct Hosted {
    /// The process's state, shared by all threads.
    pub house: &'static House,
    /// Signals that came while the runtime was at work. A handler may add to it at any moment.
    pub pending: Pending,
    /// Signals that came while the program had them blocked: those that the runtime lives by, which the kernel never blocks.
    held: Vec<libc::siginfo_t>,
    /// The mask and the alternate stack, as the program knows them.
    pub signals: ThreadSignals,
    /// Where the program wants a 0 when the thread ends (set_tid_address(2)); 0: nowhere.
    pub clear_child_tid: u64,
    /// Head of the list of robust futexes (set_robust_list(2)); 0: none.
    pub robust_list: u64,
    /// The hosting thread's number, which pins are held by.
    pub id: u32,
    /// The number at home of the program's thread that is hosted. At home it is `id`.
    pub number: u32,
    /// Since the program's thread came here: whether it may make the process leave.
    pub(crate) arrival: Arrival,
    /// The futex wait of this thread that was broken off by a jump.
    pub(crate) broken_wait: BrokenWait,
    /// What this thread is told while it stands, and where that is said.
    orders: (Sender<Order>, Receiver<Order>),
    /// This is a worker's thread, which waits for the program to come by a jump.
    pub parks: bool,
    /// Set if this is a process of its own.
    pub guest: Option<Box<Guest>>,
    /// The mask for a call that sleeps with one of its own, where the kernel reads it.
    sleep_mask: Box<u64>,
    /// The end of a futex wait, where the kernel reads it: seconds and nanoseconds.
    sleep_until: Box<[i64; 2]>,
    /// The way into the program and back, of threads that the program has made; none for its first thread.
    passage: Option<Passage>,
}

/// What a process of its own does not share with the parent whose memory it has borrowed.
pub struct Guest {
    /// Dispositions.
    pub actions: Actions,
    /// See [`Hosted::handled`].
    pub handled: AtomicU64,
}

impl Hosted {
    /// The program's first thread on this node, on the calling thread.
    pub fn first(house: &'static House, signals: ThreadSignals) -> Self {
        Self::new(house, signals, None)
    }

    /// A thread that enters the program in its first trap.
    pub(crate) fn starting(house: &'static House, start: Start) -> Self {
        let mut hosted = Self::new(house, ThreadSignals::new(start.mask), None);
        hosted.clear_child_tid = start.clear_child_tid;
        if let Some((number, broken_wait)) = start.hosts {
            (hosted.number, hosted.broken_wait, hosted.parks) = (number, broken_wait, true);
        }
        hosted.passage = Some(Passage::Waiting(start));
        hosted
    }

    fn new(house: &'static House, signals: ThreadSignals, passage: Option<Passage>) -> Self {
        let id = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
        Self {
            house,
            pending: Pending::new(),
            held: Vec::new(),
            signals,
            clear_child_tid: 0,
            robust_list: 0,
            id,
            number: id,
            arrival: Arrival::default(),
            broken_wait: BrokenWait::default(),
            orders: crew::orders(),
            parks: false,
            guest: None,
            sleep_mask: Box::new(0),
            sleep_until: Box::new([0; 2]),
            passage,
        }
    }

    /// Whether this thread is a process of its own that has borrowed the memory of its parent (vfork).
    pub(crate) fn is_guest(&self) -> bool {
        self.guest.is_some()
    }

    /// Signals for which the thread's process has a handler, as a kernel set.
    pub(crate) fn handled(&self) -> u64 {
        self.handled_word().load(Ordering::Relaxed)
    }

    /// See [`Hosted::handled`]. Changed under the lock of the house.
    pub(crate) fn set_handled(&self, set: u64) {
        self.handled_word().store(set, Ordering::Relaxed);
    }

    fn handled_word(&self) -> &AtomicU64 {
        self.guest.as_ref().map_or(&self.house.handled, |guest| &guest.handled)
    }

    /// Signals that wait while the runtime is at work for this thread. A guest that died then would leave its parent's house
    /// locked, so all of them wait.
    pub(crate) fn held_back(&self) -> u64 {
        if self.is_guest() { !0 } else { self.handled() }
    }

    /// Keeps a signal that the program has blocked. False if it has not.
    pub(crate) fn holds(&mut self, info: &libc::siginfo_t) -> bool {
        let bit = signal_bit(info.si_signo);
        let blocked = self.signals.mask & bit != 0;
        if blocked && self.held() & bit == 0 {
            self.held.push(*info);
        }
        blocked
    }

    /// The signals that are kept, as a kernel set.
    pub(crate) fn held(&self) -> u64 {
        self.held.iter().fold(0, |set, info| set | signal_bit(info.si_signo))
    }

    /// What is kept and not blocked any more is to be delivered.
    pub(crate) fn let_go(&mut self) {
        let (mask, pending) = (self.signals.mask, &self.pending);
        self.held.retain(|info| {
            let blocked = mask & signal_bit(info.si_signo) != 0;
            if !blocked {
                pending.push(*info);
            }
            blocked
        });
    }

    /// Takes the number of the calling thread.
    pub(crate) fn renumber(&mut self) {
        self.id = rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned();
        self.number = self.id;
    }

    /// Where the thread is given orders.
    pub(crate) fn orders(&self) -> Sender<Order> {
        self.orders.0.clone()
    }

    /// Waits for the next order. Nobody but the thread itself ever hangs up.
    pub(crate) fn next_order(&self) -> Option<Order> {
        self.orders.1.recv().ok()
    }

    /// Puts a kernel mask where a call of this thread can refer to it. Returns its address.
    pub(crate) fn mask_to_sleep_with(&mut self, mask: u64) -> u64 {
        *self.sleep_mask = mask;
        std::ptr::from_ref::<u64>(&self.sleep_mask) as u64
    }

    /// Puts the end of a wait (nanoseconds of this node's CLOCK_MONOTONIC) where a call of this thread can refer to it. Returns its
    /// address.
    pub(crate) fn time_to_sleep_until(&mut self, until: i64) -> u64 {
        const SECOND: i64 = 1_000_000_000;
        let until = until.max(0);
        *self.sleep_until = [until / SECOND, until % SECOND];
        self.sleep_until.as_ptr() as u64
    }
}
