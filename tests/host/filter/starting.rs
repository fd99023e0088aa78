//! Canaries, lanes that join, and configurations that are refused.

use slotway_tests::{
    HostError,
    artifact::filter,
    host::{Host, LaneIndex},
    inside,
    world::{World, get, pool},
};

use crate::{W1, W2};

#[test]
fn a_canary_makes_no_slots_and_is_no_lane() {
    let world = World::new(1, pool(&[(W1, 1)]));
    let mut host = Host::new(filter(), 2);
    host.accept(&world.config().to_json().unwrap()).unwrap();
    host.advance(10_000);
    assert_eq!(host.shared_data().entries("slotway").count(), 0);
}

#[test]
fn slots_are_made_once_for_all_lanes() {
    let world = World::new(4, pool(&[(W1, 3), (W2, 4)]));
    assert_eq!(world.survey().free, 7);
    world.assert_at_rest();
}

#[test]
fn the_first_request_of_a_lane_is_served_before_the_lane_has_ticked() {
    let world = World::new(1, pool(&[(W1, 1)]));
    let mut host = Host::new(filter(), 2);
    host.configure(&world.config().to_json().unwrap()).unwrap();
    let stream = host.request(LaneIndex(1), get("/"));
    assert_eq!(host.forwarded(stream).unwrap().get("x-slotway-worker"), Some(W1));
}

#[test]
fn bad_configurations_are_refused_and_the_last_good_one_stays_in_force() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    let good = world.config().to_json().unwrap();
    let table = [
        "".to_owned(),
        "not json".to_owned(),
        "{}".to_owned(),
        good.replace("\"generation\":1", "\"generation\":0"),
        good.replace("\"capacity\":1", "\"capacity\":0"),
        good.replace("\"capacity\":1", "\"capacity\":65536"),
        good.replace("http://w1.test", "ftp://w1.test"),
        good.replace("\"pools\"", "\"unknown\":1,\"pools\""),
        good.replace("\"max_waiting\":1024", "\"max_waiting\":99999999"),
    ];
    for bad in table {
        assert_ne!(bad, good);
        assert!(matches!(world.host.configure(&bad), Err(HostError::Configure(_))), "{bad}");
        let stream = world.send(0);
        assert_eq!(world.place(stream).as_deref(), Some(W1));
        world.answer(stream);
    }
    let refused = world.host.logs().into_iter().filter(|line| line.message.contains("configuration refused"));
    assert_eq!(refused.count(), 9);
}

#[test]
fn two_pools_have_slots_of_their_own() {
    let mut first = pool(&[(W1, 1)]);
    first.matches.prefix = "/ocr".to_owned();
    let mut second = pool(&[(W2, 1)]);
    second.name = "training".parse().unwrap();
    let mut world = World::new(2, first);
    world.push(|config| config.pools.push(second)).unwrap();
    let (ocr, other) = (world.send_with(0, get("/ocr/1")), world.send_with(1, get("/train")));
    assert_eq!(world.place(ocr).as_deref(), Some(W1));
    assert_eq!(world.place(other).as_deref(), Some(W2));
    assert_eq!(inside::survey(&world.host.shared_data(), "training").in_flight, 1);
}

#[test]
fn an_idle_lane_ticks_rarely() {
    let mut world = World::new(2, pool(&[(W1, 1)]));
    world.advance(5_000);
    let before = world.host.usage();
    world.advance(10_000);
    let ticks = world.host.usage().callbacks[&slotway_tests::host::Callback::OnTick]
        - before.callbacks[&slotway_tests::host::Callback::OnTick];
    assert!(ticks <= 100, "{ticks} ticks in 10 s on 2 idle lanes");
}
