//! Model of a push against threads that fault, over all interleavings:
//! `RUSTFLAGS="--cfg loom" cargo test -p eos-pager --test loom --release`
//!
//! The hardware and kernel are a [`Mmu`]: each access of the program sees protection and contents at one moment, and after
//! a change of protection or mapping returns, no access under the old one is under way (the kernel flushes the TLBs).
//! The page is two words. The writer writes word 0 and then word 1, the reader reads word 1 and then word 0, so a reader
//! that finds word 1 new and word 0 old has seen a torn or stale copy.
#![cfg(loom)]

mod swap;

use eos_pager::entry::{Entry, SlotRef, State};
use eos_pager::protocol::{self, load};
use eos_pager::sync::AtomicU64;
use eos_verbs::NodeId;
use loom::sync::{Arc, Mutex};
use loom::thread;

const ME: NodeId = NodeId(0);

fn slot(index: u32) -> SlotRef {
    SlotRef { node: NodeId(1), index }
}

/// The page as the program's threads see it. `words` is `None` if nothing is mapped.
struct Mmu {
    words: Option<[u64; 2]>,
    write_protected: bool,
}

struct World {
    entry: AtomicU64,
    mmu: Mutex<Mmu>,
    /// The slots on the peer, and whether each is taken: slot 0 a clean page has at first, slot 1 is for the push.
    slots: Mutex<[([u64; 2], bool); 2]>,
}

/// Which step is left out, to see that the model would notice.
#[derive(Clone, Copy, PartialEq)]
enum LeftOut {
    Nothing,
    WriteProtection,
    ClaimOfUpgrade,
}

impl World {
    fn new(entry: Entry) -> Self {
        let write_protected = entry.is_clean();
        let words = (entry.state() == State::Resident).then_some([0; 2]);
        Self {
            entry: AtomicU64::new(entry.raw()),
            mmu: Mutex::new(Mmu { words, write_protected }),
            slots: Mutex::new([([0; 2], entry.slot().is_some()), ([0; 2], false)]),
        }
    }

    fn mmu<T>(&self, access: impl FnOnce(&mut Mmu) -> T) -> T {
        access(&mut self.mmu.lock().expect("no panic inside"))
    }

    fn slot<T>(&self, slot: SlotRef, access: impl FnOnce(&mut ([u64; 2], bool)) -> T) -> T {
        access(&mut self.slots.lock().expect("no panic inside")[slot.index as usize])
    }

    fn free(&self, before: Entry) {
        let taken = self.slot(before.slot().expect("has one"), |slot| std::mem::replace(&mut slot.1, false));
        assert!(taken, "a slot was freed twice");
    }

    /// The pusher: pushes the page, or drops it if it is clean.
    fn push(&self, left_out: LeftOut) {
        if protocol::begin_drop(&self.entry, ME).is_ok() {
            self.mmu(|mmu| mmu.words = None);
        } else if protocol::begin_push(&self.entry, ME, slot(1)).is_ok() {
            if left_out != LeftOut::WriteProtection {
                self.mmu(|mmu| mmu.write_protected = true);
            }
            // The copy is not atomic: word by word.
            let mut copy = [0; 2];
            for (i, word) in copy.iter_mut().enumerate() {
                *word = self.mmu(|mmu| mmu.words.expect("mapped while Pushing")[i]);
            }
            self.slot(slot(1), |slot| *slot = (copy, true));
            self.mmu(|mmu| mmu.words = None);
        } else {
            return;
        }
        protocol::finish_push(&self.entry);
    }

    /// The fault handler: whatever is to be done so that the access may succeed when it is tried again.
    fn fault(&self, write: bool, left_out: LeftOut) {
        protocol::wait_settled(&self.entry);
        if write && left_out == LeftOut::ClaimOfUpgrade {
            let dirty = |e: Entry| (e.is_resident_on(ME) && e.is_clean()).then(|| e.without_slot());
            if let Ok((before, _)) = protocol::update(&self.entry, dirty) {
                self.mmu(|mmu| mmu.write_protected = false);
                self.free(before);
                return;
            }
        }
        if write && let Ok(before) = protocol::begin_upgrade(&self.entry, ME) {
            self.mmu(|mmu| mmu.write_protected = false);
            protocol::finish_pull(&self.entry, ME, false);
            self.free(before);
            return;
        }
        let Ok(before) = protocol::begin_pull(&self.entry, ME) else {
            return;
        };
        let bytes = self.slot(before.slot().expect("Remote"), |slot| slot.0);
        self.mmu(|mmu| *mmu = Mmu { words: Some(bytes), write_protected: !write });
        let (before, now) = protocol::finish_pull(&self.entry, ME, !write);
        if now.slot().is_none() {
            self.free(before);
        }
    }

