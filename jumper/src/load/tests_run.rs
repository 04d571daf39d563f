//! Runs what was planned: a forked child maps the segments as a plan says, copies the stack image and jumps.
//!
//! # Safety
//! The child is this process's copy with one thread; it maps only in the app half, where a test process has nothing, and
//! never comes back. Everything that allocates happens before the fork.

use std::arch::asm;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::tests::{INTERP_BASE, PROBE, args, compile};
use super::*;

const STACK_TOP: u64 = 0x4fff_0000_0000;
const STACK_LEN: u64 = 8 << 20;

fn map(addr: u64, len: u64, prot: i32, file: Option<(&File, u64)>) -> io::Result<()> {
    let kind = if file.is_some() { 0 } else { libc::MAP_ANONYMOUS };
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED | kind;
    let (fd, offset) = file.map_or((-1, 0), |(f, at)| (f.as_raw_fd(), at));
    // SAFETY: see the top of this file: the app half is free for the taking in this child.
    let got = unsafe { libc::mmap(addr as *mut _, len as usize, prot, flags, fd, offset as i64) };
    if got == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn map_image(image: &ImagePlan) -> io::Result<()> {
    for s in &image.segments {
        if s.map_len > 0 {
            map(s.addr, s.map_len, s.prot, Some((&image.file, s.file_offset)))?;
        }
        // SAFETY: the plan says that these bytes lie in the writable pages just mapped.
        unsafe { std::ptr::write_bytes(s.zero_from as *mut u8, 0, s.zero_len as usize) };
        if s.bss_len > 0 {
            map(s.bss_addr, s.bss_len, s.bss_prot(), None)?;
        }
    }
    Ok(())
}

/// A program that hangs is ended after so many seconds.
const TIME_LIMIT_S: u32 = 20;

fn enter(plan: &Plan, stack: &stack::StackImage) -> io::Result<()> {
    // SAFETY: sets a timer whose signal ends this child.
    unsafe { libc::alarm(TIME_LIMIT_S) };
    map_image(&plan.main)?;
    if let Some(interp) = &plan.interp {
        map_image(interp)?;
    }
    map(STACK_TOP - STACK_LEN, STACK_LEN, libc::PROT_READ | libc::PROT_WRITE, None)?;
    // SAFETY: nothing is mapped there.
    unsafe { crate::clock_page::map(true)? };
    // SAFETY: the image fits in the stack that was just mapped, and the entry point is mapped executable code that
    // expects the state the ABI describes: rsp at the image, rdx zero.
    unsafe {
        std::ptr::copy_nonoverlapping(stack.bytes.as_ptr(), stack.start as *mut u8, stack.bytes.len());
        asm!("mov rsp, rcx", "xor edx, edx", "xor ebp, ebp", "jmp rax",
            in("rcx") stack.sp, in("rax") plan.start(), options(noreturn))
    }
}

/// The program's path is only its arguments' business here: /proc/self/exe is left to the gateway.
fn run(path: &Path, rest: &[&str]) -> Output {
    let plan = plan(path, args(path, rest), INTERP_BASE).unwrap();
    let envp = ["PROBE_NAME=planned".into(), "PATH=/usr/bin".into()];
    let spec = stack::StackSpec {
        top: STACK_TOP,
        argv: &plan.argv,
        envp: &envp,
        execfn: &plan.execfn,
        auxv: stack::AuxValues::for_plan(&plan),
        random: *b"0123456789abcdef",
        stack_limit: STACK_LEN,
    };
    let stack = stack::build(&spec).unwrap();
    let mut command = Command::new("/bin/false");
    // SAFETY: `enter` makes only system calls before it jumps, and allocates nothing.
    unsafe { command.pre_exec(move || enter(&plan, &stack)) };
    command.output().unwrap()
}

#[test]
fn planned_programs_of_every_kind_run() {
    let dir = TempDir::new().unwrap();
    let kinds: [&[&str]; 5] = [
        &["-pie", "-fPIE"],
        &["-static"],
        &["-no-pie", "-fno-pie"],
        &["-static-pie", "-fPIE"],
        &["-O2", "-Wl,-z,noseparate-code"],
    ];
    for flags in kinds {
        let Some(path) = compile(dir.path(), "probe", PROBE, flags) else {
            continue;
        };
        let out = run(&path, &["one", "two"]);
        let text = String::from_utf8(out.stdout).unwrap();
        let p = path.display();
        let want = format!("argv {p}\nargv one\nargv two\nexecfn {p}\nplatform x86_64\nname planned\n");
        assert!(text.starts_with(&want), "{flags:?}: {text} {}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(out.status.code(), Some(0), "{flags:?}");
    }
}

#[test]
fn the_dynamic_linker_runs_as_a_program() {
    let out = run(Path::new("/lib64/ld-linux-x86-64.so.2"), &["/bin/echo", "hello"]);
    assert_eq!((out.stdout.as_slice(), out.status.code()), (&b"hello\n"[..], Some(0)), "{out:?}");
}

#[test]
fn programs_of_the_distribution_run() {
    for (program, rest, want) in
        [("/bin/sh", &["-c", "echo $((6*7))"][..], "42\n"), ("/usr/bin/seq", &["3"][..], "1\n2\n3\n")]
    {
        let out = run(Path::new(program), rest);
        assert_eq!(String::from_utf8(out.stdout).unwrap(), want);
    }
}
