//! `eos-rdma lend`: how much memory a daemon lends.

use std::thread;
use std::time::{Duration, Instant};

use crate::args::{LendArg, LendArgs, MemoryArg};
use crate::error::CliError;
use crate::run::load_key;
use eos_jumper::cluster::hosts::parse_address;
use eos_jumper::cluster::messages::{Amount, Loans, Order};
use eos_jumper::cluster::order::Operator;
use eos_jumper::size::Size;

/// Between two questions.
const LOOK: Duration = Duration::from_millis(200);

/// Longer than a run takes to say that it has no room for what it is asked for.
const SURE: Duration = Duration::from_secs(3);

/// Gives the order, if there is one, and waits for what it brings back. Returns the exit status.
pub fn lend(args: LendArgs) -> Result<i32, CliError> {
    let wrong = |what: String| CliError::Daemon { daemon: args.daemon.clone(), what };
    let (host, port) = parse_address(&args.daemon).map_err(|error| wrong(error.to_string()))?;
    let operator = Operator::of(&host, port, &args.daemon, load_key(args.key.as_deref())?)?;
    let order = args.memory.map_or(Order::Tell, |amount| match amount {
        LendArg::All => Order::LendAll,
        LendArg::AtMost(MemoryArg::Bytes(bytes)) => Order::LendAtMost(Amount::Bytes(bytes)),
        LendArg::AtMost(MemoryArg::Percent(percent)) => Order::LendAtMost(Amount::Percent(percent)),
    });
    let begin = Instant::now();
    let first = operator.order(order)?;
    println!(
        "{} lends at most {} of {}; {} are lent",
        args.daemon,
        Size(first.quota),
        Size(first.most),
        Size(first.lent)
    );
    if first.owed == 0 {
        return Ok(0);
    }
    println!("{} are asked back", Size(first.owed));
    let (mut now, mut moved) = (first, Instant::now());
    while now.owed > 0 && begin.elapsed() < Duration::from_secs(args.wait) && moved.elapsed() < SURE {
        thread::sleep(LOOK);
        let before = std::mem::replace(&mut now, operator.order(Order::Tell)?);
        // Waiting is of no use when all that has not come cannot come.
        if now.owed < before.owed || now.no_room + now.pinned < now.owed {
            moved = Instant::now();
        }
    }
    Ok(tell(&now, first.owed, begin.elapsed()))
}

/// Says how it went. Returns the exit status.
fn tell(loans: &Loans, asked: u64, took: Duration) -> i32 {
    let came = asked.saturating_sub(loans.owed);
    if came > 0 {
        let seconds = took.as_secs_f64();
        println!("{} came back in {seconds:.1} s", Size(came));
    }
    if loans.no_room > 0 {
        let stays = Size(loans.no_room);
        println!(
            "{stays} stay lent: neither the homes of the runs nor their other peers have room for what is in it; it comes when they have"
        );
    }
    if loans.pinned > 0 {
        println!("{} stay lent until their runs end: an rdma device uses them", Size(loans.pinned));
    }
    let silent = loans.owed.saturating_sub(loans.no_room + loans.pinned);
    if silent > 0 {
        println!("{} are still lent; the daemon goes on asking", Size(silent));
    }
    i32::from(loans.owed > 0)
}
