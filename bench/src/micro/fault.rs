//! What one fault costs at least: SIGBUS in the faulting thread, one page copied in from shared memory, back.

use std::hint::black_box;
use std::time::Instant;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::MicroError;
use super::mapping::Mapping;
use super::sample::Samples;
use super::userfault::{FaultingMemory, Serve};

/// Memory behind the faults, in pages: 64 MiB, above any cache of the development machines.
const PAGES_COUNT: usize = 16384;
/// Pages dropped by one call where eviction is part of the time.
const EVICTED_PAGES: usize = 32;

/// Microseconds of each kind of fault.
#[derive(Debug)]
pub struct FaultFloor {
    /// SIGBUS and UFFDIO_COPY.
    pub copy: Samples,
    /// The same, the page mapped write-protected.
    pub copy_protected: Samples,
    /// The first write to a write-protected page: SIGBUS and UFFDIO_WRITEPROTECT.
    pub unprotect: Samples,
    /// SIGBUS and UFFDIO_COPY, and MADV_DONTNEED of 32 clean pages at a time.
    pub with_drop: Samples,
    /// The same, the pages copied out before they are dropped.
    pub with_copy_out: Samples,
}

impl FaultFloor {
    /// Measures all of it; takes about a second.
    ///
    /// # Errors
    /// The kernel or the sandbox has no userfaultfd in SIGBUS mode.
    pub fn measure() -> Result<Self, MicroError> {
        let memory = FaultingMemory::new(filled_source()?)?;
        memory.serve(Serve::Copy);
        each_read(&memory); // warms up
        let copy = each_read(&memory);
        let with_drop = with_eviction(&memory, |_| ());
        let with_copy_out = with_eviction(&memory, |first| memory.copy_out(first, EVICTED_PAGES));
        memory.serve(Serve::CopyProtected);
        let copy_protected = each_read_kept(&memory);
        memory.serve(Serve::Unprotect);
        let unprotect = each_page(&memory, |page| memory.write(page, page as u64));
        Ok(Self { copy, copy_protected, unprotect, with_drop, with_copy_out })
    }
}

/// A memory file, as a peer's region is, with every page written.
fn filled_source() -> Result<Mapping, MicroError> {
    const REMEDY: &str = "Free 128 MiB of memory";
    let len = PAGES_COUNT * 4096;
    let fails =
        |what| move |errno: rustix::io::Errno| MicroError::Kernel { what, source: errno.into(), remedy: REMEDY };
    let file = memfd_create("eos-bench-source", MemfdFlags::CLOEXEC).map_err(fails("memfd_create"))?;
    ftruncate(&file, len as u64).map_err(fails("ftruncate"))?;
    for page in 0..PAGES_COUNT as u64 {
        rustix::io::pwrite(&file, &[page as u8; 4096], page * 4096).map_err(fails("pwrite"))?;
    }
    Mapping::shared(&file, len).map_err(fails("mmap"))
}

fn each_page(memory: &FaultingMemory, touch: impl Fn(usize)) -> Samples {
    let time = |page| {
        let start = Instant::now();
        touch(page);
        start.elapsed().as_secs_f64() * 1e6
    };
    Samples::new((0..memory.pages_count()).map(time).collect())
}

fn each_read_kept(memory: &FaultingMemory) -> Samples {
    each_page(memory, |page| {
        black_box(memory.read(page));
    })
}

fn each_read(memory: &FaultingMemory) -> Samples {
    let samples = each_read_kept(memory);
    memory.drop_pages(0, memory.pages_count());
    samples
}

fn with_eviction(memory: &FaultingMemory, push: impl Fn(usize)) -> Samples {
    let time = |first| {
        let start = Instant::now();
        (first..first + EVICTED_PAGES).for_each(|page| {
            black_box(memory.read(page));
        });
        push(first);
        memory.drop_pages(first, EVICTED_PAGES);
        start.elapsed().as_secs_f64() * 1e6 / EVICTED_PAGES as f64
    };
    Samples::new((0..memory.pages_count()).step_by(EVICTED_PAGES).map(time).collect())
}
