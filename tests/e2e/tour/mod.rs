//! The README's five-minute tour, run from its own text, and mistakes that a reader can make.

mod mistakes;
mod page;
mod shell;

use std::time::Duration;

use page::Page;
use shell::DemoDirectory;

use slotway_test_site::TestProcess;

/// How long a step may take; the slowest waits for a request of five seconds.
const STEP_WITHIN: Duration = Duration::from_secs(60);
/// What the tour's first step says once all is up.
const READY: &str = "slotway: ready";

#[tokio::test(flavor = "multi_thread")]
async fn each_step_of_the_readmes_tour_does_and_shows_what_it_says() {
    let demo_directory = DemoDirectory::new();
    let steps = Page::readme().steps("A five-minute tour");
    let (first, rest) = steps.split_first().expect("a tour begins with a step");
    assert_eq!(first.script.trim(), "make run", "the tour begins with the demo");
    let _demo = demo(&demo_directory).await;

    let said = demo_directory.run(rest, STEP_WITHIN).await;
    for (step, said) in rest.iter().zip(&said) {
        assert_eq!(said.code, 0, "{}\n{}", step.script, said.text);
        if let Err(line) = step.shows(&said.text) {
            panic!("the README says that\n{}\nshows\n{line}\nbut it shows\n{}", step.script, said.text);
        }
    }
}

/// The demo as `make run` starts it once it has built everything.
async fn demo(demo_directory: &DemoDirectory) -> TestProcess {
    let makefile = std::fs::read_to_string(shell::root().join("Makefile")).unwrap();
    let recipe = makefile.split("\nrun: ").nth(1).unwrap().lines().nth(1).unwrap();
    let command = demo_directory.bash(recipe.trim().trim_start_matches('@'));
    let mut demo = TestProcess::start("demo", command, demo_directory.path());
    demo.says(READY, slotway_test_site::READY_WITHIN).await;
    demo
}
