//! Compares what is printed with what it was before.

use std::{fs, path::PathBuf};

/// Compares with the file of this name, or writes it where `SLOTWAY_GOLDEN` is `write`.
pub(crate) fn golden(name: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden").join(name);
    if std::env::var("SLOTWAY_GOLDEN").is_ok_and(|what| what == "write") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, text, "{} differs; SLOTWAY_GOLDEN=write writes it anew", file.display());
}

/// A command as it was typed, its exit code, and what it printed.
pub(crate) fn told(arguments: &[&str], output: &std::process::Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let code = output.status.code().unwrap_or(-1);
    let errors: String = err.lines().map(|line| format!("! {line}\n")).collect();
    format!("$ slotway {}\n{out}{errors}= {code}\n", arguments.join(" "))
}

/// Puts words in the place of what is another one each time.
pub(crate) fn masked(text: &str, words: &[(&str, &str)]) -> String {
    words.iter().fold(text.to_owned(), |text, (what, word)| text.replace(what, word))
}
