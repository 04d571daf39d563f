//! Peers that are added to a running program: a line that appears in its hosts file.
//!
//! A thread at home watches the file ([`watch`]) and calls the daemon of a new line, without anybody waiting. If it answers, the host
//! waits here until the program executes at home, where the governor calls it; then it joins, between two of the program's
//! instructions ([`join`]): a worker is started there, home and all other workers are linked to it, and only when all links are up
//! does anybody count it as a node. Whatever fails before leaves everything as it was.

mod join;
mod meet;
pub mod watch;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use meet::Acquaintance;

use crate::cluster::hosts::HostSpec;

/// What the watching thread and the program's threads have in common.
#[derive(Default)]
pub(crate) struct Newcomers {
    /// Something is to be done; looked at in every trap at home.
    waiting: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    errands: Vec<Errand>,
    /// Hosts that could not join, and why.
    failed: Vec<(HostSpec, String)>,
}

/// What is to be done at home.
#[derive(Debug)]
enum Errand {
    /// A daemon that answers at this address joins.
    Join(HostSpec, SocketAddr),
    /// A peer is to hold nothing any more, or may again.
    Retire(HostSpec, bool),
}

impl Newcomers {
    /// Whether somebody waits.
    pub(crate) fn are_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    fn add(&self, errand: Errand) {
        self.lock().errands.push(errand);
        self.waiting.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<Errand> {
        let mut queue = self.lock();
        self.waiting.store(false, Ordering::Release);
        std::mem::take(&mut queue.errands)
    }

    /// The hosts that are to join, which wait on until somebody [reminds](Self::remind).
    fn put_off(&self) -> Vec<HostSpec> {
        let queue = self.lock();
        self.waiting.store(false, Ordering::Release);
        let joins = queue.errands.iter().filter_map(|errand| match errand {
            Errand::Join(spec, _) => Some(spec.clone()),
            Errand::Retire(..) => None,
        });
        joins.collect()
    }

    /// What was put off is to be looked at again.
    pub(crate) fn remind(&self) {
        let queue = self.lock();
        if !queue.errands.is_empty() {
            self.waiting.store(true, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
