//! The result of a run: `target/bench/report.json`, from which the table, the page and the pictures are generated.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::statistics::{Spread, ratios};

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The machine of the run.
    pub(crate) machine: Machine,
    /// Whether it was a quick run, whose figures are only preliminary.
    pub(crate) quick: bool,
    /// The measured cases, in order.
    pub(crate) cases: Vec<Case>,
}

/// The machine and the versions of the programs on it, without which no figure can be interpreted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The processor's name.
    pub(crate) cpu: String,
    /// The number of processors.
    pub(crate) cores: u32,
    /// Main memory.
    pub(crate) memory_bytes: u64,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// Envoy's version.
    pub(crate) envoy: String,
    /// HAProxy's version; empty if it is not installed.
    pub(crate) haproxy: String,
    /// nginx's version; empty if it is not installed.
    pub(crate) nginx: String,
    /// wrk's version.
    pub(crate) wrk: String,
    /// The day, as 2030-12-31.
    pub(crate) date: String,
}

/// One question, with its measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Case {
    /// Its name on the command line and in file names.
    pub(crate) key: String,
    /// Its heading.
    pub(crate) title: String,
    /// The measurement, described in one or two sentences.
    pub(crate) what: String,
    /// The number of measurements of each contender.
    pub(crate) rounds: u32,
    /// The results.
    pub(crate) figures: Vec<Figure>,
    /// The measurements from which the results were computed.
    pub(crate) series: Vec<Series>,
}

/// A result: one number with its spread over the rounds, and its target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Its name, such as `Slotway / bare Envoy, throughput`. A prefix that ends with `": "` is the group in which it is
    /// shown, as for [`Series::name`].
    pub(crate) name: String,
    /// `ratio`, `ms`, `bytes`, ...
    pub(crate) unit: String,
    /// The median of the rounds.
    pub(crate) median: f64,
    /// The lowest round.
    pub(crate) low: f64,
    /// The highest round.
    pub(crate) high: f64,
    /// The target, if there is one.
    pub(crate) bar: Option<Bar>,
    /// Whether the median reaches the target.
    pub(crate) reached: Option<bool>,
}

/// The target of a figure's median.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bar {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
}

/// One contender's measurements, a value per round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series {
    /// The contender, such as `Bare Envoy`. Series with the same unit are drawn side by side, unless a name begins with
    /// a group: `50 ms, 64 clients: HAProxy`.
    pub(crate) name: String,
    /// `requests/s`, `ms`, `bytes`, ...
    pub(crate) unit: String,
    /// One value per round.
    pub(crate) values: Vec<f64>,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// The file's name, and the reason.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let wrong = |what: String| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| wrong(format!("this is no report: {error}")))
    }

    /// Writes the report.
    ///
    /// # Errors
    /// The file's name, and the reason.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let wrong = |what: String| format!("{}: {what}", path.display());
        let text = serde_json::to_string_pretty(self).map_err(|error| wrong(error.to_string()))?;
        std::fs::write(path, text + "\n").map_err(|error| wrong(error.to_string()))
    }

    /// Returns the figures that do not reach their targets, each with its case.
    pub(crate) fn not_reached(&self) -> Vec<(&Case, &Figure)> {
        let missed = |figure: &&Figure| figure.reached == Some(false);
        self.cases
            .iter()
            .flat_map(|case| case.figures.iter().filter(missed).map(move |figure| (case, figure)))
            .collect()
    }
}

impl Figure {
    /// Returns a figure from one value per round.
    ///
    /// # Panics
    /// Panics without values, and if one is not a finite number.
    pub(crate) fn of(name: impl Into<String>, unit: impl Into<String>, values: &[f64]) -> Self {
        let Spread { median, low, high } = Spread::of(values);
        Self { name: name.into(), unit: unit.into(), median, low, high, bar: None, reached: None }
    }

    /// Returns the ratio of two contenders, round by round.
    ///
    /// # Panics
    /// If the two have different numbers of rounds, or a divisor is not above 0.
    pub(crate) fn ratio(name: impl Into<String>, over: &[f64], under: &[f64]) -> Self {
        Self::of(name, "ratio", &ratios(over, under))
    }

    /// Requires a median of at least this value.
    #[must_use]
    pub(crate) fn at_least(self, least: f64) -> Self {
        self.with_bar(Bar::AtLeast(least))
    }

    /// Requires a median of at most this value.
    #[must_use]
    pub(crate) fn at_most(self, most: f64) -> Self {
        self.with_bar(Bar::AtMost(most))
    }

    fn with_bar(self, bar: Bar) -> Self {
        Self { reached: Some(bar.is_reached_by(self.median)), bar: Some(bar), ..self }
    }
}

impl Bar {
    /// Returns whether a median reaches the target.
    pub(crate) fn is_reached_by(self, median: f64) -> bool {
        match self {
            Self::AtLeast(least) => median >= least,
            Self::AtMost(most) => median <= most,
        }
    }

