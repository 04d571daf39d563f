//! Latency of the wire on this machine: `cargo run --release -p eos-verbs --example ping -- [rounds] [spin us]`.
//!
//! The other end is a process of its own. Each row is measured with both ends pinned to one CPU, to two CPUs, and not pinned.
//! `bare` is a plain TCP request of 32 bytes and response of 4 KiB: what our read has to be compared with.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eos_verbs::{Mailbox, NodeId, PAGE, PeerName, QueuePair, Region, Tuning, Wires, connect_pair_with};
use rustix::thread::{CpuSet, sched_setaffinity, sched_yield};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;
type Links = [Option<Box<dyn QueuePair>>; 1];

const REGION: usize = 64 << 20;
const BATCH: usize = 64;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: u64| args.get(index).map_or(Ok(default), |text| text.parse());
    if args.first().is_some_and(|first| first == "other-end") {
        return other_end(&args[1], &args[2], &args[3], number(4, 100)?);
    }
    let (rounds, spin) = (number(0, 20_000)?, number(1, 100)?);
    println!("{:<34}{:>22}{:>22}{:>22}", "us: p50 p99", "one CPU", "two CPUs", "not pinned");
    for row in ROWS {
        print!("{:<34}", row.name);
        for (ours, theirs) in [("0", "0"), ("0", "1"), ("-", "-")] {
            pin(ours)?;
            let mut other = OtherEnd::start(row.wire, theirs, spin)?;
            let (p50, p99) = percentiles((row.measure)(&mut other, rounds)?);
            print!("{:>22}", format!("{p50:.1} {p99:.1}"));
            io::stdout().flush()?;
        }
        println!();
    }
    Ok(())
}

struct Row {
    name: &'static str,
    wire: &'static str,
    measure: fn(&mut OtherEnd, u64) -> Outcome<Vec<f64>>,
}

const ROWS: &[Row] = &[
    Row { name: "bare tcp, blocking", wire: "bare-block", measure: bare_block },
    Row { name: "bare tcp, polling and yielding", wire: "bare-poll", measure: bare_poll },
    Row { name: "tcp read 4 KiB", wire: "tcp", measure: |other, rounds| read(other, rounds, 0) },
    Row { name: "tcp read, 50 us between", wire: "tcp", measure: |other, rounds| read(other, rounds / 10, 50) },
    Row { name: "tcp read, 300 us between", wire: "tcp", measure: |other, rounds| read(other, rounds / 20, 300) },
    Row { name: "tcp read_list, a page of 64", wire: "tcp", measure: read_list },
    Row { name: "tcp write + flush, a page of 64", wire: "tcp", measure: write_batch },
    Row { name: "tcp message 64 B, one way", wire: "tcp", measure: |other, rounds| message(other, rounds, 64) },
    Row { name: "tcp message 9 KiB, one way", wire: "tcp", measure: |other, rounds| message(other, rounds, 9 << 10) },
    Row { name: "shm read 4 KiB, copied out", wire: "shm", measure: |other, rounds| read(other, rounds, 0) },
    Row { name: "shm write + flush, a page of 64", wire: "shm", measure: write_batch },
    Row { name: "shm message 64 B, one way", wire: "shm", measure: |other, rounds| message(other, rounds, 64) },
    Row { name: "shm message 9 KiB, one way", wire: "shm", measure: |other, rounds| message(other, rounds, 9 << 10) },
];

fn pin(cpu: &str) -> Outcome {
    let mut set = CpuSet::new();
    match cpu.parse() {
        Ok(cpu) => set.set(cpu),
        Err(_) => (0..CpuSet::MAX_CPU).for_each(|cpu| set.set(cpu)),
    }
    Ok(sched_setaffinity(None, &set)?)
}

fn percentiles(mut us: Vec<f64>) -> (f64, f64) {
    us.sort_by(f64::total_cmp);
    (us[us.len() / 2], us[us.len() * 99 / 100])
}

/// Times `rounds` calls after a warm-up, in us.
fn time(rounds: u64, mut call: impl FnMut() -> Outcome) -> Outcome<Vec<f64>> {
    for _ in 0..rounds / 10 {
        call()?;
    }
    let timed = |_| {
        let start = Instant::now();
        call()?;
        Ok(start.elapsed().as_nanos() as f64 / 1000.0)
    };
    (0..rounds).map(timed).collect()
}

fn bare_block(other: &mut OtherEnd, rounds: u64) -> Outcome<Vec<f64>> {
    let (request, mut page) = ([1; 32], [0; PAGE]);
    let stream = other.stream.as_mut().ok_or("no stream")?;
    time(rounds, || {
        stream.write_all(&request)?;
        Ok(stream.read_exact(&mut page)?)
    })
}

fn bare_poll(other: &mut OtherEnd, rounds: u64) -> Outcome<Vec<f64>> {
    let (request, mut page) = ([1; 32], [0; PAGE]);
    let stream = other.stream.as_mut().ok_or("no stream")?;
    stream.set_nonblocking(true)?;
    time(rounds, || {
        stream.write_all(&request)?;
        poll_exact(stream, &mut page)
    })
}

