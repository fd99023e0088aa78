//! What a case measures: a value per round of each contender in each unit.

use crate::report::{Figure, Series};

/// All values of a case, in the order in which they first came.
#[derive(Debug, Default)]
pub(crate) struct Values {
    series: Vec<ValueSeries>,
}

#[derive(Debug)]
struct ValueSeries {
    name: String,
    unit: &'static str,
    values: Vec<f64>,
}

impl Values {
    /// One contender's value of the next round.
    pub(crate) fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        match self.series.iter_mut().find(|series| series.name == name && series.unit == unit) {
            Some(series) => series.values.push(value),
            None => self.series.push(ValueSeries { name: name.to_owned(), unit, values: vec![value] }),
        }
    }

    /// A contender's, round by round.
    ///
    /// # Panics
    /// If it was not measured.
    pub(crate) fn of(&self, name: &str, unit: &str) -> &[f64] {
        let found = self.series.iter().find(|series| series.name == name && series.unit == unit);
        &found.unwrap_or_else(|| panic!("{name}: {unit} was not measured")).values
    }

    /// A contender's values as a figure.
    pub(crate) fn figure(&self, name: &str, unit: &'static str) -> Figure {
        Figure::of(name, unit, self.of(name, unit))
    }

    /// How one contender compares with another.
    pub(crate) fn ratio(&self, over: &str, under: &str, unit: &str) -> Figure {
        Figure::ratio(format!("{over} / {under}, {}", what(unit)), self.of(over, unit), self.of(under, unit))
    }

    /// The same within a group, which stands before the contenders' names.
    pub(crate) fn ratio_in(&self, group: &str, over: &str, under: &str, unit: &str) -> Figure {
        let of = |name: &str| self.of(&format!("{group}: {name}"), unit);
        Figure::ratio(format!("{group}: {over} / {under}, {}", what(unit)), of(over), of(under))
    }

    /// All of them; those of one unit together.
    pub(crate) fn series(&self) -> Vec<Series> {
        let mut units: Vec<&str> = Vec::new();
        for series in &self.series {
            if !units.contains(&series.unit) {
                units.push(series.unit);
            }
        }
        let of_unit = |unit: &'_ str| {
            let same = self.series.iter().filter(move |of| of.unit == unit);
            same.map(|of| Series::new(of.name.as_str(), of.unit, of.values.clone())).collect::<Vec<_>>()
        };
        units.into_iter().flat_map(of_unit).collect()
    }
}

/// A ratio has no unit: `ms, p99` is `p99` there.
fn what(unit: &str) -> &str {
    unit.split_once(", ").map_or(unit, |(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_by_contender_and_unit_in_their_order() {
        let mut values = Values::default();
        for round in [1.0, 2.0] {
            values.add("A", "ms, p50", round);
            values.add("A", "bytes", round * 10.0);
            values.add("B", "ms, p50", round * 2.0);
        }
        assert_eq!(values.of("A", "bytes"), [10.0, 20.0]);
        let ratio = values.ratio("B", "A", "ms, p50");
        assert_eq!((ratio.name.as_str(), ratio.low, ratio.high), ("B / A, p50", 2.0, 2.0));
        let series = values.series();
        let names: Vec<_> =
            series.iter().map(|series| (series.name.as_str(), series.unit.as_str())).collect();
        assert_eq!(names, [("A", "ms, p50"), ("B", "ms, p50"), ("A", "bytes")]);
    }
}
