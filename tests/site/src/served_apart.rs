use std::ops::Deref;

use rustix::process::Signal;
use serde_json::Value;

use crate::{SOON, Setup, TestProcess, site::Site, slotway::READY_WITHIN};

/// `slotway serve` and an Envoy that it does not supervise, as on two machines.
pub struct ServedApart {
    /// The control plane.
    pub control_plane: TestProcess,
    envoy: TestProcess,
    lanes: u32,
    site: Site,
}

impl ServedApart {
    /// Starts both and waits until Envoy has every worker.
    pub async fn start(setup: &Setup) -> Self {
        let started = Self::start_without_waiting(setup).await;
        started.api().shows_idle(READY_WITHIN).await;
        started
    }

    /// Starts both.
    pub async fn start_without_waiting(setup: &Setup) -> Self {
        Self::start_edited(setup, |_| {}).await
    }

    /// Starts both. `edit` changes Envoy's bootstrap before.
    pub async fn start_edited(setup: &Setup, edit: impl Fn(&mut Value)) -> Self {
        let site = Site::new(setup);
        let control_plane = serve(&site, &[]).await;
        let mut bootstrap = site.bootstrap(&[]);
        edit(&mut bootstrap);
        let envoy = start_envoy(&site, &bootstrap, setup.lanes);
        Self { control_plane, envoy, lanes: setup.lanes, site }
    }

    /// Restarts the control plane after its end.
    pub async fn start_control_plane(&mut self) {
        self.start_control_plane_with(&[]).await;
    }

    /// Does the same with further arguments.
    pub async fn start_control_plane_with(&mut self, arguments: &[&str]) {
        self.control_plane = serve(&self.site, arguments).await;
    }

    /// Kills and restarts Envoy.
    pub async fn restart_envoy(&mut self) {
        self.envoy.signal(Signal::KILL);
        self.envoy.ended(SOON).await;
        self.envoy = start_envoy(&self.site, &self.site.bootstrap(&[]), self.lanes);
    }

    /// Returns Envoy's counters of added, changed and removed clusters and listeners.
    pub async fn updates(&self) -> Vec<String> {
        let counted = ["cluster_manager.cluster_", "listener_manager.listener_"];
        let changes = ["_added", "_modified", "_removed", "_in_place_updated"];
        let stats = self.site.envoy_stats().await;
        let lines = stats.lines().filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            counted.iter().any(|start| name.starts_with(start))
                && changes.iter().any(|end| name.ends_with(end))
        });
        lines.map(str::to_owned).collect()
    }
}

fn start_envoy(site: &Site, bootstrap: &Value, lanes: u32) -> TestProcess {
    let arguments = ["--disable-hot-restart", "--concurrency", &lanes.to_string()].map(str::to_owned);
    site.start_envoy_with("envoy", bootstrap, &arguments)
}

async fn serve(site: &Site, arguments: &[&str]) -> TestProcess {
    let mut command = site.slotway("serve");
    command.args(arguments);
    let mut process = TestProcess::start("control-plane", command, site.path());
    process.says("slotway: serving", READY_WITHIN).await;
    process
}

impl Deref for ServedApart {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}
