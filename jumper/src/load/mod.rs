//! Loading: what execve(2) would do with a program file, as a plan. Nothing here maps memory or changes the process.
//!
//! [`resolve`] finds the file, [`plan`] follows `#!` lines, checks the ELF file and its interpreter and says what to map
//! where, [`stack::build`] makes the bytes of the initial stack. The caller maps through its own mmap, so that the page
//! table knows every page, and then jumps to [`Plan::start`] with the stack pointer of the stack image.
//!
//! Does not: binfmt_misc formats, 32-bit programs, privileges of setuid programs (see [`Warning`]).

mod elf;
mod error;
mod place;
mod resolve;
mod script;
pub mod stack;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_run;
#[cfg(test)]
mod tests_script;
#[cfg(test)]
mod tests_stack;

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use object::read::ReadCache;

pub use error::LoadError;
pub use place::{ImagePlan, Segment};
pub use resolve::resolve;

use elf::{Elf, Refusal};
use resolve::open_executable;

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// First address of the app half.
pub const APP_START: u64 = 0x1_0000;
/// One past the last address of the app half.
pub const APP_END: u64 = 0x5000_0000_0000;
/// Where a position-independent main program goes (or a little above, for its alignment).
pub const MAIN_BASE: u64 = 0x1000_0000_0000;
/// So many `#!` lines are followed, one script naming the next, as Linux does (tried out on 6.18: the sixth gives ELOOP).
pub const SCRIPT_DEPTH_MAX: usize = 5;

/// Everything that is needed to map a program and start it.
#[derive(Debug)]
pub struct Plan {
    /// What /proc/self/exe tells: the real path of the ELF file that runs (of the interpreter, for a script).
    pub exe: PathBuf,
    /// What `AT_EXECFN` tells: the path as given (of the script, for a script).
    pub execfn: OsString,
    /// The arguments, rewritten for scripts.
    pub argv: Vec<OsString>,
    /// The program.
    pub main: ImagePlan,
    /// The dynamic linker that `main` names, if any.
    pub interp: Option<ImagePlan>,
    /// The stack is to be mapped executable.
    pub exec_stack: bool,
    /// Where the heap (brk) starts, page-aligned.
    pub brk_start: u64,
    /// What will differ from a native run.
    pub warnings: Vec<Warning>,
}

impl Plan {
    /// First instruction to run: the dynamic linker's, if there is one.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.interp.as_ref().map_or(self.main.entry, |i| i.entry)
    }

    /// `AT_BASE`: where the dynamic linker is, 0 if there is none.
    #[must_use]
    pub fn interp_bias(&self) -> u64 {
        self.interp.as_ref().map_or(0, |i| i.bias)
    }
}

/// Something that a native run would have, and this one does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// The file is setuid: natively it would run as this user.
    SetUid(u32),
    /// The file is setgid: natively it would run as this group.
    SetGid(u32),
    /// The file has capabilities that a native run would give it.
    FileCapabilities,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetUid(uid) => write!(f, "the program is setuid; it runs without the rights of user {uid} here"),
            Self::SetGid(gid) => write!(f, "the program is setgid; it runs without the rights of group {gid} here"),
            Self::FileCapabilities => write!(f, "the program has file capabilities; it runs without them here"),
        }
    }
}

/// Plans to run the file `path` (from [`resolve`]) with `argv`, whose first string is the name the program is told.
///
/// `interp_base`, page-aligned, is where a dynamic linker goes, and also a program that is one or needs none (static-pie,
/// or `ld.so ./prog`): such a program's heap then starts at [`MAIN_BASE`], as Linux moves it, to leave it room to grow.
/// Reads the files of the home node; call it there, before the program starts.
///
/// # Errors
/// Any of [`LoadError`] but `NotInPath` and `TooBig`.
pub fn plan(path: &Path, argv: Vec<OsString>, interp_base: u64) -> Result<Plan, LoadError> {
    let found = follow_scripts(path, argv)?;
    let elf = parse(&found.path, &found.file)?;
    let free_standing = elf.relocatable && elf.interp.is_none();
    let base = if free_standing { interp_base } else { MAIN_BASE };
    let exe = real_path(&found.file, &found.path);
    let warnings = warnings_for(&found.file);
    let main = place_at(&elf, base, found.file, &found.path)?;
    let interp = match &elf.interp {
        Some(name) => Some(plan_interp(&found.path, name, interp_base, &main)?),
        None => None,
    };
    Ok(Plan {
        exe,
        execfn: path.into(),
        argv: found.argv,
        exec_stack: elf.exec_stack,
        brk_start: if free_standing { MAIN_BASE } else { main.end },
        main,
        interp,
        warnings,
    })
}

