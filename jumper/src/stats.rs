//! What a run did, in numbers: counted on every node, gathered at home, shown by `--stats`.

use eos_pager::histogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Counters of one node. A worker sends its own home at the end (postcard).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeCounters {
    /// Processor time the program used here, in nanoseconds.
    pub cpu_ns: u64,
    /// Pages pulled to this node.
    pub pulls: u64,
    /// Pages pushed from this node.
    pub pushes: u64,
    /// Page faults of the program that the runtime served here.
    pub faults: u64,
    /// Most bytes of the program that were resident here at one time.
    pub resident_bytes_max: u64,
    /// Jumps that left this node.
    pub jumps: u64,
    /// Pages let go without being sent, since the slot still had their contents.
    pub clean_drops: u64,
    /// Fresh pages that were filled with zeros by the runtime.
    pub zero_fills: u64,
    /// System calls that ran at home for the program executing here.
    pub forwarded_syscalls: u64,
    /// Payload bytes sent from here: pages written to peers and messages.
    pub bytes_sent: u64,
    /// Payload bytes received here: pages read from peers and messages.
    pub bytes_received: u64,
    /// How long each pull took, fault to return.
    pub pull: Histogram,
    /// How long each jump took, until the peer confirmed that it executes.
    pub jump: Histogram,
}

/// A node as the report shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStats {
    /// Host, `home`, or `local-1` and so on.
    pub name: String,
    /// Transport between home and this node; none for home itself.
    pub transport: Option<String>,
    /// Why this transport, in a few words; none for home itself.
    pub transport_reason: Option<String>,
    /// Seconds of processor time the program used there.
    pub cpu_s: f64,
    /// Pages pulled to it.
    pub pulls: u64,
    /// Pages pushed from it.
    pub pushes: u64,
    /// Page faults served there.
    pub faults: u64,
    /// Most bytes of the program resident there at one time.
    pub resident_bytes_max: u64,
}

/// The report of one run. The names of the fields are the keys of `--stats-json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStats {
    /// Exit status as a shell shows it: the program's own, or 128 and the signal that ended it.
    pub exit_status: i32,
    /// Seconds from the program's first instruction to its end.
    pub wall_s: f64,
    /// One entry a node, home first.
    pub nodes: Vec<NodeStats>,
    /// Jumps between any two nodes.
    pub jumps: u64,
    /// Pages pulled, all nodes together.
    pub pulls: u64,
    /// Pages pushed, all nodes together.
    pub pushes: u64,
    /// Pages let go without being sent.
    pub clean_drops: u64,
    /// Fresh pages filled with zeros by the runtime.
    pub zero_fills: u64,
    /// System calls that ran at home for a program executing elsewhere.
    pub forwarded_syscalls: u64,
    /// Payload bytes of page writes and messages, all nodes together.
    pub bytes_sent: u64,
    /// Payload bytes of page reads and messages, all nodes together.
    pub bytes_received: u64,
    /// Half of all pulls took at most this many microseconds; 0 without pulls.
    pub pull_us_p50: f64,
    /// 99 % of all pulls took at most this many microseconds.
    pub pull_us_p99: f64,
    /// Half of all jumps took at most this many microseconds; 0 without jumps.
    pub jump_us_p50: f64,
    /// 99 % of all jumps took at most this many microseconds.
    pub jump_us_p99: f64,
}

/// One node's counters with what home knows about the node.
#[derive(Clone, Debug)]
pub struct NodeReport {
    /// Host, `home`, or `local-1` and so on.
    pub name: String,
    /// Transport between home and the node; none for home itself.
    pub transport: Option<String>,
    /// Why this transport, in a few words; none for home itself.
    pub transport_reason: Option<String>,
    /// What the node counted.
    pub counters: NodeCounters,
}

impl RunStats {
    /// Adds up the counters of all nodes, home first.
    pub fn gather(exit_status: i32, wall: Duration, nodes: &[NodeReport]) -> RunStats {
        let sum = |field: fn(&NodeCounters) -> u64| nodes.iter().map(|n| field(&n.counters)).sum();
        let pull = merged(nodes.iter().map(|n| &n.counters.pull));
        let jump = merged(nodes.iter().map(|n| &n.counters.jump));
        RunStats {
            exit_status,
            wall_s: wall.as_secs_f64(),
            nodes: nodes.iter().map(NodeReport::stats).collect(),
            jumps: sum(|c| c.jumps),
            pulls: sum(|c| c.pulls),
            pushes: sum(|c| c.pushes),
            clean_drops: sum(|c| c.clean_drops),
            zero_fills: sum(|c| c.zero_fills),
            forwarded_syscalls: sum(|c| c.forwarded_syscalls),
            bytes_sent: sum(|c| c.bytes_sent),
            bytes_received: sum(|c| c.bytes_received),
            pull_us_p50: pull.quantile_us(0.5),
            pull_us_p99: pull.quantile_us(0.99),
            jump_us_p50: jump.quantile_us(0.5),
            jump_us_p99: jump.quantile_us(0.99),
        }
    }
}

impl NodeReport {
    fn stats(&self) -> NodeStats {
        NodeStats {
            name: self.name.clone(),
            transport: self.transport.clone(),
            transport_reason: self.transport_reason.clone(),
            cpu_s: Duration::from_nanos(self.counters.cpu_ns).as_secs_f64(),
            pulls: self.counters.pulls,
            pushes: self.counters.pushes,
            faults: self.counters.faults,
            resident_bytes_max: self.counters.resident_bytes_max,
        }
    }
}

fn merged<'a>(all: impl Iterator<Item = &'a Histogram>) -> Histogram {
    let mut sum = Histogram::new();
    all.for_each(|one| sum.merge(one));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, pulls: u64) -> NodeReport {
        let mut counters = NodeCounters { pulls, cpu_ns: 1_500_000_000, ..NodeCounters::default() };
        (0..pulls).for_each(|_| counters.pull.record(Duration::from_micros(10 * pulls)));
        let transport = (name != "home").then(|| "shm".to_owned());
        NodeReport { name: name.to_owned(), transport, transport_reason: None, counters }
    }

    #[test]
    fn the_report_adds_up_all_nodes() {
        let nodes = [report("home", 9), report("local-1", 1)];
        let stats = RunStats::gather(3, Duration::from_secs(2), &nodes);
        assert_eq!((stats.exit_status, stats.pulls, stats.nodes[0].pulls), (3, 10, 9));
        assert_eq!((stats.nodes[0].cpu_s, stats.wall_s), (1.5, 2.0));
        assert!((stats.pull_us_p50 - 90.0).abs() < 1.0, "{}", stats.pull_us_p50);
        assert_eq!((stats.jump_us_p50, stats.jump_us_p99), (0.0, 0.0));
    }

    #[test]
    fn counters_travel_by_postcard() {
        let counters = report("x", 5).counters;
        let bytes = postcard::to_stdvec(&counters).expect("encodes");
        assert!(bytes.len() < 100, "an almost empty report is small: {}", bytes.len());
        assert_eq!(postcard::from_bytes::<NodeCounters>(&bytes).expect("decodes"), counters);
    }
}
