//! A memory limit for one program: a control group, of either version.
//!
//! A swap device that is slower than the program takes the kernel's patience: it tries sixteen times to find a page of the
//! group that it could take away, finds all of them on their way to the device, and ends the program. In a group of version 1
//! it can be told to let the program wait instead (Linux, Documentation/admin-guide/cgroup-v1/memory.rst, 10. OOM Control). Then
//! somebody has to look for room again: [`relieve`] does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::FiguresError;

/// A control group; dropped, it is gone.
pub struct MemoryLimit {
    folder: PathBuf,
    over: Arc<AtomicBool>,
    relief: Option<JoinHandle<()>>,
}

/// How often is looked whether the program waits for memory. A device takes some milliseconds for what is under way.
const LOOK: Duration = Duration::from_millis(2);
/// Bytes that the limit is raised by for a moment: whoever lowers it again looks for room.
const RAISE: u64 = 4096;

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
        let mut limit = Self { folder, over: Arc::default(), relief: None };
        let path = limit.folder.join(file);
        std::fs::write(&path, bytes.to_string())
            .map_err(|source| FiguresError::File { path: path.display().to_string(), source })?;
        let control = limit.folder.join("memory.oom_control");
        if std::fs::write(&control, "1").is_ok() {
            let over = Arc::clone(&limit.over);
            limit.relief = Some(std::thread::spawn(move || relieve(&over, &control, &path, bytes)));
        }
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
        self.over.store(true, Ordering::Relaxed);
        if let Some(relief) = self.relief.take() {
            let _ = relief.join();
        }
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// Until `over`: whenever the program waits for memory, has the kernel look for room once more.
fn relieve(over: &AtomicBool, control: &Path, limit: &Path, bytes: u64) {
    while !over.load(Ordering::Relaxed) {
        let state = std::fs::read_to_string(control).unwrap_or_default();
        if state.lines().any(|line| line == "under_oom 1") {
            let _ = std::fs::write(limit, (bytes + RAISE).to_string());
            // Refused if there was none; then the next look tries again.
            let _ = std::fs::write(limit, bytes.to_string());
        }
        std::thread::sleep(LOOK);
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
