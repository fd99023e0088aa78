//! An Envoy in memory, as far as xDS goes: what it has in force, what it states of it, and what it has been sent and not answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use envoy_types::pb::{
    envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    },
    google::{protobuf::Any, rpc::Status},
};
use prost::Message;

use crate::{
    ProtocolVariant, PushRole, ResourceType,
    message::{Incoming, Outgoing},
    protocol::{Incremental, Protocol, StateOfTheWorld},
    testing::{CLUSTERS, LANES, ONLY, Root, root, text, ty},
};

/// A response as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) ty: ResourceType,
    pub(crate) nonce: String,
    pub(crate) version: String,
    resources: Vec<Any>,
    /// Incremental: the version of each resource by name.
    versions: BTreeMap<String, String>,
    removed: Vec<String>,
}

impl Response {
    pub(crate) fn read(variant: ProtocolVariant, outgoing: &Outgoing) -> Self {
        match variant {
            ProtocolVariant::StateOfTheWorld => {
                let message = DiscoveryResponse::decode(&*written::<StateOfTheWorld>(outgoing)).unwrap();
                Self {
                    ty: ty(&message.type_url),
                    nonce: message.nonce,
                    version: message.version_info,
                    resources: message.resources,
                    versions: BTreeMap::new(),
                    removed: Vec::new(),
                }
            }
            ProtocolVariant::Incremental => {
                let message = DeltaDiscoveryResponse::decode(&*written::<Incremental>(outgoing)).unwrap();
                let versions = message.resources.iter().map(|own| (own.name.clone(), own.version.clone()));
                Self {
                    ty: ty(&message.type_url),
                    nonce: message.nonce,
                    version: message.system_version_info,
                    versions: versions.collect(),
                    resources: message.resources.into_iter().map(|own| own.resource.unwrap()).collect(),
                    removed: message.removed_resources,
                }
            }
        }
    }

    /// How many resources it has.
    pub(crate) fn len(&self) -> usize {
        self.resources.len() + self.removed.len()
    }

    fn clusters(&self) -> BTreeSet<String> {
        self.resources.iter().map(text).collect()
    }
}

/// The message's bytes, without what gRPC puts in front of them.
fn written<P: Protocol>(outgoing: &Outgoing) -> Vec<u8> {
    P::write(outgoing).into_pieces().concat().split_off(5)
}

/// An Envoy in memory.
pub(crate) struct FakeNode {
    pub(crate) variant: ProtocolVariant,
    pub(crate) clusters: BTreeSet<String>,
    /// Clusters that may be missing: it refused them, and took the rest of the same response.
    unsure: BTreeSet<String>,
    /// Clusters that its configuration names and that the control plane cannot know of, until there is another one.
    unknown: BTreeSet<String>,
    pub(crate) limits: BTreeMap<String, u32>,
    pub(crate) root: Option<Root>,
    /// The version of each type that it has accepted.
    pub(crate) versions: BTreeMap<ResourceType, String>,
    /// The version of each resource that it has accepted, by type and name.
    kept: BTreeMap<ResourceType, BTreeMap<String, String>>,
    pub(crate) inbox: BTreeMap<ResourceType, VecDeque<Response>>,
    pub(crate) last_refused: BTreeMap<ResourceType, String>,
    /// Types that it has asked for on this stream.
    asked: BTreeSet<ResourceType>,
}

impl FakeNode {
    pub(crate) fn new(variant: ProtocolVariant) -> Self {
        Self {
            variant,
            clusters: BTreeSet::new(),
            unsure: BTreeSet::new(),
            unknown: BTreeSet::new(),
            limits: BTreeMap::new(),
            root: None,
            versions: BTreeMap::new(),
            kept: BTreeMap::new(),
            inbox: BTreeMap::new(),
            last_refused: BTreeMap::new(),
            asked: BTreeSet::new(),
        }
    }

    /// Its stream has ended, and another one begins.
    pub(crate) fn reconnects(&mut self) {
        self.inbox.clear();
        self.last_refused.clear();
        self.asked.clear();
        if !self.versions.contains_key(&CLUSTERS) {
            // It has only ever taken a part of its clusters, and states no version by which we could know which.
            self.unknown = self.named();
        }
    }

