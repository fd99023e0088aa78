//! A lease: one of several control planes on the same store holds it and performs a task for all.
//!
//! The lease is a document that its holder rewrites periodically. Clocks of different machines are never compared.
//! Another control plane takes over when the document has not changed for [`TAKEN_AFTER`] by its own clock. The holder
//! stops before that, by its own clock. While all clocks run at about the same speed, at most one control plane acts as
//! the holder.

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Document, Expected, Kind, Store, StoreError, Who};

/// The interval between reads of the document.
const READ_EVERY: Duration = Duration::from_secs(1);
/// The time from one write of the holder to the next.
const RENEW_AFTER: Duration = Duration::from_secs(3);
/// How long a control plane holds the lease after its last write.
const HOLDS_FOR: Duration = Duration::from_secs(7);
/// The time limit for deleting the document when the holder stops.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(1);
/// The time without a change after which another control plane takes the lease over.
const TAKEN_AFTER: Duration = Duration::from_secs(10);

/// The value of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LeaseFact {
    /// The holder's name.
    holder: String,
}

/// One control plane's view of a lease.
#[derive(Debug)]
pub struct Lease {
    key: &'static str,
    own_name: String,
    /// The last revision that was read, and the time at which it was first read.
    seen: Option<(u64, Instant)>,
    /// The last revision that this control plane wrote, and the time at which the write began.
    held: Option<(u64, Instant)>,
}

/// The next step after a read of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    /// Writes the document with this precondition.
    Write(Expected),
}

impl Lease {
    /// Returns a lease that is not held yet. Its document is the fact `key`. `own_name` must be unique among all
    /// control planes and among restarts of one.
    #[must_use]
    pub fn new(key: &'static str, own_name: String) -> Self {
        Self { key, own_name, seen: None, held: None }
    }

    /// Takes and renews the lease until `ending` resolves, then releases it. Sets `holds` to whether this control plane
    /// holds it.
    pub async fn hold(
        mut self,
        store: &dyn Store,
        holds: &watch::Sender<bool>,
        ending: impl Future<Output = ()>,
    ) {
        tokio::select! {
            () = self.renew(store, holds) => {}
            () = ending => {}
        }
        holds.send_replace(false);
        if let Some((revision, _)) = self.held {
            let given_up = store.delete(Who::SYSTEM, Kind::FACT, self.key, Expected::Revision(revision));
            // If the deletion fails, another control plane takes the lease over a few seconds later.
            let _ = tokio::time::timeout(GIVEN_UP_WITHIN, given_up).await;
        }
    }

    async fn renew(&mut self, store: &dyn Store, holds: &watch::Sender<bool>) {
        let mut tick = interval(READ_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            // The store's own time limits may be longer.
            let patience = self.patience(Instant::now());
            if let Ok(Err(error)) = tokio::time::timeout(patience, self.read_and_write(store)).await {
                tracing::debug!("the lease {} cannot be read or written: {error}", self.key);
            }
            let held = self.is_held(Instant::now());
            holds.send_if_modified(|holds| std::mem::replace(holds, held) != held);
        }
    }

