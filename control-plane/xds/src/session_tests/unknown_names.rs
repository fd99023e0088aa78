//! Types and names that do not exist.

use std::collections::{BTreeMap, BTreeSet};

use super::{super::SessionEvent, world::World};
use crate::{
    ProtocolVariant::{Incremental, StateOfTheWorld},
    message::{Ask, Incoming, Request},
    testing::ROUTES,
};

#[test]
fn a_type_that_is_not_served_is_ignored() {
    let mut world = World::new(StateOfTheWorld);
    let type_url = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret".to_owned();
    let ask = Ask::All { names: BTreeSet::new(), version: String::new() };
    let request = Request { ask, nonce: String::new(), error: None };
    let event = world.session.receive(Incoming { type_url: type_url.clone(), request }, &world.history);
    assert_eq!(event.unwrap(), SessionEvent::UnknownType(type_url));
    assert!(world.session.responses(&world.history).is_empty());
}

#[test]
fn a_name_that_does_not_exist_is_unanswered_or_reported_as_removed() {
    let incoming = |ask| Incoming {
        type_url: ROUTES.type_url().to_owned(),
        request: Request { ask, nonce: String::new(), error: None },
    };
    let names = BTreeSet::from(["another".to_owned()]);
    let mut world = World::new(StateOfTheWorld);
    world.settle();
    let ask = Ask::All { names: names.clone(), version: String::new() };
    world.session.receive(incoming(ask), &world.history).unwrap();
    assert!(world.session.responses(&world.history).is_empty());

    let mut world = World::new(Incremental);
    world.settle();
    let ask = Ask::Changes { subscribe: names, unsubscribe: BTreeSet::new(), kept: BTreeMap::new() };
    world.session.receive(incoming(ask), &world.history).unwrap();
    let responses = world.session.responses(&world.history);
    assert_eq!(responses.len(), 1);
    assert_eq!(*responses[0].removed[0], *"another");
    assert!(responses[0].resources.is_empty());
}
