//! Rate limits per address, and of reports per coordinator: a token bucket for each, refilled at a steady rate.
//!
//! The buckets are a table of fixed size that a keyed hash indexes, so memory is bounded whatever addresses send requests.
//! Two of them may share a bucket by chance; a client cannot provoke a collision.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use slotway_identity::network_of;

use super::{ApiState, sender::peer};
use crate::ApiError;

const PLACES: usize = 16_384;

/// The rate limit of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Sustained requests per second; 0 for no limit.
    pub requests_per_s: u32,
    /// Requests in a burst.
    pub burst: u32,
}

/// The token buckets of all addresses, or of all coordinators.
#[derive(Debug)]
pub struct Rates {
    hasher: RandomState,
    /// The time until a new token; none for no limit.
    every: Option<Duration>,
    /// The size of a bucket, as the time that it takes to fill.
    full: Duration,
    /// When each bucket will be full again. A full bucket has a time in the past, so this is the whole state.
    places: Mutex<Box<[Option<Instant>]>>,
}

impl Rates {
    /// Returns the buckets for the configured limits.
    #[must_use]
    pub fn new(limits: &RateLimits) -> Self {
        let every = (limits.requests_per_s > 0).then(|| Duration::from_secs(1) / limits.requests_per_s);
        Self {
            hasher: RandomState::new(),
            every,
            full: every.unwrap_or_default().saturating_mul(limits.burst),
            places: Mutex::new(vec![None; PLACES].into_boxed_slice()),
        }
    }

    /// Takes a token of an address.
    ///
    /// # Errors
    /// [`ApiError::TooManyRequests`] if its bucket is empty.
    fn take(&self, address: IpAddr, now: Instant) -> Result<(), ApiError> {
        self.take_from(&network_of(address), now).map_err(|wait_s| ApiError::TooManyRequests { wait_s })
    }

    /// Takes a token of a coordinator.
    ///
    /// # Errors
    /// [`ApiError::TooManyReports`] if its bucket is empty.
    pub(super) fn take_of_node(&self, node: &str, now: Instant) -> Result<(), ApiError> {
        self.take_from(node, now).map_err(|wait_s| ApiError::TooManyReports { wait_s })
    }

    /// Takes a token from the bucket of `owner`, or returns the time to wait for one, in seconds.
    fn take_from(&self, owner: &(impl Hash + ?Sized), now: Instant) -> Result<(), u64> {
        let Some(every) = self.every else { return Ok(()) };
        let place = usize::try_from(self.hasher.hash_one(owner) % PLACES as u64).unwrap_or(0);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // The index is below the length.
        let full_at = &mut places[place];
        let then = full_at.unwrap_or(now).max(now) + every;
        let wait = then.duration_since(now).saturating_sub(self.full);
        if wait.is_zero() {
            *full_at = Some(then);
            return Ok(());
        }
        Err(wait.as_secs() + 1)
    }
}

/// Passes a request on if its address is within the limit. Health checks are always answered: a supervisor that restarts the
/// process must not be misled by another client, and they cost little.
pub(super) async fn enforce(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let probe = matches!(parts.uri.path(), "/healthz" | "/readyz" | "/readyz/xds" | "/readyz/store");
    if let Some(address) = peer(&parts).filter(|_| !probe) {
        state.rates.take(address, Instant::now())?;
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number).into())
    }

    #[test]
    fn an_address_may_send_a_burst_and_then_the_sustained_rate() {
        let rates = Rates::new(&RateLimits { requests_per_s: 10, burst: 5 });
        let mut now = Instant::now();
        let sent = |now| (0..100).take_while(|_| rates.take(address(1), now).is_ok()).count();
        assert_eq!(sent(now), 5);
        assert!(matches!(rates.take(address(1), now), Err(ApiError::TooManyRequests { wait_s: 1 })));
        rates.take(address(2), now).unwrap();
        now += Duration::from_millis(100);
        assert_eq!(sent(now), 1);
        now += Duration::from_millis(250);
        assert_eq!(sent(now), 2);
        now += Duration::from_secs(3_600);
        assert_eq!(sent(now), 5, "a bucket holds at most one burst");
    }

    #[test]
    fn zero_means_no_limit_and_many_addresses_need_no_memory() {
        let rates = Rates::new(&RateLimits { requests_per_s: 0, burst: 1 });
        let now = Instant::now();
        assert!((0..1_000).all(|_| rates.take(address(1), now).is_ok()));
        let rates = Rates::new(&RateLimits { requests_per_s: 1, burst: 1 });
        (0..100_000).for_each(|number| drop(rates.take(address(number), now)));
        assert_eq!(rates.places.lock().unwrap().len(), PLACES);
    }
}
