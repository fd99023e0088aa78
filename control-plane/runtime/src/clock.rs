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

/// A point in time by the wall clock, in milliseconds. Control planes that share a store compare it, so it is no reading of a
/// monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment {
    unix_ms: i64,
}

impl Moment {
    /// Returns the moment of a Unix time in milliseconds.
    #[must_use]
    pub fn from_unix_ms(unix_ms: i64) -> Self {
        Self { unix_ms }
    }

    /// Returns the Unix time in milliseconds.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// Returns the Unix time in microseconds; 0 before 1970.
    #[must_use]
    pub fn unix_us(self) -> u64 {
        u64::try_from(self.unix_ms).unwrap_or(0).saturating_mul(1_000)
    }

    /// Returns the Unix time in seconds; 0 before 1970.
    #[must_use]
    pub fn unix_s(self) -> u64 {
        u64::try_from(self.unix_ms / 1_000).unwrap_or(0)
    }

    /// Returns the moment `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self { unix_ms: self.unix_ms.saturating_add(ms) }
    }

    /// Returns the time that has passed since `earlier`; zero if `earlier` is later.
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

/// The source of the time.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The clock of the operating system.
    #[default]
    System,
    /// A clock that a test moves: Unix time in milliseconds.
    Simulated(Arc<AtomicI64>),
}

impl Clock {
    /// Returns a clock that stands still until [`Self::advance`] moves it.
    #[must_use]
    pub fn simulated() -> Self {
        Self::Simulated(Arc::new(AtomicI64::new(1_796_000_000_000)))
    }

    /// Moves a simulated clock forward; the system's is not affected.
    pub fn advance(&self, by: Duration) {
        if let Self::Simulated(unix_ms) = self {
            unix_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// Returns the present moment.
    #[must_use]
    pub fn now(&self) -> Moment {
        match self {
            Self::System => Moment { unix_ms: Timestamp::now().as_millisecond() },
            Self::Simulated(unix_ms) => Moment { unix_ms: unix_ms.load(Ordering::Relaxed) },
        }
    }
}
