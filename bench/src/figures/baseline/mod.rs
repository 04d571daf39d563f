//! What the kernel offers instead: a memory limit for the program, and one swap device.

mod limit;
mod remote;
mod zram;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::FiguresError;
use super::child::{self, Stop};

pub use limit::MemoryLimit;
pub use remote::Remote;
pub use zram::Zram;

/// A place to swap to; dropped, it is gone again.
pub trait SwapDevice {
    /// Path for swapon.
    fn path(&self) -> &Path;
}

/// Swap in use; dropped, it is off again.
pub struct SwapOn<'a> {
    device: &'a dyn SwapDevice,
}

impl<'a> SwapOn<'a> {
    /// Turns the swap on, empty.
    ///
    /// # Errors
    /// mkswap or swapon failed.
    pub fn new(device: &'a dyn SwapDevice, stop: &Stop) -> Result<Self, FiguresError> {
        child::must(Command::new("mkswap").arg("--force").arg(device.path()), stop)?;
        child::must(Command::new("swapon").arg(device.path()), stop)?;
        Ok(Self { device })
    }
}

impl Drop for SwapOn<'_> {
    fn drop(&mut self) {
        // The program that used it has ended, so there is nothing to bring back.
        let _ = child::must(Command::new("swapoff").arg(self.device.path()), &Stop::default());
    }
}

/// Why this machine permits no swap at all, if it does not.
#[must_use]
pub fn swap_forbidden() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let active = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    // Devices of one priority take turns, so one that is on already would be measured too.
    (active.lines().count() > 1).then(|| "this machine has swap of its own; turn it off with swapoff -a".to_owned())
}

/// A swap file.
pub struct Disk(PathBuf);

impl Disk {
    /// Makes a file of `bytes` in `folder`.
    ///
    /// # Errors
    /// No room, or a file system in memory.
    pub fn make(folder: &Path, bytes: u64, stop: &Stop) -> Result<Self, FiguresError> {
        let fails = |source| FiguresError::File { path: folder.display().to_string(), source };
        let kind = child::must(Command::new("stat").args(["-f", "-c", "%T"]).arg(folder), stop)?;
        if kind.trim() == "tmpfs" {
            // Swapping memory to memory that is swapped hangs the machine.
            return Err(fails(std::io::Error::other("is in memory (tmpfs); name a folder on a disk with --out")));
        }
        let path = folder.join("swapfile");
        let disk = Self(path.clone());
        child::must(Command::new("fallocate").args(["-l", &bytes.to_string()]).arg(&path), stop)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map_err(fails)?;
        Ok(disk)
    }
}

impl SwapDevice for Disk {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
