use std::{net::SocketAddr, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use super::{Process, SOON, artefact, fresh_address, get, post, send};

/// The reference worker, as a user runs it.
pub(crate) struct ReferenceWorker {
    address: SocketAddr,
    _process: Process,
    _directory: TempDir,
}

impl ReferenceWorker {
    /// Starts one on a fresh port.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let address = fresh_address();
        let mut command = Command::new(artefact("SLOTWAY_WORKER_BIN", "target/release/slotway-worker"));
        command.arg("--listen").arg(address.to_string()).args(arguments);
        let mut process = Process::start("worker", command, directory.path());
        process.says("ready", SOON).await;
        Self { address, _process: process, _directory: directory }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it counts.
    pub(crate) async fn stats(&self) -> Value {
        send(self.address, get("/stats")).await.unwrap().json()
    }

    /// Counts its highest figures from now on.
    pub(crate) async fn forget_highest(&self) {
        assert_eq!(send(self.address, post("/stats/reset", "")).await.unwrap().status, 200);
    }

    /// Its health endpoint fails from now on, while it goes on annotating; or no longer.
    pub(crate) async fn health_fails(&self, fails: bool) {
        let path = if fails { "/healthz/fail" } else { "/healthz/recover" };
        assert_eq!(send(self.address, post(path, "")).await.unwrap().status, 200);
    }
}
