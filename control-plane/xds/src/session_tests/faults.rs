//! Whatever a node does wrong, and in whatever order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::{
    super::SessionEvent,
    world::{BOTH, URLS, World},
};
use crate::{
    SubscriptionState,
    testing::{OF_ENVOY, Wanted, wanted},
};

#[derive(Debug, Clone)]
enum Step {
    /// Workers with their capacities, and others that drain.
    Change(Vec<(usize, u32)>, BTreeSet<usize>),
    Accept(usize),
    Refuse(usize),
    /// An answer to a response that a later one has overtaken, or to one that never was.
    Stale(usize, bool),
    /// The same request once more.
    Repeat(usize),
    Reconnect,
    /// The node takes or refuses a response, and the stream ends before its answer arrives.
    Lose(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let ty = 0..OF_ENVOY.len();
    prop_oneof![
        4 => (
            prop::collection::btree_map(0..URLS.len(), 1..20_u32, 0..=URLS.len()),
            prop::collection::btree_set(0..URLS.len(), 0..=2),
        )
            .prop_map(|(workers, draining)| Step::Change(workers.into_iter().collect(), draining)),
        8 => ty.clone().prop_map(Step::Accept),
        1 => ty.clone().prop_map(Step::Refuse),
        1 => (ty.clone(), any::<bool>()).prop_map(|(ty, refuses)| Step::Stale(ty, refuses)),
        1 => ty.clone().prop_map(Step::Repeat),
        1 => (ty, any::<bool>()).prop_map(|(ty, refuses)| Step::Lose(ty, refuses)),
        1 => Just(Step::Reconnect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_node_answers_nothing_is_named_that_is_not_there_and_all_comes_to_rest(
        variant in prop::sample::select(&BOTH[..]),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(variant);
        let mut generation = 1;
        for step in steps {
            match step {
                Step::Change(workers, draining) => {
                    generation += 1;
                    let draining = draining.iter().filter(|url| workers.iter().all(|(other, _)| other != *url));
                    let draining = draining.map(|url| URLS[*url].to_owned()).collect();
                    let workers: Vec<_> = workers.iter().map(|(url, n)| (URLS[*url], *n)).collect();
                    world.change(Wanted { draining, ..wanted(generation, &workers) });
                }
                Step::Accept(ty) => drop(world.accept(OF_ENVOY[ty])),
                Step::Refuse(ty) => world.refuse(OF_ENVOY[ty]),
                Step::Stale(ty, refuses) => {
                    let event = world.request(OF_ENVOY[ty], "stale", refuses.then_some("no"));
                    prop_assert_eq!(event, SessionEvent::None);
                }
                Step::Repeat(ty) => {
                    let ty = OF_ENVOY[ty];
                    if world.envoy.inbox.get(&ty).is_some_and(VecDeque::is_empty) {
                        world.request(ty, "", None);
                    }
                }
                Step::Reconnect => world.connect(),
                Step::Lose(ty, refuses) => world.lose_the_answer(OF_ENVOY[ty], refuses),
            }
        }
        // The faults stop, and every content that was rejected is mended.
        let mut last = wanted(generation + 1, &[("http://mended", 3), (URLS[0], 2)]);
        last.routes = "other routes".to_owned();
        last.listener = "another listener".to_owned();
        world.change(last.clone());
        world.settle();
        prop_assert_eq!(world.session.generation_in_force(), Some(last.generation));
        prop_assert!(world.session.states().all(|(.., state)| state == SubscriptionState::Synced));
        let names: BTreeSet<_> = ["http://mended", URLS[0]].map(str::to_owned).into();
        prop_assert_eq!(&world.envoy.clusters, &names);
        let limits = BTreeMap::from([("http://mended".to_owned(), 5), (URLS[0].to_owned(), 4)]);
        prop_assert_eq!(&world.envoy.limits, &limits);
    }
}
