//! What can go wrong before a program's first instruction.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Why a program cannot be loaded. Loading happens on the home node only, so every message is about a file there;
/// each says what to do. [`LoadError::exit_status`] gives the status that `env(1)` and shells use.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A name without `/` that no directory of PATH has.
    #[error("cannot find the program {0:?} in PATH; give its path (such as ./{name}) or install it", name = .0.to_string_lossy())]
    NotInPath(OsString),
    /// A path that does not exist.
    #[error("there is no program at {0:?}; check the path")]
    Missing(PathBuf),
    /// The interpreter that a script's first line or a program's `PT_INTERP` names does not exist.
    #[error(
        "{program:?} needs the interpreter {interpreter:?}, which does not exist; install it or correct the name in {program:?}"
    )]
    InterpreterMissing {
        /// The script or ELF file that names the interpreter.
        program: PathBuf,
        /// The interpreter as named.
        interpreter: PathBuf,
    },
    /// A directory where a program is expected.
    #[error("{0:?} is a directory; name a program in it")]
    Directory(PathBuf),
    /// A socket, pipe or device where a program is expected.
    #[error("{0:?} is not a regular file; name a program")]
    NotAFile(PathBuf),
    /// The caller may not execute the file.
    #[error(
        "{0:?} may not be executed; make it executable (chmod +x), and check that its file system is not mounted noexec"
    )]
    NotExecutable(PathBuf),
    /// The caller may execute but not read the file: a loader in user space has to read it.
    #[error(
        "{0:?} may be executed but not read; eos-rdma loads programs by reading them, so make it readable (chmod +r)"
    )]
    NotReadable(PathBuf),
    /// Neither ELF nor `#!`.
    #[error("{0:?} has no known program format; if it is a script, start it with a line such as #!/bin/sh or run its interpreter: sh {name}", name = .0.display())]
    UnknownFormat(PathBuf),
    /// The first line of a script names no interpreter, or is longer than the kernel reads.
    #[error("the #! line of {0:?} names no interpreter within its first 255 bytes; correct its first line")]
    BadScriptLine(PathBuf),
    /// Scripts whose interpreters are scripts, too deep.
    #[error("{0:?} is a script run by a script, more than {max} deep; name the real interpreter in its first line", max = super::SCRIPT_DEPTH_MAX)]
    ScriptTooDeep(PathBuf),
    /// ELF, but for something else than x86-64 Linux.
    #[error("{path:?} is {found}; eos-rdma runs 64-bit x86-64 programs only, so build it for x86-64")]
    ForeignElf {
        /// The file.
        path: PathBuf,
        /// What it is, as a phrase: "a 32-bit program".
        found: String,
    },
    /// ELF for x86-64 that contradicts itself.
    #[error("{path:?} is a damaged program file: {what}; build it or copy it again")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Which rule it breaks.
        what: &'static str,
    },
    /// The addresses that the program asks for are not in the app half, or not free.
    #[error(
        "{path:?} wants the addresses {start:#x}..{end:#x}, which eos-rdma cannot give it; build it as a position-independent executable (cc -pie)"
    )]
    AddressTaken {
        /// The file.
        path: PathBuf,
        /// First address wanted.
        start: u64,
        /// One past the last address wanted (saturated).
        end: u64,
    },
    /// Arguments and environment are larger than Linux would take (`E2BIG`).
    #[error(
        "arguments and environment take {bytes} bytes, more than the {limit} that are allowed; pass fewer, or raise the stack limit (ulimit -s)"
    )]
    TooBig {
        /// Bytes wanted: strings and pointers; for a single string, its own length.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Anything else that the file system answers.
    #[error("cannot load {path:?}: {source}; check the file and its permissions")]
    Io {
        /// The file.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
}

impl LoadError {
    /// The exit status that tells this failure: 127 when something was not found, else 126, as `env(1)` does.
    #[must_use]
    pub fn exit_status(&self) -> i32 {
        match self {
            Self::NotInPath(_) | Self::Missing(_) | Self::InterpreterMissing { .. } => 127,
            _ => 126,
        }
    }
}
