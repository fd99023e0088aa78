//! Reports to the control plane.
//!
//! One lane of a coordinator reports for all: the one that holds a short lease in shared data, which another
//! lane takes over when it is not renewed. It reports [`CHANGED_EVERY_MS`] after the last report while
//! something changes (later where reports take long), and [`SILENT_EVERY_MS`] else, through the cluster that
//! Envoy has for xDS anyway, one report at a time, and never in the way of a request.

use std::time::Duration;

use slotway_config::{PoolReport, Report, limits};
use slotway_engine::Survey;

use crate::{
    abi::{LogLevel, MapType},
    error::FilterError,
    host,
    lane::Lane,
    metrics::Levels,
    shared::{self, Step},
    told_workers::ToldWorkers,
};

const LEASE_KEY: &str = "slotway/1/reporter";
/// How long a lane reports without renewing its lease.
const LEASE_MS: u64 = 1_500;
const CHANGED_EVERY_MS: u64 = 250;
/// How many times as long as a report took the next one is put off for, at least: reporting takes a hundredth of a lane's time.
const PAUSE_TIMES: u64 = 100;
/// And for how long at most, so that the lease lasts until then.
const PAUSE_MAX_MS: u64 = LEASE_MS - 500;
const SILENT_EVERY_MS: u64 = 2_000;
/// How often a lane that does not report looks whether it should.
const IDLE_EVERY_MS: u64 = 1_000;
/// How long an answer to a report may take.
const TIMEOUT: Duration = Duration::from_secs(2);
const PATH: &str = "/coordinator/report";

/// This lane's part in reporting.
pub(crate) struct Reporter {
    /// When there is something to do.
    due_ms: u64,
    /// New with each term as the reporter.
    id: u64,
    is_reporter: bool,
    sequence: u64,
    /// The control plane lacks what the next report would build on.
    full_next: bool,
    sent_ms: u64,
    /// The report that is under way.
    call: Option<u32>,
    /// Every pool's commit as of the last report.
    commits: Vec<u64>,
    /// Somebody waited as of the last report, and waits longer now.
    waiting: bool,
    /// What the control plane knows, by pool.
    told: Vec<ToldWorkers>,
    /// The last report was full, and there may be more to tell.
    has_more: bool,
}

impl Reporter {
    pub(crate) fn new() -> Self {
        Self {
            due_ms: 0,
            id: 0,
            is_reporter: false,
            sequence: 0,
            full_next: true,
            sent_ms: 0,
            call: None,
            commits: Vec::new(),
            waiting: false,
            told: Vec::new(),
            has_more: false,
        }
    }

    pub(crate) fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Whether this lane holds the lease, as far as it knows.
    pub(crate) fn is_reporter(&self) -> bool {
        self.is_reporter
    }

    /// A configuration has come into force: the control plane waits to hear of it. An answer that is still to
    /// come would have come to the root context that has made way.
    pub(crate) fn hurry(&mut self) {
        self.full_next |= self.call.take().is_some();
        self.due_ms = 0;
        self.sent_ms = 0;
    }
}

/// Every pool's commit before it was looked at, and what was seen.
type Surveys = (Vec<u64>, Vec<Survey>);

impl Lane {
    /// Reports, if it is this lane's turn and time.
    pub(crate) fn report(&mut self, now_ms: u64) {
        // An older root context may tick until its last stream has ended; what it asks for then, nobody
        // answers.
        if self.reporter.due_ms > now_ms || self.context != self.root {
            return;
        }
        let (Some(settings), Some(enrolment)) = (self.settings.clone(), self.enrolment) else { return };
        match take_lease(enrolment.lane, now_ms) {
            Ok(true) => {}
            Ok(false) => {
                self.reporter.is_reporter = false;
                self.reporter.due_ms = now_ms.saturating_add(IDLE_EVERY_MS);
                return;
            }
            Err(error) => {
                self.complain("the reporter's lease cannot be read", &error);
                self.reporter.due_ms = now_ms.saturating_add(IDLE_EVERY_MS);
                return;
            }
        }
        if !self.reporter.is_reporter {
            self.reporter.is_reporter = true;
            self.hear_of_ends();
            self.reporter.full_next = true;
            self.reporter.id = now_ms << 16 | u64::from(enrolment.lane);
            self.reporter.sequence = 0;
        }
        self.reporter.due_ms = now_ms.saturating_add(CHANGED_EVERY_MS);
        if self.reporter.call.is_some() {
            return;
        }
        match self.survey() {
            Ok(Some((commits, surveys))) => {
                self.reporter.commits = commits;
                self.reporter.waiting = surveys.iter().any(|survey| survey.waiting > 0);
                for (pool, survey) in self.pools.iter().zip(&surveys) {
                    pool.metrics.set_levels(Levels {
                        free: survey.free,
                        in_flight: survey.in_flight,
                        parked: survey.parked,
                        waiting: survey.waiting,
                    });
                }
                if let Some(cluster) = &settings.report_cluster {
                    let report = self.compose(&settings.coordinator, &surveys, now_ms);
                    self.send_report(cluster, &report, now_ms);
                }
            }
            Ok(None) => {}
            // A pool that changes faster than it can be looked at: next time.
            Err(FilterError::Contended) => {}
            Err(error) => self.complain("the pools cannot be looked at", &error),
        }
        // A lane that looks at a large pool serves nobody meanwhile.
        let took_ms = host::now_ms().saturating_sub(now_ms);
        let pause_ms = took_ms.saturating_mul(PAUSE_TIMES).min(PAUSE_MAX_MS);
        self.reporter.due_ms = self.reporter.due_ms.max(now_ms.saturating_add(pause_ms));
    }

