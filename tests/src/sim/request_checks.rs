//! The ends of requests, and whether each end is allowed.

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

/// How long after its deadline a waiter may get its reply, in addition to the lateness of its lane: the filter gives a slot
/// that is on its way a second.
const TOLD_LATE_MS: u64 = 1_000;
/// Rounding, and the events between two ticks.
const SLACK_MS: u64 = 20;

impl Run {
    /// Checks the state of a request.
    pub(crate) fn check_client(&mut self, stream: StreamId) -> Check {
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
                    self.check_refusal(&client, reply, *at_ns, forwarded)?;
                }
                None if complete && forwarded => self.coverage.note(Kind::Answered),
                _ => {}
            }
            // For Envoy the request is over, and it resets the rest at the worker.
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

    /// Returns whether a worker still computes for a request whose client has left.
    fn is_going_on(&self, stream: StreamId) -> bool {
        self.agenda.iter().any(|item| matches!(item.what, What::Done(of) if of == stream))
    }

    /// Checks a local reply of the filter.
    fn check_refusal(&mut self, client: &Client, reply: &SentReply, at_ns: u64, forwarded: bool) -> Check {
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
            let what = "no request is refused before its wait is over";
            return violated(
                "deadline",
                format!("{what}: {stream}, after {waited_ms} of {} ms", client.wait_min_ms),
            );
        }
        self.check_wait(client, at_ns)
    }

    /// Checks the wait of a request that has its slot or its local reply.
    pub(crate) fn check_wait(&self, client: &Client, at_ns: u64) -> Check {
        let (stream, waited_ms) = (client.stream, at_ns.saturating_sub(client.since_ns) / NS_PER_MS);
        let held_up_ms = (self.lanes[client.lane.0].held_up_ns - client.held_up_ns) / NS_PER_MS;
        let bound_ms = client.wait_max_ms + TOLD_LATE_MS + held_up_ms + 4 * self.plan.lateness_ms + SLACK_MS;
        if waited_ms > bound_ms && !client.excused && !self.plan.has_faults() {
            let what = "no request waits longer than its deadline and the time of a grant under way";
            return violated(
                "deadline",
                format!("{what}: {stream} waited {waited_ms} ms, of at most {bound_ms}"),
            );
        }
        Ok(())
    }
}
