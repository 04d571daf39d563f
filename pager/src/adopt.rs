//! Native memory: what is left to the kernel alone while it fits the budget, and how the pager takes it over.
//!
//! Home only: on the other nodes every mapping is the pager's from birth.

use crate::entry::{Entry, State};
use crate::error::PagerError;
use crate::kernel;
use crate::layout::{Area, Kind};
use crate::layout_log::LayoutOp;
use crate::page::PageRange;
use crate::pager::Pager;
use crate::space::SpaceError;

impl Pager {
    /// Decides who cares for a new accessible anonymous range: the kernel alone, while the upper bound of what is resident
    /// stays within the budget, else the pager, from its first touch on.
    pub(crate) fn enter(&mut self, range: PageRange, area: Area) -> Result<(), SpaceError> {
        let fits = self.room(self.me) >= self.native_pages + range.count();
        let native = !self.elastic && (area.kind == Kind::Reserve || fits);
        if native && area.kind != Kind::Reserve {
            self.native_pages += range.count();
            self.counters.native_pages_max = self.counters.native_pages_max.max(self.native_pages);
        }
        if !native {
            self.tracked_any = true;
            self.uffd.register(range)?;
        }
        let area = Area { tracked: !native, ..area };
        self.layout.insert(range.addresses(), area);
        self.log_change(LayoutOp::Map { range: range.addresses(), area });
        Ok(())
    }

    /// Maps memory right behind an area, so that both are one: anonymous memory, or what comes next in the file of a copy.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn extend(&mut self, tail: PageRange, area: Area) -> Result<(), SpaceError> {
        let fits = self.room(self.me) >= self.native_pages + tail.count();
        if !area.tracked && area.kind == Kind::Anon && !fits {
            self.adopt_native()?;
        }
        let elastic = self.elastic;
        self.elastic |= area.tracked;
        let mapped = match area.serial {
            0 => self.map_anon(tail, area.prot, area.growsdown),
            _ => self.extend_copy(tail, area),
        };
        self.elastic = elastic;
        mapped
    }

    /// Registers everything that was left to the kernel so far, and takes stock of what is resident. From then on the
    /// pager sees every first touch.
    ///
    /// # Errors
    /// The kernel refused (out of mappings).
    pub fn adopt_native(&mut self) -> Result<(), PagerError> {
        let native: Vec<_> = self.layout.iter().filter(|(_, area)| is_native(area)).collect();
        for (addresses, area) in native {
            let range = PageRange::covering(&addresses);
            self.populate_pinned(range, area)?;
            self.uffd.register(range).map_err(|source| self.kernel("registering memory with userfaultfd", source))?;
            let tracked = Area { tracked: true, kind: Kind::Anon, ..area };
            self.layout.insert(addresses.clone(), tracked);
            self.log_change(LayoutOp::Map { range: addresses, area: tracked });
            if area.kind == Kind::Anon {
                self.take_stock(range, area)?;
            }
        }
        self.native_pages = 0;
        self.elastic = true;
        self.tracked_any = true;
        Ok(())
    }

    /// Other threads may sleep in system calls whose buffers the kernel has not touched yet. Once the range is registered, it would
    /// find them missing.
    fn populate_pinned(&self, range: PageRange, area: Area) -> Result<(), PagerError> {
        for pin in &self.pins {
            let part = pin.range.intersection(&range);
            let write = pin.write && area.prot.writable();
            if !part.is_empty() && area.prot.readable() {
                kernel::populate(part, write).map_err(|source| self.kernel("populating a buffer in use", source))?;
            }
        }
        Ok(())
    }

    fn take_stock(&mut self, range: PageRange, area: Area) -> Result<(), PagerError> {
        let mut present = Vec::new();
        self.own_memory
            .for_each_present(range, |page| present.push(page))
            .map_err(|source| self.kernel("reading /proc/self/pagemap", source))?;
        let (me, noread) = (self.me, !area.prot.readable());
        for page in present {
            let here = |entry: Entry| Some(entry.with_state(State::Resident).with_owner(me).with_noread(noread));
            let _ = self.table.update(page, here);
            self.arrived(page);
        }
        self.note_resident_max();
        Ok(())
    }
}

pub(crate) fn is_native(area: &Area) -> bool {
    !area.tracked && matches!(area.kind, Kind::Anon | Kind::Reserve)
}
