//! The rounds of the control plane that watches: it asks each worker in its own rhythm, and writes down what comes of it.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use slotway_config::{WaitDuration, WorkerUrl};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    ask::Ask,
    census::Census,
    pulse::{Event, Pulse, Rules},
};
use crate::{
    error::Error,
    model::Desired,
    watchdog::heartbeats::Heartbeats,
    workers::{Health, HealthChange, Pools, WatchedWorker, step_duration},
};

/// Most workers that are asked at once. Where all of these are late, others are asked later than their interval says.
const ASKED_AT_ONCE_MAX: usize = 1_024;
/// The first time, workers are asked over at most so long: all of them within their interval, and none too late.
const FIRST_WITHIN: Duration = Duration::from_secs(30);
/// What is found out within so long is written down together.
const WRITE_AFTER: Duration = Duration::from_millis(100);
/// How soon writing is tried again after it has failed.
const WRITE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Those who are watched, and where it is written down what is found out.
pub(super) trait Ward: Send + Sync + 'static {
    /// The workers that are to be asked.
    fn watched(&self) -> Vec<WatchedWorker>;

    /// Those that nobody asks any more, and that are to be let back in.
    fn forsaken(&self) -> Vec<HealthChange>;

    /// Tells of each change of them.
    fn changes(&self) -> watch::Receiver<Arc<Desired>>;

    /// Writes down what was found out.
    fn write(&self, changes: Vec<HealthChange>) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Ward for Pools {
    fn watched(&self) -> Vec<WatchedWorker> {
        Pools::watched(self)
    }

    fn forsaken(&self) -> Vec<HealthChange> {
        self.unwatched()
    }

    fn changes(&self) -> watch::Receiver<Arc<Desired>> {
        self.desired()
    }

    async fn write(&self, changes: Vec<HealthChange>) -> Result<(), Error> {
        Ok(self.set_health(&changes).await?)
    }
}

/// One worker that is watched.
struct Patient {
    watched: WatchedWorker,
    pulse: Pulse,
    /// What shall stand in the store of it.
    wanted: Health,
    /// How it was counted in the census; not before it was asked.
    counted: Option<bool>,
    /// When it is asked next; an older entry of the queue means nothing.
    due: Instant,
    asking: bool,
    /// When its slow start goes on.
    step_due: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Ask,
    Step,
}

