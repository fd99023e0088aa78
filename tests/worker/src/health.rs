use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::http::StatusCode;

/// Whether `GET /healthz` succeeds. Annotations continue in any case. Clones share the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    fails: Arc<AtomicBool>,
}

impl Health {
    /// Returns the answer to `GET /healthz`.
    #[must_use]
    pub(crate) fn answer(&self) -> (StatusCode, &'static str) {
        if self.fails.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "failing on request; POST /healthz/recover ends that\n")
        } else {
            (StatusCode::OK, "ok\n")
        }
    }

    /// Sets whether the health check fails.
    pub(crate) fn set(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }
}