    /// What it asks for or answers. With a change of names in the incremental protocol these are `subscribe` and `unsubscribe`.
    pub(crate) fn request(&mut self, ty: ResourceType, nonce: &str, error: Option<&str>) -> Incoming {
        let names = if ty.is_wildcard() { vec![] } else { vec![ONLY.to_owned()] };
        let is_first = self.asked.insert(ty);
        let error_detail = error.map(|message| Status { message: message.to_owned(), ..Status::default() });
        match self.variant {
            ProtocolVariant::StateOfTheWorld => StateOfTheWorld::read(DiscoveryRequest {
                version_info: self.versions.get(&ty).cloned().unwrap_or_default(),
                resource_names: names,
                type_url: ty.type_url().to_owned(),
                response_nonce: nonce.to_owned(),
                error_detail,
                ..DiscoveryRequest::default()
            }),
            ProtocolVariant::Incremental => {
                let kept = self.kept.get(&ty).filter(|_| is_first).cloned().unwrap_or_default();
                Incremental::read(DeltaDiscoveryRequest {
                    resource_names_subscribe: if is_first { names } else { Vec::new() },
                    initial_resource_versions: kept.into_iter().collect(),
                    type_url: ty.type_url().to_owned(),
                    response_nonce: nonce.to_owned(),
                    error_detail,
                    ..DeltaDiscoveryRequest::default()
                })
            }
        }
        .unwrap()
    }

    /// Takes the whole response in.
    pub(crate) fn accept(&mut self, response: &Response) {
        self.apply(response, None);
        self.last_refused.remove(&response.ty);
        self.versions.insert(response.ty, response.version.clone());
        let kept = self.kept.entry(response.ty).or_default();
        kept.extend(response.versions.clone());
        response.removed.iter().for_each(|name| drop(kept.remove(name)));
        self.check();
    }

    /// Refuses the response; of clusters all but one new one. `false` if it has nothing that could be refused.
    pub(crate) fn refuse(&mut self, response: &Response) -> bool {
        if response.ty == CLUSTERS {
            let Some(bad) = response.clusters().into_iter().find(|name| !self.clusters.contains(name)) else {
                return false;
            };
            self.apply(response, Some(&bad));
        }
        self.last_refused.insert(response.ty, response.version.clone());
        self.check();
        true
    }

    fn apply(&mut self, response: &Response, but: Option<&String>) {
        match response.ty.role() {
            PushRole::Referenced => {
                match self.variant {
                    ProtocolVariant::StateOfTheWorld => self.clusters = response.clusters(),
                    ProtocolVariant::Incremental => {
                        self.clusters.extend(response.clusters());
                        response.removed.iter().for_each(|name| {
                            self.clusters.remove(name);
                        });
                    }
                }
                self.unsure.retain(|name| !self.clusters.contains(name));
                if let Some(bad) = but {
                    self.clusters.remove(bad);
                    self.unsure.insert(bad.clone());
                }
            }
            PushRole::Bound => self.limits = response.resources.iter().flat_map(limits).collect(),
            PushRole::Root => {
                self.root = response.resources.iter().map(root).next();
                self.unknown.clear();
            }
            PushRole::Dependent | PushRole::Independent => {}
        }
    }

    fn workers(&self) -> impl Iterator<Item = (&String, &u32)> {
        self.root.iter().flat_map(|root| &root.workers)
    }

    fn named(&self) -> BTreeSet<String> {
        self.workers().map(|(name, _)| name.clone()).collect()
    }

    /// What make-before-break promises.
    fn check(&self) {
        for (name, capacity) in self.workers() {
            assert!(
                [&self.clusters, &self.unsure, &self.unknown].into_iter().any(|names| names.contains(name)),
                "the root names {name}, whose cluster is not there"
            );
            // Without a limit of its own, the cluster's own high one counts.
            let limit = self.limits.get(name).copied().unwrap_or(u32::MAX);
            assert!(
                limit >= capacity + LANES,
                "{name} may have {capacity} requests, and its limit is {limit}"
            );
        }
    }
}

fn limits(body: &Any) -> BTreeMap<String, u32> {
    let limit = |line: &str| {
        let (name, limit) = line.rsplit_once('=').unwrap();
        (name.to_owned(), limit.parse().unwrap())
    };
    text(body).lines().map(limit).collect()
}
