//! The end of a run: no new events come, every request has to end, and every slot has to come back.

use slotway_config::Pool;
use slotway_engine::PROBE_MAX_MS;

use crate::{
    host::LaneIndex,
    sim::{
        agenda::What,
        client::Stage,
        coverage::Kind,
        run::{NS_PER_MS, Run},
        violation::{Check, violated},
    },
};

/// The time for what may take its time: backoffs of reports and ticks, and a second for a grant under way.
const REST_MS: u64 = 4_000;

impl Run {
    /// Lets everything end within bounds, and checks that nothing is left.
    pub(crate) fn drain(&mut self) -> Check {
        self.note(|| "nothing is thrown any more".to_owned());
        self.is_draining = true;
        self.host.set_faults(None);
        for life in &mut self.lanes {
            life.stalled_until_ns = 0;
        }
        let thrown = |what: &What| {
            matches!(
                what,
                What::Request | What::Push | What::Stall | What::Trap | What::Jump | What::SetClock
            )
        };
        self.agenda.drop_all(thrown);
        while let Some(lane) = self.lanes.iter().position(|life| life.busy_since_ns.is_some()) {
            self.finish_event(LaneIndex(lane))?;
        }
        // A lane whose configuration has failed gets another one. So do all lanes now and then.
        let unconfigured = self.host.lanes().any(|lane| !self.host.is_configured(lane));
        let gone = self.configs.wanted.iter().any(|pool| !pool.there);
        if unconfigured || gone || self.dice.one_in(4) {
            self.configs.wanted.iter_mut().for_each(|pool| pool.there = true);
            self.push_now()?;
        }
        self.end_orphans();
        let waits_out = self.must_be_over_ms();
        self.settle(waits_out)?;
        self.try_parked()
    }

    /// Continues until every slot is back, within bounds.
    fn settle(&mut self, mut waits_out: Option<u64>) -> Check {
        let rest_ns = self.rest_bound_ms() * NS_PER_MS;
        let mut bound_ns = self.now_ns() + rest_ns;
        let mut poked = 0;
        while !self.is_at_rest() {
            // A request makes a lane act again, like a thread in a living Envoy.
            if poked < self.plan.lanes
                && self.lanes[poked].busy_since_ns.is_none()
                && self.is_served(LaneIndex(poked))
            {
                self.send(LaneIndex(poked));
                poked += 1;
            }
            let goes_on = self.turn()?;
            let late = self.now_ns() > bound_ns;
            if let (true, Some(over_ms)) = (late, waits_out.take_if(|_| late)) {
                // Nothing happens until then, so the clock may jump.
                self.coverage.note(Kind::RecoveredLate);
                self.note(|| format!("{over_ms} ms pass"));
                self.host.advance_silently(over_ms);
                bound_ns = self.now_ns() + rest_ns;
            } else if late || (!goes_on && !self.is_at_rest()) {
                return self.report_unrest();
            }
            self.wake_the_dead();
        }
        Ok(())
    }

    /// Lets workers answer again that could not be reached: after the longest backoff, one request for each slot of a pool
    /// probes them.
    fn try_parked(&mut self) -> Check {
        for at in 0..self.plan.pools.len() {
            let Some(view) = self.watch.view(at).filter(|view| view.survey.parked > 0) else { continue };
            // A failed host call may have delayed the newest configuration.
            let wanted = self
                .configs
                .config
                .pools
                .iter()
                .find(|pool| pool.name.as_str() == super::configs::pool_name(at));
            let wanted =
                wanted.map_or(0, |pool| pool.workers.iter().map(|worker| worker.capacity.get()).sum());
            let requests = view.capacity.max(wanted);
            self.host.advance_silently(PROBE_MAX_MS);
            self.only_pool = Some(at);
            self.plan.service_ms = 5;
            for _ in 0..requests {
                self.agenda.add(self.now_ns(), None, What::Request);
            }
            self.settle(None)?;
            let parked = self.watch.view(at).map_or(0, |view| view.survey.parked);
            if parked > 0 {
                let what = "a worker that answers again has its slots back";
                return violated(
                    "home",
                    format!("{what}: pool {} has {parked} parked", super::configs::pool_name(at)),
                );
            }
        }
        Ok(())
    }

    /// Sends requests until one lane has a VM, so that a living lane can recover the dead ones.
    fn wake_the_dead(&mut self) {
        let dead = self.lanes.iter().all(|life| life.alive.is_none() && life.busy_since_ns.is_none());
        if dead && !self.agenda.iter().any(|item| matches!(item.what, What::Request)) {
            let due_ns = self.now_ns() + (self.plan.options.reload_backoff_ms + 20) * NS_PER_MS;
            self.agenda.add(due_ns, None, What::Request);
        }
    }

