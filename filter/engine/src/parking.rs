//! What is done with a worker that cannot be reached.
//!
//! Its slots are parked: out of the queue, so that no request meets it. After a back-off one slot is let out,
//! and the request that takes it finds out (the probe). If it is answered, all slots come back; if not, the
//! back-off doubles. Transitions of a worker's [`Reach`]:
//!
//! ```text
//! Active      --unreachable-->          Parked
//! Parked      --back-off over-->        ProbeReady (its slot is in the queue) or Probing (a waiter got it)
//! ProbeReady  --slot taken-->           Probing
//! Probing     --probe unreachable-->    Parked, back-off doubled
//! Probing     --probe abandoned-->      Parked, due again after the first back-off
//! any         --any answer-->           Active
//! ```

use crate::{
    ProbeTerm, ReleaseOutcome,
    worker_table::{Reach, Record},
};

/// The first back-off.
pub const PROBE_FIRST_MS: u64 = 250;
/// The longest back-off.
pub const PROBE_MAX_MS: u64 = 10_000;

/// How long a worker stays parked after so many failures, one after the other: doubling from
/// [`PROBE_FIRST_MS`] to [`PROBE_MAX_MS`].
#[must_use]
pub fn backoff_ms(failures: u16) -> u64 {
    let doublings = u32::from(failures.saturating_sub(1)).min(16);
    (PROBE_FIRST_MS << doublings).min(PROBE_MAX_MS)
}

/// Applies the end of one of the worker's requests, which may have been a probe, to its record. Returns how many parked slots are usable
/// again; they are no longer counted as parked.
pub(crate) fn learn(
    record: &mut Record,
    outcome: ReleaseOutcome,
    probe: Option<ProbeTerm>,
    now_ms: u64,
) -> u32 {
    match (outcome, record.reach) {
        (ReleaseOutcome::Answered, Reach::Active) => {
            record.failures = 0;
            0
        }
        (ReleaseOutcome::Answered, Reach::Parked | Reach::ProbeReady | Reach::Probing) => {
            record.reach = Reach::Active;
            record.failures = 0;
            std::mem::take(&mut record.parked)
        }
        (ReleaseOutcome::Unreachable, Reach::Active) => {
            fail(record, now_ms);
            0
        }
        (ReleaseOutcome::Unreachable, Reach::Probing) if is_current(probe, record) => {
            fail(record, now_ms);
            0
        }
        (ReleaseOutcome::Abandoned, Reach::Probing) if is_current(probe, record) => {
            record.reach = Reach::Parked;
            record.probe_at_ms = now_ms + PROBE_FIRST_MS;
            0
        }
        // Requests that were sent before the worker was parked say nothing new, nor do probes that were
        // overtaken.
        (ReleaseOutcome::Unreachable, Reach::Parked | Reach::ProbeReady | Reach::Probing)
        | (ReleaseOutcome::Abandoned, _) => 0,
    }
}

fn fail(record: &mut Record, now_ms: u64) {
    record.failures = record.failures.saturating_add(1);
    record.reach = Reach::Parked;
    record.probe_at_ms = now_ms + backoff_ms(record.failures);
}

/// Whether a request is the worker's newest probe. An older one, which another request's answer has made
/// superfluous, says nothing new.
fn is_current(probe: Option<ProbeTerm>, record: &Record) -> bool {
    probe.is_some() && probe == record.probe
}

/// The sooner of two times at which a worker is due: `at_ms`, and that of a parked worker with a slot to try
/// it with.
pub(crate) fn sooner(at_ms: u64, record: &Record) -> u64 {
    let due = record.reach == Reach::Parked && record.parked > 0;
    if due { at_ms.min(record.probe_at_ms) } else { at_ms }
}
