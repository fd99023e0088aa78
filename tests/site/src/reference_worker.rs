use std::{net::SocketAddr, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::{SOON, TestProcess, artefact, fresh_address, get, post, send};

/// The reference worker (`tests/worker`) as a process.
pub struct ReferenceWorker {
    address: SocketAddr,
    _process: TestProcess,
    _directory: TempDir,
}

impl ReferenceWorker {
    /// Starts one on a fresh port and waits until it is ready.
    pub async fn start(arguments: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let address = fresh_address();
        let mut command = Command::new(artefact("SLOTWAY_WORKER_BIN", "target/release/slotway-worker"));
        command.arg("--listen").arg(address.to_string()).args(arguments);
        let mut process = TestProcess::start("worker", command, directory.path());
        process.says("ready", SOON).await;
        Self { address, _process: process, _directory: directory }
    }

    /// Returns its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns its counters.
    pub async fn stats(&self) -> Value {
        send(self.address, get("/stats")).await.unwrap().json()
    }

    /// Resets its highest figures.
    pub async fn forget_highest(&self) {
        assert_eq!(send(self.address, post("/stats/reset", "")).await.unwrap().status, 200);
    }

    /// Makes its health endpoint fail or recover. It goes on annotating.
    pub async fn health_fails(&self, fails: bool) {
        let path = if fails { "/healthz/fail" } else { "/healthz/recover" };
        assert_eq!(send(self.address, post(path, "")).await.unwrap().status, 200);
    }
}
