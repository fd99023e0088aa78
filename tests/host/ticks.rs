//! Timers and clocks.

use slotway_tests::host::{Event, Host};

use crate::probe::{A, ask, asking, probe, saying, two_lanes};

fn ticking() -> Host {
    let mut host = Host::new(probe(), 1);
    host.configure("t").unwrap();
    host
}

#[test]
fn a_root_context_ticks_each_period_and_a_canary_never() {
    let mut host = ticking();
    assert_eq!(saying(&mut host, |host| host.advance(99)), Vec::<String>::new());
    assert_eq!(saying(&mut host, |host| host.advance(1)), ["0 T1"]);
    assert_eq!(saying(&mut host, |host| host.advance(250)), ["0 T1", "0 T1"]);
    assert_eq!(host.roots(A), [(1, 100)]);
}

#[test]
fn a_retired_root_context_ticks_no_more_and_one_with_a_stream_does() {
    let mut host = ticking();
    let held = ask(&mut host, A, "hold");
    host.configure("n").unwrap();
    assert_eq!(saying(&mut host, |host| host.advance(100)), ["0 T1"]);
    host.client_gone(held);
    assert_eq!(saying(&mut host, |host| host.advance(1_000)), Vec::<String>::new());
    assert_eq!(host.next_tick_ns(), None);
}

#[test]
fn a_failed_vm_ticks_no_more() {
    let mut host = ticking();
    host.trap(A);
    assert_eq!(saying(&mut host, |host| host.advance(1_000)), Vec::<String>::new());
}

#[test]
fn a_busy_lane_ticks_late_and_once() {
    let mut host = ticking();
    let stream = host.open(A, asking(""));
    host.begin(A, Event::Request { stream, end: true });
    assert_eq!(saying(&mut host, |host| host.advance(1_000)), Vec::<String>::new());
    host.finish_event(A).unwrap();
    assert_eq!(host.due_ticks().len(), 1);
    assert_eq!(saying(&mut host, |host| host.advance(0)), ["0 T1"]);
}

#[test]
fn the_operators_clock_jumps_and_the_other_one_does_not() {
    let mut host = two_lanes();
    let before = host.clock();
    host.jump_realtime(-5_000);
    host.advance(1_000);
    assert_eq!(host.clock().monotonic_ns() - before.monotonic_ns(), 1_000_000_000);
    assert_eq!(before.realtime_ns() - host.clock().realtime_ns(), 4_000_000_000);
}
