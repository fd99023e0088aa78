use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use super::page::Step;
use slotway_test_site::{TestProcess, artefact, fresh_address};

/// The addresses that the README names, each with the variable that moves it, if `slotway` has one.
const ADDRESSES: [(&str, &str); 7] = [
    ("127.0.0.1:10000", "SLOTWAY_LISTEN"),
    ("127.0.0.1:8080", "SLOTWAY_API"),
    ("127.0.0.1:18000", "SLOTWAY_XDS"),
    ("127.0.0.1:9901", "SLOTWAY_ENVOY_ADMIN"),
    ("127.0.0.1:9001", ""),
    ("127.0.0.1:9002", ""),
    ("127.0.0.1:9003", ""),
];

/// A directory that looks like the repository to the commands of the README, with fresh addresses in place of its own.
pub(super) struct DemoDirectory {
    directory: TempDir,
    addresses: Vec<(&'static str, &'static str, String)>,
}

/// What a step has come to.
#[derive(Debug)]
pub(super) struct StepOutput {
    /// Its exit code.
    pub(super) code: i32,
    /// What it printed, with the README's addresses.
    pub(super) text: String,
}

impl DemoDirectory {
    pub(super) fn new() -> Self {
        let directory = TempDir::with_prefix("slotway-tour-").unwrap();
        let fresh = |(named, variable)| (named, variable, fresh_address().to_string());
        let demo_directory = Self { directory, addresses: ADDRESSES.map(fresh).into() };
        let release = demo_directory.path().join("target/release");
        std::fs::create_dir_all(&release).unwrap();
        std::fs::create_dir_all(demo_directory.path().join("envoy")).unwrap();
        std::fs::create_dir_all(demo_directory.path().join(".tools")).unwrap();
        for (name, at) in [
            (release.join("slotway"), artefact("SLOTWAY_BIN", "target/release/slotway")),
            (release.join("slotway-worker"), artefact("SLOTWAY_WORKER_BIN", "target/release/slotway-worker")),
            (
                demo_directory.path().join("target/slotway_filter.wasm"),
                artefact("SLOTWAY_FILTER", "target/slotway_filter.wasm"),
            ),
            (demo_directory.path().join(".tools/envoy"), artefact("ENVOY", ".tools/envoy")),
        ] {
            symlink(at.canonicalize().unwrap(), name).unwrap();
        }
        let demo = std::fs::read_to_string(root().join("envoy/demo.yaml")).unwrap();
        std::fs::write(demo_directory.path().join("envoy/demo.yaml"), demo_directory.moved(&demo)).unwrap();
        demo_directory
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A text of the README with the addresses that are used here.
    pub(super) fn moved(&self, text: &str) -> String {
        self.addresses.iter().fold(text.to_owned(), |text, (named, _, here)| text.replace(named, here))
    }

    /// What was said here, with the addresses of the README.
    fn moved_back(&self, text: &str) -> String {
        self.addresses
            .iter()
            .fold(text.to_owned(), |text, (named, _, here)| text.replace(here.as_str(), named))
    }

    /// Returns the command that runs a script in Bash in this directory.
    pub(super) fn bash(&self, script: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.arg("-c").arg(self.moved(script)).current_dir(self.path()).env_clear();
        bash.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path());
        let moved = self.addresses.iter().filter(|(_, variable, _)| !variable.is_empty());
        bash.envs(moved.map(|(_, variable, here)| (variable, here)));
        // The program would look beside itself, and is only linked to from here.
        bash.env("SLOTWAY_FILTER", self.path().join("target/slotway_filter.wasm"));
        bash
    }

    /// Does one thing and says what came of it.
    pub(super) async fn one(&self, script: &str, within: Duration) -> StepOutput {
        let step = Step { script: script.to_owned(), shown: Vec::new() };
        self.run(&[step], within).await.remove(0)
    }

    /// Does the steps one after the other in one shell, so that each finds what those before it have left.
    pub(super) async fn run(&self, steps: &[Step], within: Duration) -> Vec<StepOutput> {
        let file = |number: usize, what: &str| self.path().join(format!("step-{number}.{what}"));
        // `kill %1` is for a shell with job control.
        let mut script = "set -m\n".to_owned();
        for (number, step) in steps.iter().enumerate() {
            let own = file(number, "sh");
            std::fs::write(&own, self.moved(&step.script)).unwrap();
            let (own, said, code) = (own.display(), file(number, "said"), file(number, "code"));
            let (said, code) = (said.display(), code.display());
            script.push_str(&format!("source {own} > {said} 2>&1 < /dev/null; echo $? > {code}\n"));
        }
        let mut shell = TestProcess::start("shell", self.bash(&script), self.path());
        let within = within * u32::try_from(steps.len()).unwrap();
        shell.ended(within).await;
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        (0..steps.len())
            .map(|number| StepOutput {
                code: read(file(number, "code")).trim().parse().unwrap_or(-1),
                text: self.moved_back(&read(file(number, "said"))),
            })
            .collect()
    }
}

/// The repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}
