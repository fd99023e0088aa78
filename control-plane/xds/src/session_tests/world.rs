//! Control plane and node in one memory.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::super::{Session, SessionEvent};
use crate::{
    ProtocolVariant::{self, Incremental, StateOfTheWorld},
    ResourceType,
    fake_node::{FakeNode, Response},
    history::SentHistory,
    testing::{OF_ENVOY, TestSnapshots, Wanted, catalog, wanted},
};

pub(super) const URLS: [&str; 5] =
    ["http://a", "http://b:81", "https://c", "http://127.0.0.1:9001/x", "http://e"];
pub(super) const BOTH: [ProtocolVariant; 2] = [StateOfTheWorld, Incremental];

/// The whole: control plane and node.
pub(super) struct World {
    pub(super) envoy: FakeNode,
    pub(super) snapshots: TestSnapshots,
    pub(super) history: SentHistory,
    pub(super) desired: Arc<Wanted>,
    pub(super) session: Session,
}

impl World {
    pub(super) fn new(variant: ProtocolVariant) -> Self {
        let desired = Arc::new(wanted(1, &[(URLS[0], 1)]));
        // Time has no part here: what lingers is tested with the snapshots.
        let snapshots = TestSnapshots::lingering(Duration::ZERO);
        let session = Session::new("node", catalog(), snapshots.of(&desired, "node"));
        let envoy = FakeNode::new(variant);
        let mut world = Self { envoy, snapshots, history: SentHistory::default(), desired, session };
        world.connect();
        world
    }

    /// Opens a stream and asks for everything, as Envoy does: in the order in which it first subscribed.
    pub(super) fn connect(&mut self) {
        self.session = Session::new("node", catalog(), self.snapshots.of(&self.desired, "node"));
        self.envoy.reconnects();
        for ty in OF_ENVOY {
            self.request(ty, "", None);
        }
    }

    pub(super) fn request(&mut self, ty: ResourceType, nonce: &str, error: Option<&str>) -> SessionEvent {
        let incoming = self.envoy.request(ty, nonce, error);
        let event = self.session.receive(incoming, &self.history).unwrap();
        self.pump();
        event
    }

    pub(super) fn change(&mut self, desired: Wanted) {
        self.desired = Arc::new(desired);
        self.session.retarget(self.snapshots.of(&self.desired, "node"));
        self.pump();
    }

    /// Takes what the session sends to the node's inbox, and checks what must hold of it.
    pub(super) fn pump(&mut self) {
        for outgoing in self.session.responses(&self.history) {
            let response = Response::read(self.envoy.variant, &outgoing);
            let ty = response.ty;
            let inbox = self.envoy.inbox.entry(ty).or_default();
            assert!(inbox.is_empty(), "a second {ty:?} response before the first one was answered");
            let refused = self.envoy.last_refused.get(&ty);
            assert_ne!(refused, Some(&response.version), "{ty:?} sent again after its rejection");
            inbox.push_back(response);
        }
        assert!(self.session.responses(&self.history).is_empty(), "asking again must not send again");
        // Nothing lingers here: what the server does after a while is done at once.
        if self.session.has_lingering_bounds() {
            self.session.release_inherited_bounds();
            self.pump();
        }
    }

    /// The node takes the response of this type, if there is one.
    pub(super) fn accept(&mut self, ty: ResourceType) -> bool {
        let Some(response) = self.take(ty) else { return false };
        self.envoy.accept(&response);
        let event = self.request(ty, &response.nonce, None);
        assert_eq!(event, SessionEvent::Acked(ty));
        true
    }

    /// The node refuses the response of this type, if there is one with something to refuse.
    pub(super) fn refuse(&mut self, ty: ResourceType) {
        let Some(response) = self.take(ty) else { return };
        if !self.envoy.refuse(&response) {
            self.envoy.inbox.entry(ty).or_default().push_front(response);
            self.accept(ty);
            return;
        }
        let event = self.request(ty, &response.nonce, Some("no"));
        assert_eq!(event, SessionEvent::Rejected(ty, "no".to_owned()));
    }

    /// The node accepts or refuses the response of this type, and its stream ends before it can say so.
    pub(super) fn lose_the_answer(&mut self, ty: ResourceType, refuses: bool) {
        if let Some(response) = self.take(ty)
            && !(refuses && self.envoy.refuse(&response))
        {
            self.envoy.accept(&response);
        }
        self.connect();
    }

    pub(super) fn take(&mut self, ty: ResourceType) -> Option<Response> {
        self.envoy.inbox.get_mut(&ty)?.pop_front()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.envoy.inbox.values().all(VecDeque::is_empty)
    }

    /// Accepts everything until nothing is left to send.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            let accepted = OF_ENVOY.map(|ty| self.accept(ty));
            if accepted == [false; 5] {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}
