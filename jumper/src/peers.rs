//! Peers of a run: joined before the program starts, or when it needs more memory than its budget.

use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eos_pager::error::PagerError;
use eos_pager::page::PAGE_SIZE;
use eos_pager::pager::{NodeBook, Pager};
use eos_pager::table::PageTable;
use eos_verbs::{NodeId, PAGE, Region};

use crate::RunError;
use crate::cluster::stretch::{Cluster, ConnectOptions};
use crate::cluster::watchdog::{Watchdog, Watched};
use crate::compress::Compress;
use crate::config::{PeerChoice, RunOptions};
use crate::executor::{Executor, fail};
use crate::jump::compare_clocks;
use crate::low_fds::LowFds;
use crate::own_fds::OwnFds;
use crate::say::say;
use crate::worker::{Task, Terms};

/// What is kept of peers that have joined; empty before.
#[derive(Default)]
pub struct Alarms(Mutex<AlarmState>);

/// See [`Alarms`].
#[derive(Default)]
pub struct AlarmState {
    /// They watch the peers until the run ends.
    pub watchdogs: Vec<Watchdog>,
    /// Why the link to each peer has its transport; the first is node 1's.
    pub transport_reasons: Vec<String>,
    /// The sign-of-life sockets of the peers.
    pub doors: Vec<OwnedFd>,
    /// Descriptors that were opened for peers that joined late; taken once.
    pub late_fds: Option<OwnFds>,
    /// The peers themselves. It lives as long as the process: the daemons and children take its end for the end of the run.
    pub cluster: Option<ManuallyDrop<Cluster>>,
}

impl Alarms {
    /// By whoever holds the lock of the house, or before there is one.
    pub fn lock(&self) -> MutexGuard<'_, AlarmState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the run as soon as one of these is gone.
///
/// # Errors
/// A thread could not be started.
pub(crate) fn watchdog(watched: Vec<Watched>) -> Result<Watchdog, RunError> {
    let lost = |name: &str, last_words: Option<String>| match last_words {
        Some(text) => fail(&RunError::Peer { peer: name.to_owned(), text }.to_string()),
        None => {
            fail(&format!("lost {name}, which held pages of the program; its process or the network to it is gone"))
        }
    };
    Watchdog::start(watched, lost).map_err(RunError::Traps)
}

/// Peers that have joined, on their way into a pager.
#[derive(Default)]
pub struct Peers {
    cluster: Option<Cluster>,
    jumps: bool,
    compress: Compress,
}

/// How to find peers.
pub struct Stretching {
    peers: PeerChoice,
    connect: Arc<ConnectOptions>,
    verbose: bool,
    jumps: bool,
    compress: Compress,
}

impl Stretching {
    /// # Errors
    /// Memory for this node's own region is missing.
    pub fn new(options: &RunOptions, terms: &Terms) -> Result<Self, RunError> {
        let payload = postcard::to_stdvec(&Task::Run(terms.clone()))
            .map_err(|_| RunError::Internal("the terms of the run could not be encoded"))?;
        debug_assert_eq!(PAGE_SIZE as usize, PAGE);
        let region =
            Region::new(usize::try_from(terms.home_pages_most).unwrap_or(usize::MAX / PAGE).saturating_mul(PAGE))?;
        let connect = ConnectOptions {
            key: options.key.clone(),
            transport: options.transport,
            region,
            payload,
            worker_exe: None,
        };
        // A limit of address space is told here, and not by peers on this host that meet it too.
        drop(PageTable::new().map_err(PagerError::Table)?);
        Ok(Self {
            peers: options.peers.clone(),
            connect: Arc::new(connect),
            verbose: options.verbose,
            jumps: terms.jumps(),
            compress: terms.compress,
        })
    }

    /// This node's own region.
    pub fn region(&self) -> Arc<Region> {
        self.connect.region.clone()
    }

    /// Joins the peers that the options name.
    ///
    /// # Errors
    /// A peer could not be joined; the sentence names it.
    pub fn join_peers(&self) -> Result<Peers, RunError> {
        let cluster = match &self.peers {
            PeerChoice::None => None,
            PeerChoice::Hosts(hosts) => Some(Cluster::connect(hosts, &self.connect)?),
            PeerChoice::Local { count, memory_bytes } => Some(Cluster::local(*count, *memory_bytes, &self.connect)?),
        };
        if self.verbose {
            cluster.iter().flat_map(Cluster::describe).for_each(|line| say(format_args!("{line}")));
        }
        Ok(Peers { cluster, jumps: self.jumps, compress: self.compress })
    }

    /// Has the pager join the peers when it needs them.
    ///
    /// # Errors
    /// Under torture, which needs them at once: as [`Stretching::join_peers`].
    pub fn put_off(self, executor: &mut Executor) -> Result<(), RunError> {
        let Some(alarms) = executor.home.as_ref().map(|home| home.alarms.clone()) else {
            return Err(RunError::Internal("only home has peers to look for"));
        };
        if executor.torture.is_some() {
            return self.join_now(&mut executor.pager, &alarms);
        }
        let stretch = move |pager: &mut Pager| {
            self.join_now(pager, &alarms).map_err(|error| match error {
                RunError::Pager(error) => error,
                other => PagerError::Stretch(Box::new(other)),
            })
        };
        executor.pager.stretch_on_need(Box::new(stretch));
        Ok(())
    }

    fn join_now(&self, pager: &mut Pager, alarms: &Alarms) -> Result<(), RunError> {
        let low_fds = LowFds::reserve().map_err(RunError::Descriptors)?;
        self.join_peers()?.enter(pager, alarms)?;
        let late = low_fds.release().map_err(RunError::Descriptors)?;
        alarms.lock().late_fds = Some(late);
        Ok(())
    }
}

impl Peers {
    /// Puts the peers to work.
    ///
    /// # Errors
    /// A wire failed, or a thread could not be started.
    pub fn enter(self, pager: &mut Pager, alarms: &Alarms) -> Result<(), RunError> {
        let Some(mut cluster) = self.cluster else {
            return Ok(());
        };
        let watched = cluster.watched()?;
        let books = cluster.peers.iter().map(|peer| NodeBook {
            name: peer.name.clone(),
            executes: self.jumps && !peer.memory_only(),
            resident: 0,
            limit: 0,
            exhausted: false,
            slab: 0,
            owed: 0,
        });
        let books: Vec<NodeBook> = books.collect();
        let mut links = std::mem::take(&mut cluster.links);
        links.iter_mut().flatten().for_each(|link| self.compress.apply(link.as_mut()));
        let first = pager.nodes.len();
        pager.join(books.into_iter().zip(links.into_iter().flatten()));
        for node in first..pager.nodes.len() {
            compare_clocks(pager, NodeId(node as u8))?;
        }
        let mut state = alarms.lock();
        state.doors = cluster.doors()?;
        state.watchdogs.push(watchdog(watched)?);
        state.transport_reasons = cluster.peers.iter().map(|peer| peer.transport_reason.clone()).collect();
        state.cluster = Some(ManuallyDrop::new(cluster));
        Ok(())
    }
}
