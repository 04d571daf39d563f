//! Where an ELF file goes in the app half: from its own addresses to pages, file ranges and zeroed ranges.

use std::fs::File;

use super::elf::{Elf, Load};
use super::{APP_END, APP_START, PAGE, page_up};

/// An ELF file placed in the address space. Nothing is mapped yet.
#[derive(Debug)]
pub struct ImagePlan {
    /// The file to map from, open for reading. Its file position is unspecified: map it, or read at offsets.
    pub file: File,
    /// What is added to the file's addresses; 0 for a non-PIE executable.
    pub bias: u64,
    /// First instruction, bias included.
    pub entry: u64,
    /// Address of the program headers in memory (`AT_PHDR`), bias included; the bias alone if no segment holds them.
    pub phdr: u64,
    /// Size of one program header in bytes (`AT_PHENT`).
    pub phent: u64,
    /// Number of program headers (`AT_PHNUM`).
    pub phnum: u64,
    /// What to map. Apply in this order: two segments may share a page, and the later one wins, as natively.
    pub segments: Vec<Segment>,
    /// First page.
    pub start: u64,
    /// One past the last page.
    pub end: u64,
}

/// One `PT_LOAD` in pages: a private file mapping, then anonymous zero pages; either may be empty.
///
/// ```text
///   addr                          addr+file_len   addr+map_len = bss_addr      bss_addr+bss_len
///   |<------- from the file ------->|<- zero_len ->|<---- anonymous pages ---->|
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// First address, page-aligned.
    pub addr: u64,
    /// Bytes of the file mapping, whole pages; 0: no file mapping.
    pub map_len: u64,
    /// Where the file mapping begins in the file, page-aligned.
    pub file_offset: u64,
    /// Bytes of the mapping that belong to the segment. What follows them in the last page is whatever the file holds
    /// there, unless `zero_len` says to clear it.
    pub file_len: u64,
    /// First byte to clear after mapping.
    pub zero_from: u64,
    /// Bytes to clear, less than a page, up to the end of the file mapping. Only ever non-zero when `prot` has `PROT_WRITE`.
    pub zero_len: u64,
    /// First anonymous page.
    pub bss_addr: u64,
    /// Bytes of anonymous pages.
    pub bss_len: u64,
    /// `PROT_*` bits of the file mapping.
    pub prot: i32,
}

impl ImagePlan {
    /// First and last address of what may be executed; of everything where nothing is.
    #[must_use]
    pub fn code(&self) -> (u64, u64) {
        self.span(|segment| segment.prot & libc::PROT_EXEC != 0)
    }

    /// First and last address of what may be written, without what is zero at the start; of everything where nothing is.
    #[must_use]
    pub fn data(&self) -> (u64, u64) {
        self.span(|segment| segment.prot & libc::PROT_WRITE != 0)
    }

    fn span(&self, filter: impl Fn(&Segment) -> bool) -> (u64, u64) {
        let chosen = || self.segments.iter().filter(|segment| segment.map_len > 0 && filter(segment));
        let (start, end) = (chosen().map(|s| s.addr).min(), chosen().map(|s| s.addr + s.file_len).max());
        (start.unwrap_or(self.start), end.unwrap_or(self.end))
    }
}

impl Segment {
    /// `PROT_*` bits of the anonymous pages: Linux makes them readable and writable whatever the segment says.
    #[must_use]
    pub fn bss_prot(&self) -> i32 {
        libc::PROT_READ | libc::PROT_WRITE | (self.prot & libc::PROT_EXEC)
    }

    fn new(load: &Load, bias: u64) -> Segment {
        let vaddr = load.vaddr + bias;
        let addr = vaddr & !(PAGE - 1);
        let skew = vaddr - addr;
        let (file_offset, file_len) = match load.file_len {
            0 => (0, 0),
            len => (load.offset - skew, skew + len),
        };
        let map_len = page_up(file_len);
        let clears = load.mem_len > load.file_len && load.prot & libc::PROT_WRITE != 0;
        let bss_addr = addr + map_len;
        Segment {
            addr,
            map_len,
            file_offset,
            file_len,
            zero_from: addr + file_len,
            zero_len: if clears { map_len - file_len } else { 0 },
            bss_addr,
            bss_len: page_up(vaddr + load.mem_len).saturating_sub(bss_addr),
            prot: load.prot,
        }
    }
}

