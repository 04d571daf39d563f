//! `eos-rdma sim`: what other rules would have made of a recorded run.

use crate::args::SimArgs;
use crate::error::CliError;
use crate::plot;
use comfy_table::{CellAlignment, Table, presets};
use eos_jumper::config::JumpRule;
use eos_jumper::size::Size;
use eos_jumper::worker::advisor;
use eos_policy::sim::accesses::Accesses;
use eos_policy::sim::cache::CachePolicy;
use eos_policy::sim::trace::Trace;
use eos_policy::sim::world::{Costs, Order, Outcome, Setting, replay};
use std::io::{self, Write as _};
use std::path::Path;

const PAGE: u64 = 4096;

/// Thresholds of a sweep: powers of two, as far as the paper went.
const SWEEP: [u32; 14] = [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768];

/// One line of the table of rules.
pub struct Line {
    pub rule: JumpRule,
    pub outcome: Outcome,
}

/// Reads the trace, replays it, prints.
pub fn sim(args: SimArgs) -> Result<(), CliError> {
    let trace = read(&args.trace)?;
    if trace.truncated {
        say(&format!("{}: the end is missing; what is there is used\n", args.trace.display()))?;
    }
    let accesses = Accesses::of(&trace);
    let setting = setting(&args, &accesses);
    say(&heading(&trace, &accesses, &setting))?;
    let rules = if args.jump.is_empty() { sweep() } else { args.jump.clone() };
    let lines: Vec<Line> =
        rules.iter().map(|rule| Line { rule: *rule, outcome: replay(&accesses, &setting, &advisor(*rule)) }).collect();
    say(&format!("{}\n", rules_table(&lines)))?;
    let policies = if args.policy.is_empty() { CachePolicy::ALL.to_vec() } else { args.policy.clone() };
    say(&format!("\n{}\n", caches_table(&policies, &accesses, &setting)))?;
    if let Some(path) = &args.plot {
        plot::draw(path, &trace.header.command, &lines).map_err(|what| CliError::Plot { path: path.clone(), what })?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Trace, CliError> {
    let unreadable = |what: String| CliError::Trace { path: path.to_owned(), what };
    let bytes = std::fs::read(path).map_err(|error| unreadable(format!("{error}; give a file that --record wrote")))?;
    Trace::decode(&bytes).map_err(|error| unreadable(error.to_string()))
}

/// Budgets and prices. Half of the program's pages are at home unless told; each peer has room for all.
fn setting(args: &SimArgs, accesses: &Accesses) -> Setting {
    let pages = accesses.pages() as u64;
    let home = args.memory.map_or(pages / 2, |bytes| bytes / PAGE).max(1);
    let peer = args.peer_memory.map_or(pages, |bytes| bytes / PAGE);
    let mut costs = args.cost;
    let own = |price: &mut u64, us: Option<f64>| {
        if let Some(us) = us {
            *price = (us * 1000.0) as u64;
        }
    };
    own(&mut costs.jump_ns, args.jump_us);
    own(&mut costs.pull_ns, args.pull_us);
    own(&mut costs.next_ns, args.next_us.or(args.pull_us));
    own(&mut costs.push_ns, args.push_us);
    let capacities = std::iter::once(home).chain((1..args.nodes).map(|_| peer)).collect();
    Setting { capacities, costs, order: Order::Arrival }
}

fn sweep() -> Vec<JumpRule> {
    let fixed = SWEEP.map(JumpRule::After);
    [JumpRule::Never].into_iter().chain(fixed).chain([JumpRule::Auto]).collect()
}

fn heading(trace: &Trace, accesses: &Accesses, setting: &Setting) -> String {
    let Costs { pull_ns, next_ns, push_ns, jump_ns, .. } = setting.costs;
    let us = |ns: u64| ns as f64 / 1000.0;
    format!(
        "{}\n{} events, {} touches of {} pages ({}); recorded with {} at home\n\
         simulated: {} at home, {} peers; pull {} us, the next page {} us, push {} us, jump {} us\n\n",
        trace.header.command,
        trace.events.len(),
        accesses.list.len(),
        accesses.pages(),
        Size(accesses.pages() as u64 * PAGE),
        Size(trace.header.budget_pages * PAGE),
        Size(setting.capacities[0] * PAGE),
        setting.capacities.len() - 1,
        us(pull_ns),
        us(next_ns),
        us(push_ns),
        us(jump_ns),
    )
}

/// The rule as it stands on the command line.
pub fn name(rule: JumpRule) -> String {
    match rule {
        JumpRule::Never => "never".to_owned(),
        JumpRule::Auto => "auto".to_owned(),
        JumpRule::After(pulls) => pulls.to_string(),
    }
}

fn rules_table(lines: &[Line]) -> Table {
    let mut table = table(&["jump", "seconds", "of it work", "jumps", "pulls", "pushes", "wire MiB"]);
    for Line { rule, outcome } in lines {
        table.add_row([
            name(*rule),
            format!("{:.3}", outcome.time_ns as f64 / 1e9),
            format!("{:.3}", outcome.work_ns as f64 / 1e9),
            outcome.jumps.to_string(),
            outcome.pulls.to_string(),
            outcome.pushes.to_string(),
            format!("{:.1}", outcome.wire_bytes() as f64 / f64::from(1 << 20)),
        ]);
    }
    table
}

/// What one node's cache misses at home's budget, without jumps.
fn caches_table(policies: &[CachePolicy], accesses: &Accesses, setting: &Setting) -> Table {
    let capacity = usize::try_from(setting.capacities[0]).unwrap_or(usize::MAX);
    let (wire_ns, soft_ns) = (setting.costs.pull_ns + setting.costs.push_ns, setting.costs.soft_ns);
    let cost = |policy: CachePolicy| policy.replay(accesses, capacity).cost_ns(wire_ns, soft_ns) as f64;
    let (lru, optimum) = (cost(CachePolicy::Lru), cost(CachePolicy::Optimum));
    let mut table = table(&["cache", "wire faults", "soft faults", "seconds", "of lru", "of optimum"]);
    for policy in policies {
        let faults = policy.replay(accesses, capacity);
        let ns = faults.cost_ns(wire_ns, soft_ns) as f64;
        table.add_row([
            policy.name().to_owned(),
            faults.wire.to_string(),
            faults.soft.to_string(),
            format!("{:.3}", ns / 1e9),
            ratio(ns, lru),
            ratio(ns, optimum),
        ]);
    }
    table
}

fn ratio(one: f64, other: f64) -> String {
    if other > 0.0 { format!("{:.3}", one / other) } else { "-".to_owned() }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for column in 1..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn say(text: &str) -> Result<(), CliError> {
    let mut output = io::stdout();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(CliError::Output)
}
