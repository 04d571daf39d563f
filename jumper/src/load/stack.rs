//! The initial stack: arguments, environment and auxiliary vector, laid out as fs/binfmt_elf.c of Linux lays them out
//! (System V ABI for x86-64, 3.4.1).
//!
//! ```text
//!   sp -> argc | argv.. NULL | envp.. NULL | auxv.. AT_NULL | random, "x86_64" | argv strings, envp strings, execfn | 0 <- top
//! ```

use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

use super::{LoadError, PAGE, Plan};
use crate::clock_page;

/// `ARG_MAX`: room that is always allowed.
const ARGS_LEN_MIN: u64 = 128 << 10;
/// Three quarters of 8 MiB: more is never allowed, however large the stack.
const ARGS_LEN_MAX: u64 = 6 << 20;
/// `MAX_ARG_STRLEN`: the longest single string, its zero byte included.
const STRING_LEN_MAX: u64 = 32 * PAGE;
const PLATFORM: &[u8] = b"x86_64\0";
const WORD: u64 = 8;

/// Linux has no constant for it in the libc crate; `asm/auxvec.h`.
const AT_MINSIGSTKSZ: u64 = 51;

/// Values of the auxiliary vector that are not addresses of strings on the stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuxValues {
    /// `AT_PHDR`: address of the main program's headers.
    pub phdr: u64,
    /// `AT_PHENT`: bytes of one header.
    pub phent: u64,
    /// `AT_PHNUM`: number of headers.
    pub phnum: u64,
    /// `AT_BASE`: address of the dynamic linker, or 0.
    pub base: u64,
    /// `AT_ENTRY`: entry point of the main program.
    pub entry: u64,
    /// `AT_UID`.
    pub uid: u64,
    /// `AT_EUID`.
    pub euid: u64,
    /// `AT_GID`.
    pub gid: u64,
    /// `AT_EGID`.
    pub egid: u64,
    /// `AT_HWCAP`: CPUID leaf 1, EDX.
    pub hwcap: u64,
    /// `AT_HWCAP2`.
    pub hwcap2: u64,
    /// `AT_CLKTCK`: ticks per second.
    pub clktck: u64,
    /// `AT_MINSIGSTKSZ`: bytes of the smallest signal stack; left out when 0 (Linux < 5.14).
    pub minsigstksz: u64,
}

impl AuxValues {
    /// The values for `plan` as this process would run it: its ids and its machine.
    #[must_use]
    pub fn for_plan(plan: &Plan) -> Self {
        use rustix::param::{clock_ticks_per_second, linux_hwcap, linux_minsigstksz};
        use rustix::process::{getegid, geteuid, getgid, getuid};
        let (hwcap, hwcap2) = linux_hwcap();
        AuxValues {
            phdr: plan.main.phdr,
            phent: plan.main.phent,
            phnum: plan.main.phnum,
            base: plan.interp_bias(),
            entry: plan.main.entry,
            uid: getuid().as_raw().into(),
            euid: geteuid().as_raw().into(),
            gid: getgid().as_raw().into(),
            egid: getegid().as_raw().into(),
            hwcap: hwcap as u64,
            hwcap2: hwcap2 as u64,
            clktck: clock_ticks_per_second(),
            minsigstksz: linux_minsigstksz() as u64,
        }
    }
}

/// What goes on the stack.
#[derive(Debug, Clone, Copy)]
pub struct StackSpec<'a> {
    /// One past the last byte of the stack; rounded down to a multiple of 16.
    pub top: u64,
    /// Arguments.
    pub argv: &'a [OsString],
    /// Environment, each as `NAME=value`.
    pub envp: &'a [OsString],
    /// `AT_EXECFN`.
    pub execfn: &'a OsStr,
    /// The rest of the auxiliary vector.
    pub auxv: AuxValues,
    /// The bytes that `AT_RANDOM` points to; fresh for each run.
    pub random: [u8; 16],
    /// The soft limit of the stack in bytes (`RLIMIT_STACK`; `u64::MAX` for unlimited).
    pub stack_limit: u64,
}

/// The uppermost bytes of the stack, ready to be copied to `start`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackImage {
    /// The bytes; `start + bytes.len()` is the top.
    pub bytes: Vec<u8>,
    /// Address of the first byte.
    pub start: u64,
    /// Stack pointer at the first instruction, a multiple of 16; equal to `start`.
    pub sp: u64,
    /// Addresses of the arguments' strings, one behind the other.
    pub arguments: Range<u64>,
    /// Addresses of the environment's strings, right behind them.
    pub environment: Range<u64>,
    /// The auxiliary vector, `AT_NULL` included.
    pub auxv: Vec<(u64, u64)>,
}

