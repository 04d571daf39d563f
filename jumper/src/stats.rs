//! What a run did, in numbers: counted on every node, gathered at home, shown by `--stats`.

use eos_pager::histogram::Histogram;
use eos_verbs::WorkRequests;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Counters of one node. A worker sends its own home at the end (postcard).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeCounters {
    /// Processor time the program used here, in nanoseconds.
    pub cpu_ns: u64,
    /// Pages pulled to this node.
    pub pulls: u64,
    /// Of these, pages that came along with others.
    pub prefetched: u64,
    /// Of those, pages that are known to have been used.
    pub prefetch_used: u64,
    /// Of those, pages that are known, or believed, not to have been used.
    pub prefetch_wasted: u64,
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
    /// Pages of zeros that were let go without being sent.
    pub zero_drops: u64,
    /// Fresh pages that were filled with zeros by the runtime.
    pub zero_fills: u64,
    /// Bytes of the slabs that this node gave back to peers.
    pub given_back_bytes: u64,
    /// Of these, bytes that peers had asked for.
    pub asked_back_bytes: u64,
    /// Time that giving those took, in nanoseconds.
    pub asked_back_ns: u64,
    /// Pages that came home without the program having asked for them.
    pub brought_home: u64,
    /// System calls that ran at home for the program executing here.
    pub forwarded_syscalls: u64,
    /// Threads that went home from here without the others, to sleep in a system call.
    pub sleepers: u64,
    /// Payload bytes sent from here: pages written to peers and messages.
    pub bytes_sent: u64,
    /// Payload bytes received here: pages read from peers and messages.
    pub bytes_received: u64,
    /// Of the bytes sent, those that compression kept off the wire.
    pub saved_sent: u64,
    /// Of the bytes received, those that compression kept off the wire.
    pub saved_received: u64,
    /// What this node asked its RDMA device to do.
    pub work_requests: WorkCounters,
    /// How long each pull took, fault to return.
    pub pull: Histogram,
    /// How long each jump took, until the peer confirmed that it executes.
    pub jump: Histogram,
}

/// Work requests posted to RDMA devices; all zero over other transports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkCounters {
    /// READs: one for each page that is pulled out of a slot.
    pub reads: u64,
    /// WRITEs: one for each page that is pushed, and some that tell when earlier ones are done.
    pub writes: u64,
    /// SENDs: one for each message of at most 64 KiB, so for each jump.
    pub sends: u64,
    /// Attempts to make a broken queue pair again.
    pub recoveries: u64,
}

impl WorkCounters {
    fn plus(self, other: WorkCounters) -> WorkCounters {
        WorkCounters {
            reads: self.reads + other.reads,
            writes: self.writes + other.writes,
            sends: self.sends + other.sends,
            recoveries: self.recoveries + other.recoveries,
        }
    }
}

impl From<WorkRequests> for WorkCounters {
    fn from(work: WorkRequests) -> WorkCounters {
        WorkCounters { reads: work.reads, writes: work.writes, sends: work.sends, recoveries: work.recoveries }
    }
}

impl std::iter::Sum for WorkCounters {
    fn sum<I: Iterator<Item = WorkCounters>>(all: I) -> WorkCounters {
        all.fold(WorkCounters::default(), WorkCounters::plus)
    }
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
    /// Of these, pages that came along with others (prefetch).
    pub prefetched: u64,
    /// Part of the prefetched pages, as far as their windows were judged, that was used; 0 if none was.
    pub prefetch_accuracy: f64,
    /// Part of the pages that had to come for the program that was prefetched: used ones, divided by these and the pulls that it waited for.
    pub prefetch_coverage: f64,
    /// Pages pushed, all nodes together.
    pub pushes: u64,
    /// Pages let go without being sent.
    pub clean_drops: u64,
    /// Pages of zeros that were let go without being sent: none ever crosses the wire by a push.
    pub zero_drops: u64,
    /// Fresh pages filled with zeros by the runtime.
    pub zero_fills: u64,
    /// Bytes of memory that peers had lent and got back during the run.
    pub given_back_bytes: u64,
    /// Of these, bytes that the peers had asked for.
    pub asked_back_bytes: u64,
    /// Seconds that giving those took, from the beginning of the first page's move to the return of its slab.
    pub asked_back_s: f64,
    /// Pages that came home without the program having asked for them, since there was room.
    pub brought_home: u64,
    /// System calls that ran at home for a program executing elsewhere.
    pub forwarded_syscalls: u64,
    /// How often a thread went home without the others, to sleep in a system call.
    pub sleepers: u64,
    /// Payload bytes of page writes and messages, all nodes together.
    pub bytes_sent: u64,
    /// Payload bytes of page reads and messages, all nodes together.
    pub bytes_received: u64,
    /// Of `bytes_sent`, what crossed the wire: less where pages were compressed on the way. Without the frames around them.
    pub wire_bytes_sent: u64,
    /// Of `bytes_received`, what crossed the wire.
    pub wire_bytes_received: u64,
    /// Work requests of all nodes together.
    pub work_requests: WorkCounters,
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
        let sum = |field: fn(&NodeCounters) -> u64| nodes.iter().map(|n| field(&n.counters)).sum::<u64>();
        let used = sum(|c| c.prefetch_used);
        let pull = merged(nodes.iter().map(|n| &n.counters.pull));
        let jump = merged(nodes.iter().map(|n| &n.counters.jump));
        RunStats {
            exit_status,
            wall_s: wall.as_secs_f64(),
            nodes: nodes.iter().map(NodeReport::stats).collect(),
            jumps: sum(|c| c.jumps),
            pulls: sum(|c| c.pulls),
            prefetched: sum(|c| c.prefetched),
            prefetch_accuracy: part(used, used + sum(|c| c.prefetch_wasted)),
            prefetch_coverage: part(used, used + sum(|c| c.pulls - c.prefetched)),
            pushes: sum(|c| c.pushes),
            clean_drops: sum(|c| c.clean_drops),
            zero_drops: sum(|c| c.zero_drops),
            zero_fills: sum(|c| c.zero_fills),
            given_back_bytes: sum(|c| c.given_back_bytes),
            asked_back_bytes: sum(|c| c.asked_back_bytes),
            asked_back_s: Duration::from_nanos(sum(|c| c.asked_back_ns)).as_secs_f64(),
            brought_home: sum(|c| c.brought_home),
            forwarded_syscalls: sum(|c| c.forwarded_syscalls),
            sleepers: sum(|c| c.sleepers),
            bytes_sent: sum(|c| c.bytes_sent),
            bytes_received: sum(|c| c.bytes_received),
            wire_bytes_sent: sum(|c| c.bytes_sent - c.saved_sent),
            wire_bytes_received: sum(|c| c.bytes_received - c.saved_received),
            work_requests: nodes.iter().map(|n| n.counters.work_requests).sum(),
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

/// `some` of `all`; 0 if there are none.
fn part(some: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { some as f64 / all as f64 }
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
