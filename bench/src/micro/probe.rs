//! What the runtime makes of it: the probe programs under `eos-rdma run`, beside the floors.
//!
//! The program and its peers run on ONE CPU, as they take turns; so do the floors that they are compared with.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::MicroError;
use super::cpu;
use super::floors::{Carrier, Floors};
use super::table::Row;

/// A pull over shm takes at most so many times its floor.
const SHM_PULL_RATIO_MAX: f64 = 1.5;
/// A pull over tcp takes at most so many times the bare request for a page (any of as many as the probe has, so that both find
/// it in no cache) and the fault together.
const TCP_PULL_RATIO_MAX: f64 = 1.3;
/// A jump takes at most so many times the one-way time of its bytes, and [`JUMP_EXTRA_US`].
const JUMP_RATIO_MAX: f64 = 1.5;
/// Microseconds that a jump may take on top.
const JUMP_EXTRA_US: f64 = 15.0;

/// The keys of `--stats-json` that matter here.
#[derive(Deserialize)]
struct Stats {
    jumps: u64,
    jump_us_p50: Option<f64>,
    jump_us_p99: Option<f64>,
}

/// Runs the probes; `eos` is the path of `eos-rdma`. The probes lie beside this program.
///
/// # Errors
/// A run that fails, with what it printed.
pub fn rows(eos: &Path, floors: &Floors) -> Result<Vec<Row>, MicroError> {
    let allowed = cpu::allowed();
    cpu::pin(&allowed[..allowed.len().min(1)]);
    let rows = measure(eos, floors);
    cpu::pin(&allowed);
    rows
}

fn measure(eos: &Path, floors: &Floors) -> Result<Vec<Row>, MicroError> {
    let fault_us = floors.fault.copy.median();
    let cold_request_us = Floors::best_on_one_cpu(&floors.cold_pages, Carrier::Tcp);
    let request_us = Floors::best_on_one_cpu(&floors.pages, Carrier::Tcp);
    let drop_us = floors.fault.with_drop.median() - fault_us;
    let mut rows = Vec::new();
    for (transport, floor_us, ratio_max) in
        [("shm", fault_us, SHM_PULL_RATIO_MAX), ("tcp", fault_us + cold_request_us, TCP_PULL_RATIO_MAX)]
    {
        let run = Run { eos, transport, jump: "never", memory: "32M" };
        let (output, _) = run.probe("pull_probe", &["--size", "256M", "--order", "random"])?;
        let [p50, p99, mean] = run.fields(&output, ["us_fault_p50", "us_fault_p99", "us_per_page"])?;
        let aim_us = Some(floor_us * ratio_max);
        rows.push(Row::ours(format!("eos pull over {transport}, random"), p50, Some(p99), floor_us, aim_us));
        if transport == "tcp" {
            let name = "eos pull over tcp, beside a request for one hot page";
            rows.push(Row::ours(name.to_owned(), p50, None, fault_us + request_us, None));
        }
        let name = format!("eos pull over {transport}, eviction included, mean");
        rows.push(Row::ours(name, mean, None, floor_us + drop_us, None));
    }
    let run = Run { eos, transport: "shm", jump: "never", memory: "256M" };
    let (output, _) = run.probe("getppid_probe", &[])?;
    let [call_us] = run.fields(&output, ["us_per_call"])?;
    rows.push(Row::ours("eos getppid", call_us, None, floors.dispatch.trapped.median(), None));
    for (transport, carrier) in [("shm", Carrier::Shm), ("tcp", Carrier::Tcp)] {
        let floor_us = Floors::best_on_one_cpu(&floors.jumps, carrier);
        let aim_us = floor_us * JUMP_RATIO_MAX + JUMP_EXTRA_US;
        let run = Run { eos, transport, jump: "1", memory: "20M" };
        let name = format!("eos jump over {transport}");
        rows.push(jump_row(&run, "jump_probe", &["--size", "32M"], name, floor_us, Some(aim_us))?);
        let run = Run { eos, transport, jump: "32", memory: "64M" };
        let name = format!("eos jump over {transport}, telling of 380 pages");
        let args = ["--size", "128M", "--order", "sequential", "--passes", "8"];
        rows.push(jump_row(&run, "pull_probe", &args, name, floor_us, None)?);
    }
    Ok(rows)
}

/// The median of the jumps that `program` makes.
fn jump_row(
    run: &Run<'_>,
    program: &str,
    args: &[&str],
    name: String,
    floor_us: f64,
    aim_us: Option<f64>,
) -> Result<Row, MicroError> {
    let (_, stats) = run.probe(program, args)?;
    let (Some(p50), true) = (stats.jump_us_p50, stats.jumps > 0) else {
        return Err(run.failure(format!("{program} with --jump {} made no jump", run.jump)));
    };
    Ok(Row::ours(name, p50, stats.jump_us_p99, floor_us, aim_us))
}

/// One way to run a probe.
struct Run<'a> {
    eos: &'a Path,
    transport: &'a str,
    jump: &'a str,
    memory: &'a str,
}

impl Run<'_> {
    /// Runs a probe; its last line and the statistics of the run.
    fn probe(&self, program: &str, args: &[&str]) -> Result<(String, Stats), MicroError> {
        let json = std::env::temp_dir().join(format!("eos-bench-{}.json", std::process::id()));
        let output = self.command(&json, &beside_us(program)?, args).output();
        let stats = std::fs::read(&json);
        let _ = std::fs::remove_file(&json);
        let output = output.map_err(|error| self.failure(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(self.failure(format!("{program} ended with {}: {}", output.status, said.trim())));
        }
        let stats = stats.map_err(|source| MicroError::File { path: json.display().to_string(), source })?;
        let stats = serde_json::from_slice(&stats).map_err(|e| self.failure(format!("--stats-json: {e}")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok((text.lines().last().unwrap_or_default().to_owned(), stats))
    }

    fn command(&self, json: &Path, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(self.eos);
        command.args(["run", "--local", "1", "--transport", self.transport, "--memory", self.memory]);
        command.args(["--jump", self.jump, "--stats-json"]).arg(json).arg(program).arg("--").args(args);
        command.stdin(Stdio::null());
        command
    }

    /// The numbers behind `names` in a line of `name=value` fields.
    fn fields<const N: usize>(&self, line: &str, names: [&str; N]) -> Result<[f64; N], MicroError> {
        let mut values = [0.0; N];
        for (value, name) in values.iter_mut().zip(names) {
            *value = field(line, name).ok_or_else(|| self.failure(format!("no {name}= in `{line}`")))?;
        }
        Ok(values)
    }

    fn failure(&self, what: String) -> MicroError {
        MicroError::Program { program: format!("{} over {}", self.eos.display(), self.transport), what }
    }
}

fn field(line: &str, name: &str) -> Option<f64> {
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}

fn beside_us(program: &str) -> Result<PathBuf, MicroError> {
    let fails = |source| MicroError::File { path: program.to_owned(), source };
    let path = std::env::current_exe().map_err(fails)?.with_file_name(program);
    path.is_file().then_some(path).ok_or_else(|| MicroError::Program {
        program: program.to_owned(),
        what: "is not beside eos-bench; build it with `cargo build --release -p eos-bench`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let line = "us_per_page=3.5 us_fault_p50=2.25 sum=ff";
        assert_eq!(field(line, "us_fault_p50"), Some(2.25));
        assert_eq!(field(line, "us_per"), None);
        assert_eq!(field(line, "sum"), None);
    }
}
