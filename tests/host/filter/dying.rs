//! VMs that crash on demand, in the variant of the filter for tests.

use std::sync::OnceLock;

use slotway_tests::{
    artifact,
    host::{Filter, HostOptions, LaneIndex},
    world::{World, get, pool},
};

use crate::W1;

/// Something that happens to the world.
type Step<'a> = &'a dyn Fn(&mut World);

/// The lane that dies.
const LANE: usize = 0;

fn world() -> World {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    let filter = FILTER.get_or_init(|| match artifact::test_variant() {
        Ok(filter) => filter,
        Err(error) => panic!("{error}"),
    });
    World::with_filter(filter, 2, pool(&[(W1, 1)]), HostOptions::default())
}

/// Sends a request that waits, gets its slot from the other lane, is answered and ends, then lets time pass. Returns
/// during which of these steps the lane died.
fn die_at(world: &mut World, point: &str) -> Option<&'static str> {
    let running = world.send(1);
    let mut headers = get("/extract");
    headers.set("x-slotway-chaos", point);
    let doomed = world.send_with(LANE, headers);
    let steps: [(_, Step<'_>); 4] = [
        ("sent", &|_| {}),
        ("woken", &|world| world.answer(running)),
        ("answered", &|world| world.answer(doomed)),
        ("time", &|world| world.advance(2_000)),
    ];
    for (step, run) in steps {
        run(world);
        if !world.host.is_alive(LaneIndex(LANE)) {
            return Some(step);
        }
    }
    None
}

/// Returns the lines of the log that tell of a panic.
fn panics(world: &World) -> Vec<String> {
    let lines = world.host.logs().into_iter().filter(|line| line.level == 5).map(|line| line.message);
    lines.filter(|line| line.contains("dies of a panic")).collect()
}

#[test]
fn a_vm_crashes_at_the_demanded_point_and_its_lane_serves_again() {
    let points = [
        ("request", "sent"),
        ("wake", "woken"),
        ("taken", "woken"),
        ("answer", "answered"),
        ("released", "answered"),
        ("log", "answered"),
        ("tick", "time"),
    ];
    for (point, step) in points {
        for wish in [point.to_owned(), format!("{point}!")] {
            let mut world = world();
            assert_eq!(die_at(&mut world, &wish), Some(step), "{wish}");
            world.advance(2_000);
            world.send(LANE);
            assert!(world.host.is_alive(LaneIndex(LANE)), "{wish}");
        }
    }
}

#[test]
fn a_panic_logs_its_reason_and_its_place_before_the_vm_ends() {
    let mut world = world();
    die_at(&mut world, "taken");
    let panics = panics(&world);
    let [line] = panics.as_slice() else { panic!("{panics:?}") };
    assert!(line.contains("as x-slotway-chaos demands at Taken"), "{line}");
    assert!(line.contains("filter/src/requests/admission.rs:"), "{line}");
}

#[test]
fn a_raw_trap_says_nothing() {
    let mut world = world();
    die_at(&mut world, "taken!");
    assert_eq!(panics(&world), Vec::<String>::new());
}

#[test]
fn an_unknown_crash_point_is_logged_and_ends_no_vm() {
    let mut world = world();
    assert_eq!(die_at(&mut world, "somewhere"), None);
    assert!(world.complaints().iter().any(|line| line.contains("somewhere")), "{:?}", world.complaints());
}
