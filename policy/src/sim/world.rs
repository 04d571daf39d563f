//! Several nodes, one program: where its pages are, and what pulls, pushes and jumps cost.
//!
//! Pages leave a node in the order in which they came to it, as in the pager, or least recently used first. They go where [`Affinity`] says. A page that
//! comes to a node stays a slot of it until execution there touches it.

use std::collections::VecDeque;

use super::accesses::Accesses;
use crate::NODES;
use crate::adaptive::{Totals, View};
use crate::advisor::Advisor;
use crate::affinity::Affinity;

/// Pages of a chunk, for placement.
const CHUNK_PAGES: u64 = 512;

/// What things cost, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Costs {
    /// A pull of one page from anywhere.
    pub pull_ns: u64,
    /// A pull of the page behind the last one that was pulled.
    pub next_ns: u64,
    /// What a push adds.
    pub push_ns: u64,
    /// A jump.
    pub jump_ns: u64,
    /// A fault that is served on the spot: a page from an own slot, a fresh page.
    pub soft_ns: u64,
}

impl Costs {
    /// tcp at 1 Gbit/s, as measured here (docs/policy.md).
    pub const TCP_1G: Self =
        Self { pull_ns: 75_000, next_ns: 40_000, push_ns: 35_000, jump_ns: 300_000, soft_ns: 6_000 };
    /// tcp at 10 Gbit/s.
    pub const TCP_10G: Self =
        Self { pull_ns: 25_000, next_ns: 10_000, push_ns: 5_000, jump_ns: 120_000, soft_ns: 6_000 };
    /// Shared memory.
    pub const SHM: Self = Self { pull_ns: 8_000, next_ns: 3_000, push_ns: 1_000, jump_ns: 60_000, soft_ns: 6_000 };
}

/// Which page leaves a full node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The one that came first.
    Arrival,
    /// The least recently used.
    Use,
}

/// The nodes.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Pages that each may hold, home first.
    pub capacities: Vec<u64>,
    /// What things cost.
    pub costs: Costs,
    /// Which pages leave.
    pub order: Order,
}

/// What a simulated run came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// All of it.
    pub time_ns: u64,
    /// Of it, what the program worked.
    pub work_ns: u64,
    /// Pages pulled.
    pub pulls: u64,
    /// Pages pushed.
    pub pushes: u64,
    /// Jumps.
    pub jumps: u64,
    /// Faults served on the spot.
    pub soft: u64,
}

impl Outcome {
    /// Bytes on the wire, but for headers.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        const JUMP_BYTES: u64 = 12_288;
        (self.pulls + self.pushes) * 4096 + self.jumps * JUMP_BYTES
    }

    /// Time that the program waited.
    #[must_use]
    pub fn waited_ns(&self) -> u64 {
        self.time_ns - self.work_ns
    }
}

/// Where a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    node: u8,
    mapped: bool,
    /// Which of its places in a node's queue counts.
    stamp: u32,
}

struct World<'a> {
    accesses: &'a Accesses,
    costs: Costs,
    order: Order,
    places: Vec<Option<Place>>,
    queues: [VecDeque<(u32, u32)>; NODES],
    view: View,
    affinity: Affinity,
    totals: [Totals; NODES],
    last_pull: u64,
    outcome: Outcome,
}

/// Replays `accesses` over these nodes, with execution moved by `rule`.
#[must_use]
pub fn replay(accesses: &Accesses, setting: &Setting, rule: &Advisor) -> Outcome {
    let capacities = &setting.capacities[..];
    let mut room = [0; NODES];
    room[..capacities.len()].copy_from_slice(capacities);
    let view = View {
        me: 0,
        held: [0; NODES],
        room,
        executes: (1 << capacities.len()) - 1,
        home_budget: capacities[0],
        now_ns: 0,
    };
    let chunks = accesses.addresses.last().map_or(1, |last| last / CHUNK_PAGES + 2);
    let base = accesses.addresses.first().map_or(0, |first| first / CHUNK_PAGES);
    let mut world = World {
        accesses,
        costs: setting.costs,
        order: setting.order,
        places: vec![None; accesses.pages()],
        queues: Default::default(),
        view,
        affinity: Affinity::new(chunks - base),
        totals: [Totals::default(); NODES],
        last_pull: u64::MAX,
        outcome: Outcome::default(),
    };
    let mut advisors: Vec<Advisor> = vec![rule.clone(); capacities.len()];
    for access in &accesses.list {
        world.work(access.work_ns.into());
        world.touch(access.page, &mut advisors);
    }
    world.outcome.time_ns = world.view.now_ns;
    world.outcome
}

