//! The executor: the program's process on one node. Every trap of the program ends up here, under the lock of the [`House`].
//!
//! At home it runs the program from the start and, while the program executes elsewhere, is the *deputy*: it carries
//! out forwarded system calls and serves pages. On a peer the same structure is the worker.

mod advice;
mod arrival;
mod counters;
mod end;
mod fence;
mod futexes;
mod guest;
mod house;
mod own_memory;
mod own_proc;
mod page_fault;
mod plain;
mod self_exe;
pub(crate) mod signals;
mod system_call;
mod together;
mod transfer;

pub use arrival::Arrival;
pub use end::fail;
pub use house::House;
pub(crate) use house::{change_mask, with_kernel_mask};
pub use plain::Work;
pub(crate) use self_exe::is_own_exe;
pub(crate) use system_call::Done;

use std::ffi::CString;
use std::sync::Arc;
use std::time::Instant;

use eos_pager::error::PagerError;
use eos_pager::pager::Pager;
use eos_policy::advisor::Advisor;
use eos_policy::torture::Torture;
use eos_verbs::NodeId;

use crate::RunError;
use crate::compress::Compress;
use crate::config::RunOptions;
use crate::demand::Demands;
use crate::forward::Staging;
use crate::give_back::GivesBack;
use crate::jump::recall::{self, Recall};
use crate::keepers::Kept;
use crate::memory::{Attached, Brk};
use crate::newcomers::Acquaintance;
use crate::own_fds::OwnFds;
use crate::peers::Alarms;
use crate::proc_view::numbers::Resident;
use crate::process::{Ready, Title};
use crate::record::Recording;
use crate::signals::Actions;
use crate::threads::crew::Crew;
use crate::threads::{Birth, Hosted};
use crate::traps::context::Frame;
use crate::traps::is_stop;
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
    /// The thread that has trapped.
    pub thread: &'a mut Hosted,
}

/// How a trap handler wants to go on.
pub enum Next {
    /// Return to the program.
    Resume,
    /// Execution moves to this node.
    Jump(NodeId),
    /// On a peer: this thread goes home without the others, to sleep in this call.
    Alone(Vec<u8>),
    /// The kernel carries out a call, which may take long.
    Kernel(Work),
    /// The program's first thread has ended, and others go on.
    Retire,
    /// The process becomes another program.
    Exec(Box<Ready>),
    /// A child borrows this process's memory until it ends or becomes another program.
    Vfork(Birth),
    /// Such a child ends.
    EndGuest(i32),
}

/// What the executor counts beside the pager.
#[derive(Debug, Default)]
pub struct Tally {
    /// Jumps that left this node.
    pub jumps: u64,
    /// System calls that this node, executing, had home carry out.
    pub forwarded: u64,
    /// Threads that went home from this node alone.
    pub sleepers: u64,
    /// Time of jumps that arrived here, as far as clocks can be compared.
    pub jump_latency: Histogram,
}

/// What is done with the statistics of a run.
pub use crate::config::Report;

/// What only home has: the program's identity, and who wants to know how it ended.
pub struct Home {
    /// What `/proc/self/exe` tells the program.
    pub exe: CString,
    /// What others find out about the process; none where the kernel refused to say it.
    pub title: Option<Title>,
    /// What the process had in memory before the program was mapped.
    pub before: Resident,
    /// What the run was started with, for programs that this one executes.
    pub options: RunOptions,
    /// When the program's first instruction ran.
    pub started: Instant,
    /// What is known of the peers since they have joined; empty without peers.
    pub alarms: Arc<Alarms>,
    /// Called once with the statistics before the process ends.
    pub report: Option<Report>,
    /// Where the run is recorded.
    pub recording: Option<Recording>,
}

/// The state of the program's process on one node: what all its threads share.
pub struct Executor {
    /// Pages.
    pub pager: Pager,
    /// The heap that brk(2) moves.
    pub brk: Brk,
    /// Shared memory of System V.
    pub attached: Attached,
    /// The program's signal dispositions; true at home only.
    pub actions: Actions,
    /// Threads of the program, wherever they are; a guest counts as one.
    pub threads: u32,
    /// Those that are hosted here.
    pub(crate) crew: Crew,
    /// The status with which the program's first thread has ended, if it has: the process ends with it when all have.
    pub first_thread_status: Option<i32>,
    /// When to jump instead of pulling.
    pub advisor: Advisor,
    /// The jump under way was advised by it.
    pub advised: bool,
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
    /// At home: the program may have opened its own memory as a file.
    memory_opened: bool,
    /// At home: it may have opened a folder of its own process.
    proc_opened: bool,
    /// The runtime's descriptors at home, out of the program's reach.
    pub own_fds: OwnFds,
    /// On a peer: the last call home that was answered before execution came.
    pub recalls_answered: u64,
    /// At home, with several threads: the last call home before this departure.
    pub(crate) said_at_departure: u64,
    /// With several threads: by how much home's CLOCK_REALTIME was ahead of its CLOCK_MONOTONIC when they left, in nanoseconds.
    pub(crate) realtime_ahead: i64,
    /// Nodes whose descriptors are among them.
    nodes_known: usize,
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
    /// A thread of the runtime moves pages out while the program runs ([`crate::governor`]).
    pub governed: bool,
    /// Whether the threads beside the program are there.
    pub(crate) kept: Kept,
    /// What peers get back while the program executes here.
    pub(crate) gives_back: GivesBack,
    /// What peers want back.
    pub(crate) demands: Demands,
    /// On a peer: what it needs to meet newcomers.
    pub(crate) acquaintance: Option<Acquaintance>,
    /// Whether execution ever leaves home.
    pub(crate) jumps: bool,
    /// Where pages are compressed.
    pub(crate) compress: Compress,
    /// Say more on standard error.
    pub verbose: bool,
    /// Calls refused so far, so that each is named once.
    pub refused: Vec<u64>,
}

