//! From a name to an open program file, by the rules of execvp(3) and execve(2).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::LoadError;

/// Where execvp(3) looks when there is no PATH: `confstr(_CS_PATH)`.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// Finds the program `program` as execvp(3) does: a name with `/` is taken as it is, any other is looked up in the
/// directories of `path_env` (an empty entry is the working directory).
///
/// Returns the path as execve(2) would be given it, not made absolute. It does not look at the contents: a file without a
/// known format is found here and refused by [`super::plan`].
///
/// # Errors
/// Nothing found; or what was found is a directory, or not executable (only told when no later directory has a better one).
pub fn resolve(program: &OsStr, path_env: Option<&OsStr>) -> Result<PathBuf, LoadError> {
    if program.as_bytes().contains(&b'/') {
        let path = PathBuf::from(program);
        return check_executable(&path).map(|()| path);
    }
    if program.is_empty() {
        return Err(LoadError::NotInPath(program.into()));
    }
    let dirs = path_env.unwrap_or(OsStr::new(PATH_DEFAULT)).as_bytes();
    let mut refused = None;
    for dir in dirs.split(|&b| b == b':') {
        let path = Path::new(OsStr::from_bytes(dir)).join(program);
        match check_executable(&path) {
            Ok(()) => return Ok(path),
            Err(LoadError::Missing(_)) => {}
            Err(e @ LoadError::Io { .. }) => return Err(e),
            Err(e) => refused = refused.or(Some(e)),
        }
    }
    Err(refused.unwrap_or_else(|| LoadError::NotInPath(program.into())))
}

/// Opens `path` for loading, with the checks that execve(2) makes.
pub(super) fn open_executable(path: &Path) -> Result<File, LoadError> {
    check_executable(path)?;
    File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::PermissionDenied => LoadError::NotReadable(path.into()),
        _ => file_error(path, e),
    })
}

fn check_executable(path: &Path) -> Result<(), LoadError> {
    let meta = fs::metadata(path).map_err(|e| file_error(path, e))?;
    if meta.is_dir() {
        return Err(LoadError::Directory(path.into()));
    }
    if !meta.is_file() {
        return Err(LoadError::NotAFile(path.into()));
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::empty()).map_err(|e| file_error(path, e.into()))
}

fn file_error(path: &Path, e: io::Error) -> LoadError {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match e.kind() {
        NotFound | NotADirectory => LoadError::Missing(path.into()),
        PermissionDenied => LoadError::NotExecutable(path.into()),
        _ => LoadError::Io { path: path.into(), source: e },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn put(path: &Path, mode: u32) {
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path_of(dirs: &[&Path]) -> std::ffi::OsString {
        std::env::join_paths(dirs).unwrap()
    }

    #[test]
    fn a_name_with_a_slash_is_not_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("prog"), 0o755);
        let path = path_of(&[dir.path()]);
        let e = resolve(OsStr::new("./prog"), Some(&path)).unwrap_err();
        assert!(matches!(e, LoadError::Missing(_)), "{e}");
        assert_eq!(e.exit_status(), 127);
        let full = dir.path().join("prog");
        assert_eq!(resolve(full.as_os_str(), None).unwrap(), full);
    }

    #[test]
    fn the_first_executable_in_path_wins_and_others_are_passed_over() {
        let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
        fs::create_dir(dirs[0].path().join("prog")).unwrap();
        put(&dirs[1].path().join("prog"), 0o644);
        put(&dirs[2].path().join("prog"), 0o755);
        put(&dirs[3].path().join("prog"), 0o755);
        let all: Vec<_> = dirs.iter().map(|d| d.path()).collect();
        let found = resolve(OsStr::new("prog"), Some(&path_of(&all))).unwrap();
        assert_eq!(found, dirs[2].path().join("prog"));
    }

    #[test]
    fn a_file_that_is_not_executable_gives_126_and_a_directory_too() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("plain"), 0o644);
        fs::create_dir(dir.path().join("dir")).unwrap();
        let path = path_of(&[dir.path()]);
        for (name, word) in [("plain", "chmod +x"), ("dir", "is a directory")] {
            let e = resolve(OsStr::new(name), Some(&path)).unwrap_err();
            assert_eq!(e.exit_status(), 126, "{e}");
            assert!(e.to_string().contains(word), "{e}");
        }
    }

    #[test]
    fn unknown_names_give_127_and_say_so() {
        for name in ["", "no-such-program-here"] {
            let e = resolve(OsStr::new(name), Some(OsStr::new("/usr/bin:/dev/null/x"))).unwrap_err();
            assert!(matches!(e, LoadError::NotInPath(_)), "{e}");
            assert_eq!(e.exit_status(), 127);
        }
    }

    #[test]
    fn without_path_the_system_directories_are_searched() {
        assert!(resolve(OsStr::new("sh"), None).unwrap().ends_with("bin/sh"));
    }

    #[test]
    fn an_empty_path_entry_is_the_working_directory() {
        let e = resolve(OsStr::new("Cargo.toml"), Some(OsStr::new(":/nowhere"))).unwrap_err();
        assert!(matches!(&e, LoadError::NotExecutable(p) if p == Path::new("Cargo.toml")), "{e}");
    }
}
