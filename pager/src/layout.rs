//! Which addresses of the program's half are mapped, and how: the program's address space as the runtime knows it.
//!
//! The same on every node. Neighbouring areas that are equal in everything are one area, as in the kernel.
//! Addresses are bytes and multiples of the page size; ranges are half-open. Does not call the kernel.

use std::ops::Range;

use rangemap::RangeMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::page::{PAGE_SHIFT, PAGE_SIZE};

/// What the program may do with an area.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Prot(u8);

impl Prot {
    /// Nothing: `PROT_NONE`.
    pub const NONE: Self = Self(0);
    /// `PROT_READ`.
    pub const READ: Self = Self(1);
    /// `PROT_WRITE`.
    pub const WRITE: Self = Self(2);
    /// `PROT_EXEC`.
    pub const EXEC: Self = Self(4);

    /// From the `PROT_*` bits of a system call, of which others than the three are left out.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self((bits & 7) as u8)
    }

    /// As `PROT_*` bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// With the bits of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the bytes can be read in place on every processor. On x86-64 whoever may write may read; whoever may only execute
    /// may read unless the processor has protection keys, with which Linux takes reading away (pkeys(7), mprotect(2)).
    #[must_use]
    pub const fn readable(self) -> bool {
        self.0 & (Self::READ.0 | Self::WRITE.0) != 0
    }

    /// Whether any access is allowed, so that pages may be needed.
    #[must_use]
    pub const fn accessible(self) -> bool {
        self.0 != 0
    }

    /// Whether writes are allowed.
    #[must_use]
    pub const fn writable(self) -> bool {
        self.contains(Self::WRITE)
    }
}

impl std::fmt::Debug for Prot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letters = [(Self::READ, 'r'), (Self::WRITE, 'w'), (Self::EXEC, 'x')];
        for (bit, letter) in letters {
            write!(f, "{}", if self.contains(bit) { letter } else { '-' })?;
        }
        Ok(())
    }
}

/// What lies behind an area.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// Private memory, also of a writable private file mapping, whose bytes were copied in.
    Anon,
    /// Anonymous addresses that were reserved without access and have no contents yet.
    Reserve,
    /// A private read-only file mapping: the kernel's at home, replicas elsewhere.
    FileRo,
    /// A shared mapping: stays at home.
    Shared,
}

/// One stretch of equally mapped addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Area {
    /// What the program may do.
    pub prot: Prot,
    /// What lies behind it.
    pub kind: Kind,
    /// Whether its pages have entries in the page table and count against the budget.
    pub tracked: bool,
    /// `MAP_GROWSDOWN`: grows at its lower end when touched there.
    pub growsdown: bool,
    /// Number of the mapped file in the gateway's list; 0 for anonymous memory. Areas of different files do not merge.
    pub serial: u32,
}

impl Area {
    /// Tracked private memory.
    #[must_use]
    pub const fn anon(prot: Prot) -> Self {
        Self { prot, kind: Kind::Anon, tracked: true, growsdown: false, serial: 0 }
    }
}

/// An address in the range is not mapped: what Linux calls ENOMEM.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("address {addr:#x} of the program is not mapped")]
pub struct NotMapped {
    /// The lowest address that is not.
    pub addr: u64,
}

/// The map of the program's half. Not locked: whoever changes it has it exclusively.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Range<u64>, Area)>", into = "Vec<(Range<u64>, Area)>")]
pub struct Layout {
    areas: RangeMap<u64, Area>,
}

impl Layout {
    /// Nothing mapped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps `range`, in place of what was mapped there. An empty range does nothing (as in all methods).
    pub fn insert(&mut self, range: Range<u64>, area: Area) {
        debug_assert!(
            range.start.is_multiple_of(PAGE_SIZE) && range.end.is_multiple_of(PAGE_SIZE),
            "{range:x?} is not of whole pages"
        );
        if range.start < range.end {
            self.areas.insert(range, area);
        }
    }

    /// Unmaps `range`; parts that are not mapped are no error, as for munmap(2).
    pub fn remove(&mut self, range: Range<u64>) {
        if range.start < range.end {
            self.areas.remove(range);
        }
    }

