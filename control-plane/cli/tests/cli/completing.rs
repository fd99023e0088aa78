//! Completion in real shells with the scripts of `slotway completion`.

use std::{fs, path::Path, process::Command};

use crate::{
    fake_plane::FakePlane,
    installation::{stdout, wait_for},
    terminal::Terminal,
};

/// The typed text, and the line after the tab key.
const LINES: [(&str, &str); 9] = [
    ("slotway drai", "slotway drain "),
    ("slotway get work", "slotway get workers "),
    ("slotway get backup", "slotway get backupjobs "),
    ("slotway get pool pre", "slotway get pool preannotation "),
    ("slotway drain https", "slotway drain https://ocr.example/extractor-web "),
    // Shells, bash in particular, treat colons and slashes as word boundaries.
    ("slotway drain https://ocr.ex", "slotway drain https://ocr.example/extractor-web "),
    ("slotway drain https:", "slotway drain https://ocr.example/extractor-web "),
    (
        "slotway drain --timeout 3s  https://o",
        "slotway drain --timeout 3s  https://ocr.example/extractor-web ",
    ),
    ("slotway drain gopher://", "slotway drain gopher://"),
];

/// Returns a shell that finds `slotway`, which uses this control plane.
fn shell(plane: &FakePlane, program: &str, arguments: &[&str], home: &Path) -> Command {
    let slotway = plane.slotway(&[]);
    let mut shell = Command::new(program);
    let path = Path::new(env!("CARGO_BIN_EXE_slotway")).parent().unwrap();
    shell.args(arguments).env_clear().current_dir(home).env("HOME", home).env("TERM", "dumb");
    shell.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", path.display()));
    shell.envs(slotway.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Types each line followed by a tab, and checks the completed line. `begin` sets up completion in the shell, and makes
/// Ctrl-T write the line into the file `line`.
fn completes(program: &str, arguments: &[&str], begin: &str) {
    let plane = FakePlane::start();
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str| home.path().join(name);
    let mut terminal = Terminal::open();
    let _shell = terminal.start_whole(shell(&plane, program, arguments, home.path()));
    fs::write(file("begin"), format!("{begin}\n: >ready\n")).unwrap();
    terminal.types("source ./begin\n");
    wait_for(program, || file("ready").exists().then_some(()));
    for (typed, wanted) in LINES {
        let _ = fs::remove_file(file("line"));
        terminal.types(&format!("{typed}\t\u{14}"));
        let line =
            wait_for(typed, || fs::read_to_string(file("line")).ok().filter(|line| line.ends_with('\n')));
        assert_eq!(line.trim_end_matches('\n'), wanted, "{program}: {typed}");
        // Clears the line.
        terminal.types("\u{15}");
    }
}

#[test]
fn bash_completes_verbs_kinds_and_names_with_colons() {
    let begin =
        "source <(slotway completion bash)\nbind -x '\"\\C-t\": printf \"%s\\n\" \"$READLINE_LINE\" >line'";
    completes("bash", &["--norc", "--noprofile", "-i"], begin);
}

#[test]
fn zsh_completes_verbs_kinds_and_names_with_colons() {
    let begin = "autoload -U compinit; compinit -u -D; source <(slotway completion zsh)\n\
                 told() { print -r -- \"$BUFFER\" >line }; zle -N told; bindkey '^T' told";
    completes("zsh", &["-f", "-i"], begin);
}

#[test]
fn fish_completes_verbs_kinds_and_names_with_colons() {
    let plane = FakePlane::start();
    let home = tempfile::tempdir().unwrap();
    for (typed, wanted) in LINES {
        let ask = format!("slotway completion fish | source; complete -C '{typed}'");
        let output = shell(&plane, "fish", &["--no-config", "-c", &ask], home.path()).output().unwrap();
        // fish prints words, each with its description after a tab.
        let word = wanted.trim_end().rsplit(' ').next().unwrap();
        let offered: Vec<_> =
            stdout(&output).lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
        let wanted: &[&str] = if wanted == typed { &[] } else { &[word] };
        assert_eq!(offered, wanted, "{typed}: {output:?}");
    }
}