    /// Returns whether a lane has nothing to do now.
    fn is_served(&self, lane: LaneIndex) -> bool {
        let now_ns = self.now_ns();
        !self.agenda.iter().any(|item| item.lane == Some(lane) && item.due_ns <= now_ns)
    }

    fn finish_event(&mut self, lane: LaneIndex) -> Check {
        while self.lanes[lane.0].busy_since_ns.is_some() {
            self.steps += 1;
            self.take_on(lane)?;
        }
        Ok(())
    }

    /// Returns the time within which every slot has to be back.
    fn rest_bound_ms(&self) -> u64 {
        let wait_ms = self.wait_max_ms.iter().max().copied().unwrap_or(0);
        let pools = &self.plan.pools;
        let hold_ms = pools.iter().map(|pool| pool.hold_ms).max().unwrap_or(0);
        let answer_ms = pools.iter().map(|pool| pool.answer_timeout_ms).max().unwrap_or(0);
        let service_ms = 6 * self.plan.service_ms;
        REST_MS + 2 * wait_ms + hold_ms + 2 * answer_ms + service_ms + 5 * self.plan.lane_lease_ms
    }

    /// Returns after what time a dead lane's slots come back because its requests must be over. That is needed where the
    /// witness' message was lost (a host call failed, there was no witness yet, or it trapped too), and where a lane died
    /// while it recovered another one or took a slot over. After a single death without other faults the slots come back
    /// soon.
    fn must_be_over_ms(&self) -> Option<u64> {
        let lost = self.host.inspect(|process| process.witnesses_lost > 0 || process.unresolved > 0);
        let excused = self.traps > 0 && (lost || self.unmarked || self.traps > 1 || self.plan.has_faults());
        excused.then(|| self.configs.config.pools.iter().filter_map(Pool::held_ms_max).max())?
    }

    /// Ends requests that the filter cannot end any more, since their VM is dead: their clients leave.
    fn end_orphans(&mut self) {
        let now_ns = self.now_ns();
        let orphans = self.clients.values();
        let orphans = orphans
            .filter(|client| client.excused && client.stage == Stage::InFilter || self.plan.has_faults());
        let orphans: Vec<_> = orphans.map(|client| (client.lane, client.stream, client.excused)).collect();
        let late_ms = self.rest_bound_ms().saturating_sub(REST_MS / 2);
        for (lane, stream, dead) in orphans {
            let after_ms = if dead { self.dice.below(500) } else { late_ms };
            self.agenda.add(now_ns + after_ms * NS_PER_MS, Some(lane), What::Gone(stream));
        }
    }

    fn is_at_rest(&self) -> bool {
        let dead = self.lanes.iter().all(|life| life.alive.is_none());
        let under_way = self.agenda.iter().any(|item| !matches!(item.what, What::Call(..)));
        let busy = self.lanes.iter().any(|life| life.busy_since_ns.is_some());
        // A failed host call may have left a lane without a timer.
        let renewed = self.lanes.iter().any(|life| life.alive.is_some() && life.is_renewed);
        if renewed && !self.plan.has_faults() {
            return false;
        }
        if dead || busy || under_way || !self.clients.is_empty() || self.fleet.running() > 0 {
            return false;
        }
        (0..self.plan.pools.len()).all(|pool| self.is_pool_at_rest(pool))
    }

    fn is_pool_at_rest(&self, pool: usize) -> bool {
        let Some(view) = self.watch.view(pool) else { return true };
        let survey = &view.survey;
        // The next request probes a worker that was parked last. Until then its slots are parked.
        (view.waiting, survey.in_flight) == (0, 0) && survey.free + survey.parked == view.capacity
    }

    fn report_unrest(&mut self) -> Check {
        let open: Vec<_> = self
            .clients
            .values()
            .map(|client| format!("{} on {} ({:?})", client.stream, client.lane, client.stage))
            .collect();
        if !open.is_empty() {
            return violated("end", format!("every request ends, within its bounds: {}", open.join(", ")));
        }
        for pool in 0..self.plan.pools.len() {
            let Some(view) = self.watch.view(pool).filter(|_| !self.is_pool_at_rest(pool)) else { continue };
            let what = "when all requests are over, every slot is back and no request waits";
            return violated(
                "home",
                format!(
                    "{what}: pool {} has {} free, {} parked, {} out, {} waiting, of {}; out are {:?}",
                    super::configs::pool_name(pool),
                    view.survey.free,
                    view.survey.parked,
                    view.survey.in_flight,
                    view.waiting,
                    view.capacity,
                    view.held.values().collect::<Vec<_>>()
                ),
            );
        }
        let left: Vec<_> = self.agenda.iter().map(|item| format!("{:?}", item.what)).collect();
        violated(
            "end",
            format!("everything ends: {} at workers, to come: {}", self.fleet.running(), left.join(", ")),
        )
    }
}
