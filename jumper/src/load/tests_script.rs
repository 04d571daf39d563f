//! Plans of scripts, compared with what a native execve of the same script does.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::tests::{INTERP_BASE, args, plan_of, probe, put};
use super::*;

/// What the probe prints when it runs natively. A file just written may be busy for as long as the child of another test,
/// forked in that moment, holds it open.
fn native(path: &Path, rest: &[&str]) -> std::io::Result<String> {
    for _ in 0..500 {
        match Command::new(path).args(rest).env("PROBE_NAME", "native").output() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            done => return Ok(String::from_utf8(done?.stdout).unwrap()),
        }
    }
    panic!("{path:?} stays busy");
}

fn told_by(plan: &Plan) -> String {
    let mut text: String = plan.argv.iter().map(|a| format!("argv {}\n", a.to_str().unwrap())).collect();
    text += &format!("execfn {}\nplatform x86_64\nname native\n", plan.execfn.to_str().unwrap());
    text + &format!("exe {}\n", plan.exe.to_str().unwrap())
}

#[test]
fn scripts_get_the_arguments_that_linux_gives_them() {
    let dir = TempDir::new().unwrap();
    let p = probe(&dir, &[]);
    let p = p.to_str().unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(p, &link).unwrap();
    let inner = put(&dir.path().join("inner"), format!("#!{p} inner arg\n"));
    let heads = [
        format!("#!{p}\n"),
        format!("#! {p} one  two \nrest"),
        format!("#!{}", link.display()),
        format!("#!{p}  "),
        format!("#!{p} {}\n", "long".repeat(100)),
        format!("#!{} outer\n", inner.display()),
    ];
    for head in heads {
        let script = put(&dir.path().join("script"), &head);
        let plan = plan(&script, args(&script, &["a", "", "b c"]), INTERP_BASE).unwrap();
        assert_eq!(told_by(&plan), native(&script, &["a", "", "b c"]).unwrap(), "{head}");
    }
}

#[test]
fn scripts_run_by_scripts_end_at_the_depth_where_linux_ends_them() {
    let dir = TempDir::new().unwrap();
    let mut last = probe(&dir, &[]);
    for depth in 1..=SCRIPT_DEPTH_MAX + 2 {
        last = put(&dir.path().join(format!("s{depth}")), format!("#!{}\n", last.display()));
        let planned = plan_of(&last);
        assert_eq!(planned.is_ok(), depth <= SCRIPT_DEPTH_MAX, "depth {depth}");
        match planned {
            Ok(plan) => assert_eq!(told_by(&plan), native(&last, &[]).unwrap()),
            Err(e) => {
                assert_eq!(e.exit_status(), 126, "{e}");
                assert!(native(&last, &[]).is_err());
            }
        }
    }
}
