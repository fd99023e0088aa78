use crate::{Column, KindSchema};

/// The scope that an endpoint requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequiredScope {
    /// `read`.
    Read,
    /// `workers`.
    Workers,
    /// `admin`.
    Admin,
}

/// Whether resources of a kind can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// DELETE deletes one.
    Possible,
    /// There is no DELETE.
    Impossible {
        /// Why, in a sentence without a full stop.
        reason: &'static str,
    },
}

/// Describes a kind of resource. Everything that lists kinds derives from [`kinds::ALL`](crate::kinds::ALL).
#[derive(Debug)]
pub struct ResourceKind {
    /// The value of the field `kind`: `BackupJob`.
    pub name: &'static str,
    /// The name of its documents in the store, in audit rows and in backups: `backup_job`. `None` for a kind that is not stored.
    pub stored: Option<&'static str>,
    /// The path below `/api/v1/`: `backup-jobs`.
    pub path: &'static str,
    /// The CLI's word for one: `backupjob`.
    pub word: &'static str,
    /// The CLI's word for several: `backupjobs`.
    pub words: &'static str,
    /// Short words that the CLI takes, too.
    pub aliases: &'static [&'static str],
    /// One in prose: `backup job`.
    pub title: &'static str,
    /// Several in prose: `backup jobs`.
    pub titles: &'static str,
    /// The scope to read it.
    pub read: RequiredScope,
    /// The scope to change it.
    pub change: RequiredScope,
    /// Whether `POST /api/v1/apply` takes it.
    pub is_applied: bool,
    /// Whether one can be deleted.
    pub deletion: Deletion,
    /// The columns of its table.
    pub columns: &'static [Column],
    /// The columns that a wide table adds.
    pub wide_columns: &'static [Column],
    /// For kinds that REST serves in the ordinary way (list, get, put, patch, delete): the schema of spec and status.
    pub ordinary: Option<fn() -> KindSchema>,
    /// The type URL by which agents subscribe to it over xDS.
    pub xds_type: Option<&'static str>,
}

impl ResourceKind {
    /// Returns the path of all of them: `/api/v1/backup-jobs`.
    #[must_use]
    pub fn collection(&self) -> String {
        format!("/api/v1/{}", self.path)
    }

    /// Returns the path of one as the router has it: `/api/v1/backup-jobs/{name}`.
    #[must_use]
    pub fn item(&self) -> String {
        format!("/api/v1/{}/{{name}}", self.path)
    }

    /// Returns the word of problem types about it: `backup-job`, as in `urn:slotway:problem:unknown-backup-job`.
    #[must_use]
    pub fn problem_word(&self) -> String {
        self.title.replace(' ', "-")
    }

    /// Returns whether `word` names this kind: in one or in several, with or without `-` and `_`, in any case, or by an alias.
    #[must_use]
    pub fn is_named(&self, word: &str) -> bool {
        let word: String = word
            .chars()
            .filter(|letter| !matches!(letter, '-' | '_'))
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
        word == self.word || word == self.words || self.aliases.contains(&word.as_str())
    }

    /// Returns whether a DELETE exists.
    #[must_use]
    pub fn is_deletable(&self) -> bool {
        self.deletion == Deletion::Possible
    }
}

/// Two descriptors are equal if they describe the same kind.
impl PartialEq for ResourceKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for ResourceKind {}
