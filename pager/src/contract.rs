//! Contraction and growth: the budget of the executing node changes while the program runs.

use crate::error::PagerError;
use crate::pager::{EVICTION_BATCH, Pager};

impl Pager {
    /// Takes one step towards a budget of `pages` on this node, from a thread that is none of the program's and holds the lock.
    /// Returns whether another step is needed. The limit falls no faster than pages leave, so no fault has to make up for the rest.
    ///
    /// Threads of the program go on meanwhile, so victims are protected before they are read. Nothing happens while peers have not
    /// been looked for yet: they join on a thread of the program.
    ///
    /// # Errors
    /// No node has room, or the wire failed.
    pub fn follow_budget(&mut self, pages: u64) -> Result<bool, PagerError> {
        let present = self.here().limit;
        if pages >= present {
            self.set_limit(pages);
            return Ok(false);
        }
        if self.stretch.is_some() {
            return Ok(false);
        }
        if self.native_pages > 0 && self.held(self.me) + self.native_pages > pages {
            self.adopt_native()?;
        }
        let before = self.held(self.me);
        if before > pages {
            let several = std::mem::replace(&mut self.several_threads, true);
            let evicted = self.evict(EVICTION_BATCH.min((before - pages) as usize));
            self.several_threads = several;
            evicted?;
        }
        let now = self.held(self.me);
        self.set_limit(now.max(pages));
        Ok(now > pages && now < before)
    }

    /// Pages of the program that are here: in slots, resident, and those of mappings left to the kernel, not all of which need have been
    /// touched.
    #[must_use]
    pub fn held_at_most(&self) -> u64 {
        self.held(self.me) + self.native_pages
    }

    /// A larger limit needs more slots, for what other nodes push here.
    fn set_limit(&mut self, pages: u64) {
        self.here().limit = pages;
        let slots = &mut self.slots[self.me.index()];
        slots.grow(u32::try_from(pages).unwrap_or(u32::MAX).saturating_sub(slots.capacity()));
    }
}