impl World<'_> {
    fn me(&self) -> usize {
        usize::from(self.view.me)
    }

    fn work(&mut self, ns: u64) {
        self.view.now_ns += ns;
        self.outcome.work_ns += ns;
    }

    fn touch(&mut self, page: u32, advisors: &mut [Advisor]) {
        match self.places[page as usize] {
            None => {
                self.spend(self.costs.soft_ns);
                self.take_in(page);
                self.outcome.soft += 1;
            }
            Some(place) if place.node == self.view.me => self.touch_here(page, place),
            Some(place) => {
                let address = self.accesses.addresses[page as usize];
                if let Some(target) = advisors[self.me()].advise(|| self.view, place.node, address) {
                    self.jump(target, advisors);
                    return self.touch_once_more(page);
                }
                let along = advisors[self.me()].gathers(&self.view, place.node);
                self.pull(page, place);
                self.gather(page, place.node, along);
            }
        }
        let me = self.me();
        advisors[me].settle(&self.view, &self.totals[me]);
    }

    /// After a jump the page is touched where execution is now, without a further question: each visit makes progress.
    fn touch_once_more(&mut self, page: u32) {
        match self.places[page as usize] {
            Some(place) if place.node == self.view.me => self.touch_here(page, place),
            Some(place) => self.pull(page, place),
            None => {}
        }
    }

    fn touch_here(&mut self, page: u32, place: Place) {
        if !place.mapped {
            self.places[page as usize] = Some(Place { mapped: true, ..place });
            self.totals[usize::from(place.node)].installs += 1;
            self.outcome.soft += 1;
            self.spend(self.costs.soft_ns);
        }
        if self.order == Order::Use {
            let stamp = place.stamp + 1;
            self.places[page as usize] = Some(Place { mapped: true, stamp, ..place });
            self.queues[usize::from(place.node)].push_back((page, stamp));
        }
    }

    fn pull(&mut self, page: u32, place: Place) {
        let address = self.accesses.addresses[page as usize];
        let begun = self.view.now_ns;
        let next = address == self.last_pull.wrapping_add(1) || address.wrapping_add(1) == self.last_pull;
        self.last_pull = address;
        self.spend(if next { self.costs.next_ns } else { self.costs.pull_ns });
        self.view.held[usize::from(place.node)] -= 1;
        self.view.room[usize::from(place.node)] += 1;
        self.take_in(page);
        let took = self.view.now_ns - begun;
        let me = self.me();
        self.totals[me].pulls += 1;
        self.totals[me].pull_ns += took;
        self.outcome.pulls += 1;
    }

    /// Neighbours of a page that was just pulled from `node` come too: those around it, resident there, of an aligned block of `pages`.
    fn gather(&mut self, page: u32, node: u8, pages: u32) {
        let address = self.accesses.addresses[page as usize];
        let block = 1_u64 << pages.max(1).ilog2();
        let first = address & !(block - 1);
        let around = |number: u32| {
            let there = self.places.get(number as usize).copied().flatten().is_some_and(|place| place.node == node);
            let neighbour = self.accesses.addresses.get(number as usize).is_some_and(|other| {
                (first..first + block).contains(other) && other.abs_diff(address) == u64::from(number.abs_diff(page))
            });
            there && neighbour
        };
        let below = (0..page).rev().take_while(|number| around(*number)).count() as u32;
        let above = (page + 1..).take_while(|number| around(*number)).count() as u32;
        for number in (page - below..page).chain(page + 1..=page + above) {
            let place = self.places[number as usize].expect("a page that is there");
            // It comes behind another.
            self.last_pull = self.accesses.addresses[number as usize].wrapping_sub(1);
            self.pull(number, place);
        }
    }

    fn spend(&mut self, ns: u64) {
        self.view.now_ns += ns;
    }

    /// The page becomes resident where execution is.
    fn take_in(&mut self, page: u32) {
        if self.view.room[self.me()] == 0 {
            self.evict_one();
        }
        self.place(page, self.view.me, true);
    }

    fn place(&mut self, page: u32, node: u8, mapped: bool) {
        let stamp = self.places[page as usize].map_or(0, |place| place.stamp + 1);
        self.places[page as usize] = Some(Place { node, mapped, stamp });
        self.queues[usize::from(node)].push_back((page, stamp));
        self.view.held[usize::from(node)] += 1;
        self.view.room[usize::from(node)] = self.view.room[usize::from(node)].saturating_sub(1);
    }

    fn evict_one(&mut self) {
        let me = self.me();
        while let Some((page, stamp)) = self.queues[me].pop_front() {
            let place = self.places[page as usize];
            if place.is_none_or(|place| place.stamp != stamp || place.node != self.view.me) {
                continue;
            }
            let mut free = self.view.room.map(|room| u32::try_from(room).unwrap_or(u32::MAX));
            free[me] = 0;
            let base = self.accesses.addresses[0] / CHUNK_PAGES;
            let chunk = self.accesses.addresses[page as usize] / CHUNK_PAGES - base;
            let Some(target) = self.affinity.choose(chunk, &free) else {
                // everything is full: it swaps places with the page that comes
                self.queues[me].push_back((page, stamp));
                return;
            };
            self.view.held[me] -= 1;
            self.view.room[me] += 1;
            self.place(page, target, false);
            self.spend(self.costs.push_ns);
            self.totals[me].pushes += 1;
            self.outcome.pushes += 1;
            return;
        }
    }

    fn jump(&mut self, target: u8, advisors: &mut [Advisor]) {
        let me = self.me();
        let luggage = advisors[me].leave(&self.view, &self.totals[me], true);
        self.spend(self.costs.jump_ns);
        self.view.me = target;
        let there = usize::from(target);
        advisors[there].arrive(luggage, self.view.now_ns, self.costs.jump_ns, &self.totals[there]);
        self.outcome.jumps += 1;
    }
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
