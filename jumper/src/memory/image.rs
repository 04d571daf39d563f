//! The program's image: segments, bss and the initial stack, mapped through the same code as the program's own mmaps.

use std::os::fd::AsRawFd;

use eos_pager::layout::Prot;
use eos_pager::page::PageRange;
use eos_pager::space::SpaceError;
use eos_policy::torture::SplitMix64;

use super::{page_up, pages};
use crate::RunError;
use crate::config::RunConfig;
use crate::executor::Executor;
use crate::gateway::GuestMemory;
use crate::load::stack::{AuxValues, StackImage, StackSpec, build};
use crate::load::{ImagePlan, Plan, Segment};

/// One past the stack's last byte.
pub const STACK_TOP: u64 = 0x4fff_f000_0000;
/// Where the dynamic linker goes, or a static-pie program.
pub const INTERP_BASE: u64 = 0x4f80_0000_0000;
/// The largest stack: what an unlimited one gets.
const STACK_BYTES_MAX: u64 = 64 << 30;

impl Executor {
    /// Maps everything that `plan` says and builds the stack, which is returned.
    ///
    /// # Errors
    /// The kernel refused, or the arguments are too long.
    pub fn map_program(&mut self, plan: &Plan, config: &RunConfig) -> Result<StackImage, RunError> {
        let images = std::iter::once(&plan.main).chain(&plan.interp);
        for image in images {
            self.map_image(image).map_err(as_run_error)?;
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
        let bytes = page_up(limit.unwrap_or(STACK_BYTES_MAX).min(STACK_BYTES_MAX));
        let random = match config.options.torture {
            Some(seed) => seeded(seed),
            None => crate::cluster::host::random().map_err(RunError::Map)?,
        };
        let image = build(&StackSpec {
            top: STACK_TOP,
            argv: &plan.argv,
            envp: &config.command.environment,
            execfn: &plan.execfn,
            auxv: AuxValues::for_plan(plan),
            random,
            stack_limit: bytes,
        })?;
        let exec = if plan.exec_stack { Prot::EXEC } else { Prot::NONE };
        let prot = Prot::READ.union(Prot::WRITE).union(exec);
        self.pager.map_anon(pages(STACK_TOP - bytes, STACK_TOP), prot, false).map_err(as_run_error)?;
        let written = self.with_guest(|guest| guest.write(image.start, &image.bytes))?;
        written.map_err(|_| RunError::Internal("the initial stack could not be written"))?;
        Ok(image)
    }

    fn map_image(&mut self, image: &ImagePlan) -> Result<(), SpaceError> {
        image.segments.iter().try_for_each(|segment| self.map_segment(image, segment))
    }

    fn map_segment(&mut self, image: &ImagePlan, segment: &Segment) -> Result<(), SpaceError> {
        let prot = Prot::from_bits(segment.prot as u32);
        if segment.map_len > 0 {
            let range = pages(segment.addr, segment.addr + segment.map_len);
            let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
            self.map_file(range, prot, flags, image.file.as_raw_fd(), segment.file_offset, false)?;
            self.zero(segment.zero_from, segment.zero_len)?;
        }
        if segment.bss_len > 0 {
            let range = pages(segment.bss_addr, segment.bss_addr + segment.bss_len);
            self.pager.map_anon(range, Prot::from_bits(segment.bss_prot() as u32), false)?;
        }
        Ok(())
    }

    fn zero(&mut self, addr: u64, len: u64) -> Result<(), SpaceError> {
        if len == 0 {
            return Ok(());
        }
        let range = PageRange::covering(&(addr..addr + len));
        self.pager.ensure(range, true)?;
        let zeros = vec![0; len as usize];
        let written = self.with_guest(|guest| guest.write(addr, &zeros));
        match written {
            Ok(Ok(())) => Ok(()),
            _ => Err(SpaceError::Errno(libc::EFAULT)),
        }
    }
}

/// The bytes behind `AT_RANDOM`, the same for each run with one seed.
fn seeded(seed: u64) -> [u8; 16] {
    let mut random = SplitMix64::new(seed);
    (u128::from(random.next()) << 64 | u128::from(random.next())).to_le_bytes()
}

fn as_run_error(error: SpaceError) -> RunError {
    match error {
        SpaceError::Fatal(error) => error.into(),
        SpaceError::Errno(errno) => RunError::Map(std::io::Error::from_raw_os_error(errno)),
    }
}
