//! mremap: grow, shrink, move.

use eos_pager::kernel;
use eos_pager::layout::{Area, Kind};
use eos_pager::page::{PAGE_SIZE, PageRange};
use eos_pager::space::SpaceError;

use super::{Answer, MMAP_BOTTOM, MMAP_TOP, Outcome, checked_range, is_app, page_up, pages};
use crate::executor::Executor;

const MAYMOVE: u64 = libc::MREMAP_MAYMOVE as u64;
const FIXED: u64 = libc::MREMAP_FIXED as u64;
const DONTUNMAP: u64 = libc::MREMAP_DONTUNMAP as u64;

impl Executor {
    pub(super) fn mremap(&mut self, args: [u64; 6]) -> Outcome {
        let [addr, old_len, new_len, flags, new_addr, _] = args;
        let unknown = flags & !(MAYMOVE | FIXED | DONTUNMAP) != 0;
        if unknown || new_len == 0 || (flags & (FIXED | DONTUNMAP) != 0 && flags & MAYMOVE == 0) {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        let native = self.pager.layout.find(addr).is_some_and(|(_, area)| is_native(area));
        if native && self.at_home() && flags & DONTUNMAP == 0 && (old_len == 0 || page_up(new_len) > page_up(old_len)) {
            return self.grow_native(
                addr,
                old_len,
                new_len,
                (flags & FIXED != 0).then_some(new_addr),
                flags & MAYMOVE != 0,
            );
        }
        if old_len == 0 || (flags & DONTUNMAP != 0 && page_up(old_len) != page_up(new_len)) {
            // The former duplicates a shared mapping, and is an error for others.
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        let old = checked_range(addr, old_len, libc::EFAULT)?;
        let Some((span, area)) = self.pager.layout.find(addr) else {
            return Err(SpaceError::Errno(libc::EFAULT));
        };
        if self.pager.layout.require_mapped(old.addresses()).is_err() || new_len > MMAP_TOP {
            return Err(SpaceError::Errno(libc::EFAULT));
        }
        if !self.at_home() && (area.kind != Kind::Anon || area.serial != 0) {
            return Ok(Answer::GoHome);
        }
        if flags & DONTUNMAP != 0 {
            return self.move_contents(old, (flags & FIXED != 0).then_some(new_addr));
        }
        if flags & FIXED != 0 {
            return self.move_to(old, area, new_addr, new_len);
        }
        let (old_bytes, new_bytes) = (old.bytes(), page_up(new_len));
        if new_bytes <= old_bytes {
            if new_bytes < old_bytes {
                self.pager.unmap(pages(addr + new_bytes, addr + old_bytes))?;
            }
            return Ok(Answer::Value(addr));
        }
        let tail = pages(addr + old_bytes, addr + new_bytes);
        let one_area = span.end >= old.end.addr();
        if one_area && self.extendable(area) && is_app(tail) && self.pager.layout.is_free(tail.addresses()) {
            self.pager.extend(tail, area)?;
            return Ok(Answer::Value(addr));
        }
        if !one_area {
            return Err(SpaceError::Errno(libc::EFAULT));
        }
        if flags & MAYMOVE == 0 {
            return Err(SpaceError::Errno(libc::ENOMEM));
        }
        let target = self.gap(new_bytes)?;
        self.move_to(old, area, target, new_len)
    }

    /// A file mapping or shared memory becomes longer, which the kernel does, here or elsewhere. An old length of 0 leaves the old
    /// mapping as it is, and makes a second view of it.
    fn grow_native(&mut self, addr: u64, old_len: u64, new_len: u64, target: Option<u64>, may_move: bool) -> Outcome {
        let old = checked_range(addr, old_len, libc::EINVAL)?;
        let (span, area) = self.pager.layout.find(addr).ok_or(SpaceError::Errno(libc::EFAULT))?;
        let new_bytes = page_up(new_len);
        if span.end < old.end.addr() {
            return Err(SpaceError::Errno(libc::EFAULT));
        }
        if old_len == 0 && !(area.kind == Kind::Shared && may_move) {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        let tail = checked_range(old.end.addr(), new_bytes - old.bytes(), libc::ENOMEM)?;
        if old_len > 0 && target.is_none() && is_app(tail) && self.pager.layout.is_free(tail.addresses()) {
            self.pager.attach_native(tail, area, || kernel::grow(old, tail.end))?;
            return Ok(Answer::Value(addr));
        }
        if !may_move {
            return Err(SpaceError::Errno(libc::ENOMEM));
        }
        let start = target.map_or_else(|| self.gap(new_bytes), Ok)?;
        let new = checked_range(start, new_bytes, libc::EINVAL)?;
        if !is_app(new) || !new.intersection(&old).is_empty() {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        self.pager.attach_native(new, area, || kernel::remap(old, new))?;
        if old_len > 0 {
            self.pager.unmap(old)?;
        }
        Ok(Answer::Value(start))
    }

    fn gap(&self, bytes: u64) -> Result<u64, SpaceError> {
        let gap = self.pager.layout.find_gap(bytes, PAGE_SIZE, MMAP_BOTTOM..MMAP_TOP);
        gap.ok_or(SpaceError::Errno(libc::ENOMEM))
    }

    /// `MREMAP_DONTUNMAP`: the contents move, the old range stays mapped and is empty. Private memory only.
    fn move_contents(&mut self, old: PageRange, target: Option<u64>) -> Outcome {
        let left: Vec<_> = self.pager.layout.overlapping(old.addresses()).collect();
        if left.iter().any(|(_, area)| !self.extendable(*area) || area.serial != 0) {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        let target = target.map_or_else(|| self.gap(old.bytes()), Ok)?;
        let (_, area) = left[0].clone();
        let answer = self.move_to(old, area, target, old.bytes())?;
        for (part, area) in left {
            self.pager.map_anon(PageRange::covering(&part), area.prot, area.growsdown)?;
        }
        Ok(answer)
    }

    fn move_to(&mut self, old: PageRange, area: Area, target: u64, new_len: u64) -> Outcome {
        let new = checked_range(target, new_len, libc::EINVAL)?;
        if !is_app(new) || !new.intersection(&old).is_empty() {
            return Err(SpaceError::Errno(libc::EINVAL));
        }
        let kept = old.bytes().min(new.bytes());
        if new.bytes() > old.bytes() && !self.extendable(area) {
            return Err(SpaceError::Errno(libc::ENOMEM));
        }
        self.pager.unmap(new)?;
        if kept < old.bytes() {
            self.pager.unmap(pages(old.start.addr() + kept, old.end.addr()))?;
        }
        let from = pages(old.start.addr(), old.start.addr() + kept);
        self.pager.relocate(from, pages(target, target + kept))?;
        if new.bytes() > kept {
            // A copy of a file has another number where it is now.
            let area = self.pager.layout.find(target).map_or(area, |(_, moved)| moved);
            self.pager.extend(pages(target + kept, new.end.addr()), area)?;
        }
        Ok(Answer::Value(target))
    }

    /// What the pager can make longer itself.
    fn extendable(&self, area: Area) -> bool {
        matches!(area.kind, Kind::Anon | Kind::Reserve)
    }
}

/// What the kernel alone has mapped.
fn is_native(area: Area) -> bool {
    matches!(area.kind, Kind::FileRo | Kind::Shared)
}
