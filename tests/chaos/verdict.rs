//! Compares a client's answer with the outcome of its request at the workers. Each failure needs an injected cause.

use std::{
    io,
    time::{Duration, Instant},
};

use hyper::body::Bytes;

use crate::{
    outcomes::{End, RequestOutcome},
    rig::{ANSWER_TIMEOUT, FREE_WORKER_TIMEOUT},
    run::Run,
};
use slotway_test_site::Answer;

/// Error of two clocks that count whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(5);

/// Time until a worker on a busy machine notices a request that Envoy has sent.
const NOTICED_LATE: Duration = Duration::from_millis(250);

/// A request of a client, with its times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) id: u64,
    at: Instant,
    ended: Instant,
}

impl Exchange {
    /// Creates a request that is sent now.
    pub(crate) fn new(id: u64) -> Self {
        let now = Instant::now();
        Self { id, at: now, ended: now }
    }
}

/// The judgement of an answer.
enum Verdict {
    Answered,
    Refused(String),
    Failed(String),
    Unexplained(String),
}

/// Time until the cause of a failure is known.
const KNOWN_LATE: Duration = Duration::from_millis(500);

/// Counts a client's result. A result without a cause is a violation.
pub(crate) async fn judge(run: &Run, sent: &Exchange, got: Result<(&Answer, &Bytes), &io::Error>) {
    let outcome = run.outcomes.take(sent.id);
    let ended = Instant::now();
    let sent = &Exchange { ended, ..*sent };
    let look = || match got {
        Ok((answer, body)) => judge_answer(run, sent, outcome, answer, body),
        Err(error) => broken(run, sent, outcome).map_or_else(
            || Verdict::Unexplained(format!("no answer: {error}")),
            |cause| Verdict::Failed(cause.to_owned()),
        ),
    };
    let mut verdict = look();
    if matches!(verdict, Verdict::Unexplained(_)) {
        tokio::time::sleep(KNOWN_LATE).await;
        verdict = look();
    }
    match verdict {
        Verdict::Answered => run.tally.answered.add(),
        Verdict::Refused(reason) => run.tally.refused.add(reason),
        Verdict::Failed(cause) => run.tally.failed.add(cause),
        Verdict::Unexplained(what) => run.violations.add(format!(
            "request {:#x} failed without an injected cause, {:.3} s into the run after {} ms: {what}; at the workers: {outcome:?}",
            sent.id,
            run.elapsed().as_secs_f64(),
            sent.ended.duration_since(sent.at).as_millis(),
        )),
    }
}

fn judge_answer(
    run: &Run,
    sent: &Exchange,
    outcome: Option<RequestOutcome>,
    answer: &Answer,
    body: &Bytes,
) -> Verdict {
    let words = || format!("{} {}", answer.status, answer.text().chars().take(200).collect::<String>());
    if answer.status == 200 {
        let whole =
            answer.body == *body && outcome.is_some_and(|outcome| outcome.end() == Some(End::Answered));
        return if whole {
            Verdict::Answered
        } else {
            Verdict::Unexplained(format!("not its answer: {}", words()))
        };
    }
    let is_ours = answer.header("content-type") == "application/problem+json";
    let problem = if is_ours { answer.json() } else { serde_json::Value::Null };
    let reason = problem["reason"].as_str().unwrap_or_default();
    let explained = match reason {
        "wait_timeout" => {
            let waited = Duration::from_millis(problem["waited_ms"].as_u64().unwrap_or_default());
            // On a busy machine it may be late, but never early.
            let honest = outcome.is_none() && waited <= sent.ended.duration_since(sent.at) + ROUNDING;
            return if honest { Verdict::Refused(reason.to_owned()) } else { Verdict::Unexplained(words()) };
        }
        "queue_full" if outcome.is_none() => return Verdict::Refused(reason.to_owned()),
        "worker_unreachable" => unreachable_worker(run, sent, outcome, answer),
        "answer_timeout" => {
            // Envoy's timer starts before the worker notices the request, and is never longer than the client's wait.
            let long = sent.ended.duration_since(sent.at) + ROUNDING >= ANSWER_TIMEOUT;
            let hung = outcome.is_some_and(|outcome| outcome.lasted() + NOTICED_LATE >= ANSWER_TIMEOUT);
            (long && hung).then_some("the worker hung")
        }
        _ => None,
    };
    match explained.or_else(|| lane_died(run, sent)) {
        Some(cause) => Verdict::Failed(cause.to_owned()),
        None => Verdict::Unexplained(words()),
    }
}

/// Returns why the worker could not be reached.
fn unreachable_worker(
    run: &Run,
    sent: &Exchange,
    outcome: Option<RequestOutcome>,
    answer: &Answer,
) -> Option<&'static str> {
    if outcome.is_some_and(|outcome| outcome.end() == Some(End::ResetHead)) {
        return Some("the worker reset it");
    }
    let worker = run.worker(answer.header("x-slotway-worker"))?;
    worker.dead.touch(sent.at, sent.ended).then_some("the worker was dead")
}

/// Returns why a connection broke.
fn broken(run: &Run, sent: &Exchange, outcome: Option<RequestOutcome>) -> Option<&'static str> {
    let at_worker = outcome.and_then(|outcome| {
        let worker = run.workers.get(outcome.worker)?;
        match outcome.end() {
            Some(End::ResetBody) => Some("the worker reset it"),
            _ if worker.dead.touch(sent.at, sent.ended) => Some("the worker was dead"),
            _ => None,
        }
    });
    at_worker.or_else(|| lane_died(run, sent))
}

fn lane_died(run: &Run, sent: &Exchange) -> Option<&'static str> {
    run.lane_dead.touch(sent.at, sent.ended).then_some("its lane was killed")
}

const _: () = assert!(FREE_WORKER_TIMEOUT.as_millis() < ANSWER_TIMEOUT.as_millis());
