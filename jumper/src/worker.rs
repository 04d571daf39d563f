//! A worker: the process on a peer that lends its memory to one run and executes the program when it jumps there.

use std::sync::Arc;

use eos_pager::page::PAGE_SIZE;
use eos_pager::pager::{NodeBook, Pager, PagerSetup};
use eos_policy::advisor::Advisor;
use eos_policy::threshold::JumpThreshold;
use eos_policy::torture::Torture;
use eos_verbs::NodeId;
use serde::{Deserialize, Serialize};

use crate::cluster::lender::RegionLender;
use crate::cluster::worker_entry::WorkerStart;
use crate::compress::Compress;
use crate::config::{JumpRule, PeerChoice, RunOptions};
use crate::executor::{Executor, House, fail};
use crate::governor::Governor;
use crate::jump::recall::KICK;
use crate::jump::{PARK, listen_for};
use crate::newcomers::Acquaintance;
use crate::signals::ThreadSignals;
use crate::threads::Hosted;
use crate::{RunError, clock_page, record, traps, wire_bench};

/// What a worker is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Task {
    /// A node of a program's run.
    Run(Terms),
    /// The other end of measurements: [`crate::wire_bench`].
    Echo,
}

/// What home tells every worker of a run at the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Terms {
    /// Home's budget in pages, to begin with.
    pub home_pages: u64,
    /// What it may become.
    pub home_pages_most: u64,
    /// When execution jumps.
    pub jump: JumpRule,
    /// Whether pages come along with others.
    pub prefetch: bool,
    /// Where pages are compressed on tcp links; not [`Compress::Auto`] under torture, which does nothing by the clock.
    pub compress: Compress,
    /// Seed of the torture.
    pub torture: Option<u64>,
    /// Whether the run is recorded.
    pub recorded: bool,
    /// Whether peers may ask for their memory: those on other machines, and nobody under torture, which does nothing by the clock.
    pub peers_ask: bool,
    /// Say more on standard error.
    pub verbose: bool,
}

/// Least budget of home, in pages: the runtime needs room for the buffers of one system call.
const HOME_PAGES_MIN: u64 = 256;

impl Terms {
    /// The terms that follow from a run's options.
    pub fn of(options: &RunOptions) -> Self {
        let home_pages = (options.memory_bytes / PAGE_SIZE).max(HOME_PAGES_MIN);
        Self {
            home_pages,
            home_pages_most: options.memory_most_bytes.map_or(home_pages, |most| (most / PAGE_SIZE).max(home_pages)),
            jump: options.jump,
            prefetch: options.prefetch,
            compress: match options.compress {
                Compress::Auto if options.torture.is_some() => Compress::Off,
                asked => asked,
            },
            torture: options.torture,
            recorded: false,
            peers_ask: matches!(options.peers, PeerChoice::Hosts(_)) && options.torture.is_none(),
            verbose: options.verbose,
        }
    }

    /// Whether execution ever leaves home.
    pub fn jumps(&self) -> bool {
        self.jump != JumpRule::Never
    }
}

/// A rule as policy has it.
pub fn advisor(rule: JumpRule) -> Advisor {
    match rule {
        JumpRule::Never => Advisor::Fixed(JumpThreshold::never()),
        JumpRule::After(pulls) => Advisor::Fixed(JumpThreshold::after(pulls)),
        JumpRule::Auto => Advisor::Adaptive(Box::default()),
    }
}

/// Serves one run until it ends. Ends the process.
pub fn run(start: WorkerStart) -> ! {
    let task = postcard::from_bytes(&start.setup_payload)
        .map_err(|_| RunError::Internal("home's terms make no sense; all nodes must run the same version"));
    let outcome = task.and_then(|task| match task {
        Task::Run(terms) => serve(start, terms),
        Task::Echo => wire_bench::serve(start),
    });
    match outcome {
        Ok(never) => match never {},
        Err(error) => fail(&error.to_string()),
    }
}

fn serve(mut start: WorkerStart, terms: Terms) -> Result<std::convert::Infallible, RunError> {
    let nodes = start.nodes.iter().enumerate().map(|(node, info)| NodeBook {
        name: info.name.clone(),
        executes: terms.jumps() && !info.memory_only,
        resident: 0,
        limit: if node == NodeId::HOME.0 as usize { terms.home_pages } else { 0 },
        exhausted: false,
        slab: 0,
        owed: 0,
    });
    start.links.iter_mut().flatten().for_each(|link| terms.compress.apply(link.as_mut()));
    let limit_pages = start.lease.limit_bytes() / PAGE_SIZE;
    let region = Arc::clone(&start.region);
    let (compress, jumps) = (terms.compress, terms.jumps());
    let acquaintance = Acquaintance { caller: start.caller, region, compress, jumps, met: None };
    let pager = Pager::new(PagerSetup {
        me: start.me,
        nodes: nodes.collect(),
        links: start.links,
        lender: Box::new(RegionLender::new(start.lease, Arc::clone(&start.region))),
        region: start.region,
        ring_pages: limit_pages as usize + RING_SLACK,
        elastic_from_birth: true,
    })?;
    // The watchdog ends this process when home is gone; it must outlive this function.
    std::mem::forget(start.watchdog);
    // SAFETY: nothing of the program is mapped yet.
    unsafe { clock_page::map(false) }.map_err(RunError::Map)?;
    let mut executor = Executor::new(pager, &terms);
    record::witness(terms.recorded).into_iter().for_each(|witness| executor.pager.set_witness(witness));
    executor.torture = terms.torture.map(Torture::new);
    executor.acquaintance = Some(acquaintance);
    let house = Box::leak(Box::new(House::new(executor)));
    let thread = Box::leak(Box::new(Hosted::first(house, ThreadSignals::new(0))));
    thread.parks = true;
    house.enter().crew.add(thread.id, None, thread.orders());
    listen_for(thread.id);
    if terms.torture.is_none() {
        Governor::new(None, false).start(house, &mut house.enter()).map_err(RunError::Keeper)?;
    }
    traps::install(thread).map_err(RunError::Traps)?;
    // A call home interrupts the program only.
    for signal in [libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, PARK, KICK].into_iter().chain(traps::OWNED) {
        traps::take_signal(signal, traps::bit(KICK), 0).map_err(RunError::Traps)?;
    }
    traps::dispatch_system_calls().map_err(RunError::Traps)?;
    // SAFETY: the signal's handler parks this thread; it returns into the program only.
    unsafe { libc::raise(PARK) };
    Err(RunError::Internal("a worker left its parking place"))
}

/// Replicas and stale places in the ring, beside the pages that count.
pub(crate) const RING_SLACK: usize = 65_536;
