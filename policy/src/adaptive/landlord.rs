//! What a stay has paid to each other node in pulls, and which of them were walks.

/// A pull not further than this from the last one of a walk goes on with the walk.
const STEP_PAGES_MAX: u64 = 64;
/// Walks that are told apart on each node.
const WALKS: usize = 8;
/// Fewer steps are chance.
const WALK_STEPS_MIN: u32 = 4;

/// One node's part in the present stay: waiting for pulls from it, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Landlord {
    /// Pulls of walks.
    pub(super) walking_ns: u64,
    /// Other pulls.
    pub(super) other_ns: u64,
    /// How many others there were.
    pub(super) strolls: u32,
    pulls: u32,
    walks: [Walk; WALKS],
    /// The walk that the last pull belongs to.
    current: u8,
}

/// Pulls beside each other.
#[derive(Clone, Copy, Debug, Default)]
struct Walk {
    /// The last page.
    at: u64,
    /// Upwards.
    up: bool,
    steps: u32,
    /// Number of the node's pull that was the last step.
    pull: u32,
    /// What the steps have cost.
    cost_ns: u64,
}

impl Landlord {
    /// A pull of `page` is coming.
    pub(super) fn ask_for(&mut self, page: u64) {
        self.pulls += 1;
        let walk = self.walks.iter().position(|walk| walk.goes_on_at(page));
        let stalest = || (0..WALKS).min_by_key(|walk| self.walks[*walk].pull).unwrap_or(0);
        let index = walk.unwrap_or_else(stalest);
        let before = if walk.is_some() { self.walks[index] } else { Walk::default() };
        self.walks[index] = Walk {
            at: page,
            up: page >= before.at,
            steps: before.steps + 1,
            pull: self.pulls,
            cost_ns: before.cost_ns,
        };
        self.current = index as u8;
        match before.steps + 1 {
            ..WALK_STEPS_MIN => self.strolls += 1,
            WALK_STEPS_MIN => self.strolls -= before.steps.min(self.strolls),
            _ => {}
        }
        if before.steps + 1 == WALK_STEPS_MIN {
            self.other_ns -= before.cost_ns.min(self.other_ns);
            self.walking_ns += before.cost_ns;
        }
    }

    /// It took so long.
    pub(super) fn charge(&mut self, ns: u64) {
        let walk = &mut self.walks[usize::from(self.current)];
        walk.cost_ns += ns;
        match walk.steps {
            ..WALK_STEPS_MIN => self.other_ns += ns,
            _ => self.walking_ns += ns,
        }
    }
}

impl Walk {
    /// A step is short, and goes the way of the step before.
    fn goes_on_at(&self, page: u64) -> bool {
        let same_way = self.steps < 2 || self.up == (page >= self.at);
        self.steps > 0 && same_way && page.abs_diff(self.at) <= STEP_PAGES_MAX
    }
}