/// The bias that puts `elf` at `base` or, for alignment, a little above; `None` if it cannot be in the app half there.
/// A non-PIE executable has no choice: `base` is ignored.
pub(super) fn bias_for(elf: &Elf, base: u64) -> Option<u64> {
    let (first, last) = elf.span();
    let bias = if elf.relocatable {
        // Rounding up keeps the first page at or above `base`, and the bias a multiple of the alignment.
        base.checked_sub(first)?.checked_next_multiple_of(elf.align)?
    } else {
        0
    };
    let fits = first.checked_add(bias)? >= APP_START && last.checked_add(bias)? <= APP_END;
    fits.then_some(bias)
}

/// Places `elf`, whose bias is one that [`bias_for`] gave.
pub(super) fn place(elf: &Elf, file: File, bias: u64) -> ImagePlan {
    let (first, last) = elf.span();
    ImagePlan {
        file,
        bias,
        entry: elf.entry.wrapping_add(bias),
        phdr: elf.phdr.unwrap_or(0).wrapping_add(bias),
        phent: 56,
        phnum: u64::from(elf.phnum),
        segments: elf.loads.iter().map(|load| Segment::new(load, bias)).collect(),
        start: first + bias,
        end: last + bias,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;

    fn load(vaddr: u64, mem_len: u64, file_len: u64, prot: i32) -> Load {
        Load { vaddr, mem_len, offset: 0x5000 + vaddr % PAGE, file_len, prot }
    }

    fn image(loads: Vec<Load>, relocatable: bool, align: u64) -> Elf {
        Elf { relocatable, entry: 0, phdr: None, phnum: 1, loads, align, interp: None, exec_stack: false }
    }

    #[test]
    fn the_bytes_after_the_file_are_cleared_up_to_the_page_and_pages_follow() {
        let s = Segment::new(&load(0x1d10, 0x3000, 0x300, RW), 0x10000);
        assert_eq!((s.addr, s.map_len, s.file_offset, s.file_len), (0x11000, 0x2000, 0x5000, 0x1010));
        assert_eq!((s.zero_from, s.zero_len), (0x12010, 0xff0));
        assert_eq!((s.bss_addr, s.bss_len), (0x13000, 0x2000));
    }

    #[test]
    fn a_segment_without_file_bytes_is_all_anonymous() {
        let s = Segment::new(&load(0x1d10, 0x300, 0, RW), 0);
        assert_eq!((s.map_len, s.zero_len, s.bss_addr, s.bss_len), (0, 0, 0x1000, 0x2000));
    }

    #[test]
    fn a_read_only_tail_keeps_the_bytes_of_the_file() {
        let s = Segment::new(&load(0x1000, 0x800, 0x300, libc::PROT_READ), 0);
        assert_eq!((s.map_len, s.zero_len, s.bss_len), (0x1000, 0, 0));
    }

    #[test]
    fn alignment_moves_an_image_up_but_keeps_it_congruent() {
        let elf = image(vec![load(0x20_1000, 0x1000, 0, RW)], true, 1 << 21);
        let bias = bias_for(&elf, 0x1000_0000_0000).unwrap();
        assert_eq!(bias % (1 << 21), 0);
        assert!(bias + 0x20_1000 >= 0x1000_0000_0000);
    }

    #[test]
    fn images_outside_the_app_half_are_refused() {
        for (vaddr, len) in [(0, 0x1000), (0xf000, 0x2000), (APP_END - PAGE, 2 * PAGE), (APP_END, PAGE)] {
            assert_eq!(bias_for(&image(vec![load(vaddr, len, 0, RW)], false, PAGE), 0), None, "{vaddr:#x}");
        }
        assert_eq!(bias_for(&image(vec![load(0x40_0000, PAGE, 0, RW)], false, PAGE), 0), Some(0));
    }
}
