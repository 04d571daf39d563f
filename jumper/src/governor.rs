//! What goes on beside the program: a thread on each node that, while the program executes there, gives peers the memory back in which nothing
//! is, and at home makes the budget follow what the machine can spare, where the user has not said it.
//!
//! It looks ten times a second, and holds the lock of the house only for a batch of pages, so a fault waits for one batch at the most.
//! While execution is on another node the thread that is parked here holds that lock, so nothing is done: home's memory grows only by what the other node pushes, up to the
//! budget it knows. The thread tries for the lock, for a moment in which the program's threads let it go first ([`House::enter_in_turn`]), and no fault wakes it.

use std::sync::MutexGuard;
use std::thread;
use std::time::{Duration, Instant};

use eos_pager::error::PagerError;
use eos_pager::homecoming::Search;
use eos_pager::page::PAGE_SIZE;
use eos_policy::budget::{Budget, Facts};
use eos_policy::homecoming::{Homecoming, Scene};

use crate::cluster::signal_set::{SignalsBlocked, block_for_good};
use crate::executor::{Executor, House, fail};
use crate::say::say;
use crate::size::Size;
use crate::spare::Spare;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// How long it tries to get the lock.
const PATIENCE: Duration = Duration::from_millis(50);
/// Looks of which one has some patience too: it asks peers what they want back.
const PATIENT_LOOKS: u32 = 5;
const LOOK_PATIENCE: Duration = Duration::from_millis(10);
/// A change of the budget that is worth a line under `--verbose`, one part in so many.
const TOLD_PARTS: u64 = 8;
/// How long peers' demands are answered in one go, and between two batches.
const DEMAND_TIME: Duration = Duration::from_millis(500);
/// Pages that come home together: the program's faults wait for no more.
const HOMECOMING_BATCH: u64 = 32;
const BREATH: Duration = Duration::from_micros(200);
const STACK_BYTES: usize = 1 << 20;

/// What the thread does.
pub struct Governor {
    /// Where the budget follows the machine.
    pub follows: Option<Follows>,
    /// Whether to tell of changes.
    pub verbose: bool,
    homecoming: Homecoming,
    search: Search,
}

/// How the budget follows the machine.
pub struct Follows {
    /// Where it looks.
    pub spare: Spare,
    /// What it decides.
    pub budget: Budget,
}

impl Governor {
    /// Not started yet.
    pub fn new(follows: Option<Follows>, verbose: bool) -> Self {
        Self { follows, verbose, homecoming: Homecoming::default(), search: Search::default() }
    }

    /// Starts the thread; it lives as long as the process. `executor` is what the house holds.
    ///
    /// # Errors
    /// There are too many threads.
    pub fn start(mut self, house: &'static House, executor: &mut Executor) -> std::io::Result<()> {
        let due = executor.gives_back_aloud(self.verbose);
        let body = move || {
            block_for_good();
            let (mut looks, mut drains) = (0_u32, false);
            let mut told = self.follows.as_ref().map_or(0, |follows| follows.budget.bytes());
            loop {
                if !drains {
                    thread::sleep(LOOK);
                }
                if let Some(bytes) = self.follows.as_mut().and_then(|follows| follows.look(house))
                    && self.verbose
                    && bytes.abs_diff(told) > told / TOLD_PARTS
                {
                    say(format_args!("the budget is {} now", Size(bytes)));
                    told = bytes;
                }
                // Mostly without patience: nothing hurries, and on a node that is parked the lock is taken all the time.
                let mut come = 0;
                looks += 1;
                let in_turn = looks % PATIENT_LOOKS == 0;
                match if in_turn { house.enter_in_turn(LOOK_PATIENCE) } else { house.try_enter() } {
                    Some(mut executor) => {
                        if let Err(error) = executor.give_back().and_then(|()| executor.look_at_demands()) {
                            executor.fail(&error);
                        }
                        come = self.homecoming.look(&scene(&executor));
                        drains |= executor.owes();
                    }
                    None => due.leave_word(),
                }
                receive_newcomers(house);
                bring_home(house, &mut self.search, come);
                drains = drains && answer_demands(house);
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
    house.enter_in_turn(PATIENCE)
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

/// Empties and gives back what peers want, a batch at a time, for a while: the governor has other work too. Returns whether there is more to
/// do and execution has been here.
fn answer_demands(house: &House) -> bool {
    let begin = Instant::now();
    let mut was_here = false;
    while begin.elapsed() < DEMAND_TIME {
        // Execution may come any moment.
        let Some(mut executor) = patient(house) else {
            continue;
        };
        was_here = true;
        match executor.drain_some() {
            Ok(true) => drop(executor),
            Ok(false) => return false,
            Err(error) => executor.fail(&error),
        }
        // The lock is not fair: the program's faults come in between.
        thread::sleep(BREATH);
    }
    was_here
}

/// Peers that wait to join: the program may not trap for long, or execute elsewhere. Then it is called home, where it looks. The watching thread
/// cannot call: it has no descriptors but its own.
fn receive_newcomers(house: &House) {
    house.newcomers.remind();
    if !house.newcomers.are_waiting() {
        return;
    }
    match house.enter_in_turn(LOOK_PATIENCE) {
        Some(mut executor) => {
            if let Err(error) = executor.receive_newcomers(house) {
                executor.fail(&error);
            }
        }
        None => house.recall.call(),
    }
}

/// What decides whether pages come home.
fn scene(executor: &Executor) -> Scene {
    let pager = &executor.pager;
    let room = pager.room_at_home();
    Scene {
        budget: pager.nodes[pager.me.index()].limit,
        room,
        // Whether there are any matters only where they could come.
        away: if room > 0 { pager.away_from_home() } else { 0 },
        pushes: pager.counters.pushes + executor.tally.jumps,
    }
}

/// Brings so many pages home, a batch at a time.
fn bring_home(house: &House, search: &mut Search, pages: u64) {
    let mut left = pages;
    while left > 0
        && let Some(mut executor) = patient(house)
    {
        match executor.pager.bring_home(search, left.min(HOMECOMING_BATCH)) {
            Ok(0) => return,
            Ok(brought) => left = left.saturating_sub(brought),
            Err(error) => executor.fail(&error.into()),
        }
        drop(executor);
        thread::sleep(BREATH);
    }
}
