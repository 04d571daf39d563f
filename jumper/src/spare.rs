//! What memory this machine can spare: the kernel's own estimate, the limits of control groups (version 1 and 2), and how long others
//! have waited for memory.
//!
//! The files are opened once, and read again and again at their beginning: a descriptor that came and went while the program runs
//! would take a number that the program's next file should have.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use eos_policy::budget::Facts;
use rustix::param::page_size;

/// The files of one machine and of the control groups that a process is in.
pub struct Spare {
    meminfo: File,
    statm: File,
    pressure: Option<File>,
    groups: Vec<Group>,
}

/// A control group with a limit.
struct Group {
    limit: File,
    usage: File,
    stat: File,
    pressure: Option<File>,
    names: &'static Names,
}

/// What the two versions call the same.
struct Names {
    limit: &'static str,
    usage: &'static str,
    /// Cached file data that can be dropped at once.
    inactive: &'static str,
}

const FIRST: Names =
    Names { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", inactive: "total_inactive_file" };
const SECOND: Names = Names { limit: "memory.max", usage: "memory.current", inactive: "inactive_file" };

/// What is left to others of `total` bytes: one part in 10, at least 32 MiB, since they may need it before the next look, and at most
/// 1 GiB.
#[must_use]
pub fn reserve(total: u64) -> u64 {
    (total / 10).clamp(32 << 20, 1 << 30)
}

/// A group without a limit says a number that no machine has.
const NO_LIMIT: u64 = 1 << 60;

impl Spare {
    /// Of this process.
    ///
    /// # Errors
    /// /proc is not mounted.
    pub fn open() -> io::Result<Self> {
        Self::open_at(Path::new("/"))
    }

    /// The same under another root; for tests.
    fn open_at(root: &Path) -> io::Result<Self> {
        Ok(Self {
            meminfo: File::open(root.join("proc/meminfo"))?,
            statm: File::open(root.join("proc/self/statm"))?,
            pressure: File::open(root.join("proc/pressure/memory")).ok(),
            groups: folders(root).iter().filter_map(|(folder, names)| Group::open(folder, names)).collect(),
        })
    }

    /// What is so at this moment.
    ///
    /// # Errors
    /// A file has other contents than the kernel gives it.
    pub fn read(&self) -> io::Result<Facts> {
        let meminfo = text(&self.meminfo)?;
        let mut facts = Facts {
            available: kib(&meminfo, "MemAvailable:")?,
            ours: resident(&text(&self.statm)?)?,
            stalled_percent: stalled(self.pressure.as_ref()),
        };
        for group in &self.groups {
            if let Some(room) = group.room() {
                facts.available = facts.available.min(room);
                facts.stalled_percent = facts.stalled_percent.max(stalled(group.pressure.as_ref()));
            }
        }
        Ok(facts)
    }

    /// Bytes that this process could have if it were alone: the machine's, or the least limit.
    ///
    /// # Errors
    /// As [`Spare::read`].
    pub fn total(&self) -> io::Result<u64> {
        let all = kib(&text(&self.meminfo)?, "MemTotal:")?;
        Ok(self.groups.iter().filter_map(Group::limit).fold(all, u64::min))
    }
}

impl Group {
    fn open(folder: &Path, names: &'static Names) -> Option<Self> {
        let open = |name: &str| File::open(folder.join(name)).ok();
        let pressure = open("memory.pressure");
        Some(Self { limit: open(names.limit)?, usage: open(names.usage)?, stat: open("memory.stat")?, pressure, names })
    }

    fn limit(&self) -> Option<u64> {
        // Version 2 says `max` where there is none.
        text(&self.limit).ok()?.trim().parse().ok().filter(|limit| *limit < NO_LIMIT)
    }

    /// Bytes until the limit; none where there is no limit.
    fn room(&self) -> Option<u64> {
        let limit = self.limit()?;
        let usage: u64 = text(&self.usage).ok()?.trim().parse().ok()?;
        let stat = text(&self.stat).ok()?;
        let inactive = stat.lines().find_map(|line| line.strip_prefix(self.names.inactive)?.trim().parse().ok());
        Some(limit.saturating_sub(usage.saturating_sub(inactive.unwrap_or(0_u64))))
    }
}

/// Folders of the groups that this process is in, and of those around them, innermost first (proc_pid_cgroup(5)).
fn folders(root: &Path) -> Vec<(PathBuf, &'static Names)> {
    let list = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let of_line = |line: &str| -> Option<(PathBuf, PathBuf, &'static Names)> {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let (mount, names) = match controllers {
            "" => ("sys/fs/cgroup", &SECOND),
            _ if controllers.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", &FIRST),
            _ => return None,
        };
        let mount = root.join(mount);
        Some((mount.join(path.trim_start_matches('/')), mount, names))
    };
    let mut found = Vec::new();
    for (folder, mount, names) in list.lines().filter_map(of_line) {
        // In a container the path may be the host's, which cannot be seen; then the container's own is the root.
        let inner = if folder.exists() { folder } else { mount.clone() };
        found
            .extend(inner.ancestors().take_while(|folder| folder.starts_with(&mount)).map(|at| (at.to_owned(), names)));
    }
    found
}

fn text(file: &File) -> io::Result<String> {
    let mut bytes = vec![0; 8192];
    let length = file.read_at(&mut bytes, 0)?;
    bytes.truncate(length);
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn kib(meminfo: &str, name: &str) -> io::Result<u64> {
    let value =
        meminfo.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse().ok());
    value.map(|kib: u64| kib << 10).ok_or_else(|| io::Error::other(format!("/proc/meminfo has no {name}")))
}

/// Second number of proc_pid_statm(5).
fn resident(statm: &str) -> io::Result<u64> {
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages
        .map(|pages| pages * page_size() as u64)
        .ok_or_else(|| io::Error::other("/proc/self/statm has no second number"))
}

/// `avg10` of the line `some` (Linux, Documentation/accounting/psi.rst); 0 where there is no such file.
fn stalled(file: Option<&File>) -> f32 {
    let Some(Ok(text)) = file.map(text) else {
        return 0.0;
    };
    let some = text.lines().find_map(|line| line.strip_prefix("some ")).unwrap_or_default();
    some.split_whitespace().find_map(|word| word.strip_prefix("avg10=")?.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
#[path = "spare_tests.rs"]
mod tests;