impl Executor {
    /// An executor that has not run anything yet.
    pub fn new(mut pager: Pager, terms: &crate::worker::Terms) -> Self {
        pager.set_prefetch(terms.prefetch);
        Self {
            brk: Brk::default(),
            attached: Attached::default(),
            actions: Actions::new(0),
            threads: 1,
            crew: Crew::default(),
            first_thread_status: None,
            advisor: crate::worker::advisor(terms.jump),
            advised: false,
            torture: None,
            events: 0,
            arrival: Arrival::default(),
            tally: Tally::default(),
            home: None,
            memory_opened: false,
            proc_opened: false,
            own_fds: OwnFds::default(),
            recalls_answered: 0,
            said_at_departure: 0,
            realtime_ahead: 0,
            nodes_known: pager.nodes.len(),
            pager,
            staging: Staging::new(),
            clock_offsets: [0; eos_verbs::MAX_NODES],
            message: Vec::new(),
            outbox: Vec::with_capacity(64 << 10),
            hot_bytes: Vec::with_capacity(32 << 10),
            governed: false,
            kept: Kept::Yes,
            gives_back: GivesBack::default(),
            demands: Demands::new(terms.peers_ask),
            acquaintance: None,
            jumps: terms.jumps(),
            compress: terms.compress,
            verbose: terms.verbose,
            refused: Vec::new(),
        }
    }

    /// Handles one trap, up to where execution goes on.
    pub(crate) fn on_trap(&mut self, trap: &mut Trap<'_>) -> Result<Next, RunError> {
        if self.crew.is_stopping() && self.puts_off(trap) {
            return Ok(Next::Resume);
        }
        match self.answer(trap) {
            Err(RunError::Pager(PagerError::Held)) => {
                self.pager.unpin(trap.thread.id);
                if trap.signal == libc::SIGSYS {
                    let number = trap.frame.get(libc::REG_RAX);
                    trap.frame.rewind_syscall(number);
                }
                Ok(Next::Jump(NodeId::HOME))
            }
            next => next,
        }
    }

    fn answer(&mut self, trap: &mut Trap<'_>) -> Result<Next, RunError> {
        if is_stop(trap.signal, trap.info) {
            return Ok(Next::Resume);
        }
        if self.parks_by(trap.signal) {
            return self.park(trap).map(|()| Next::Resume);
        }
        if trap.signal == recall::KICK && !self.at_home() {
            let wanted = recall::heard() > self.recalls_answered || self.is_to_leave();
            return Ok(if wanted { Next::Jump(NodeId::HOME) } else { Next::Resume });
        }
        self.record()?;
        let sent = trap.info.si_code <= 0;
        match trap.signal {
            _ if sent => self.on_signal(trap),
            libc::SIGSYS => self.on_system_call(trap),
            libc::SIGBUS => self.on_page_fault(trap),
            _ => self.on_signal(trap),
        }
    }

    /// If peers have joined in this trap, their descriptors are the runtime's from now on.
    pub(crate) fn note_late_peers(&mut self, recall: &Recall) {
        if self.nodes_known == self.pager.nodes.len() {
            return;
        }
        self.set_doors(recall);
        self.nodes_known = self.pager.nodes.len();
        let late = self.home.as_ref().and_then(|home| home.alarms.lock().late_fds.take());
        self.own_fds.extend(late.unwrap_or_default());
    }

    /// Tells where execution can be called home from.
    pub(crate) fn set_doors(&self, recall: &Recall) {
        if let Some(home) = &self.home {
            recall.set_doors(&home.alarms.lock().doors);
        }
    }

    /// In a forked child: the peers were the parent's.
    pub(crate) fn forget_peers(&mut self) {
        self.nodes_known = 1;
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
