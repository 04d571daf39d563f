//! One run, from its options to the program's own end.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use eos_pager::pager::{NodeBook, Pager, PagerSetup};
use eos_pager::slabs::LendsNothing;
use eos_pager::witness::Witness;
use eos_policy::budget::Budget;
use eos_policy::sim::trace::Header;
use eos_policy::torture::Torture;
use eos_verbs::NodeId;

use crate::cluster::{ClusterError, nursery};
use crate::config::{Join, RunConfig, RunOptions};
use crate::executor::{Executor, Home, House};
use crate::governor::Follows;
use crate::keepers;
use crate::load::{self, LoadError};
use crate::memory::Brk;
use crate::peers::{Alarms, Peers, Stretching};
use crate::proc_view::numbers::Resident;
use crate::process::Title;
use crate::record::Recording;
use crate::say::say;
use crate::signals::{Actions, ThreadSignals};
use crate::spare::{self, Spare};
use crate::threads::Hosted;
use crate::worker::{RING_SLACK, Terms};
use crate::{clock_page, memory, traps};

/// Exit status of our own errors, as with `timeout` and `env`.
pub const EXIT_OWN_ERROR: i32 = 125;

/// Why a program did not run to its own end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The peers could not be joined.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Memory, descriptors or threads are missing here.
    #[error(transparent)]
    Verbs(#[from] eos_verbs::VerbsError),
    /// The program cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A page is out of reach.
    #[error(transparent)]
    Pager(#[from] eos_pager::error::PagerError),
    /// Registers that arrived by a jump cannot be loaded.
    #[error(transparent)]
    Context(#[from] traps::context::ContextError),
    /// The kernel refused what traps need.
    #[error(
        "this machine cannot catch the program's system calls and faults ({0}); it needs Linux 5.11 or later on x86-64 with FSGSBASE"
    )]
    Traps(std::io::Error),
    /// What the machine can spare cannot be found out, or not be followed.
    #[error("the budget cannot follow the machine's memory ({0}); say one with --memory SIZE")]
    Governor(std::io::Error),
    /// A thread of the runtime is missing.
    #[error(
        "a thread of the runtime could not be started ({0}); raise ulimit -u, or the limit of tasks of the container"
    )]
    Keeper(std::io::Error),
    /// /proc is missing.
    #[error("the open descriptors cannot be listed ({0}); mount /proc")]
    Descriptors(std::io::Error),
    /// The program's image could not be mapped.
    #[error("the program cannot be mapped at its addresses ({0}); see ulimit -v and sysctl vm.overcommit_memory")]
    Map(std::io::Error),
    /// Another node of the run cannot go on.
    #[error("{peer} cannot go on: {text}")]
    Peer {
        /// Which.
        peer: String,
        /// What it says.
        text: String,
    },
    /// A peer cannot host one more thread.
    #[error(
        "a thread of the program could not be hosted on this node ({0}); raise ulimit -u, or the limit of tasks of its container"
    )]
    Thread(std::io::Error),
    /// The kernel refused to execute what was found to be executable.
    #[error("{} could not be executed any more: {source}", path.display())]
    Exec {
        /// The program.
        path: std::path::PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A forked child has lost its parent before it had its memory.
    #[error("a child process could not take its parent's pages over ({0}); the parent ended too early")]
    Inherit(std::io::Error),
    /// Not an error: the program dies of a signal, as it would natively.
    #[error("the program was killed by signal {0}")]
    Killed(i32),
    /// The trace cannot be written.
    #[error("cannot write {}: {source}; choose another file for --record", path.display())]
    Record {
        /// The file.
        path: std::path::PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A bug, or two versions that met.
    #[error("{0}")]
    Internal(&'static str),
}

impl RunError {
    /// The status the process ends with because of this error.
    pub fn exit_status(&self) -> i32 {
        match self {
            Self::Load(error) => error.exit_status(),
            _ => EXIT_OWN_ERROR,
        }
    }
}

/// Runs a program and ends this process as the program ends; returns only with an error of our own.
///
/// Call it on the main thread, with no other thread alive.
///
/// # Errors
/// The program could not be started. Once it runs, errors end the process with [`EXIT_OWN_ERROR`].
pub fn run(mut config: RunConfig) -> Result<Infallible, RunError> {
    let path = std::env::var_os("PATH");
    let program = load::resolve(&config.command.program, path.as_deref())?;
    let plan = load::plan(&program, config.command.argv.clone(), memory::INTERP_BASE)?;
    if config.options.verbose {
        plan.warnings.iter().for_each(|warning| say(format_args!("{warning}")));
    }
    let follows = follows(&config.options)?;
    if let Some(follows) = &follows {
        config.options.memory_bytes = follows.budget.bytes();
    }
    let terms = Terms { recorded: config.recording.is_some(), ..Terms::of(&config.options) };
    let stretching = Stretching::new(&config.options, &terms)?;
    let peers = match config.join {
        Join::AtStart => stretching.join_peers()?,
        Join::OnNeed => Peers::default(),
    };
    let (mut executor, alarms) = prepare(peers, &stretching, &terms)?;
    executor.torture = terms.torture.map(Torture::new);
    let mut recording = config.recording.take();
    if let Some(recording) = &mut recording {
        begin_record(&mut executor, recording, &config, &terms)?;
    }
    executor.home = Some(Home {
        exe: CString::new(plan.exe.as_os_str().as_bytes()).unwrap_or_default(),
        title: None,
        before: Resident::default(),
        options: config.options.clone(),
        started: Instant::now(),
        alarms,
        report: config.report.take(),
        recording,
    });
    // Under torture pages leave from the first fault on, so that there is nothing to put off.
    if config.join == Join::OnNeed {
        stretching.put_off(&mut executor)?;
    }
    executor.governed = follows.is_some();
    start(executor, &plan, config, follows)
}

/// Writes the header of the trace, and has the pager see from now on.
fn begin_record(
    executor: &mut Executor,
    recording: &mut Recording,
    config: &RunConfig,
    terms: &Terms,
) -> Result<(), RunError> {
    let words = config.command.argv.iter().map(|word| word.to_string_lossy());
    let header = Header {
        budget_pages: terms.home_pages,
        nodes: executor.pager.nodes.len() as u32,
        command: words.collect::<Vec<_>>().join(" "),
    };
    recording.begin(&header).map_err(|source| RunError::Record { path: recording.path.clone(), source })?;
    executor.pager.set_witness(Witness::new());
    Ok(())
}

/// Builds the executor of the home node.
fn prepare(peers: Peers, stretching: &Stretching, terms: &Terms) -> Result<(Executor, Arc<Alarms>), RunError> {
    let mut pager = Pager::new(PagerSetup {
        me: NodeId::HOME,
        nodes: vec![NodeBook {
            name: "home".to_owned(),
            executes: terms.jumps(),
            resident: 0,
            limit: terms.home_pages,
            exhausted: true,
            slab: 0,
            owed: 0,
        }],
        links: vec![None],
        region: stretching.region(),
        lender: Box::new(LendsNothing),
        ring_pages: terms.home_pages_most as usize + RING_SLACK,
        elastic_from_birth: terms.torture.is_some(),
    })?;
    let alarms = Arc::new(Alarms::default());
    peers.enter(&mut pager, &alarms)?;
    let mut executor = Executor::new(pager, terms);
    executor.actions = Actions::new(inherited_signals("SigIgn:"));
    Ok((executor, alarms))
}

/// The ignored (`SigIgn:`) or the blocked (`SigBlk:`) signals that this process was started with, as a kernel set
/// (proc_pid_status(5)).
fn inherited_signals(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| u64::from_str_radix(value.trim(), 16).ok()).unwrap_or(0)
}

/// Maps the program and enters it.
fn start(
    mut executor: Executor,
    plan: &load::Plan,
    config: RunConfig,
    follows: Option<Follows>,
) -> Result<Infallible, RunError> {
    let before = Resident::of_status(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let stack = executor.map_program(plan, &config)?;
    executor.brk = Brk { start: plan.brk_start, end: plan.brk_start };
    let _ = rustix::thread::set_name(&name_of(plan));
    if let Some(home) = &mut executor.home {
        home.started = Instant::now();
        home.before = before;
        // Where the kernel refuses, others see the runtime's arguments.
        home.title = Title::show(plan, &stack).ok();
    }
    // SAFETY: the program's memory ends below.
    unsafe { clock_page::map(true) }.map_err(RunError::Map)?;
    let (entry, stack_pointer) = (plan.start(), stack.sp);
    drop(stack);
    // what the runtime keeps open has its numbers by now; the lowest free ones are the program's
    executor.own_fds = config.low_fds.release().map_err(RunError::Descriptors)?;
    executor.own_fds.extend(nursery::kept());
    executor.begin_advice();
    let house = Box::leak(Box::new(House::new(executor)));
    let thread = Box::leak(Box::new(Hosted::first(house, ThreadSignals::new(inherited_signals("SigBlk:")))));
    house.enter().crew.add(thread.id, Some(thread.id), thread.orders());
    keepers::start(house, &mut house.enter(), follows)?;
    traps::install(thread).map_err(RunError::Traps)?;
    traps::dispatch_system_calls().map_err(RunError::Traps)?;
    // SAFETY: the image and the stack were just mapped, and the traps are in place.
    unsafe { traps::entry::enter_app(entry, stack_pointer) }
}

/// What makes the budget follow the machine, where the options say so.
fn follows(options: &RunOptions) -> Result<Option<Follows>, RunError> {
    let Some(most) = options.memory_most_bytes else {
        return Ok(None);
    };
    let spare = Spare::open().map_err(RunError::Governor)?;
    let facts = spare.read().map_err(RunError::Governor)?;
    let budget = Budget::new(BUDGET_MIN.min(most), most, spare::reserve(most), &facts);
    Ok(Some(Follows { spare, budget }))
}

/// A budget that follows the machine does not fall below this: the program would do nothing but wait for pages.
const BUDGET_MIN: u64 = 16 << 20;

/// What execve(2) calls the process: the last part of the path, of which the kernel keeps 15 bytes.
fn name_of(plan: &load::Plan) -> CString {
    let name = Path::new(&plan.execfn).file_name().unwrap_or_default();
    CString::new(name.as_bytes()).unwrap_or_default()
}
