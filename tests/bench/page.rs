//! Composes `docs/BENCHMARKS.md` from the report, with one picture per case, `docs/benchmarks/<case>.svg`.
//!
//! The text that explains the figures is in `tests/bench/page`: `introduction.md`, `method.md`, `not_reached.md`, `guard.md`,
//! and `<case>.md` for one case. A test compares these files with the page.

use std::{fs, path::Path};

use crate::{
    number::{number, with_unit},
    picture::picture,
    report::{Case, Figure, Machine, Report},
    statistics::Spread,
    table::{bar_text, reached_text, rounds_text},
};

/// The page's file name.
const PAGE: &str = "BENCHMARKS.md";
/// The folder of the pictures, beside the page.
const PICTURES: &str = "benchmarks";
/// The longest line of prose.
const COLUMNS_MAX: usize = 100;

/// Writes the page and its pictures below `folder`, with the hand-written parts from `parts`.
///
/// # Errors
/// Names the file that cannot be written or read.
pub(crate) fn write(report: &Report, parts: &Path, folder: &Path) -> Result<(), String> {
    let pictures = folder.join(PICTURES);
    fs::create_dir_all(&pictures).map_err(|error| format!("{}: {error}", pictures.display()))?;
    for case in &report.cases {
        let path = pictures.join(format!("{}.svg", case.key));
        fs::write(&path, picture(case, &foot(report)))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let path = folder.join(PAGE);
    let text =
        page(report, &|name| part(parts, name)).map_err(|error| format!("{}: {error}", parts.display()))?;
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads a hand-written part; a case may have none.
fn part(parts: &Path, name: &str) -> Result<Option<String>, String> {
    match fs::read_to_string(parts.join(format!("{name}.md"))) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{name}.md: {error}")),
    }
}

type Parts<'a> = &'a dyn Fn(&str) -> Result<Option<String>, String>;

fn page(report: &Report, parts: Parts<'_>) -> Result<String, String> {
    let needed = |name: &str| parts(name)?.ok_or_else(|| format!("{name}.md is missing"));
    let mut text = format!(
        "<!-- Written by `make bench`. The source of its text is tests/bench/page. -->\n# Benchmarks\n\n{}\n",
        needed("introduction")?
    );
    if report.quick {
        text += "\n**From a quick run: few and short rounds, a first look and no result.**\n";
    }
    text += &format!("\n## The machine\n\n{}", machine_table(&report.machine));
    text += &format!("\n## How it is measured\n\n{}\n", needed("method")?);
    text += &format!("\n## Targets\n\n{}", bars_table(report));
    if let Some(words) = parts("not_reached")? {
        text += &format!("\n## Targets that are not reached, and why\n\n{words}\n");
    }
    for case in &report.cases {
        text += &section(case);
        if let Some(words) = parts(&case.key)? {
            text += &format!("\n{words}\n");
        }
    }
    text += &format!("\n## Regression guard\n\n{}\n", needed("guard")?);
    Ok(text)
}

/// Returns the source of the figures, for the foot of each picture.
fn foot(report: &Report) -> String {
    let Machine { cpu, cores, envoy, date, .. } = &report.machine;
    let quick = if report.quick { ", a quick run" } else { "" };
    format!("{cpu}, {cores} cores; Envoy {envoy}; {date}{quick}")
}

fn machine_table(machine: &Machine) -> String {
    let memory_gib = machine.memory_bytes as f64 / (1 << 30) as f64;
    let rows = [
        ("processor", format!("{}, {} cores", machine.cpu, machine.cores)),
        ("memory", format!("{memory_gib:.1} GiB")),
        ("kernel", machine.kernel.clone()),
        ("Envoy", machine.envoy.clone()),
        ("HAProxy", machine.haproxy.clone()),
        ("nginx", machine.nginx.clone()),
        ("wrk", machine.wrk.clone()),
        ("date", machine.date.clone()),
    ];
    let mut text = "| | |\n|---|---|\n".to_owned();
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        text += &format!("| {name} | {} |\n", cell(value));
    }
    text
}

/// Lists every figure that has a target, over all cases.
fn bars_table(report: &Report) -> String {
    let mut text = "| case | | median | target | |\n|---|---|---:|---:|---|\n".to_owned();
    for case in &report.cases {
        for figure in &case.figures {
            let Some(bar) = bar_text(figure) else { continue };
            text += &format!(
                "| [{}](#{}) | {} | {} | {bar} | {} |\n",
                cell(&case.title),
                anchor(&case.title),
                cell(&figure.name),
                with_unit(figure.median, &figure.unit),
                emphasis(figure),
            );
        }
    }
    text
}

