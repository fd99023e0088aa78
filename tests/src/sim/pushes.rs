//! Configurations that are pushed while requests run.

use slotway_config::WaitDuration;

use crate::sim::{
    agenda::What,
    coverage::Kind,
    run::{NS_PER_US, Run},
    violation::{Check, violated},
};

/// The most workers of a pool.
const WORKERS_MAX: usize = 14;
const CAPACITY_MAX: u32 = 40;

impl Run {
    /// Changes something in the configuration. Every lane takes it at a time of its own.
    pub(crate) fn push(&mut self) -> Check {
        for _ in 0..self.dice.between(1, 3) {
            self.change();
        }
        let json = self.configs.next(&self.fleet);
        self.note(|| format!("pushed: {json}"));
        let plugin = match self.host.accept(&json) {
            Ok(plugin) => plugin,
            Err(_) if self.plan.has_faults() => {
                self.coverage.note(Kind::PushRefused);
                return Ok(());
            }
            Err(error) => {
                return violated("configuration", format!("a right configuration is taken: {error}"));
            }
        };
        let now_ns = self.now_ns();
        for lane in self.host.lanes() {
            let spread_ns = self.dice.below(self.plan.push_spread_ms * 1_000 + 1) * NS_PER_US;
            if spread_ns > 0 {
                self.coverage.note(Kind::PushLate);
            }
            let life = &mut self.lanes[lane.0];
            // A later push never overtakes an earlier one.
            life.configured_ns = life.configured_ns.max(now_ns + spread_ns);
            let due_ns = life.configured_ns;
            self.agenda.add(due_ns, Some(lane), What::Configure(plugin));
        }
        Ok(())
    }

    fn change(&mut self) {
        let at = self.dice.index(self.configs.wanted.len());
        let roll = self.dice.below(16);
        let dice = &mut self.dice;
        let pool = &mut self.configs.wanted[at];
        let count = pool.workers.len();
        let worker = (count > 0).then(|| dice.index(count));
        let worker = worker.and_then(|at| pool.workers.get_mut(at)).map(|(_, capacity)| capacity);
        let kind = match (roll, worker) {
            (0..=2, Some(capacity)) if *capacity > 0 => {
                *capacity = (*capacity + dice.between(1, 4) as u32).min(CAPACITY_MAX);
                Kind::PushUp
            }
            (3..=5, Some(capacity)) if *capacity > 1 => {
                *capacity = dice.between(1, u64::from(*capacity) - 1) as u32;
                Kind::PushDown
            }
            (6..=7, Some(capacity)) if *capacity > 1 => {
                *capacity = 1;
                Kind::PushToOne
            }
            (8..=9, Some(capacity)) if *capacity > 0 => {
                *capacity = 0;
                Kind::PushWorkerGone
            }
            (0..=10, Some(capacity)) if *capacity == 0 => {
                *capacity = dice.between(1, 4) as u32;
                Kind::PushWorkerBack
            }
            (11, _) if count < WORKERS_MAX => {
                let url = format!("http://{}-{}.test:9000", pool.settings.name, count);
                let connections = self.plan.pools[at].reuse.connections(count);
                pool.workers.push((self.fleet.add(at, url, connections), dice.between(1, 4) as u32));
                Kind::PushWorkerBack
            }
            (12, _) if pool.there => {
                pool.there = false;
                Kind::PushPoolGone
            }
            (_, _) if !pool.there => {
                pool.there = true;
                Kind::PushPoolBack
            }
            _ => {
                let wait_ms = dice.of([0, 5, 30, 100, 400, 1_500]);
                pool.settings.free_worker_timeout = WaitDuration::from_ms(wait_ms);
                pool.settings.max_waiting = dice.of([0, 1, 3, 10, 1_024]);
                self.waiting_max[at] = self.waiting_max[at].max(pool.settings.max_waiting);
                self.wait_max_ms[at] = self.wait_max_ms[at].max(wait_ms);
                self.wait_min_ms[at] = self.wait_min_ms[at].min(wait_ms);
                Kind::PushPolicy
            }
        };
        self.coverage.note(kind);
    }
}
