use std::time::Duration;

use serde::{Deserialize, Serialize};
use slotway_runtime::Moment;

use crate::scope::Scope;

/// Prefix of every token. Secret scanners and people recognise a leaked token by it.
pub const TOKEN_PREFIX: &str = "slotway_";
/// Most tokens.
pub const TOKENS_MAX: usize = 1_000;
/// Resolution of the stored time of the last use.
pub(crate) const USE_RESOLUTION: Duration = Duration::from_secs(60);
/// Shortest and longest time until a token expires.
const LIFETIME: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// A token, as stored. `Debug` hides the hash of the secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The permissions, limited by those of the owner.
    pub scope: Scope,
    pub(crate) secret_hash: String,
    /// The time of its creation.
    pub created_at: Moment,
    /// Its creator's name in audit rows.
    pub created_by: String,
    /// The user who owns it: it has at most their scope and is deleted with them. `None` if it was created with the admin token.
    pub owner: Option<String>,
    /// The time from which it is refused; `None` for never.
    pub expires_at: Option<Moment>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("scope", &self.scope)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// The requested properties of a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// The permissions.
    pub scope: Scope,
    /// The time until it expires; `None` for never.
    pub expires_in: Option<Duration>,
}

/// Parses the lifetime of a token: `90m`, `720h`, `30d`.
///
/// # Errors
/// The reason, if the text is no duration from 1m to 3660d.
pub fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let invalid =
        || format!("{text:?} is not a duration: use a whole number with a unit, as in 90m, 720h or 30d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(invalid)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(invalid()),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_s));
    let lifetime = seconds.map(Duration::from_secs).filter(|lifetime| LIFETIME.contains(lifetime));
    lifetime
        .ok_or_else(|| format!("{text:?} is not from 1m to 3660d; omit it for a token that does not expire"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_with_a_unit_within_bounds() {
        for (text, seconds) in [("60s", 60), ("90m", 5_400), ("720h", 2_592_000), ("30d", 2_592_000)] {
            assert_eq!(parse_lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for invalid in [
            "",
            "h",
            "1",
            "-1h",
            "+1h",
            "1.5h",
            "1 h",
            "0s",
            "59s",
            "3661d",
            "99999999999999999999d",
            "1w",
            "1é",
            "１h",
        ] {
            assert!(parse_lifetime(invalid).is_err(), "{invalid}");
        }
    }
}