    async fn read_and_write(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let found = store.get(Kind::FACT, self.key).await?;
        let began = Instant::now();
        let holder = found.as_ref().map(holder);
        let found = found.as_ref().zip(holder.as_deref()).map(|(found, holder)| (found.revision, holder));
        let Step::Write(expected) = self.next(found, began) else { return Ok(()) };
        let fact = serde_json::to_string(&LeaseFact { holder: self.own_name.clone() }).unwrap_or_default();
        match store.put(Who::SYSTEM, Kind::FACT, self.key, &fact, expected).await {
            Ok(revision) => self.written(revision, began),
            Err(StoreError::Conflict { .. }) => self.refused(),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns the next step, given the document's revision and holder in the store.
    fn next(&mut self, found: Option<(u64, &str)>, now: Instant) -> Step {
        let Some((revision, holder)) = found else {
            self.held = None;
            return Step::Write(Expected::Absent);
        };
        match self.held {
            Some((own, renewed)) if own == revision => {
                let due = now.saturating_duration_since(renewed) >= RENEW_AFTER;
                return if due { Step::Write(Expected::Revision(own)) } else { Step::Nothing };
            }
            // Another control plane has written it.
            Some(_) => self.held = None,
            None => {}
        }
        // An own write whose answer was lost.
        if holder == self.own_name {
            return Step::Write(Expected::Revision(revision));
        }
        match self.seen {
            Some((seen, since)) if seen == revision => {
                let is_over = now.saturating_duration_since(since) >= TAKEN_AFTER;
                if is_over { Step::Write(Expected::Revision(revision)) } else { Step::Nothing }
            }
            _ => {
                self.seen = Some((revision, now));
                Step::Nothing
            }
        }
    }

    /// Records an own write that began at `began`.
    fn written(&mut self, revision: u64, began: Instant) {
        self.held = Some((revision, began));
    }

    /// Records that an own write was refused with a conflict.
    fn refused(&mut self) {
        self.held = None;
    }

    /// Returns the time limit for a call of the store. It ends at the latest when the lease expires.
    fn patience(&self, now: Instant) -> Duration {
        let left = |(_, renewed): (u64, Instant)| (renewed + HOLDS_FOR).saturating_duration_since(now);
        self.held.map_or(HOLDS_FOR, left).max(READ_EVERY / 100)
    }

    fn is_held(&self, now: Instant) -> bool {
        self.held.is_some_and(|(_, renewed)| now.saturating_duration_since(renewed) < HOLDS_FOR)
    }
}

/// Returns the holder that a document names. An unreadable document counts as held by a control plane without a name.
fn holder(document: &Document) -> String {
    serde_json::from_str(&document.value).map(|fact: LeaseFact| fact.holder).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn an_absent_lease_is_taken_and_renewed_until_another_control_plane_takes_it() {
        let start = Instant::now();
        let mut lease = Lease::new("task", "me".to_owned());
        assert_eq!(lease.next(None, start), Step::Write(Expected::Absent));
        assert!(!lease.is_held(start), "not held before the first write");
        lease.written(5, start);
        assert!(lease.is_held(start));
        assert_eq!(lease.next(Some((5, "me")), start + 2 * S), Step::Nothing);
        assert_eq!(lease.next(Some((5, "me")), start + 3 * S), Step::Write(Expected::Revision(5)));
        lease.written(6, start + 3 * S);
        assert_eq!(lease.next(Some((7, "other")), start + 6 * S), Step::Nothing);
        assert!(!lease.is_held(start + 6 * S));
    }

    #[test]
    fn a_holder_stops_before_another_control_plane_takes_over() {
        let start = Instant::now();
        let (mut mine, mut other) =
            (Lease::new("task", "me".to_owned()), Lease::new("task", "other".to_owned()));
        mine.written(5, start);
        assert_eq!(other.next(Some((5, "me")), start), Step::Nothing);
        for ms in (0..20_000).step_by(100) {
            let now = start + Duration::from_millis(ms);
            let taken = other.next(Some((5, "me")), now) == Step::Write(Expected::Revision(5));
            assert_eq!(taken, ms >= 10_000, "{ms} ms");
            assert!(!(taken && mine.is_held(now)), "{ms} ms");
        }
    }

    #[test]
    fn a_renewed_lease_stays_with_its_holder() {
        let start = Instant::now();
        let mut other = Lease::new("task", "other".to_owned());
        for renewals in 0..20 {
            let now = start + renewals * 9 * S;
            assert_eq!(other.next(Some((u64::from(renewals), "me")), now), Step::Nothing);
            assert_eq!(other.next(Some((u64::from(renewals), "me")), now + 8 * S), Step::Nothing);
        }
    }

    #[test]
    fn an_own_write_whose_answer_was_lost_is_recognised() {
        let start = Instant::now();
        let mut lease = Lease::new("task", "me".to_owned());
        lease.written(5, start);
        // The lease was renewed, and the answer was lost.
        assert_eq!(lease.next(Some((6, "me")), start + 4 * S), Step::Write(Expected::Revision(6)));
        assert!(!lease.is_held(start + 4 * S), "not held until the next write");
    }

    #[test]
    fn of_two_concurrent_takers_one_is_refused() {
        let start = Instant::now();
        let mut lease = Lease::new("task", "me".to_owned());
        assert_eq!(lease.next(None, start), Step::Write(Expected::Absent));
        lease.refused();
        assert!(!lease.is_held(start));
        assert_eq!(lease.next(Some((1, "other")), start + S), Step::Nothing);
    }
}
