//! The plan of a seed: which kinds of faults its run has, and how many of each. Runs differ much: some have one kind, some
//! all, some none.

use slotway_config::Connections;

use crate::{
    host::{HostCall, HostOptions},
    sim::dice::Dice,
};

/// Which workers of a pool have connections for many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    None,
    EverySecond,
    All,
}

impl Reuse {
    /// Returns how many requests a connection of the pool's worker with this number serves.
    pub(crate) fn connections(self, number: usize) -> Connections {
        match self {
            Self::All => Connections::Reuse,
            Self::EverySecond if number % 2 == 1 => Connections::Reuse,
            Self::EverySecond | Self::None => Connections::PerRequest,
        }
    }
}

/// A pool at the beginning of a run.
#[derive(Debug, Clone)]
pub(crate) struct PoolPlan {
    pub(crate) capacities: Vec<u32>,
    pub(crate) wait_ms: u64,
    pub(crate) waiting_max: u32,
    /// How long a slot is held after its request was abandoned.
    pub(crate) hold_ms: u64,
    pub(crate) answer_timeout_ms: u64,
    pub(crate) reuse: Reuse,
}

/// The choices for the whole run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) lanes: usize,
    pub(crate) requests: u64,
    pub(crate) span_ms: u64,
    pub(crate) pools: Vec<PoolPlan>,
    pub(crate) lane_lease_ms: u64,
    pub(crate) options: HostOptions,
    pub(crate) reports: bool,
    pub(crate) debug_headers: bool,
    pub(crate) access_log_fields: bool,
    /// Requests come in bursts, all at once.
    pub(crate) bursts: bool,
    /// Most requests come to lane 0.
    pub(crate) lopsided: bool,

    pub(crate) switch_per_mille: u64,
    pub(crate) begin_per_mille: u64,
    pub(crate) drift_per_mille: u64,
    pub(crate) drift_us: u64,
    /// How late a lane may be that is not stalled.
    pub(crate) lateness_ms: u64,

    pub(crate) leave_per_mille: u64,
    pub(crate) patience_ms: u64,
    pub(crate) body_per_mille: u64,
    pub(crate) slow_reader_per_mille: u64,
    pub(crate) asks_per_mille: u64,
    pub(crate) odd_path_per_mille: u64,

    pub(crate) service_ms: u64,
    pub(crate) parts_per_mille: u64,
    pub(crate) fail_per_mille: u64,
    pub(crate) hang_per_mille: u64,
    /// A worker that fails once fails all its requests for a while.
    pub(crate) sick_workers: bool,
    /// Workers compute after their clients have left, for at most `hold_ms`.
    pub(crate) oblivious: bool,

    pub(crate) pushes: u64,
    pub(crate) push_spread_ms: u64,

    pub(crate) traps_max: u64,
    pub(crate) trap_per_mille: u64,
    pub(crate) idle_traps: u64,
    pub(crate) stalls: u64,
    pub(crate) stall_ms: u64,
    pub(crate) jumps: u64,
    pub(crate) realtime_jumps: u64,

    pub(crate) late_wakeup_per_mille: u64,
    pub(crate) late_wakeup_ms: u64,
    /// A wake-up for a dead VM names any context of the VM that took its place.
    pub(crate) stray_wakeups: bool,

    pub(crate) fault_per_mille: u64,
    pub(crate) faults_max: u64,
    pub(crate) fault_calls: Vec<HostCall>,
}

