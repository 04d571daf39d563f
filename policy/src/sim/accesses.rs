//! What a program touches, page by page, with the time that it works in between.

use std::collections::HashMap;

use super::trace::{Trace, What};

/// One touch of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// The page, numbered in the order of addresses from 0 on.
    pub page: u32,
    /// Nanoseconds that the program has worked since the touch before.
    pub work_ns: u32,
}

/// A program's touches.
#[derive(Clone, Debug, Default)]
pub struct Accesses {
    /// In order.
    pub list: Vec<Access>,
    /// Real page number of each page: neighbours in memory are neighbours here, but not the other way round.
    pub addresses: Vec<u64>,
}

/// A pause of the program longer than this was not work.
const WORK_NS_MAX: u64 = 1 << 31;

impl Accesses {
    /// Of a trace. Pages that were in place before are not seen by it: what it lacks are repeated touches within the recorded
    /// run's own budget. A cache that is several times larger does with them the same as without (T. R. Puzak, Analysis of
    /// Cache Replacement Algorithms, 1985).
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let mut raw = Vec::new();
        let (mut last_end, mut last_page) = (None, None);
        for (_, event) in &trace.events {
            let gap = event.at_ns.saturating_sub(last_end.unwrap_or(event.at_ns));
            if let What::Push(_) = event.what {
                continue;
            }
            last_end = Some(event.at_ns + event.took_ns);
            let pages = if let What::Arrive(_) = event.what { 0 } else { event.pages };
            for page in event.page..event.page + pages {
                // a page that was touched a moment ago, and is written now
                if last_page == Some(page) {
                    continue;
                }
                last_page = Some(page);
                let work_ns = if page == event.page { gap.min(WORK_NS_MAX) as u32 } else { 0 };
                raw.push((page, work_ns));
            }
        }
        Self::number(&raw)
    }

    /// From page numbers and times.
    #[must_use]
    pub fn number(raw: &[(u64, u32)]) -> Self {
        let mut addresses: Vec<u64> = raw.iter().map(|(page, _)| *page).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let numbers: HashMap<u64, u32> = addresses.iter().zip(0..).map(|(page, number)| (*page, number)).collect();
        let list = raw.iter().map(|(page, work_ns)| Access { page: numbers[page], work_ns: *work_ns }).collect();
        Self { list, addresses }
    }

    /// How many pages there are.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.addresses.len()
    }
}
