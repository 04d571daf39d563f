//! `eos-rdma bench verbs`: the wire's numbers as tables or as JSON.

use crate::args::{BenchCommand, VerbsArgs};
use crate::error::CliError;
use crate::run::load_key;
use comfy_table::{CellAlignment, Table, presets};
use eos_jumper::cluster::hosts::{HostSpec, parse_address};
use eos_jumper::wire_bench::{self, BenchOptions, PeerBench, Perftest, Reference, Row};
use std::io::{self, Write as _};

/// Measures each peer in turn and prints.
pub fn bench(command: BenchCommand) -> Result<(), CliError> {
    let BenchCommand::Verbs(args) = command;
    let hosts = args.peer.iter().map(|text| host(text)).collect::<Result<Vec<_>, _>>()?;
    let options = options(&args)?;
    let targets: Vec<Option<&HostSpec>> = if hosts.is_empty() { vec![None] } else { hosts.iter().map(Some).collect() };
    let mut reports = Vec::new();
    for target in targets {
        let report = wire_bench::run(target, &options)?;
        if !args.json {
            print(&text(&report))?;
        }
        reports.push(report);
    }
    if args.json {
        let json = serde_json::to_string_pretty(&reports).map_err(|error| CliError::Output(io::Error::from(error)))?;
        print(&format!("{json}\n"))?;
    }
    Ok(())
}

fn options(args: &VerbsArgs) -> Result<BenchOptions, CliError> {
    Ok(BenchOptions {
        key: load_key(args.key.as_deref())?,
        transport: args.transport,
        rounds: args.rounds,
        worker_exe: None,
    })
}

fn host(text: &str) -> Result<HostSpec, CliError> {
    let wrong = |error: eos_jumper::cluster::hosts::LineError| CliError::Peer {
        peer: text.to_owned(),
        what: error.to_string(),
    };
    let (host, port) = parse_address(text).map_err(wrong)?;
    Ok(HostSpec { host, port, memory: None })
}

fn print(text: &str) -> Result<(), CliError> {
    let mut output = io::stdout();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(CliError::Output)
}

fn text(report: &PeerBench) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let ours = ["operation", "bytes", "p50 us", "p99 us", "MiB/s"];
    let (references, note) = match &report.perftest {
        Perftest::Measured(references) => (Some(references), "perftest: ib_*_lat (typical) and ib_*_bw (average)"),
        Perftest::Missing(why) => (None, why.as_str()),
    };
    let theirs: &[&str] = if references.is_some() { &["perftest us", "perftest MiB/s"] } else { &[] };
    table.set_header(ours.iter().chain(theirs));
    for row in &report.rows {
        let mut cells = own_cells(row).to_vec();
        cells.extend(references.map(|references| their_cells(row, references)).into_iter().flatten());
        table.add_row(cells);
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    let note = if references.is_some() { note.to_owned() } else { format!("perftest: {note}") };
    format!("{}: {} ({})\n{table}\n{note}\n", report.peer, report.transport, report.transport_reason)
}

fn own_cells(row: &Row) -> [String; 5] {
    [
        row.operation.to_owned(),
        row.bytes.to_string(),
        format!("{:.2}", row.p50_us),
        format!("{:.2}", row.p99_us),
        row.mib_s.map_or_else(String::new, |rate| format!("{rate:.1}")),
    ]
}

fn their_cells(row: &Row, references: &[Reference]) -> [String; 2] {
    let same = || references.iter().filter(|r| r.operation == row.operation && r.bytes == row.bytes);
    let latency = same().find_map(|reference| reference.typical_us);
    let rate = same().find_map(|reference| reference.mib_s);
    [latency.map_or_else(String::new, |us| format!("{us:.2}")), rate.map_or_else(String::new, |r| format!("{r:.1}"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(perftest: Perftest) -> PeerBench {
        let row = |operation, mib_s| Row { operation, bytes: 4096, p50_us: 9.123, p99_us: 20.0, mib_s };
        PeerBench {
            peer: "b:1".to_owned(),
            transport: "tcp".to_owned(),
            transport_reason: "another host".to_owned(),
            rows: vec![row("READ", Some(400.0)), row("SEND", None)],
            perftest,
        }
    }

    #[test]
    fn perftest_stands_beside_our_numbers_where_it_was_run() {
        let reference = |typical_us, mib_s| Reference { operation: "READ", bytes: 4096, typical_us, mib_s };
        let references = vec![reference(Some(2.5), None), reference(None, Some(2900.0))];
        let text = text(&report(Perftest::Measured(references)));
        assert!(text.starts_with("b:1: tcp (another host)\n"), "{text}");
        let line = text.lines().find(|line| line.contains("READ")).expect("a line");
        assert_eq!(
            line.split_whitespace().collect::<Vec<_>>(),
            ["READ", "4096", "9.12", "20.00", "400.0", "2.50", "2900.0"]
        );
    }

    #[test]
    fn without_perftest_the_reason_is_told() {
        let text = text(&report(Perftest::Missing("perftest not installed".to_owned())));
        assert!(text.ends_with("perftest: perftest not installed\n"), "{text}");
        assert!(!text.contains("perftest us"), "{text}");
    }
}
