//! Model of a swap: one slot, a page that is in it and comes in, and a victim that takes its place, while another thread
//! looks where the pages are.

use eos_pager::entry::{Entry, State};
use eos_pager::protocol::{self, load};
use eos_pager::sync::AtomicU64;
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{ME, slot};

/// What the page and the victim hold.
const PAGE: u64 = 1;
const VICTIM: u64 = 2;

struct World {
    page: AtomicU64,
    victim: AtomicU64,
    slot: Mutex<u64>,
    /// What is mapped at the page, and at the victim.
    mapped: Mutex<[Option<u64>; 2]>,
}

impl World {
    fn new() -> Self {
        Self {
            page: AtomicU64::new(Entry::remote(slot(0)).raw()),
            victim: AtomicU64::new(Entry::resident(ME).raw()),
            slot: Mutex::new(PAGE),
            mapped: Mutex::new([None, Some(VICTIM)]),
        }
    }

    /// The swap; `in_order`: the bytes are read out before the slot is given away.
    fn swap(&self, in_order: bool) {
        protocol::begin_pull(&self.page, ME).expect("in the slot");
        let early = *self.slot.lock().expect("no panic inside");
        protocol::hold_bytes(&self.page, ME);
        protocol::begin_push(&self.victim, ME, slot(0)).expect("resident");
        let victim = self.mapped.lock().expect("no panic inside")[1].expect("mapped while Pushing");
        *self.slot.lock().expect("no panic inside") = victim;
        self.mapped.lock().expect("no panic inside")[1] = None;
        protocol::finish_push(&self.victim);
        let late = *self.slot.lock().expect("no panic inside");
        self.mapped.lock().expect("no panic inside")[0] = Some(if in_order { early } else { late });
        protocol::finish_pull(&self.page, ME, false);
    }

    /// Whoever finds a settled entry finds the bytes where it says, unless it has changed meanwhile.
    fn look(&self, cell: &AtomicU64, index: usize, stamp: u64) {
        let before = load(cell);
        let found = match before.state() {
            State::Remote => Some(*self.slot.lock().expect("no panic inside")),
            State::Resident => self.mapped.lock().expect("no panic inside")[index],
            _ => return,
        };
        if load(cell) == before {
            assert_eq!(found, Some(stamp), "{before:?} and other bytes");
        }
    }
}

fn model(in_order: bool) {
    loom::model(move || {
        let world = Arc::new(World::new());
        let looker = thread::spawn({
            let world = world.clone();
            move || {
                world.look(&world.page, 0, PAGE);
                world.look(&world.victim, 1, VICTIM);
            }
        });
        world.swap(in_order);
        looker.join().expect("the looker ends");
        world.look(&world.page, 0, PAGE);
        world.look(&world.victim, 1, VICTIM);
        let slots = [&world.page, &world.victim].map(|cell| load(cell).slot());
        assert_eq!(slots, [None, Some(slot(0))]);
    });
}

#[test]
fn a_swap_shows_each_page_where_its_bytes_are() {
    model(true);
}

#[test]
#[should_panic(expected = "and other bytes")]
fn the_model_notices_a_slot_given_away_before_its_bytes_were_read() {
    model(false);
}
