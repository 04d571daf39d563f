//! The executor: one app thread's runtime on one node. Every trap of the program ends up here.
//!
//! At home it runs the program from the start and, while the program executes elsewhere, is the *deputy*: it carries
//! out forwarded system calls and serves pages. On a peer the same structure is the worker.

mod counters;
mod end;
mod fence;
mod guest;
mod page_fault;
mod self_exe;
pub(crate) mod signals;
mod system_call;
mod transfer;

pub use end::fail;
pub(crate) use system_call::Done;

use std::ffi::CString;
use std::time::{Duration, Instant};

use eos_pager::pager::Pager;
use eos_policy::threshold::JumpThreshold;
use eos_policy::torture::Torture;
use eos_verbs::NodeId;

use crate::cluster::watchdog::Watchdog;
use crate::forward::Staging;
use crate::memory::Brk;
use crate::own_fds::OwnFds;
use crate::signals::{Actions, ThreadSignals};
use crate::traps::context::Frame;
use eos_pager::histogram::Histogram;

/// One trap, as the assembly handed it over.
pub struct Trap<'a> {
    /// The signal that carried it.
    pub signal: libc::c_int,
    /// What the kernel says about it.
    pub info: &'a mut libc::siginfo_t,
    /// The faulting address, where there is one.
    pub address: u64,
    /// The program's registers.
    pub frame: Frame<'a>,
    /// The program's fs base.
    pub app_fs: &'a mut u64,
}

/// How a trap handler wants to go on.
pub enum Next {
    /// Return to the program.
    Resume,
    /// Execution moves to this node.
    Jump(NodeId),
}

/// What the executor counts beside the pager.
#[derive(Debug, Default)]
pub struct Tally {
    /// Jumps that left this node.
    pub jumps: u64,
    /// System calls that this node, executing, had home carry out.
    pub forwarded: u64,
    /// Time of jumps that arrived here, as far as clocks can be compared.
    pub jump_latency: Histogram,
}

/// What is done with the statistics of a run.
pub type Report = Box<dyn FnOnce(&crate::stats::RunStats)>;

/// What only home has: the program's identity, and who wants to know how it ended.
pub struct Home {
    /// What `/proc/self/exe` tells the program.
    pub exe: CString,
    /// When the program's first instruction ran.
    pub started: Instant,
    /// Watches the peers until the run ends; none without peers.
    pub watchdog: Option<Watchdog>,
    /// Why the link to each peer has its transport; the first is node 1's.
    pub transport_reasons: Vec<String>,
    /// Called once with the statistics before the process ends.
    pub report: Option<Report>,
}

/// The state of one app thread's runtime.
pub struct Executor {
    /// Pages.
    pub pager: Pager,
    /// The heap that brk(2) moves.
    pub brk: Brk,
    /// The program's signal dispositions; true at home only.
    pub actions: Actions,
    /// The program's signal mask and alternate stack.
    pub thread: ThreadSignals,
    /// Signals for which the program has a handler, as a kernel set.
    pub handled: u64,
    /// Signals that came while the runtime was at work.
    pub pending: Vec<libc::siginfo_t>,
    /// When to jump instead of pulling.
    pub threshold: JumpThreshold,
    /// Random evictions and jumps, for tests.
    pub torture: Option<Torture>,
    /// Traps so far, on all nodes: the torture's clock.
    pub events: u64,
    /// Instruction at which execution arrived by the last jump, and faults since.
    pub arrival: Arrival,
    /// Counts.
    pub tally: Tally,
    /// Present at home.
    pub home: Option<Home>,
    /// The runtime's descriptors at home, out of the program's reach.
    pub own_fds: OwnFds,
    /// Where forwarded calls are staged.
    pub staging: Staging,
    /// Nanoseconds to add to a node's clock to get this node's, indexed by node id.
    pub clock_offsets: [i64; eos_verbs::MAX_NODES],
    /// The message being handled.
    pub message: Vec<u8>,
    /// The message being built.
    pub outbox: Vec<u8>,
    /// Pages that go along with a jump.
    pub hot_bytes: Vec<u8>,
    /// Say more on standard error.
    pub verbose: bool,
    /// Calls refused so far, so that each is named once.
    pub refused: Vec<u64>,
}

/// How execution came to this node: guards against two nodes throwing one instruction back and forth for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// The first instruction that trapped here.
    pub rip: Option<u64>,
    /// Whether another instruction has trapped since, which proves progress.
    pub progress: bool,
    /// Traps since.
    pub traps: u32,
    /// When, by this node's clock in nanoseconds.
    pub at: i64,
    /// Time that this node had spent on pulls by then.
    pub pull_time: Duration,
}

/// One instruction touches at most this many pages (a gather of 16, plus code and stack).
const PAGES_OF_AN_INSTRUCTION: u32 = 24;

impl Arrival {
    /// Notes a trap at `rip` and says whether execution may leave again.
    pub fn may_leave(&mut self, rip: u64) -> bool {
        self.traps = self.traps.saturating_add(1);
        match self.rip {
            None => self.rip = Some(rip),
            Some(first) if first != rip => self.progress = true,
            Some(_) => {}
        }
        self.progress || self.traps > PAGES_OF_AN_INSTRUCTION
    }
}

impl Executor {
    /// An executor that has not run anything yet.
    pub fn new(pager: Pager, terms: &crate::worker::Terms) -> Self {
        Self {
            pager,
            brk: Brk::default(),
            actions: Actions::new(0),
            thread: ThreadSignals::new(0),
            handled: 0,
            pending: Vec::with_capacity(64),
            threshold: terms.jump_threshold(),
            torture: None,
            events: 0,
            arrival: Arrival::default(),
            tally: Tally::default(),
            home: None,
            own_fds: OwnFds::default(),
            staging: Staging::new(),
            clock_offsets: [0; eos_verbs::MAX_NODES],
            message: Vec::new(),
            outbox: Vec::with_capacity(64 << 10),
            hot_bytes: Vec::with_capacity(32 << 10),
            verbose: terms.verbose,
            refused: Vec::new(),
        }
    }

    /// Handles one trap and returns when the program may go on here.
    pub fn on_trap(&mut self, mut trap: Trap<'_>) {
        if self.parks_by(trap.signal) {
            return self.park(&mut trap);
        }
        let sent = trap.info.si_code <= 0;
        let next = match trap.signal {
            _ if sent => self.on_signal(&mut trap),
            libc::SIGSYS => self.on_system_call(&mut trap),
            libc::SIGBUS => self.on_page_fault(&mut trap),
            _ => self.on_signal(&mut trap),
        };
        let outcome = match next {
            Ok(Next::Resume) => Ok(()),
            Ok(Next::Jump(node)) => self.jump(node, &mut trap),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            self.fail(&error);
        }
    }

    /// Whether this signal is a worker's first trap. At home it is the program's own.
    pub(crate) fn parks_by(&self, signal: libc::c_int) -> bool {
        signal == crate::jump::PARK && !self.at_home()
    }

    /// Whether this node is where the program belongs.
    pub fn at_home(&self) -> bool {
        self.pager.me == NodeId::HOME
    }
}
