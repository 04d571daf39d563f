//! Nodes of a network on this machine: a namespace each, and a daemon in every one but home's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::FiguresError;
use super::case::Link;
use super::child::{self, Daemon, Stop};

/// Scripts of this repository.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts");
/// Where daemons listen.
const PORT: u16 = 7471;

/// A network that is up; dropped, it is torn down.
pub struct Network {
    prefix: &'static str,
    nodes: u8,
    folder: PathBuf,
    daemons: Vec<Daemon>,
    stop: Stop,
}

impl Network {
    /// Makes it: `nodes` namespaces, and daemons that lend `peer_bytes` each.
    ///
    /// # Errors
    /// A sentence for the report: what this machine lacks.
    pub fn up(link: Link, nodes: u8, eos: &Path, peer_bytes: u64, stop: &Stop) -> Result<Self, FiguresError> {
        let rate = link.rate().expect("a link with a rate");
        let prefix = if link == Link::Tcp1 { "eosfiga" } else { "eosfigb" };
        let folder = tempfile::Builder::new().prefix("eos-figures-").tempdir().map(tempfile::TempDir::keep);
        let folder = folder.map_err(|source| FiguresError::File { path: "a temporary folder".to_owned(), source })?;
        let mut up = Command::new(format!("{SCRIPTS}/netns-up"));
        child::must(up.arg(nodes.to_string()).args(["--rate", rate, "--prefix", prefix]), stop)?;
        let mut network = Self { prefix, nodes, folder, daemons: Vec::new(), stop: stop.clone() };
        child::must(Command::new(eos).args(["key", "new"]).arg(network.key()), stop)?;
        for node in 1..nodes {
            network.start_daemon(node, eos, peer_bytes)?;
        }
        for count in 2..=nodes {
            let hosts = (1..count).map(|node| format!("{}:{PORT}\n", address(node))).collect::<String>();
            let path = network.hosts(count);
            std::fs::write(&path, hosts)
                .map_err(|source| FiguresError::File { path: path.display().to_string(), source })?;
        }
        Ok(network)
    }

    fn start_daemon(&mut self, node: u8, eos: &Path, peer_bytes: u64) -> Result<(), FiguresError> {
        let log = self.folder.join(format!("serve{node}.log"));
        let mut serve = self.inside(node, eos);
        serve.args(["serve", "--listen", &format!("{}:{PORT}", address(node)), "--memory", &peer_bytes.to_string()]);
        let mut daemon = Daemon::start(serve.arg("--key").arg(self.key()), &log)?;
        let listens = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("serving"));
        daemon.wait_until("eos-rdma serve", &log, listens)?;
        self.daemons.push(daemon);
        Ok(())
    }

    /// A command inside a node's namespace. Its mounts stay those of this process.
    #[must_use]
    pub fn inside(&self, node: u8, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}{node}", self.prefix)).arg(program);
        command
    }

    /// The key file of its daemons.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("key")
    }

    /// The file that names the peers of a run on `nodes` nodes.
    #[must_use]
    pub fn hosts(&self, nodes: u8) -> PathBuf {
        self.folder.join(format!("hosts{nodes}"))
    }

    /// A folder that vanishes with the network.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes that all nodes have sent so far, headers included: what came in at the ports of the bridge.
    ///
    /// # Errors
    /// `ip` failed.
    pub fn bytes_sent(&self) -> Result<u64, FiguresError> {
        let bridge = format!("{}br", self.prefix);
        let text = child::must(Command::new("ip").args(["-n", &bridge, "-s", "-j", "link"]), &self.stop)?;
        let bad = |what: String| FiguresError::Command { command: "ip -j link".to_owned(), what };
        let links: Vec<serde_json::Value> = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let ports = links.iter().filter(|link| link["ifname"].as_str().is_some_and(|name| name.starts_with("port")));
        let bytes: Vec<_> = ports.filter_map(|port| port["stats64"]["rx"]["bytes"].as_u64()).collect();
        if bytes.len() != usize::from(self.nodes) {
            return Err(bad(format!("counters of {} ports, not of {}", bytes.len(), self.nodes)));
        }
        Ok(bytes.iter().sum())
    }

    /// Bytes a second that a plain TCP stream carries from node 1 to home, by iperf3.
    ///
    /// # Errors
    /// iperf3 is missing, or failed.
    pub fn stream(&self) -> Result<f64, FiguresError> {
        let log = self.folder.join("iperf3.log");
        let mut server = Daemon::start(self.inside(1, "iperf3").args(["-s", "-1", "--forceflush"]), &log)?;
        let listens = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("listening"));
        server.wait_until("iperf3", &log, listens)?;
        let mut client = self.inside(0, "iperf3");
        client.args(["-c", &address(1), "-R", "-t", "3", "-J"]);
        let ended = child::run(&mut client, Duration::from_secs(20), &self.stop)?;
        let bits = serde_json::from_str::<serde_json::Value>(&ended.said).ok();
        let bits = bits.and_then(|report| report["end"]["sum_received"]["bits_per_second"].as_f64());
        let what = || child::last_line(&ended.complained, "it printed no rate");
        bits.map(|bits| bits / 8.0).ok_or_else(|| FiguresError::Command { command: "iperf3".to_owned(), what: what() })
    }
}

/// A node's address.
#[must_use]
pub fn address(node: u8) -> String {
    format!("10.77.0.{}", node + 1)
}

impl Drop for Network {
    fn drop(&mut self) {
        self.daemons.clear();
        // A stop must not keep this from happening.
        let _ = child::must(
            Command::new(format!("{SCRIPTS}/netns-down")).args(["--prefix", self.prefix]),
            &Stop::default(),
        );
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
