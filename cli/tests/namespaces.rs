//! Several machines, as far as one can be: daemons in network namespaces, tcp between them. Needs root.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/harness.rs"]
mod harness;

use daemon::{Daemon, hosts_file, key_file};
use harness::{EXE, LIMIT, Program, bench_program, is_root, root, start};
use std::process::Command;

/// A network of namespaces; torn down when dropped, after the daemons in it.
struct Network {
    prefix: String,
}

impl Network {
    fn new(prefix: &str, nodes: usize) -> Network {
        let made =
            Command::new(root().join("scripts/netns-up")).args([&nodes.to_string(), "--prefix", prefix]).output();
        let made = made.expect("scripts/netns-up runs");
        let network = Network { prefix: prefix.to_owned() };
        let why = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "network namespaces cannot be made here (ip netns): {why}");
        network
    }

    fn name(&self, node: usize) -> String {
        format!("{}{node}", self.prefix)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new(root().join("scripts/netns-down")).args(["--prefix", &self.prefix]).output();
    }
}

/// Runs programs at home (node 0) with daemons on nodes 1 and up; each case is options, program, and words of --stats.
fn over(prefix: &str, peers: usize, cases: &[(&str, Program)]) {
    if !is_root() {
        eprintln!("skipped: network namespaces need root");
        return;
    }
    let network = Network::new(prefix, peers + 1);
    let folder = tempfile::tempdir().expect("a folder");
    let key = key_file(folder.path(), "key");
    let addresses: Vec<String> = (1..=peers).map(|node| format!("10.77.0.{}:7471", node + 1)).collect();
    let daemons: Vec<Daemon> = addresses
        .iter()
        .enumerate()
        .map(|(index, address)| {
            let name = network.name(index + 1);
            Daemon::start(&["ip", "netns", "exec", &name], address, "1G", Some(&key))
        })
        .collect();
    let hosts = hosts_file(folder.path(), &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    for (options, program) in cases {
        let json = folder.path().join("stats.json");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &network.name(0), EXE, "run", "--transport", "tcp"]);
        command.arg("--peers").arg(&hosts).arg("--key").arg(&key).arg("--stats-json").arg(&json);
        command.args(options.split_whitespace()).arg(&program.path).arg("--").args(&program.args);
        let outcome = start(&mut command).finish(LIMIT);
        let native = program.natively();
        assert_eq!(outcome.status, native.status, "{} {options}: {}", program.name(), outcome.stderr);
        if outcome.stdout().contains("result=") {
            assert_eq!(outcome.field("result"), native.field("result"), "{} {options}", program.name());
        } else {
            assert_eq!(outcome.stdout, native.stdout, "{} {options}", program.name());
        }
        let stats: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&json).expect("written")).expect("JSON");
        assert_eq!(stats["nodes"].as_array().map(Vec::len), Some(peers + 1));
        assert_eq!(
            stats["jumps"].as_u64() > Some(0),
            !options.contains("never"),
            "{} {options}: {stats}",
            program.name()
        );
        assert!(stats["pushes"].as_u64() > Some(0) && stats["pulls"].as_u64() > Some(0), "{stats}");
        assert!(stats["nodes"][1]["transport"] == "tcp", "{stats}");
    }
    drop(daemons);
}

fn bench(name: &str) -> Program {
    let size = if std::env::var_os("EOS_FULL").is_some() { "512M" } else { "8M" };
    Program::new(bench_program(name), &["--size", size])
}

#[test]
fn two_nodes_share_the_six_programs() {
    let budget = if std::env::var_os("EOS_FULL").is_some() { "--memory 128M" } else { "--memory 2M" };
    let names = ["linear_search", "dfs", "dijkstra", "heap_sort", "block_sort", "count_sort"];
    let mut cases: Vec<_> = names.iter().map(|name| (budget, bench(name))).collect();
    cases.push(("--memory 4M --jump never", Program::new(bench_program("dijkstra"), &["--size", "8M"])));
    over("eosta", 1, &cases);
}

#[test]
fn three_nodes_jump_among_each_other() {
    let tortured = |seed| (seed, Program::fixture("mmap_torture", &["9", "1500"]));
    over(
        "eostb",
        2,
        &[
            ("--memory 2M", bench("linear_search")),
            ("--memory 2M --jump 4", bench("block_sort")),
            tortured("--memory 8M --torture 1"),
            tortured("--memory 8M --torture 2"),
            ("--memory 8M --torture 3", Program::fixture("syscalls", &[])),
        ],
    );
}
