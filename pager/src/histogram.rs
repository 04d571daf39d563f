//! Durations counted into buckets: cheap to record in a trap handler, small to send, exact to merge.

use hdrhistogram::Histogram as Hdr;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Shortest duration that is told apart, in nanoseconds.
pub const LOWEST_NS: u64 = 10;

/// Longest duration that is told apart, in nanoseconds; longer ones count as this.
pub const HIGHEST_NS: u64 = 10_000_000_000;

const DIGITS: u8 = 2;

/// Durations between 10 ns and 10 s, kept to two significant digits (about 30 KiB).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Sparse", from = "Sparse")]
pub struct Histogram(Hdr<u64>);

/// As it travels: nanoseconds and how often, only of buckets that are not empty.
#[derive(Serialize, Deserialize)]
struct Sparse(Vec<(u64, u64)>);

impl Histogram {
    /// An empty histogram; all the memory it will ever need is allocated here.
    pub fn new() -> Histogram {
        let hdr = Hdr::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS);
        Histogram(hdr.expect("these constant bounds are valid"))
    }

    /// Counts one duration. Does not allocate or lock: for trap handlers too.
    pub fn record(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.record_times(ns, 1);
    }

    /// Adds what another histogram counted.
    pub fn merge(&mut self, other: &Histogram) {
        for bucket in other.0.iter_recorded() {
            self.record_times(bucket.value_iterated_to(), bucket.count_at_value());
        }
    }

    /// Durations counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration in microseconds that `quantile` (0 to 1) of all do not exceed; 0 if there are none.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        match self.0.len() {
            0 => 0.0,
            _ => self.0.value_at_quantile(quantile) as f64 / 1000.0,
        }
    }

    fn record_times(&mut self, ns: u64, times: u64) {
        self.0.saturating_record_n(ns.clamp(LOWEST_NS, HIGHEST_NS), times);
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

impl From<Histogram> for Sparse {
    fn from(histogram: Histogram) -> Sparse {
        let pair = |b: hdrhistogram::iterators::IterationValue<u64>| (b.value_iterated_to(), b.count_at_value());
        Sparse(histogram.0.iter_recorded().map(pair).collect())
    }
}

impl From<Sparse> for Histogram {
    fn from(sparse: Sparse) -> Histogram {
        let mut histogram = Histogram::new();
        for (ns, times) in sparse.0 {
            histogram.record_times(ns, times);
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(durations: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        for ns in durations {
            histogram.record(Duration::from_nanos(*ns));
        }
        histogram
    }

    #[test]
    fn quantiles_are_right_to_two_digits() {
        let histogram = of(&(1..=1000).map(|us| us * 1000).collect::<Vec<_>>());
        for (quantile, us) in [(0.5, 500.0), (0.99, 990.0)] {
            let shown = histogram.quantile_us(quantile);
            assert!((shown - us).abs() <= us / 100.0, "{quantile}: {shown}");
        }
        assert_eq!(Histogram::new().quantile_us(0.5), 0.0);
    }

    #[test]
    fn durations_outside_the_bounds_still_count() {
        assert_eq!(of(&[0, 1, HIGHEST_NS * 5]).count(), 3);
    }

    proptest! {
        #[test]
        fn what_travels_arrives_unchanged(durations in prop::collection::vec(0u64..HIGHEST_NS, 0..200)) {
            let histogram = of(&durations);
            let bytes = postcard::to_stdvec(&histogram).expect("encodes");
            let back: Histogram = postcard::from_bytes(&bytes).expect("decodes");
            prop_assert_eq!(back, histogram);
        }

        #[test]
        fn merging_is_the_same_as_recording_everything_in_one(
            one in prop::collection::vec(0u64..HIGHEST_NS, 0..100),
            two in prop::collection::vec(0u64..HIGHEST_NS, 0..100),
        ) {
            let mut merged = of(&one);
            merged.merge(&of(&two));
            prop_assert_eq!(merged, of(&[one, two].concat()));
        }
    }
}
