//! Compares output with golden files.

use std::{fs, path::PathBuf};

/// Compares with the file of this name, or writes it if `SLOTWAY_GOLDEN` is `write`.
pub(crate) fn golden(name: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden").join(name);
    if std::env::var("SLOTWAY_GOLDEN").is_ok_and(|what| what == "write") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, text, "{} differs; SLOTWAY_GOLDEN=write updates it", file.display());
}

/// Returns a command as it was typed, its exit code, and its output.
pub(crate) fn told(arguments: &[&str], output: &std::process::Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let code = output.status.code().unwrap_or(-1);
    let errors: String = err.lines().map(|line| format!("! {line}\n")).collect();
    format!("$ slotway {}\n{out}{errors}= {code}\n", arguments.join(" "))
}

/// Replaces values that differ between runs.
pub(crate) fn masked(text: &str, words: &[(&str, &str)]) -> String {
    words.iter().fold(text.to_owned(), |text, (what, word)| text.replace(what, word))
}

/// Removes from the output of the real control plane what differs between runs: times, ages of figures, generations,
/// and the widths of columns with these.
pub(crate) fn without_times(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            let bare = word.trim_matches(['"', ',', ':', ';']);
            if bare == "ago" && words.len() >= 2 {
                // `120 ms ago`, `1.2 s ago`
                words.truncate(words.len() - 2);
                words.push("A WHILE ago".to_owned());
            } else if bare.len() >= 20 && bare.ends_with('Z') && bare.as_bytes()[10] == b'T' {
                words.push(word.replace(bare, "TIME"));
            } else {
                words.push(without_long_numbers(word));
            }
        }
        lines.push_str(&format!("{}{}\n", " ".repeat(indent), words.join(" ")));
    }
    lines
}

/// Replaces milliseconds since 1970 and generations, which have at least 13 digits.
fn without_long_numbers(word: &str) -> String {
    let mut masked = String::new();
    let mut digits = String::new();
    for letter in word.chars().chain(['\0']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        masked.push_str(if digits.len() >= 13 { "NUMBER" } else { &digits });
        digits.clear();
        if letter != '\0' {
            masked.push(letter);
        }
    }
    masked
}
