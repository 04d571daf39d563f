//! The numbers of perftest (`ib_read_lat` and its kin), on the same device and the same sizes: what the hardware gives.
//!
//! The worker starts the server of each tool on a port of its own, home runs the client. Both are ended by process id.

use super::SIZES;
use super::echo::PERFTEST;
use crate::RunError;
use crate::cluster::choice::local_address_towards;
use crate::cluster::messages::encode;
use crate::cluster::stretch::Link;
use eos_verbs::rdma::{self, GidKind, LinkLayer, PortState};
use eos_verbs::{Mailbox, VerbsError};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Tool, operation, and whether it tells bandwidth.
const TOOLS: [(&str, &str, bool); 5] = [
    ("ib_read_lat", "READ", false),
    ("ib_read_bw", "READ", true),
    ("ib_write_lat", "WRITE", false),
    ("ib_write_bw", "WRITE", true),
    ("ib_send_lat", "SEND", false),
];

/// A tool that takes longer is ended.
const LIMIT: Duration = Duration::from_secs(60);

/// What perftest says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Perftest {
    /// Its numbers.
    Measured(Vec<Reference>),
    /// Why there are none.
    Missing(String),
}

/// One number of perftest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reference {
    /// `READ`, `WRITE` or `SEND`.
    pub operation: &'static str,
    /// Bytes of each.
    pub bytes: usize,
    /// Typical latency, microseconds.
    pub typical_us: Option<f64>,
    /// Average bandwidth, MiB a second.
    pub mib_s: Option<f64>,
}

/// Home to worker: start a server.
#[derive(Serialize, Deserialize)]
struct Request {
    tool: u8,
    /// The worker's address as home knows it; none on the same host.
    address: Option<IpAddr>,
}

/// Worker to home: the server's port, or why there is none.
type Answer = Result<u16, String>;

/// All tools against the first peer, whose daemon is at `address`.
pub(super) fn all(links: &mut [Option<Link>], address: Option<SocketAddr>) -> Result<Perftest, RunError> {
    let own = address.and_then(|address| local_address_towards(address).ok());
    let device = match device_args(own) {
        Ok(device) => device,
        Err(why) => return Ok(Perftest::Missing(why)),
    };
    let mut numbers = Vec::new();
    for (index, (tool, operation, bandwidth)) in (0u8..).zip(TOOLS) {
        if !is_installed(tool) {
            return Ok(Perftest::Missing("perftest not installed".to_owned()));
        }
        let port = match ask_server(links, &Request { tool: index, address: address.map(|a| a.ip()) })? {
            Ok(port) => port,
            Err(why) => return Ok(Perftest::Missing(format!("{tool} on the peer: {why}"))),
        };
        let host = address.map_or_else(|| "localhost".to_owned(), |address| address.ip().to_string());
        match client(tool, &device, port, &host) {
            Ok(output) => numbers.extend(parse(&output, operation, bandwidth)),
            Err(why) => return Ok(Perftest::Missing(format!("{tool}: {why}"))),
        }
    }
    Ok(Perftest::Measured(numbers))
}

fn ask_server(links: &mut [Option<Link>], request: &Request) -> Result<Answer, VerbsError> {
    let mut reply = Vec::new();
    links[1].as_mut().expect("the peer has joined").send(&[&[PERFTEST], &encode(request)])?;
    Mailbox::new().wait(links, &mut reply, None)?;
    Ok(postcard::from_bytes(&reply).unwrap_or_else(|_| Err("its answer makes no sense".to_owned())))
}

/// In the worker: starts the server that home asks for. It is ended when the second value is dropped.
pub(super) fn answer(request: &[u8]) -> (Vec<u8>, Option<Server>) {
    let started = postcard::from_bytes(request).map_err(|_| "the request makes no sense".to_owned()).and_then(start);
    match started {
        Ok((port, server)) => (encode(&Answer::Ok(port)), Some(server)),
        Err(why) => (encode(&Answer::Err(why)), None),
    }
}

/// A server process, killed by its process id when dropped.
pub(super) struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(request: Request) -> Result<(u16, Server), String> {
    let (tool, ..) = *TOOLS.get(usize::from(request.tool)).ok_or("there is no such tool")?;
    let device = device_args(request.address)?;
    let port = free_port().map_err(|error| error.to_string())?;
    let child = command(tool, &device, port).stdout(Stdio::null()).spawn();
    let server = Server(child.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "perftest not installed".to_owned(),
        _ => error.to_string(),
    })?);
    // the tool says nothing when it is ready; its client tries only once
    std::thread::sleep(Duration::from_millis(500));
    Ok((port, server))
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0"))?.local_addr()?.port())
}