impl Plan {
    pub(crate) fn roll(dice: &mut Dice) -> Self {
        let d = dice;
        let long = d.one_in(50);
        let lanes = d.of([1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8]);
        let requests = if long { d.between(150, 500) } else { d.between(10, 36) };
        let span_ms = if long { d.between(500, 8_000) } else { d.of([20, 60, 150, 400, 1_000, 2_500]) };
        let pools = (0..d.of([1, 1, 1, 2, 2, 3])).map(|_| PoolPlan::roll(d, long)).collect();
        let options = HostOptions {
            finish_local_replies: !d.one_in(3),
            reload_backoff_ms: d.of([0, 0, 1, 50, 300]),
            witness: true,
            ..HostOptions::default()
        };
        let service_ms = d.of([0, 2, 10, 40, 150, 600]);
        // Half of all runs have no failing host call, and so on: each kind is chosen independently.
        let faulty = d.one_in(3);
        let trappy = d.one_in(3);
        let stalling = d.one_in(3);
        let pushing = d.one_in(2);
        Self {
            lanes,
            requests,
            span_ms,
            pools,
            lane_lease_ms: d.of([1_000, 1_000, 2_000, 5_000]),
            options,
            reports: d.one_in(2),
            debug_headers: d.one_in(4),
            access_log_fields: d.one_in(4),
            bursts: d.one_in(3),
            lopsided: d.one_in(4),
            switch_per_mille: d.of([0, 20, 100, 300, 700, 1_000]),
            begin_per_mille: d.of([50, 200, 500, 800]),
            drift_per_mille: d.of([0, 10, 100]),
            drift_us: d.of([100, 1_000, 5_000]),
            lateness_ms: d.of([1, 5, 20, 100]),
            leave_per_mille: d.of([0, 0, 50, 200, 500]),
            patience_ms: d.of([1, 10, 50, 300, 1_500]),
            body_per_mille: d.of([0, 0, 200, 600]),
            slow_reader_per_mille: d.of([0, 100, 500]),
            asks_per_mille: d.of([0, 0, 200]),
            odd_path_per_mille: d.of([0, 0, 30]),
            service_ms,
            parts_per_mille: d.of([0, 300, 800]),
            fail_per_mille: d.of([0, 0, 30, 150, 500]),
            hang_per_mille: d.of([0, 0, 0, 30]),
            sick_workers: d.one_in(3),
            oblivious: d.one_in(2),
            pushes: if pushing { d.between(1, if long { 20 } else { 5 }) } else { 0 },
            push_spread_ms: d.of([0, 1, 20, 200]),
            traps_max: if trappy { d.between(1, 4) } else { 0 },
            trap_per_mille: d.of([1, 4, 15]),
            idle_traps: if trappy && d.one_in(2) { d.between(1, 2) } else { 0 },
            stalls: if stalling { d.between(1, 4) } else { 0 },
            stall_ms: d.of([50, 300, 2_000, 8_000]),
            jumps: if d.one_in(6) { d.between(1, 2) } else { 0 },
            realtime_jumps: if d.one_in(6) { d.between(1, 3) } else { 0 },
            late_wakeup_per_mille: d.of([0, 0, 100, 500]),
            late_wakeup_ms: d.of([1, 20, 200, 2_000]),
            stray_wakeups: d.one_in(2),
            fault_per_mille: if faulty { d.of([1, 5, 20, 60]) } else { 0 },
            faults_max: d.of([1, 3, 10, 60]),
            fault_calls: fault_calls(d),
        }
    }

    /// Returns whether a host call may fail in this run that does not fail in a sound host.
    pub(crate) fn has_faults(&self) -> bool {
        self.fault_per_mille > 0
    }
}

impl PoolPlan {
    fn roll(d: &mut Dice, long: bool) -> Self {
        // Some runs have so many slots that the queue has pages.
        let capacities = if d.one_in(if long { 3 } else { 25 }) {
            (0..d.between(1, 12)).map(|_| d.between(1, 30) as u32).collect()
        } else {
            (0..d.between(1, 4)).map(|_| d.of([1, 1, 2, 2, 3, 4])).collect()
        };
        Self {
            capacities,
            wait_ms: d.of([0, 5, 30, 100, 400, 1_500, 5_000]),
            waiting_max: d.of([0, 1, 3, 10, 100, 1_024, 1_024]),
            hold_ms: d.of([0, 0, 0, 10, 100, 400]),
            answer_timeout_ms: d.of([300, 1_000, 1_000, 3_000]),
            reuse: d.of([Reuse::None, Reuse::EverySecond, Reuse::All]),
        }
    }
}

/// Returns the calls that may fail in a run: all, one, or some.
fn fault_calls(d: &mut Dice) -> Vec<HostCall> {
    use HostCall as C;
    const CALLS: [HostCall; 20] = [
        C::Log,
        C::SetTickPeriod,
        C::SetEffectiveContext,
        C::GetProperty,
        C::SetProperty,
        C::GetSharedData,
        C::SetSharedData,
        C::RegisterSharedQueue,
        C::ResolveSharedQueue,
        C::EnqueueSharedQueue,
        C::DequeueSharedQueue,
        C::GetHeaderMapValue,
        C::ReplaceHeaderMapValue,
        C::GetBufferBytes,
        C::SetBufferBytes,
        C::ContinueStream,
        C::SendLocalResponse,
        C::HttpCall,
        C::DefineMetric,
        C::RecordMetric,
    ];
    match d.below(3) {
        0 => CALLS.to_vec(),
        1 => vec![d.of(CALLS)],
        _ => CALLS.into_iter().filter(|_| d.one_in(2)).collect(),
    }
}
