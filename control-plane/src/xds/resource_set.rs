use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use axum::body::Bytes;
use envoy_types::pb::{envoy::service::discovery::v3::Resource as ResourceMessage, google::protobuf::Any};
use prost::Message;
use sha2::{Digest, Sha256};

use super::{
    Variant,
    encoded::{Encoded, Frame, field},
    history::Recent,
};

/// Names content: equal versions mean equal content, also after a restart and on another control plane.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version(Arc<str>);

impl Version {
    /// The version that a node states, whatever it means.
    pub(crate) fn stated(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The version of the whole whose resources have these names and versions, in the order of the names.
    pub(crate) fn of_all<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hasher = Sha256::new();
        for (name, version) in all {
            hasher.update(name.as_bytes());
            hasher.update([0]);
            hasher.update(version.as_bytes());
        }
        Self::of(hasher)
    }

    fn of(hasher: Sha256) -> Self {
        let digest = hasher.finalize();
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One resource, with the version of its content.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
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

/// The field of a response in which its resources are, and that of such a resource with its content.
const RESOURCES: u32 = 2;

/// A content that is made when it is sent: one that differs from node to node must not be kept for each of them.
pub(crate) trait Deferred: fmt::Debug + Send + Sync {
    /// The bytes of an `Any`.
    fn make(&self) -> Encoded;
}

/// Equal versions mean equal content.
impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.version == other.version
    }
}

impl Resource {
    pub(crate) fn new(name: String, body: Any) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(body.type_url.as_bytes());
        hasher.update([0]);
        hasher.update(&body.value);
        let bytes = body.encode_to_vec().into();
        Self { name: name.into(), version: Version::of(hasher), body: Body::Whole(bytes) }
    }

    /// A resource whose content is made later. It is a function of `parts` and nothing else.
    pub(crate) fn deferred(name: String, parts: &[&[u8]], body: Arc<dyn Deferred>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
        Self { name: name.into(), version: Version::of(hasher), body: Body::Deferred(body) }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// What stands in a response's list of resources.
    fn encode(&self, variant: Variant) -> Encoded {
        let body = match &self.body {
            Body::Whole(body) => Encoded::shared(body.clone()),
            Body::Deferred(body) => body.make(),
        };
        match variant {
            Variant::StateOfTheWorld => body,
            Variant::Incremental => {
                let (name, version) = (self.name.to_string(), self.version.as_str().to_owned());
                body.within(&ResourceMessage { name, version, ..ResourceMessage::default() }, 2)
            }
        }
    }

    /// Adds it to a response.
    pub(crate) fn write(&self, variant: Variant, response: &mut Frame) {
        response.field(RESOURCES, &self.encode(variant));
    }

    #[cfg(test)]
    pub(crate) fn body(&self) -> Any {
        Any::decode(&*self.encode(Variant::StateOfTheWorld).to_vec()).unwrap()
    }
}

/// Resources of one type by name. Its version is that of its content: names and the version of each.
pub(crate) struct ResourceSet {
    resources: BTreeMap<Arc<str>, Arc<Resource>>,
    version: Version,
    /// All of it as in a response, for each [`Variant`]. None where it is for one node alone.
    encoded: Option<[OnceLock<Bytes>; 2]>,
    /// Its unions with other sets, by their version; nothing where it has all of theirs.
    unions: Recent<Option<Arc<Self>>>,
}

impl ResourceSet {
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.resources.len()
    }

    /// Adds all of it to a response, shared with all others to whom it was added. `false` where it is not to be shared.
    pub(crate) fn write(&self, variant: Variant, response: &mut Frame) -> bool {
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

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Resource>> {
        self.resources.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    /// Whether everything in `other` stands here with the same content.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.version == other.version
            || other.resources.iter().all(|(name, resource)| {
                self.resources.get(name).is_some_and(|own| own.version == resource.version)
            })
    }

    /// Everything that stands in one of `sets`; where two differ, the content of the first one.
    pub(crate) fn union<'a>(sets: impl IntoIterator<Item = &'a Arc<Self>>) -> Arc<Self> {
        let union = sets.into_iter().fold(None, |union: Option<Arc<Self>>, set| {
            Some(union.map_or_else(|| set.clone(), |union| union.with(set)))
        });
        union.unwrap_or_else(|| Arc::new(Self::from_iter([])))
    }

    /// The union with one other set. It is the same for a thousand nodes, and made once.
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

    /// Those whose name is wanted. Each node wants others, so the bytes are not kept.
    pub(crate) fn select(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let selected = self.resources.iter().filter(|(name, _)| wanted(name));
        let selected = selected.map(|(name, resource)| (name.clone(), resource.clone()));
        Self { encoded: None, ..Self::of(selected.collect()) }
    }

    fn of(resources: BTreeMap<Arc<str>, Arc<Resource>>) -> Self {
        let versions = resources.iter().map(|(name, resource)| (&**name, resource.version.as_str()));
        let version = Version::of_all(versions);
        let is_whole = resources.values().all(|resource| matches!(resource.body, Body::Whole(_)));
        Self { resources, version, encoded: is_whole.then(Default::default), unions: Recent::default() }
    }
}

impl FromIterator<Arc<Resource>> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = Arc<Resource>>>(resources: I) -> Self {
        Self::of(resources.into_iter().map(|resource| (resource.name().clone(), resource)).collect())
    }
}

impl fmt::Debug for ResourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.resources.keys()).finish()
    }
}
