//! What the clock page needs of its node: the kernel's own functions, what to add to its clocks, and room to call from.
//!
//! It lies in the runtime's half, is never paged and never travels. Its layout is known to the assembly in `image.rs`.
//!
//! Clocks are changed only while no thread of the program runs on this node: before it starts, and in the trap in which it arrives or
//! hears from home. A thread that was inside the page when it trapped has been put back to its beginning by
//! [`rewind`](super::rewind), so it reads all of them anew. A slot is claimed and given up by the page's code, with one instruction
//! each, and is its owner's otherwise. What is atomic here is so for the compiler's sake alone.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64};

use super::kernel::KernelVdso;
use super::time::{Readings, SERVED, STEP_MAX, Split, kernel_time};

/// Clock numbers below this one are looked at.
pub(super) const CLOCKS: usize = 12;
/// The bit of `Area::serves` that stands for getcpu(2).
pub(super) const GETCPU_BIT: u32 = 32;
/// A slot with its stack. The kernel's functions need some 200 bytes of it.
pub(super) const SLOT_BYTES: usize = 2048;
/// As many as six bits of a hash can tell.
const SLOTS: usize = 64;

/// How this node's clock becomes home's. Pairs are seconds, of any sign, and nanoseconds below 10^9.
#[repr(C, align(64))]
pub(super) struct Clock {
    /// To add.
    pub offset: [AtomicI64; 2],
    /// What has been told before, on another node: never less than that,
    pub floor: [AtomicI64; 2],
    /// unless it is so many seconds ahead: the clock has been set.
    pub step_max: AtomicI64,
}

/// Where a thread keeps its registers while the kernel's function runs on the rest as its stack.
#[repr(C, align(2048))]
pub(super) struct Slot {
    /// The program's stack pointer, or 0 if the slot is free.
    pub owner: AtomicU64,
    /// Where the thread begins anew.
    pub again: AtomicU64,
    /// What the kernel's function says.
    pub answer: [AtomicU64; 2],
    pub rdi: AtomicU64,
    pub rsi: AtomicU64,
    pub r8: AtomicU64,
    pub r9: AtomicU64,
    pub rbx: AtomicU64,
    pub rbp: AtomicU64,
    pub r12: AtomicU64,
    pub r13: AtomicU64,
    pub r14: AtomicU64,
    pub r15: AtomicU64,
}

/// All of it.
#[repr(C, align(4096))]
pub(super) struct Area {
    /// A bit for each clock that is read here, and [`GETCPU_BIT`].
    pub serves: AtomicU64,
    /// The kernel's `__vdso_clock_gettime`.
    pub gettime: AtomicU64,
    /// The kernel's `__vdso_getcpu`.
    pub getcpu: AtomicU64,
    pub clocks: [Clock; CLOCKS],
    pub slots: [Slot; SLOTS],
}

const _: () = assert!(size_of::<Slot>() == SLOT_BYTES && size_of::<Clock>().is_power_of_two());

/// This process's.
pub(super) static AREA: Area = Area::new();

impl Area {
    const fn new() -> Self {
        Self {
            serves: AtomicU64::new(0),
            gettime: AtomicU64::new(0),
            getcpu: AtomicU64::new(0),
            clocks: [const { Clock::new() }; CLOCKS],
            slots: [const { Slot::new() }; SLOTS],
        }
    }

    /// One that no program reads.
    #[cfg(test)]
    pub fn for_tests() -> Box<Self> {
        Box::new(Self::new())
    }

    /// Says which functions there are. At home the page works from now on; on a peer once it knows home's clocks, and never for
    /// getcpu(2), since a peer's processors mean nothing to the program.
    pub fn fill(&self, kernel: &KernelVdso, at_home: bool) {
        self.gettime.store(kernel.gettime.unwrap_or(0), Relaxed);
        self.getcpu.store(kernel.getcpu.unwrap_or(0), Relaxed);
        for (clock, served) in self.clocks().zip(&SERVED) {
            clock.step_max.store(if served.wall { STEP_MAX } else { i64::MAX }, Relaxed);
        }
        if at_home {
            self.serves.store(u64::from(kernel.getcpu.is_some()) << GETCPU_BIT, Relaxed);
            self.serve_clocks();
        }
    }

    /// From now on clocks are read here, if the kernel has a function for it.
    fn serve_clocks(&self) {
        if self.gettime.load(Relaxed) != 0 {
            self.serves.fetch_or(SERVED.iter().fold(0, |bits, served| bits | 1 << served.number), Relaxed);
        }
    }

