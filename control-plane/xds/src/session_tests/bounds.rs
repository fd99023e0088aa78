//! What a node cannot make larger.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};

use super::world::{BOTH, World};
use crate::{
    ProtocolVariant::Incremental,
    message::{Ask, Incoming, Request},
    protocol::{self, Protocol},
    testing::{ROUTES, wanted},
};

#[test]
fn a_node_that_never_answers_keeps_no_more_than_a_few_contents_alive() {
    for variant in BOTH {
        let mut world = World::new(variant);
        let mut targets = Vec::new();
        for generation in 2..1_000 {
            let url = format!("http://worker-{generation}");
            world.change(wanted(generation, &[(&url, 1)]));
            targets.push(Arc::downgrade(world.session.target()));
        }
        let alive = targets.iter().filter(|target| target.strong_count() > 0).count();
        assert!(alive <= 4, "{alive} are alive");
        assert!(world.envoy.inbox.values().all(|inbox| inbox.len() <= 1));
    }
}

#[test]
fn a_request_beyond_its_bounds_is_refused() {
    let many: Vec<_> = (0..2_000).map(|n| n.to_string()).collect();
    let long = || vec!["x".repeat(4_000)];
    let whole = |names| DiscoveryRequest { resource_names: names, ..Default::default() };
    let subscribe = |names| DeltaDiscoveryRequest { resource_names_subscribe: names, ..Default::default() };
    let unsubscribe =
        |names| DeltaDiscoveryRequest { resource_names_unsubscribe: names, ..Default::default() };
    let kept = |name: String, version: String| DeltaDiscoveryRequest {
        initial_resource_versions: [(name, version)].into(),
        ..Default::default()
    };
    let all = |request| protocol::StateOfTheWorld::read(request).map(drop);
    let changes = |request| protocol::Incremental::read(request).map(drop);
    for refused in [
        all(whole(many.clone())),
        all(whole(long())),
        all(DiscoveryRequest { version_info: "v".repeat(300), ..Default::default() }),
        all(DiscoveryRequest { response_nonce: "n".repeat(300), ..Default::default() }),
        changes(subscribe(many.clone())),
        changes(subscribe(long())),
        changes(unsubscribe(many.clone())),
        changes(kept("x".repeat(4_000), "v".to_owned())),
        changes(kept("x".to_owned(), "v".repeat(300))),
        changes(DeltaDiscoveryRequest { response_nonce: "n".repeat(300), ..Default::default() }),
    ] {
        assert_eq!(refused.unwrap_err().code(), tonic::Code::ResourceExhausted);
    }
}

#[test]
fn a_subscription_that_grows_request_by_request_has_its_bound() {
    let mut world = World::new(Incremental);
    let mut subscribe = |first: usize| {
        let names = (first..first + 1_000).map(|n| n.to_string()).collect();
        let ask = Ask::Changes { subscribe: names, unsubscribe: BTreeSet::new(), kept: BTreeMap::new() };
        let request = Request { ask, nonce: String::new(), error: None };
        let type_url = ROUTES.type_url().to_owned();
        world.session.receive(Incoming { type_url, request }, &world.history)
    };
    subscribe(0).unwrap();
    assert_eq!(subscribe(1_000).unwrap_err().code(), tonic::Code::ResourceExhausted);
}
