//! One run, from its options to the program's own end.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use eos_pager::error::PagerError;
use eos_pager::page::PAGE_SIZE;
use eos_pager::pager::{NodeBook, Pager, PagerSetup};
use eos_pager::table::PageTable;
use eos_policy::torture::Torture;
use eos_verbs::{NodeId, PAGE, Region};

use crate::cluster::ClusterError;
use crate::cluster::stretch::{Cluster, ConnectOptions};
use crate::cluster::watchdog::Watchdog;
use crate::config::{JumpRule, PeerChoice, RunConfig};
use crate::executor::{Executor, Home, fail};
use crate::load::{self, LoadError};
use crate::memory::Brk;
use crate::say::say;
use crate::signals::{Actions, ThreadSignals};
use crate::worker::{RING_SLACK, Task, Terms};
use crate::{memory, traps};

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
    let program = load::resolve(&config.program, path.as_deref())?;
    let argv: Vec<OsString> = std::iter::once(config.program.clone()).chain(config.arguments.iter().cloned()).collect();
    let plan = load::plan(&program, argv, memory::INTERP_BASE)?;
    if config.verbose {
        plan.warnings.iter().for_each(|warning| say(format_args!("{warning}")));
    }
    let terms = Terms {
        home_pages: (config.memory_bytes / PAGE_SIZE).max(MEMORY_PAGES_MIN),
        threshold: match config.jump {
            JumpRule::Never => None,
            JumpRule::After(pulls) | JumpRule::Damped(pulls) => Some(pulls),
        },
        damped: matches!(config.jump, JumpRule::Damped(_)),
        torture: config.torture,
        verbose: config.verbose,
    };
    let payload = postcard::to_stdvec(&Task::Run(terms.clone()))
        .map_err(|_| RunError::Internal("the terms of the run could not be encoded"))?;
    let region = Region::new(usize::try_from(terms.home_pages).unwrap_or(usize::MAX / PAGE).saturating_mul(PAGE))?;
    let options = ConnectOptions {
        key: config.key.clone(),
        transport: config.transport,
        region: region.clone(),
        payload,
        worker_exe: None,
    };
    // A limit of address space is told here, and not by peers on this host that meet it too.
    drop(PageTable::new().map_err(PagerError::Table)?);
    let cluster = join_peers(&config, &options)?;
    if config.verbose {
        cluster.iter().flat_map(Cluster::describe).for_each(|line| say(format_args!("{line}")));
    }
    let transport_reasons =
        cluster.iter().flat_map(|cluster| &cluster.peers).map(|peer| peer.transport_reason.clone()).collect();
    let (executor, watchdog) = prepare(cluster, region, &terms)?;
    executor.home = Some(Home {
        exe: CString::new(plan.exe.as_os_str().as_bytes()).unwrap_or_default(),
        started: Instant::now(),
        watchdog,
        transport_reasons,
        report: config.report.take().map(|report| Box::new(report) as crate::executor::Report),
    });
    start(executor, &plan, config)
}

/// Least budget: the runtime needs room for the buffers of one system call.
const MEMORY_PAGES_MIN: u64 = 256;

/// Builds the executor of the home node.
fn prepare(
    cluster: Option<Cluster>,
    region: std::sync::Arc<Region>,
    terms: &Terms,
) -> Result<(&'static mut Executor, Option<Watchdog>), RunError> {
    let mut nodes = vec![NodeBook {
        name: "home".to_owned(),
        executes: terms.jumps(),
        resident: 0,
        limit: terms.home_pages,
        exhausted: true,
    }];
    let mut links = vec![None];
    let mut watchdog = None;
    if let Some(mut cluster) = cluster {
        nodes.extend(cluster.peers.iter().map(|peer| NodeBook {
            name: peer.name.clone(),
            executes: terms.jumps() && !peer.memory_only(),
            resident: 0,
            limit: 0,
            exhausted: false,
        }));
        let lost = |name: &str| {
            fail(&format!("lost {name}, which held pages of the program; its process or the network to it is gone"))
        };
        let watched = cluster.watched()?;
        links = std::mem::take(&mut cluster.links);
        watchdog = Some(Watchdog::start(watched, lost).map_err(RunError::Traps)?);
        // It lives as long as the process: the daemons and children take its end for the end of the run.
        std::mem::forget(cluster);
    }
    let pager = Pager::new(PagerSetup {
        me: NodeId::HOME,
        nodes,
        links,
        region,
        take_slab: Box::new(|| 0),
        ring_pages: terms.home_pages as usize + RING_SLACK,
        elastic_from_birth: terms.torture.is_some(),
    })?;
    let executor = Box::leak(Box::new(Executor::new(pager, terms)));
    let (ignored, blocked) = inherited_signals();
    executor.actions = Actions::new(ignored);
    executor.thread = ThreadSignals::new(blocked);
    executor.torture = terms.torture.map(Torture::new);
    for node in 1..executor.pager.nodes.len() {
        executor.compare_clocks(NodeId(node as u8))?;
    }
    Ok((executor, watchdog))
}

/// The ignored and the blocked signals that this process was started with, as kernel sets (proc_pid_status(5)).
fn inherited_signals() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| u64::from_str_radix(value.trim(), 16).ok()).unwrap_or(0)
    };
    (set("SigIgn:"), set("SigBlk:"))
}

/// Maps the program and enters it.
fn start(executor: &'static mut Executor, plan: &load::Plan, config: RunConfig) -> Result<Infallible, RunError> {
    let stack = executor.map_program(plan, &config)?;
    executor.brk = Brk { start: plan.brk_start, end: plan.brk_start };
    if let Some(home) = &mut executor.home {
        home.started = Instant::now();
    }
    let entry = plan.start();
    // what the runtime keeps open has its numbers by now; the lowest free ones are the program's
    executor.own_fds = config.low_fds.release().map_err(RunError::Descriptors)?;
    traps::install(executor).map_err(RunError::Traps)?;
    traps::dispatch_system_calls().map_err(RunError::Traps)?;
    // SAFETY: the image and the stack were just mapped, and the traps are in place.
    unsafe { traps::entry::enter_app(entry, stack) }
}

/// Joins the peers that the options name.
fn join_peers(config: &RunConfig, options: &ConnectOptions) -> Result<Option<Cluster>, RunError> {
    Ok(match &config.peers {
        PeerChoice::None => None,
        PeerChoice::Hosts(hosts) => Some(Cluster::connect(hosts, options)?),
        PeerChoice::Local { count, memory_bytes } => Some(Cluster::local(*count, *memory_bytes, options)?),
    })
}
