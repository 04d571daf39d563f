//! Which rule the links of this node compress by: [`eos_policy::packing`], always, or none.

use std::time::Duration;

use eos_policy::packing::{self, Packing, Trial};
use eos_verbs::packing::Always;
use eos_verbs::{PackRule, QueuePair, Way};
use serde::{Deserialize, Serialize};

/// Where pages are compressed on tcp links (`--compress`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Compress {
    /// Where it pays, as far as can be told from the link, the data and the processors.
    #[default]
    Auto,
    /// All of them.
    On,
    /// None.
    Off,
}

impl Compress {
    /// Has the link compress so.
    pub fn apply(self, link: &mut dyn QueuePair) {
        match self {
            Compress::Auto => link.pack_by(Box::new(Adaptive(Packing::default()))),
            Compress::On => link.pack_by(Box::new(Always)),
            Compress::Off => {}
        }
    }
}

/// Decides by what it sees.
struct Adaptive(Packing);

impl PackRule for Adaptive {
    fn packs(&self, way: Way) -> bool {
        self.0.packs(direction(way))
    }

    fn is_due(&mut self, way: Way, bytes: usize) -> bool {
        self.0.is_due(direction(way), bytes)
    }

    fn link_carries(&mut self, way: Way, bytes_per_s: Option<u64>) -> bool {
        self.0.link_carries(direction(way), bytes_per_s)
    }

    fn tried(&mut self, way: Way, raw: usize, packed: usize, cost: Duration) {
        let cost_ns = u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX);
        self.0.tried(direction(way), Trial { raw, packed, cost_ns });
    }
}

fn direction(way: Way) -> packing::Way {
    match way {
        Way::Read => packing::Way::Read,
        Way::Write => packing::Way::Write,
    }
}
