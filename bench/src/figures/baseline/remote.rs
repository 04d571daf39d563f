//! Swap over a network, off the shelf: nbdkit lends memory on another node, nbdfuse shows it here as a file, a loop device
//! makes a block device of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::FiguresError;
use super::super::child::{self, Daemon, Stop};
use super::super::network::{self, Network};
use super::SwapDevice;

/// The port that nbd(8) is known by.
const PORT: &str = "10809";

/// A swap device in another node's memory; dropped, it is gone.
pub struct Remote {
    device: PathBuf,
    // Dropped after the device is let go, the reader before the server.
    _reader: Daemon,
    _server: Daemon,
}

impl Remote {
    /// Lends `bytes` on node 1, and makes a block device of them at home.
    ///
    /// # Errors
    /// A program is missing (Debian: nbdkit, libnbd-bin), or does not work here (`/dev/fuse`).
    pub fn make(network: &Network, bytes: u64, stop: &Stop) -> Result<Self, FiguresError> {
        let folder = network.folder();
        let address = network::address(1);
        let server_log = folder.join("nbdkit.log");
        let mut serve = network.inside(1, "nbdkit");
        serve.args(["--foreground", "--exit-with-parent", "--ipaddr", &address, "--port", PORT, "memory"]);
        let mut server = Daemon::start(serve.arg(bytes.to_string()), &server_log)?;
        let listens = || {
            let listening = child::must(network.inside(1, "ss").args(["-Hltn", &format!("sport = :{PORT}")]), stop);
            listening.is_ok_and(|text| !text.trim().is_empty())
        };
        server.wait_until("nbdkit", &server_log, listens)?;
        let (file, reader_log) = (folder.join("nbd"), folder.join("nbdfuse.log"));
        std::fs::write(&file, "").map_err(|source| FiguresError::File { path: file.display().to_string(), source })?;
        let mut read = network.inside(0, "nbdfuse");
        let mut reader = Daemon::start(read.arg(&file).arg(format!("nbd://{address}:{PORT}")), &reader_log)?;
        let mounted = || std::fs::metadata(&file).is_ok_and(|data| data.len() == bytes);
        reader.wait_until("nbdfuse", &reader_log, mounted)?;
        let device =
            child::must(Command::new("losetup").args(["--direct-io=on", "--find", "--show"]).arg(&file), stop)?;
        let device = PathBuf::from(device.trim());
        if let Some(name) = device.file_name().and_then(|name| name.to_str()) {
            // Writeback throttling holds a slow swap device back until the program starves.
            let _ = std::fs::write(format!("/sys/block/{name}/queue/wbt_lat_usec"), "0");
        }
        Ok(Self { device, _reader: reader, _server: server })
    }
}

impl SwapDevice for Remote {
    fn path(&self) -> &Path {
        &self.device
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = child::must(Command::new("losetup").arg("--detach").arg(&self.device), &Stop::default());
    }
}
