/// Why a transition did not happen. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Abort {
    /// A page is newer than the root: another lane has changed the state meanwhile. Read the root again.
    #[error("the state was changed meanwhile")]
    Stale,
    /// The page could not be read; the host's status follows.
    #[error("a page cannot be read: host status {0}")]
    Source(i32),
    /// The state has a format that this version does not know.
    #[error("the shared state has format {found}, this version knows {known}")]
    Format {
        /// The format number of the state.
        found: u8,
        /// The format number of this version.
        known: u8,
    },
    /// No version writes such a state.
    #[error("the shared state is damaged: {0}")]
    Corrupt(&'static str),
    /// More entries than a queue's ring of pages can hold.
    #[error("a queue has no room left")]
    NoRoom,
}
