use std::{path::PathBuf, time::Duration};

use crate::case::{KEYS, MORE};

/// The number of rounds of a full run: enough for a median that one bad round does not move.
const ROUNDS: usize = 7;
const QUICK_ROUNDS: usize = 2;
const SLICE: Duration = Duration::from_secs(3);
const QUICK_SLICE: Duration = Duration::from_millis(700);

/// The command line arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Short slices and few rounds, to check that everything runs, not to measure.
    pub(crate) quick: bool,
    /// The cases to run, by key, in their order.
    pub(crate) cases: Vec<String>,
    /// The number of measurements of each contender of a case.
    pub(crate) rounds: usize,
    /// The directory of the report; `None` is `target/bench`.
    pub(crate) out: Option<PathBuf>,
    /// An existing report to render the page from, without measuring.
    pub(crate) render: Option<PathBuf>,
}

impl Arguments {
    /// Parses the arguments after the program's name.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut read = Self {
            quick: false,
            cases: KEYS.map(str::to_owned).to_vec(),
            rounds: 0,
            out: None,
            render: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value behind it"));
            match argument.as_str() {
                "--quick" => read.quick = true,
                // `cargo bench` passes this to each benchmark.
                "--bench" => {}
                "--case" => read.cases = cases(&value()?)?,
                "--rounds" => {
                    let value = value()?;
                    read.rounds =
                        value.parse().ok().filter(|rounds| (1..=1000).contains(rounds)).ok_or_else(|| {
                            format!("--rounds {value:?}: a number from 1 to 1000 is wanted")
                        })?;
                }
                "--out" => read.out = Some(value()?.into()),
                "--render" => read.render = Some(value()?.into()),
                _ => {
                    let known = "--quick, --case KEY[,KEY], --rounds N, --out DIRECTORY, --render REPORT";
                    return Err(format!("{argument} is unknown; there are {known}"));
                }
            }
        }
        if read.rounds == 0 {
            read.rounds = if read.quick { QUICK_ROUNDS } else { ROUNDS };
        }
        Ok(read)
    }

    /// Returns the duration of one measurement of a contender.
    pub(crate) fn slice(&self) -> Duration {
        if self.quick { QUICK_SLICE } else { SLICE }
    }
}

fn cases(list: &str) -> Result<Vec<String>, String> {
    let known = || KEYS.into_iter().chain(MORE);
    let wanted: Vec<&str> = list.split(',').collect();
    if let Some(unknown) = wanted.iter().find(|key| !known().any(|known| known == **key)) {
        let all: Vec<&str> = known().collect();
        return Err(format!("--case {unknown}: no such case; there are {}", all.join(", ")));
    }
    Ok(known().filter(|key| wanted.contains(key)).map(str::to_owned).collect())
}
