//! Schedules the probes, each worker at its own interval, and stores the results.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use slotway_config::WorkerUrl;
use slotway_runtime::Clock;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    Finding, HeartbeatOutcomes, ProbeTarget, ProbeTargets, TargetHealth,
    failure_counts::FailureCounts,
    heartbeat_state::{HeartbeatEvent, HeartbeatRules, HeartbeatState},
    probe::Prober,
};

/// The maximum number of concurrent probes. If all of them are late, other workers are probed later than their interval
/// says.
const PROBES_MAX: usize = 1_024;
/// The maximum time over which the first probes are spread, so that no worker is probed late.
const FIRST_WITHIN: Duration = Duration::from_secs(30);
/// How long results are collected before they are stored together.
const STORE_AFTER: Duration = Duration::from_millis(100);
/// The delay before results are stored again after a failure.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// One worker that is probed.
struct Tracked {
    target: ProbeTarget,
    state: HeartbeatState,
    /// The health that the store has to have.
    wanted: TargetHealth,
    /// Whether it is counted as failing; none before its first probe.
    counted: Option<bool>,
    /// The time of its next probe; older entries of the queue are void.
    due: Instant,
    is_probed: bool,
    /// When the next step of its slow start is due.
    step_due: Option<Instant>,
}

/// The purpose of a timer.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Probe,
    Step,
}

