//! Input for the programs under test, the same every time.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A text of so many MiB: numbers, words, and some repetition.
pub fn text(folder: &Path, mib: usize) -> PathBuf {
    text_of(folder, mib << 20)
}

/// A text of so many bytes, or a line more.
pub fn text_of(folder: &Path, bytes: usize) -> PathBuf {
    let path = folder.join("text");
    let mut file = BufWriter::new(std::fs::File::create(&path).expect("a file"));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut written = 0;
    while written < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let filler = &"the quick brown fox jumps over the lazy dog and back again"[..(state >> 50) as usize % 58];
        let line = format!("{:016x} {filler}\n", state.wrapping_mul(0x2545_f491_4f6c_dd1d));
        written += line.len();
        file.write_all(line.as_bytes()).expect("written");
    }
    file.into_inner().expect("written");
    path
}
