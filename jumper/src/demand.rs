//! Peers that need their memory get it back: a part of what the governor looks at, where the program executes.
//!
//! Twice a second it asks every peer on another machine what it wants. What is owed is drained batch by batch, with the lock of the house for
//! one batch at a time, and goes back. A peer that wants memory and has the program itself sends that home first: it is easier to empty
//! while nobody works in it.

use std::time::{Duration, Instant};

use eos_pager::demand::Progress;
use eos_pager::drain::{Drain, Drained};
use eos_pager::error::PagerError;
use eos_pager::page::PAGE_SIZE;
use eos_pager::pager::Pager;
use eos_verbs::NodeId;

use crate::RunError;
use crate::executor::Executor;
use crate::jump::recall;
use crate::say::say;
use crate::size::Size;

/// Looks of the governor from one question to the next.
const ASK_LOOKS: u32 = 5;
/// Looks until a slab for which nobody had room is tried again.
const RETRY_LOOKS: u32 = 10;

/// What is known of the peers' wishes, by number of the node.
#[derive(Debug, Default)]
pub(crate) struct Demands {
    /// Peers may ask at all: they are on other machines.
    on: bool,
    peers: Vec<Peer>,
    looks: u32,
    /// On a peer that wants memory: the program is to leave.
    leaves: bool,
    /// What was asked back and went.
    pub(crate) tally: Tally,
}

/// Counts for the statistics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Bytes that went back since they were asked for.
    pub(crate) bytes: u64,
    /// From the beginning of each drain to its slab's return.
    pub(crate) time: Duration,
}

#[derive(Debug, Default)]
struct Peer {
    drain: Option<Drain>,
    since: Option<Instant>,
    progress: Progress,
    /// Looks to wait.
    rests: u32,
}

impl Demands {
    /// `on`: whether there are peers that may ask.
    pub(crate) fn new(on: bool) -> Self {
        Self { on, ..Self::default() }
    }

    /// A look: asks, if it is time to.
    fn look(&mut self, pager: &mut Pager) -> Result<(), PagerError> {
        self.know(pager);
        self.peers.iter_mut().for_each(|peer| peer.rests = peer.rests.saturating_sub(1));
        self.looks += 1;
        if self.looks < ASK_LOOKS {
            return Ok(());
        }
        self.looks = 0;
        for node in self.others(pager) {
            self.ask(pager, node)?;
        }
        Ok(())
    }

    /// Peers may have joined.
    fn know(&mut self, pager: &Pager) {
        self.peers.resize_with(pager.nodes.len(), Peer::default);
    }

    fn others(&self, pager: &Pager) -> impl Iterator<Item = NodeId> + use<> {
        let me = pager.me;
        (1..pager.nodes.len()).map(|node| NodeId(node as u8)).filter(move |node| *node != me)
    }

    fn ask(&mut self, pager: &mut Pager, node: NodeId) -> Result<(), PagerError> {
        let peer = &mut self.peers[node.index()];
        pager.ask_demand(node, peer.progress)?;
        let before = peer.progress;
        match pager.nodes[node.index()].owed {
            0 => *peer = Peer::default(),
            _ if !pager.can_drain(node) => peer.progress = Progress::Pinned,
            _ if peer.progress == Progress::Idle => peer.progress = Progress::Moving,
            _ => {}
        }
        // It hears at once of what is new.
        if peer.progress != before { pager.ask_demand(node, peer.progress) } else { Ok(()) }
    }

    /// A peer that is owed something which could go now.
    fn next(&self, pager: &Pager) -> Option<NodeId> {
        let able = |node: &NodeId| {
            let peer = self.peers.get(node.index());
            let may = peer.is_some_and(|peer| peer.rests == 0 && peer.progress != Progress::Pinned);
            may && pager.nodes[node.index()].owed > 0
        };
        self.others(pager).find(able)
    }

    /// A step of what is owed. Returns whether there is another.
    fn step(&mut self, pager: &mut Pager, verbose: bool) -> Result<bool, PagerError> {
        self.know(pager);
        let Some(node) = self.next(pager) else {
            return Ok(false);
        };
        let peer = &mut self.peers[node.index()];
        let since = *peer.since.get_or_insert_with(Instant::now);
        match pager.drain(peer.drain.get_or_insert_with(|| Drain::of(node)))? {
            Drained::Moved => peer.progress = Progress::Moving,
            Drained::Gave(pages) => {
                peer.progress = Progress::Moving;
                peer.since = None;
                self.tally.bytes += pages * PAGE_SIZE;
                self.tally.time += since.elapsed();
                if verbose {
                    let (given, name) = (Size(pages * PAGE_SIZE), &pager.nodes[node.index()].name);
                    say(format_args!("{name} asked for {given} and got it in {:.2} s", since.elapsed().as_secs_f64()));
                }
            }
            Drained::NoRoom => {
                let news = std::mem::replace(&mut peer.progress, Progress::NoRoom) != Progress::NoRoom;
                (peer.rests, peer.since) = (RETRY_LOOKS, None);
                if verbose && news {
                    let name = &pager.nodes[node.index()].name;
                    say(format_args!("{name} asks for memory, and nobody else has room for what is in it"));
                }
                self.ask(pager, node)?;
            }
            Drained::Nothing => peer.rests = RETRY_LOOKS,
        }
        Ok(true)
    }
}

impl Executor {
    /// One look, where the program executes.
    ///
    /// # Errors
    /// A wire failed.
    pub(crate) fn look_at_demands(&mut self) -> Result<(), RunError> {
        if !self.demands.on {
            return Ok(());
        }
        if !self.at_home() && self.pager.own_demand() > 0 && !std::mem::replace(&mut self.demands.leaves, true) {
            recall::kick();
        }
        Ok(self.demands.look(&mut self.pager)?)
    }

    /// Moves a batch of pages that peers want gone. Returns whether there are more.
    ///
    /// # Errors
    /// A wire failed.
    pub(crate) fn drain_some(&mut self) -> Result<bool, RunError> {
        Ok(self.demands.on && self.demands.step(&mut self.pager, self.verbose)?)
    }

    /// Whether a peer is owed something which could go now.
    pub(crate) fn owes(&self) -> bool {
        self.demands.on && self.demands.next(&self.pager).is_some()
    }

    /// Whether this peer wants the program to leave it.
    pub(crate) fn is_to_leave(&self) -> bool {
        self.demands.leaves
    }

    /// Execution has come here.
    pub(crate) fn forget_to_leave(&mut self) {
        self.demands.leaves = false;
    }
}
