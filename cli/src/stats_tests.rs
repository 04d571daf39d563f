use super::*;
use eos_jumper::stats::{NodeCounters, NodeReport};
use std::time::Duration;

fn stats() -> RunStats {
    let node = |name: &str, transport: Option<&str>| NodeReport {
        name: name.to_owned(),
        transport: transport.map(str::to_owned),
        transport_reason: transport.map(|_| "same host".to_owned()),
        counters: NodeCounters { pulls: 5, resident_bytes_max: 64 << 20, ..NodeCounters::default() },
    };
    let nodes = [node("home", None), node("local-1", Some("shm"))];
    RunStats::gather(0, Duration::from_millis(1500), &nodes)
}

#[test]
fn the_table_names_every_node_and_what_moved() {
    let text = table(&stats());
    for part in ["home", "local-1", "shm", "same host", "64 MiB", "1.500 s", "10 pulls"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn the_json_file_has_all_promised_keys_and_replaces_an_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stats.json");
    fs::write(&path, "old").expect("written");
    let output = StatsOutput::new(false, Some(&path)).expect("writable");
    output.into_report().expect("wanted")(&stats());
    let text = fs::read_to_string(&path).expect("there");
    let json: serde_json::Value = serde_json::from_str(&text).expect("json");
    let keys = "exit_status wall_s nodes jumps pulls pushes clean_drops zero_fills given_back_bytes asked_back_bytes asked_back_s brought_home forwarded_syscalls sleepers \
                bytes_sent bytes_received wire_bytes_sent wire_bytes_received work_requests pull_us_p50 pull_us_p99 jump_us_p50 jump_us_p99";
    for key in keys.split_whitespace() {
        assert!(json.get(key).is_some(), "{key}");
    }
    for key in "name transport transport_reason cpu_s pulls pushes faults resident_bytes_max".split_whitespace() {
        assert!(json["nodes"][0].get(key).is_some(), "{key}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_the_run() {
    for path in ["/nonexistent/stats.json", "/tmp", "/dev/null/x"] {
        assert!(StatsOutput::new(false, Some(Path::new(path))).is_err(), "{path}");
    }
    let nobody_asked = StatsOutput::new(false, None).expect("fine");
    assert!(nobody_asked.into_report().is_none());
}
