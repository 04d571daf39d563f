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
        let may_leave = self.arrival.may_leave(trap.frame.rip());
        if let Some(node) = self.torture_step(may_leave)? {
            return Ok(Next::Jump(node));
        }
        // A tortured run jumps when its seed says so and never else, so that the same seed does the same again.
        if self.torture.is_none()
            && let Some(node) = self.pager.would_pull_from(page)
            && let Some(target) = self.threshold.on_pull(node.0)
            && may_leave
            && self.pager.nodes[usize::from(target)].executes
        {
            return Ok(Next::Jump(NodeId(target)));
        }
        match self.pager.fault(page, trap.frame.fault_is_write())? {
            Fault::Resolved => Ok(Next::Resume),
            Fault::NotOurs => self.on_signal(trap),
        }
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
