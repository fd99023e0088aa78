//! What real shells complete, by what `slotway completion` prints for them.

use std::{fs, path::Path, process::Command};

use crate::{
    fake_plane::FakePlane,
    installation::{stdout, wait_for},
    terminal::Terminal,
};

/// What is typed before the tabulator, and what stands there after it.
const LINES: [(&str, &str); 9] = [
    ("slotway drai", "slotway drain "),
    ("slotway get work", "slotway get workers "),
    ("slotway get backup", "slotway get backupjobs "),
    ("slotway get pool pre", "slotway get pool preannotation "),
    ("slotway drain https", "slotway drain https://ocr.example/extractor-web "),
    // Shells, bash first of all, take colons and slashes for the ends of words.
    ("slotway drain https://ocr.ex", "slotway drain https://ocr.example/extractor-web "),
    ("slotway drain https:", "slotway drain https://ocr.example/extractor-web "),
    (
        "slotway drain --timeout 3s  https://o",
        "slotway drain --timeout 3s  https://ocr.example/extractor-web ",
    ),
    ("slotway drain gopher://", "slotway drain gopher://"),
];

/// A shell that finds `slotway`, which asks this control plane.
fn shell(plane: &FakePlane, program: &str, arguments: &[&str], home: &Path) -> Command {
    let slotway = plane.slotway(&[]);
    let mut shell = Command::new(program);
    let path = Path::new(env!("CARGO_BIN_EXE_slotway")).parent().unwrap();
    shell.args(arguments).env_clear().current_dir(home).env("HOME", home).env("TERM", "dumb");
    shell.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", path.display()));
    shell.envs(slotway.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Types each line with a tabulator behind it, and has the shell tell what it has made of that: `begin` teaches it to complete, and to
/// write its line into the file `line` at Ctrl-T.
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
        // Begins anew.
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
        // It tells words, each with what it is for behind a tabulator.
        let word = wanted.trim_end().rsplit(' ').next().unwrap();
        let offered: Vec<_> =
            stdout(&output).lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
        let wanted: &[&str] = if wanted == typed { &[] } else { &[word] };
        assert_eq!(offered, wanted, "{typed}: {output:?}");
    }
}
