//! How requests end, and whether they may end so.

use crate::{
    host::{ReplyBy, SentReply, StreamId},
    sim::{
        agenda::What,
        client::{Client, Stage},
        coverage::Kind,
        run::{NS_PER_MS, Run},
        violation::{Check, violated},
    },
};

/// How long after its deadline a waiter may be told, on top of its lane's own lateness: the filter gives a
/// slot that is on its way a second.
const TOLD_LATE_MS: u64 = 1_000;
/// Rounding, and the events between two ticks.
const SLACK_MS: u64 = 20;

impl Run {
    /// Where a request stands now.
    pub(crate) fn see_client(&mut self, stream: StreamId) -> Check {
        let seen = self.host.inspect(|process| {
            process.streams.get(&stream).map(|stream| {
                let seen = &stream.seen;
                let reply = seen.local_reply.as_ref().map(|reply| (reply.clone(), seen.replied_at_ns));
                (
                    seen.finished,
                    seen.received.complete,
                    seen.forwarded.is_some(),
                    reply,
                    stream.failure_replied,
                )
            })
        });
        let Some((finished, complete, forwarded, reply, failed)) = seen else { return Ok(()) };
        let Some(client) = self.clients.get(&stream).cloned() else { return Ok(()) };
        if client.stage != Stage::Read && (finished || complete) {
            if failed {
                self.coverage.note(Kind::FailedStream);
            }
            match &reply {
                Some((reply, at_ns)) if reply.by == ReplyBy::Module => {
                    self.see_refusal(&client, reply, *at_ns, forwarded)?;
                }
                None if complete && forwarded => self.coverage.note(Kind::Answered),
                _ => {}
            }
            // Envoy is done with the request, and resets what is left of it at the worker.
            self.agenda.drop_answer(stream);
            if self.fleet.place(stream).is_some() && !self.is_going_on(stream) {
                self.fleet.leave(stream);
            }
        }
        if finished {
            self.clients.remove(&stream);
            self.agenda.drop_stream(stream);
            self.host.forget(stream);
        } else if complete && client.stage != Stage::Read {
            let slow = self.dice.per_mille(self.plan.slow_reader_per_mille);
            if slow {
                self.coverage.note(Kind::SlowReader);
            }
            let late_ns = if slow { self.dice.below(300 * NS_PER_MS) } else { 0 };
            self.agenda.add(self.now_ns() + late_ns, Some(client.lane), What::Finish(stream));
            if let Some(client) = self.clients.get_mut(&stream) {
                client.stage = Stage::Read;
            }
        }
        Ok(())
    }

    /// Whether a worker goes on with a request that nobody waits for.
    fn is_going_on(&self, stream: StreamId) -> bool {
        self.agenda.iter().any(|item| matches!(item.what, What::Done(of) if of == stream))
    }

    /// The filter has refused a request.
    fn see_refusal(&mut self, client: &Client, reply: &SentReply, at_ns: u64, forwarded: bool) -> Check {
        let stream = client.stream;
        if forwarded {
            return violated(
                "once",
                format!("a waiter ends once: {stream} was sent to a worker, and refused"),
            );
        }
        let waited_ms = at_ns.saturating_sub(client.since_ns) / NS_PER_MS;
        let kind = match reply.details.as_str() {
            "slotway_wait_timeout" => Kind::WaitTimeout,
            "slotway_queue_full" => Kind::QueueFull,
            "slotway_no_workers" => Kind::NoWorkers,
            "slotway_no_pool" => Kind::NoPool,
            "slotway_internal" => Kind::Internal,
            other => {
                return violated(
                    "refusal",
                    format!("a refusal has a reason: {stream} was refused for {other}"),
                );
            }
        };
        self.coverage.note(kind);
        if self.plan.has_faults() {
            return Ok(());
        }
        if kind == Kind::Internal {
            return violated(
                "refusal",
                format!("nothing goes wrong inside: {stream} was refused for slotway_internal"),
            );
        }
        if kind == Kind::WaitTimeout && waited_ms + 1 < client.wait_min_ms {
            // The filter counts whole milliseconds.
            let what = "nobody is refused before the wait is over";
            return violated(
                "deadline",
                format!("{what}: {stream}, after {waited_ms} of {} ms", client.wait_min_ms),
            );
        }
        self.see_wait(client, at_ns)
    }

    /// A waiter has its slot, or its refusal.
    pub(crate) fn see_wait(&self, client: &Client, at_ns: u64) -> Check {
        let (stream, waited_ms) = (client.stream, at_ns.saturating_sub(client.since_ns) / NS_PER_MS);
        let held_up_ms = (self.lanes[client.lane.0].held_up_ns - client.held_up_ns) / NS_PER_MS;
        let bound_ms = client.wait_max_ms + TOLD_LATE_MS + held_up_ms + 4 * self.plan.lateness_ms + SLACK_MS;
        if waited_ms > bound_ms && !client.excused && !self.plan.has_faults() {
            let what = "nobody waits longer than the deadline and what a grant under way may take";
            return violated(
                "deadline",
                format!("{what}: {stream} waited {waited_ms} ms, of at most {bound_ms}"),
            );
        }
        Ok(())
    }
}
