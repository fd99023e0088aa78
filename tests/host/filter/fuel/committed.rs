//! The committed costs, `tests/host/filter/fuel.json`, and the comparison with them.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Measured;

/// With the same compiler the same source costs the same, to the instruction.
const TOLERANCE: f64 = 0.03;
/// Another compiler makes other instructions of the same source: from one version to the next they differed by 1 %.
const TOLERANCE_OF_ANOTHER_COMPILER: f64 = 0.08;
const VARIABLE: &str = "SLOTWAY_FUEL";
const COMMAND: &str =
    "filter/build.sh && SLOTWAY_FUEL=write cargo test --release -p slotway-tests --test filter fuel";

/// Costs, and the compiler whose they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Committed {
    /// The compiler, as `rustc --version` prints it.
    pub(super) compiler: String,
    /// Fuel, or calls of the host, by name.
    pub(super) costs: Measured,
}

/// Compares the measured figures with the committed ones, or commits them if the environment says so.
pub(super) fn check(measured: &Committed) -> Result<(), String> {
    match std::env::var(VARIABLE).as_deref() {
        Ok("write") => measured.write(),
        Ok(other) => Err(format!("{VARIABLE}={other}: only `write` is known")),
        Err(_) => compare(&Committed::read()?, measured),
    }
}

impl Committed {
    fn file() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("host/filter/fuel.json")
    }

    fn read() -> Result<Self, String> {
        let file = Self::file();
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string());
        text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
            .map_err(|error| format!("{}: {error}; this writes it again: {COMMAND}", file.display()))
    }

    /// Writes them, rounded: more digits mean nothing.
    fn write(&self) -> Result<(), String> {
        let rounded = self.costs.iter().map(|(name, cost)| (name.clone(), (cost * 100.0).round() / 100.0));
        let rounded = Self { compiler: self.compiler.clone(), costs: rounded.collect() };
        let text = serde_json::to_string_pretty(&rounded).map_err(|error| error.to_string())?;
        std::fs::write(Self::file(), text + "\n")
            .map_err(|error| format!("{}: {error}", Self::file().display()))
    }
}

fn compare(committed: &Committed, measured: &Committed) -> Result<(), String> {
    let same_compiler = committed.compiler == measured.compiler;
    let tolerance = if same_compiler { TOLERANCE } else { TOLERANCE_OF_ANOTHER_COMPILER };
    let names: BTreeMap<&String, ()> =
        committed.costs.keys().chain(measured.costs.keys()).map(|name| (name, ())).collect();
    let mut off = String::new();
    let (mut dearer, mut cheaper) = (false, false);
    for name in names.into_keys() {
        let change = match (committed.costs.get(name), measured.costs.get(name)) {
            (Some(was), Some(is)) => {
                let change = is / was - 1.0;
                if change.abs() <= tolerance {
                    continue;
                }
                if change > 0.0 {
                    dearer = true
                } else {
                    cheaper = true
                }
                format!("{was:.0} before, {is:.0} now, {:+.1} %", change * 100.0)
            }
            (None, Some(is)) => format!("{is:.0}, and nothing is committed"),
            _ => "is committed, and not measured any more".to_owned(),
        };
        off += &format!("\n  {name}: {change}");
    }
    if off.is_empty() {
        return Ok(());
    }
    let compilers = if same_compiler {
        String::new()
    } else {
        format!(
            "\nBuilt by {}, the committed figures are of {}: so only {:.0} % count.",
            measured.compiler,
            committed.compiler,
            tolerance * 100.0
        )
    };
    let what_to_do = match (dearer, cheaper) {
        (true, _) => "Find out what has become dearer. If it is worth it, commit the new figures:",
        (false, true) => "It has become cheaper. Commit the new figures, so that it stays so:",
        (false, false) => "Commit the new figures:",
    };
    Err(format!(
        "costs differ by more than {:.0} % from tests/host/filter/fuel.json:{off}{compilers}\n{what_to_do}\n  {COMMAND}",
        tolerance * 100.0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(compiler: &str, costs: &[(&str, f64)]) -> Committed {
        let costs = costs.iter().map(|(name, cost)| ((*name).to_owned(), *cost)).collect();
        Committed { compiler: compiler.to_owned(), costs }
    }

    #[test]
    fn a_cost_within_three_per_cent_is_the_same() {
        let committed = costs("rustc 1", &[("take", 1000.0)]);
        assert_eq!(compare(&committed, &costs("rustc 1", &[("take", 1029.0)])), Ok(()));
        assert_eq!(compare(&committed, &costs("rustc 1", &[("take", 971.0)])), Ok(()));
    }

    #[test]
    fn a_cost_that_grew_is_told_with_what_it_was() {
        let error = compare(&costs("rustc 1", &[("take", 1000.0)]), &costs("rustc 1", &[("take", 1031.0)]))
            .unwrap_err();
        assert!(error.contains("take: 1000 before, 1031 now, +3.1 %"), "{error}");
        assert!(error.contains("has become dearer") && error.contains("SLOTWAY_FUEL=write"), "{error}");
    }

    #[test]
    fn a_cost_that_shrank_is_to_be_committed() {
        let error = compare(&costs("rustc 1", &[("take", 1000.0)]), &costs("rustc 1", &[("take", 900.0)]))
            .unwrap_err();
        assert!(
            error.contains("-10.0 %") && error.contains("cheaper") && error.contains("SLOTWAY_FUEL=write")
        );
    }

    #[test]
    fn another_compiler_may_differ_more_and_the_message_says_so() {
        let committed = costs("rustc 1", &[("take", 1000.0)]);
        assert_eq!(compare(&committed, &costs("rustc 2", &[("take", 1079.0)])), Ok(()));
        let error = compare(&committed, &costs("rustc 2", &[("take", 1081.0)])).unwrap_err();
        assert!(error.contains("Built by rustc 2") && error.contains("of rustc 1: so only 8 %"), "{error}");
    }

    #[test]
    fn what_is_new_or_gone_is_to_be_committed() {
        let error =
            compare(&costs("rustc 1", &[("gone", 1.0)]), &costs("rustc 1", &[("new", 1.0)])).unwrap_err();
        assert!(error.contains("gone: is committed") && error.contains("new: 1, and nothing"), "{error}");
    }
}
