//! Checks the documentation against the tree: links, anchors, paths, the width of lines, and the first sentence of each page.
#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

/// The longest line of prose.
const COLUMNS_MAX: usize = 100;
/// Directories of the workspace to which a path in a page may refer.
const ROOTS: [&str; 5] = ["control-plane/", "docs/", "envoy/", "filter/", "tests/"];

/// A page of the documentation.
struct Page {
    path: PathBuf,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Reads every page: those beside the README, and everything below `docs`.
fn pages() -> Vec<Page> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].into_iter().map(PathBuf::from).collect();
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path);
            }
        }
    }
    assert!(paths.len() > 10, "{paths:?}");
    paths.sort();
    let read = |path: PathBuf| Page { text: fs::read_to_string(root().join(&path)).unwrap(), path };
    paths.into_iter().map(read).collect()
}

impl Page {
    /// The lines outside code blocks, with their numbers.
    fn prose(&self) -> Vec<(usize, &str)> {
        let mut in_code = false;
        let mut lines = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            } else if !in_code {
                lines.push((number + 1, line));
            }
        }
        lines
    }

    /// The anchors of its headings, as GitHub derives them.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose().into_iter().filter(|(_, line)| line.starts_with('#'));
        headings.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// Where it says something, for a message.
    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path.display())
    }
}

fn anchor(heading: &str) -> String {
    let letters = heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .collect::<String>();
    letters.replace(' ', "-")
}

/// The targets of the links in a line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The words in backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Resolves `..` without a look at the file system.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts
}

#[test]
fn each_link_leads_to_a_file_and_a_heading_that_exist() {
    let pages = pages();
    let mut wrong = Vec::new();
    for page in &pages {
        for (line, text) in page.prose() {
            for link in links(text).filter(|link| !link.starts_with("http")) {
                let (file, heading) =
                    link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
                let target = match file {
                    "" => page.path.clone(),
                    file => normal(&page.path.parent().unwrap().join(file)),
                };
                if !root().join(&target).exists() {
                    wrong.push(page.at(line, &format!("{link}: no such file")));
                }
                let other = pages.iter().find(|page| page.path == target);
                if let (Some(heading), Some(other)) = (heading, other)
                    && !other.anchors().contains(heading)
                {
                    wrong.push(page.at(line, &format!("{link}: no such heading")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_path_of_the_workspace_that_a_page_names_exists() {
    let mut wrong = Vec::new();
    for page in pages() {
        for (line, text) in page.prose() {
            let is_path = |word: &&str| {
                ROOTS.iter().any(|root| word.starts_with(root))
                    && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
            };
            for path in quoted(text).filter(is_path) {
                if !root().join(path).exists() {
                    wrong.push(page.at(line, &format!("{path}: no such file")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn prose_is_wrapped() {
    let mut wrong = Vec::new();
    for page in pages() {
        // A table's row is one line, and so is a link or a piece of code that cannot be broken.
        let long = |(_, line): &(usize, &str)| {
            let words = line.trim_start().trim_start_matches(['*', '-', ' ']);
            line.chars().count() > COLUMNS_MAX && !words.starts_with('|') && words.contains(' ')
        };
        wrong.extend(
            page.prose()
                .iter()
                .filter(|line| long(line))
                .map(|(line, _)| page.at(*line, "longer than 100 columns")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_page_begins_with_its_readers() {
    for page in pages() {
        let first = page
            .text
            .split("\n\n")
            .find(|part| !part.starts_with('#') && !part.starts_with("<!--"))
            .unwrap_or_default();
        let says = ["This page is for ", "It is for ", " for operators "]
            .iter()
            .any(|words| first.replace('\n', " ").contains(words));
        assert!(says, "{} does not begin with its readers: {first}", page.path.display());
    }
}

#[test]
fn the_code_map_has_each_crate_with_its_invariant() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let map = page.split_once("## The code map").unwrap().1.split_once("\n## ").unwrap().0;
    let mut wrong = Vec::new();
    for member in &members {
        // The tests' crates are rows of a table, in which the invariant is a column.
        if member.starts_with("tests") {
            if !map.contains(&format!("`{member}`")) {
                wrong.push(format!("{member} is not in the code map"));
            }
            continue;
        }
        let entry = map.split("\n**`").find(|entry| entry.starts_with(&format!("{member}`**")));
        if !entry.is_some_and(|entry| entry.contains("**Invariant:**")) {
            wrong.push(format!("{member} is not in the code map with its invariant"));
        }
    }
    assert!(members.len() > 5 && wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns what stands between `before` and the next `after` in the sources below a folder, without those of tests.
fn words_of(folder: &str, before: &str, after: char) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.to_string_lossy().contains("tests")
            {
                let text = fs::read_to_string(path).unwrap();
                found.extend(
                    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).map(str::to_owned),
                );
            }
        }
    }
    found
}

#[test]
fn each_setting_environment_variable_and_metric_has_its_place_on_a_page() {
    let page = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (operations, cli) = (page("docs/OPERATIONS.md"), page("docs/CLI.md"));
    let config = page("control-plane/cli/src/config/mod.rs");
    let config = config.split_once("pub struct Config {").unwrap().1.split_once("\n}").unwrap().0;
    let settings: BTreeSet<_> =
        config.split("\n    pub ").skip(1).filter_map(|line| line.split(':').next()).collect();
    let settings_table = operations.split_once("## Settings").unwrap().1.split_once("\n## ").unwrap().0;
    let variables = words_of("control-plane/cli/src", "env = \"", '"');
    let metrics = words_of("control-plane", "registry.register(\"", '"');
    assert!(
        settings.len() > 15 && variables.len() > 10 && metrics.len() > 10,
        "{settings:?} {variables:?} {metrics:?}"
    );
    let mut missing = Vec::new();
    missing.extend(
        settings
            .iter()
            .filter(|name| !settings_table.contains(&format!("`{name}`")))
            .map(|name| (*name).to_owned()),
    );
    missing.extend(variables.iter().filter(|name| !cli.contains(&format!("`{name}`"))).cloned());
    let is_shown = |name: &String| {
        ["slotway_", ""].iter().any(|prefix| operations.contains(&format!("`{prefix}{name}")))
    };
    missing.extend(metrics.iter().filter(|name| !is_shown(name) && *name != "scrapes").cloned());
    assert_eq!(missing, Vec::<String>::new(), "add them to OPERATIONS.md or CLI.md");
}

#[test]
fn the_checks_see_what_they_look_for() {
    assert_eq!(anchor("A five-minute tour"), "a-five-minute-tour");
    assert_eq!(anchor("Users, sessions and `tokens`"), "users-sessions-and-tokens");
    assert_eq!(links("a [b](c.md#d) and [e](../f)").collect::<Vec<_>>(), ["c.md#d", "../f"]);
    assert_eq!(quoted("`tests/run.sh` and `x y`").collect::<Vec<_>>(), ["tests/run.sh", "x y"]);
    assert_eq!(normal(Path::new("docs/decisions/../../README.md")), Path::new("README.md"));
}
