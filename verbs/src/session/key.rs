//! The secret that the hosts of one cluster share.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::SessionError;

/// 32 secret bytes, the same on every host of a cluster. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKey(pub(super) [u8; 32]);

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(secret)")
    }
}

impl From<[u8; 32]> for ClusterKey {
    fn from(bytes: [u8; 32]) -> Self {
        ClusterKey(bytes)
    }
}

impl ClusterKey {
    /// The key everybody knows (all zero): for children on this host and servers that listen on loopback only.
    pub const OPEN: ClusterKey = ClusterKey([0; 32]);

    /// A fresh key from the kernel's random numbers (getrandom(2)).
    ///
    /// # Errors
    /// `Io` when the kernel gives none.
    pub fn generate() -> Result<ClusterKey, SessionError> {
        let mut bytes = [0; 32];
        let mut have = 0;
        while have < bytes.len() {
            match rustix::rand::getrandom(&mut bytes[have..], rustix::rand::GetRandomFlags::empty()) {
                Ok(count) => have += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => {
                    return Err(SessionError::Io { what: "asking for random numbers", source: errno.into() });
                }
            }
        }
        Ok(ClusterKey(bytes))
    }

    /// Whether this is the key everybody knows.
    pub fn is_open(&self) -> bool {
        *self == ClusterKey::OPEN
    }

    /// The secret itself, for a daemon that leaves it to its worker. Never to be printed.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads a key file: one line of 64 hexadecimal digits, which only its owner may read.
    ///
    /// # Errors
    /// `KeyReadableByOthers` when group or others have any permission, `KeyMalformed`, `KeyFile`.
    pub fn load(path: &Path) -> Result<ClusterKey, SessionError> {
        let trouble = |source| SessionError::KeyFile { path: path.to_owned(), source };
        let file = File::open(path).map_err(trouble)?;
        let mode = file.metadata().map_err(trouble)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SessionError::KeyReadableByOthers { path: path.to_owned(), mode });
        }
        let mut text = Vec::new();
        file.take(128).read_to_end(&mut text).map_err(trouble)?;
        let bytes = parse(text.trim_ascii()).ok_or_else(|| SessionError::KeyMalformed { path: path.to_owned() })?;
        Ok(ClusterKey(bytes))
    }

    /// Writes a new key file that only its owner may read.
    ///
    /// # Errors
    /// `KeyExists` when there is one already, `KeyFile`.
    pub fn save(&self, path: &Path) -> Result<(), SessionError> {
        let trouble = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => SessionError::KeyExists { path: path.to_owned() },
            _ => SessionError::KeyFile { path: path.to_owned(), source },
        };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(trouble)?;
        let digits: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        file.write_all(format!("{digits}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(trouble)
    }
}

fn parse(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};

    #[test]
    fn a_saved_key_loads_again_and_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let key = ClusterKey::generate().expect("a key");
        key.save(&path).expect("saved");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(ClusterKey::load(&path).expect("loaded"), key);
        assert!(matches!(ClusterKey::OPEN.save(&path), Err(SessionError::KeyExists { .. })));
        assert_eq!(ClusterKey::load(&path).expect("loaded"), key);
        assert!(!format!("{key:?}").contains(|c: char| c.is_ascii_digit()));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        ClusterKey::OPEN.save(&path).expect("saved");
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
            let refused = ClusterKey::load(&path).expect_err("refused");
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn a_key_file_with_anything_but_a_key_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        for (index, text) in
            ["", "0", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(32)].iter().enumerate()
        {
            let path = folder.path().join(index.to_string());
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
            assert!(matches!(ClusterKey::load(&path), Err(SessionError::KeyMalformed { .. })), "{text}");
        }
        assert!(matches!(ClusterKey::load(&folder.path().join("none")), Err(SessionError::KeyFile { .. })));
    }
}
