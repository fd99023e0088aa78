use std::collections::BTreeSet;

use super::{Answer, Offer, Request, Subscription};
use crate::xds::resource_set::Version;

fn version(text: &str) -> Version {
    Version::stated(text)
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn asks(list: &[&str]) -> Request {
    Request { names: names(list), ..Request::default() }
}

fn acks(nonce: &str, list: &[&str]) -> Request {
    Request { nonce: nonce.to_owned(), ..asks(list) }
}

fn refuses(nonce: &str, list: &[&str]) -> Request {
    Request { error: Some("no".to_owned()), ..acks(nonce, list) }
}

/// Subscribed to `list` and sent `sent`; the nonce.
fn after_sending(list: &[&str], wildcard: bool, sent: &str) -> (Subscription, String) {
    let mut subscription = Subscription::default();
    assert_eq!(subscription.receive(asks(list), wildcard), Answer::None);
    let Offer::Send(nonce) = subscription.offer(&version(sent)) else { panic!("nothing was sent") };
    (subscription, nonce)
}

#[test]
fn nothing_is_sent_before_it_is_asked_for() {
    assert_eq!(Subscription::default().offer(&version("v1")), Offer::Hold);
}

#[test]
fn an_empty_first_list_means_everything_only_for_wildcard_types() {
    let mut clusters = Subscription::default();
    clusters.receive(asks(&[]), true);
    assert!(clusters.is_subscribed() && clusters.wants_all() && clusters.wants("any"));
    let mut routes = Subscription::default();
    routes.receive(asks(&[]), false);
    assert!(!routes.is_subscribed() && !routes.wants("any"));
}

#[test]
fn a_star_means_everything_until_it_is_taken_back() {
    let (mut clusters, nonce) = after_sending(&["*"], true, "v1");
    assert!(clusters.wants_all());
    clusters.receive(acks(&nonce, &["a"]), true);
    assert!(!clusters.wants_all() && clusters.wants("a") && !clusters.wants("b"));
}

#[test]
fn an_empty_list_after_names_unsubscribes_also_from_wildcard_types() {
    let (mut clusters, nonce) = after_sending(&["a"], true, "v1");
    clusters.receive(acks(&nonce, &[]), true);
    assert!(!clusters.is_subscribed());
    assert_eq!(clusters.offer(&version("v2")), Offer::Hold);
}

#[test]
fn an_acknowledged_version_is_not_sent_again() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    assert_eq!(clusters.receive(acks(&nonce, &[]), true), Answer::Acked);
    assert_eq!(clusters.acked(), Some(&version("v1")));
    assert_eq!(clusters.offer(&version("v1")), Offer::InForce);
}

#[test]
fn changes_wait_for_the_answer_to_the_last_response_and_coalesce() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    assert_eq!(clusters.offer(&version("v2")), Offer::Hold);
    assert_eq!(clusters.offer(&version("v3")), Offer::Hold);
    clusters.receive(acks(&nonce, &[]), true);
    assert!(matches!(clusters.offer(&version("v3")), Offer::Send(_)));
}

#[test]
fn a_rejected_content_is_parked_until_it_changes() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    assert_eq!(clusters.receive(refuses(&nonce, &[]), true), Answer::Rejected("no".to_owned()));
    assert!(clusters.is_rejected());
    assert_eq!(clusters.offer(&version("v1")), Offer::Hold);
    assert!(matches!(clusters.offer(&version("v2")), Offer::Send(_)));
    assert!(!clusters.is_rejected());
}

#[test]
fn a_rejected_content_is_not_sent_again_for_a_repeated_request() {
    let (mut routes, nonce) = after_sending(&["r"], false, "v1");
    routes.receive(refuses(&nonce, &["r"]), false);
    assert_eq!(routes.receive(acks(&nonce, &["r"]), false), Answer::None);
    assert_eq!(routes.offer(&version("v1")), Offer::Hold);
}

