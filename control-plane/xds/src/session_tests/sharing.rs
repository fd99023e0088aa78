//! What many nodes are sent is made once: two nodes are sent the same bytes, except for a few.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    ProtocolVariant::{self, Incremental, StateOfTheWorld},
    ResourceType,
    fake_node::{FakeNode, Response},
    history::SentHistory,
    protocol::{self, Protocol},
    session::Session,
    testing::{FILTER, OF_ENVOY, TestSnapshots, Wanted, catalog, wanted},
};

/// Most bytes of a response that are not shared: version, nonce, names, and parts that are too short.
const OWN_BYTES_MAX: usize = 2_048;

struct Node {
    id: &'static str,
    envoy: FakeNode,
    session: Option<Session>,
}

type Sent = (ResourceType, Vec<Bytes>);

impl Node {
    fn new(variant: ProtocolVariant, id: &'static str) -> Self {
        Self { id, envoy: FakeNode::new(variant), session: None }
    }

    /// Acknowledges all that it is sent until it has `desired`.
    fn comes_to(
        &mut self,
        desired: &Arc<Wanted>,
        snapshots: &TestSnapshots,
        history: &SentHistory,
    ) -> Vec<Sent> {
        let target = snapshots.of(desired, self.id);
        let is_new = self.session.is_none();
        let session = self.session.get_or_insert_with(|| Session::new(self.id, catalog(), target.clone()));
        session.retarget(target);
        for ty in OF_ENVOY.into_iter().filter(|_| is_new) {
            session.receive(self.envoy.request(ty, "", None), history).unwrap();
        }
        let mut sent = Vec::new();
        loop {
            let responses = session.responses(history);
            if responses.is_empty() {
                return sent;
            }
            for outgoing in responses {
                let frame = match self.envoy.variant {
                    StateOfTheWorld => protocol::StateOfTheWorld::write(&outgoing),
                    Incremental => protocol::Incremental::write(&outgoing),
                };
                sent.push((outgoing.ty, frame.into_pieces()));
                let response = Response::read(self.envoy.variant, &outgoing);
                self.envoy.accept(&response);
                let ack = self.envoy.request(response.ty, &response.nonce, None);
                session.receive(ack, history).unwrap();
            }
        }
    }
}

fn len(pieces: &[Bytes]) -> usize {
    pieces.iter().map(Bytes::len).sum()
}

#[test]
fn two_nodes_are_sent_the_same_bytes_but_for_a_few() {
    let urls: Vec<_> = (0..300).map(|number| format!("http://worker-{number}")).collect();
    let with = |generation, count: usize, capacity| {
        let mut workers: Vec<_> = urls[..count].iter().map(|url| (url.as_str(), 1)).collect();
        workers[0].1 = capacity;
        Arc::new(wanted(generation, &workers))
    };
    // To begin with, a capacity raised and lowered, a worker less, and a worker more.
    let steps = [with(1, 299, 1), with(2, 299, 4), with(3, 299, 2), with(4, 298, 2), with(5, 300, 2)];
    for variant in [StateOfTheWorld, Incremental] {
        let (snapshots, history) = (TestSnapshots::lingering(Duration::ZERO), SentHistory::default());
        let (mut one, mut other) = (Node::new(variant, "one"), Node::new(variant, "another-one"));
        for (step, desired) in steps.iter().enumerate() {
            let sent = one.comes_to(desired, &snapshots, &history);
            let also_sent = other.comes_to(desired, &snapshots, &history);
            let types = |sent: &[Sent]| sent.iter().map(|(ty, _)| *ty).collect::<Vec<_>>();
            assert_eq!(types(&sent), types(&also_sent), "{variant:?}, step {step}");
            let filters = sent.iter().filter(|(ty, _)| *ty == FILTER);
            assert!(filters.map(|(_, pieces)| len(pieces)).sum::<usize>() > 4 * OWN_BYTES_MAX);
            for ((ty, pieces), (_, others)) in sent.iter().zip(&also_sent) {
                let is_shared = |piece: &&Bytes| {
                    others.iter().any(|other| (other.as_ptr(), other.len()) == (piece.as_ptr(), piece.len()))
                };
                let shared = pieces.iter().filter(is_shared).map(Bytes::len).sum::<usize>();
                let own = len(pieces) - shared;
                assert!(own <= OWN_BYTES_MAX, "{variant:?}, step {step}: {ty:?} has {own} bytes of its own");
            }
        }
        assert_eq!(one.envoy.clusters.len(), 300, "{variant:?}");
    }
}
