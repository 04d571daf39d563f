//! The initial stack, compared with the one that Linux builds for the same program.

use std::ffi::OsStr;
use std::process::Command;

use tempfile::TempDir;

use super::tests::{INTERP_BASE, compile, plan_of};
use super::*;

/// Prints in hexadecimal everything from the first argument to the top of the stack, the argument count first.
const DUMP: &str = r#"
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    FILE *maps = fopen("/proc/self/maps", "r"); char line[512]; unsigned long end = 0;
    while (fgets(line, sizeof line, maps)) if (strstr(line, "[stack]")) sscanf(line, "%*lx-%lx", &end);
    printf("%lx ", end);
    for (unsigned char *p = (void *)(argv - 1); p < (unsigned char *)end; p++) printf("%02x", *p);
}
"#;

#[test]
fn the_stack_image_has_the_layout_that_linux_builds() {
    let dir = TempDir::new().unwrap();
    let path = compile(dir.path(), "dump", DUMP, &[]).unwrap();
    let mut command = Command::new(&path);
    command.args(["one", "", "three"]).env_clear().env("A", "b").env("LONG", "x".repeat(999));
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let (end, hex) = text.split_once(' ').unwrap();
    let bytes: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    let top = u64::from_str_radix(end, 16).unwrap();
    let native = parse_stack(&bytes, top - bytes.len() as u64);

    let plan = plan_of(&path).unwrap();
    let text = |s: &Vec<u8>| OsString::from(OsStr::new(std::str::from_utf8(s).unwrap()));
    let argv: Vec<_> = native.argv.iter().map(text).collect();
    let envp: Vec<_> = native.envp.iter().map(text).collect();
    let spec = stack::StackSpec {
        top,
        argv: &argv,
        envp: &envp,
        execfn: &plan.execfn,
        auxv: stack::AuxValues::for_plan(&plan),
        random: [7; 16],
        stack_limit: 8 << 20,
    };
    let built = stack::build(&spec).unwrap();
    assert_eq!((built.sp % 16, built.sp), (0, built.start));
    assert_eq!(built.start + built.bytes.len() as u64, top);
    let ours = parse_stack(&built.bytes, built.start);
    assert_eq!((&ours.argv, &ours.envp), (&native.argv, &native.envp));
    assert_eq!(
        (ours.strings_at, &ours.strings),
        (native.strings_at, &native.strings),
        "the same bytes at the same place"
    );
    check_auxv(&ours.auxv, &native.auxv, &plan);
}

/// Same keys in the same order but for those left out, same values but for addresses of images and pointers.
fn check_auxv(ours: &[(u64, u64)], native: &[(u64, u64)], plan: &Plan) {
    const AT_RSEQ_FEATURE_SIZE: u64 = 27;
    const AT_RSEQ_ALIGN: u64 = 28;
    let left_out = [AT_RSEQ_FEATURE_SIZE, AT_RSEQ_ALIGN];
    let native: Vec<_> = native.iter().filter(|(key, _)| !left_out.contains(key)).collect();
    let keys = |list: &mut dyn Iterator<Item = u64>| list.collect::<Vec<_>>();
    assert_eq!(keys(&mut ours.iter().map(|e| e.0)), keys(&mut native.iter().map(|e| e.0)));
    for (&(key, value), &&(_, theirs)) in ours.iter().zip(&native) {
        match key {
            libc::AT_SYSINFO_EHDR => assert_eq!(value, crate::clock_page::IMAGE),
            libc::AT_PHDR => assert_eq!(value, plan.main.phdr),
            libc::AT_BASE => assert_eq!(value, INTERP_BASE),
            libc::AT_ENTRY => assert_eq!(value, plan.main.entry),
            libc::AT_RANDOM | libc::AT_PLATFORM => {}
            _ => assert_eq!(value, theirs, "auxv key {key}"),
        }
    }
}

#[derive(Default)]
struct Stack {
    argv: Vec<Vec<u8>>,
    envp: Vec<Vec<u8>>,
    auxv: Vec<(u64, u64)>,
    strings_at: u64,
    strings: Vec<u8>,
}

fn parse_stack(bytes: &[u8], start: u64) -> Stack {
    let word = |i: usize| u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().unwrap());
    let string = |at: u64| {
        let s = &bytes[(at - start) as usize..];
        s[..s.iter().position(|&b| b == 0).unwrap()].to_vec()
    };
    let argc = word(0) as usize;
    let mut stack = Stack { strings_at: word(1), ..Stack::default() };
    stack.strings = bytes[(word(1) - start) as usize..].to_vec();
    stack.argv = (1..=argc).map(|i| string(word(i))).collect();
    let mut at = argc + 1;
    assert_eq!(word(at), 0);
    while word(at + 1) != 0 {
        at += 1;
        stack.envp.push(string(word(at)));
    }
    at += 2;
    loop {
        stack.auxv.push((word(at), word(at + 1)));
        if word(at) == libc::AT_NULL {
            return stack;
        }
        at += 2;
    }
}

#[test]
fn arguments_are_limited_as_linux_limits_them() {
    let spec = |argv, stack_limit| stack::StackSpec {
        top: 0x4fff_ffff_f000,
        argv,
        envp: &[],
        execfn: OsStr::new("x"),
        auxv: stack::AuxValues::default(),
        random: [0; 16],
        stack_limit,
    };
    let many = vec![OsString::from("y".repeat(1000)); 400];
    assert!(stack::build(&spec(&many, 8 << 20)).is_ok());
    let e = stack::build(&spec(&many, 1 << 20)).unwrap_err();
    assert!(e.to_string().contains("ulimit -s"), "{e}");
    assert_eq!(e.exit_status(), 126);
    assert!(stack::build(&spec(&many[..120], 0)).is_ok(), "128 KiB are always allowed");
    let long = [OsString::from("z".repeat(131_072))];
    assert!(stack::build(&spec(&long, u64::MAX)).is_err());
    assert!(stack::build(&spec(&[], 0)).is_ok(), "no arguments at all");
}
