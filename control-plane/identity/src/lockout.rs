//! Delays sign-ins after repeated failures, per name and per address, for a longer time after each failure.
//!
//! Each table has a fixed number of slots, chosen by a keyed hash. An attacker can neither grow a table nor displace an entry. Two
//! entries share a slot by chance (1 in 16,384); an attacker cannot choose which. The tables are in memory: a restart clears them,
//! and each control plane counts for itself.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::error::IdentityError;

/// Consecutive failures after which a name has to wait.
pub const NAME_FAILURES_MAX: u32 = 5;
/// Failures after which an address has to wait. More than for a name: an office may share one address.
pub const ADDRESS_FAILURES_MAX: u32 = 20;
/// The first wait; each further failure doubles it.
pub const WAIT_MIN: Duration = Duration::from_secs(5);
/// The longest wait.
pub const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// Age from which failures do not count.
const FAILURE_AGE_MAX: Duration = Duration::from_secs(60 * 60);
const SLOTS: usize = 16_384;

/// The failures of names and addresses.
pub(crate) struct Lockout {
    names: FailureTable,
    addresses: FailureTable,
}

impl Default for Lockout {
    fn default() -> Self {
        Self {
            names: FailureTable::new(NAME_FAILURES_MAX),
            addresses: FailureTable::new(ADDRESS_FAILURES_MAX),
        }
    }
}

/// A sign-in in progress. It counts as a failure from its start, so that concurrent attempts allow no more guesses than sequential
/// ones. Dropping it leaves it a failure.
#[must_use]
pub(crate) struct Attempt<'a> {
    lockout: &'a Lockout,
    name: usize,
    address: usize,
}

impl Lockout {
    /// Begins an attempt.
    ///
    /// # Errors
    /// [`IdentityError::TooManyFailures`], whether or not the user exists.
    pub(crate) fn begin(
        &self,
        name: &str,
        address: IpAddr,
        now: Instant,
    ) -> Result<Attempt<'_>, IdentityError> {
        let attempt = Attempt {
            lockout: self,
            name: self.names.slot(name),
            address: self.addresses.slot(network_of(address)),
        };
        let wait = self.names.wait(attempt.name, now).max(self.addresses.wait(attempt.address, now));
        if !wait.is_zero() {
            return Err(IdentityError::TooManyFailures {
                wait_s: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
            });
        }
        self.names.add(attempt.name, now);
        self.addresses.add(attempt.address, now);
        Ok(attempt)
    }
}

impl Attempt<'_> {
    /// Records a success: clears the failures of the name. The failures of the address stay; otherwise the owner of one account could
    /// guess passwords of others without a limit.
    pub(crate) fn succeeded(self) {
        self.lockout.names.clear(self.name);
        self.lockout.addresses.remove_one(self.address);
    }

    /// Records that the password was not checked.
    pub(crate) fn undecided(self) {
        self.lockout.names.remove_one(self.name);
        self.lockout.addresses.remove_one(self.address);
    }
}

/// Returns the address that represents a client: an IPv4 address itself, or the /64 network of an IPv6 address, which is usually one
/// household.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[derive(Clone, Copy, Default)]
struct Failures {
    number: u32,
    last: Option<Instant>,
}

struct FailureTable {
    allowed: u32,
    hasher: RandomState,
    slots: Mutex<Box<[Failures]>>,
}

impl FailureTable {
    fn new(allowed: u32) -> Self {
        let slots = vec![Failures::default(); SLOTS].into_boxed_slice();
        Self { allowed, hasher: RandomState::new(), slots: Mutex::new(slots) }
    }

    fn slot(&self, key: impl Hash) -> usize {
        usize::try_from(self.hasher.hash_one(key) % SLOTS as u64).unwrap_or(0)
    }

