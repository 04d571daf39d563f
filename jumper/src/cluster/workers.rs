//! The daemon's worker processes: started, logged, buried.

use crate::cluster::admit::{Shared, StartRequest, lock};
use crate::cluster::host::hex;
use crate::cluster::messages::{RunId, WorkerSetup};
use crate::cluster::spawn::spawn_worker;
use crate::cluster::worker_entry::EXIT_HOME_GONE;
use crate::say::say;
use crate::size::Size;
use eos_pager::demand::Progress;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a worker may leave a passed channel lying.
const DOOR_LIMIT: Duration = Duration::from_secs(5);

/// All workers of a daemon. Belongs to its main thread.
pub(super) struct Workers {
    running: Vec<Running>,
    exe: Option<PathBuf>,
}

/// A worker process.
struct Running {
    run_id: RunId,
    slot: u8,
    process: Child,
    since: Instant,
    /// Bytes it held at the last look.
    held: u64,
    /// What it was last heard to say of memory that it owes.
    heard: Progress,
}

impl Workers {
    pub fn new(exe: Option<PathBuf>) -> Workers {
        Workers { running: Vec::new(), exe }
    }

    /// Starts the worker of a new run, and tells the thread that waits for it.
    pub fn start_run(&mut self, shared: &Shared, start: StartRequest) {
        let outcome = self.start_worker(shared, &start);
        let run = short(&start.run_id);
        match &outcome {
            Ok((pid, memory)) => {
                say(format_args!("run {run} from {} begins: worker {pid}, up to {}", start.from, Size(*memory)))
            }
            Err(reason) => say(format_args!("run {run} from {} refused: {reason}", start.from)),
        }
        let _ = start.answer.send(outcome.map(|(_, memory)| memory));
    }

    /// Process id and bytes at most; or the reason for the caller.
    fn start_worker(&mut self, shared: &Shared, start: &StartRequest) -> Result<(u32, u64), String> {
        let twice = "it has a worker for this run already; name each host once in the hosts file";
        if self.running.iter().any(|w| w.run_id == start.run_id) {
            return Err(twice.to_owned());
        }
        let mut pool = lock(&shared.pool);
        if pool.quota() == 0 {
            return Err("it lends no memory at present; see eos-rdma lend, and --keep-free of its daemon".to_owned());
        }
        if pool.free() == 0 {
            return Err(format!(
                "it has no memory left, other runs hold all {} that it lends; wait until one ends, or give its daemon a larger --memory",
                Size(pool.quota())
            ));
        }
        let crowded = "it has as many workers as it can; wait until a run ends";
        let terms = pool.enter(start.request.memory_limit).ok_or(crowded)?;
        let setup = WorkerSetup {
            run_id: start.run_id,
            node: start.request.node,
            key: *shared.key.as_bytes(),
            terms,
            payload: start.request.payload.clone(),
        };
        let exe = self.exe.as_deref();
        let worker = spawn_worker(exe, &setup, start.control.as_fd(), pool.file());
        let worker = worker.and_then(|w| w.door.set_write_timeout(Some(DOOR_LIMIT)).map(|()| w));
        let worker = worker.map_err(|error| {
            pool.leave(terms.slot);
            format!("it cannot start a worker ({error}); see the limits of that host")
        })?;
        let pid = worker.process.id();
        let door = Arc::new(Mutex::new(worker.door));
        lock(&shared.runs).insert(start.run_id, door);
        self.running.push(Running {
            run_id: start.run_id,
            slot: terms.slot,
            process: worker.process,
            since: Instant::now(),
            held: 0,
            heard: Progress::Idle,
        });
        Ok((pid, terms.limit_bytes))
    }

    /// Whether there is anything to look after.
    pub fn any(&self) -> bool {
        !self.running.is_empty()
    }

    /// Tells of memory that has come back.
    pub fn note_returns(&mut self, shared: &Shared) {
        for worker in &mut self.running {
            let held = lock(&shared.pool).held(worker.slot);
            if let Some(given) = worker.held.checked_sub(held).filter(|given| *given > 0) {
                let run = short(&worker.run_id);
                say(format_args!("run {run} gave {} back, holds {}", Size(given), Size(held)));
            }
            worker.held = held;
        }
    }

    /// Tells of memory that is wanted back and does not come.
    pub fn note_debts(&mut self, shared: &Shared) {
        for worker in &mut self.running {
            let (owed, heard) = lock(&shared.pool).owes(worker.slot);
            let now = if owed == 0 { Progress::Idle } else { Progress::from_byte(heard) };
            if std::mem::replace(&mut worker.heard, now) == now {
                continue;
            }
            let (run, owed) = (short(&worker.run_id), Size(owed));
            match now {
                Progress::NoRoom => say(format_args!(
                    "run {run} cannot give {owed} back: neither its home nor its other peers have room for what is in it; \
                     nothing is lost, it goes on with them, and they come back when there is room or the run ends"
                )),
                Progress::Pinned => {
                    say(format_args!("run {run} keeps {owed} until it ends: an rdma device uses that memory"))
                }
                Progress::Idle | Progress::Moving => {}
            }
        }
    }

    /// Waits for workers that have ended, and takes back what they held.
    pub fn bury_dead(&mut self, shared: &Shared) {
        self.running.retain_mut(|worker| {
            let Ok(Some(status)) = worker.process.try_wait() else {
                return true;
            };
            lock(&shared.runs).remove(&worker.run_id);
            let held = lock(&shared.pool).leave(worker.slot);
            say(format_args!(
                "run {} ended after {:.1} s: held {}, {}",
                short(&worker.run_id),
                worker.since.elapsed().as_secs_f64(),
                Size(held),
                describe(status)
            ));
            false
        });
    }

    /// Kills all workers, by pid.
    pub fn end_all(&mut self) {
        for worker in &mut self.running {
            let _ = worker.process.kill();
            let _ = worker.process.wait();
        }
        say(format_args!("ended, and {} workers with it", self.running.len()));
    }
}

fn short(run_id: &RunId) -> String {
    hex(&run_id[..4])
}

fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(EXIT_HOME_GONE) => "home was gone".to_owned(),
        _ => status.to_string(),
    }
}
