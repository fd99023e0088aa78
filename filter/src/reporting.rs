//! Reports to the control plane.
//!
//! One lane of a coordinator reports for all: the lane that holds a short lease in shared data. Another lane takes the lease
//! over when it is not renewed. The lane reports [`CHANGED_EVERY_MS`] after the last report while something changes (later
//! where a report takes long), and [`SILENT_EVERY_MS`] else. Reports go through the cluster that Envoy has for xDS, one at a
//! time.

use std::time::Duration;

use slotway_config::Report;
use slotway_engine::{LaneId, Survey};
use slotway_policy::ReportComposer;

use crate::{
    abi::{LogLevel, MapType},
    error::FilterError,
    host::Host,
    lane_core::LaneCore,
    pools::SlotLevels,
    shared_state::exchange,
};

const LEASE_KEY: &str = "slotway/1/reporter";
/// How long a lane reports without renewing its lease, in milliseconds.
const LEASE_MS: u64 = 1_500;
const CHANGED_EVERY_MS: u64 = 250;
/// The pause after a report, as a multiple of the time it took: reporting takes at most a hundredth of a lane's time.
const PAUSE_TIMES: u64 = 100;
/// The longest pause, in milliseconds, so that the lease lasts until the next report.
const PAUSE_MAX_MS: u64 = LEASE_MS - 500;
const SILENT_EVERY_MS: u64 = 2_000;
/// How often a lane that does not report tries to take the lease, in milliseconds.
const IDLE_EVERY_MS: u64 = 1_000;
/// How long the answer to a report may take.
const TIMEOUT: Duration = Duration::from_secs(2);
const PATH: &str = "/coordinator/report";

/// This lane's turn to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The lane has just become the reporter.
    First,
    /// The lane has been the reporter before.
    Next,
}

/// This lane's part in reporting.
#[derive(Default)]
pub(crate) struct Reporting {
    due_ms: u64,
    is_reporter: bool,
    composer: ReportComposer,
    sent_ms: u64,
    /// The report that is not answered yet.
    call: Option<u32>,
    /// The number of transitions of each pool, as of the last report.
    commits: Vec<u64>,
    /// Requests waited as of the last report, and wait longer now.
    has_waiters: bool,
}

impl Reporting {
    /// Returns when there is something to do.
    pub(crate) fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Returns whether this lane holds the lease, as far as it knows.
    pub(crate) fn is_reporter(&self) -> bool {
        self.is_reporter
    }

    /// Makes a report due, because the control plane waits for the generation in force. The answer to a report that is under
    /// way would have come to the older root context, and is lost.
    pub(crate) fn report_soon(&mut self) {
        if self.call.take().is_some() {
            self.composer.require_full();
        }
        self.due_ms = 0;
        self.sent_ms = 0;
    }

    /// Takes or renews the lease, if it is time to. `None`: it is not this lane's turn to report.
    pub(crate) fn take_turn<H: Host>(&mut self, core: &LaneCore<H>, now_ms: u64) -> Option<Turn> {
        // An older root context may tick until its last stream ends. The answer to a call of it would be lost.
        if self.due_ms > now_ms || core.context != core.root || core.settings.is_none() {
            return None;
        }
        let lane = core.lane()?;
        match take_lease(&core.host, lane, now_ms) {
            Ok(true) => {}
            Ok(false) => {
                self.is_reporter = false;
                self.due_ms = now_ms.saturating_add(IDLE_EVERY_MS);
                return None;
            }
            Err(error) => {
                core.log_error("the reporter's lease cannot be read", &error);
                self.due_ms = now_ms.saturating_add(IDLE_EVERY_MS);
                return None;
            }
        }
        if std::mem::replace(&mut self.is_reporter, true) {
            return Some(Turn::Next);
        }
        self.composer.begin_term(now_ms << 16 | u64::from(lane));
        Some(Turn::First)
    }

