use super::StoreError;

/// Longest key, in bytes: a worker's URL fits, and PostgreSQL can index it.
pub const KEY_BYTES_MAX: usize = 2_048;
/// Largest document, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// What a document is about; kinds do not share keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A worker, by its base URL.
    Worker,
    /// A pool, by its name: its match and its place.
    Pool,
    /// A pool's policy, by the pool's name.
    Policy,
    /// A worker that is marked as a server, by its base URL.
    Server,
    /// How many servers may run.
    ServerLimits,
    /// What servers may use.
    ResourceProfiles,
    /// A backup job, by its name.
    BackupJob,
    /// What the configuration file last said beside pools and workers.
    Settings,
    /// Somebody who may sign in, by name.
    User,
    /// A token, by name.
    Token,
    /// When a token was used last, by its name. Leaves no audit rows.
    TokenUse,
    /// A session, by the hash of its id. Leaves no audit rows.
    Session,
    /// The program's own book-keeping, by name: the generation. Its changes leave no audit rows.
    Fact,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Worker,
        Self::Pool,
        Self::Policy,
        Self::Server,
        Self::ServerLimits,
        Self::ResourceProfiles,
        Self::BackupJob,
        Self::Settings,
        Self::User,
        Self::Token,
        Self::TokenUse,
        Self::Session,
        Self::Fact,
    ];

    /// The kind's name in the database, in audit rows and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Pool => "pool",
            Self::Policy => "policy",
            Self::Server => "server",
            Self::ServerLimits => "server_limits",
            Self::ResourceProfiles => "resource_profiles",
            Self::BackupJob => "backup_job",
            Self::Settings => "settings",
            Self::User => "user",
            Self::Token => "token",
            Self::TokenUse => "token_use",
            Self::Session => "session",
            Self::Fact => "fact",
        }
    }

    /// The kind of a name.
    ///
    /// # Errors
    /// [`StoreError::Document`] for a name that a newer program must have written.
    pub fn parse(name: &str) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| StoreError::Document {
            kind: "document of kind",
            key: name.to_owned(),
            reason: "this slotway does not know the kind".to_owned(),
        })
    }

    /// Whether a change of such a document leaves an audit row.
    #[must_use]
    pub fn is_audited(self) -> bool {
        !matches!(self, Self::Fact | Self::TokenUse | Self::Session)
    }
}

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is about.
    pub kind: Kind,
    /// Its key among its kind.
    pub key: String,
    /// The store's revision that wrote it last.
    pub revision: u64,
    /// JSON text.
    pub value: String,
}

/// Documents, and the store's revision at which they were all true together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The revision to watch from.
    pub revision: u64,
    /// Ordered by kind, then by the bytes of the key.
    pub documents: Vec<Document>,
}
