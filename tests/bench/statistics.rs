//! Medians and spreads of rounds, and quantiles of many times.

/// A figure over several rounds: the median and the range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    /// The median.
    pub(crate) median: f64,
    /// The lowest.
    pub(crate) low: f64,
    /// The highest.
    pub(crate) high: f64,
}

impl Spread {
    /// Returns the spread of one value per round.
    ///
    /// # Panics
    /// Panics without values, and if one is not a finite number.
    pub(crate) fn of(values: &[f64]) -> Self {
        let sorted = sorted(values);
        Self { median: middle(&sorted), low: sorted[0], high: sorted[sorted.len() - 1] }
    }
}

/// Returns the middle value, or the mean of the two middle values.
///
/// # Panics
/// Panics without values, and if one is not a finite number.
pub(crate) fn median(values: &[f64]) -> f64 {
    middle(&sorted(values))
}

/// Returns the smallest value that is not exceeded by at least the fraction `of_all` of all values (nearest rank). The
/// result is always a measured value, never an interpolation.
///
/// # Panics
/// Panics without values, if one is not a finite number, and if the fraction is outside of 0 to 1.
pub(crate) fn quantile(values: &[f64], of_all: f64) -> f64 {
    assert!((0.0..=1.0).contains(&of_all), "{of_all} is no fraction");
    let sorted = sorted(values);
    let rank = (of_all * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The ratio of two contenders in each round. What disturbs a whole round disturbs both, and so falls out of it; the
/// ratio of two medians would compare different rounds.
///
/// # Panics
/// If the two have not the same rounds, or one to divide by is not above 0.
pub(crate) fn ratios(over: &[f64], under: &[f64]) -> Vec<f64> {
    assert_eq!(over.len(), under.len(), "as many rounds of the one as of the other");
    over.iter()
        .zip(under)
        .map(|(over, under)| {
            assert!(*under > 0.0, "{over} by {under}: nothing was measured");
            over / under
        })
        .collect()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    assert!(!values.is_empty(), "no value was measured");
    assert!(values.iter().all(|value| value.is_finite()), "not all are numbers: {values:?}");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[half - 1], sorted[half]) } else { sorted[half] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value_or_between_the_two_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
    }

    #[test]
    fn a_spread_reaches_from_the_lowest_to_the_highest() {
        let spread = Spread::of(&[0.9, 0.8, 1.1, 0.85, 0.95]);
        assert_eq!(spread, Spread { median: 0.9, low: 0.8, high: 1.1 });
    }

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.5), 50.0);
        assert_eq!(quantile(&hundred, 0.99), 99.0);
        assert_eq!(quantile(&hundred, 1.0), 100.0);
        assert_eq!(quantile(&hundred, 0.0), 1.0);
        assert_eq!(quantile(&[5.0, 1.0], 0.99), 5.0);
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The second round was disturbed, for both.
        assert_eq!(ratios(&[90.0, 45.0], &[100.0, 50.0]), [0.9, 0.9]);
    }

    #[test]
    #[should_panic(expected = "as many rounds")]
    fn rounds_of_one_contender_alone_give_no_ratio() {
        ratios(&[1.0, 2.0], &[1.0]);
    }

    #[test]
    #[should_panic(expected = "nothing was measured")]
    fn a_contender_that_did_nothing_gives_no_ratio() {
        ratios(&[1.0], &[0.0]);
    }

    #[test]
    #[should_panic(expected = "not all are numbers")]
    fn what_is_no_number_is_no_figure() {
        median(&[1.0, f64::NAN]);
    }
}
