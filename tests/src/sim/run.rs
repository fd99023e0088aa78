//! One run, step by step.

use std::collections::BTreeMap;

use crate::{
    host::{Filter, Host, LaneIndex, Step, StreamId},
    sim::{
        RunOptions,
        agenda::{Agenda, What},
        client::Client,
        configs::{Configs, pool_name},
        coverage::{Coverage, Kind},
        dice::Dice,
        faults::{Chance, FAULT_KINDS, FaultCounts},
        fleet::Fleet,
        lane_state::LaneState,
        plan::Plan,
        state_checks::StateChecks,
        violation::{Check, Violation, violated},
    },
};

pub(crate) const NS_PER_MS: u64 = 1_000_000;
pub(crate) const NS_PER_US: u64 = 1_000;
/// The most steps of a run. A run with more does not end.
const STEPS_MAX: u64 = 100_000;

/// How often, in a thousand, a lane that may trap does so just after an exchange.
const TRAP_PER_COMMIT: u64 = 30;

/// One run under way.
pub(crate) struct Run {
    pub(crate) host: Host,
    pub(crate) dice: Dice,
    pub(crate) plan: Plan,
    pub(crate) fleet: Fleet,
    pub(crate) configs: Configs,
    pub(crate) watch: StateChecks,
    pub(crate) agenda: Agenda,
    pub(crate) clients: BTreeMap<StreamId, Client>,
    pub(crate) lanes: Vec<LaneState>,
    pub(crate) coverage: Coverage,
    pub(crate) faults: FaultCounts,
    /// No new events come: everything has to end.
    pub(crate) is_draining: bool,
    pub(crate) steps: u64,
    pub(crate) traps: u64,
    /// A lane has died with a slot that no stream was marked with.
    pub(crate) unmarked: bool,
    pub(crate) last_call: u64,
    /// The pool that all further requests are for.
    pub(crate) only_pool: Option<usize>,
    pub(crate) wait_max_ms: Vec<u64>,
    pub(crate) wait_min_ms: Vec<u64>,
    /// The highest `max_waiting` of each pool's configurations.
    pub(crate) waiting_max: Vec<u32>,
    end_ns: u64,
    steps_max: u64,
    current: Option<LaneIndex>,
    /// By lane: when it has to continue, according to the agenda.
    earliest_ns: Vec<u64>,
}

impl Run {
    pub(crate) fn new(filter: &Filter, seed: u64, how: RunOptions) -> Self {
        let mut dice = Dice::new(seed);
        let mut plan = Plan::roll(&mut dice);
        plan.options.ignores_cas = how.ignores_cas;
        plan.options.defect = how.defect.map(|defect| defect as u32);
        let mut host = Host::with_options(filter, plan.lanes, plan.options.clone());
        host.hold_wakeups(true);
        host.add_cluster("xds");
        if how.trace {
            host.start_trace();
            host.inspect(|process| process.note(|| format!("seed {seed}: {plan:?}")));
        }
        let mut fleet = Fleet::default();
        let configs = Configs::new(&plan, &mut fleet);
        let mut watch = StateChecks::default();
        (0..plan.pools.len()).for_each(|at| watch.add(&pool_name(at)));
        let wait_ms: Vec<_> = plan.pools.iter().map(|pool| pool.wait_ms).collect();
        Self {
            host,
            fleet,
            configs,
            watch,
            agenda: Agenda::default(),
            clients: BTreeMap::new(),
            lanes: vec![LaneState::default(); plan.lanes],
            coverage: Coverage::default(),
            faults: FaultCounts::default(),
            is_draining: false,
            steps: 0,
            traps: 0,
            unmarked: false,
            last_call: 0,
            only_pool: None,
            wait_max_ms: wait_ms.clone(),
            wait_min_ms: wait_ms,
            waiting_max: plan.pools.iter().map(|pool| pool.waiting_max).collect(),
            end_ns: 0,
            steps_max: how.steps.unwrap_or(STEPS_MAX),
            current: None,
            earliest_ns: vec![u64::MAX; plan.lanes],
            plan,
            dice,
        }
    }

    /// Makes the whole run.
    pub(crate) fn go(&mut self) -> Check {
        self.start()?;
        while self.turn()? {}
        self.drain()
    }

