//! Exit statuses, messages, and what the executable leaves untouched for the program.

mod common;

use assert_cmd::Command;
use common::{Daemon, EXE};
use std::path::Path;

struct Outcome {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

fn outcome(command: &mut Command) -> Outcome {
    let output = command.timeout(common::LIMIT).output().expect("it runs");
    Outcome {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn eos(words: &[&str]) -> Outcome {
    outcome(Command::new(EXE).args(words))
}

#[test]
fn help_and_version_are_no_errors() {
    for words in [&["--help"][..], &["--version"], &["run", "--help"], &["serve", "--help"]] {
        let seen = eos(words);
        assert_eq!((seen.status, seen.stderr.as_str()), (Some(0), ""), "{words:?}");
        assert!(!seen.stdout.is_empty(), "{words:?}");
    }
    assert!(!eos(&["--help"]).stdout.contains("worker"), "internal commands stay hidden");
}

#[test]
fn wrong_usage_ends_with_125() {
    for words in [&[][..], &["walk"], &["run", "--local", "99", "x"], &["run", "x", "stray"], &["key"]] {
        let seen = eos(words);
        assert_eq!((seen.status, seen.stdout.as_str()), (Some(125), ""), "{words:?}");
        assert!(!seen.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn our_own_errors_are_one_line_and_end_with_125() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = folder.path().join("hosts.txt");
    std::fs::write(&hosts, "a\nb:c\n").expect("written");
    let hosts = hosts.to_str().expect("utf-8");
    let cases = [
        (&["run"][..], "no program is given"),
        (&["run", "--peers", "/nonexistent", "x"], "/nonexistent"),
        (&["run", "--peers", hosts, "x"], "hosts.txt:2: \"c\" is not a port"),
        (&["run", "--key", "/nonexistent", "x"], "/nonexistent"),
        (&["run", "--stats-json", "/nonexistent/x", "x"], "--stats-json"),
        (&["serve", "--listen", "0.0.0.0:0"], "eos-rdma key new FILE"),
        (&["serve", "--listen", "a b"], "10.0.0.2:7471"),
        (&["serve", "--listen", "192.0.2.1:1", "--key", "KEY"], "cannot listen on 192.0.2.1:1"),
        (&["worker", "3", "4", "5", "6"], "use run or serve"),
        (&["worker", "0", "0", "0", "0"], "use run or serve"),
    ];
    let key = folder.path().join("key");
    assert_eq!(eos(&["key", "new", key.to_str().expect("utf-8")]).status, Some(0));
    for (words, part) in cases {
        let key = key.to_str().expect("utf-8");
        let words: Vec<_> = words.iter().map(|w| if *w == "KEY" { key } else { w }).collect();
        let seen = eos(&words);
        assert_eq!(seen.status, Some(125), "{words:?}");
        assert!(seen.stderr.starts_with("eos-rdma: ") && seen.stderr.contains(part), "{}", seen.stderr);
        assert_eq!(seen.stderr.lines().count(), 1, "{}", seen.stderr);
    }
}

#[test]
fn a_key_file_is_made_once_and_only_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    let words = ["key", "new", path.to_str().expect("utf-8")];
    assert_eq!(eos(&words).status, Some(0));
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(eos(&words).status, Some(125));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let seen = eos(&["run", "--key", words[2], "x"]);
    assert!(seen.stderr.contains("chmod 600"), "{}", seen.stderr);
}

/// Runs the layout command after some shell words, and returns its output.
fn layout(shell: &str) -> String {
    let seen = outcome(Command::new("sh").args(["-c", &format!("{shell} {EXE} layout")]));
    assert_eq!(seen.status, Some(0), "{}", seen.stderr);
    seen.stdout
}

fn field(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.expect(name).to_owned()
}

#[test]
fn the_runtime_lies_in_the_upper_half_whatever_the_stack_limit() {
    for shell in ["", "ulimit -s unlimited;", "ulimit -s 10000000000;", "setarch -L", "setarch -R"] {
        let text = layout(shell);
        let lowest = field(&text, "lowest");
        let lowest = u64::from_str_radix(lowest.trim_start_matches("0x"), 16).expect("hex");
        assert!(lowest >= 0x5000_0000_0000, "{shell}: {lowest:#x}");
        assert_eq!(field(&text, "variable"), "None", "{shell}");
    }
}

#[test]
fn limit_personality_and_environment_are_what_they_were_natively() {
    let unlimited = layout("ulimit -s unlimited; exec env -i B=1 A=2 C=");
    assert_eq!(field(&unlimited, "original"), format!("{}:0", u64::MAX));
    let environment: Vec<_> = unlimited.lines().filter_map(|l| l.strip_prefix("env ")).collect();
    assert_eq!(environment, ["B=1", "A=2", "C="]);
    let compat = layout("setarch -L");
    let (_, personality) =
        field(&compat, "original").split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("two parts");
    assert_eq!(personality.parse::<u32>().map(|p| p & 0x0020_0000), Ok(0x0020_0000));
}

#[test]
fn no_handler_of_the_language_catches_a_crash_of_the_program() {
    let daemon = Daemon::start("1M", None);
    let path = format!("/proc/{}/status", daemon.process.id());
    let status = std::fs::read_to_string(Path::new(&path)).expect("readable");
    let line = status.lines().find_map(|l| l.strip_prefix("SigCgt:")).expect("a mask");
    let caught = u64::from_str_radix(line.trim(), 16).expect("hex");
    assert_eq!(caught, 0, "{caught:#x}");
}

#[test]
fn a_reader_that_goes_away_ends_us_quietly_as_any_program() {
    let seen = outcome(Command::new("bash").args([
        "-c",
        &format!(
            "for i in $(seq 300); do export V$i=$(printf %01000d 0); done; {EXE} layout | true; exit ${{PIPESTATUS[0]}}"
        ),
    ]));
    assert_eq!((seen.status, seen.stderr.as_str()), (Some(141), ""));
}
