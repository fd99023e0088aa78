use super::shell::root;

/// A page of the documentation.
pub(super) struct Page(String);

/// One thing to do, and what is said that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// What is run.
    pub(super) script: String,
    /// What it shows, line by line: `…` stands for anything, a number for any number.
    pub(super) shown: Vec<String>,
}

impl Page {
    pub(super) fn readme() -> Self {
        Self(std::fs::read_to_string(root().join("README.md")).unwrap())
    }

    /// The steps of the section with this heading: blocks of `sh`, each with the block of `text` that follows it before the next.
    pub(super) fn steps(&self, heading: &str) -> Vec<Step> {
        let begin = format!("\n## {heading}\n");
        let section =
            self.0.split_once(&begin).unwrap_or_else(|| panic!("there is no section {heading:?}")).1;
        let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
        let mut steps: Vec<Step> = Vec::new();
        let mut rest = section;
        while let Some((_, block)) = rest.split_once("\n```") {
            let (kind, block) = block.split_once('\n').unwrap();
            let (block, after) = block.split_once("\n```").expect("a block ends");
            match kind {
                "sh" => steps.push(Step { script: format!("{block}\n"), shown: Vec::new() }),
                "text" => {
                    let step = steps.last_mut().expect("what is shown follows what is done");
                    assert!(step.shown.is_empty(), "{} shows two things", step.script);
                    step.shown = block.lines().map(str::to_owned).collect();
                }
                other => panic!("what is a block of {other:?} in {heading:?}?"),
            }
            rest = after;
        }
        steps
    }
}

impl Step {
    /// Whether the lines that are to be shown are there, in their order.
    ///
    /// # Errors
    /// The first line that is not.
    pub(super) fn shows(&self, said: &str) -> Result<(), String> {
        let mut said = said.lines().map(normal);
        for line in self.shown.iter().filter(|line| line.trim() != "…") {
            let wanted = normal(line);
            if !said.any(|there| matches(&wanted, &there)) {
                return Err(line.clone());
            }
        }
        Ok(())
    }
}

/// A line with each number as `#` and each run of blanks as one.
fn normal(line: &str) -> String {
    let mut shown = String::new();
    for c in line.trim().chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        let again = shown.ends_with(c) && (c == '#' || c == ' ');
        if !again {
            shown.push(c);
        }
    }
    shown
}

/// Whether `there` is `wanted`, in which `…` stands for anything.
fn matches(wanted: &str, there: &str) -> bool {
    let mut parts = wanted.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = there.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part.trim()) else { return false };
        rest = after;
    }
    rest.ends_with(last.trim_start()) || last.trim().is_empty()
}

#[test]
fn what_is_shown_is_compared_loosely_but_compared() {
    let step = |shown: &[&str]| Step {
        script: String::new(),
        shown: shown.iter().map(|line| (*line).to_owned()).collect(),
    };
    let said = "NAME   STATE\nhttp://127.0.0.1:9001  active   12\nlast line\n";
    for right in [
        &["NAME STATE", "http://127.0.0.1:9001 active 3"] as &[_],
        &["http://…:1 active …"],
        &["…", "last line"],
        &["http://… active 7", "last …"],
    ] {
        assert_eq!(step(right).shows(said), Ok(()), "{right:?}");
    }
    for wrong in [
        &["last line", "NAME STATE"] as &[_],
        &["http://127.0.0.1:9001 active"],
        &["http://…:1 parked …"],
        &["NAME"],
        &["…", "nothing"],
    ] {
        assert!(step(wrong).shows(said).is_err(), "{wrong:?}");
    }
}