/// The file that is not a script at the end of the chain of `#!` lines.
struct Found {
    path: PathBuf,
    file: File,
    argv: Vec<OsString>,
}

fn follow_scripts(path: &Path, mut argv: Vec<OsString>) -> Result<Found, LoadError> {
    let mut current = path.to_path_buf();
    let mut file = open_executable(&current)?;
    for _ in 0..=SCRIPT_DEPTH_MAX {
        let head = head_of(&file, &current)?;
        if !head.starts_with(b"#!") {
            return Ok(Found { path: current, file, argv });
        }
        let line = script::parse(&head).ok_or_else(|| LoadError::BadScriptLine(current.clone()))?;
        let interpreter = PathBuf::from(&line.interpreter);
        file = open_interpreter(&current, &interpreter)?;
        let rest = argv.into_iter().skip(1);
        let start = [Some(line.interpreter), line.argument, Some(current.into_os_string())];
        argv = start.into_iter().flatten().chain(rest).collect();
        current = interpreter;
    }
    Err(LoadError::ScriptTooDeep(path.into()))
}

fn head_of(file: &File, path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut head = vec![0; script::HEAD_LEN];
    let mut len = 0;
    while len < head.len() {
        match file.read_at(&mut head[len..], len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(LoadError::Io { path: path.into(), source });
            }
        }
    }
    head.truncate(len);
    Ok(head)
}

fn open_interpreter(program: &Path, interpreter: &Path) -> Result<File, LoadError> {
    open_executable(interpreter).map_err(|e| match e {
        LoadError::Missing(_) => {
            LoadError::InterpreterMissing { program: program.into(), interpreter: interpreter.into() }
        }
        e => e,
    })
}

fn parse(path: &Path, file: &File) -> Result<Elf, LoadError> {
    let cache = ReadCache::new(file);
    elf::parse(&cache).map_err(|refusal| match refusal {
        Refusal::NotElf => LoadError::UnknownFormat(path.into()),
        Refusal::Foreign(found) => LoadError::ForeignElf { path: path.into(), found },
        Refusal::Corrupt(what) => LoadError::Corrupt { path: path.into(), what },
    })
}

fn place_at(elf: &Elf, base: u64, file: File, path: &Path) -> Result<ImagePlan, LoadError> {
    let Some(bias) = place::bias_for(elf, base) else {
        let (start, end) = elf.span();
        let shift = if elf.relocatable { base } else { 0 };
        let (start, end) = (start.saturating_add(shift), end.saturating_add(shift));
        return Err(LoadError::AddressTaken { path: path.into(), start, end });
    };
    Ok(place::place(elf, file, bias))
}

fn plan_interp(program: &Path, name: &Path, base: u64, main: &ImagePlan) -> Result<ImagePlan, LoadError> {
    let file = open_interpreter(program, name)?;
    let elf = parse(name, &file)?;
    let image = place_at(&elf, base, file, name)?;
    if image.start < main.end && main.start < image.end {
        return Err(LoadError::AddressTaken { path: program.into(), start: main.start, end: main.end });
    }
    Ok(image)
}

/// As the kernel knows the open file, which no renaming in between can fool.
fn real_path(file: &File, path: &Path) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .or_else(|_| fs::canonicalize(path))
        .unwrap_or_else(|_| path.into())
}

fn warnings_for(file: &File) -> Vec<Warning> {
    const SETUID: u32 = 0o4000;
    /// Without the group's execute bit, setgid on a file means mandatory locking.
    const SETGID_EXEC: u32 = 0o2010;
    let mut warnings = Vec::new();
    if let Ok(meta) = file.metadata() {
        let uid_gained = meta.mode() & SETUID != 0 && meta.uid() != rustix::process::geteuid().as_raw();
        let gid_gained = meta.mode() & SETGID_EXEC == SETGID_EXEC && meta.gid() != rustix::process::getegid().as_raw();
        warnings.extend(uid_gained.then_some(Warning::SetUid(meta.uid())));
        warnings.extend(gid_gained.then_some(Warning::SetGid(meta.gid())));
    }
    let mut value = [0u8; 64];
    let has_caps = rustix::fs::fgetxattr(file, c"security.capability", &mut value[..]).is_ok();
    warnings.extend((has_caps && !rustix::process::geteuid().is_root()).then_some(Warning::FileCapabilities));
    warnings
}

fn page_up(n: u64) -> u64 {
    n.next_multiple_of(PAGE)
}
