use std::{collections::BTreeSet, sync::Arc};

use envoy_types::pb::google::protobuf::Any;

use super::{Answer, Offer, Subscription};
use crate::{
    message::{Ask, Request},
    resource_set::{ResourceSet, XdsResource},
    version::Version,
};

/// Resources of these names and contents.
fn set(resources: &[(&str, &str)]) -> Arc<ResourceSet> {
    let resource = |(name, content): &(&str, &str)| {
        let body = Any { type_url: "type".to_owned(), value: content.as_bytes().to_vec() };
        Arc::new(XdsResource::new((*name).to_owned(), body))
    };
    Arc::new(resources.iter().map(resource).collect())
}

/// One resource of that content.
fn content(content: &str) -> Arc<ResourceSet> {
    set(&[("r", content)])
}

fn version(text: &str) -> Version {
    content(text).version().clone()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn asks(list: &[&str]) -> Request {
    let ask = Ask::All { names: names(list), version: String::new() };
    Request { ask, nonce: String::new(), error: None }
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
    let Offer::Send(nonce, _) = subscription.offer(&content(sent)) else { panic!("nothing was sent") };
    (subscription, nonce)
}

#[test]
fn nothing_is_sent_without_a_subscription() {
    assert_eq!(Subscription::default().offer(&content("v1")), Offer::Hold);
}

#[test]
fn an_empty_first_list_means_everything_only_for_wildcard_types() {
    let mut clusters = Subscription::default();
    clusters.receive(asks(&[]), true);
    assert!(
        clusters.interest().is_something()
            && clusters.interest().wants_all()
            && clusters.interest().wants("any")
    );
    let mut routes = Subscription::default();
    routes.receive(asks(&[]), false);
    assert!(!routes.interest().is_something() && !routes.interest().wants("any"));
}

#[test]
fn a_star_means_everything_until_it_is_taken_back() {
    let (mut clusters, nonce) = after_sending(&["*"], true, "v1");
    assert!(clusters.interest().wants_all());
    clusters.receive(acks(&nonce, &["a"]), true);
    assert!(
        !clusters.interest().wants_all() && clusters.interest().wants("a") && !clusters.interest().wants("b")
    );
}

#[test]
fn an_empty_list_after_names_unsubscribes_also_from_wildcard_types() {
    let (mut clusters, nonce) = after_sending(&["a"], true, "v1");
    clusters.receive(acks(&nonce, &[]), true);
    assert!(!clusters.interest().is_something());
    assert_eq!(clusters.offer(&content("v2")), Offer::Hold);
}

#[test]
fn an_acknowledged_version_is_not_sent_again() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    assert_eq!(clusters.receive(acks(&nonce, &[]), true), Answer::Acked);
    assert_eq!(clusters.acked(), Some(&version("v1")));
    assert_eq!(clusters.offer(&content("v1")), Offer::InForce);
}

#[test]
fn changes_wait_for_the_answer_to_the_last_response_and_coalesce() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    assert_eq!(clusters.offer(&content("v2")), Offer::Hold);
    assert_eq!(clusters.offer(&content("v3")), Offer::Hold);
    clusters.receive(acks(&nonce, &[]), true);
    assert!(matches!(clusters.offer(&content("v3")), Offer::Send(..)));
}

#[test]
fn a_rejected_content_is_parked_until_it_changes() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    assert_eq!(clusters.receive(refuses(&nonce, &[]), true), Answer::Rejected("no".to_owned()));
    assert!(clusters.is_rejected());
    assert_eq!(clusters.offer(&content("v1")), Offer::Hold);
    assert!(matches!(clusters.offer(&content("v2")), Offer::Send(..)));
    assert!(!clusters.is_rejected());
}

#[test]
fn a_rejected_content_is_not_sent_again_for_a_repeated_request() {
    let (mut routes, nonce) = after_sending(&["r"], false, "v1");
    routes.receive(refuses(&nonce, &["r"]), false);
    assert_eq!(routes.receive(acks(&nonce, &["r"]), false), Answer::None);
    assert_eq!(routes.offer(&content("v1")), Offer::Hold);
}

