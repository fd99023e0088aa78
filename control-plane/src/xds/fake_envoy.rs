//! An Envoy in memory, as far as xDS goes: what it has in force, what it says of it, and what it has been sent and not answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use envoy_types::pb::{
    envoy::{
        config::{cluster::v3::Cluster, core::v3::TypedExtensionConfig},
        extensions::filters::http::wasm::v3::Wasm,
        service::{
            discovery::v3::{
                DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
            },
            runtime::v3::Runtime,
        },
    },
    google::{
        protobuf::{Any, StringValue, value::Kind},
        rpc::Status,
    },
};
use prost::Message;
use slotway_config::{FilterConfig, Worker};

use super::{
    RESOURCE_NAME, ResourceType, Variant,
    message::{Incoming, Outgoing},
    protocol::{Incremental, Protocol, StateOfTheWorld},
    testing::LANES,
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
    pub(crate) fn read(variant: Variant, outgoing: &Outgoing) -> Self {
        match variant {
            Variant::StateOfTheWorld => {
                let message = DiscoveryResponse::decode(&*written::<StateOfTheWorld>(outgoing)).unwrap();
                Self {
                    ty: ResourceType::from_type_url(&message.type_url).unwrap(),
                    nonce: message.nonce,
                    version: message.version_info,
                    resources: message.resources,
                    versions: BTreeMap::new(),
                    removed: Vec::new(),
                }
            }
            Variant::Incremental => {
                let message = DeltaDiscoveryResponse::decode(&*written::<Incremental>(outgoing)).unwrap();
                let versions = message.resources.iter().map(|own| (own.name.clone(), own.version.clone()));
                Self {
                    ty: ResourceType::from_type_url(&message.type_url).unwrap(),
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
        self.resources.iter().map(|any| Cluster::decode(&*any.value).unwrap().name).collect()
    }
}

/// The message's bytes, without what gRPC puts in front of them.
fn written<P: Protocol>(outgoing: &Outgoing) -> Vec<u8> {
    P::write(outgoing).into_pieces().concat().split_off(5)
}

/// An Envoy in memory.
pub(crate) struct FakeEnvoy {
    pub(crate) variant: Variant,
    pub(crate) clusters: BTreeSet<String>,
    /// Clusters that may be missing: it refused them, and took the rest of the same response.
    unsure: BTreeSet<String>,
    /// Clusters that its configuration names and that the control plane cannot know of, until there is another one.
    unknown: BTreeSet<String>,
    pub(crate) limits: BTreeMap<String, u32>,
    pub(crate) filter: Option<FilterConfig>,
    /// The version of each type that it has accepted.
    pub(crate) versions: BTreeMap<ResourceType, String>,
    /// The version of each resource that it has accepted, by type and name.
    kept: BTreeMap<ResourceType, BTreeMap<String, String>>,
    pub(crate) inbox: BTreeMap<ResourceType, VecDeque<Response>>,
    pub(crate) last_refused: BTreeMap<ResourceType, String>,
    /// Types that it has asked for on this stream.
    asked: BTreeSet<ResourceType>,
}

impl FakeEnvoy {
    pub(crate) fn new(variant: Variant) -> Self {
        Self {
            variant,
            clusters: BTreeSet::new(),
            unsure: BTreeSet::new(),
            unknown: BTreeSet::new(),
            limits: BTreeMap::new(),
            filter: None,
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
        if !self.versions.contains_key(&ResourceType::Cluster) {
            // It has only ever taken a part of its clusters, and states no version by which we could know which.
            self.unknown = self.named();
        }
    }

    /// What it asks for or answers. With a change of names in the incremental protocol these are `subscribe` and `unsubscribe`.
    pub(crate) fn request(&mut self, ty: ResourceType, nonce: &str, error: Option<&str>) -> Incoming {
        let names = if ty.is_wildcard() { vec![] } else { vec![RESOURCE_NAME.to_owned()] };
        let is_first = self.asked.insert(ty);
        let error_detail = error.map(|message| Status { message: message.to_owned(), ..Status::default() });
        match self.variant {
            Variant::StateOfTheWorld => StateOfTheWorld::read(DiscoveryRequest {
                version_info: self.versions.get(&ty).cloned().unwrap_or_default(),
                resource_names: names,
                type_url: ty.type_url().to_owned(),
                response_nonce: nonce.to_owned(),
                error_detail,
                ..DiscoveryRequest::default()
            }),
            Variant::Incremental => {
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
        if response.ty == ResourceType::Cluster {
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
        let bodies = || response.resources.iter().map(|any| &*any.value);
        match response.ty {
            ResourceType::Cluster => {
                match self.variant {
                    Variant::StateOfTheWorld => self.clusters = response.clusters(),
                    Variant::Incremental => {
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
            ResourceType::Runtime => self.limits = bodies().flat_map(limits).collect(),
            ResourceType::Filter => {
                self.filter = bodies().map(filter_config).next();
                self.unknown.clear();
            }
            _ => {}
        }
    }

    fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.filter.iter().flat_map(|config| &config.pools).flat_map(|pool| &pool.workers)
    }

    fn named(&self) -> BTreeSet<String> {
        self.workers().map(|worker| worker.worker.as_str().to_owned()).collect()
    }

    /// What make-before-break promises.
    fn check(&self) {
        for worker in self.workers() {
            let name = worker.worker.as_str();
            assert!(
                [&self.clusters, &self.unsure, &self.unknown].into_iter().any(|names| names.contains(name)),
                "the filter's configuration names {name}, whose cluster is not there"
            );
            // Without a limit of its own, the cluster's own high one counts.
            let limit = self.limits.get(name).copied().unwrap_or(u32::MAX);
            assert!(
                limit >= worker.capacity.get() + LANES,
                "{name} may have {} requests, and its limit is {limit}",
                worker.capacity
            );
        }
    }
}

fn limits(body: &[u8]) -> BTreeMap<String, u32> {
    let fields = Runtime::decode(body).unwrap().layer.unwrap_or_default().fields;
    let limit = |(key, value): (String, envoy_types::pb::google::protobuf::Value)| {
        let name =
            key.strip_prefix("circuit_breakers.").unwrap().strip_suffix(".default.max_requests").unwrap();
        let Some(Kind::NumberValue(number)) = value.kind else { panic!("not a number") };
        (name.to_owned(), number as u32)
    };
    fields.into_iter().map(limit).collect()
}

fn filter_config(body: &[u8]) -> FilterConfig {
    let extension = TypedExtensionConfig::decode(body).unwrap();
    let wasm = Wasm::decode(&*extension.typed_config.unwrap().value).unwrap();
    let json = StringValue::decode(&*wasm.config.unwrap().configuration.unwrap().value).unwrap();
    FilterConfig::from_json(json.value.as_bytes()).unwrap()
}
