//! Headers of clients and workers with arbitrary content, through the real filter in the tests' host.
//!
//! An input is a sequence of steps, separated by empty lines. The first line of a step names it:
//!
//! * `request LANE`: a request with the headers of the following lines (`name: value`).
//! * `answer`: the worker that has had a request for longest answers with the headers of the following lines.
//! * `details TEXT`: Envoy answers in its place, with these response code details.
//! * `leave`: the client that has waited or run for longest goes away.
//! * `wait MS`: time passes.
//! * `damage VALUE AT HOW`: a byte of shared data changes, or it ends there (HOW 0).
//!
//! For any input, no lane traps and every request ends. Without damage, a refusal has an expected status and a JSON
//! body, and at the end every slot is free.
#![no_main]

use std::{
    cell::RefCell,
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        LazyLock,
        atomic::{AtomicU8, Ordering},
    },
};

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use slotway_tests::{
    artifact,
    host::{Filter, Headers, HostOptions, LaneIndex, ReplyBy, RequestState, StreamId},
    world::{World, get, ms, pool, workers_of},
};

/// The maximum number of steps in one input.
const STEPS_MAX: usize = 24;
/// The maximum wait in one step.
const WAIT_MS_MAX: u64 = 2_000;
const LANES: usize = 2;
/// After this time every wait, hold and backoff is over.
const LONG_MS: u64 = 60_000;
/// After this time a silent lane is considered dead.
const LEASE_MS: u64 = 1_000;
/// Long enough for a lane's timers: the heartbeat, the audit of its slots, the check of other lanes.
const TIMERS_MS: u64 = 2_500;
/// The number of inputs that share one host, because starting a host takes longer than an input. Each input leaves it
/// idle.
const INPUTS_PER_SCENE: u32 = 200;

/// The host's name for the filter's VMs.
const VM_ID: &str = "slotway";

static FILTER: LazyLock<Filter> = LazyLock::new(|| {
    let module = artifact::module().unwrap_or_else(|error| panic!("{error}"));
    Filter::compile_for_speed(&module).expect("a module that the host runs")
});

/// Coverage counters. The module itself is not instrumented, so its host calls and log lines tell libFuzzer whether an
/// input is new. libFuzzer finds the counters by the name of their section.
#[used]
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static SEEN: [AtomicU8; 4_096] = [const { AtomicU8::new(0) }; 4_096];

fn see(what: impl Hash) {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    SEEN[hasher.finish() as usize % SEEN.len()].store(1, Ordering::Relaxed);
}

thread_local! {
    static SCENE: RefCell<Option<Scene>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    SCENE.with_borrow_mut(|scene| {
        if scene.as_ref().is_none_or(|scene| scene.inputs == INPUTS_PER_SCENE || scene.damaged) {
            *scene = Some(Scene::new());
        }
        let scene = scene.as_mut().expect("a scene");
        scene.inputs += 1;
        text.split("\n\n").take(STEPS_MAX).for_each(|step| scene.step(step));
        scene.end();
    });
});

struct Scene {
    world: World,
    /// Requests that have not ended, ordered by arrival.
    open: VecDeque<StreamId>,
    inputs: u32,
    /// Whether the shared state was damaged. Then only the survival of the lanes is checked.
    damaged: bool,
}

impl Scene {
    fn new() -> Self {
        let mut first = pool(&[("http://w1.test:9001/base", 1)]);
        first.matches.prefix = "/extract".to_owned();
        (first.free_worker_timeout, first.max_waiting) = (ms(1_000), 2);
        let mut world = World::with_filter(&FILTER, LANES, first, HostOptions::default());
        world
            .push(|config| {
                config.lane_lease = ms(LEASE_MS);
                config.debug_headers = true;
                config.access_log_fields = true;
                let mut second = config.pools[0].clone();
                second.name = "empty".parse().expect("a name");
                second.matches.prefix = "/e".to_owned();
                second.workers = workers_of(&[]);
                config.pools.push(second);
            })
            .expect("a configuration that the filter takes");
        Self { world, open: VecDeque::new(), inputs: 0, damaged: false }
    }

