//! Mappings that grow downwards when they are touched just below their start (`MAP_GROWSDOWN`).

use eos_pager::page::{PAGE_SIZE, PageNumber};
use eos_pager::space::SpaceError;

use super::pages;
use crate::RunError;
use crate::executor::Executor;

/// Linux keeps this much free between a growing mapping and the one below it.
const GUARD_BYTES: u64 = 256 * PAGE_SIZE;

impl Executor {
    /// Extends a growing mapping down to `address`, if that is what the fault means. Returns whether it did.
    pub(crate) fn grow_down(&mut self, address: u64) -> Result<bool, RunError> {
        if address >= eos_pager::page::APP_END || self.pager.layout.find(address).is_some() {
            return Ok(false);
        }
        let start = PageNumber::from_addr(address).addr();
        let mut above = self.pager.layout.overlapping(start..eos_pager::page::APP_END);
        let Some((span, area)) = above.next().filter(|(_, area)| area.growsdown) else {
            return Ok(false);
        };
        drop(above);
        let guard = start.saturating_sub(GUARD_BYTES)..span.start;
        if span.end - start > stack_limit() || !self.pager.layout.is_free(guard) {
            return Ok(false);
        }
        match self.pager.map_anon(pages(start, span.start), area.prot, true) {
            Ok(()) => Ok(true),
            Err(SpaceError::Errno(_)) => Ok(false),
            Err(SpaceError::Fatal(error)) => Err(error.into()),
        }
    }
}

fn stack_limit() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack);
    limit.current.unwrap_or(u64::MAX)
}
