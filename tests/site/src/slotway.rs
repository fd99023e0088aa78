use std::{ops::Deref, time::Duration};

use crate::{Setup, TestProcess, site::Site};

/// Time limit for the start of all processes.
pub const READY_WITHIN: Duration = Duration::from_secs(30);

/// `slotway up` with its Envoy.
pub struct Slotway {
    /// The process.
    // In front of the site, so that it is dropped first.
    pub process: TestProcess,
    site: Site,
}

impl Slotway {
    /// Starts it and waits until it is ready.
    pub async fn up(setup: &Setup) -> Self {
        Self::up_with(setup, &[]).await
    }

    /// Does the same with further arguments.
    pub async fn up_with(setup: &Setup, arguments: &[&str]) -> Self {
        let site = Site::new(setup);
        let mut command = site.slotway("up");
        command.args(arguments);
        let process = TestProcess::start("slotway", command, site.path());
        let mut slotway = Self { process, site };
        slotway.process.says("slotway: ready", READY_WITHIN).await;
        slotway
    }
}

impl Deref for Slotway {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}