    /// Returns the limit.
    pub(crate) fn limit(self) -> f64 {
        match self {
            Self::AtLeast(limit) | Self::AtMost(limit) => limit,
        }
    }
}

impl Series {
    /// Returns the measurements of a contender.
    pub(crate) fn new(name: impl Into<String>, unit: impl Into<String>, values: Vec<f64>) -> Self {
        Self { name: name.into(), unit: unit.into(), values }
    }
}

/// Returns a small report for tests.
#[cfg(test)]
#[allow(dead_code, reason = "the benchmark is compiled with this, but without the tests that need it")]
pub(crate) fn example() -> Report {
    let bare = [10.0, 20.0, 30.0];
    Report {
        machine: Machine {
            cpu: "Some CPU".into(),
            cores: 2,
            memory_bytes: 4096,
            kernel: "6.1.0".into(),
            envoy: "1.40.0".into(),
            haproxy: "2.6.12".into(),
            nginx: "1.22.1".into(),
            wrk: "4.1.0".into(),
            date: "2030-12-31".into(),
        },
        quick: false,
        cases: vec![Case {
            key: "overhead".into(),
            title: "Overhead".into(),
            what: "Answers that cost nothing.".into(),
            rounds: 3,
            figures: vec![
                Figure::ratio("Slotway / bare Envoy, throughput", &[8.0, 20.0, 27.0], &bare).at_least(0.82),
                Figure::ratio("Slotway / bare Envoy, p99", &[20.0, 25.0, 45.0], &bare).at_most(1.25),
                Figure::of("Waiters", "bytes", &[7.0]),
            ],
            series: vec![Series::new("Bare Envoy", "requests/s", bare.to_vec())],
        }],
    }
}

#[cfg(test)]
#[allow(dead_code, reason = "the benchmark is compiled with this, but without the tests that need it")]
mod tests {
    use super::*;

    /// The JSON form of reports. A change here breaks their readers.
    const JSON: &str = r#"{
      "machine": {"cpu": "Some CPU", "cores": 2, "memory_bytes": 4096, "kernel": "6.1.0", "envoy": "1.40.0",
        "haproxy": "2.6.12", "nginx": "1.22.1", "wrk": "4.1.0", "date": "2030-12-31"},
      "quick": false,
      "cases": [{"key": "overhead", "title": "Overhead", "what": "Answers that cost nothing.", "rounds": 3,
        "figures": [
          {"name": "Slotway / bare Envoy, throughput", "unit": "ratio", "median": 0.9, "low": 0.8, "high": 1.0,
            "bar": {"at_least": 0.82}, "reached": true},
          {"name": "Slotway / bare Envoy, p99", "unit": "ratio", "median": 1.5, "low": 1.25, "high": 2.0,
            "bar": {"at_most": 1.25}, "reached": false},
          {"name": "Waiters", "unit": "bytes", "median": 7.0, "low": 7.0, "high": 7.0, "bar": null, "reached": null}],
        "series": [{"name": "Bare Envoy", "unit": "requests/s", "values": [10.0, 20.0, 30.0]}]}]}"#;

    #[test]
    fn a_report_has_the_agreed_form() {
        let agreed: serde_json::Value = serde_json::from_str(JSON).unwrap();
        assert_eq!(serde_json::to_value(example()).unwrap(), agreed);
    }

    #[test]
    fn a_report_that_was_written_is_read_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        example().write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap(), example());
    }

    #[test]
    fn a_file_that_is_no_report_is_named_with_what_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other.json");
        std::fs::write(&path, "{\"quick\": 1}").unwrap();
        let error = Report::read(&path).unwrap_err();
        assert!(error.contains("other.json") && error.contains("no report"), "{error}");
        let error = Report::read(&directory.path().join("nothing.json")).unwrap_err();
        assert!(error.contains("nothing.json"), "{error}");
    }

    #[test]
    fn a_bar_is_for_the_median_and_includes_its_limit() {
        let values = [0.5, 0.82, 0.9];
        assert_eq!(Figure::of("", "ratio", &values).at_least(0.82).reached, Some(true));
        assert_eq!(Figure::of("", "ratio", &values).at_least(0.83).reached, Some(false));
        assert_eq!(Figure::of("", "ratio", &values).at_most(0.82).reached, Some(true));
        assert_eq!(Figure::of("", "ratio", &values).at_most(0.81).reached, Some(false));
        assert_eq!(Figure::of("", "ratio", &values).reached, None);
    }

    #[test]
    fn what_is_not_reached_is_listed_with_its_case() {
        let report = example();
        let missed: Vec<_> = report
            .not_reached()
            .iter()
            .map(|(case, figure)| format!("{}: {}", case.key, figure.name))
            .collect();
        assert_eq!(missed, ["overhead: Slotway / bare Envoy, p99"]);
    }
}
