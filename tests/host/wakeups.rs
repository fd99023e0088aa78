//! Shared queues.

use crate::probe::{A, B, ask, saying, two_lanes};

#[test]
fn a_wakeup_goes_to_the_lane_that_registered_last() {
    let mut host = two_lanes();
    assert_eq!(saying(&mut host, |host| ask(host, A, "enqueue")), ["0 H2", "1 Q1", "1 d0"]);
}

#[test]
fn held_wakeups_are_delivered_in_any_order() {
    let mut host = two_lanes();
    host.hold_wakeups(true);
    ask(&mut host, A, "enqueue");
    ask(&mut host, A, "enqueue");
    let wakeups = host.wakeups();
    assert_eq!(wakeups.len(), 2);
    assert_eq!(saying(&mut host, |host| host.deliver(wakeups[1])), ["1 Q1", "1 d0"]);
    assert_eq!(host.wakeups(), wakeups[..1]);
    assert_eq!(saying(&mut host, |host| host.deliver_wakeups()), ["1 Q1", "1 d0"]);
    assert!(host.shared_queues().is_empty());
}

#[test]
fn a_wakeup_for_a_retired_root_context_is_dropped_and_the_message_stays() {
    let mut host = two_lanes();
    host.hold_wakeups(true);
    ask(&mut host, A, "enqueue");
    host.configure("new").unwrap();
    assert_eq!(saying(&mut host, |host| host.deliver_wakeups()), Vec::<String>::new());
    assert!(!host.shared_queues().is_empty());
}

#[test]
fn a_wakeup_reaches_the_old_root_context_while_it_lives() {
    let mut host = two_lanes();
    host.hold_wakeups(true);
    let held = ask(&mut host, B, "hold");
    ask(&mut host, A, "enqueue");
    host.configure("new").unwrap();
    let said = saying(&mut host, |host| host.deliver_wakeups());
    assert_eq!(said, ["1 Q1", "1 d0", "1 e0", "1 c0", "1 g2"]);
    assert!(host.forwarded(held).is_some());
}

#[test]
fn a_wakeup_for_a_failed_vm_is_dropped_and_one_that_comes_after_the_reload_is_not() {
    let mut host = two_lanes();
    host.hold_wakeups(true);
    ask(&mut host, A, "enqueue");
    host.trap(B);
    let wakeup = host.wakeups()[0];
    assert_eq!(saying(&mut host, |host| host.deliver(wakeup)), Vec::<String>::new());
    ask(&mut host, A, "enqueue");
    host.reload(B).unwrap();
    assert_eq!(saying(&mut host, |host| host.deliver_wakeups()), ["1 Q1", "1 d0"]);
}
