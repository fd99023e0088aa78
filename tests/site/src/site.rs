use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Answer, Api, Setup, TestProcess, fresh_address, get, send, setup::Addresses};

/// The environment of one test's processes: fresh addresses, and a fresh directory with configuration, state and logs.
pub struct Site {
    at: Addresses,
    // `None` only while it is kept.
    directory: Option<TempDir>,
}

impl Site {
    /// Creates a site with `setup` in its configuration file.
    pub fn new(setup: &Setup) -> Self {
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

    /// Returns its directory.
    pub fn path(&self) -> &Path {
        self.directory.as_ref().unwrap().path()
    }

    /// Keeps the directory and its logs after the test, and returns it.
    pub fn keep(&mut self) -> PathBuf {
        self.directory.as_mut().unwrap().disable_cleanup(true);
        self.path().to_owned()
    }

    /// Returns the configuration file.
    pub fn file(&self) -> PathBuf {
        self.path().join("slotway.yaml")
    }

    /// Returns its addresses.
    pub fn addresses(&self) -> Addresses {
        self.at
    }

    /// Returns the address for clients.
    pub fn address(&self) -> SocketAddr {
        self.at.listen
    }

    /// Sends a GET request to Envoy on a new connection.
    pub async fn get(&self, path: &str) -> Answer {
        send(self.at.listen, get(path)).await.unwrap()
    }

    /// Returns a client of the REST.
    pub fn api(&self) -> Api {
        let token = std::fs::read_to_string(self.path().join("state/admin-token")).unwrap();
        Api::new(self.at.api, token.trim())
    }

    /// Returns Envoy's statistics, one `name: value` per line.
    pub async fn envoy_stats(&self) -> String {
        send(self.at.admin, get("/stats")).await.unwrap().text()
    }

    /// Returns the command `slotway COMMAND -f FILE` with the configuration file.
    pub fn slotway(&self, command: &str) -> Command {
        let mut slotway = Command::new(artefact("SLOTWAY_BIN", "target/release/slotway"));
        slotway.arg(command).arg("-f").arg(self.file()).current_dir(root());
        slotway.env("SLOTWAY_FILTER", artefact("SLOTWAY_FILTER", "target/slotway_filter.wasm"));
        slotway
    }

    /// Returns the output of `slotway bootstrap` with further arguments.
    pub fn bootstrap(&self, arguments: &[&str]) -> Value {
        let bootstrap = self.slotway("bootstrap").args(arguments).output().unwrap();
        assert!(bootstrap.status.success(), "{bootstrap:?}");
        serde_json::from_slice(&bootstrap.stdout).unwrap()
    }

    /// Starts an Envoy with the bootstrap of the control plane, as on another machine.
    pub fn start_envoy(&self, name: &str, arguments: &[String]) -> TestProcess {
        self.start_envoy_with(name, &self.bootstrap(&[]), arguments)
    }

    /// Starts an Envoy with a bootstrap.
    pub fn start_envoy_with(&self, name: &str, bootstrap: &Value, arguments: &[String]) -> TestProcess {
        self.start_envoy_in(name, bootstrap, arguments, None)
    }

    /// Does the same with an environment variable.
    pub fn start_envoy_in(
        &self,
        name: &str,
        bootstrap: &Value,
        arguments: &[String],
        variable: Option<(&str, &str)>,
    ) -> TestProcess {
        let file = self.path().join(format!("{name}.json"));
        std::fs::write(&file, bootstrap.to_string()).unwrap();
        let mut command = Command::new(envoy());
        command.arg("--config-path").arg(file).args(arguments).envs(variable);
        TestProcess::start(name, command, self.path())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(directory) = self.directory.take()
        {
            eprintln!("the logs are kept in {}", directory.keep().display());
        }
    }
}

/// Returns the program of Envoy.
pub fn envoy() -> PathBuf {
    artefact("ENVOY", ".tools/envoy")
}

/// Returns a built file: the value of the environment's `variable`, or else `path` in the repository. Fails if it is missing.
pub fn artefact(variable: &str, path: &str) -> PathBuf {
    let named = env::var_os(variable).filter(|named| !named.is_empty());
    let file = named.map_or_else(|| root().join(path), PathBuf::from);
    assert!(file.exists(), "{} is missing: `make build` and `envoy/fetch.sh` first", file.display());
    file
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}
