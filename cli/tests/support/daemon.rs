//! `eos-rdma serve` processes, ended by pid when dropped.
#![allow(dead_code)] // each test file uses a part

use super::harness::{EXE, Running, start, wait_until};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A daemon that listens.
pub struct Daemon {
    pub process: Running,
    pub address: String,
}

impl Daemon {
    /// Serves `memory` at `address`, after `before` (such as `ip netns exec NAME`); no other process has its port.
    pub fn start(before: &[&str], address: &str, memory: &str, key: Option<&Path>) -> Daemon {
        let mut words: Vec<&str> = before.to_vec();
        words.extend([EXE, "serve", "--listen", address, "--memory", memory]);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        let process = start(&mut command);
        let pid = process.pid();
        wait_until(&format!("{address} listens"), Duration::from_secs(40), || listens(pid, address));
        Daemon { process, address: address.to_owned() }
    }

    /// On a port of loopback that was free a moment ago.
    pub fn local(memory: &str, key: Option<&Path>) -> Daemon {
        Daemon::start(&[], &free_address(), memory, key)
    }
}

/// An address of loopback whose port is free.
pub fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// Whether the network of process `pid` has a listener at the port of `address`.
fn listens(pid: u32, address: &str) -> bool {
    let port: u16 = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    table.lines().any(|line| line.contains(&format!(":{port:04X} 00000000:0000 0A")))
}

/// A hosts file with one line for each address.
pub fn hosts_file(folder: &Path, addresses: &[&str]) -> std::path::PathBuf {
    let path = folder.join("hosts.txt");
    std::fs::write(&path, addresses.join("\n") + "\n").expect("written");
    path
}

/// A fresh key file.
pub fn key_file(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    let status = Command::new(EXE).args(["key", "new"]).arg(&path).status().expect("eos-rdma runs");
    assert!(status.success());
    path
}
