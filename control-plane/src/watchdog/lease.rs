//! Of several control planes on one store, the one that watches the workers.
//!
//! It holds a lease: a document that it writes anew again and again. Nobody compares clocks: another one takes over when the document has not
//! changed for as long as a lease lasts by its own clock, and the holder stops before that by its own. So at no moment do two
//! believe that they hold it, as long as their clocks run about equally fast.

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::store::{Document, Expected, Kind, Store, StoreError, Who};

/// The fact in the store that tells the holder.
const KEY: &str = "watchdog";
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the holder writes it anew.
const RENEW_AFTER: Duration = Duration::from_secs(3);
/// A holder that has not managed to for so long holds it no longer.
const HOLDS_FOR: Duration = Duration::from_secs(7);
/// How long giving it up may take.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(1);
/// Others take over what has not been written for so long.
pub(super) const TAKEN_AFTER: Duration = Duration::from_secs(10);

/// What stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Fact {
    /// The holder: a random name, new with each start.
    holder: String,
}

/// What one control plane knows of the lease: a plain value without clock and without I/O.
#[derive(Debug)]
struct Lease {
    me: String,
    /// The revision that was last seen, and since when.
    seen: Option<(u64, Instant)>,
    /// The revision that we have written, and when we began to.
    held: Option<(u64, Instant)>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    /// To write it, on what is expected there.
    Write(Expected),
}

impl Lease {
    fn new(me: String) -> Self {
        Self { me, seen: None, held: None }
    }

    /// What is to be done where this stands in the store.
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
            // Somebody else has written it.
            Some(_) => self.held = None,
            None => {}
        }
        // Our own word, of which we did not hear whether it arrived.
        if holder == self.me {
            return Step::Write(Expected::Revision(revision));
        }
        match self.seen {
            Some((seen, since)) if seen == revision => {
                let over = now.saturating_duration_since(since) >= TAKEN_AFTER;
                if over { Step::Write(Expected::Revision(revision)) } else { Step::Nothing }
            }
            _ => {
                self.seen = Some((revision, now));
                Step::Nothing
            }
        }
    }

    /// We have written it, having begun then.
    fn written(&mut self, revision: u64, began: Instant) {
        self.held = Some((revision, began));
    }

    /// Somebody else was faster.
    fn refused(&mut self) {
        self.held = None;
    }

    /// How long the store may take: not beyond the moment at which what is held is held no longer.
    fn patience(&self, now: Instant) -> Duration {
        let left = |(_, renewed): (u64, Instant)| (renewed + HOLDS_FOR).saturating_duration_since(now);
        self.held.map_or(HOLDS_FOR, left).max(LOOK_EVERY / 100)
    }

    fn is_held(&self, now: Instant) -> bool {
        self.held.is_some_and(|(_, renewed)| now.saturating_duration_since(renewed) < HOLDS_FOR)
    }
}

/// Holds the lease as soon and as long as it can, and tells whether it does, until `ending`; then it gives it up.
pub(super) async fn hold(
    store: &dyn Store,
    me: String,
    holds: &watch::Sender<bool>,
    ending: impl Future<Output = ()>,
) {
    let mut lease = Lease::new(me);
    tokio::select! {
        () = keep(store, &mut lease, holds) => {}
        () = ending => {}
    }
    holds.send_replace(false);
    if let Some((revision, _)) = lease.held {
        let given_up = store.delete(Who::SYSTEM, Kind::FACT, KEY, Expected::Revision(revision));
        // Where that fails, the others take it over a few seconds later.
        let _ = tokio::time::timeout(GIVEN_UP_WITHIN, given_up).await;
    }
}

async fn keep(store: &dyn Store, lease: &mut Lease, holds: &watch::Sender<bool>) {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // The store has bounds of its own on how long it takes, and they may be longer than ours.
        let patience = lease.patience(Instant::now());
        if let Ok(Err(error)) = tokio::time::timeout(patience, look(store, lease)).await {
            tracing::debug!("who watches the workers cannot be looked up or written: {error}");
        }
        let held = lease.is_held(Instant::now());
        holds.send_if_modified(|holds| std::mem::replace(holds, held) != held);
    }
}

async fn look(store: &dyn Store, lease: &mut Lease) -> Result<(), StoreError> {
    let found = store.get(Kind::FACT, KEY).await?;
    let began = Instant::now();
    let holder = found.as_ref().map(holder);
    let found = found.as_ref().zip(holder.as_deref()).map(|(found, holder)| (found.revision, holder));
    let Step::Write(expected) = lease.next(found, began) else { return Ok(()) };
    let fact = serde_json::to_string(&Fact { holder: lease.me.clone() }).unwrap_or_default();
    match store.put(Who::SYSTEM, Kind::FACT, KEY, &fact, expected).await {
        Ok(revision) => lease.written(revision, began),
        Err(StoreError::Conflict { .. }) => lease.refused(),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// What cannot be read has a holder that is nobody.
fn holder(document: &Document) -> String {
    serde_json::from_str(&document.value).map(|fact: Fact| fact.holder).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn whoever_finds_none_takes_it_and_renews_it_until_somebody_else_has() {
        let start = Instant::now();
        let mut lease = Lease::new("me".to_owned());
        assert_eq!(lease.next(None, start), Step::Write(Expected::Absent));
        assert!(!lease.is_held(start), "it has not been written");
        lease.written(5, start);
        assert!(lease.is_held(start));
        assert_eq!(lease.next(Some((5, "me")), start + 2 * S), Step::Nothing);
        assert_eq!(lease.next(Some((5, "me")), start + 3 * S), Step::Write(Expected::Revision(5)));
        lease.written(6, start + 3 * S);
        assert_eq!(lease.next(Some((7, "other")), start + 6 * S), Step::Nothing);
        assert!(!lease.is_held(start + 6 * S));
    }

    #[test]
    fn a_holder_stops_before_others_take_over() {
        let start = Instant::now();
        let (mut mine, mut other) = (Lease::new("me".to_owned()), Lease::new("other".to_owned()));
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
    fn one_that_is_renewed_is_left_to_its_holder() {
        let start = Instant::now();
        let mut other = Lease::new("other".to_owned());
        for renewals in 0..20 {
            let now = start + renewals * 9 * S;
            assert_eq!(other.next(Some((u64::from(renewals), "me")), now), Step::Nothing);
            assert_eq!(other.next(Some((u64::from(renewals), "me")), now + 8 * S), Step::Nothing);
        }
    }

    #[test]
    fn a_word_of_which_it_was_not_heard_whether_it_arrived_is_ones_own() {
        let start = Instant::now();
        let mut lease = Lease::new("me".to_owned());
        lease.written(5, start);
        // It was renewed, and the answer was lost.
        assert_eq!(lease.next(Some((6, "me")), start + 4 * S), Step::Write(Expected::Revision(6)));
        assert!(!lease.is_held(start + 4 * S), "until it is written again");
    }

    #[test]
    fn of_two_that_take_it_at_once_one_is_refused() {
        let start = Instant::now();
        let mut lease = Lease::new("me".to_owned());
        assert_eq!(lease.next(None, start), Step::Write(Expected::Absent));
        lease.refused();
        assert!(!lease.is_held(start));
        assert_eq!(lease.next(Some((1, "other")), start + S), Step::Nothing);
    }
}
