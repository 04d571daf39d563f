//! Statistics: what this node counted, and what home gathers at the end.

use std::time::Duration;

use eos_verbs::NodeId;

use super::Executor;
use crate::jump::messages;
use crate::stats::{NodeCounters, NodeReport, RunStats};
use eos_pager::page::PAGE_SIZE;

impl Executor {
    /// This node's counters as they stand.
    pub(crate) fn counters(&self) -> NodeCounters {
        let pager = &self.pager.counters;
        let verdicts = self.pager.prefetch_verdicts();
        let wires = || self.pager.links.iter().flatten().map(|link| link.counters());
        NodeCounters {
            cpu_ns: cpu_ns(),
            pulls: pager.pulls,
            prefetched: pager.prefetched,
            prefetch_used: verdicts.used,
            prefetch_wasted: verdicts.wasted,
            pushes: pager.pushes,
            faults: pager.faults,
            resident_bytes_max: pager.resident_max() * PAGE_SIZE,
            jumps: self.tally.jumps,
            clean_drops: pager.clean_drops,
            zero_drops: pager.zero_drops,
            zero_fills: pager.zero_fills,
            given_back_bytes: pager.given_back * PAGE_SIZE,
            asked_back_bytes: self.demands.tally.bytes,
            asked_back_ns: u64::try_from(self.demands.tally.time.as_nanos()).unwrap_or(u64::MAX),
            brought_home: pager.brought_home,
            forwarded_syscalls: self.tally.forwarded,
            sleepers: self.tally.sleepers,
            bytes_sent: wires().map(|wire| wire.bytes_sent).sum(),
            bytes_received: wires().map(|wire| wire.bytes_received).sum(),
            saved_sent: wires().map(|wire| wire.saved_sent).sum(),
            saved_received: wires().map(|wire| wire.saved_received).sum(),
            work_requests: wires().map(|wire| wire.work.into()).sum(),
            pull: self.pager.pull_latency.clone(),
            jump: self.tally.jump_latency.clone(),
        }
    }

    /// At home, with all peers parked: everybody's counters. None if nobody wants them.
    pub(super) fn gather(&mut self, exit_status: i32) -> Option<RunStats> {
        let home = self.home.as_ref().filter(|home| home.report.is_some())?;
        let wall = home.started.elapsed();
        let reasons = home.alarms.lock().transport_reasons.clone();
        let mut reports = Vec::new();
        for node in 0..self.pager.nodes.len() {
            let transport = self.pager.links.get(node).and_then(Option::as_ref);
            let transport = transport.map(|link| link.transport().to_string());
            let name = self.pager.nodes[node].name.clone();
            let counters = if node == NodeId::HOME.0 as usize {
                Some(self.counters())
            } else {
                self.ask_counters(NodeId(node as u8))
            };
            let transport_reason = node.checked_sub(1).and_then(|peer| reasons.get(peer)).cloned();
            reports.push(NodeReport { name, transport, transport_reason, counters: counters.unwrap_or_default() });
        }
        Some(RunStats::gather(exit_status, wall, &reports))
    }

    fn ask_counters(&mut self, node: NodeId) -> Option<NodeCounters> {
        self.send(node, &[&[messages::STATS]]).ok()?;
        let reply = self.pager.wait_reply(node, messages::STATS_REPLY).ok()?;
        postcard::from_bytes(reply.get(1..)?).ok()
    }
}

/// Processor time of this thread, which hosts the program here.
fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let nanoseconds = Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32).as_nanos();
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}