#[test]
fn going_back_after_a_rejection_is_sent_since_the_node_may_have_taken_a_part() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    clusters.receive(acks(&nonce, &[]), true);
    let Offer::Send(nonce) = clusters.offer(&version("v2")) else { panic!("v2 was not sent") };
    clusters.receive(refuses(&nonce, &[]), true);
    assert!(matches!(clusters.offer(&version("v1")), Offer::Send(_)));
}

#[test]
fn a_rejection_is_known_by_its_reason_whatever_version_it_states() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    let request = Request { version: "v1".to_owned(), ..refuses(&nonce, &[]) };
    assert!(matches!(clusters.receive(request, true), Answer::Rejected(_)));
    assert_eq!(clusters.acked(), None);
}

#[test]
fn a_stale_nonce_answers_nothing_and_changes_nothing() {
    let (mut routes, first) = after_sending(&["r"], false, "v1");
    routes.receive(acks(&first, &["r"]), false);
    let Offer::Send(_) = routes.offer(&version("v2")) else { panic!("v2 was not sent") };
    let before = routes.clone();
    assert_eq!(routes.receive(acks(&first, &["other"]), false), Answer::None);
    assert_eq!(routes.receive(refuses(&first, &["r"]), false), Answer::None);
    assert_eq!(routes, before);
}

#[test]
fn a_subscription_that_changes_with_an_acknowledgement_is_honoured() {
    let (mut routes, nonce) = after_sending(&["a"], false, "v1");
    assert_eq!(routes.receive(acks(&nonce, &["a", "b"]), false), Answer::Acked);
    assert!(routes.wants("b"));
    // New names are owed an answer even where the version of what they select is the old one.
    assert!(matches!(routes.offer(&version("v1")), Offer::Send(_)));
}

#[test]
fn names_that_are_only_taken_away_are_owed_nothing() {
    let (mut routes, nonce) = after_sending(&["a", "b"], false, "v1");
    routes.receive(acks(&nonce, &["a"]), false);
    assert_eq!(routes.offer(&version("v1")), Offer::InForce);
}

#[test]
fn names_taken_away_and_asked_for_again_are_answered_again() {
    let (mut routes, nonce) = after_sending(&["a"], false, "v1");
    routes.receive(acks(&nonce, &["a"]), false);
    routes.receive(acks(&nonce, &[]), false);
    assert_eq!(routes.offer(&version("v1")), Offer::Hold);
    routes.receive(acks(&nonce, &["a"]), false);
    assert!(matches!(routes.offer(&version("v1")), Offer::Send(_)));
}

#[test]
fn a_request_that_neither_answers_nor_changes_anything_is_answered_again() {
    let (mut routes, nonce) = after_sending(&["a"], false, "v1");
    routes.receive(acks(&nonce, &["a"]), false);
    assert_eq!(routes.receive(acks(&nonce, &["a"]), false), Answer::None);
    assert!(matches!(routes.offer(&version("v1")), Offer::Send(_)));
}

#[test]
fn a_node_that_connects_again_is_not_sent_what_it_has() {
    let mut clusters = Subscription::default();
    clusters.receive(Request { version: "v1".to_owned(), ..asks(&[]) }, true);
    assert_eq!(clusters.offer(&version("v1")), Offer::InForce);
    assert!(matches!(clusters.offer(&version("v2")), Offer::Send(_)));
}

#[test]
fn the_nonce_of_an_earlier_stream_is_no_answer() {
    let mut clusters = Subscription::default();
    assert_eq!(clusters.receive(acks("7", &[]), true), Answer::None);
    assert!(matches!(clusters.offer(&version("v1")), Offer::Send(_)));
}

#[test]
fn each_response_has_its_own_nonce() {
    let (mut clusters, first) = after_sending(&[], true, "v1");
    clusters.receive(acks(&first, &[]), true);
    let Offer::Send(second) = clusters.offer(&version("v2")) else { panic!("v2 was not sent") };
    assert_ne!(first, second);
}