    fn write_word(&self, i: usize, value: u64, left_out: LeftOut) {
        loop {
            let done = self.mmu(|mmu| match &mut mmu.words {
                Some(words) if !mmu.write_protected => {
                    words[i] = value;
                    true
                }
                _ => false,
            });
            if done {
                return;
            }
            self.fault(true, left_out);
        }
    }

    fn read_word(&self, i: usize) -> u64 {
        loop {
            if let Some(words) = self.mmu(|mmu| mmu.words) {
                return words[i];
            }
            self.fault(false, LeftOut::Nothing);
        }
    }

    /// After all threads: the page's contents, wherever they are, and that the entry says where.
    fn check(&self) {
        let entry = load(&self.entry);
        let taken: Vec<u32> = (0..2).filter(|i| self.slot(slot(*i), |slot| slot.1)).collect();
        let held: Vec<u32> = entry.slot().iter().map(|slot| slot.index).collect();
        assert_eq!(taken, held, "slots and entry disagree: {entry:?}");
        let in_slot = entry.slot().map(|slot| self.slot(slot, |slot| slot.0));
        let words = match entry.state() {
            State::Resident => self.mmu(|mmu| mmu.words.expect("Resident is mapped")),
            State::Remote => in_slot.expect("Remote has a slot"),
            other => panic!("not settled: {other:?}"),
        };
        assert_eq!(words, [1, 1], "a write was lost");
        assert_eq!(in_slot.unwrap_or(words), words, "CLEAN, and the slot differs");
    }
}

fn model(start: Entry, with_reader: bool, left_out: LeftOut) {
    // Three threads with one switch more had not ended after 100 s (and need more than 1000 branches).
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(if with_reader { 2 } else { 6 });
    builder.check(move || {
        let world = Arc::new(World::new(start));
        let pusher = thread::spawn({
            let world = world.clone();
            move || world.push(left_out)
        });
        let reader = with_reader.then(|| {
            let world = world.clone();
            thread::spawn(move || {
                let second = world.read_word(1);
                let first = world.read_word(0);
                assert!(first >= second, "a torn or stale copy was read");
            })
        });
        world.write_word(0, 1, left_out);
        world.write_word(1, 1, left_out);
        pusher.join().expect("the pusher ends");
        if let Some(reader) = reader {
            reader.join().expect("the reader ends");
        }
        world.check();
    });
}

fn clean() -> Entry {
    Entry::resident(ME).with_clean(true).with_slot(slot(0))
}

#[test]
fn a_push_loses_no_write() {
    model(Entry::resident(ME), false, LeftOut::Nothing);
}

#[test]
fn a_push_loses_no_write_and_shows_no_torn_page_to_a_reader() {
    model(Entry::resident(ME), true, LeftOut::Nothing);
}

#[test]
fn a_drop_of_a_clean_page_loses_no_write_and_shows_no_torn_page_to_a_reader() {
    model(clean(), false, LeftOut::Nothing);
    model(clean(), true, LeftOut::Nothing);
}

#[test]
fn two_faults_on_a_page_that_is_away_bring_it_in_once_and_a_push_right_after_loses_nothing() {
    model(Entry::remote(slot(0)), true, LeftOut::Nothing);
}

#[test]
#[should_panic(expected = "a write was lost")]
fn the_model_notices_a_push_without_write_protection() {
    model(Entry::resident(ME), false, LeftOut::WriteProtection);
}

#[test]
#[should_panic(expected = "a write was lost")]
fn the_model_notices_a_clean_page_made_writable_without_claiming_it() {
    model(clean(), false, LeftOut::ClaimOfUpgrade);
}