    /// Looks at every pool; `None` where nothing has changed and the last report is fresh.
    fn survey(&mut self) -> Result<Option<Surveys>, FilterError> {
        let mut commits = Vec::with_capacity(self.pools.len());
        for pool in &mut self.pools {
            commits.push(pool.shared.look(|pool| Ok(pool.root().commit()))?);
        }
        let fresh = host::now_ms() < self.reporter.sent_ms.saturating_add(SILENT_EVERY_MS);
        let same = commits == self.reporter.commits && !self.reporter.waiting && !self.reporter.has_more;
        if same && fresh && !self.reporter.full_next {
            return Ok(None);
        }
        let mut surveys = Vec::with_capacity(self.pools.len());
        for pool in &mut self.pools {
            surveys.push(pool.shared.look(|pool| pool.survey())?);
            // In a large pool, marks of workers that need no look any more are left behind.
            pool.shared.transact(|pool| {
                Ok(if pool.root().may_rewatch() && pool.rewatch()? {
                    Step::Commit(())
                } else {
                    Step::Leave(())
                })
            })?;
        }
        Ok(Some((commits, surveys)))
    }

    fn compose(&mut self, coordinator: &str, surveys: &[Survey], now_ms: u64) -> Report {
        let full = std::mem::take(&mut self.reporter.full_next);
        if full {
            self.reporter.told.clear();
        }
        self.reporter.sequence = self.reporter.sequence.saturating_add(1);
        let mut room = limits::WORKERS_PER_REPORT_MAX;
        let mut pools = Vec::with_capacity(surveys.len());
        self.reporter.told.resize_with(surveys.len(), ToldWorkers::default);
        for ((pool, told), survey) in self.pools.iter_mut().zip(&mut self.reporter.told).zip(surveys) {
            let name = |worker| Some(pool.target(worker, survey.names_epoch).ok()?.url.clone());
            let workers = told.news(survey, &mut room, name);
            pools.push(PoolReport {
                pool: pool.settings.name.clone(),
                free: survey.free,
                in_flight: survey.in_flight,
                parked: survey.parked,
                waiting: survey.waiting,
                oldest_wait_ms: survey.waiting_since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms)),
                workers,
            });
        }
        self.reporter.has_more = room == 0;
        Report {
            coordinator: coordinator.to_owned(),
            reporter: self.reporter.id,
            sequence: self.reporter.sequence,
            full,
            generation: surveys.iter().map(|survey| survey.generation).min().unwrap_or(0),
            pools,
        }
    }

    fn send_report(&mut self, cluster: &str, report: &Report, now_ms: u64) {
        let Ok(body) = serde_json::to_vec(report) else { return };
        let headers = [
            (":method", "POST"),
            (":path", PATH),
            (":authority", cluster),
            ("content-type", "application/json"),
        ];
        // A root context's call, so that it does not end with a stream.
        match host::http_call(cluster, &headers, &body, TIMEOUT) {
            Ok(call) => {
                self.reporter.call = Some(call);
                self.reporter.sent_ms = now_ms;
            }
            Err(error) => {
                self.reporter.full_next = true;
                self.reporter.due_ms = now_ms.saturating_add(SILENT_EVERY_MS);
                host::log(LogLevel::Debug, &format!("slotway: a report cannot be sent: {error}"));
            }
        }
    }

    /// The control plane has answered a report, or cannot be reached.
    pub(crate) fn on_report_answered(&mut self, call: u32) {
        if self.reporter.call != Some(call) {
            return;
        }
        self.reporter.call = None;
        let status = host::header(MapType::HttpCallResponseHeaders, ":status");
        if !status.is_some_and(|status| status.starts_with('2')) {
            self.reporter.full_next = true;
        }
    }
}

/// Takes or renews the lease; `false` where another lane holds it.
fn take_lease(lane: u16, now_ms: u64) -> Result<bool, FilterError> {
    shared::exchange(LEASE_KEY, |bytes| {
        if let Some(bytes) = bytes {
            let holder = bytes.first_chunk::<2>().map(|bytes| u16::from_le_bytes(*bytes));
            let until_ms = bytes.last_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            if holder != Some(lane) && until_ms > now_ms {
                return Ok((None, false));
            }
        }
        let mut lease = lane.to_le_bytes().to_vec();
        lease.extend_from_slice(&now_ms.saturating_add(LEASE_MS).to_le_bytes());
        Ok((Some(lease), true))
    })
}
