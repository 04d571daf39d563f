//! `eos-rdma serve` processes, ended by pid when dropped.
#![allow(dead_code)] // each test file uses a part

use super::harness::{EXE, Running, children, start, wait_until};
use std::os::unix::fs::MetadataExt;
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

/// What the kernel has really given the workers of a daemon for the memory that they offer. A worker has the memory of other nodes open as
/// well; its own it opened first.
pub fn offered(daemon: &Daemon) -> u64 {
    let of_worker = |pid: u32| -> u64 {
        let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
        let paths = descriptors.filter_map(|entry| Some(entry.ok()?.path()));
        let regions = paths.filter(|path| {
            std::fs::read_link(path).is_ok_and(|target| target.to_string_lossy().contains("eos-region"))
        });
        let number = |path: &std::path::PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
        let own = regions.min_by_key(number);
        own.and_then(|path| Some(std::fs::metadata(path).ok()?.blocks() * 512)).unwrap_or(0)
    };
    children(daemon.process.pid()).into_iter().map(of_worker).sum()
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