#[test]
fn going_back_after_a_rejection_is_sent_since_the_node_may_have_taken_a_part() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    clusters.receive(acks(&nonce, &[]), true);
    let Offer::Send(nonce, _) = clusters.offer(&content("v2")) else { panic!("v2 was not sent") };
    clusters.receive(refuses(&nonce, &[]), true);
    assert!(matches!(clusters.offer(&content("v1")), Offer::Send(..)));
}

#[test]
fn a_rejection_is_recognized_by_its_reason_whatever_version_it_states() {
    let (mut clusters, nonce) = after_sending(&[], true, "v1");
    let mut request = refuses(&nonce, &[]);
    request.ask = Ask::All { names: names(&[]), version: version("v1").as_str().to_owned() };
    assert!(matches!(clusters.receive(request, true), Answer::Rejected(_)));
    assert_eq!(clusters.acked(), None);
}

#[test]
fn a_stale_nonce_answers_nothing_and_changes_nothing() {
    let (mut routes, first) = after_sending(&["r"], false, "v1");
    routes.receive(acks(&first, &["r"]), false);
    let Offer::Send(..) = routes.offer(&content("v2")) else { panic!("v2 was not sent") };
    let before = format!("{routes:?}");
    assert_eq!(routes.receive(acks(&first, &["other"]), false), Answer::None);
    assert_eq!(routes.receive(refuses(&first, &["r"]), false), Answer::None);
    assert_eq!(format!("{routes:?}"), before);
}

#[test]
fn a_subscription_that_changes_with_an_acknowledgement_is_honoured() {
    let (mut routes, nonce) = after_sending(&["a"], false, "v1");
    assert_eq!(routes.receive(acks(&nonce, &["a", "b"]), false), Answer::Acked);
    assert!(routes.interest().wants("b"));
    // New names are owed an answer even where the version of what they select is the old one.
    assert!(matches!(routes.offer(&content("v1")), Offer::Send(..)));
}

#[test]
fn names_that_are_only_taken_away_are_owed_nothing() {
    let (mut routes, nonce) = after_sending(&["a", "b"], false, "v1");
    routes.receive(acks(&nonce, &["a"]), false);
    assert_eq!(routes.offer(&content("v1")), Offer::InForce);
}

#[test]
fn names_taken_away_and_asked_for_again_are_answered_again() {
    let (mut routes, nonce) = after_sending(&["a"], false, "v1");
    routes.receive(acks(&nonce, &["a"]), false);
    routes.receive(acks(&nonce, &[]), false);
    assert_eq!(routes.offer(&content("v1")), Offer::Hold);
    routes.receive(acks(&nonce, &["a"]), false);
    assert!(matches!(routes.offer(&content("v1")), Offer::Send(..)));
}

#[test]
fn a_request_that_neither_answers_nor_changes_anything_is_answered_again() {
    let (mut routes, nonce) = after_sending(&["a"], false, "v1");
    routes.receive(acks(&nonce, &["a"]), false);
    assert_eq!(routes.receive(acks(&nonce, &["a"]), false), Answer::None);
    assert!(matches!(routes.offer(&content("v1")), Offer::Send(..)));
}

#[test]
fn a_node_that_connects_again_is_not_sent_what_it_has() {
    let mut clusters = Subscription::default();
    let mut request = asks(&[]);
    request.ask = Ask::All { names: names(&[]), version: version("v1").as_str().to_owned() };
    clusters.receive(request, true);
    assert_eq!(clusters.offer(&content("v1")), Offer::InForce);
    assert!(matches!(clusters.offer(&content("v2")), Offer::Send(..)));
}

#[test]
fn the_nonce_of_an_earlier_stream_is_no_answer() {
    let mut clusters = Subscription::default();
    assert_eq!(clusters.receive(acks("7", &[]), true), Answer::None);
    assert!(matches!(clusters.offer(&content("v1")), Offer::Send(..)));
}

