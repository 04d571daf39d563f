//! `--local N`: workers that home starts itself, joined by sockets that home makes.

use crate::cluster::ClusterError;
use crate::cluster::host::random;
use crate::cluster::lease::LeasePool;
use crate::cluster::messages::{Reach, WorkerSetup};
use crate::cluster::spawn::{Stranger, spawn_stranger};
use crate::cluster::stretch::{ConnectOptions, Peer, node_id};
use crate::cluster::wires::{pass_wires, wires_pair};
use eos_verbs::{NodeId, TransportKind, Wires};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// The worker processes of one run on this host; `workers[0]` is node 1. Dropping this ends them.
pub struct LocalWorkers {
    workers: Vec<Stranger>,
}

impl LocalWorkers {
    /// Starts the processes; does not wait for them.
    pub fn start(
        count: usize,
        memory: u64,
        transport: TransportKind,
        options: &ConnectOptions,
    ) -> Result<(LocalWorkers, Vec<Peer>), ClusterError> {
        let trouble = ClusterError::local("share memory between the local peers");
        let mut pool = LeasePool::new(memory.saturating_mul(count as u64)).map_err(trouble)?;
        let mut local = LocalWorkers { workers: Vec::new() };
        let mut peers = Vec::new();
        let run_id = random().map_err(ClusterError::local("draw random numbers"))?;
        for index in 0..count {
            let node = node_id(index);
            let terms = pool.enter(Some(memory));
            let setup = WorkerSetup {
                run_id,
                node,
                key: [0; 32],
                terms: terms.expect("a pool has places for more than 15 workers"),
                payload: options.payload.clone(),
            };
            let (control, theirs) = UnixStream::pair().map_err(ClusterError::local("make a socket"))?;
            let exe = options.worker_exe.as_deref();
            let worker = spawn_stranger(exe, &setup, theirs.as_fd(), pool.file())
                .map_err(ClusterError::local("start a local peer"))?;
            local.workers.push(worker);
            peers.push(Peer {
                node,
                name: format!("local-{}", node.0),
                transport,
                transport_reason: match transport {
                    TransportKind::Shm => "same host".to_owned(),
                    TransportKind::Tcp | TransportKind::Rdma => "as asked for".to_owned(),
                },
                memory_bytes: setup.terms.limit_bytes,
                lacks: Vec::new(),
                control: control.into(),
                reach: Reach::Passed(transport),
            });
        }
        Ok((local, peers))
    }

    /// Makes the wires between home and a peer, and passes the peer's end to it.
    pub fn wires_to_home(&self, peer: &Peer, transport: TransportKind) -> Result<Wires, ClusterError> {
        let (ours, theirs) = wires_pair(transport).map_err(ClusterError::local("make a socket"))?;
        pass_wires(self.door(peer), &peer.name, NodeId::HOME, &theirs)?;
        Ok(ours)
    }

    /// Makes the wires between any two peers, and passes the ends to them.
    pub fn pass_wires_among(&self, peers: &[Peer], transport: TransportKind) -> Result<(), ClusterError> {
        for (index, low) in peers.iter().enumerate() {
            for high in &peers[index + 1..] {
                let (initiator, acceptor) = wires_pair(transport).map_err(ClusterError::local("make a socket"))?;
                pass_wires(self.door(low), &low.name, high.node, &initiator)?;
                pass_wires(self.door(high), &high.name, low.node, &acceptor)?;
            }
        }
        Ok(())
    }

    /// The processes, for tests and tables.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.workers.iter().map(|worker| worker.pid.as_raw_nonzero().get().cast_unsigned())
    }

    fn door(&self, peer: &Peer) -> &UnixStream {
        &self.workers[peer.node.index() - 1].door
    }
}

impl Drop for LocalWorkers {
    fn drop(&mut self) {
        for worker in &self.workers {
            let _ = rustix::process::pidfd_send_signal(&worker.handle, rustix::process::Signal::KILL);
        }
    }
}
