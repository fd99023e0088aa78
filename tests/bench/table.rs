//! The report on the terminal.

use crate::{
    number::{number, with_unit},
    report::{Bar, Case, Figure, Report},
    statistics::Spread,
};

/// The report as a table: each case with its figures and, below them, what they were made from.
pub(crate) fn table(report: &Report) -> String {
    let mut text = String::new();
    for case in &report.cases {
        text += &format!("\n{} [{}], {}\n", case.title, case.key, rounds_text(case));
        text += &rows(&case_rows(case));
    }
    let missed = report.not_reached();
    let bars = report.cases.iter().flat_map(|case| &case.figures).filter(|figure| figure.bar.is_some());
    text += &format!("\n{} bars, {} not reached\n", bars.count(), missed.len());
    for (case, figure) in missed {
        text += &format!(
            "  {}: {}: {}{}\n",
            case.key,
            figure.name,
            with_unit(figure.median, &figure.unit),
            bar_text(figure).map_or(String::new(), |bar| format!(", to be {bar}")),
        );
    }
    if report.quick {
        text += "A quick run: few and short rounds, a first look and no result.\n";
    }
    text
}

/// What is to be reached, in words: `at least 0.820`.
pub(crate) fn bar_text(figure: &Figure) -> Option<String> {
    figure.bar.map(|bar| match bar {
        Bar::AtLeast(limit) => format!("at least {}", number(limit)),
        Bar::AtMost(limit) => format!("at most {}", number(limit)),
    })
}

/// How often each contender had its turn, in words.
pub(crate) fn rounds_text(case: &Case) -> String {
    if case.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", case.rounds) }
}

/// Whether it is reached, in words.
pub(crate) fn reached_text(figure: &Figure) -> &'static str {
    match figure.reached {
        Some(true) => "reached",
        Some(false) => "NOT REACHED",
        None => "",
    }
}

type Row = [String; 5];

fn case_rows(case: &Case) -> Vec<Row> {
    let mut rows = vec![["", "median", "lowest to highest", "bar", ""].map(str::to_owned)];
    rows.extend(case.figures.iter().map(|figure| {
        [
            figure.name.clone(),
            with_unit(figure.median, &figure.unit),
            format!("{} to {}", number(figure.low), number(figure.high)),
            bar_text(figure).unwrap_or_default(),
            reached_text(figure).to_owned(),
        ]
    }));
    rows.extend(case.series.iter().filter(|series| !series.values.is_empty()).map(|series| {
        let spread = Spread::of(&series.values);
        [
            format!("  {}", series.name),
            with_unit(spread.median, &series.unit),
            format!("{} to {}", number(spread.low), number(spread.high)),
            String::new(),
            String::new(),
        ]
    }));
    rows
}

/// Columns as wide as their widest cell; names to the left, numbers to the right of theirs.
fn rows(rows: &[Row]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [name, median, spread, bar, _] = [0, 1, 2, 3, 4].map(width);
    rows.iter()
        .map(|row| {
            let line = format!(
                "  {:<name$}  {:>median$}  {:>spread$}  {:<bar$}  {}",
                row[0], row[1], row[2], row[3], row[4]
            );
            format!("{}\n", line.trim_end())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn the_table_says_of_each_bar_whether_it_is_reached() {
        let text = table(&example());
        let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap().to_owned();
        let throughput = line("bare Envoy, throughput");
        assert!(throughput.contains("0.900") && throughput.contains("0.800 to 1.000"), "{throughput}");
        assert!(throughput.contains("at least 0.820") && throughput.ends_with("  reached"), "{throughput}");
        assert!(line("bare Envoy, p99").ends_with("at most 1.250   NOT REACHED"), "{text}");
        assert!(
            text.contains("2 bars, 1 not reached\n  overhead: Slotway / bare Envoy, p99: 1.500"),
            "{text}"
        );
    }

    #[test]
    fn contenders_are_shown_with_their_units() {
        let text = table(&example());
        assert!(text.contains("Bare Envoy") && text.contains("20.00 requests/s"), "{text}");
    }

    #[test]
    fn a_quick_run_says_that_it_is_no_result() {
        let quick = Report { quick: true, ..example() };
        assert!(table(&quick).contains("quick run"));
        assert!(!table(&example()).contains("quick run"));
    }
}
