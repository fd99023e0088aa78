use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment by the wall clock: several control planes share sessions and tokens, and it must mean the same to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment {
    unix_ms: i64,
}

impl Moment {
    /// So much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self { unix_ms: self.unix_ms.saturating_add(ms) }
    }

    /// How long ago `earlier` was; nothing if it is yet to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.unix_ms.saturating_sub(earlier.unix_ms)).unwrap_or(0))
    }
}

/// RFC 3339, UTC.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.unix_ms) {
            Ok(moment) => write!(f, "{moment}"),
            Err(_) => write!(f, "{} ms", self.unix_ms),
        }
    }
}

/// What tells the time.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system.
    #[default]
    System,
    /// A test: Unix time in milliseconds.
    Simulated(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands until somebody moves it.
    #[must_use]
    pub fn simulated() -> Self {
        Self::Simulated(Arc::new(AtomicI64::new(1_796_000_000_000)))
    }

    /// Moves a simulated clock on.
    pub fn advance(&self, by: Duration) {
        if let Self::Simulated(unix_ms) = self {
            unix_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Moment {
        match self {
            Self::System => Moment { unix_ms: Timestamp::now().as_millisecond() },
            Self::Simulated(unix_ms) => Moment { unix_ms: unix_ms.load(Ordering::Relaxed) },
        }
    }
}
