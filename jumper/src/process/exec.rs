//! execve(2) and execveat(2): this process becomes another program, under a fresh runtime.

use std::ffi::{CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr;

use super::follow::{Following, Launch};
use super::strings::{string, strings};
use crate::RunError;
use crate::config::Command;
use crate::executor::{Done, Executor, Next, Trap, is_own_exe, with_kernel_mask};
use crate::gateway::Call;
use crate::load::{self, LoadError};
use crate::memory::INTERP_BASE;

/// Longest path in bytes, NUL included.
const PATH_BYTES_MAX: usize = 4096;

/// What is to be executed.
struct Target {
    path: PathBuf,
    argv: Vec<OsString>,
    envp: Vec<OsString>,
}

/// How it is going to be.
enum Way {
    /// Under this runtime.
    Followed(Launch),
    /// As if there were none.
    Natively,
}

/// Everything is read and checked: the process can become the other program.
pub struct Ready {
    target: Target,
    way: Way,
}

impl Ready {
    /// Becomes it; returns only if the kernel refuses. `mask`: the signals that stay blocked.
    pub(crate) fn launch(&self, mask: u64) -> io::Error {
        with_kernel_mask(mask, || match &self.way {
            Way::Followed(launch) => launch.launch(),
            Way::Natively => exec_natively(&self.target),
        })
    }
}

impl Executor {
    /// execve and execveat, at home: what can be refused is refused here.
    pub(crate) fn exec_call(&mut self, call: &'static Call, args: [u64; 6]) -> Result<Done, RunError> {
        let errno = |errno: i32| Ok(Done::Result(-i64::from(errno)));
        let target = match self.target(call, args)? {
            Ok(target) => target,
            Err(refused) => return errno(refused),
        };
        let way = match self.way(&target) {
            Ok(way) => way,
            Err(refused) => return errno(refused),
        };
        Ok(Done::Next(Next::Exec(Box::new(Ready { target, way }))))
    }

    /// The kernel has refused what was found to be executable.
    pub(crate) fn exec_failed(
        &mut self,
        ready: &Ready,
        error: &io::Error,
        trap: &mut Trap<'_>,
    ) -> Result<Next, RunError> {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        if !trap.thread.is_guest() && self.pager.nodes.len() > 1 {
            // The peers are gone, and what they held.
            let source = io::Error::from_raw_os_error(errno);
            return Err(RunError::Exec { path: ready.target.path.clone(), source });
        }
        trap.frame.set(libc::REG_RAX, (-i64::from(errno)).cast_unsigned());
        Ok(Next::Resume)
    }

    fn target(&mut self, call: &'static Call, args: [u64; 6]) -> Result<Result<Target, i32>, RunError> {
        let at = i64::from(call.number) == libc::SYS_execveat;
        let (path_at, argv_at, envp_at) = if at { (args[1], args[2], args[3]) } else { (args[0], args[1], args[2]) };
        let read = self.with_guest(|guest| {
            let path = string(guest, path_at, PATH_BYTES_MAX, libc::ENAMETOOLONG)?;
            Ok((path, strings(guest, argv_at)?, strings(guest, envp_at)?))
        })?;
        let (named, mut argv, envp) = match read {
            Ok(read) => read,
            Err(errno) => return Ok(Err(errno)),
        };
        if argv.is_empty() {
            // As since Linux 5.18.
            argv.push(OsString::new());
        }
        let own = if is_own_exe(named.as_bytes()) { self.home.as_ref().map(|home| &home.exe) } else { None };
        let path = match own {
            Some(exe) => Ok(PathBuf::from(OsStr::from_bytes(exe.as_bytes()))),
            None if at => path_at_descriptor(args[0] as i32, &named, args[4]),
            None if named.is_empty() => Err(libc::ENOENT),
            None => Ok(as_path(&named)),
        };
        Ok(path.map(|path| Target { path, argv, envp }))
    }

    /// Finds out whether the file can be executed.
    fn way(&self, target: &Target) -> Result<Way, i32> {
        let Some(options) = self.home.as_ref().map(|home| &home.options).filter(|options| options.follow_exec) else {
            return Ok(Way::Natively);
        };
        load::resolve(target.path.as_os_str(), None)
            .and_then(|path| load::plan(&path, target.argv.clone(), INTERP_BASE))
            .map_err(|error| errno_of(&error, &target.path))?;
        let following = Following {
            command: Command {
                program: target.path.clone().into(),
                argv: target.argv.clone(),
                environment: target.envp.clone(),
            },
            options: options.clone(),
            nursery: None,
        };
        following.prepare().map(Way::Followed).map_err(|error| error.raw_os_error().unwrap_or(libc::ENOMEM))
    }
}

/// A name without a slash is in the working directory: execve(2) does not search.
fn as_path(named: &OsStr) -> PathBuf {
    if named.as_bytes().contains(&b'/') { named.into() } else { Path::new(".").join(named) }
}

/// The file that execveat(2) means.
fn path_at_descriptor(dir: i32, named: &OsStr, flags: u64) -> Result<PathBuf, i32> {
    let empty_means_dir = flags & libc::AT_EMPTY_PATH as u64 != 0;
    match named.as_bytes() {
        [] if !empty_means_dir => Err(libc::ENOENT),
        [b'/', ..] => Ok(named.into()),
        _ if dir == libc::AT_FDCWD => Ok(as_path(named)),
        name => {
            // The descriptor itself may be closed by execve.
            let base = std::fs::read_link(format!("/proc/self/fd/{dir}")).map_err(|_| libc::EBADF)?;
            Ok(if name.is_empty() { base } else { base.join(named) })
        }
    }
}

/// What execve(2) answers where the loader has a sentence.
fn errno_of(error: &LoadError, path: &Path) -> i32 {
    match error {
        LoadError::NotInPath(_) | LoadError::Missing(_) | LoadError::NotExecutable(_) => {
            let refused = rustix::fs::access(path, rustix::fs::Access::EXEC_OK).err();
            refused.map_or(libc::EACCES, rustix::io::Errno::raw_os_error)
        }
        LoadError::InterpreterMissing { .. } => libc::ENOENT,
        LoadError::Directory(_) | LoadError::NotAFile(_) | LoadError::NotReadable(_) => libc::EACCES,
        LoadError::UnknownFormat(_) | LoadError::BadScriptLine(_) => libc::ENOEXEC,
        LoadError::ForeignElf { .. } | LoadError::Corrupt { .. } => libc::ENOEXEC,
        LoadError::ScriptTooDeep(_) => libc::ELOOP,
        LoadError::AddressTaken { .. } => libc::ENOMEM,
        LoadError::TooBig { .. } => libc::E2BIG,
        LoadError::Io { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
    }
}

fn exec_natively(target: &Target) -> io::Error {
    let c_strings = |words: &[OsString]| -> Vec<CString> {
        words.iter().filter_map(|word| CString::new(word.clone().into_vec()).ok()).collect()
    };
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
    };
    let path = CString::new(target.path.as_os_str().as_bytes()).unwrap_or_default();
    let (argv, envp) = (c_strings(&target.argv), c_strings(&target.envp));
    // SAFETY: both arrays end with a null, and their strings live until the call.
    unsafe { libc::execve(path.as_ptr(), pointers(&argv).as_ptr(), pointers(&envp).as_ptr()) };
    io::Error::last_os_error()
}
