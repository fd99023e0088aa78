//! VMs, canaries, root contexts, and lanes that stop at host calls.

use slotway_tests::{
    HostError,
    host::{Event, Filter, Host, HostCall, RequestState, Step, StreamId},
};

use crate::probe::{A, B, ask, asking, probe, said_since, saying, two_lanes};

#[test]
fn a_configuration_is_tried_by_a_canary_and_then_taken_by_each_lane() {
    let host = two_lanes();
    assert_eq!(said_since(&host, 0), ["- S1", "- C1", "0 S1", "0 C1", "1 S1", "1 C1"]);
}

#[test]
fn a_refused_configuration_reaches_no_lane() {
    let mut host = two_lanes();
    let said = saying(&mut host, |host| {
        assert!(matches!(host.configure("f"), Err(HostError::Configure(_))));
        assert!(
            matches!(host.configure("f"), Err(HostError::Configure(_))),
            "the canary's word is remembered"
        );
    });
    assert_eq!(said, ["- S1", "- C1"]);
    assert_eq!(host.roots(A), [(1, 0)]);
}

#[test]
fn a_push_makes_a_new_root_context_in_the_same_vm_and_retires_the_idle_old_one() {
    let mut host = two_lanes();
    let first = ask(&mut host, A, "statics");
    host.finish(first);
    let said = saying(&mut host, |host| host.configure("new").unwrap());
    assert_eq!(said, ["- S1", "- C1", "0 S3", "0 C3", "0 X1", "0 Z1", "1 S2", "1 C2", "1 X1", "1 Z1"]);
    let said = saying(&mut host, |host| ask(host, A, "statics"));
    assert!(said.contains(&"0 s2".to_owned()), "the VM's statics live on: {said:?}");
}

#[test]
fn an_old_root_context_lives_until_its_last_stream_is_over() {
    let mut host = two_lanes();
    let (first, second) = (ask(&mut host, A, "hold"), ask(&mut host, A, "hold"));
    host.configure("new").unwrap();
    assert_eq!(host.roots(A).len(), 2);
    host.client_gone(first);
    assert_eq!(host.roots(A).len(), 2);
    let said = saying(&mut host, |host| host.client_gone(second));
    assert_eq!(said, ["0 L3", "0 p0", "0 X3", "0 Z3", "0 X1", "0 Z1"]);
    assert_eq!(host.roots(A), [(4, 0)]);
}

#[test]
fn the_same_configuration_again_changes_nothing() {
    let mut host = two_lanes();
    let said = saying(&mut host, |host| host.configure("n").unwrap());
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn after_a_trap_no_callback_of_its_streams_runs_and_the_next_request_gets_a_new_vm() {
    let mut host = two_lanes();
    let running = ask(&mut host, A, "");
    let trapped = ask(&mut host, A, "trap");
    assert!(
        matches!(host.request_state(trapped), RequestState::Answered(reply) if reply.details == "wasm_fail_stream")
    );
    assert!(!host.is_alive(A));
    assert!(host.is_alive(B));
    let said = saying(&mut host, |host| host.answer(running, 200, "late"));
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(
        host.seen(running).received.status,
        Some(503),
        "Envoy answers in the place of a failed filter"
    );
    let said = saying(&mut host, |host| ask(host, A, "statics"));
    assert_eq!(said, ["0 S1", "0 C1", "0 H2", "0 s1"], "statics have their first values again");
}

#[test]
fn requests_get_503_while_a_new_vm_may_not_start_yet() {
    let options = slotway_tests::host::HostOptions { reload_backoff_ms: 1_000, ..Default::default() };
    let mut host = Host::with_options(probe(), 1, options);
    host.configure("n").unwrap();
    ask(&mut host, A, "trap");
    let early = ask(&mut host, A, "");
    assert!(matches!(host.request_state(early), RequestState::Answered(_)));
    host.advance(1_000);
    let late = ask(&mut host, A, "");
    assert!(matches!(host.request_state(late), RequestState::Continued(_)));
}

#[test]
fn a_module_without_what_it_imports_is_refused_by_name() {
    let module =
        br#"(module (import "env" "proxy_unheard_of" (func)) (func (export "proxy_abi_version_0_2_1")))"#;
    let Err(error) = Filter::compile(module, false) else { panic!("it compiled") };
    assert_eq!(error.to_string(), "the module imports what the host does not have: env.proxy_unheard_of");
    let Err(error) = Filter::compile(b"(module)", false) else { panic!("it compiled") };
    assert!(matches!(error, HostError::Abi));
}

#[test]
fn an_absent_key_is_created_whatever_the_number_says() {
    let mut host = two_lanes();
    race_for_the_number(&mut host);
    assert_eq!(host.shared_data().get("slotway", b"count").unwrap().0, 1_u32.to_le_bytes());
}

/// Both lanes read the number before either writes it.
fn race_for_the_number(host: &mut Host) -> [StreamId; 2] {
    let streams = [A, B].map(|lane| {
        let stream = host.open(lane, asking("number"));
        host.begin(lane, Event::Request { stream, end: true });
        while !matches!(host.step(lane), Step::At(HostCall::SetSharedData)) {}
        stream
    });
    for lane in [A, B] {
        host.finish_event(lane).unwrap();
    }
    streams
}

#[test]
fn a_lane_that_comes_too_late_tries_again() {
    let mut host = two_lanes();
    ask(&mut host, A, "number");
    let [_, second] = race_for_the_number(&mut host);
    assert_eq!(host.shared_data().get("slotway", b"count").unwrap().0, 3_u32.to_le_bytes());
    assert_eq!(host.seen(second).usage.of(HostCall::SetSharedData), 2);
}

#[test]
fn a_lane_traps_at_the_host_call_where_it_stands() {
    let mut host = two_lanes();
    let stream = host.open(A, asking("number"));
    host.begin(A, Event::Request { stream, end: true });
    while !matches!(host.step(A), Step::At(HostCall::SetSharedData)) {}
    host.trap(A);
    host.finish_event(A).unwrap();
    assert!(!host.is_alive(A));
    assert!(host.shared_data().get("slotway", b"count").is_none());
}

#[test]
fn what_a_request_costs_is_counted() {
    let mut host = two_lanes();
    let stream = ask(&mut host, A, "number");
    let usage = host.seen(stream).usage;
    assert_eq!(usage.of(HostCall::GetSharedData), 1);
    assert!(usage.fuel > 0);
    assert_eq!(host.metrics().value("count"), Some(1));
}
