//! Random memory calls, accesses and evictions against a model: what the program wrote is what it reads, and the
//! books are true after every step.
#![cfg(not(loom))]

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eos_pager::drain::{Drain, Drained};
use eos_pager::error::PagerError;
use eos_pager::homecoming::Search;
use eos_pager::layout::Prot;
use eos_pager::space::SpaceError;
use eos_verbs::TransportKind;
use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use support::peer::SLAB;
use support::{PEER, READ_WRITE, Rig, Terms};

/// Pages of the window that the calls are about.
const WINDOW: u64 = 200;
/// New cases are not begun after this.
const LONG_ENOUGH: Duration = Duration::from_secs(4);

#[derive(Clone, Debug)]
enum Step {
    Map(u64, u64, Prot),
    Unmap(u64, u64),
    Protect(u64, u64, Prot),
    Discard(u64, u64),
    Relocate(u64, u64, u64),
    /// Writes one page; a stamp of 0 makes it a page of zeros again.
    Write(u64, u64),
    WriteRun(u64, u64, u64),
    ReadRun(u64, u64),
    /// What a system call does for a buffer: pinned, and brought as far as it is mapped.
    Buffer(u64, u64, bool),
    Evict(usize),
    MakeRoom(u64),
    /// A slab in which nothing is goes back to the peer.
    GiveBack,
    /// The peer wants slabs back: all that it still wants are drained, or a few steps only. With 0 it does not want them any more.
    Demand(u64, usize),
    /// Some pages come home without being touched.
    BringHome(u64),
}

fn any_prot() -> impl Strategy<Value = Prot> {
    prop_oneof![6 => Just(READ_WRITE), 1 => Just(Prot::READ), 1 => Just(Prot::NONE)]
}

fn any_step() -> impl Strategy<Value = Step> {
    let page = 0..WINDOW;
    let stamp = prop_oneof![1 => Just(0), 5 => 1..u64::MAX];
    prop_oneof![
        2 => (page.clone(), 1..60_u64, any_prot()).prop_map(|(at, count, prot)| Step::Map(at, count, prot)),
        1 => (page.clone(), 1..30_u64).prop_map(|(at, count)| Step::Unmap(at, count)),
        3 => (page.clone(), 1..40_u64, any_prot()).prop_map(|(at, count, prot)| Step::Protect(at, count, prot)),
        1 => (page.clone(), 1..20_u64).prop_map(|(at, count)| Step::Discard(at, count)),
        2 => (page.clone(), page.clone(), 1..30_u64).prop_map(|(from, to, count)| Step::Relocate(from, to, count)),
        8 => (page.clone(), stamp.clone()).prop_map(|(at, stamp)| Step::Write(at, stamp)),
        4 => (page.clone(), 1..50_u64, stamp).prop_map(|(at, count, stamp)| Step::WriteRun(at, count, stamp)),
        4 => (page.clone(), 1..50_u64).prop_map(|(at, count)| Step::ReadRun(at, count)),
        2 => (page, 1..12_u64, any::<bool>()).prop_map(|(at, count, write)| Step::Buffer(at, count, write)),
        3 => (1..80_usize).prop_map(Step::Evict),
        1 => (1..20_u64).prop_map(Step::MakeRoom),
        2 => Just(Step::GiveBack),
        3 => (0..4_u64, prop_oneof![0..4_usize, Just(usize::MAX)]).prop_map(|(slabs, steps)| Step::Demand(slabs, steps)),
        2 => (1..80_u64).prop_map(Step::BringHome),
    ]
}

/// The memory as the program knows it: the protection and the stamp of every mapped page.
type Model = BTreeMap<u64, (Prot, u64)>;

struct Run {
    rig: Rig,
    model: Model,
    /// The peer may be full: then nothing else may be wrong.
    tight: bool,
    search: Search,
}

