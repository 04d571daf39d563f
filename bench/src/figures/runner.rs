//! Carries cases out, with what they need kept up in between: networks, swap devices.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::FiguresError;
use super::baseline::{self, Disk, MemoryLimit, Remote, SwapDevice, SwapOn, Zram};
use super::case::{Case, Link, Method, Program};
use super::child::{self, Ended, Stop};
use super::journal::{Outcome, Run};
use super::network::Network;
use super::options::FiguresOptions;
use super::plan::Missing;
use crate::micro::cpu;

/// What can be carried out here.
pub struct Runner<'a> {
    options: &'a FiguresOptions,
    stop: &'a Stop,
    eos: PathBuf,
    programs: PathBuf,
    // Before the networks: devices of theirs must go first.
    local: BTreeMap<Method, Box<dyn SwapDevice>>,
    remote: BTreeMap<Link, Remote>,
    networks: BTreeMap<Link, Network>,
    /// What cannot.
    pub missing: Missing,
    /// Bytes a second of a plain stream over each network.
    pub streams: BTreeMap<Link, f64>,
}

/// Keys of `--stats-json`.
#[derive(Deserialize)]
struct Stats {
    pulls: u64,
    pushes: u64,
    jumps: u64,
}

impl<'a> Runner<'a> {
    /// Makes what the options need. What this machine does not permit is noted, with the reason.
    ///
    /// # Errors
    /// [`Stop`] was set.
    pub fn new(options: &'a FiguresOptions, stop: &'a Stop) -> Result<Self, FiguresError> {
        let here = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned())).unwrap_or_default();
        let eos = options.eos.clone().unwrap_or_else(|| here.join("eos-rdma"));
        // Children inherit it.
        cpu::pin(&options.cpus);
        let mut runner = Self {
            options,
            stop,
            eos,
            programs: here,
            local: BTreeMap::new(),
            remote: BTreeMap::new(),
            networks: BTreeMap::new(),
            missing: Missing::default(),
            streams: BTreeMap::new(),
        };
        runner.make_networks()?;
        runner.make_swap()?;
        Ok(runner)
    }

    fn make_networks(&mut self) -> Result<(), FiguresError> {
        let nodes = self.options.nodes.iter().copied().max().unwrap_or(2);
        for &link in self.options.links.iter().filter(|link| link.rate().is_some()) {
            // The worker of the run before may hold its memory for a moment longer.
            match Network::up(link, nodes, &self.eos, self.options.size * 4, self.stop) {
                Ok(network) => {
                    if let Some(rate) = noted(network.stream(), &mut self.missing.streams, link)? {
                        self.streams.insert(link, rate);
                    }
                    self.networks.insert(link, network);
                }
                Err(error) => {
                    noted::<_, ()>(Err(error), &mut self.missing.links, link)?;
                }
            }
        }
        Ok(())
    }

    fn make_swap(&mut self) -> Result<(), FiguresError> {
        let wanted: Vec<_> = self.options.methods.iter().copied().filter(|method| method.is_swap()).collect();
        if let Some(why) = baseline::swap_forbidden() {
            self.missing.methods.extend(wanted.into_iter().map(|method| (method, why.clone())));
            return Ok(());
        }
        if let Some(Err(why)) = (!wanted.is_empty()).then(|| MemoryLimit::make(self.options.size)) {
            self.missing.methods.extend(wanted.into_iter().map(|method| (method, why.to_string())));
            return Ok(());
        }
        let bytes = self.options.size * 2;
        for method in wanted {
            let device: Result<Box<dyn SwapDevice>, FiguresError> = match method {
                Method::Zram => Zram::make(bytes).map(|zram| Box::new(zram) as _),
                Method::Disk => Disk::make(&self.options.out, bytes, self.stop).map(|disk| Box::new(disk) as _),
                _ => {
                    for (&link, network) in &self.networks {
                        let remote = Remote::make(network, bytes, self.stop);
                        if let Some(remote) = noted(remote, &mut self.missing.methods, method)? {
                            self.remote.insert(link, remote);
                        }
                    }
                    continue;
                }
            };
            if let Some(device) = noted(device, &mut self.missing.methods, method)? {
                self.local.insert(method, device);
            }
        }
        Ok(())
    }

    /// Carries one case out.
    ///
    /// # Errors
    /// [`Stop`] was set, or the network is gone. What the program does wrong is an outcome.
    pub fn carry_out(&self, case: &Case) -> Result<Outcome, FiguresError> {
        let network = case.link.and_then(|link| self.networks.get(&link));
        let before = network.map(Network::bytes_sent).transpose()?;
        let stats = self.options.out.join("stats.json");
        let _ = std::fs::remove_file(&stats);
        let ended = if case.method.is_swap() {
            self.swapping(case)?
        } else if case.method == Method::Native {
            let mut command = Command::new(self.program(case.program));
            self.run(self.with_arguments(&mut command, case.program))?
        } else {
            self.run(&mut self.elastic(case, network, &stats))?
        };
        let after = network.map(Network::bytes_sent).transpose()?;
        let wire_bytes = before.zip(after).map(|(before, after)| after.saturating_sub(before));
        let moved = std::fs::read(&stats).ok().and_then(|bytes| serde_json::from_slice::<Stats>(&bytes).ok());
        let moved = moved.map(|stats| [stats.pulls, stats.pushes, stats.jumps]);
        Ok(self.outcome(case.program, &ended, wire_bytes, moved))
    }

    fn swapping(&self, case: &Case) -> Result<Ended, FiguresError> {
        let local = self.local.get(&case.method).map(|device| &**device);
        let remote = || case.link.and_then(|link| self.remote.get(&link)).map(|remote| remote as &dyn SwapDevice);
        let device = local.or_else(remote).expect("a method that is not missing has its device");
        let _swap = SwapOn::new(device, self.stop)?;
        let budget = case.budget.map_or(self.options.size, |budget| budget.bytes(self.options.size));
        let limit = MemoryLimit::make(budget)?;
        self.run(self.with_arguments(&mut limit.inside(&self.program(case.program)), case.program))
    }

    fn elastic(&self, case: &Case, network: Option<&Network>, stats: &Path) -> Command {
        let (nodes, size) = (case.nodes.unwrap_or(2), self.options.size);
        let budget = case.budget.map_or(size, |budget| budget.bytes(size)).to_string();
        let mut command = network.map_or_else(|| Command::new(&self.eos), |network| network.inside(0, &self.eos));
        command.arg("run");
        match network {
            Some(network) => {
                command.arg("--peers").arg(network.hosts(nodes)).arg("--key").arg(network.key());
                command.args(["--transport", "tcp"]);
            }
            None => {
                command.args(["--local", &(nodes - 1).to_string(), "--transport", "shm"]);
            }
        }
        let jump = case.method.jump().unwrap_or_default();
        command.args(["--memory", &budget, "--jump", &jump, "--stats-json"]).arg(stats);
        command.arg(self.program(case.program)).arg("--");
        self.with_arguments(&mut command, case.program);
        command
    }

    fn program(&self, program: Program) -> PathBuf {
        self.programs.join(program.command().0)
    }

    fn with_arguments<'c>(&self, command: &'c mut Command, program: Program) -> &'c mut Command {
        command.args(["--size", &self.options.size.to_string()]).args(program.command().1)
    }

    fn run(&self, command: &mut Command) -> Result<Ended, FiguresError> {
        child::run(command, Duration::from_secs(self.options.limit), self.stop)
    }

    fn outcome(&self, program: Program, ended: &Ended, wire_bytes: Option<u64>, moved: Option<[u64; 3]>) -> Outcome {
        let Some(status) = ended.status else {
            return Outcome::TooSlow { limit_s: self.options.limit };
        };
        let line = child::last_line(&ended.said, "");
        let word = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let (answer, time, unit) = if program.is_workload() {
            (word("result"), word("seconds"), 1.0)
        } else {
            (word("sum"), word("us_per_page"), 1e-6)
        };
        match (status.success(), answer, time.and_then(|time| time.parse::<f64>().ok())) {
            (true, Some(answer), Some(time)) => {
                Outcome::Done(Run { seconds: time * unit, answer: answer.to_owned(), wire_bytes, moved })
            }
            _ => {
                // What a memory limit that swap cannot keep up with comes to.
                let silence =
                    if status.signal() == Some(9) { "the kernel took its memory away" } else { "it said nothing" };
                Outcome::Failed { what: format!("{status}; {}", child::last_line(&ended.complained, silence)) }
            }
        }
    }
}

/// The value, or a note of why there is none.
fn noted<K: Ord, T>(
    made: Result<T, FiguresError>,
    notes: &mut BTreeMap<K, String>,
    key: K,
) -> Result<Option<T>, FiguresError> {
    match made {
        Err(FiguresError::Interrupted) => Err(FiguresError::Interrupted),
        Err(error) => {
            notes.insert(key, error.to_string());
            Ok(None)
        }
        Ok(value) => Ok(Some(value)),
    }
}
