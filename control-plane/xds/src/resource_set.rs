use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use envoy_types::pb::{envoy::service::discovery::v3::Resource as ResourceMessage, google::protobuf::Any};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::{
    ProtocolVariant,
    encoded::{Encoded, Frame, field},
    recent::Recent,
    version::Version,
};

/// One resource, with the version of its content.
#[derive(Debug, Clone)]
pub struct XdsResource {
    name: Arc<str>,
    version: Version,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    /// As the bytes of an `Any`.
    Whole(Bytes),
    Deferred(Arc<dyn Deferred>),
}

/// The field of a response that has its resources.
const RESOURCES: u32 = 2;

/// A content that is made when it is sent, for a content that differs from node to node and shall not be kept for each of them.
pub trait Deferred: fmt::Debug + Send + Sync {
    /// Returns the bytes of an `Any`.
    fn make(&self) -> Encoded;
}

/// Equal versions mean equal content.
impl PartialEq for XdsResource {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.version == other.version
    }
}

impl XdsResource {
    /// Returns a resource with this content.
    #[must_use]
    pub fn new(name: String, body: Any) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(body.type_url.as_bytes());
        hasher.update([0]);
        hasher.update(&body.value);
        let bytes = body.encode_to_vec().into();
        Self { name: name.into(), version: Version::of(hasher), body: Body::Whole(bytes) }
    }

    /// Returns a resource whose content is made later. The content must be a function of `parts` and of nothing else.
    #[must_use]
    pub fn deferred(name: String, parts: &[&[u8]], body: Arc<dyn Deferred>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
        Self { name: name.into(), version: Version::of(hasher), body: Body::Deferred(body) }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// Returns the element of a response's list of resources.
    fn encode(&self, variant: ProtocolVariant) -> Encoded {
        let body = match &self.body {
            Body::Whole(body) => Encoded::shared(body.clone()),
            Body::Deferred(body) => body.make(),
        };
        match variant {
            ProtocolVariant::StateOfTheWorld => body,
            ProtocolVariant::Incremental => {
                let (name, version) = (self.name.to_string(), self.version.as_str().to_owned());
                body.within(&ResourceMessage { name, version, ..ResourceMessage::default() }, 2)
            }
        }
    }

    /// Adds the resource to a response.
    pub(crate) fn write(&self, variant: ProtocolVariant, response: &mut Frame) {
        response.field(RESOURCES, &self.encode(variant));
    }

    /// Returns the content as the bytes of an `Any`.
    #[must_use]
    pub fn body(&self) -> Encoded {
        self.encode(ProtocolVariant::StateOfTheWorld)
    }
}

/// Resources of one type by name. Its version is that of its content: names and the version of each.
pub struct ResourceSet {
    resources: BTreeMap<Arc<str>, Arc<XdsResource>>,
    version: Version,
    /// All resources as in a response, for each [`ProtocolVariant`]. `None` for a set of one node alone.
    encoded: Option<[OnceLock<Bytes>; 2]>,
    /// Unions with other sets, by their version; `None` where this set has all of theirs.
    unions: Recent<Option<Arc<Self>>>,
}

impl ResourceSet {
    /// Returns a set without resources.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        static EMPTY: OnceLock<Arc<ResourceSet>> = OnceLock::new();
        EMPTY.get_or_init(|| Arc::new(Self::from_iter([]))).clone()
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// Returns whether there are no resources.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// Returns the number of resources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Adds all resources to a response, as bytes that are shared by all responses with this set. Returns `false` if the set cannot
    /// be shared.
    pub(crate) fn write(&self, variant: ProtocolVariant, response: &mut Frame) -> bool {
        let Some(encoded) = &self.encoded else { return false };
        response.fields(encoded[variant as usize].get_or_init(|| {
            let mut all = Vec::new();
            for resource in self.resources.values() {
                let bytes = resource.encode(variant).to_vec();
                field(&mut all, RESOURCES, bytes.len());
                all.extend(bytes);
            }
            all.into()
        }));
        true
    }

    /// Returns the resource of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<XdsResource>> {
        self.resources.get(name)
    }

    /// Returns the resources in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<XdsResource>> {
        self.resources.values()
    }

    /// Returns whether all resources of `other` are here with the same content.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.version == other.version
            || other.resources.iter().all(|(name, resource)| {
                self.resources.get(name).is_some_and(|own| own.version == resource.version)
            })
    }

    /// Returns the resources of all `sets`; where two differ, that of the first set.
    pub(crate) fn union<'a>(sets: impl IntoIterator<Item = &'a Arc<Self>>) -> Arc<Self> {
        let union = sets.into_iter().fold(None, |union: Option<Arc<Self>>, set| {
            Some(union.map_or_else(|| set.clone(), |union| union.with(set)))
        });
        union.unwrap_or_else(Self::empty)
    }

    /// Returns the union with one other set. A thousand nodes need the same, so it is kept.
    fn with(self: &Arc<Self>, other: &Self) -> Arc<Self> {
        if self.version == other.version {
            return self.clone();
        }
        let union = self.unions.recall(&other.version).unwrap_or_else(|| {
            let lacks = other.resources.keys().any(|name| !self.resources.contains_key(name));
            let union = Arc::new(lacks.then(|| {
                let mut resources = other.resources.clone();
                resources.extend(self.resources.iter().map(|(name, own)| (name.clone(), own.clone())));
                Arc::new(Self::of(resources))
            }));
            self.unions.remember(&other.version, union.clone());
            union
        });
        union.as_ref().as_ref().unwrap_or(self).clone()
    }

    /// Returns the resources whose name is wanted. Each node wants others, so the bytes are not kept.
    #[must_use]
    pub fn select(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let selected = self.resources.iter().filter(|(name, _)| wanted(name));
        let selected = selected.map(|(name, resource)| (name.clone(), resource.clone()));
        Self { encoded: None, ..Self::of(selected.collect()) }
    }

    fn of(resources: BTreeMap<Arc<str>, Arc<XdsResource>>) -> Self {
        let versions = resources.iter().map(|(name, resource)| (&**name, resource.version.as_str()));
        let version = Version::of_all(versions);
        let is_whole = resources.values().all(|resource| matches!(resource.body, Body::Whole(_)));
        Self { resources, version, encoded: is_whole.then(Default::default), unions: Recent::default() }
    }
}

impl FromIterator<Arc<XdsResource>> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = Arc<XdsResource>>>(resources: I) -> Self {
        Self::of(resources.into_iter().map(|resource| (resource.name().clone(), resource)).collect())
    }
}

impl fmt::Debug for ResourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.resources.keys()).finish()
    }
}
