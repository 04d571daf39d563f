//! Who advises on jumps: one of the rules that `--jump` names.

use crate::adaptive::{Adaptive, Luggage, Totals, View};
use crate::threshold::JumpThreshold;

/// A rule with its state on one node.
#[derive(Clone, Debug)]
pub enum Advisor {
    /// `--jump never`, `--jump N`.
    Fixed(JumpThreshold),
    /// `--jump auto`.
    Adaptive(Box<Adaptive>),
}

impl Advisor {
    /// The program is about to pull `page` from `from`: where execution had better go instead. A fixed rule wants the view only when it
    /// would go.
    pub fn advise(&mut self, view: impl FnOnce() -> View, from: u8, page: u64) -> Option<u8> {
        match self {
            Self::Fixed(threshold) => {
                let target = threshold.on_pull(from)?;
                let view = view();
                (view.executes >> target & 1 == 1 && target != view.me).then_some(target)
            }
            Self::Adaptive(adaptive) => adaptive.advise(&view(), from, page),
        }
    }

    /// Pulls from `node` until a fixed rule advises to go there; `None` where no number of pulls decides.
    #[must_use]
    pub fn left(&self, node: u8) -> Option<u32> {
        match self {
            Self::Fixed(threshold) => threshold.left(node),
            Self::Adaptive(_) => None,
        }
    }

    /// How many pages had better come at once with one that is pulled from `from`; see [`Adaptive::gathers`].
    #[must_use]
    pub fn gathers(&self, view: &View, from: u8) -> u32 {
        match self {
            Self::Fixed(_) => 1,
            Self::Adaptive(adaptive) => adaptive.gathers(view, from),
        }
    }

    /// `count` more pages came from `node`, along with one that [`advise`](Self::advise) was asked about.
    pub fn on_more(&mut self, node: u8, count: u32) {
        if let Self::Fixed(threshold) = self {
            threshold.on_more(node, count);
        }
    }

    /// Whether [`settle`](Self::settle) wants to be called now that `totals` stand so.
    #[must_use]
    pub fn wants(&self, totals: &Totals) -> bool {
        matches!(self, Self::Adaptive(adaptive) if adaptive.wants(totals))
    }

    /// See [`Adaptive::settle`].
    pub fn settle(&mut self, view: &View, totals: &Totals) {
        if let Self::Adaptive(adaptive) = self {
            adaptive.settle(view, totals);
        }
    }

    /// Execution leaves; returns what goes along.
    pub fn leave(&mut self, view: &View, totals: &Totals, advised: bool) -> Luggage {
        match self {
            Self::Fixed(threshold) => {
                threshold.on_jump();
                Luggage::default()
            }
            Self::Adaptive(adaptive) => {
                adaptive.settle(view, totals);
                adaptive.leave(view, advised)
            }
        }
    }

    /// Execution arrives.
    pub fn arrive(&mut self, luggage: Luggage, now_ns: u64, took_ns: u64, totals: &Totals) {
        match self {
            Self::Fixed(threshold) => threshold.on_jump(),
            Self::Adaptive(adaptive) => adaptive.arrive(luggage, now_ns, took_ns, totals),
        }
    }
}
