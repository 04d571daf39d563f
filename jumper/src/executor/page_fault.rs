//! Faults: pages that are elsewhere, and errors of the program itself.

use eos_pager::fault::Fault;
use eos_pager::page::{APP_END, PageNumber};
use eos_verbs::NodeId;

use super::{Executor, Next, Trap};
use crate::RunError;
use crate::gateway::GuestMemory;

impl Executor {
    /// SIGBUS: a page that is missing or write-protected, or an error of the program.
    pub(super) fn on_page_fault(&mut self, trap: &mut Trap<'_>) -> Result<Next, RunError> {
        if trap.address >= APP_END {
            return self.on_signal(trap);
        }
        let page = PageNumber::from_addr(trap.address);
        let may_leave = self.may_leave(trap);
        if let Some(node) = self.torture_step(may_leave)? {
            return Ok(Next::Jump(node));
        }
        let from = self.pager.would_pull_from(page);
        // A tortured run jumps when its seed says so and never else, so that the same seed does the same again.
        if self.torture.is_none()
            && let Some(node) = from
            && let Some(target) = self.advise(node, page, may_leave)
        {
            return Ok(Next::Jump(target));
        }
        self.pager.asks(trap.thread.id, self.most_along(from));
        if let Some(node) = from.filter(|_| self.torture.is_none()) {
            self.pager.gather(self.gathers(node));
        }
        let outcome = self.pager.fault(page, trap.frame.fault_is_write())?;
        let along = self.pager.take_along();
        if let Some(node) = from {
            self.advisor.on_more(node.0, u32::try_from(along).unwrap_or(u32::MAX));
        }
        self.keep_books();
        match outcome {
            Fault::Resolved => Ok(Next::Resume),
            Fault::NotOurs => self.on_signal(trap),
        }
    }

    /// How many pages may come along with one from this node: as many as are pulled before execution goes there.
    fn most_along(&self, from: Option<NodeId>) -> u64 {
        let may_follow = |node: &NodeId| self.torture.is_none() && self.pager.nodes[node.index()].executes;
        from.filter(may_follow).and_then(|node| self.advisor.left(node.0)).map_or(u64::MAX, u64::from)
    }

    /// Whether execution may leave this node now, because of this trap. Of several threads each has to get on before it may make
    /// all of them leave.
    pub(super) fn may_leave(&mut self, trap: &mut Trap<'_>) -> bool {
        let registers = trap.frame.fingerprint();
        if self.threads == 1 {
            return self.arrival.may_leave(registers);
        }
        trap.thread.arrival.may_leave(registers) && !trap.thread.is_guest() && self.crew.may_move()
    }

    /// A random eviction or jump, if this run is tortured. Returns where to jump.
    pub(super) fn torture_step(&mut self, may_leave: bool) -> Result<Option<NodeId>, RunError> {
        self.events += 1;
        let Some(torture) = &self.torture else {
            return Ok(None);
        };
        let decision = torture.decide(self.events, self.pager.me.0, self.pager.executing_nodes());
        if decision.evict_pages > 0 {
            self.pager.evict(decision.evict_pages as usize)?;
        }
        Ok(decision.jump.filter(|_| may_leave).map(NodeId))
    }

    /// A fault or signal that is the program's own. On a peer the program goes home first: the instruction is tried
    /// again there, and what it deserves happens where its signal handlers and its parent are.
    pub(super) fn on_signal(&mut self, trap: &mut Trap<'_>) -> Result<Next, RunError> {
        if !self.at_home() {
            if trap.signal == libc::SIGTRAP {
                self.rewind_breakpoint(trap)?;
            }
            return Ok(Next::Jump(NodeId::HOME));
        }
        if trap.signal == libc::SIGSEGV && self.grow_down(trap.address)? {
            return Ok(Next::Resume);
        }
        let sent = trap.info.si_code <= 0;
        if sent && trap.thread.holds(trap.info) {
            return Ok(Next::Resume);
        }
        self.deliver(trap)?;
        Ok(Next::Resume)
    }

    /// `int3` is the one instruction whose trap comes after it: it is made to come again, at home.
    fn rewind_breakpoint(&mut self, trap: &mut Trap<'_>) -> Result<(), RunError> {
        const INT3: u8 = 0xcc;
        let at = trap.frame.rip() - 1;
        let mut code = [0];
        let read = self.with_guest(|guest| guest.read(at, &mut code))?;
        if read.is_ok() && code == [INT3] {
            trap.frame.set(libc::REG_RIP, at);
        }
        Ok(())
    }
}
