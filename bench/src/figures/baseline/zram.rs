//! Swap on compressed memory (Linux, Documentation/admin-guide/blockdev/zram.rst).

use std::path::{Path, PathBuf};

use super::super::FiguresError;
use super::SwapDevice;

/// A device of its own; dropped, it is removed.
pub struct Zram {
    number: String,
    device: PathBuf,
}

impl Zram {
    /// Adds a device that takes `bytes`.
    ///
    /// # Errors
    /// The kernel has no zram.
    pub fn make(bytes: u64) -> Result<Self, FiguresError> {
        // Where it is a module, whoever made the kernel knows how to load it.
        let _ = std::process::Command::new("modprobe").arg("zram").output();
        let number = read("/sys/class/zram-control/hot_add")?.trim().to_owned();
        let zram = Self { device: PathBuf::from(format!("/dev/zram{number}")), number };
        write(&format!("/sys/block/zram{}/disksize", zram.number), &bytes.to_string())?;
        Ok(zram)
    }
}

impl SwapDevice for Zram {
    fn path(&self) -> &Path {
        &self.device
    }
}

impl Drop for Zram {
    fn drop(&mut self) {
        let _ = write(&format!("/sys/block/zram{}/reset", self.number), "1");
        let _ = write("/sys/class/zram-control/hot_remove", &self.number);
    }
}

fn read(path: &str) -> Result<String, FiguresError> {
    std::fs::read_to_string(path).map_err(|source| FiguresError::File { path: path.to_owned(), source })
}

fn write(path: &str, text: &str) -> Result<(), FiguresError> {
    std::fs::write(path, text).map_err(|source| FiguresError::File { path: path.to_owned(), source })
}
