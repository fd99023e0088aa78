use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::http::StatusCode;

/// Whether `GET /healthz` says that all is well; annotations go on in any case. Clones mean the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    fails: Arc<AtomicBool>,
}

impl Health {
    /// What `GET /healthz` answers.
    #[must_use]
    pub(crate) fn answer(&self) -> (StatusCode, &'static str) {
        if self.fails.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "failing on request; POST /healthz/recover ends that\n")
        } else {
            (StatusCode::OK, "ok\n")
        }
    }

    /// From now on it fails, or no longer.
    pub(crate) fn set(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }
}