/// Probes the targets for as long as it is polled. It can be dropped at any time.
pub(crate) async fn run<T: ProbeTargets, P: Prober>(
    targets: Arc<T>,
    prober: Arc<P>,
    outcomes: &HeartbeatOutcomes,
    clock: Clock,
) {
    let mut changes = targets.changes();
    changes.mark_changed();
    let mut probing = Probing::new(prober, outcomes, clock);
    let mut storing: JoinSet<Result<(), T::Error>> = JoinSet::new();
    let mut store_at = None;
    loop {
        probing.send_due_probes(|worker| targets.is_occupied(worker));
        if storing.is_empty() && store_at.is_none() && probing.has_findings() {
            store_at = Some(Instant::now() + STORE_AFTER);
        }
        let next = probing.timers.peek().map(|Reverse((at, ..))| *at);
        tokio::select! {
            // The sender lives as long as the targets.
            _ = changes.changed() => {
                probing.take_over(targets.targets(), targets.unprobed());
            }
            Some(probed) = probing.probes.join_next(), if !probing.probes.is_empty() => {
                // A probe that panicked is a bug of the watchdog; the worker is probed again.
                let Ok((worker, outcome)) = probed else { continue };
                probing.probed(&worker, outcome);
            }
            Some(stored) = storing.join_next(), if !storing.is_empty() => {
                match stored {
                    Ok(Ok(())) => {
                        store_at = None;
                        probing.take_over(targets.targets(), targets.unprobed());
                    }
                    Ok(Err(error)) => {
                        tracing::warn!("findings of the watchdog cannot be stored: {error}");
                        store_at = Some(Instant::now() + STORE_AGAIN_AFTER);
                    }
                    Err(_) => store_at = Some(Instant::now() + STORE_AGAIN_AFTER),
                }
            }
            () = at(store_at), if storing.is_empty() && store_at.is_some() => {
                store_at = None;
                let (targets, findings) = (Arc::clone(&targets), probing.findings());
                storing.spawn(async move { targets.store(findings).await });
            }
            () = at(next), if next.is_some() => probing.fire_timers(),
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

struct Probing<'a, P> {
    prober: Arc<P>,
    outcomes: &'a HeartbeatOutcomes,
    clock: Clock,
    workers: HashMap<WorkerUrl, Tracked>,
    /// Results for workers that are no longer probed.
    unprobed: Vec<Finding>,
    counts: FailureCounts,
    timers: BinaryHeap<Reverse<(Instant, Timer, WorkerUrl)>>,
    /// Workers that were due while the maximum number of probes was running.
    waiting: VecDeque<WorkerUrl>,
    probes: JoinSet<(WorkerUrl, Result<(), String>)>,
    /// Workers whose stored health differs from the wanted one.
    unstored: HashSet<WorkerUrl>,
}

impl<'a, P: Prober> Probing<'a, P> {
    fn new(prober: Arc<P>, outcomes: &'a HeartbeatOutcomes, clock: Clock) -> Self {
        Self {
            prober,
            outcomes,
            clock,
            workers: HashMap::new(),
            unprobed: Vec::new(),
            counts: FailureCounts::default(),
            timers: BinaryHeap::new(),
            waiting: VecDeque::new(),
            probes: JoinSet::new(),
            unstored: HashSet::new(),
        }
    }

    /// Applies the list of workers to probe, and their stored health.
    fn take_over(&mut self, targets: Vec<ProbeTarget>, unprobed: Vec<Finding>) {
        let now = Instant::now();
        let mut gone: HashSet<WorkerUrl> = self.workers.keys().cloned().collect();
        for target in targets {
            let url = target.worker.clone();
            gone.remove(&url);
            match self.workers.get_mut(&url) {
                Some(tracked) if tracked.target == target => {}
                Some(_) => self.change(&url, target, now),
                None => self.add(url, target, now),
            }
        }
        for url in gone {
            if let Some(tracked) = self.workers.remove(&url) {
                self.count(&tracked.target, tracked.counted, None);
            }
            self.unstored.remove(&url);
            self.outcomes.forget(&url);
        }
        self.unprobed = unprobed;
    }

    fn add(&mut self, url: WorkerUrl, target: ProbeTarget, now: Instant) {
        let state = match target.health {
            TargetHealth::Up => HeartbeatState::Up,
            TargetHealth::Down { .. } => HeartbeatState::Down,
            TargetHealth::Starting { step, .. } => HeartbeatState::Starting { step, failures: 0 },
        };
        let due = now + target.probe.interval.min(FIRST_WITHIN).mul_f64(phase(&url));
        let wanted = target.health.clone();
        let tracked = Tracked { target, state, wanted, counted: None, due, is_probed: false, step_due: None };
        self.timers.push(Reverse((due, Timer::Probe, url.clone())));
        self.workers.insert(url.clone(), tracked);
        self.arm_step(&url, now);
    }

    fn change(&mut self, url: &WorkerUrl, target: ProbeTarget, now: Instant) {
        let Some(tracked) = self.workers.get_mut(url) else { return };
        let before = std::mem::replace(&mut tracked.target, target);
        let counted = tracked.counted;
        if before.probe != tracked.target.probe {
            // Failures to answer a different request do not count.
            if let HeartbeatState::Failing(_) = tracked.state {
                tracked.state = HeartbeatState::Up;
            }
            self.outcomes.forget(url);
            tracked.due = now;
            self.timers.push(Reverse((now, Timer::Probe, url.clone())));
        }
        if before.pool != tracked.target.pool {
            let pool = tracked.target.pool.clone();
            if let Some(fails) = counted {
                self.counts.remove(&before.pool, url, fails);
                self.counts.add(&pool, url, fails);
            }
        }
        self.note_unstored(url);
        self.arm_step(url, now);
    }

    /// Handles timers that are due.
    fn fire_timers(&mut self) {
        let now = Instant::now();
        while self.timers.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
            let Some(Reverse((at, timer, url))) = self.timers.pop() else { return };
            let Some(tracked) = self.workers.get_mut(&url) else { continue };
            match timer {
                Timer::Probe if tracked.due == at && !tracked.is_probed => {
                    tracked.is_probed = true;
                    self.waiting.push_back(url);
                }
                Timer::Step if tracked.step_due == Some(at) => {
                    tracked.step_due = None;
                    self.happened(&url, HeartbeatEvent::StepDue, None);
                    self.arm_step(&url, now);
                }
                Timer::Probe | Timer::Step => {}
            }
        }
    }

    /// Sends probes that are due, up to the maximum of concurrent probes. Skips a worker with a limit of connections while
    /// `is_occupied` says that all its slots are out, unless it is down.
    fn send_due_probes(&mut self, is_occupied: impl Fn(&WorkerUrl) -> bool) {
        while self.probes.len() < PROBES_MAX {
            let Some(url) = self.waiting.pop_front() else { return };
            let Some(tracked) = self.workers.get_mut(&url) else { continue };
            // The interval counts from when the probe was due, or from now if the probe is late by a whole interval.
            let (now, interval) = (Instant::now(), tracked.target.probe.interval);
            let next = tracked.due + interval;
            tracked.due = if next > now { next } else { now + interval };
            let is_down = tracked.state == HeartbeatState::Down;
            if tracked.target.has_connection_limit && !is_down && is_occupied(&url) {
                tracked.is_probed = false;
                self.timers.push(Reverse((tracked.due, Timer::Probe, url)));
                continue;
            }
            let (prober, target) = (Arc::clone(&self.prober), tracked.target.clone());
            self.probes.spawn(async move {
                let outcome = prober.probe(&target).await;
                (url, outcome)
            });
        }
    }

    fn probed(&mut self, url: &WorkerUrl, outcome: Result<(), String>) {
        let Some(tracked) = self.workers.get_mut(url).filter(|tracked| tracked.is_probed) else { return };
        tracked.is_probed = false;
        self.timers.push(Reverse((tracked.due, Timer::Probe, url.clone())));
        let event = if outcome.is_ok() { HeartbeatEvent::Answered } else { HeartbeatEvent::Failed };
        self.happened(url, event, outcome.err());
        self.arm_step(url, Instant::now());
    }

    /// Handles an event of a worker.
    fn happened(&mut self, url: &WorkerUrl, event: HeartbeatEvent, error: Option<String>) {
        let Some(mut tracked) = self.workers.remove(url) else { return };
        if event != HeartbeatEvent::StepDue {
            // The failure is counted before it is judged, because it may be one of a failed network.
            let fails = event == HeartbeatEvent::Failed;
            self.count(&tracked.target, tracked.counted, Some(fails));
            tracked.counted = Some(fails);
        }
        let is_cut_off = self.counts.is_cut_off(&tracked.target.pool);
        let rules = HeartbeatRules {
            threshold: tracked.target.probe.threshold,
            last_step: tracked.target.slow_start.map(|slow_start| slow_start.last_step),
            may_go_down: !is_cut_off,
        };
        let before = tracked.state;
        tracked.state = before.after(event, &rules);
        let now = self.clock.now();
        tracked.want(url, before, error.as_deref(), u64::try_from(now.unix_ms()).unwrap_or_default());
        if event != HeartbeatEvent::StepDue {
            let is_kept = is_cut_off && tracked.state.failures() >= rules.threshold;
            self.outcomes.record(&tracked.target, now, error, is_kept);
        }
        self.workers.insert(url.clone(), tracked);
        self.note_unstored(url);
    }

    /// Sets the timer of the next step of a slow start, if there is one and the timer is not set.
    fn arm_step(&mut self, url: &WorkerUrl, now: Instant) {
        let Some(tracked) = self.workers.get_mut(url) else { return };
        if !matches!(tracked.state, HeartbeatState::Starting { .. }) {
            tracked.step_due = None;
        } else if tracked.step_due.is_none() {
            let duration = tracked.target.slow_start.map_or(Duration::ZERO, |start| start.step_duration);
            let due = now + duration;
            tracked.step_due = Some(due);
            self.timers.push(Reverse((due, Timer::Step, url.clone())));
        }
    }

    fn count(&mut self, target: &ProbeTarget, before: Option<bool>, now: Option<bool>) {
        if let Some(fails) = before {
            self.counts.remove(&target.pool, &target.worker, fails);
        }
        if let Some(fails) = now {
            self.counts.add(&target.pool, &target.worker, fails);
        }
    }

    fn note_unstored(&mut self, url: &WorkerUrl) {
        let differs = self.workers.get(url).is_some_and(|tracked| tracked.wanted != tracked.target.health);
        if differs {
            self.unstored.insert(url.clone());
        } else {
            self.unstored.remove(url);
        }
    }

    fn has_findings(&self) -> bool {
        !self.unstored.is_empty() || !self.unprobed.is_empty()
    }

    /// Returns the results to store. They remain until the targets have stored them.
    fn findings(&self) -> Vec<Finding> {
        let workers = self.unstored.iter().filter_map(|url| self.workers.get(url));
        let found = workers.map(|tracked| Finding {
            worker: tracked.target.worker.clone(),
            seen: tracked.target.health.clone(),
            found: tracked.wanted.clone(),
        });
        found.chain(self.unprobed.iter().cloned()).collect()
    }
}

impl Tracked {
    /// Sets the health that the store has to have after a change of the state.
    fn want(&mut self, url: &WorkerUrl, before: HeartbeatState, error: Option<&str>, now_ms: u64) {
        match (before, self.state) {
            (HeartbeatState::Down, HeartbeatState::Down) => {}
            (_, HeartbeatState::Down) => {
                let failures = before.failures().saturating_add(1);
                let error = error.unwrap_or_default();
                let reason = format!("its heartbeat has failed {failures} times, lastly: {error}");
                tracing::warn!("worker {url} is taken out: {reason}");
                self.wanted = TargetHealth::down(now_ms, &reason);
            }
            (HeartbeatState::Down, HeartbeatState::Starting { step, .. }) => {
                tracing::info!("worker {url} answers again, and its capacity comes back step by step");
                self.wanted = TargetHealth::Starting { since_ms: now_ms, step };
            }
            (_, HeartbeatState::Starting { step, .. }) => {
                if let TargetHealth::Starting { step: wanted, .. } = &mut self.wanted {
                    *wanted = step;
                }
            }
            (_, HeartbeatState::Up | HeartbeatState::Failing(_)) => {
                if self.wanted != TargetHealth::Up {
                    tracing::info!("worker {url} has its whole capacity again");
                }
                self.wanted = TargetHealth::Up;
            }
        }
    }
}

/// Returns the position of a worker's probe in the interval, from 0 to 1. It is constant for one worker and differs
/// between workers, so that they are not all probed at once. FNV-1a.
fn phase(url: &WorkerUrl) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in url.as_str().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // The upper bits of the last bytes are mixed best once they are folded.
    f64::from(u16::try_from((hash ^ (hash >> 32)) & 0xffff).unwrap_or_default()) / 65_536.0
}

#[cfg(test)]
#[path = "probing_tests.rs"]
mod tests;
