//! `eos-rdma doctor`: the checks as a table or as JSON.

use crate::args::DoctorArgs;
use crate::error::CliError;
use crate::layout_check::LayoutError;
use crate::run::load_key;
use anstyle::{AnsiColor, Style};
use eos_jumper::cluster::hosts;
use eos_jumper::doctor::{Check, Section, State, examine, worst};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// Exit status when something that runs need is missing.
const EXIT_FAILED: i32 = 1;

/// Examines and prints; returns the exit status. `layout`: whether this process can host a program.
pub fn doctor(args: DoctorArgs, layout: Result<(), LayoutError>) -> Result<i32, CliError> {
    let key = load_key(args.key.as_deref())?;
    let hosts = args.peers.as_deref().map_or(Ok(Vec::new()), hosts::load)?;
    let mut sections = examine(&hosts, &key, args.transport);
    sections[0].checks.push(layout_of(layout));
    let text = if args.json { json_text(&sections)? } else { table(&sections) };
    // takes the colours out unless a terminal shows them and NO_COLOR is not set
    let mut output = anstream::stdout();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(CliError::Output)?;
    Ok(if worst(&sections) == State::Failed { EXIT_FAILED } else { 0 })
}

fn layout_of(layout: Result<(), LayoutError>) -> Check {
    match layout {
        Ok(()) => Check::ok("layout", "the program's half of the address space is free"),
        Err(error) => Check::failed_with("layout", &error.to_string()),
    }
}

fn json_text(sections: &[Section]) -> Result<String, CliError> {
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "state": worst(sections),
        "sections": sections,
    });
    let text = serde_json::to_string_pretty(&report).map_err(|error| CliError::Output(io::Error::from(error)))?;
    Ok(text + "\n")
}

/// One line a check: state, name, what was found and what helps.
fn table(sections: &[Section]) -> String {
    let checks = sections.iter().flat_map(|section| &section.checks);
    let name_width = checks.map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for section in sections {
        let bold = Style::new().bold();
        // writing to a String cannot fail
        let _ = writeln!(text, "{bold}{}{bold:#}", section.name);
        for check in &section.checks {
            let style = style(check.state);
            let word = check.state.word();
            let _ = writeln!(text, "  {style}{word:7}{style:#}  {:name_width$}  {}", check.name, check.text());
        }
    }
    text + &verdict(sections)
}

fn verdict(sections: &[Section]) -> String {
    let count = |state| sections.iter().flat_map(|section| &section.checks).filter(|c| c.state == state).count();
    let plural = |count| if count == 1 { "" } else { "s" };
    let (failed, warnings) = (count(State::Failed), count(State::Warning));
    match (failed, warnings) {
        (0, 0) => "all is well\n".to_owned(),
        (0, _) => format!("runs work; {warnings} warning{}\n", plural(warnings)),
        _ => format!("{failed} failed, {warnings} warning{}\n", plural(warnings)),
    }
}

fn style(state: State) -> Style {
    let color = match state {
        State::Ok => AnsiColor::Green,
        State::Warning => AnsiColor::Yellow,
        State::Failed => AnsiColor::Red,
    };
    color.on_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections() -> Vec<Section> {
        vec![
            Section {
                name: "this machine".to_owned(),
                checks: vec![Check::ok("kernel", "Linux 6.1"), Check::warning("rdma", "none", "use tcp")],
            },
            Section { name: "a:1".to_owned(), checks: vec![Check::failed("reachable", "down", "start it")] },
        ]
    }

    #[test]
    fn the_table_is_aligned_and_a_failing_line_ends_with_the_remedy() {
        let plain = anstream::adapter::strip_str(&table(&sections())).to_string();
        let lines: Vec<_> = plain.lines().collect();
        let expected = [
            "this machine",
            "  ok       kernel     Linux 6.1",
            "  warning  rdma       none; use tcp",
            "a:1",
            "  failed   reachable  down; start it",
            "1 failed, 1 warning",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn json_has_the_same_and_the_worst_state() {
        let json: serde_json::Value = serde_json::from_str(&json_text(&sections()).expect("encodes")).expect("json");
        assert_eq!(json["state"], "failed");
        assert_eq!(json["sections"][0]["checks"][1]["remedy"], "use tcp");
        assert_eq!(json["sections"][0]["checks"][0]["remedy"], serde_json::Value::Null);
    }

    #[test]
    fn the_last_line_says_whether_runs_work() {
        let mut some = sections();
        some.pop();
        assert_eq!(verdict(&some), "runs work; 1 warning\n");
        some[0].checks.pop();
        assert_eq!(verdict(&some), "all is well\n");
    }
}