    /// Surveys the pools, sets the gauges and sends a report, if there is something to report.
    pub(crate) fn report<H: Host>(&mut self, core: &mut LaneCore<H>, now_ms: u64) {
        self.due_ms = now_ms.saturating_add(CHANGED_EVERY_MS);
        if self.call.is_some() {
            return;
        }
        match self.survey(core) {
            Ok(Some(surveys)) => self.publish(core, &surveys, now_ms),
            Ok(None) => {}
            // A pool that changes faster than it can be surveyed: the next turn tries again.
            Err(FilterError::Contended) => {}
            Err(error) => core.log_error("the pools cannot be surveyed", &error),
        }
        // While a lane surveys a large pool it serves no request.
        let took_ms = core.host.now_ms().saturating_sub(now_ms);
        let pause_ms = took_ms.saturating_mul(PAUSE_TIMES).min(PAUSE_MAX_MS);
        self.due_ms = self.due_ms.max(now_ms.saturating_add(pause_ms));
    }

    /// Surveys every pool; `None` where nothing has changed and the last report is fresh.
    fn survey<H: Host>(&mut self, core: &mut LaneCore<H>) -> Result<Option<Vec<Survey>>, FilterError> {
        let commits =
            core.pools.iter_mut().map(|pool| pool.commit()).collect::<Result<Vec<_>, FilterError>>()?;
        let is_fresh = core.host.now_ms() < self.sent_ms.saturating_add(SILENT_EVERY_MS);
        let is_same = commits == self.commits && !self.has_waiters && !self.composer.is_pending();
        if is_same && is_fresh {
            return Ok(None);
        }
        let surveys =
            core.pools.iter_mut().map(|pool| pool.survey()).collect::<Result<Vec<_>, FilterError>>()?;
        self.commits = commits;
        Ok(Some(surveys))
    }

    fn publish<H: Host>(&mut self, core: &mut LaneCore<H>, surveys: &[Survey], now_ms: u64) {
        self.has_waiters = surveys.iter().any(|survey| survey.waiting > 0);
        for (pool, survey) in core.pools.iter().zip(surveys) {
            pool.set_levels(
                &core.host,
                SlotLevels {
                    free: survey.free,
                    in_flight: survey.in_flight,
                    parked: survey.parked,
                    waiting: survey.waiting,
                },
            );
        }
        let Some(settings) = core.settings.clone() else { return };
        let Some(cluster) = &settings.coordinator.report_cluster else { return };
        let mut draft = self.composer.begin(&settings.coordinator.coordinator);
        for (pool, survey) in core.pools.iter_mut().zip(surveys) {
            draft.add_pool(pool.settings.name.clone(), survey, now_ms, |worker| {
                Some(pool.target(worker, survey.names_epoch).ok()?.url.clone())
            });
        }
        let report = draft.finish();
        self.send(core, cluster, &report, now_ms);
    }

    fn send<H: Host>(&mut self, core: &LaneCore<H>, cluster: &str, report: &Report, now_ms: u64) {
        let Ok(body) = serde_json::to_vec(report) else { return };
        let headers = [
            (":method", "POST"),
            (":path", PATH),
            (":authority", cluster),
            ("content-type", "application/json"),
        ];
        // The root context makes the call, so that it does not end with a stream.
        match core.host.http_call(cluster, &headers, &body, TIMEOUT) {
            Ok(call) => {
                self.call = Some(call);
                self.sent_ms = now_ms;
            }
            Err(error) => {
                self.composer.require_full();
                self.due_ms = now_ms.saturating_add(SILENT_EVERY_MS);
                core.host.log(LogLevel::Debug, &format!("slotway: a report cannot be sent: {error}"));
            }
        }
    }

    /// Handles the answer to a report, or its failure.
    pub(crate) fn on_answer<H: Host>(&mut self, core: &LaneCore<H>, call: u32) {
        if self.call != Some(call) {
            return;
        }
        self.call = None;
        let status = core.host.header(MapType::HttpCallResponseHeaders, ":status");
        if !status.is_some_and(|status| status.starts_with('2')) {
            self.composer.require_full();
        }
    }
}

/// Takes or renews the lease. `false`: another lane holds it.
fn take_lease<H: Host>(host: &H, lane: LaneId, now_ms: u64) -> Result<bool, FilterError> {
    exchange(host, LEASE_KEY, |bytes| {
        if let Some(bytes) = bytes {
            let holder = bytes.first_chunk::<2>().map(|bytes| LaneId::from_le_bytes(*bytes));
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