#[test]
fn each_response_has_its_own_nonce() {
    let (mut clusters, first) = after_sending(&[], true, "v1");
    clusters.receive(acks(&first, &[]), true);
    let Offer::Send(second, _) = clusters.offer(&content("v2")) else { panic!("v2 was not sent") };
    assert_ne!(first, second);
}

/// What the incremental protocol has of its own.
mod incremental {
    use super::*;

    fn changes(nonce: &str, subscribe: &[&str], unsubscribe: &[&str]) -> Request {
        let ask = Ask::Changes {
            subscribe: names(subscribe),
            unsubscribe: names(unsubscribe),
            kept: Default::default(),
        };
        Request { ask, nonce: nonce.to_owned(), error: None }
    }

    fn refuses(nonce: &str) -> Request {
        Request { error: Some("no".to_owned()), ..changes(nonce, &[], &[]) }
    }

    /// A first request that states what the node has kept.
    fn kept(subscribe: &[&str], kept: &Arc<ResourceSet>) -> Request {
        let versions = kept.iter().map(|own| (own.name().to_string(), own.version().as_str().to_owned()));
        let mut request = changes("", subscribe, &[]);
        request.ask =
            Ask::Changes { subscribe: names(subscribe), unsubscribe: names(&[]), kept: versions.collect() };
        request
    }

    /// The nonce, and the names that are sent and those that are removed.
    fn sent(subscription: &mut Subscription, set: &Arc<ResourceSet>) -> (String, Vec<String>, Vec<String>) {
        let Offer::Send(nonce, difference) = subscription.offer(set) else { panic!("nothing was sent") };
        let resources = difference.resources.iter().map(|own| own.name().to_string()).collect();
        (nonce, resources, difference.removed.iter().map(|name| (**name).to_owned()).collect())
    }

    /// Subscribed to everything, with `set` acknowledged.
    fn settled(set: &Arc<ResourceSet>) -> Subscription {
        let mut subscription = Subscription::default();
        subscription.receive(changes("", &[], &[]), true);
        let (nonce, ..) = sent(&mut subscription, set);
        assert_eq!(subscription.receive(changes(&nonce, &[], &[]), true), Answer::Acked);
        subscription
    }

    #[test]
    fn only_changes_are_sent_and_missing_resources_are_reported_as_removed() {
        let mut clusters = settled(&set(&[("a", "1"), ("b", "1"), ("c", "1")]));
        let (_, resources, removed) = sent(&mut clusters, &set(&[("a", "1"), ("b", "2"), ("d", "1")]));
        assert_eq!((resources, removed), (vec!["b".to_owned(), "d".to_owned()], vec!["c".to_owned()]));
    }

    #[test]
    fn a_wildcard_is_answered_even_if_there_is_nothing() {
        let mut clusters = Subscription::default();
        clusters.receive(changes("", &[], &[]), true);
        let (nonce, resources, removed) = sent(&mut clusters, &set(&[]));
        assert!(resources.is_empty() && removed.is_empty());
        clusters.receive(changes(&nonce, &[], &[]), true);
        assert_eq!(clusters.offer(&set(&[])), Offer::InForce);
    }

    #[test]
    fn a_name_that_does_not_exist_is_reported_as_removed_and_sent_once_it_exists() {
        let mut routes = Subscription::default();
        routes.receive(changes("", &["a"], &[]), false);
        let (nonce, _, removed) = sent(&mut routes, &set(&[]));
        assert_eq!(removed, ["a"]);
        routes.receive(changes(&nonce, &[], &[]), false);
        assert_eq!(sent(&mut routes, &set(&[("a", "1")])).1, ["a"]);
    }

