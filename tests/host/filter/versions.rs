//! Filters of several versions over one state.

use slotway_tests::{
    HostError,
    host::Host,
    world::{World, pool},
};

use crate::W1;

const ROOT: &[u8] = b"slotway/1/preannotation/root";
const LANES: &[u8] = b"slotway/1/lanes";
const VM_ID: &str = "slotway";

/// Writes what a filter of another version would write under that key. Returns the value before.
fn write_in_another_format(host: &mut Host, key: &[u8]) -> Vec<u8> {
    host.change_shared_data(|data| {
        let before = data.get(VM_ID, key).unwrap().0.to_vec();
        let mut other = before.clone();
        other[0] = 99;
        data.set(VM_ID, key, &other, 0).unwrap();
        before
    })
}

#[test]
fn a_configuration_is_refused_while_the_state_has_another_format() {
    for key in [ROOT, LANES] {
        let mut world = World::new(2, pool(&[(W1, 2)]));
        let before = write_in_another_format(&mut world.host, key);
        let pushed = world.push(|config| config.debug_headers = true);
        assert!(matches!(pushed, Err(HostError::Configure(_))), "{pushed:?}");
        let said = world.complaints();
        assert!(
            said.iter().any(|line| line.contains("the shared state has format 99, this version knows 2")),
            "{said:?}"
        );

        // The lanes live, and serve again as soon as the state has their format.
        world.host.change_shared_data(|data| data.set(VM_ID, key, &before, 0)).unwrap();
        world.push(|config| config.debug_headers = false).unwrap();
        let stream = world.send(0);
        assert_eq!(world.place(stream).as_deref(), Some(W1));
        world.answer(stream);
        assert_eq!(world.survey().free, 2);
    }
}

#[test]
fn a_request_is_refused_while_the_state_has_another_format() {
    let mut world = World::new(1, pool(&[(W1, 2)]));
    let before = write_in_another_format(&mut world.host, ROOT);
    let stream = world.send(0);
    assert_eq!(world.refusal(stream).as_deref(), Some("internal"));
    assert_eq!(world.fleet.load(W1).total, 0);
    world.host.change_shared_data(|data| data.set(VM_ID, ROOT, &before, 0)).unwrap();
    let stream = world.send(0);
    assert_eq!(world.place(stream).as_deref(), Some(W1));
    world.answer(stream);
}