    fn start(&mut self) -> Check {
        self.push_now()?;
        let now_ns = self.now_ns();
        self.end_ns = now_ns + self.plan.span_ms * NS_PER_MS;
        let span_us = self.plan.span_ms * 1_000;
        let mut burst_ns = now_ns;
        for number in 0..self.plan.requests {
            if !self.plan.bursts || number % 8 == 0 {
                burst_ns = now_ns + self.dice.below(span_us) * NS_PER_US;
            }
            self.agenda.add(burst_ns, None, What::Request);
        }
        let plan = &self.plan;
        let kinds = [
            (plan.pushes, What::Push),
            (plan.stalls, What::Stall),
            (plan.idle_traps, What::Trap),
            (plan.jumps, What::Jump),
            (plan.realtime_jumps, What::SetClock),
        ];
        for (times, what) in kinds {
            for _ in 0..times {
                let due_ns = now_ns + self.dice.below(span_us) * NS_PER_US;
                self.agenda.add(due_ns, None, what.clone());
            }
        }
        if self.plan.has_faults() {
            let chance = Chance::new(&self.plan, self.dice.split(), self.faults.clone());
            self.host.set_faults(Some(Box::new(chance)));
        }
        Ok(())
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.host.inspect(|process| process.clock.monotonic_ns())
    }

    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        self.host.inspect(|process| process.note(line));
    }

    /// Makes one choice of the scheduler. `false` when all planned events have happened and no lane is busy.
    pub(crate) fn turn(&mut self) -> Result<bool, Box<Violation>> {
        self.steps += 1;
        if self.steps > self.steps_max && !self.is_draining {
            return Ok(false);
        }
        if self.steps > self.steps_max + 10 * STEPS_MAX {
            violated("end", "every run ends: this one goes round in circles".to_owned())?;
        }
        self.happen()?;
        let now_ns = self.now_ns();
        self.look_ahead();
        let (mut busy, mut ready, mut urgent) = (Vec::new(), Vec::new(), None);
        let lateness_ns = if self.is_draining { 0 } else { self.plan.lateness_ms * NS_PER_MS };
        for (at, life) in self.lanes.iter().enumerate() {
            if life.stalled_until_ns > now_ns {
                continue;
            }
            let earliest_ns = self.earliest_ns[at];
            if life.busy_since_ns.is_some() {
                busy.push(LaneIndex(at));
            } else if earliest_ns <= now_ns {
                ready.push(LaneIndex(at));
            } else {
                continue;
            }
            if earliest_ns.saturating_add(lateness_ns) <= now_ns {
                urgent = Some(LaneIndex(at));
            }
        }
        if busy.is_empty() && !self.is_draining && self.is_over() {
            return Ok(false);
        }
        match urgent {
            Some(lane) if self.is_draining || self.dice.one_in(2) => {
                self.go_on(lane)?;
                return Ok(true);
            }
            _ => {}
        }
        if busy.is_empty() && ready.is_empty() {
            return Ok(self.pass_to_next(lateness_ns));
        }
        if !self.is_draining && self.dice.per_mille(self.plan.drift_per_mille) {
            let by_ns = self.dice.below(self.plan.drift_us * NS_PER_US) + 1;
            self.pass(now_ns + by_ns, lateness_ns);
            return Ok(true);
        }
        let begin = !ready.is_empty() && (busy.is_empty() || self.dice.per_mille(self.plan.begin_per_mille));
        let lane = if begin { self.dice.pick(&ready) } else { self.next_busy(&busy) };
        if let Some(lane) = lane {
            self.go_on(lane)?;
        }
        Ok(true)
    }

    /// Returns the lane that continues: usually the one that has just run.
    fn next_busy(&mut self, busy: &[LaneIndex]) -> Option<LaneIndex> {
        let stays = self.current.filter(|lane| busy.contains(lane));
        if stays.is_some() && !self.dice.per_mille(self.plan.switch_per_mille) {
            return stays;
        }
        self.dice.pick(busy)
    }

    fn go_on(&mut self, lane: LaneIndex) -> Check {
        if self.lanes[lane.0].busy_since_ns.is_none() {
            return self.begin(lane);
        }
        if self.current.is_some_and(|last| last != lane && self.lanes[last.0].busy_since_ns.is_some()) {
            self.coverage.note(Kind::Interleaved);
        }
        self.current = Some(lane);
        self.step(lane)
    }

    /// Runs a busy lane to its next host call, at which it may trap.
    fn step(&mut self, lane: LaneIndex) -> Check {
        // Just after an exchange the lane alone knows much.
        let committed = std::mem::take(&mut self.lanes[lane.0].committed);
        let per_mille = if committed { TRAP_PER_COMMIT } else { self.plan.trap_per_mille };
        if !self.is_draining && self.traps < self.plan.traps_max && self.dice.per_mille(per_mille) {
            self.note(|| format!("{lane} is to trap at its next host call"));
            self.host.trap(lane);
        }
        self.take_on(lane)
    }

    /// Runs a busy lane to its next host call, and checks what that has done.
    pub(crate) fn take_on(&mut self, lane: LaneIndex) -> Check {
        let end = self.host.step(lane);
        self.check_state(lane)?;
        self.check_arrivals(lane)?;
        self.check_posts();
        match end {
            Step::At(_) => Ok(()),
            Step::Over(end) => self.check_end(lane, end),
        }
    }

    /// Computes when each lane has to continue at the latest, without its lateness.
    fn look_ahead(&mut self) {
        let earliest_ns = &mut self.earliest_ns;
        for (lane, life) in self.lanes.iter().enumerate() {
            earliest_ns[lane] = life.busy_since_ns.unwrap_or(u64::MAX);
        }
        for item in self.agenda.iter() {
            if let Some(lane) = item.lane {
                earliest_ns[lane.0] = earliest_ns[lane.0].min(item.due_ns);
            }
        }
        self.host.inspect(|process| {
            for (vm, _, due_ns) in process.timers.iter() {
                if let Some(lane) = process.vms.get(&vm).and_then(crate::host::VmState::lane) {
                    earliest_ns[lane.0] = earliest_ns[lane.0].min(due_ns);
                }
            }
        });
    }

    /// Lets time pass, but not so far that a lane that is not stalled would be later than it may.
    fn pass(&mut self, to_ns: u64, lateness_ns: u64) {
        let now_ns = self.now_ns();
        let awake = self.lanes.iter().zip(&self.earliest_ns);
        let awake = awake.filter(|(life, _)| life.stalled_until_ns <= now_ns);
        let limit_ns = awake.map(|(_, earliest_ns)| earliest_ns.saturating_add(lateness_ns)).min();
        let to_ns = to_ns.min(limit_ns.unwrap_or(u64::MAX));
        self.host.inspect(|process| process.clock.advance_to(to_ns));
    }

    /// Lets time pass until a lane has something to do.
    fn pass_to_next(&mut self, lateness_ns: u64) -> bool {
        let now_ns = self.now_ns();
        let lanes = self.lanes.iter().zip(&self.earliest_ns);
        let lanes = lanes.map(|(life, earliest_ns)| life.stalled_until_ns.max(*earliest_ns));
        let others = self.agenda.iter().filter(|item| item.lane.is_none()).map(|item| item.due_ns);
        let Some(next_ns) = lanes.chain(others).min().filter(|next_ns| *next_ns < u64::MAX) else {
            return false;
        };
        let late_ns = if lateness_ns > 0 && self.dice.one_in(4) { self.dice.below(lateness_ns) } else { 0 };
        self.pass(next_ns.max(now_ns) + late_ns, lateness_ns);
        true
    }

    /// Returns whether all planned events have happened.
    fn is_over(&self) -> bool {
        self.now_ns() >= self.end_ns
            && !self.agenda.iter().any(|item| matches!(item.what, What::Request | What::Push))
    }

    /// Adds up the host's counts.
    pub(crate) fn count(&mut self) {
        let (conflicts, retired) = self.host.inspect(|process| (process.conflicts, process.retired));
        self.coverage.add(Kind::CasConflict, conflicts);
        self.coverage.add(Kind::RootRetired, retired);
        let counts = *self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (kind, count) in FAULT_KINDS.into_iter().zip(counts) {
            self.coverage.add(kind, count);
        }
    }
}
