//! The output of `--help` of each verb.

use crate::{
    golden::golden,
    installation::{Installation, stdout},
};

const VERBS: [&[&str]; 35] = [
    &[],
    &["up"],
    &["serve"],
    &["bootstrap"],
    &["config"],
    &["config", "validate"],
    &["get"],
    &["describe"],
    &["apply"],
    &["diff"],
    &["delete"],
    &["drain"],
    &["cordon"],
    &["uncordon"],
    &["set"],
    &["set", "capacity"],
    &["top"],
    &["proxy-status"],
    &["audit"],
    &["token"],
    &["token", "create"],
    &["token", "list"],
    &["token", "delete"],
    &["user"],
    &["user", "create"],
    &["user", "list"],
    &["user", "delete"],
    &["user", "passwd"],
    &["backup"],
    &["restore"],
    &["xds"],
    &["xds", "watch"],
    &["support-bundle"],
    &["completion"],
    &["version"],
];

#[test]
fn the_help_of_each_verb_matches_its_golden_file() {
    let installation = Installation::new();
    for verb in VERBS {
        let arguments: Vec<_> = verb.iter().copied().chain(["--help"]).collect();
        let output = installation.run(&arguments);
        assert_eq!(output.status.code(), Some(0), "{verb:?}");
        let name = if verb.is_empty() { "slotway".to_owned() } else { verb.join("-") };
        golden(&format!("help/{name}.txt"), &stdout(&output));
    }
}

#[test]
fn no_verb_takes_a_secret_as_an_argument() {
    let installation = Installation::new();
    for verb in VERBS {
        let arguments: Vec<_> = verb.iter().copied().chain(["--help"]).collect();
        let help = stdout(&installation.run(&arguments));
        for flag in ["--token ", "--token=", "--password ", "--password="] {
            assert!(!help.contains(flag), "{verb:?} has {flag}");
        }
    }
}

#[test]
fn completion_scripts_are_printed_for_each_shell() {
    let installation = Installation::new();
    for (shell, has) in [("bash", "complete -o"), ("zsh", "#compdef slotway"), ("fish", "complete --")] {
        let script = stdout(&installation.run(&["completion", shell]));
        assert!(script.contains(has) && script.contains("SLOTWAY_COMPLETE"), "{shell}: {script}");
    }
    assert_eq!(installation.run(&["completion", "tcsh"]).status.code(), Some(2));
}