    #[test]
    fn what_a_node_has_kept_is_not_sent_again_and_what_is_gone_since_is_removed() {
        let old = set(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let mut same = Subscription::default();
        same.receive(kept(&[], &old), true);
        assert_eq!(same.offer(&old), Offer::InForce);
        assert_eq!(same.acked(), Some(old.version()));
        let mut other = Subscription::default();
        other.receive(kept(&[], &old), true);
        let (_, resources, removed) = sent(&mut other, &set(&[("a", "1"), ("b", "2")]));
        assert_eq!((resources, removed), (vec!["b".to_owned()], vec!["c".to_owned()]));
    }

    #[test]
    fn a_named_resource_that_was_kept_is_sent_only_if_it_has_changed() {
        let mut routes = Subscription::default();
        routes.receive(kept(&["r", "s"], &content("1")), false);
        assert_eq!(sent(&mut routes, &set(&[("r", "1"), ("s", "1")])).1, ["s"]);
    }

    #[test]
    fn all_of_a_doubted_stream_is_sent_again_and_what_was_only_offered_is_removed() {
        let mut request = kept(&[], &set(&[("a", "1"), ("b", "1")]));
        request.doubt(&set(&[("a", "1"), ("c", "1")]));
        let mut clusters = Subscription::default();
        clusters.receive(request, true);
        let (_, resources, removed) = sent(&mut clusters, &set(&[("a", "1")]));
        assert_eq!((resources, removed), (vec!["a".to_owned()], vec!["b".to_owned(), "c".to_owned()]));
    }

    #[test]
    fn after_a_rejection_all_of_the_response_is_sent_again() {
        let mut clusters = settled(&set(&[("a", "1"), ("b", "1")]));
        let (nonce, ..) = sent(&mut clusters, &set(&[("a", "1"), ("c", "1")]));
        assert_eq!(clusters.receive(refuses(&nonce), true), Answer::Rejected("no".to_owned()));
        assert_eq!(clusters.offer(&set(&[("a", "1"), ("c", "1")])), Offer::Hold, "the same bytes");
        let (_, resources, removed) = sent(&mut clusters, &set(&[("a", "1"), ("b", "1")]));
        assert_eq!((resources, removed), (vec!["b".to_owned()], vec!["c".to_owned()]));
    }

    #[test]
    fn a_name_that_is_subscribed_again_is_answered_though_the_node_has_it() {
        let mut clusters = settled(&content("1"));
        clusters.receive(changes("", &["r"], &[]), true);
        assert_eq!(sent(&mut clusters, &content("1")).1, ["r"]);
    }

    #[test]
    fn a_name_taken_back_is_neither_sent_nor_removed_and_sent_when_it_is_wanted_again() {
        let both = set(&[("a", "1"), ("b", "1")]);
        let mut routes = Subscription::default();
        routes.receive(changes("", &["a", "b"], &[]), false);
        let (nonce, ..) = sent(&mut routes, &both);
        routes.receive(changes(&nonce, &[], &["b"]), false);
        assert_eq!(routes.offer(&set(&[("a", "1")])), Offer::InForce);
        routes.receive(changes("", &["b"], &[]), false);
        assert_eq!(sent(&mut routes, &both).1, ["b"]);
    }

    #[test]
    fn names_count_also_with_a_stale_nonce_which_answers_nothing() {
        let mut routes = Subscription::default();
        routes.receive(changes("", &["r"], &[]), false);
        let (first, ..) = sent(&mut routes, &content("1"));
        routes.receive(changes(&first, &[], &[]), false);
        let _ = sent(&mut routes, &content("2"));
        assert_eq!(routes.receive(refuses(&first), false), Answer::None);
        assert_eq!(routes.receive(changes(&first, &["s"], &[]), false), Answer::None);
        assert!(routes.interest().wants("s") && !routes.is_rejected());
        assert_eq!(routes.offer(&content("2")), Offer::Hold, "the second response is unanswered");
    }

    #[test]
    fn an_empty_request_is_not_answered() {
        let mut clusters = settled(&content("1"));
        clusters.receive(changes("", &[], &[]), true);
        assert_eq!(clusters.offer(&content("1")), Offer::InForce);
    }
}