fn section(case: &Case) -> String {
    let Case { key, title, what, .. } = case;
    let rounds = rounds_text(case);
    let mut text = format!(
        "\n## {title}\n\n{}\n\n![{}]({PICTURES}/{key}.svg)\n",
        wrapped(what),
        title.replace(['[', ']'], "")
    );
    if !case.figures.is_empty() {
        text +=
            &format!("\n| {rounds} | median | lowest to highest | target | |\n|---|---:|---:|---:|---|\n");
        for figure in &case.figures {
            text += &format!(
                "| {} | {} | {} to {} | {} | {} |\n",
                cell(&figure.name),
                with_unit(figure.median, &figure.unit),
                number(figure.low),
                number(figure.high),
                bar_text(figure).unwrap_or_default(),
                emphasis(figure),
            );
        }
    }
    if !case.series.is_empty() {
        text += "\n<details><summary>Measurements behind these figures</summary>\n\n| | unit | median | lowest to highest |\n|---|---|---:|---:|\n";
        for series in case.series.iter().filter(|series| !series.values.is_empty()) {
            let Spread { median, low, high } = Spread::of(&series.values);
            text += &format!(
                "| {} | {} | {} | {} to {} |\n",
                cell(&series.name),
                cell(&series.unit),
                number(median),
                number(low),
                number(high)
            );
        }
        text += "\n</details>\n";
    }
    text
}

fn emphasis(figure: &Figure) -> String {
    match figure.reached {
        Some(false) => format!("**{}**", reached_text(figure).to_lowercase()),
        _ => reached_text(figure).to_owned(),
    }
}

/// Breaks a paragraph into lines of at most [`COLUMNS_MAX`] characters.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS_MAX => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// Escapes text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}

/// Returns the anchor of a heading.
fn anchor(title: &str) -> String {
    title
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[cfg(test)]
#[allow(dead_code, reason = "the benchmark is compiled with this, but without the tests that need it")]
mod tests {
    use super::*;
    use crate::report::example;

    fn parts_in(folder: &Path) {
        for name in ["introduction", "method", "guard"] {
            fs::write(folder.join(format!("{name}.md")), format!("Words of {name}.\n")).unwrap();
        }
    }

    #[test]
    fn the_page_has_each_case_with_its_picture_and_what_people_wrote() {
        let (parts, docs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        parts_in(parts.path());
        fs::write(parts.path().join("overhead.md"), "Of what it is made.").unwrap();
        fs::write(parts.path().join("not_reached.md"), "Why p99 is missed.").unwrap();
        write(&example(), parts.path(), docs.path()).unwrap();
        let page = fs::read_to_string(docs.path().join("BENCHMARKS.md")).unwrap();
        for words in [
            "Words of introduction.",
            "Words of method.",
            "Words of guard.",
            "Of what it is made.",
            "## Targets that are not reached, and why\n\nWhy p99 is missed.",
            "Some CPU, 2 cores",
            "## Overhead",
            "![Overhead](benchmarks/overhead.svg)",
            "| Slotway / bare Envoy, p99 | 1.500 | 1.250 to 2.000 | at most 1.250 | **not reached** |",
            "| [Overhead](#overhead) | Slotway / bare Envoy, throughput | 0.900 | at least 0.820 | reached |",
        ] {
            assert!(page.contains(words), "{words}\n{page}");
        }
        let picture = fs::read_to_string(docs.path().join("benchmarks/overhead.svg")).unwrap();
        assert!(picture.starts_with("<svg") && picture.contains("2030-12-31"));
    }

    #[test]
    fn a_page_without_what_people_must_write_is_refused_by_name() {
        let (parts, docs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        parts_in(parts.path());
        fs::remove_file(parts.path().join("method.md")).unwrap();
        let error = write(&example(), parts.path(), docs.path()).unwrap_err();
        assert!(error.contains("method.md is missing"), "{error}");
    }

    #[test]
    fn a_quick_run_says_on_the_page_that_it_is_no_result() {
        let quick = Report { quick: true, ..example() };
        let words = |_: &str| Ok(Some("words".to_owned()));
        assert!(page(&quick, &words).unwrap().contains("quick run"));
        assert!(!page(&example(), &words).unwrap().contains("quick run"));
    }

    #[test]
    fn the_page_in_docs_has_the_present_text_of_each_part() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = fs::read_to_string(tests.join("../docs").join(PAGE)).unwrap();
        let mut parts = 0;
        for entry in fs::read_dir(tests.join("bench/page")).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            assert!(page.contains(text.trim()), "{} differs from docs/{PAGE}", path.display());
            parts += 1;
        }
        assert!(parts > 3, "{parts} parts");
    }

    #[test]
    fn a_paragraph_is_broken_at_100_columns() {
        let text = wrapped(&"four ".repeat(41));
        let columns: Vec<_> = text.lines().map(str::len).collect();
        assert_eq!(columns, [99, 99, 4]);
    }

    #[test]
    fn a_cell_stays_within_its_table() {
        assert_eq!(cell("a | b\nc"), "a \\| b c");
        assert_eq!(anchor("Hand-off: same thread, other thread"), "hand-off-same-thread-other-thread");
    }
}