    fn wait(&self, slot: usize, now: Instant) -> Duration {
        self.update(slot, |failures| {
            let Some(last) = failures.last else { return Duration::ZERO };
            let Some(surplus) = failures.number.checked_sub(self.allowed) else { return Duration::ZERO };
            let wait = WAIT_MIN.saturating_mul(2_u32.saturating_pow(surplus)).min(WAIT_MAX);
            (last + wait).saturating_duration_since(now)
        })
    }

    fn add(&self, slot: usize, now: Instant) {
        self.update(slot, |failures| {
            if failures.last.is_some_and(|last| now.saturating_duration_since(last) >= FAILURE_AGE_MAX) {
                failures.number = 0;
            }
            *failures = Failures { number: failures.number.saturating_add(1), last: Some(now) };
        });
    }

    fn remove_one(&self, slot: usize) {
        self.update(slot, |failures| failures.number = failures.number.saturating_sub(1));
    }

    fn clear(&self, slot: usize) {
        self.update(slot, |failures| *failures = Failures::default());
    }

    fn update<R>(&self, slot: usize, update: impl FnOnce(&mut Failures) -> R) -> R {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // `slot` is below `SLOTS`.
        update(&mut slots[slot])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn elsewhere(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number).into())
    }

    fn wait_s(outcome: Result<Attempt<'_>, IdentityError>) -> u64 {
        match outcome {
            Ok(_failed) => 0,
            Err(IdentityError::TooManyFailures { wait_s }) => wait_s,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_name_waits_after_five_failures_from_any_address_and_longer_after_each() {
        let lockout = Lockout::default();
        let mut now = Instant::now();
        for number in 0..NAME_FAILURES_MAX {
            assert_eq!(wait_s(lockout.begin("ada", elsewhere(number), now)), 0);
        }
        for wait in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900] {
            assert_eq!(wait_s(lockout.begin("ada", HOME, now)), wait);
            assert_eq!(wait_s(lockout.begin("ada", HOME, now + Duration::from_millis(1_500))), wait - 1);
            assert_eq!(wait_s(lockout.begin(&format!("bob-{now:?}"), HOME, now)), 0, "another name may");
            now += Duration::from_secs(wait);
            assert_eq!(wait_s(lockout.begin("ada", elsewhere(100), now)), 0, "the wait is over");
        }
        now += FAILURE_AGE_MAX;
        for _ in 0..NAME_FAILURES_MAX {
            assert_eq!(wait_s(lockout.begin("ada", elsewhere(200), now)), 0, "old failures do not count");
        }
        assert_eq!(wait_s(lockout.begin("ada", elsewhere(200), now)), 5);
    }

    #[test]
    fn an_address_waits_for_failures_of_any_names_and_a_success_does_not_clear_them() {
        let lockout = Lockout::default();
        let now = Instant::now();
        for number in 0..ADDRESS_FAILURES_MAX {
            assert_eq!(wait_s(lockout.begin(&format!("name-{number}"), HOME, now)), 0);
            lockout.begin("its own", HOME, now).map(Attempt::succeeded).unwrap_or_default();
        }
        assert_eq!(wait_s(lockout.begin("one more", HOME, now)), 5);
        assert_eq!(wait_s(lockout.begin("one more", elsewhere(1), now)), 0);
    }

    #[test]
    fn only_consecutive_failures_lock_and_concurrent_attempts_count() {
        let lockout = Lockout::default();
        let now = Instant::now();
        for _ in 0..10 {
            for _ in 1..NAME_FAILURES_MAX {
                assert_eq!(wait_s(lockout.begin("ada", elsewhere(1), now)), 0);
            }
            lockout.begin("ada", elsewhere(2), now).unwrap().succeeded();
            lockout.begin("ada", elsewhere(3), now).unwrap().undecided();
            lockout.addresses.clear(lockout.addresses.slot(elsewhere(1)));
        }
        let at_once: Vec<_> = (0..10).map(|number| lockout.begin("bob", elsewhere(number), now)).collect();
        assert_eq!(at_once.iter().filter(|attempt| attempt.is_ok()).count(), 5);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
