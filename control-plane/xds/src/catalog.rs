use crate::XdsError;

/// The part that the resources of a type play when a snapshot comes into force. The variants stand in push order: what others
/// need comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PushRole {
    /// [`Bounds`](crate::Bounds): raised before and lowered after the root that counts on them. At most one type.
    Bound,
    /// Resources that the root names: added before and removed after the root that names them. At most one type.
    Referenced,
    /// Resources that come into force together with the root, just before it.
    Dependent,
    /// The one resource that names others and counts on bounds. Its acknowledgement is that of the snapshot's generation. At
    /// most one type.
    Root,
    /// Resources that need no others and that no others need. They are sent at once.
    Independent,
}

impl PushRole {
    /// Whether a catalog can have several types of this role.
    fn is_shared(self) -> bool {
        matches!(self, Self::Dependent | Self::Independent)
    }
}

/// A type of resources: its type URL, and how a change of it comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType {
    type_url: &'static str,
    role: PushRole,
    is_wildcard: bool,
}

impl ResourceType {
    /// Returns the type with this type URL, which a node subscribes to by names.
    #[must_use]
    pub const fn new(type_url: &'static str, role: PushRole) -> Self {
        Self { type_url, role, is_wildcard: false }
    }

    /// Returns the same type, for which a first request without names asks for every resource.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return>
    #[must_use]
    pub const fn with_wildcard(self) -> Self {
        Self { is_wildcard: true, ..self }
    }

    /// Returns the URL that the protocol knows the type by.
    #[must_use]
    pub const fn type_url(self) -> &'static str {
        self.type_url
    }

    /// Returns how a change of the type comes into force.
    #[must_use]
    pub const fn role(self) -> PushRole {
        self.role
    }

    /// Returns whether a first request without names asks for every resource of the type.
    #[must_use]
    pub const fn is_wildcard(self) -> bool {
        self.is_wildcard
    }
}

/// The types that a server serves, in push order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog(Vec<ResourceType>);

impl Catalog {
    /// Returns the catalog of these types, sorted by role. Types of one role keep their order.
    ///
    /// # Errors
    /// [`XdsError::Catalog`] if two types have one URL, or one role that only one type can have.
    pub fn new(types: impl IntoIterator<Item = ResourceType>) -> Result<Self, XdsError> {
        let mut types: Vec<_> = types.into_iter().collect();
        types.sort_by_key(|ty| ty.role);
        for (at, ty) in types.iter().enumerate() {
            let clashes = |other: &&ResourceType| {
                other.type_url == ty.type_url || other.role == ty.role && !ty.role.is_shared()
            };
            if let Some(other) = types[..at].iter().find(clashes) {
                return Err(XdsError::Catalog { first: other.type_url, second: ty.type_url });
            }
        }
        Ok(Self(types))
    }

    /// Returns all types in push order.
    #[must_use]
    pub fn types(&self) -> &[ResourceType] {
        &self.0
    }

    /// Returns the position of the type with this URL.
    pub(crate) fn position(&self, type_url: &str) -> Option<usize> {
        self.0.iter().position(|ty| ty.type_url == type_url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_stand_in_push_order_and_keep_their_order_within_a_role() {
        let of = |url, role| ResourceType::new(url, role);
        let types = [
            of("independent", PushRole::Independent),
            of("root", PushRole::Root),
            of("b", PushRole::Dependent),
            of("a", PushRole::Dependent),
            of("referenced", PushRole::Referenced),
            of("bound", PushRole::Bound),
        ];
        let catalog = Catalog::new(types).unwrap();
        let urls: Vec<_> = catalog.types().iter().map(|ty| ty.type_url()).collect();
        assert_eq!(urls, ["bound", "referenced", "b", "a", "root", "independent"]);
        assert_eq!((catalog.position("a"), catalog.position("c")), (Some(3), None));
    }

    #[test]
    fn two_roots_and_two_types_of_one_url_are_refused() {
        let root = |url| ResourceType::new(url, PushRole::Root);
        let other = |url| ResourceType::new(url, PushRole::Independent);
        for types in [[root("a"), root("b")], [other("a"), other("a")]] {
            assert!(matches!(Catalog::new(types), Err(XdsError::Catalog { .. })));
        }
        assert!(Catalog::new([other("a"), other("b")]).is_ok());
    }
}
