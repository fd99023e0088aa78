use std::{collections::BTreeMap, fmt, sync::Arc};

use envoy_types::pb::google::protobuf::Any;
use sha2::{Digest, Sha256};

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
    name: String,
    version: Version,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Whole(Any),
    Deferred(Arc<dyn Deferred>),
}

/// A content that is made when it is sent: one that differs from node to node must not be kept for each of them.
pub(crate) trait Deferred: fmt::Debug + Send + Sync {
    fn make(&self) -> Any;
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
        Self { name, version: Version::of(hasher), body: Body::Whole(body) }
    }

    /// A resource whose content is made later. It is a function of `parts` and nothing else.
    pub(crate) fn deferred(name: String, parts: &[&[u8]], body: Arc<dyn Deferred>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
        Self { name, version: Version::of(hasher), body: Body::Deferred(body) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    pub(crate) fn body(&self) -> Any {
        match &self.body {
            Body::Whole(body) => body.clone(),
            Body::Deferred(body) => body.make(),
        }
    }
}

/// Resources of one type by name. Its version is that of its content: names and the version of each.
#[derive(Clone)]
pub(crate) struct ResourceSet {
    resources: BTreeMap<Arc<str>, Arc<Resource>>,
    version: Version,
}

impl ResourceSet {
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty()
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
        let mut sets = sets.into_iter();
        let Some(first) = sets.next() else { return Arc::new(Self::from_iter([])) };
        let mut union: Option<BTreeMap<_, _>> = None;
        for set in sets.filter(|set| set.version != first.version) {
            let resources = union.get_or_insert_with(|| first.resources.clone());
            for (name, resource) in &set.resources {
                resources.entry(name.clone()).or_insert_with(|| resource.clone());
            }
        }
        match union {
            Some(resources) if resources.len() > first.resources.len() => Arc::new(Self::of(resources)),
            _ => first.clone(),
        }
    }

    /// Those whose name is wanted.
    pub(crate) fn select(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self::of(
            self.resources
                .iter()
                .filter(|(name, _)| wanted(name))
                .map(|(name, resource)| (name.clone(), resource.clone()))
                .collect(),
        )
    }

    fn of(resources: BTreeMap<Arc<str>, Arc<Resource>>) -> Self {
        let versions = resources.iter().map(|(name, resource)| (&**name, resource.version.as_str()));
        let version = Version::of_all(versions);
        Self { resources, version }
    }
}

impl FromIterator<Arc<Resource>> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = Arc<Resource>>>(resources: I) -> Self {
        Self::of(resources.into_iter().map(|resource| (resource.name().into(), resource)).collect())
    }
}

impl fmt::Debug for ResourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.resources.keys()).finish()
    }
}
