//! Belady's optimum: the page that is wanted last leaves.

use std::collections::BTreeSet;

use super::accesses::Accesses;
use super::cache::Faults;

/// Never again.
const NEVER: u32 = u32::MAX;

/// Replays with room for `capacity` pages.
pub(super) fn replay(accesses: &Accesses, capacity: usize) -> Faults {
    let next = next_uses(accesses);
    let mut faults = Faults::default();
    let mut seen = vec![false; accesses.pages()];
    // of the pages here: when each is wanted next
    let mut wanted = BTreeSet::new();
    let mut here = vec![None; accesses.pages()];
    for (access, next) in accesses.list.iter().zip(&next) {
        let page = access.page as usize;
        match here[page] {
            Some(now) => {
                wanted.remove(&(now, access.page));
            }
            None => {
                faults.wire += u64::from(std::mem::replace(&mut seen[page], true));
                if wanted.len() == capacity
                    && let Some((_, victim)) = wanted.pop_last()
                {
                    here[victim as usize] = None;
                }
            }
        }
        here[page] = Some(*next);
        wanted.insert((*next, access.page));
    }
    faults
}

/// For each touch, the number of the next one of the same page.
fn next_uses(accesses: &Accesses) -> Vec<u32> {
    let mut upcoming = vec![NEVER; accesses.pages()];
    let mut next = vec![NEVER; accesses.list.len()];
    for (index, access) in accesses.list.iter().enumerate().rev() {
        next[index] = std::mem::replace(&mut upcoming[access.page as usize], index as u32);
    }
    next
}