/// All powers of two, 1000 times each, whatever the processor's clock does.
fn command(tool: &str, device: &[String], port: u16) -> Command {
    let mut command = Command::new(tool);
    command.args(["-a", "-F", "-n", "1000", "-p", &port.to_string()]).args(device);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn is_installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

fn client(tool: &str, device: &[String], port: u16, host: &str) -> Result<String, String> {
    let child = command(tool, device, port).arg(host).stdout(Stdio::piped()).spawn();
    let mut child = Server(child.map_err(|error| error.to_string())?);
    let mut pipe = child.0.stdout.take().ok_or("it has no output")?;
    let output = std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text)
    });
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        match child.0.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline => return Err(format!("it took longer than {} s", LIMIT.as_secs())),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let text = output.join().ok().and_then(Result::ok).unwrap_or_default();
    if status.success() { Ok(text) } else { Err(format!("it ended with {status}")) }
}

/// The options that name device, port and GID: those with the address `own`, or the first that is active.
fn device_args(own: Option<IpAddr>) -> Result<Vec<String>, String> {
    let devices = rdma::devices().map_err(|error| error.to_string())?;
    let ports = devices.iter().flat_map(|device| device.ports.iter().map(move |port| (device, port)));
    for (device, port) in ports.filter(|(_, port)| port.state == PortState::Active) {
        let args = ["-d", &device.name, "-i", &port.number.to_string()].map(str::to_owned).to_vec();
        if port.link_layer == LinkLayer::InfiniBand {
            return Ok(args);
        }
        let fits = |address: IpAddr| own.is_none_or(|own| own.to_canonical() == address);
        if let Some(gid) = port.gids.iter().find(|gid| gid.kind == GidKind::RoceV2 && fits(gid.ip())) {
            return Ok([args, vec!["-x".to_owned(), gid.index.to_string()]].concat());
        }
    }
    Err("no active RDMA port has the address of this link".to_owned())
}

/// The rows of the sizes that are measured here. A row begins with bytes and rounds; then come, for latency, least,
/// most and typical, and for bandwidth peak and average.
fn parse(output: &str, operation: &'static str, bandwidth: bool) -> Vec<Reference> {
    let row = |line: &str| {
        let numbers: Option<Vec<f64>> = line.split_whitespace().map(|word| word.parse().ok()).collect();
        let numbers = numbers.filter(|numbers| numbers.len() >= 5)?;
        let bytes = SIZES.into_iter().find(|bytes| *bytes as f64 == numbers[0])?;
        let (typical_us, mib_s) = if bandwidth { (None, Some(numbers[3])) } else { (Some(numbers[4]), None) };
        Some(Reference { operation, bytes, typical_us, mib_s })
    };
    output.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: &str = "\
 local address: LID 0000 QPN 0x0011 PSN 0x9e6c52
 #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]   99% percentile[usec]   99.9% percentile[usec]
 2       1000          1.68           3.30         1.71     	       1.72        	0.06   		1.93    		3.30
 8       1000          1.69           3.71         1.72     	       1.73        	0.06   		1.94    		3.71
 4096    1000          2.67           4.02         2.71     	       2.72        	0.05   		2.93    		4.02
";
    const BANDWIDTH: &str = "\
 #bytes     #iterations    BW peak[MB/sec]    BW average[MB/sec]   MsgRate[Mpps]
 65536      1000             2928.96            2758.87		   0.044142
";

    #[test]
    fn the_rows_of_our_sizes_are_read() {
        let latency = parse(LATENCY, "READ", false);
        let seen: Vec<_> = latency.iter().map(|row| (row.bytes, row.typical_us, row.mib_s)).collect();
        assert_eq!(seen, [(8, Some(1.72), None), (4096, Some(2.71), None)]);
        let bandwidth = parse(BANDWIDTH, "WRITE", true);
        assert_eq!((bandwidth.len(), bandwidth[0].bytes, bandwidth[0].mib_s), (1, 65536, Some(2758.87)));
        assert_eq!(parse("nonsense\n1 2 x 4 5 6\n", "SEND", false), []);
    }

    #[test]
    fn a_request_that_makes_no_sense_is_answered() {
        let (bytes, server) = answer(&[9, 9, 9, 9]);
        assert!(server.is_none());
        assert!(postcard::from_bytes::<Answer>(&bytes).expect("an answer").is_err());
    }
}