    /// Changes the protection of `range` as mprotect(2): up to the first address that is not mapped.
    ///
    /// # Errors
    /// That address. What lies below it has been changed.
    pub fn protect(&mut self, range: Range<u64>, prot: Prot) -> Result<(), NotMapped> {
        self.change(range, |area| Area { prot, ..area })
    }

    /// Changes the areas of `range` up to the first address that is not mapped.
    ///
    /// # Errors
    /// That address. What lies below it has been changed.
    pub fn change(&mut self, range: Range<u64>, change: impl Fn(Area) -> Area) -> Result<(), NotMapped> {
        let mut mapped_to = range.start;
        let mut changed = Vec::new();
        for (part, area) in self.overlapping(range.clone()) {
            if part.start != mapped_to {
                break;
            }
            mapped_to = part.end;
            changed.push((part, change(area)));
        }
        for (part, area) in changed {
            self.insert(part, area);
        }
        if mapped_to < range.end { Err(NotMapped { addr: mapped_to }) } else { Ok(()) }
    }

    /// The area that holds `addr`, and its whole range.
    #[must_use]
    pub fn find(&self, addr: u64) -> Option<(Range<u64>, Area)> {
        self.areas.get_key_value(&addr).map(|(range, area)| (range.clone(), *area))
    }

    /// The areas in `range`, cut to it, in ascending order.
    pub fn overlapping(&self, range: Range<u64>) -> impl DoubleEndedIterator<Item = (Range<u64>, Area)> + '_ {
        // The map's look-up wants a range that is not empty; nothing is ever mapped in this one.
        let outer = if range.start < range.end { range } else { u64::MAX - 1..u64::MAX };
        let wanted = outer.clone();
        let cut =
            move |(part, area): (&Range<u64>, &Area)| (part.start.max(wanted.start)..part.end.min(wanted.end), *area);
        self.areas.overlapping(outer).map(cut)
    }

    /// Number of areas.
    #[must_use]
    pub fn len(&self) -> usize {
        self.areas.len()
    }

    /// Whether nothing is mapped at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// Whether nothing is mapped in `range`.
    #[must_use]
    pub fn is_free(&self, range: Range<u64>) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// Whether all of `range` is mapped.
    ///
    /// # Errors
    /// The lowest address that is not.
    pub fn require_mapped(&self, range: Range<u64>) -> Result<(), NotMapped> {
        let mut mapped_to = range.start;
        for (part, _) in self.overlapping(range.clone()) {
            if part.start != mapped_to {
                break;
            }
            mapped_to = part.end;
        }
        if mapped_to < range.end { Err(NotMapped { addr: mapped_to }) } else { Ok(()) }
    }

    /// The highest address in `bounds` at which `len` bytes are free, a multiple of `align` (a power of two).
    /// Leaves no gap to the neighbours; a caller who wants a guard asks for more and uses less.
    #[must_use]
    pub fn find_gap(&self, len: u64, align: u64, bounds: Range<u64>) -> Option<u64> {
        debug_assert!(align.is_power_of_two() && len > 0);
        let fits = |low: u64, high: u64| {
            let start = high.checked_sub(len)? & !(align - 1);
            (start >= low).then_some(start)
        };
        let mut high = bounds.end;
        for (part, _) in self.overlapping(bounds.clone()).rev() {
            if let Some(start) = fits(part.end, high) {
                return Some(start);
            }
            high = part.start;
        }
        fits(bounds.start, high)
    }

    /// Number of pages of the areas that `filter` wants.
    pub fn total_pages(&self, filter: impl Fn(&Area) -> bool) -> u64 {
        let wanted = self.areas.iter().filter(|(_, area)| filter(area));
        wanted.map(|(range, _)| (range.end - range.start) >> PAGE_SHIFT).sum()
    }

    /// All areas in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Range<u64>, Area)> + '_ {
        self.areas.iter().map(|(range, area)| (range.clone(), *area))
    }
}

impl From<Vec<(Range<u64>, Area)>> for Layout {
    fn from(areas: Vec<(Range<u64>, Area)>) -> Self {
        let mut layout = Self::new();
        for (range, area) in areas {
            layout.insert(range, area);
        }
        layout
    }
}

impl From<Layout> for Vec<(Range<u64>, Area)> {
    fn from(layout: Layout) -> Self {
        layout.iter().collect()
    }
}
