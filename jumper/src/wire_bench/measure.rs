//! Latency and bandwidth of a queue pair, as the runtime uses it.
//!
//! READ hands the bytes over where the runtime would use them, so a READ over shm is copied out. WRITE is timed until
//! it is placed in the peer's memory. SEND is half of a round trip. Bandwidth keeps several operations under way.

use super::echo::ECHO;
use super::{REGION_BYTES, SIZES};
use crate::cluster::stretch::Link;
use eos_verbs::{Mailbox, NodeId, TRANSFER_MAX, VerbsError};
use serde::Serialize;
use std::time::{Duration, Instant};

/// No measurement takes longer than this, however slow the wire.
const TIME_MAX: Duration = Duration::from_millis(400);

/// Operations under way in a bandwidth measurement, at most; their bytes are at most [`TRANSFER_MAX`].
const BATCH_MAX: usize = 64;

/// One operation at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `READ`, `WRITE` or `SEND`.
    pub operation: &'static str,
    /// Bytes of each.
    pub bytes: usize,
    /// Median latency, microseconds.
    pub p50_us: f64,
    /// 99th percentile, microseconds.
    pub p99_us: f64,
    /// Bandwidth, MiB (2^20 bytes) a second; none for SEND.
    pub mib_s: Option<f64>,
}

/// Everything, of the link to the first peer.
pub(super) fn all(links: &mut [Option<Link>], rounds: usize) -> Result<Vec<Row>, VerbsError> {
    let mut rows = Vec::new();
    let link = links[1].as_mut().expect("the peer has joined");
    fill(link)?;
    for bytes in SIZES {
        let latency = read_latency(link, bytes, rounds)?;
        rows.push(row("READ", bytes, latency, Some(read_bandwidth(link, bytes, rounds)?)));
    }
    for bytes in SIZES {
        let latency = write_latency(link, bytes, rounds)?;
        rows.push(row("WRITE", bytes, latency, Some(write_bandwidth(link, bytes, rounds)?)));
    }
    for bytes in SIZES {
        rows.push(row("SEND", bytes, send_latency(links, bytes, rounds)?, None));
    }
    Ok(rows)
}

fn row(operation: &'static str, bytes: usize, mut us: Vec<f64>, mib_s: Option<f64>) -> Row {
    us.sort_by(f64::total_cmp);
    let quantile = |share: usize| us.get(us.len() * share / 100).copied().unwrap_or(f64::NAN);
    Row { operation, bytes, p50_us: quantile(50), p99_us: quantile(99), mib_s }
}

/// Gives every page of the peer's memory its place before anything is timed.
fn fill(link: &mut Link) -> Result<(), VerbsError> {
    let data = vec![1; 1 << 20];
    for offset in (0..REGION_BYTES).step_by(data.len()) {
        link.post_write(offset, &data)?;
    }
    link.flush()
}

/// Places in the peer's memory, one operation after the other, far enough apart to be other pages.
struct Places {
    next: u64,
    step: u64,
}

impl Places {
    fn new(bytes: usize) -> Places {
        // an odd number of pages visits all places before it comes round
        Places { next: 0, step: (bytes as u64).next_multiple_of(4096) * 37 }
    }

    fn next(&mut self, bytes: usize) -> u64 {
        let place = self.next;
        self.next = ((place + self.step) % (REGION_BYTES - bytes as u64)) & !4095;
        place
    }
}

/// Microseconds of each call, after a short warm-up.
fn time(rounds: usize, mut call: impl FnMut() -> Result<(), VerbsError>) -> Result<Vec<f64>, VerbsError> {
    let (begin, warm_up) = (Instant::now(), rounds / 10 + 1);
    let mut us = Vec::with_capacity(rounds);
    for round in 0..rounds + warm_up {
        let start = Instant::now();
        call()?;
        if round >= warm_up {
            us.push(start.elapsed().as_secs_f64() * 1e6);
        }
        if begin.elapsed() > TIME_MAX && !us.is_empty() {
            break;
        }
    }
    Ok(us)
}

