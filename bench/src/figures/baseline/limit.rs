//! A memory limit for one program: a control group, of either version.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::FiguresError;

/// A control group; dropped, it is gone.
pub struct MemoryLimit {
    folder: PathBuf,
}

impl MemoryLimit {
    /// Makes a group whose processes may keep `bytes` of memory, and swap as much as they like.
    ///
    /// # Errors
    /// The kernel has no memory controller, or does not let this user make groups.
    pub fn make(bytes: u64) -> Result<Self, FiguresError> {
        let (root, file) = controller().ok_or_else(|| FiguresError::File {
            path: "/sys/fs/cgroup".to_owned(),
            source: std::io::Error::other("no memory controller is to be found there"),
        })?;
        let folder = root.join(format!("eos-figures-{}", std::process::id()));
        let fails = |source| FiguresError::File { path: folder.display().to_string(), source };
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(fails(error)),
            _ => {}
        }
        let limit = Self { folder };
        let path = limit.folder.join(file);
        std::fs::write(&path, bytes.to_string())
            .map_err(|source| FiguresError::File { path: path.display().to_string(), source })?;
        Ok(limit)
    }

    /// The command, started inside the group.
    #[must_use]
    pub fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", r#"echo $$ >"$0/cgroup.procs" && exec "$@""#]).arg(&self.folder).arg(program);
        command
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// Where groups are made, and the file with the limit.
fn controller() -> Option<(PathBuf, &'static str)> {
    let first = Path::new("/sys/fs/cgroup/memory");
    if first.join("memory.limit_in_bytes").exists() {
        return Some((first.to_owned(), "memory.limit_in_bytes"));
    }
    let second = Path::new("/sys/fs/cgroup");
    let controllers = std::fs::read_to_string(second.join("cgroup.controllers")).ok()?;
    controllers.split_whitespace().find(|&name| name == "memory")?;
    // On already in most distributions; where it is not and this fails, so does the limit.
    let _ = std::fs::write(second.join("cgroup.subtree_control"), "+memory");
    Some((second.to_owned(), "memory.max"))
}
