use std::{ops::Deref, time::Duration};

use super::{Process, Setup, site::Site};

/// How long everything may take to be up.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(30);

/// `slotway up` with its Envoy, running until it goes.
pub(crate) struct Slotway {
    // Before its site, so that it ends first.
    pub(crate) process: Process,
    site: Site,
}

impl Slotway {
    /// Starts it and waits until it says that it is ready.
    pub(crate) async fn up(setup: &Setup) -> Self {
        Self::up_with(setup, &[]).await
    }

    /// The same with further arguments.
    pub(crate) async fn up_with(setup: &Setup, arguments: &[&str]) -> Self {
        let site = Site::new(setup);
        let mut command = site.slotway("up");
        command.args(arguments);
        let process = Process::start("slotway", command, site.path());
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