/// Watches the workers for as long as it is polled. Dropping it leaves nothing half done.
pub(super) async fn watch<W: Ward, A: Ask>(ward: Arc<W>, ask: Arc<A>, seen: &Heartbeats) {
    let mut changes = ward.changes();
    changes.mark_changed();
    let mut rounds = Rounds::new(ask, seen);
    let mut writing: JoinSet<Result<(), Error>> = JoinSet::new();
    let mut write_at = None;
    loop {
        rounds.ask_those_who_wait();
        if writing.is_empty() && write_at.is_none() && rounds.has_something_to_write() {
            write_at = Some(Instant::now() + WRITE_AFTER);
        }
        let next = rounds.queue.peek().map(|Reverse((at, ..))| *at);
        tokio::select! {
            // The sender lives as long as the ward.
            _ = changes.changed() => {
                rounds.take_over(ward.watched(), ward.forsaken());
            }
            Some(asked) = rounds.asks.join_next(), if !rounds.asks.is_empty() => {
                // A question that panicked is a failure of ours; it is asked again.
                let Ok((worker, outcome)) = asked else { continue };
                rounds.answered(&worker, outcome);
            }
            Some(written) = writing.join_next(), if !writing.is_empty() => {
                match written {
                    Ok(Ok(())) => {
                        write_at = None;
                        rounds.take_over(ward.watched(), ward.forsaken());
                    }
                    Ok(Err(error)) => {
                        tracing::warn!("what the watchdog has found out cannot be written down: {error}");
                        write_at = Some(Instant::now() + WRITE_AGAIN_AFTER);
                    }
                    Err(_) => write_at = Some(Instant::now() + WRITE_AGAIN_AFTER),
                }
            }
            () = at(write_at), if writing.is_empty() && write_at.is_some() => {
                write_at = None;
                let (ward, found_out) = (Arc::clone(&ward), rounds.to_write());
                writing.spawn(async move { ward.write(found_out).await });
            }
            () = at(next), if next.is_some() => rounds.come_due(),
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

struct Rounds<'a, A> {
    ask: Arc<A>,
    seen: &'a Heartbeats,
    patients: HashMap<WorkerUrl, Patient>,
    /// Those that nobody asks any more, and that are to be let back in.
    forsaken: Vec<HealthChange>,
    census: Census,
    queue: BinaryHeap<Reverse<(Instant, What, WorkerUrl)>>,
    /// Those whose turn it was when as many were being asked as may be.
    late: VecDeque<WorkerUrl>,
    asks: JoinSet<(WorkerUrl, Result<(), String>)>,
    /// Those of whom something else shall stand in the store than does.
    unwritten: HashSet<WorkerUrl>,
}

impl<'a, A: Ask> Rounds<'a, A> {
    fn new(ask: Arc<A>, seen: &'a Heartbeats) -> Self {
        Self {
            ask,
            seen,
            patients: HashMap::new(),
            forsaken: Vec::new(),
            census: Census::default(),
            queue: BinaryHeap::new(),
            late: VecDeque::new(),
            asks: JoinSet::new(),
            unwritten: HashSet::new(),
        }
    }

    /// Takes over who is to be watched, and what is known of them.
    fn take_over(&mut self, watched: Vec<WatchedWorker>, forsaken: Vec<HealthChange>) {
        let now = Instant::now();
        let mut gone: HashSet<WorkerUrl> = self.patients.keys().cloned().collect();
        for watched in watched {
            let url = watched.worker.worker.clone();
            gone.remove(&url);
            match self.patients.get_mut(&url) {
                Some(patient) if patient.watched == watched => {}
                Some(_) => self.changed(&url, watched, now),
                None => self.admit(url, watched, now),
            }
        }
        for url in gone {
            if let Some(patient) = self.patients.remove(&url) {
                self.count(&patient.watched, patient.counted, None);
            }
            self.unwritten.remove(&url);
            self.seen.forget(&url);
        }
        self.forsaken = forsaken;
    }

    fn admit(&mut self, url: WorkerUrl, watched: WatchedWorker, now: Instant) {
        let pulse = match watched.health {
            Health::Up => Pulse::Up,
            Health::Down { .. } => Pulse::Down,
            Health::Starting { step, .. } => Pulse::Starting { step, failures: 0 },
        };
        let within = watched.heartbeat.interval().as_duration().min(FIRST_WITHIN);
        let due = now + within.mul_f64(place_in_round(&url));
        let wanted = watched.health.clone();
        let patient = Patient { watched, pulse, wanted, counted: None, due, asking: false, step_due: None };
        self.queue.push(Reverse((due, What::Ask, url.clone())));
        self.patients.insert(url.clone(), patient);
        self.arm_step(&url, now);
    }

    fn changed(&mut self, url: &WorkerUrl, watched: WatchedWorker, now: Instant) {
        let Some(patient) = self.patients.get_mut(url) else { return };
        let before = std::mem::replace(&mut patient.watched, watched);
        let counted = patient.counted;
        if before.heartbeat != patient.watched.heartbeat {
            // What it failed to answer was another question.
            if let Pulse::Failing(_) = patient.pulse {
                patient.pulse = Pulse::Up;
            }
            self.seen.forget(url);
            patient.due = now;
            self.queue.push(Reverse((now, What::Ask, url.clone())));
        }
        if before.pool != patient.watched.pool {
            let pool = patient.watched.pool.clone();
            if let Some(fails) = counted {
                self.census.remove(&before.pool, url, fails);
                self.census.add(&pool, url, fails);
            }
        }
        self.note_unwritten(url);
        self.arm_step(url, now);
    }

    /// Looks whose turn it is.
    fn come_due(&mut self) {
        let now = Instant::now();
        while self.queue.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((at, what, url))) = self.queue.pop() else { return };
            let Some(patient) = self.patients.get_mut(&url) else { continue };
            match what {
                What::Ask if patient.due == at && !patient.asking => {
                    patient.asking = true;
                    self.late.push_back(url);
                }
                What::Step if patient.step_due == Some(at) => {
                    patient.step_due = None;
                    self.happened(&url, Event::StepDue, None);
                    self.arm_step(&url, now);
                }
                What::Ask | What::Step => {}
            }
        }
    }

    /// Asks those whose turn it is, as many as may be asked at once.
    fn ask_those_who_wait(&mut self) {
        while self.asks.len() < ASKED_AT_ONCE_MAX {
            let Some(url) = self.late.pop_front() else { return };
            let Some(patient) = self.patients.get_mut(&url) else { continue };
            // In its rhythm, whatever the timer's grain; where it is late by a whole interval, in a new one.
            let (now, interval) = (Instant::now(), patient.watched.heartbeat.interval().as_duration());
            let next = patient.due + interval;
            patient.due = if next > now { next } else { now + interval };
            let (ask, watched) = (Arc::clone(&self.ask), patient.watched.clone());
            self.asks.spawn(async move {
                let outcome = ask.ask(&watched).await;
                (url, outcome)
            });
        }
    }

    fn answered(&mut self, url: &WorkerUrl, outcome: Result<(), String>) {
        let Some(patient) = self.patients.get_mut(url).filter(|patient| patient.asking) else { return };
        patient.asking = false;
        self.queue.push(Reverse((patient.due, What::Ask, url.clone())));
        let event = if outcome.is_ok() { Event::Answered } else { Event::Failed };
        self.happened(url, event, outcome.err());
        self.arm_step(url, Instant::now());
    }

    /// Something has happened to a worker.
    fn happened(&mut self, url: &WorkerUrl, event: Event, error: Option<String>) {
        let Some(mut patient) = self.patients.remove(url) else { return };
        if event != Event::StepDue {
            // Counted before it is judged: this failure is one of those that speak for a cut.
            let fails = event == Event::Failed;
            self.count(&patient.watched, patient.counted, Some(fails));
            patient.counted = Some(fails);
        }
        let cut_off = self.census.is_cut_off(&patient.watched.pool);
        let rules = Rules {
            threshold: patient.watched.heartbeat.threshold(),
            capacity: patient.watched.worker.capacity,
            slow_start: patient.watched.slow_start.is_some_and(|over| over.as_ms() > 0),
            may_go_down: !cut_off,
        };
        let before = patient.pulse;
        patient.pulse = before.after(event, &rules);
        match (before, patient.pulse) {
            (Pulse::Down, Pulse::Down) => {}
            (_, Pulse::Down) => {
                let reason = error.as_deref().unwrap_or_default();
                let failures = before.failures().saturating_add(1);
                let reason = format!("its heartbeat has failed {failures} times, lastly: {reason}");
                tracing::warn!("worker {url} is taken out: {reason}");
                patient.wanted = Health::down(now_unix_ms(), &reason);
            }
            (Pulse::Down, Pulse::Starting { step, .. }) => {
                tracing::info!("worker {url} answers again, and its capacity comes back step by step");
                patient.wanted = Health::Starting { since_ms: now_unix_ms(), step };
            }
            (_, Pulse::Starting { step, .. }) => {
                if let Health::Starting { step: wanted, .. } = &mut patient.wanted {
                    *wanted = step;
                }
            }
            (_, Pulse::Up | Pulse::Failing(_)) => {
                if !patient.wanted.is_up() {
                    tracing::info!("worker {url} has its whole capacity again");
                }
                patient.wanted = Health::Up;
            }
        }
        if event != Event::StepDue {
            let kept = cut_off && patient.pulse.failures() >= rules.threshold;
            self.seen.note(&patient.watched, error, kept);
        }
        self.patients.insert(url.clone(), patient);
        self.note_unwritten(url);
    }

    /// Sets the time of the next step of a slow start, where there is one and it is not set.
    fn arm_step(&mut self, url: &WorkerUrl, now: Instant) {
        let Some(patient) = self.patients.get_mut(url) else { return };
        if !matches!(patient.pulse, Pulse::Starting { .. }) {
            patient.step_due = None;
        } else if patient.step_due.is_none() {
            let over = patient.watched.slow_start.unwrap_or(WaitDuration::ZERO);
            let due = now + step_duration(over, patient.watched.worker.capacity);
            patient.step_due = Some(due);
            self.queue.push(Reverse((due, What::Step, url.clone())));
        }
    }

    fn count(&mut self, watched: &WatchedWorker, before: Option<bool>, now: Option<bool>) {
        let (pool, url) = (&watched.pool, &watched.worker.worker);
        if let Some(fails) = before {
            self.census.remove(pool, url, fails);
        }
        if let Some(fails) = now {
            self.census.add(pool, url, fails);
        }
    }

    fn note_unwritten(&mut self, url: &WorkerUrl) {
        let differs = self.patients.get(url).is_some_and(|patient| patient.wanted != patient.watched.health);
        if differs {
            self.unwritten.insert(url.clone());
        } else {
            self.unwritten.remove(url);
        }
    }

    fn has_something_to_write(&self) -> bool {
        !self.unwritten.is_empty() || !self.forsaken.is_empty()
    }

    /// What is to be written down. It stays so until it stands in what is taken over.
    fn to_write(&self) -> Vec<HealthChange> {
        let patients = self.unwritten.iter().filter_map(|url| self.patients.get(url));
        let found_out = patients.map(|patient| HealthChange {
            worker: patient.watched.worker.worker.clone(),
            seen: patient.watched.health.clone(),
            health: patient.wanted.clone(),
        });
        found_out.chain(self.forsaken.iter().cloned()).collect()
    }
}

/// Where in a round a worker's turn comes, from 0 to 1: always the same, and different ones for different workers, so that they are not asked
/// all at once. FNV-1a.
fn place_in_round(url: &WorkerUrl) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in url.as_str().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // The upper bits of the last bytes are mixed best once they are folded.
    f64::from(u16::try_from((hash ^ (hash >> 32)) & 0xffff).unwrap_or_default()) / 65_536.0
}

fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "rounds_tests.rs"]
mod tests;
