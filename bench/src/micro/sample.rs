//! Samples of a duration, and their quantiles.

use std::time::Instant;

/// Durations in microseconds.
#[derive(Clone, Debug)]
pub struct Samples {
    sorted_us: Vec<f64>,
}

impl Samples {
    /// Samples from unsorted microseconds. An empty set has quantiles NaN.
    #[must_use]
    pub fn new(mut us: Vec<f64>) -> Self {
        us.sort_by(f64::total_cmp);
        Self { sorted_us: us }
    }

    /// The value below which `share` (0 to 1) of the samples lie, in microseconds.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let index = (share * self.sorted_us.len() as f64) as usize;
        let last = self.sorted_us.len().saturating_sub(1);
        self.sorted_us.get(index.min(last)).copied().unwrap_or(f64::NAN)
    }

    /// The median in microseconds.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The mean in microseconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sorted_us.iter().sum::<f64>() / self.sorted_us.len() as f64
    }

    /// Each sample times `factor`.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.sorted_us.iter_mut().for_each(|us| *us *= factor);
        self
    }
}

/// Times `action` in `batches` batches of `batch_len` calls each; one sample, microseconds a call, for each batch.
pub fn time_batches(batches: usize, batch_len: usize, mut action: impl FnMut()) -> Samples {
    let mut us = Vec::with_capacity(batches);
    for _ in 0..batches {
        let start = Instant::now();
        for _ in 0..batch_len {
            action();
        }
        us.push(start.elapsed().as_secs_f64() * 1e6 / batch_len as f64);
    }
    Samples::new(us)
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn quantiles_are_those_of_the_sorted_samples() {
        let samples = Samples::new((1..=100).rev().map(f64::from).collect());
        assert_eq!((samples.median(), samples.quantile(0.99), samples.quantile(1.0)), (51.0, 100.0, 100.0));
        assert_eq!(samples.mean(), 50.5);
    }

    #[test]
    fn no_samples_have_no_quantile() {
        assert!(Samples::new(Vec::new()).median().is_nan());
    }
}