    /// One clock, if it is read here.
    pub fn read(&self, number: libc::clockid_t) -> Option<Split> {
        let clock = self.clocks.get(usize::try_from(number).ok()?)?;
        let served = self.serves.load(Relaxed) >> number & 1 == 1;
        served.then(|| Split::of(clock.read(kernel_time(number))))
    }

    /// On a peer: how far home's clocks are ahead.
    pub fn set_offsets(&self, ahead: &Readings) {
        self.clocks().zip(&ahead.0).for_each(|(clock, &ahead)| clock.set_offset(ahead));
        self.serve_clocks();
    }

    /// From now on no clock tells less than this.
    pub fn raise_floors(&self, told: &Readings) {
        for (clock, &told) in self.clocks().zip(&told.0) {
            if load(&clock.floor) < told {
                store(&clock.floor, told);
            }
        }
    }

    /// What the page tells now, by all clocks.
    pub fn readings(&self) -> Readings {
        let kernel = Readings::of_kernel();
        let mut told = self.clocks().zip(&kernel.0).map(|(clock, &kernel)| clock.read(kernel));
        Readings(std::array::from_fn(|_| told.next().unwrap_or(0)))
    }

    /// On a peer: home's clocks have told so much already. A clock of ours that is behind is put right.
    pub fn catch_up(&self, home: &Readings) {
        for ((clock, &home), &kernel) in self.clocks().zip(&home.0).zip(&Readings::of_kernel().0) {
            let behind = home - (kernel + load(&clock.offset));
            if behind > 0 {
                clock.set_offset(home - kernel);
            }
        }
    }

    /// In the order of [`SERVED`].
    fn clocks(&self) -> impl Iterator<Item = &Clock> {
        SERVED.iter().map(|served| &self.clocks[served.number as usize])
    }

    /// In a forked child: slots of threads that only the parent has are free.
    pub fn free_slots(&self) {
        self.slots.iter().for_each(|slot| slot.owner.store(0, Relaxed));
    }

    /// The slot on whose stack `rsp` lies.
    pub fn slot_of_stack(&self, rsp: u64) -> Option<&Slot> {
        // The empty stack's pointer is the first byte behind the slot.
        let from_start = rsp.checked_sub(self.slots.as_ptr().addr() as u64 + 1)?;
        self.slots.get(usize::try_from(from_start).ok()? / SLOT_BYTES)
    }

    /// The slot at `address`, if there is one.
    pub fn slot_at(&self, address: u64) -> Option<&Slot> {
        self.slot_of_stack(address.checked_add(1)?).filter(|slot| std::ptr::from_ref(*slot).addr() as u64 == address)
    }
}

impl Clock {
    const fn new() -> Self {
        const fn zero() -> [AtomicI64; 2] {
            [AtomicI64::new(0), AtomicI64::new(0)]
        }
        Self { offset: zero(), floor: zero(), step_max: AtomicI64::new(i64::MAX) }
    }

    fn set_offset(&self, nanoseconds: i64) {
        store(&self.offset, nanoseconds);
    }

    /// The page's arithmetic once more.
    fn read(&self, kernel: i64) -> i64 {
        let (own, floor) = (kernel + load(&self.offset), load(&self.floor));
        let step = Split::of(floor).seconds - Split::of(own).seconds;
        if floor > own && step <= self.step_max.load(Relaxed) { floor } else { own }
    }
}

fn load(pair: &[AtomicI64; 2]) -> i64 {
    Split { seconds: pair[0].load(Relaxed), nanoseconds: pair[1].load(Relaxed) }.whole()
}

fn store(pair: &[AtomicI64; 2], nanoseconds: i64) {
    let split = Split::of(nanoseconds);
    pair[0].store(split.seconds, Relaxed);
    pair[1].store(split.nanoseconds, Relaxed);
}

impl Slot {
    const fn new() -> Self {
        const fn zero() -> AtomicU64 {
            AtomicU64::new(0)
        }
        Self {
            owner: zero(),
            again: zero(),
            answer: [zero(), zero()],
            rdi: zero(),
            rsi: zero(),
            r8: zero(),
            r9: zero(),
            rbx: zero(),
            rbp: zero(),
            r12: zero(),
            r13: zero(),
            r14: zero(),
            r15: zero(),
        }
    }
}
