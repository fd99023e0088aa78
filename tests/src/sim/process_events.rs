//! Events of the whole process: requests that are sent, pushes, stalls, traps, clocks.

use crate::{
    host::LaneIndex,
    sim::{
        agenda::What,
        coverage::Kind,
        run::{NS_PER_MS, NS_PER_US, Run},
        violation::{Check, violated},
    },
};

/// The largest change of the operator's clock.
const REALTIME_JUMP_MS: u64 = 3_600_000;

impl Run {
    /// Runs all events that are due and belong to no lane.
    pub(crate) fn happen(&mut self) -> Check {
        loop {
            let now_ns = self.now_ns();
            let due = self.agenda.iter().filter(|item| item.lane.is_none() && item.due_ns <= now_ns);
            let Some((serial, request)) = due
                .min_by_key(|item| (item.due_ns, item.serial))
                .map(|item| (item.serial, matches!(item.what, What::Request)))
            else {
                return Ok(());
            };
            let lane = request.then(|| self.lane_for_request());
            if let Some(lane) = lane
                && (self.lanes[lane.0].busy_since_ns.is_some()
                    || self.lanes[lane.0].stalled_until_ns > now_ns)
            {
                // Its thread is busy: the request waits in the socket.
                let Some(item) = self.agenda.take(serial) else { return Ok(()) };
                let later_ns = now_ns + self.dice.below(500 * NS_PER_US) + 1;
                self.agenda.add(later_ns, None, item.what);
                continue;
            }
            let Some(item) = self.agenda.take(serial) else { return Ok(()) };
            match (item.what, lane) {
                (What::Request, Some(lane)) => self.send(lane),
                (What::Done(stream), _) => {
                    let _ = self.fleet.leave(stream);
                }
                (What::Push, _) => self.push()?,
                (What::Stall, _) => self.stall(),
                (What::Trap, _) => self.trap_idle()?,
                (What::Jump, _) => self.jump(),
                (What::SetClock, _) => self.set_clock(),
                _ => {}
            }
        }
    }

    fn lane_for_request(&mut self) -> LaneIndex {
        let all = self.plan.lanes;
        if self.plan.lopsided && !self.dice.one_in(4) {
            LaneIndex(0)
        } else {
            LaneIndex(self.dice.index(all))
        }
    }

    fn stall(&mut self) {
        let lane = self.dice.index(self.plan.lanes);
        let for_ns = self.dice.between(1, self.plan.stall_ms * 1_000) * NS_PER_US;
        let until_ns = self.now_ns() + for_ns;
        let life = &mut self.lanes[lane];
        life.stalled_until_ns = life.stalled_until_ns.max(until_ns);
        life.held_up_ns += for_ns;
        let busy = life.busy_since_ns.is_some();
        if let Some(since_ns) = &mut life.busy_since_ns {
            *since_ns = until_ns;
        }
        self.coverage.note(if busy { Kind::StallBusy } else { Kind::StallIdle });
        self.note(|| format!("lane {lane} stalls for {} ms", for_ns / NS_PER_MS));
    }

    fn trap_idle(&mut self) -> Check {
        let lane = LaneIndex(self.dice.index(self.plan.lanes));
        if self.lanes[lane.0].busy_since_ns.is_none() && self.host.vm_of(lane).is_some() {
            self.note(|| format!("{lane} traps between two events"));
            self.host.trap(lane);
            self.coverage.note(Kind::TrapIdle);
            self.check_vm(lane, true)?;
        }
        Ok(())
    }

    /// Stops the whole machine for a while. No timer fires meanwhile.
    fn jump(&mut self) {
        let by_ns = self.dice.between(1, 6_000) * NS_PER_MS;
        self.note(|| format!("the monotonic clock jumps by {} ms", by_ns / NS_PER_MS));
        self.host.advance_silently(by_ns / NS_PER_MS);
        for life in &mut self.lanes {
            life.held_up_ns += by_ns;
        }
        self.coverage.note(Kind::JumpMonotonic);
    }

    fn set_clock(&mut self) {
        let by_ms = self.dice.between(1, REALTIME_JUMP_MS) as i64;
        let by_ms = if self.dice.one_in(2) { -by_ms } else { by_ms };
        self.note(|| format!("the operator's clock is set by {by_ms} ms"));
        self.host.jump_realtime(by_ms);
        self.coverage.note(if by_ms < 0 { Kind::JumpBack } else { Kind::JumpForward });
    }

    /// Pushes a configuration that every lane takes at once: the first one, and the last one.
    pub(crate) fn push_now(&mut self) -> Check {
        let json = self.configs.next(&self.fleet);
        let plugin = match self.host.accept(&json) {
            Ok(plugin) => plugin,
            Err(error) => {
                return violated("configuration", format!("a right configuration is taken: {error}"));
            }
        };
        let now_ns = self.now_ns();
        for lane in self.host.lanes() {
            // Older configurations that are still on their way come first.
            let due_ns = self.lanes[lane.0].configured_ns.max(now_ns);
            self.agenda.add(due_ns, Some(lane), What::Configure(plugin));
        }
        Ok(())
    }
}
