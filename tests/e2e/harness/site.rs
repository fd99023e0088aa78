use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, Api, Process, Setup, fresh_address, get, send, setup::Addresses};

/// Where one test's processes run: fresh addresses, a fresh directory with configuration, state and logs.
pub(crate) struct Site {
    at: Addresses,
    // Taken out only to be kept.
    directory: Option<TempDir>,
}

impl Site {
    /// A site with `setup` in its configuration file.
    pub(crate) fn new(setup: &Setup) -> Self {
        let directory = TempDir::with_prefix("slotway-e2e-").unwrap();
        let at = Addresses {
            listen: fresh_address(),
            api: fresh_address(),
            xds: fresh_address(),
            admin: fresh_address(),
        };
        let site = Self { at, directory: Some(directory) };
        std::fs::write(site.file(), setup.yaml(&at, &envoy(), &site.path().join("state"))).unwrap();
        site
    }

    /// The site's directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.as_ref().unwrap().path()
    }

    /// Keeps the directory when the site goes, for a look at its logs.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.directory.as_mut().unwrap().disable_cleanup(true);
        self.path().to_owned()
    }

    /// The configuration file.
    pub(crate) fn file(&self) -> PathBuf {
        self.path().join("slotway.yaml")
    }

    /// The addresses of everything.
    pub(crate) fn addresses(&self) -> Addresses {
        self.at
    }

    /// Where clients send their requests.
    pub(crate) fn address(&self) -> SocketAddr {
        self.at.listen
    }

    /// Sends a request to Envoy, on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.at.listen, get(path)).await.unwrap()
    }

    /// The control plane.
    pub(crate) fn api(&self) -> Api {
        let token = std::fs::read_to_string(self.path().join("state/admin-token")).unwrap();
        Api::new(self.at.api, token.trim())
    }

    /// Envoy's own statistics, one `name: value` a line.
    pub(crate) async fn envoy_stats(&self) -> String {
        send(self.at.admin, get("/stats")).await.unwrap().text()
    }

    /// `slotway COMMAND -f FILE` with this site's file.
    pub(crate) fn slotway(&self, command: &str) -> Command {
        let mut slotway = Command::new(artefact("SLOTWAY_BIN", "target/release/slotway"));
        slotway.arg(command).arg("-f").arg(self.file()).current_dir(root());
        slotway.env("SLOTWAY_FILTER", artefact("SLOTWAY_FILTER", "target/slotway_filter.wasm"));
        slotway
    }

    /// The bootstrap of an Envoy, as `slotway bootstrap` prints it with further arguments.
    pub(crate) fn bootstrap(&self, arguments: &[&str]) -> Value {
        let bootstrap = self.slotway("bootstrap").args(arguments).output().unwrap();
        assert!(bootstrap.status.success(), "{bootstrap:?}");
        serde_json::from_slice(&bootstrap.stdout).unwrap()
    }

    /// Starts an Envoy by the bootstrap of the control plane, as one on another machine would be.
    pub(crate) fn start_envoy(&self, name: &str, arguments: &[String]) -> Process {
        self.start_envoy_with(name, &self.bootstrap(&[]), arguments)
    }

    /// Starts an Envoy by a bootstrap.
    pub(crate) fn start_envoy_with(&self, name: &str, bootstrap: &Value, arguments: &[String]) -> Process {
        self.start_envoy_in(name, bootstrap, arguments, None)
    }

    /// The same with a variable in its environment.
    pub(crate) fn start_envoy_in(
        &self,
        name: &str,
        bootstrap: &Value,
        arguments: &[String],
        variable: Option<(&str, &str)>,
    ) -> Process {
        let file = self.path().join(format!("{name}.json"));
        std::fs::write(&file, bootstrap.to_string()).unwrap();
        let mut command = Command::new(envoy());
        command.arg("--config-path").arg(file).args(arguments).envs(variable);
        Process::start(name, command, self.path())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(directory) = self.directory.take()
        {
            eprintln!("kept for a look: {}", directory.keep().display());
        }
    }
}

/// The Envoy under test.
pub(crate) fn envoy() -> PathBuf {
    artefact("ENVOY", ".tools/envoy")
}

/// A built file: where the environment's `variable` says, else at `path` in the repository.
pub(crate) fn artefact(variable: &str, path: &str) -> PathBuf {
    let named = env::var_os(variable).filter(|named| !named.is_empty());
    let file = named.map_or_else(|| root().join(path), PathBuf::from);
    assert!(file.exists(), "{} is missing: `make build` and `envoy/fetch.sh` first", file.display());
    file
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