/// Builds the initial stack. A string is cut at its first zero byte, which no argument can hold.
///
/// `AT_SYSINFO_EHDR` is [`clock_page::IMAGE`], since clocks of two nodes differ. There is no `AT_RSEQ_*` (rseq is refused, since the
/// kernel would write to app memory unasked).
///
/// # Errors
/// [`LoadError::TooBig`] by the limits of Linux: a quarter of the stack limit, at least 128 KiB and at most 6 MiB; a single
/// string 128 KiB.
pub fn build(spec: &StackSpec<'_>) -> Result<StackImage, LoadError> {
    let argv: Vec<&[u8]> = spec.argv.iter().map(|s| c_bytes(s)).collect();
    let envp: Vec<&[u8]> = spec.envp.iter().map(|s| c_bytes(s)).collect();
    let execfn = c_bytes(spec.execfn);
    check_len(&argv, &envp, execfn, spec.stack_limit)?;

    let top = spec.top & !15;
    let strings_len: u64 = argv.iter().chain(&envp).chain([&execfn]).map(|s| s.len() as u64 + 1).sum();
    let strings = top - WORD - strings_len;
    let platform = (strings & !15) - PLATFORM.len() as u64;
    let random = platform - spec.random.len() as u64;
    let execfn_at = top - WORD - (execfn.len() as u64 + 1);
    let auxv = aux_entries(&spec.auxv, random, platform, execfn_at);
    let word_count = 1 + argv.len() + 1 + envp.len() + 1 + 2 * auxv.len();
    let sp = (random - word_count as u64 * WORD) & !15;

    let mut image = Image { bytes: vec![0; (top - sp) as usize], start: sp };
    let mut words = vec![argv.len() as u64];
    let mut at = strings;
    let mut ends = [0; 2];
    for (list, end) in [&argv, &envp].into_iter().zip(&mut ends) {
        for string in list {
            words.push(at);
            image.put(at, string);
            at += string.len() as u64 + 1;
        }
        words.push(0);
        *end = at;
    }
    words.extend(auxv.iter().flat_map(|&(key, value)| [key, value]));
    image.put(execfn_at, execfn);
    image.put(platform, PLATFORM);
    image.put(random, &spec.random);
    for (i, word) in words.iter().enumerate() {
        image.put(sp + i as u64 * WORD, &word.to_le_bytes());
    }
    let [arguments_end, environment_end] = ends;
    let (arguments, environment) = (strings..arguments_end, arguments_end..environment_end);
    Ok(StackImage { bytes: image.bytes, start: sp, sp, arguments, environment, auxv })
}

struct Image {
    bytes: Vec<u8>,
    start: u64,
}

impl Image {
    fn put(&mut self, at: u64, what: &[u8]) {
        let from = (at - self.start) as usize;
        self.bytes[from..from + what.len()].copy_from_slice(what);
    }
}

fn c_bytes(s: &OsStr) -> &[u8] {
    let bytes = s.as_bytes();
    &bytes[..bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len())]
}

fn check_len(argv: &[&[u8]], envp: &[&[u8]], execfn: &[u8], stack_limit: u64) -> Result<(), LoadError> {
    let limit = (stack_limit / 4).clamp(ARGS_LEN_MIN, ARGS_LEN_MAX);
    let mut bytes = (argv.len().max(1) + envp.len()) as u64 * WORD;
    for string in argv.iter().chain(envp).chain([&execfn]) {
        let len = string.len() as u64 + 1;
        if len > STRING_LEN_MAX {
            return Err(LoadError::TooBig { bytes: len, limit: STRING_LEN_MAX });
        }
        bytes += len;
    }
    if bytes > limit { Err(LoadError::TooBig { bytes, limit }) } else { Ok(()) }
}

/// In the order of Linux, `AT_NULL` included.
fn aux_entries(v: &AuxValues, random: u64, platform: u64, execfn: u64) -> Vec<(u64, u64)> {
    let mut entries = vec![(libc::AT_SYSINFO_EHDR, clock_page::IMAGE)];
    if v.minsigstksz != 0 {
        entries.push((AT_MINSIGSTKSZ, v.minsigstksz));
    }
    entries.extend([
        (libc::AT_HWCAP, v.hwcap),
        (libc::AT_PAGESZ, PAGE),
        (libc::AT_CLKTCK, v.clktck),
        (libc::AT_PHDR, v.phdr),
        (libc::AT_PHENT, v.phent),
        (libc::AT_PHNUM, v.phnum),
        (libc::AT_BASE, v.base),
        (libc::AT_FLAGS, 0),
        (libc::AT_ENTRY, v.entry),
        (libc::AT_UID, v.uid),
        (libc::AT_EUID, v.euid),
        (libc::AT_GID, v.gid),
        (libc::AT_EGID, v.egid),
        (libc::AT_SECURE, 0),
        (libc::AT_RANDOM, random),
        (libc::AT_HWCAP2, v.hwcap2),
        (libc::AT_EXECFN, execfn),
        (libc::AT_PLATFORM, platform),
        (libc::AT_NULL, 0),
    ]);
    entries
}