fn poll_exact(stream: &mut TcpStream, mut into: &mut [u8]) -> Outcome {
    while !into.is_empty() {
        match stream.read(into) {
            Ok(0) => return Err("the other end is gone".into()),
            Ok(count) => into = &mut into[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => sched_yield(),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn think(us: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(us) {
        std::hint::spin_loop();
    }
}

fn read(other: &mut OtherEnd, rounds: u64, between_us: u64) -> Outcome<Vec<f64>> {
    let mut page = [0; PAGE];
    let (link, mut slot, mut us) = (other.link()?, 0, Vec::new());
    for round in 0..rounds + rounds / 10 {
        think(between_us);
        slot = (slot + 7919) % (REGION / PAGE);
        let start = Instant::now();
        page.copy_from_slice(link.read((slot * PAGE) as u64, PAGE)?);
        if round >= rounds / 10 {
            us.push(start.elapsed().as_nanos() as f64 / 1000.0);
        }
    }
    Ok(us)
}

fn per_page(us: Vec<f64>) -> Vec<f64> {
    us.into_iter().map(|us| us / BATCH as f64).collect()
}

fn read_list(other: &mut OtherEnd, rounds: u64) -> Outcome<Vec<f64>> {
    let reads: Vec<(u64, usize)> = (0..BATCH).map(|slot| ((slot * 3 * PAGE) as u64, PAGE)).collect();
    let mut pages = vec![0; BATCH * PAGE];
    let link = other.link()?;
    Ok(per_page(time(rounds / 20, || Ok(link.read_list(&reads, &mut pages)?))?))
}

fn write_batch(other: &mut OtherEnd, rounds: u64) -> Outcome<Vec<f64>> {
    let page = [7; PAGE];
    let link = other.link()?;
    let mut batch = || {
        for slot in 0..BATCH {
            link.post_write((slot * PAGE) as u64, &page)?;
        }
        Ok(link.flush()?)
    };
    Ok(per_page(time(rounds / 20, &mut batch)?))
}

fn message(other: &mut OtherEnd, rounds: u64, len: usize) -> Outcome<Vec<f64>> {
    let (mailbox, message, mut reply) = (Mailbox::with_spin(other.spin), vec![1; len], Vec::new());
    let links = &mut other.links;
    let round_trips = time(rounds, || {
        links[0].as_mut().ok_or("no link")?.send(&[&message])?;
        mailbox.wait(links, &mut reply, None)?;
        Ok(())
    })?;
    Ok(round_trips.into_iter().map(|us| us / 2.0).collect())
}

/// The other process, and what joins us to it.
struct OtherEnd {
    process: Child,
    stream: Option<TcpStream>,
    links: Links,
    spin: Duration,
}

impl OtherEnd {
    fn start(wire: &str, cpu: &str, spin_us: u64) -> Outcome<OtherEnd> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (unix, theirs) = UnixStream::pair()?;
        let args = ["other-end", wire, cpu, &listener.local_addr()?.port().to_string(), &spin_us.to_string()];
        let theirs = Stdio::from(OwnedFd::from(theirs));
        let process = Command::new(std::env::current_exe()?).args(args).stdin(theirs).spawn()?;
        let accept = || listener.accept().map(|(stream, _)| stream);
        let mut other = OtherEnd { process, stream: None, links: [None], spin: Duration::from_micros(spin_us) };
        match wire {
            "tcp" => {
                other.links =
                    [Some(join(true, Wires::Tcp { msg: accept()?, forward: accept()?, back: accept()? }, spin_us)?)]
            }
            "shm" => other.links = [Some(join(true, Wires::Shm(unix), spin_us)?)],
            _ => {
                let stream = accept()?;
                stream.set_nodelay(true)?;
                other.stream = Some(stream);
            }
        }
        Ok(other)
    }

    fn link(&mut self) -> Outcome<&mut Box<dyn QueuePair>> {
        self.links[0].as_mut().ok_or_else(|| "no link".into())
    }
}

impl Drop for OtherEnd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn join(initiator: bool, wires: Wires, spin_us: u64) -> Outcome<Box<dyn QueuePair>> {
    let region = Region::new(REGION)?;
    // every page has its memory before we measure
    // SAFETY: nobody else knows the region yet.
    unsafe { std::ptr::write_bytes(region.base(), 1, REGION) };
    let (me, peer) = if initiator { (0, 1) } else { (1, 0) };
    let limit = Duration::from_micros(spin_us);
    let tuning = Tuning { initiator_spin: limit, responder_spin: limit };
    let peer = PeerName(NodeId(peer), "localhost".into());
    let mut link = connect_pair_with(NodeId(me), peer, initiator, wires, &region, REGION as u64, tuning)?;
    for slot in 0..REGION / PAGE {
        std::hint::black_box(link.read((slot * PAGE) as u64, 1)?[0]);
    }
    Ok(link)
}

fn other_end(wire: &str, cpu: &str, port: &str, spin_us: u64) -> Outcome {
    pin(cpu)?;
    let connect = || TcpStream::connect(("127.0.0.1", port.parse().unwrap_or(0)));
    let unix = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    match wire {
        "tcp" => {
            let (msg, forward, back) = (connect()?, connect()?, connect()?);
            echo(join(false, Wires::Tcp { msg, forward, back }, spin_us)?, spin_us)
        }
        "shm" => echo(join(false, Wires::Shm(unix), spin_us)?, spin_us),
        _ => serve_bare(connect()?, wire == "bare-poll"),
    }
}

fn echo(link: Box<dyn QueuePair>, spin_us: u64) -> Outcome {
    let (mailbox, mut links, mut message) =
        (Mailbox::with_spin(Duration::from_micros(spin_us)), [Some(link)], Vec::new());
    // ends when the measuring process ends
    while mailbox.wait(&mut links, &mut message, None).is_ok() {
        links[0].as_mut().ok_or("no link")?.send(&[&message])?;
    }
    Ok(())
}

fn serve_bare(mut stream: TcpStream, poll: bool) -> Outcome {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(poll)?;
    let (mut request, page) = ([0; 32], [1; PAGE]);
    loop {
        if poll {
            poll_exact(&mut stream, &mut request)?
        } else {
            stream.read_exact(&mut request)?
        }
        stream.write_all(&page)?;
    }
}
