//! The kinds of documents that this crate stores.

use slotway_store::Kind;

/// A user. Key: the name.
pub const USER: Kind = Kind::new("user");
/// A token. Key: the name.
pub const TOKEN: Kind = Kind::new("token");
/// The time of the last use of a token. Key: the token's name.
pub const TOKEN_USE: Kind = Kind::new("token_use").without_audit().without_backup();
/// A session. Key: the hash of its id.
pub const SESSION: Kind = Kind::new("session").without_audit().without_backup();

/// All kinds of this crate.
pub const KINDS: &[Kind] = &[USER, TOKEN, TOKEN_USE, SESSION];
