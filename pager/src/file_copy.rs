//! Private file mappings that the program may write: anonymous memory with the file's bytes. Home only.

use std::ops::Range;
use std::sync::Arc;

use crate::buffers::OWN_PINS;
use crate::kernel;
use crate::layout::{Area, Kind, Prot};
use crate::layout_log::LayoutOp;
use crate::page::{PAGE_SIZE, PageNumber, PageRange};
use crate::pager::Pager;
use crate::shadow::{Shadow, pages_with_file};
use crate::space::SpaceError;

/// Pages that are read in at once.
const FILL_PAGES: u64 = 64;

/// The files behind the copies, by the serial number in their areas.
#[derive(Debug, Default)]
pub(crate) struct FileCopies {
    known: Vec<FileCopy>,
    serial_last: u32,
}

/// Where a copy's bytes come from.
#[derive(Clone, Debug)]
struct FileCopy {
    serial: u32,
    /// Page at which the shadow's first page is, or would be, in the program's half.
    origin: PageNumber,
    shadow: Arc<Shadow>,
}

impl FileCopies {
    fn add(&mut self, origin: PageNumber, shadow: Arc<Shadow>) -> u32 {
        self.serial_last += 1;
        self.known.push(FileCopy { serial: self.serial_last, origin, shadow });
        self.serial_last
    }

    fn get(&self, serial: u32) -> Option<FileCopy> {
        self.known.iter().find(|copy| copy.serial == serial).cloned()
    }
}

impl Pager {
    /// Turns a private file range, natively mapped, into memory that the program may write. What lies beyond the end of
    /// the file stays the kernel's, which answers accesses there with SIGBUS.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn make_private(&mut self, range: PageRange, prot: Prot) -> Result<(), SpaceError> {
        let count = pages_with_file(&self.own_memory, range);
        let head = PageRange::new(range.start, PageNumber(range.start.0 + count));
        let tail = PageRange::new(head.end, range.end);
        if !tail.is_empty() {
            kernel::protect(tail, prot.bits() as i32)?;
            self.note_beyond_end(tail, prot);
        }
        if head.is_empty() {
            return Ok(());
        }
        let shadow = Arc::new(Shadow::take(head)?);
        let serial = self.copies.add(head.start, shadow);
        self.fill_from_file(head, prot, serial)
    }

    /// The program gives back its own bytes of a copy: it finds the file's again.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn discard_copy(&mut self, range: PageRange, area: Area) -> Result<(), SpaceError> {
        self.fill_from_file(range, area.prot, area.serial)
    }

    /// The file's next pages come behind a copy, at `tail`, which is free.
    pub(crate) fn extend_copy(&mut self, tail: PageRange, area: Area) -> Result<(), SpaceError> {
        let copy = self.copies.get(area.serial).ok_or(SpaceError::Errno(libc::EINVAL))?;
        let first = tail.start.0.wrapping_sub(copy.origin.0);
        let with_file = copy.shadow.reach(&self.own_memory, first, tail, area.prot.bits() as i32)?;
        let (head, beyond) = tail.split_at(with_file);
        if !beyond.is_empty() {
            self.note_beyond_end(beyond, area.prot);
        }
        if head.is_empty() { Ok(()) } else { self.fill_from_file(head, area.prot, area.serial) }
    }

    /// What lies beyond the end of a file has been left to the kernel.
    fn note_beyond_end(&mut self, range: PageRange, prot: Prot) {
        let area = Area { kind: Kind::Shared, tracked: false, ..Area::anon(prot) };
        self.layout.insert(range.addresses(), area);
        self.log_change(LayoutOp::Map { range: range.addresses(), area });
    }

    fn fill_from_file(&mut self, range: PageRange, prot: Prot, serial: u32) -> Result<(), SpaceError> {
        let writable = Prot::READ.union(Prot::WRITE);
        let copy = self.copies.get(serial).ok_or(SpaceError::Errno(libc::EINVAL))?;
        self.map_area(range, Area { serial, ..Area::anon(writable) })?;
        let mut bytes = vec![0; (FILL_PAGES * PAGE_SIZE) as usize];
        let part_pages = FILL_PAGES.min(self.here().limit / 4).max(1);
        let mut first = range.start;
        while first < range.end {
            let part = PageRange::new(first, PageNumber(first.0 + part_pages).min(range.end));
            let bytes = &mut bytes[..part.bytes() as usize];
            if copy.shadow.read(&self.own_memory, part.start.0.wrapping_sub(copy.origin.0), bytes).is_ok() {
                self.pin(part, true, OWN_PINS);
                self.ensure(part, true)?;
                // SAFETY: the pages are resident, writable, and known to nobody but the program, which is in this call.
                unsafe { kernel::bytes_mut(part) }.copy_from_slice(bytes);
                self.unpin(OWN_PINS);
            }
            first = part.end;
        }
        if prot == writable { Ok(()) } else { self.protect(range, prot) }
    }

    /// The number of a copy that moves: its file's bytes are at another distance then. 0 stays 0.
    pub(crate) fn moved_copy(&mut self, serial: u32, from: PageRange, to: PageRange) -> u32 {
        let Some(copy) = self.copies.get(serial) else {
            return serial;
        };
        let origin = PageNumber(copy.origin.0.wrapping_sub(from.start.0).wrapping_add(to.start.0));
        self.copies.add(origin, copy.shadow)
    }

    /// Lets go of files that no mapping shows any more, after `range` has been unmapped or replaced.
    pub(crate) fn forget_copies(&mut self) {
        let layout = &self.layout;
        self.copies.known.retain(|copy| layout.iter().any(|(_, area)| area.serial == copy.serial));
    }

    /// Memory with the bytes of files, in ascending order: its addresses, and where in the runtime's half the file itself is mapped.
    pub fn copies_of_files(&self) -> Vec<(Range<u64>, u64)> {
        let copies = self.layout.iter().filter(|(_, area)| area.serial != 0).filter_map(|(range, area)| {
            let copy = self.copies.get(area.serial)?;
            Some((range.clone(), copy.shadow.address(PageNumber::from_addr(range.start).0.checked_sub(copy.origin.0)?)))
        });
        copies.collect()
    }

    /// Whether the program has a copy of a file in the range.
    pub(crate) fn has_copies(&self, range: PageRange) -> bool {
        self.layout.overlapping(range.addresses()).any(|(_, area)| area.serial != 0)
    }
}