impl Run {
    /// Whether it was done; false if there was no room.
    fn done<T>(&self, outcome: Result<T, PagerError>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(PagerError::Full { .. }) if self.tight => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether a memory call succeeded; the errno that it may fail with is `allowed`.
    fn called(&self, outcome: Result<(), SpaceError>, allowed: i32) -> bool {
        match outcome {
            Ok(()) => true,
            Err(SpaceError::Errno(errno)) if errno == allowed => false,
            Err(SpaceError::Fatal(error)) => self.done::<()>(Err(error)).is_some(),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Map(at, count, prot) => {
                let outcome = self.rig.pager.map_anon(self.rig.range(at, count), prot, false);
                assert!(self.called(outcome, 0));
                self.model.extend((at..at + count).map(|page| (page, (prot, 0))));
            }
            Step::Unmap(at, count) => self.unmap(at, count),
            Step::Protect(at, count, prot) => self.protect(at, count, prot),
            Step::Discard(at, count) => {
                let outcome = self.rig.pager.discard(self.rig.range(at, count), libc::MADV_DONTNEED);
                let whole = self.called(outcome, libc::ENOMEM);
                assert_eq!(whole, self.is_mapped(at, count));
                self.model.range_mut(at..at + count).for_each(|(_, (_, stamp))| *stamp = 0);
            }
            Step::Relocate(from, to, count) => self.relocate(from, to, count),
            Step::Write(at, stamp) => self.write(at, stamp),
            Step::WriteRun(at, count, stamp) => (at..at + count).for_each(|page| self.write(page, stamp ^ page)),
            Step::ReadRun(at, count) => (at..at + count).for_each(|page| self.read(page)),
            Step::Buffer(at, count, write) => self.buffer(at, count, write),
            Step::Evict(count) => {
                let outcome = self.rig.pager.evict(count);
                self.done(outcome);
            }
            Step::GiveBack => {
                let free = self.rig.pager.free_slabs(PEER);
                assert_eq!(self.rig.pager.give_slab_back(PEER).expect("told"), free > 0);
            }
            Step::Demand(slabs, steps) => self.demand(slabs, steps),
            Step::BringHome(pages) => {
                let room = self.rig.pager.room_at_home();
                let brought = self.rig.pager.bring_home(&mut self.search, pages).expect("brought");
                assert!(brought <= pages.min(room), "{brought} pages came, {pages} were to, {room} fit");
            }
            Step::MakeRoom(pages) => {
                let outcome = self.rig.pager.make_room(pages);
                if self.done(outcome).is_some() {
                    let audit = self.rig.pager.audit();
                    let taken = self.rig.resident() + audit.native_book;
                    assert!(taken + pages <= audit.nodes[0].limit, "no room was made for {pages} pages");
                }
            }
        }
    }

    /// The slabs that go back the peer fills with garbage; nothing is pushed there meanwhile.
    fn demand(&mut self, slabs: u64, steps: usize) {
        self.rig.peer_wants(slabs);
        let mut drain = Drain::of(PEER);
        let mut lent = self.rig.pager.nodes[1].limit;
        for _ in 0..steps {
            if self.rig.pager.nodes[1].owed == 0 {
                break;
            }
            let before = self.rig.pager.held(PEER);
            let outcome = self.rig.pager.drain(&mut drain).expect("drained");
            self.rig.check();
            let now = self.rig.pager.nodes[1].limit;
            assert!(self.rig.pager.held(PEER) <= before, "something went there");
            match outcome {
                Drained::Moved => {}
                Drained::Gave(pages) => assert!(pages > 0 && pages <= SLAB),
                Drained::Nothing => assert_eq!(now, 0),
                Drained::NoRoom => assert!(self.tight && now == lent, "{now} of {lent} pages are lent"),
            }
            if matches!(outcome, Drained::Nothing | Drained::NoRoom) {
                break;
            }
            lent = if matches!(outcome, Drained::Gave(_)) { now } else { lent };
        }
    }

    fn unmap(&mut self, at: u64, count: u64) {
        let outcome = self.rig.pager.unmap(self.rig.range(at, count));
        assert!(self.called(outcome, 0));
        self.model.retain(|page, _| !(at..at + count).contains(page));
    }

    fn protect(&mut self, at: u64, count: u64, prot: Prot) {
        let mapped = (at..at + count).take_while(|page| self.model.contains_key(page)).count() as u64;
        let outcome = self.rig.pager.protect(self.rig.range(at, count), prot);
        assert_eq!(self.called(outcome, libc::ENOMEM), mapped == count);
        self.model.range_mut(at..at + mapped).for_each(|(_, (old, _))| *old = prot);
    }

    /// As the gateway does it: the target is unmapped first. What the kernel holds as several mappings it may refuse.
    fn relocate(&mut self, from: u64, to: u64, count: u64) {
        if from.abs_diff(to) < count || !self.is_mapped(from, count) {
            return;
        }
        self.unmap(to, count);
        let outcome = self.rig.pager.relocate(self.rig.range(from, count), self.rig.range(to, count));
        let whole = self.called(outcome, libc::EFAULT);
        for page in from..from + count {
            let stays = self.rig.pager.layout.find(self.rig.page(page).addr()).is_some();
            assert!(!(whole && stays), "page {page} was to be moved");
            if !stays {
                let what = self.model.remove(&page).expect("all of it was mapped");
                self.model.insert(page - from + to, what);
            }
        }
    }

    fn is_mapped(&self, at: u64, count: u64) -> bool {
        self.model.range(at..at + count).count() as u64 == count
    }

    fn write(&mut self, page: u64, stamp: u64) {
        let Some((READ_WRITE, _)) = self.model.get(&page) else { return };
        let outcome = self.rig.write(page, stamp);
        if self.done(outcome).is_some() {
            self.model.insert(page, (READ_WRITE, stamp));
        }
    }

    fn read(&mut self, page: u64) {
        let Some(&(prot, stamp)) = self.model.get(&page) else { return };
        if prot.readable() {
            let outcome = self.rig.read(page);
            if let Some(read) = self.done(outcome) {
                assert_eq!(read, stamp, "page {page}");
            }
        }
    }

    fn buffer(&mut self, at: u64, count: u64, write: bool) {
        let range = self.rig.range(at, count);
        self.rig.pager.pin(range, true, 1);
        let outcome = self.rig.pager.ensure(range, write);
        if self.done(outcome).is_some() {
            for page in at..at + count {
                match self.model.get(&page) {
                    Some((prot, stamp)) if prot.readable() => assert_eq!(self.rig.stamp(page), *stamp, "page {page}"),
                    Some(_) => {}
                    None => break,
                }
            }
        }
        self.rig.pager.unpin(1);
    }
}

fn check(steps: &[(Step, [u64; 2])], terms: Terms, tight: bool) {
    let mut run = Run { rig: Rig::new(terms), model: Model::new(), tight, search: Search::default() };
    for (step, looks) in steps {
        run.take(step);
        run.rig.check();
        if matches!(step, Step::Relocate(..)) {
            run.rig.check_registration();
        }
        looks.iter().for_each(|page| run.read(*page));
    }
    (0..2 * WINDOW).for_each(|page| run.read(page));
    run.rig.check();
}

fn steps() -> impl Strategy<Value = Vec<(Step, [u64; 2])>> {
    let look = [0..WINDOW, 0..WINDOW];
    prop::collection::vec((any_step(), look), 100..250)
}

/// Runs up to `cases` cases, until it has been long enough.
fn for_random_steps(cases: u32, test: impl Fn(&[(Step, [u64; 2])], u64)) {
    let begin = Instant::now();
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    let mut runner = TestRunner::new(config);
    // Stays true when a case has failed, and others are tried to find the shortest that fails.
    let running = Cell::new(false);
    let outcome = runner.run(&(steps(), 24..120_u64), |(steps, limit)| {
        if running.replace(true) || begin.elapsed() < LONG_ENOUGH {
            test(&steps, limit);
        }
        running.set(false);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\nafter these steps: {case:?}"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_program_reads_what_it_wrote() {
    for_random_steps(32, |steps, limit| check(steps, Terms { limit, second: 4096, ..Terms::default() }, false));
}

#[test]
fn the_program_reads_what_it_wrote_while_native_memory_is_adopted() {
    for_random_steps(32, |steps, limit| {
        check(steps, Terms { limit, elastic: false, second: 4096, ..Terms::default() }, false)
    });
}

#[test]
fn nothing_is_lost_when_the_peer_is_full() {
    for_random_steps(32, |steps, limit| check(steps, Terms { limit, peer: 100, ..Terms::default() }, true));
}

#[test]
fn nothing_is_lost_when_both_peers_are_nearly_full_and_ask_for_memory() {
    let terms = |limit| Terms { limit, peer: 100, second: 64, wire: TransportKind::Tcp, ..Terms::default() };
    for_random_steps(32, |steps, limit| check(steps, terms(limit), true));
}