/// MiB a second of at most `rounds` calls that move `bytes` each.
fn rate(rounds: usize, bytes: usize, mut call: impl FnMut() -> Result<(), VerbsError>) -> Result<f64, VerbsError> {
    call()?;
    let (start, mut calls) = (Instant::now(), 0);
    while calls == 0 || (calls < rounds && start.elapsed() < TIME_MAX) {
        call()?;
        calls += 1;
    }
    Ok((calls * bytes) as f64 / (1 << 20) as f64 / start.elapsed().as_secs_f64())
}

fn batch_of(bytes: usize) -> usize {
    (TRANSFER_MAX / bytes).clamp(1, BATCH_MAX)
}

fn read_latency(link: &mut Link, bytes: usize, rounds: usize) -> Result<Vec<f64>, VerbsError> {
    let (mut places, mut into) = (Places::new(bytes), vec![0; bytes]);
    time(rounds, || {
        into.copy_from_slice(link.read(places.next(bytes), bytes)?);
        Ok(())
    })
}

fn read_bandwidth(link: &mut Link, bytes: usize, rounds: usize) -> Result<f64, VerbsError> {
    let (mut places, batch) = (Places::new(bytes), batch_of(bytes));
    let reads: Vec<_> = (0..batch).map(|_| (places.next(bytes), bytes)).collect();
    let mut into = vec![0; batch * bytes];
    rate(rounds, batch * bytes, || link.read_list(&reads, &mut into))
}

fn write_latency(link: &mut Link, bytes: usize, rounds: usize) -> Result<Vec<f64>, VerbsError> {
    let (mut places, data) = (Places::new(bytes), vec![2; bytes]);
    time(rounds, || {
        link.post_write(places.next(bytes), &data)?;
        link.flush()
    })
}

fn write_bandwidth(link: &mut Link, bytes: usize, rounds: usize) -> Result<f64, VerbsError> {
    let (mut places, batch, data) = (Places::new(bytes), batch_of(bytes), vec![3; bytes]);
    rate(rounds, batch * bytes, || {
        for _ in 0..batch {
            link.post_write(places.next(bytes), &data)?;
        }
        link.flush()
    })
}

fn send_latency(links: &mut [Option<Link>], bytes: usize, rounds: usize) -> Result<Vec<f64>, VerbsError> {
    let (mailbox, message, mut reply) = (Mailbox::new(), vec![ECHO; bytes], Vec::new());
    let round_trips = time(rounds, || {
        links[NodeId(1).index()].as_mut().expect("the peer has joined").send(&[&message])?;
        mailbox.wait(links, &mut reply, None).map(drop)
    })?;
    Ok(round_trips.into_iter().map(|us| us / 2.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_inside_and_move_on() {
        for bytes in SIZES {
            let mut places = Places::new(bytes);
            let visited: Vec<_> = (0..1000).map(|_| places.next(bytes)).collect();
            assert!(visited.iter().all(|place| place + bytes as u64 <= REGION_BYTES && place % 4096 == 0));
            assert!(visited.windows(2).all(|pair| pair[0] != pair[1]), "{bytes}");
        }
    }

    #[test]
    fn batches_fit_one_transfer() {
        assert!(SIZES.iter().all(|bytes| batch_of(*bytes) * bytes <= TRANSFER_MAX));
        assert_eq!((batch_of(8), batch_of(1 << 20)), (64, 4));
    }

    #[test]
    fn a_row_has_median_and_percentile_of_its_samples() {
        let row = row("READ", 8, (1..=100).rev().map(f64::from).collect(), None);
        assert_eq!((row.p50_us, row.p99_us), (51.0, 100.0));
    }

    #[test]
    fn a_slow_wire_is_timed_once_at_least() {
        let us = time(1000, || {
            std::thread::sleep(TIME_MAX / 100);
            Ok(())
        });
        assert!(!us.expect("no error").is_empty());
    }
}
