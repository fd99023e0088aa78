//! The simulator itself: it can fail, it reports what happened, and one seed is one run.

// Test support: a broken expectation ends the test at once, with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Output};

use slotway_tests::{
    artifact,
    host::Filter,
    sim::{RunOptions, run_seed},
};

/// Runs the command in a folder of its own, where it leaves its traces.
fn sim(folder: &std::path::Path, arguments: &[&str]) -> (Output, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

#[test]
fn one_seed_is_one_run_and_another_seed_another() {
    let filter = Filter::compile_for_speed(&artifact::test_variant_module().unwrap()).unwrap();
    let runs =
        [7, 7, 8].map(|seed| run_seed(&filter, seed, RunOptions { trace: true, ..RunOptions::default() }));
    assert!(runs[0].trace.len() > 100, "{} lines", runs[0].trace.len());
    assert!(runs[0].trace == runs[1].trace, "the same seed, another run");
    assert!(runs[0].trace != runs[2].trace, "another seed, the same run");
}

#[test]
fn the_first_seeds_keep_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let (output, text) = sim(folder.path(), &["--seeds", "100"]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("no promise was broken"), "{text}");
}

#[test]
fn a_host_whose_exchanges_always_succeed_is_detected_and_the_report_shows_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (output, text) = sim(folder.path(), &["--seeds", "50", "--break-cas"]);
    assert!(!output.status.success(), "{text}");
    let (_, rest) = text.split_once("--- again: make sim SEED=").expect("the command that shows it again");
    let seed: String = rest.chars().take_while(char::is_ascii_digit).collect();
    assert!(text.contains("the last 60 of"), "{text}");
    assert!(text.contains("FAILED: "), "{text}");
    let trace = std::fs::read_to_string(folder.path().join(format!("target/sim/seed-{seed}.txt"))).unwrap();
    assert!(trace.contains("set_shared_data slotway/1/"), "{trace}");
    assert!(trace.lines().last().is_some_and(|line| line.starts_with("BROKEN (")), "{trace}");
    // The one seed fails again, in the same way.
    let (again, shown) = sim(folder.path(), &["--seed", &seed, "--break-cas"]);
    assert!(!again.status.success(), "{shown}");
    let broken = trace.lines().last().unwrap().split_once("): ").unwrap().1;
    assert!(shown.contains(broken), "{shown}");
}

#[test]
fn an_invalid_argument_is_refused_with_the_usage() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--seeds"][..], &["--seed", "x"], &["--mutant", "unknown"], &["--what"]] {
        let (output, _) = sim(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage: sim"), "{arguments:?}");
    }
}
