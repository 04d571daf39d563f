//! What the peers of a hosts file have, as seen from here.
//!
//! All hosts are called at the same time, since each that is down takes seconds. Round trips are measured one host after
//! the other. Each is a TCP connection that is closed again at once: the kernel there answers, so it is the network that
//! is measured and not the daemon.

use super::{Check, Section, check_of};
use crate::cluster::ClusterError;
use crate::cluster::choice::{Chosen, choose};
use crate::cluster::cpu::CpuFeatures;
use crate::cluster::dial::{CONNECT_LIMIT, Caller, resolve, try_addresses};
use crate::cluster::host::random;
use crate::cluster::hosts::HostSpec;
use crate::cluster::messages::{DaemonAddress, RunReply};
use crate::size::Size;
use eos_verbs::session::{ClusterKey, Purpose};
use eos_verbs::{NodeId, TransportChoice};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Connections of one round-trip measurement; the median counts.
const ROUND_TRIPS: usize = 9;

/// A round trip from here on makes pulls slow.
const ROUND_TRIP_SLOW: Duration = Duration::from_millis(5);

/// What a host answered.
struct Answer {
    daemon: DaemonAddress,
    reply: RunReply,
}

/// Calls every host; one section each, in the order of the file. Up to 5 s for each address that does not answer.
pub fn examine(hosts: &[HostSpec], key: &ClusterKey, choice: TransportChoice) -> Vec<Section> {
    let caller = |run_id| Caller { run_id, me: NodeId::HOME, key: key.clone() };
    // a probe belongs to no run, so its number does not matter
    let caller = caller(random().unwrap_or_default());
    let answers: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = hosts.iter().map(|spec| scope.spawn(|| call(&caller, spec))).collect();
        calls.into_iter().map(|call| call.join().expect("a call does not panic")).collect()
    });
    let section = |(spec, answer): (&HostSpec, Result<Answer, ClusterError>)| Section {
        name: spec.to_string(),
        checks: match answer {
            Ok(answer) => healthy(&caller, spec, &answer, choice),
            Err(error) => refused(&error),
        },
    };
    hosts.iter().zip(answers).map(section).collect()
}

fn call(caller: &Caller, spec: &HostSpec) -> Result<Answer, ClusterError> {
    let name = spec.to_string();
    let addresses = resolve(&name, &spec.host, spec.port)?;
    let (welcome, address) = try_addresses(&addresses, |address| {
        let (_, welcome) = caller.call(&name, address, Purpose::Probe)?;
        Ok((welcome, address))
    })?;
    let reply = RunReply::decode(&name, &welcome.payload)?;
    Ok(Answer { daemon: DaemonAddress::new(name, address, welcome, &reply), reply })
}

/// Checks of a host that let us in.
fn healthy(caller: &Caller, spec: &HostSpec, answer: &Answer, choice: TransportChoice) -> Vec<Check> {
    vec![
        Check::ok("reachable", answer.daemon.address.to_string()),
        Check::ok("key", if caller.key.is_open() { "none, on both ends" } else { "the same on both ends" }),
        release(&answer.reply.release),
        memory(answer.reply.memory_bytes, spec.memory),
        processor(&CpuFeatures::here().missing_in(&answer.reply.cpu)),
        transport(choose(&answer.daemon, choice)),
        round_trip(median_round_trip(answer.daemon.address)),
    ]
}

/// Checks of a host up to the one that failed.
fn refused(error: &ClusterError) -> Vec<Check> {
    let (name, before) = check_of(error);
    let failed = Check::failed_with(name, &error.to_string());
    let passed = [Check::ok("reachable", "it answers"), Check::ok("key", "the same on both ends")];
    passed.into_iter().take(before).chain([failed]).collect()
}

fn release(theirs: &str) -> Check {
    let ours = env!("CARGO_PKG_VERSION");
    match theirs == ours {
        true => Check::ok("version", ours),
        false => Check::warning(
            "version",
            format!("{theirs} there, {ours} here"),
            "install the same release of eos-rdma on both hosts",
        ),
    }
}

fn memory(free: u64, wanted: Option<u64>) -> Check {
    match (free, wanted) {
        (0, _) => Check::failed(
            "memory",
            "other runs hold all of it",
            "wait until one ends, or give its daemon a larger --memory",
        ),
        (free, Some(wanted)) if free < wanted => Check::warning(
            "memory",
            format!("{} free, the hosts file asks for {}", Size(free), Size(wanted)),
            "give its daemon a larger --memory, or the hosts file a smaller memory=",
        ),
        (free, _) => Check::ok("memory", format!("{} free", Size(free))),
    }
}

fn processor(lacks: &[&str]) -> Check {
    match lacks {
        [] => Check::ok("processor", "can execute: it has all features of this one"),
        lacks => Check::warning(
            "processor",
            format!("serves memory only: it lacks {}", lacks.join(", ")),
            "start runs on the machine with the oldest processor if execution should jump",
        ),
    }
}

fn transport(chosen: Result<Chosen, ClusterError>) -> Check {
    match chosen {
        Ok(Chosen { kind, reason }) => Check::ok("transport", format!("{kind} ({reason})")),
        Err(error) => Check::failed_with("transport", &error.to_string()),
    }
}

fn round_trip(median: Option<Duration>) -> Check {
    const NAME: &str = "round trip";
    match median {
        None => Check::failed(NAME, "it stopped answering", "see the log of its daemon"),
        Some(time) => {
            let found = format!("{:.3} ms, median of {ROUND_TRIPS}", time.as_secs_f64() * 1e3);
            match time < ROUND_TRIP_SLOW {
                true => Check::ok(NAME, found),
                false => Check::warning(NAME, found, "use a peer that is nearer: each pull takes at least as long"),
            }
        }
    }
}

fn median_round_trip(address: SocketAddr) -> Option<Duration> {
    let once = || {
        let start = Instant::now();
        TcpStream::connect_timeout(&address, CONNECT_LIMIT).ok().map(|_| start.elapsed())
    };
    let mut times = (0..ROUND_TRIPS).map(|_| once()).collect::<Option<Vec<_>>>()?;
    times.sort_unstable();
    Some(times[ROUND_TRIPS / 2])
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
