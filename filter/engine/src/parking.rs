//! Workers that cannot be reached.
//!
//! The slots of such a worker are *parked*: out of the queue, so that no request goes to it. After a backoff one slot is given
//! out, and the request that takes it is the *probe*. If the probe is answered, all slots come back; if not, the backoff
//! doubles. Transitions of a worker's [`Reach`]:
//!
//! ```text
//! Active      --unreachable-->          Parked
//! Parked      --backoff over-->        ProbeReady (its slot is in the queue) or Probing (a waiter got it)
//! ProbeReady  --slot taken-->           Probing
//! Probing     --probe unreachable-->    Parked, backoff doubled
//! Probing     --probe abandoned-->      Parked, due again after the first backoff
//! any         --any answer-->           Active
//! ```

use crate::{
    ProbeTerm, ReleaseOutcome,
    worker_table::{Reach, Record},
};

/// The first backoff, in milliseconds.
pub const PROBE_FIRST_MS: u64 = 250;
/// The longest backoff, in milliseconds.
pub const PROBE_MAX_MS: u64 = 10_000;

/// Returns how long a worker stays parked after this number of consecutive failures: it doubles from [`PROBE_FIRST_MS`] to
/// [`PROBE_MAX_MS`].
#[must_use]
pub fn backoff_ms(failures: u16) -> u64 {
    let doublings = u32::from(failures.saturating_sub(1)).min(16);
    (PROBE_FIRST_MS << doublings).min(PROBE_MAX_MS)
}

/// Applies the end of one of the worker's requests, which may be a probe, to its record. Returns the number of parked slots that
/// are usable again; the record does not count them as parked any more.
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
        // A request that was sent before the worker was parked says nothing new, nor does an older probe.
        (ReleaseOutcome::Unreachable, Reach::Parked | Reach::ProbeReady | Reach::Probing)
        | (ReleaseOutcome::Abandoned, _) => 0,
    }
}

fn fail(record: &mut Record, now_ms: u64) {
    record.failures = record.failures.saturating_add(1);
    record.reach = Reach::Parked;
    record.probe_at_ms = now_ms + backoff_ms(record.failures);
}

/// Returns whether a request is the worker's newest probe. An older probe, which the answer to another request has ended, says
/// nothing new.
fn is_current(probe: Option<ProbeTerm>, record: &Record) -> bool {
    probe.is_some() && probe == record.probe
}

/// Returns the earlier of `at_ms` and the time at which this worker is due for a probe: that needs a parked slot.
pub(crate) fn sooner(at_ms: u64, record: &Record) -> u64 {
    let due = record.reach == Reach::Parked && record.parked > 0;
    if due { at_ms.min(record.probe_at_ms) } else { at_ms }
}
