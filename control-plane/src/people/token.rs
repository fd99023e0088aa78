use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Moment, Scope};

/// What every token begins with, so that one that lies about is known for what it is.
pub const TOKEN_PREFIX: &str = "slotway_";
/// Most tokens.
pub const TOKENS_MAX: usize = 1_000;
/// How exactly it is kept when a token was used last.
pub(super) const USED_EVERY: Duration = Duration::from_secs(60);
/// Shortest and longest time until a token expires.
const EXPIRES_IN: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// A token, as kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What it may.
    pub scope: Scope,
    pub(super) secret_hash: String,
    /// Since when there is one.
    pub created_at: Moment,
    /// Who made it, as it stands in the audit rows.
    pub created_by: String,
    /// The person whose it is: it may no more than they, and goes out with them. None for one that was made with the admin token.
    pub owner: Option<String>,
    /// From when on it is refused; none for never.
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

/// What somebody wants of a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenWanted {
    /// What it may.
    pub scope: Scope,
    /// After how long it expires; none for never.
    pub expires_in: Option<Duration>,
}

/// Reads how long a token lives: `90m`, `720h`, `30d`.
///
/// # Errors
/// What is wrong with it.
pub fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: a whole number with a unit, as in 90m, 720h or 30d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_s));
    let lifetime = seconds.map(Duration::from_secs).filter(|lifetime| EXPIRES_IN.contains(lifetime));
    lifetime.ok_or_else(|| {
        format!("{text:?} is not from 1m to 3660d; leave it out for a token that does not expire")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_with_a_unit_within_bounds() {
        for (text, seconds) in [("60s", 60), ("90m", 5_400), ("720h", 2_592_000), ("30d", 2_592_000)] {
            assert_eq!(lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in [
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
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
