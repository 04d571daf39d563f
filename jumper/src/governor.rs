//! What goes on beside the program: a thread on each node that, while the program executes there, gives peers the memory back in which nothing
//! is, and at home makes the budget follow what the machine can spare, where the user has not said it.
//!
//! It looks ten times a second, and holds the lock of the house only for a batch of pages, so a fault waits for one batch at the most.
//! While execution is on another node the thread that is parked here holds that lock, so nothing is done: home's memory grows only by what the other node pushes, up to the
//! budget it knows. The thread never waits for the lock, and no fault wakes it.

use std::sync::MutexGuard;
use std::thread;
use std::time::Duration;

use eos_pager::error::PagerError;
use eos_pager::page::PAGE_SIZE;
use eos_policy::budget::{Budget, Facts};

use crate::cluster::signal_set::{SignalsBlocked, block_for_good};
use crate::executor::{Executor, House, fail};
use crate::say::say;
use crate::size::Size;
use crate::spare::Spare;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Between two attempts to get the lock, and how many there are a look.
const RETRY: Duration = Duration::from_millis(1);
const RETRIES: u32 = 50;
/// A change of the budget that is worth a line under `--verbose`, one part in so many.
const TOLD_PARTS: u64 = 8;
const STACK_BYTES: usize = 256 << 10;

/// What the thread does.
pub struct Governor {
    /// Where the budget follows the machine.
    pub follows: Option<Follows>,
    /// Whether to tell of changes.
    pub verbose: bool,
}

/// How the budget follows the machine.
pub struct Follows {
    /// Where it looks.
    pub spare: Spare,
    /// What it decides.
    pub budget: Budget,
}

impl Governor {
    /// Starts the thread; it lives as long as the process.
    ///
    /// # Errors
    /// There are too many threads.
    pub fn start(mut self, house: &'static House) -> std::io::Result<()> {
        let due = house.enter().gives_back_aloud(self.verbose);
        let body = move || {
            block_for_good();
            let mut told = self.follows.as_ref().map_or(0, |follows| follows.budget.bytes());
            loop {
                thread::sleep(LOOK);
                if let Some(bytes) = self.follows.as_mut().and_then(|follows| follows.look(house))
                    && self.verbose
                    && bytes.abs_diff(told) > told / TOLD_PARTS
                {
                    say(format_args!("the budget is {} now", Size(bytes)));
                    told = bytes;
                }
                // Without patience: nothing hurries, and on a node that is parked the lock is taken all the time.
                match house.try_enter() {
                    Some(mut executor) => {
                        if let Err(error) = executor.give_back() {
                            executor.fail(&error);
                        }
                    }
                    None => due.leave_word(),
                }
            }
        };
        let _blocked = SignalsBlocked::all()?;
        thread::Builder::new().name("eos-governor".to_owned()).stack_size(STACK_BYTES).spawn(body).map(|_| ())
    }
}

impl Follows {
    /// Follows what has changed. Returns the budget, in bytes; none if that could not be found out.
    fn look(&mut self, house: &House) -> Option<u64> {
        // What cannot be read now will be in a moment, or never; the budget stays.
        let (Ok(facts), Some(ours)) = (self.spare.read(), held_bytes(house)) else {
            return None;
        };
        // Memory of the runtime's own cannot be given up.
        let bytes = self.budget.follow(&Facts { ours: facts.ours.min(ours), ..facts });
        apply(house, bytes / PAGE_SIZE);
        Some(bytes)
    }
}

/// Bytes of the program's memory here, at the most; none while the house is busy, or execution away.
fn held_bytes(house: &House) -> Option<u64> {
    let executor = patient(house)?;
    Some(executor.pager.held_at_most() * PAGE_SIZE)
}

/// Enters, with some patience.
fn patient(house: &House) -> Option<MutexGuard<'_, Executor>> {
    for _ in 0..RETRIES {
        if let Some(executor) = house.try_enter() {
            return Some(executor);
        }
        thread::sleep(RETRY);
    }
    None
}

/// Sets the budget, and moves pages out until it is kept. A batch at a time: between two, the program's faults get the lock.
fn apply(house: &House, pages: u64) {
    while let Some(mut executor) = patient(house) {
        match executor.pager.follow_budget(pages) {
            Ok(true) => drop(executor),
            // Nobody has room: the budget is what is here.
            Ok(false) | Err(PagerError::Full { .. }) => return,
            Err(error) => fail(&error.to_string()),
        }
        thread::yield_now();
    }
}
