//! A stream's way through the module.

use slotway_tests::host::{CallAnswer, Host, HostOptions, ReplyBy, RequestState, WorkerFailure};

use crate::probe::{A, B, ask, asking, probe, saying, two_lanes};

#[test]
fn a_held_request_goes_on_when_the_call_that_released_it_has_returned() {
    let mut host = two_lanes();
    let held = host.request_headers(A, asking("hold"));
    host.request_body(held, b"abc", true);
    assert_eq!(host.request_state(held), RequestState::Paused);
    let said = saying(&mut host, |host| ask(host, A, "wake"));
    // Set effective: Ok. Continue: Ok. Reading a header after that: BadArgument. The body comes when all has returned.
    assert_eq!(said, ["0 H3", "0 e0", "0 c0", "0 g2", "0 B3"]);
    let seen = host.seen(held);
    assert_eq!(seen.forwarded.unwrap().get("x-probe"), Some("yes"));
    assert_eq!(seen.sent_body, b"abc");
    assert!(seen.sent_all);
    assert_eq!(host.anomalies(), Vec::<String>::new());
}

#[test]
fn a_stream_that_has_gone_cannot_be_made_effective() {
    let mut host = two_lanes();
    let held = ask(&mut host, A, "hold");
    host.client_gone(held);
    let said = saying(&mut host, |host| ask(host, A, "wake"));
    assert_eq!(said[1], "0 e2");
    assert!(host.seen(held).received.reset);
}

#[test]
fn a_local_reply_passes_the_modules_own_callbacks_and_ends_the_stream() {
    let mut host = two_lanes();
    let said = saying(&mut host, |host| ask(host, A, "reply"));
    assert_eq!(said, ["0 H2", "0 R2", "0 D2", "0 L2", "0 p0", "0 X2", "0 Z2"]);
}

#[test]
fn a_local_reply_is_recorded_and_received() {
    let mut host = two_lanes();
    let stream = ask(&mut host, A, "reply");
    let RequestState::Answered(reply) = host.request_state(stream) else { panic!("not answered") };
    assert_eq!((reply.by, reply.status, reply.details.as_str()), (ReplyBy::Module, 503, "count"));
    let received = host.seen(stream).received;
    assert_eq!(
        (received.status, received.body.as_slice(), received.complete),
        (Some(503), &b"no slot"[..], true)
    );
    assert_eq!(received.headers.get("x-probe"), Some("yes"));
    assert_eq!(received.headers.get("content-type"), Some("text/plain"));
}

#[test]
fn a_local_reply_to_a_grpc_request_is_all_headers() {
    let mut host = two_lanes();
    let mut headers = asking("reply");
    headers.add("content-type", "application/grpc");
    let stream = host.request(A, headers);
    let received = host.seen(stream).received;
    assert_eq!((received.status, received.headers.get("grpc-status")), (Some(200), Some("14")));
    assert_eq!(received.headers.get("grpc-message"), Some("no slot"));
    assert!(received.body.is_empty() && received.complete);
}

#[test]
fn a_local_reply_can_pass_by_the_module_and_leave_the_stream_open() {
    let options = HostOptions {
        local_replies_pass_filter: false,
        finish_local_replies: false,
        ..HostOptions::default()
    };
    let mut host = Host::with_options(probe(), 1, options);
    host.configure("n").unwrap();
    let stream = ask(&mut host, A, "reply");
    assert!(!host.is_finished(stream));
    let said = saying(&mut host, |host| host.finish(stream));
    assert_eq!(said, ["0 L2", "0 p0", "0 X2", "0 Z2"]);
}

#[test]
fn an_answer_passes_the_module_before_the_client_gets_it() {
    let mut host = two_lanes();
    let stream = ask(&mut host, A, "");
    let said = saying(&mut host, |host| {
        host.answer_headers(stream, [(":status", "200")].into_iter().collect(), false);
        host.answer_body(stream, b"hello", true);
    });
    assert_eq!(said, ["0 R2", "0 D2"]);
    let received = host.seen(stream).received;
    assert_eq!((received.status, received.body.as_slice()), (Some(200), &b"hello"[..]));
    assert!(!host.is_finished(stream), "the client may still be reading");
    let said = saying(&mut host, |host| host.finish(stream));
    assert_eq!(said, ["0 L2", "0 p0", "0 X2", "0 Z2"]);
}

#[test]
fn the_router_answers_for_a_worker_that_cannot_be_reached() {
    let mut host = two_lanes();
    let stream = ask(&mut host, A, "");
    host.worker_failed(stream, WorkerFailure::ConnectFailed);
    let RequestState::Answered(reply) = host.request_state(stream) else { panic!("not answered") };
    assert_eq!((reply.by, reply.status), (ReplyBy::Router, 503));
    assert_eq!(host.seen(stream).received.headers.get("x-probe"), Some("yes"), "the module saw it");
}

#[test]
fn a_worker_that_leaves_within_its_answer_resets_the_stream() {
    let mut host = two_lanes();
    let stream = ask(&mut host, A, "");
    host.answer_headers(stream, [(":status", "200")].into_iter().collect(), false);
    host.worker_failed(stream, WorkerFailure::ResetInAnswer);
    assert!(host.is_finished(stream) && host.seen(stream).received.reset);
}

#[test]
fn the_modules_own_requests_are_answered_on_the_root_context() {
    let mut host = two_lanes();
    let said = saying(&mut host, |host| ask(host, A, "call"));
    assert_eq!(said[1], "0 h2", "there is no such cluster yet");
    host.add_cluster("cp");
    ask(&mut host, A, "call");
    let calls = host.http_calls();
    assert_eq!((calls.len(), calls[0].cluster.as_str(), calls[0].headers.get(":path")), (1, "cp", Some("/")));
    let said = saying(&mut host, |host| host.answer_call(&calls[0], CallAnswer::status(200, "")));
    assert_eq!(said, ["0 N1", "0 h1"]);
    ask(&mut host, B, "call");
    let said = saying(&mut host, |host| host.advance(100));
    assert_eq!(said, ["1 N1", "1 h1"], "no answer in time is a 504");
    ask(&mut host, B, "call");
    let call = host.http_calls().remove(0);
    let said = saying(&mut host, |host| host.answer_call(&call, CallAnswer::Reset));
    assert_eq!(said, ["1 N1", "1 h0"]);
}
