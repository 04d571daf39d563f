//! shmat(2) and shmdt(2): shared memory of System V. It stays at home, as all shared memory does.
//!
//! # Safety
//!
//! The kernel attaches a segment at free addresses of the program's half, and detaches what the program has attached.

use eos_pager::layout::{Area, Kind, Prot};
use eos_pager::page::{PAGE_SIZE, PageRange};
use eos_pager::space::SpaceError;

use super::{Answer, MMAP_BOTTOM, MMAP_TOP, Outcome, is_app, page_up, pages};
use crate::executor::Executor;
use crate::gateway::{is_error, syscall6};

/// Segments that the program has attached.
#[derive(Debug, Default)]
pub struct Attached {
    ranges: Vec<PageRange>,
}

impl Executor {
    pub(super) fn shmat(&mut self, id: i32, addr: u64, flags: i32) -> Outcome {
        if !self.at_home() {
            return Ok(Answer::GoHome);
        }
        let bytes = page_up(segment_bytes(id)?);
        let at = if flags & libc::SHM_RND != 0 { addr & !(PAGE_SIZE - 1) } else { addr };
        let range = self.place_segment(at, bytes, flags)?;
        let prot = Prot::READ.union(if flags & libc::SHM_RDONLY == 0 { Prot::WRITE } else { Prot::NONE });
        let prot = prot.union(if flags & libc::SHM_EXEC == 0 { Prot::NONE } else { Prot::EXEC });
        let area = Area { kind: Kind::Shared, tracked: false, ..Area::anon(prot) };
        let start = range.start.addr();
        let args = [id as u64, start, (flags & !libc::SHM_RND) as u64, 0, 0, 0];
        self.pager.attach_native(range, area, || {
            // SAFETY: see the top of this file.
            let result = unsafe { syscall6(libc::SYS_shmat.cast_unsigned(), args) };
            if is_error(result) { Err(std::io::Error::from_raw_os_error(-result as i32)) } else { Ok(()) }
        })?;
        self.attached.ranges.push(range);
        Ok(Answer::Value(start))
    }

    fn place_segment(&self, at: u64, bytes: u64, flags: i32) -> Result<PageRange, SpaceError> {
        if at == 0 {
            let start = self.pager.layout.find_gap(bytes, PAGE_SIZE, MMAP_BOTTOM..MMAP_TOP);
            let start = start.ok_or(SpaceError::Errno(libc::ENOMEM))?;
            return Ok(pages(start, start + bytes));
        }
        let end = at.checked_add(bytes).filter(|_| at.is_multiple_of(PAGE_SIZE));
        let range = end.map(|end| pages(at, end)).filter(|range| is_app(*range));
        let range = range.ok_or(SpaceError::Errno(libc::EINVAL))?;
        let taken = !self.pager.layout.is_free(range.addresses());
        if taken && flags & libc::SHM_REMAP == 0 { Err(SpaceError::Errno(libc::EINVAL)) } else { Ok(range) }
    }

    pub(super) fn shmdt(&mut self, addr: u64) -> Outcome {
        if !self.at_home() {
            return Ok(Answer::GoHome);
        }
        let known = self.attached.ranges.iter().position(|range| range.start.addr() == addr);
        let Some(index) = known else {
            return Err(SpaceError::Errno(libc::EINVAL));
        };
        // SAFETY: as above.
        let result = unsafe { syscall6(libc::SYS_shmdt.cast_unsigned(), [addr, 0, 0, 0, 0, 0]) };
        if is_error(result) {
            return Err(SpaceError::Errno(-result as i32));
        }
        let range = self.attached.ranges.swap_remove(index);
        self.pager.unmap(range)?;
        Ok(Answer::Value(0))
    }
}

fn segment_bytes(id: i32) -> Result<u64, SpaceError> {
    // SAFETY: the kernel fills this function's own structure.
    unsafe {
        let mut about: libc::shmid_ds = std::mem::zeroed();
        match libc::shmctl(id, libc::IPC_STAT, &raw mut about) {
            0 => Ok(about.shm_segsz as u64),
            _ => Err(SpaceError::Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL))),
        }
    }
}