    fn step(&mut self, step: &str) {
        let mut lines = step.lines();
        let mut words = lines.next().unwrap_or_default().splitn(2, ' ');
        let (verb, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match verb {
            "request" => self.request(rest.trim().parse::<usize>().unwrap_or(0) % LANES, headers(lines)),
            "answer" => {
                let Some(stream) = self.take_running() else { return };
                let mut headers = headers(lines);
                if headers.get(":status").is_none() {
                    headers.add(":status", "200");
                }
                self.world.fleet.leave(stream);
                self.world.host.answer_headers(stream, headers, false);
                self.world.host.answer_body(stream, b"{}", true);
                self.finish(stream);
            }
            "details" => {
                let Some(stream) = self.take_running() else { return };
                self.world.host.set_property(stream, &["response", "code_details"], rest.as_bytes());
                self.world.fleet.leave(stream);
                let headers = [(":status", "503"), ("content-type", "text/plain")].into_iter().collect();
                self.world.host.answer_headers(stream, headers, lines.next() == Some("end"));
                self.world.host.answer_body(stream, b"upstream connect error", true);
                self.finish(stream);
            }
            "leave" => {
                let Some(stream) = self.open.pop_front() else { return };
                self.leave(stream);
            }
            "wait" => {
                self.world.host.advance(rest.trim().parse::<u64>().unwrap_or(1).min(WAIT_MS_MAX));
                self.see();
                self.sweep();
            }
            "damage" => self.damage(rest),
            _ => {}
        }
        self.assert_sound();
    }

    fn request(&mut self, lane: usize, headers: Headers) {
        let asked = headers.get("x-slotway-wait-timeout-ms").map(str::to_owned);
        let path = headers.get(":path").unwrap_or_default().to_owned();
        let stream = self.world.host.request(LaneIndex(lane), headers);
        self.see();
        self.open.push_back(stream);
        if let (RequestState::Answered(reply), false) = (self.world.host.request_state(stream), self.damaged)
        {
            // The ABI does not distinguish an empty value from an absent one.
            let asked = asked.filter(|asked| !asked.is_empty());
            let wrong = asked.is_some_and(|asked| asked.trim().parse::<u64>().is_err());
            assert_eq!(reply.status == 400, wrong, "{reply:?}");
            let path = path.split(['?', '#']).next().unwrap_or_default();
            assert_eq!(reply.status == 404, !wrong && !path.starts_with("/e"), "{path:?}: {reply:?}");
        }
        self.sweep();
    }

    fn leave(&mut self, stream: StreamId) {
        self.world.fleet.leave(stream);
        self.world.host.client_gone(stream);
        self.finish(stream);
    }

    fn damage(&mut self, how: &str) {
        let mut numbers = how.split(' ').map(|number| number.parse::<usize>().unwrap_or(0));
        let (which, at, how) = (numbers.next(), numbers.next(), numbers.next());
        self.damaged = true;
        self.world.host.change_shared_data(|data| {
            let count = data.entries(VM_ID).count().max(1);
            let entry = data.entries(VM_ID).nth(which.unwrap_or(0) % count);
            let Some((key, value)) = entry.map(|(key, value)| (key.to_vec(), value.to_vec())) else { return };
            let mut value = value;
            let length = value.len().max(1);
            match (value.get_mut(at.unwrap_or(0) % length), how.unwrap_or(0) as u8) {
                (Some(_), 0) => value.truncate(at.unwrap_or(0) % length),
                (Some(byte), how) => *byte ^= how,
                (None, _) => {}
            }
            data.set(VM_ID, &key, &value, 0).expect("a write without condition");
        });
    }

    /// Delivers requests to the workers, which check their capacities.
    fn see(&mut self) {
        if !self.damaged {
            self.world.see();
        }
    }

    /// Removes and returns the request that has been at a worker the longest.
    fn take_running(&mut self) -> Option<StreamId> {
        let running =
            |stream: &StreamId| matches!(self.world.host.request_state(*stream), RequestState::Continued(_));
        let at = self.open.iter().position(running)?;
        self.open.remove(at)
    }

    /// Checks refused requests and removes them.
    fn sweep(&mut self) {
        let answered =
            |stream: &StreamId| matches!(self.world.host.request_state(*stream), RequestState::Answered(_));
        let (refused, open) = self.open.iter().partition(|stream| answered(stream));
        self.open = open;
        let refused: VecDeque<StreamId> = refused;
        refused.into_iter().for_each(|stream| self.finish(stream));
    }

    /// Ends a request that its worker has finished.
    fn finish(&mut self, stream: StreamId) {
        if !self.world.host.is_finished(stream) {
            self.world.host.finish(stream);
        }
        self.see();
        if !self.damaged {
            self.assert_refusal_is_right(stream);
        }
        let usage = self.world.host.seen(stream).usage;
        for (call, count) in &usage.host_calls {
            see((call, count));
        }
        self.world.host.forget(stream);
    }

    fn assert_refusal_is_right(&self, stream: StreamId) {
        let seen = self.world.host.seen(stream);
        let Some(reply) = seen.local_reply else { return };
        see((&reply.details, reply.status));
        assert_eq!(reply.by, ReplyBy::Module, "{reply:?}");
        assert!([400, 404, 503, 504].contains(&reply.status), "{reply:?}");
        if reply.headers.get("retry-after").is_some() {
            let seconds: u64 = reply.headers.get("retry-after").unwrap_or_default().parse().expect("seconds");
            assert!((1..=60).contains(&seconds), "{reply:?}");
        }
        let text = String::from_utf8(reply.body.clone()).expect("a refusal is text");
        let reason = match serde_json::from_str::<Value>(&text) {
            Ok(body) => {
                assert_eq!(body["status"], reply.status, "{text}");
                body["reason"].as_str().expect("a reason").to_owned()
            }
            // A gRPC client gets a one-line message.
            Err(_) => text.split(':').next().unwrap_or_default().to_owned(),
        };
        assert_eq!(reply.details, format!("slotway_{reason}"), "{text}");
    }

    fn assert_sound(&self) {
        for lane in 0..LANES {
            assert!(
                self.world.host.is_alive(LaneIndex(lane)),
                "lane {lane} has died: {:?}",
                self.world.complaints()
            );
        }
    }

    /// Disconnects all clients, and waits until all slots are free.
    fn end(&mut self) {
        while let Some(stream) = self.open.pop_front() {
            self.leave(stream);
        }
        if self.damaged {
            self.world.host.advance(TIMERS_MS);
            self.assert_sound();
            return;
        }
        let before_ms = self.world.host.now_ms();
        while !self.is_at_rest() && self.world.host.now_ms() < before_ms + LONG_MS {
            self.world.advance(250);
            if self.world.survey().parked > 0 {
                // A request tests a worker that was considered unreachable.
                let probe = self.world.send_with(0, get("/extract"));
                if self.world.place(probe).is_some() {
                    self.world.answer(probe);
                } else {
                    self.world.go(probe);
                }
                self.world.host.forget(probe);
            }
        }
        self.assert_sound();
        self.world.assert_at_rest();
    }

    fn is_at_rest(&self) -> bool {
        let survey = self.world.survey();
        (survey.waiting, survey.in_flight, survey.parked) == (0, 0, 0)
    }
}

/// Parses `name: value` lines, and adds the pseudo headers that are missing.
fn headers<'a>(lines: impl Iterator<Item = &'a str>) -> Headers {
    let mut headers = Headers::default();
    for line in lines {
        let colon = line.get(1..).and_then(|rest| rest.find(':')).map(|at| at + 1);
        if let Some((name, value)) = colon.and_then(|at| line.split_at_checked(at)) {
            headers.add(name, value.trim_start_matches(':').trim_matches(' '));
        }
    }
    headers
}
