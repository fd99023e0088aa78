//! Whoever fails to sign in again and again has to wait, longer each time: a name, and an address.
//!
//! A table has a fixed number of places, and a keyed hash says which is whose. So it cannot grow, whatever names somebody makes up, and
//! no flood of names makes it forget one. Two may share a place by chance (1 in 16,384); nobody outside can bring that about.
//! It is in memory: a restart forgets it, and each control plane counts for itself.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::error::Error;

/// Failures in a row after which a name has to wait.
pub const FAILURES_OF_A_NAME: u32 = 5;
/// Failures after which an address has to wait. More than for a name: an office is one address.
pub const FAILURES_OF_AN_ADDRESS: u32 = 20;
/// The first wait; each further failure doubles it.
pub const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Failures that are so old do not count any longer.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);
const PLACES: usize = 16_384;

/// The failures of names and addresses.
pub(super) struct Lockout {
    names: Table,
    addresses: Table,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { names: Table::new(FAILURES_OF_A_NAME), addresses: Table::new(FAILURES_OF_AN_ADDRESS) }
    }
}

/// An attempt that is under way. It counts as a failure from the start, so that many at once are no more guesses than one after
/// the other; dropping it leaves it one.
#[must_use]
pub(super) struct Attempt<'a> {
    lockout: &'a Lockout,
    name: usize,
    address: usize,
}

impl Lockout {
    /// Lets an attempt begin.
    ///
    /// # Errors
    /// [`Error::TooManyFailures`], which says nothing of whether there is such a name.
    pub(super) fn begin(&self, name: &str, address: IpAddr, now: Instant) -> Result<Attempt<'_>, Error> {
        let attempt = Attempt {
            lockout: self,
            name: self.names.place(name),
            address: self.addresses.place(network(address)),
        };
        let wait = self.names.wait(attempt.name, now).max(self.addresses.wait(attempt.address, now));
        if !wait.is_zero() {
            return Err(Error::TooManyFailures {
                wait_s: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
            });
        }
        self.names.fail(attempt.name, now);
        self.addresses.fail(attempt.address, now);
        Ok(attempt)
    }
}

impl Attempt<'_> {
    /// They are who they say: the name's failures are over. Those of the address are not, or whoever has one name could guess others
    /// from there for ever.
    pub(super) fn succeeded(self) {
        self.lockout.names.clear(self.name);
        self.lockout.addresses.undo(self.address);
    }

    /// It was not the password that failed.
    pub(super) fn undecided(self) {
        self.lockout.names.undo(self.name);
        self.lockout.addresses.undo(self.address);
    }
}

/// What counts as one address: of IPv6, the network that one household has.
pub(crate) fn network(address: IpAddr) -> IpAddr {
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

struct Table {
    allowed: u32,
    hasher: RandomState,
    places: Mutex<Box<[Failures]>>,
}

impl Table {
    fn new(allowed: u32) -> Self {
        let places = vec![Failures::default(); PLACES].into_boxed_slice();
        Self { allowed, hasher: RandomState::new(), places: Mutex::new(places) }
    }

    fn place(&self, whose: impl Hash) -> usize {
        usize::try_from(self.hasher.hash_one(whose) % PLACES as u64).unwrap_or(0)
    }

    fn wait(&self, place: usize, now: Instant) -> Duration {
        self.at(place, |failures| {
            let Some(last) = failures.last else { return Duration::ZERO };
            let Some(beyond) = failures.number.checked_sub(self.allowed) else { return Duration::ZERO };
            let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(beyond)).min(LONGEST_WAIT);
            (last + wait).saturating_duration_since(now)
        })
    }

    fn fail(&self, place: usize, now: Instant) {
        self.at(place, |failures| {
            if failures.last.is_some_and(|last| now.saturating_duration_since(last) >= FORGOTTEN_AFTER) {
                failures.number = 0;
            }
            *failures = Failures { number: failures.number.saturating_add(1), last: Some(now) };
        });
    }

    fn undo(&self, place: usize) {
        self.at(place, |failures| failures.number = failures.number.saturating_sub(1));
    }

    fn clear(&self, place: usize) {
        self.at(place, |failures| *failures = Failures::default());
    }

    fn at<R>(&self, place: usize, act: impl FnOnce(&mut Failures) -> R) -> R {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        // A place is a number below how many there are.
        act(&mut places[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn elsewhere(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number).into())
    }

    fn wait_s(outcome: Result<Attempt<'_>, Error>) -> u64 {
        match outcome {
            Ok(_failed) => 0,
            Err(Error::TooManyFailures { wait_s }) => wait_s,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_name_waits_after_five_failures_longer_each_time_wherever_they_come_from() {
        let lockout = Lockout::default();
        let mut now = Instant::now();
        for number in 0..FAILURES_OF_A_NAME {
            assert_eq!(wait_s(lockout.begin("ada", elsewhere(number), now)), 0);
        }
        for wait in [5, 10, 20, 40, 80, 160, 320, 640, 900, 900] {
            assert_eq!(wait_s(lockout.begin("ada", HOME, now)), wait);
            assert_eq!(wait_s(lockout.begin("ada", HOME, now + Duration::from_millis(1_500))), wait - 1);
            assert_eq!(wait_s(lockout.begin(&format!("bob-{now:?}"), HOME, now)), 0, "another name may");
            now += Duration::from_secs(wait);
            assert_eq!(wait_s(lockout.begin("ada", elsewhere(100), now)), 0, "the wait is over");
        }
        now += FORGOTTEN_AFTER;
        for _ in 0..FAILURES_OF_A_NAME {
            assert_eq!(wait_s(lockout.begin("ada", elsewhere(200), now)), 0, "all is forgotten");
        }
        assert_eq!(wait_s(lockout.begin("ada", elsewhere(200), now)), 5);
    }

    #[test]
    fn an_address_waits_whatever_names_it_tries_and_one_right_name_does_not_help() {
        let lockout = Lockout::default();
        let now = Instant::now();
        for number in 0..FAILURES_OF_AN_ADDRESS {
            assert_eq!(wait_s(lockout.begin(&format!("name-{number}"), HOME, now)), 0);
            lockout.begin("its own", HOME, now).map(Attempt::succeeded).unwrap_or_default();
        }
        assert_eq!(wait_s(lockout.begin("one more", HOME, now)), 5);
        assert_eq!(wait_s(lockout.begin("one more", elsewhere(1), now)), 0);
    }

    #[test]
    fn failures_that_are_not_in_a_row_do_not_lock_and_many_at_once_are_counted() {
        let lockout = Lockout::default();
        let now = Instant::now();
        for _ in 0..10 {
            for _ in 1..FAILURES_OF_A_NAME {
                assert_eq!(wait_s(lockout.begin("ada", elsewhere(1), now)), 0);
            }
            lockout.begin("ada", elsewhere(2), now).unwrap().succeeded();
            lockout.begin("ada", elsewhere(3), now).unwrap().undecided();
            lockout.addresses.clear(lockout.addresses.place(elsewhere(1)));
        }
        let at_once: Vec<_> = (0..10).map(|number| lockout.begin("bob", elsewhere(number), now)).collect();
        assert_eq!(at_once.iter().filter(|attempt| attempt.is_ok()).count(), 5);
    }

    #[test]
    fn the_addresses_of_one_household_are_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
