//! What the policy of jumps is told, and asked.

use eos_pager::page::PageNumber;
use eos_pager::pager::Pager;
use eos_policy::NODES;
use eos_policy::adaptive::{Luggage, Totals, View};
use eos_policy::advisor::Advisor;
use eos_verbs::NodeId;

use super::Executor;
use crate::jump::now_ns;
use crate::say::say;

/// Pages that a node which has never refused memory is taken to have room for.
const ROOM_UNKNOWN: u64 = 1 << 36;

impl Executor {
    /// Where to jump instead of pulling `page` from `from`, if anywhere.
    pub(super) fn advise(&mut self, from: NodeId, page: PageNumber, may_leave: bool) -> Option<NodeId> {
        let pager = &self.pager;
        let asked_back = |node: &u8| pager.nodes[usize::from(*node)].owed > 0;
        let target = self.advisor.advise(|| view(pager), from.0, page.0);
        let target = target.filter(|node| may_leave && !asked_back(node));
        self.advised = target.is_some();
        target.map(NodeId)
    }

    /// How many pages had better come at once from `from`.
    pub(super) fn gathers(&self, from: NodeId) -> u32 {
        match &self.advisor {
            Advisor::Fixed(_) => 1,
            Advisor::Adaptive(adaptive) => adaptive.gathers(&self.view(), from.0),
        }
    }

    /// A fault has been served.
    pub(super) fn keep_books(&mut self) {
        if self.advisor.wants(&self.totals()) {
            let (view, totals) = (self.view(), self.totals());
            self.advisor.settle(&view, &totals);
        }
    }

    /// The program starts here.
    pub(crate) fn begin_advice(&mut self) {
        let totals = self.totals();
        self.advisor.arrive(Luggage::default(), now_ns().unsigned_abs(), 0, &totals);
    }

    /// Execution leaves; what goes along.
    pub(crate) fn leave_with_advice(&mut self) -> Luggage {
        let (view, totals) = (self.view(), self.totals());
        let advised = std::mem::take(&mut self.advised);
        let luggage = self.advisor.leave(&view, &totals, advised);
        if self.verbose {
            let why = if advised { "pulls cost more" } else { "home must do what the program asks" };
            say(format_args!("execution leaves node {}: {why}", view.me));
        }
        luggage
    }

    /// Execution has come, by a jump that took `took_ns`.
    pub(crate) fn arrive_with_advice(&mut self, luggage: Luggage, took_ns: u64) {
        let totals = self.totals();
        self.advisor.arrive(luggage, now_ns().unsigned_abs(), took_ns, &totals);
    }

    fn view(&self) -> View {
        view(&self.pager)
    }

    fn totals(&self) -> Totals {
        let counters = &self.pager.counters;
        Totals {
            pulls: counters.pulls,
            pull_ns: u64::try_from(self.pager.pull_time.as_nanos()).unwrap_or(u64::MAX),
            installs: counters.local_installs,
            pushes: counters.pushes,
        }
    }
}

/// What this node knows of all of them.
fn view(pager: &Pager) -> View {
    let mut view = View {
        me: pager.me.0,
        held: [0; NODES],
        room: [0; NODES],
        executes: pager.executing_nodes(),
        home_budget: pager.nodes[usize::from(NodeId::HOME.0)].limit,
        now_ns: now_ns().unsigned_abs(),
    };
    for (index, book) in pager.nodes.iter().enumerate() {
        let node = NodeId(index as u8);
        view.held[index] = pager.held(node);
        view.room[index] = pager.room(node);
        if book.owed > 0 {
            // Execution does not go where memory is wanted back.
            (view.room[index], view.executes) = (0, view.executes & !(1 << index));
        } else if node != NodeId::HOME && !book.exhausted {
            view.room[index] += ROOM_UNKNOWN;
        }
    }
    view
}
