/// A variant of xDS: what a response contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProtocolVariant {
    /// Each response has all resources of its type.
    StateOfTheWorld,
    /// Each response has the resources that have changed.
    #[default]
    Incremental,
}
