//! A worker: the process on a peer that lends its memory to one run and executes the program when it jumps there.

use eos_pager::page::PAGE_SIZE;
use eos_pager::pager::{NodeBook, Pager, PagerSetup};
use eos_policy::threshold::JumpThreshold;
use eos_policy::torture::Torture;
use eos_verbs::NodeId;
use serde::{Deserialize, Serialize};

use crate::cluster::worker_entry::WorkerStart;
use crate::executor::{Executor, fail};
use crate::jump::PARK;
use crate::{RunError, traps, wire_bench};

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
    /// Home's budget in pages.
    pub home_pages: u64,
    /// Pulls before a jump; none: never.
    pub threshold: Option<u32>,
    /// Whether the threshold rises while jumps do not pay.
    pub damped: bool,
    /// Seed of the torture.
    pub torture: Option<u64>,
    /// Say more on standard error.
    pub verbose: bool,
}

impl Terms {
    /// The threshold as policy has it.
    pub fn jump_threshold(&self) -> JumpThreshold {
        match self.threshold {
            Some(pulls) if self.damped => JumpThreshold::damped(pulls),
            Some(pulls) => JumpThreshold::after(pulls),
            None => JumpThreshold::never(),
        }
    }

    /// Whether execution ever leaves home.
    pub fn jumps(&self) -> bool {
        self.threshold.is_some()
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

fn serve(start: WorkerStart, terms: Terms) -> Result<std::convert::Infallible, RunError> {
    let nodes = start.nodes.iter().enumerate().map(|(node, info)| NodeBook {
        name: info.name.clone(),
        executes: terms.jumps() && !info.memory_only,
        resident: 0,
        limit: if node == NodeId::HOME.0 as usize { terms.home_pages } else { 0 },
        exhausted: false,
    });
    let lease = start.lease;
    let (slab_pages, limit_pages) = (lease.slab_bytes() / PAGE_SIZE, lease.limit_bytes() / PAGE_SIZE);
    let take_slab = move || {
        let before = (u64::from(lease.held()) * slab_pages).min(limit_pages);
        lease.take(1);
        (u64::from(lease.held()) * slab_pages).min(limit_pages) - before
    };
    let pager = Pager::new(PagerSetup {
        me: start.me,
        nodes: nodes.collect(),
        links: start.links,
        region: start.region,
        take_slab: Box::new(take_slab),
        ring_pages: limit_pages as usize + RING_SLACK,
        elastic_from_birth: true,
    })?;
    // The watchdog ends this process when home is gone; it must outlive this function.
    std::mem::forget(start.watchdog);
    let executor = Box::leak(Box::new(Executor::new(pager, &terms)));
    executor.torture = terms.torture.map(Torture::new);
    traps::install(executor).map_err(RunError::Traps)?;
    for signal in [libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, PARK] {
        traps::take_signal(signal, 0).map_err(RunError::Traps)?;
    }
    traps::dispatch_system_calls().map_err(RunError::Traps)?;
    // SAFETY: the signal's handler parks this thread; it returns into the program only.
    unsafe { libc::raise(PARK) };
    Err(RunError::Internal("a worker left its parking place"))
}

/// Replicas and stale places in the ring, beside the pages that count.
pub(crate) const RING_SLACK: usize = 65_536;
