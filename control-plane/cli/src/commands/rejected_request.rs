use std::fmt;

use serde_json::Value;

use super::printable::printable;

/// The largest number of known names in a message.
const KNOWN_SHOWN_MAX: usize = 8;
/// The largest edit distance of a suggested name.
const MISSPELT_MAX: usize = 2;
/// The longest shown text of an answer that is not a problem, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// A request that the control plane refused with `application/problem+json` (RFC 9457), or a proxy with another
/// answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRequest {
    /// The subject of the request: `worker http://127.0.0.1:9001`.
    pub subject: String,
    /// The HTTP status.
    pub status: u16,
    /// The body of the answer; text if it is not JSON.
    pub problem: Value,
    /// The location of the field in a manifest: `pools.yaml:7:5`.
    pub location: Option<String>,
    /// Whether the request had no credentials.
    pub is_anonymous: bool,
}

impl RejectedRequest {
    /// Returns a text member of the problem.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        self.problem.get(member).and_then(Value::as_str)
    }

    /// Returns the index of the refused entry, from 0.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        self.problem.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok())
    }

    /// Returns the known name that is most similar to the requested one.
    fn meant<'a>(&self, known: &'a [Value]) -> Option<&'a str> {
        let asked = self.subject.rsplit(' ').next()?;
        let known = known.iter().filter_map(Value::as_str);
        let near = known.map(|name| (strsim::osa_distance(asked, name), name));
        near.filter(|(distance, _)| *distance <= MISSPELT_MAX).min().map(|(_, name)| name)
    }

    /// Returns the next step for the user, in addition to the detail.
    fn hint(&self) -> Option<String> {
        let known =
            self.problem.get("known").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if let Some(meant) = self.meant(known) {
            return Some(format!("Did you mean {}?", printable(meant)));
        }
        let named: Vec<_> =
            known.iter().filter_map(Value::as_str).take(KNOWN_SHOWN_MAX).map(printable).collect();
        if !named.is_empty() {
            let more = if known.len() > named.len() { ", ..." } else { "" };
            return Some(format!("Known: {}{more}", named.join(", ")));
        }
        let is_unknown = self.is_anonymous && self.status == 401;
        is_unknown.then(|| "Pass a token with --token-file FILE or SLOTWAY_TOKEN".to_owned())
    }

    /// Returns the stable exit code of the command.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.status {
            400 | 413 | 415 | 422 => 2,
            404 => 3,
            401 | 403 => 4,
            409 | 412 => 5,
            _ => 1,
        }
    }
}

impl fmt::Display for RejectedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{}: ", printable(&self.subject))?;
        let Some(detail) = self.text("detail") else {
            let text = self.problem.as_str().map_or_else(|| self.problem.to_string(), str::to_owned);
            let text: String = printable(text.trim()).chars().take(TEXT_CHARS_MAX).collect();
            return write!(f, "refused with {} without a reason: {text}", self.status);
        };
        if let Some(field) = self.text("field") {
            write!(f, "{}: ", printable(field))?;
        }
        let detail = printable(detail);
        f.write_str(&detail)?;
        if let Some(hint) = self.hint() {
            let end = if detail.ends_with(['.', '?', '!']) { "" } else { "." };
            write!(f, "{end} {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rejected(status: u16, problem: Value) -> RejectedRequest {
        RejectedRequest {
            subject: "worker http://a".to_owned(),
            status,
            problem,
            location: None,
            is_anonymous: false,
        }
    }

    #[test]
    fn a_problem_becomes_one_line_with_what_where_and_what_there_is() {
        let bad = rejected(400, json!({ "detail": "0 is too small", "field": "spec.capacity" }));
        assert_eq!(bad.to_string(), "worker http://a: spec.capacity: 0 is too small");
        let placed = RejectedRequest { location: Some("w.yaml:3:7".to_owned()), ..bad };
        assert_eq!(placed.to_string(), "w.yaml:3:7: worker http://a: spec.capacity: 0 is too small");
        let unknown =
            rejected(404, json!({ "detail": "there is no worker", "known": ["http://bcd", "http://cde"] }));
        assert_eq!(unknown.to_string(), "worker http://a: there is no worker. Known: http://bcd, http://cde");
        let near =
            rejected(404, json!({ "detail": "there is no worker", "known": ["http://b:90", "http://aa"] }));
        assert_eq!(near.to_string(), "worker http://a: there is no worker. Did you mean http://aa?");
        let many: Vec<_> = (0..20).map(|n| format!("http://node-{n}")).collect();
        assert!(
            rejected(404, json!({ "detail": "none", "known": many }))
                .to_string()
                .ends_with("http://node-7, ...")
        );
    }

    #[test]
    fn who_shows_nothing_is_told_how() {
        let nobody =
            RejectedRequest { is_anonymous: true, ..rejected(401, json!({ "detail": "who are you?" })) };
        assert!(
            nobody.to_string().ends_with("who are you? Pass a token with --token-file FILE or SLOTWAY_TOKEN")
        );
    }

    #[test]
    fn what_is_no_problem_is_shown_bounded_and_harmless() {
        let page = format!("<html>\u{1b}[2J{}", "x".repeat(1_000));
        let line = rejected(502, Value::String(page)).to_string();
        assert!(line.starts_with("worker http://a: refused with 502 without a reason"), "{line}");
        assert!(line.chars().count() < 300 && !line.contains('\u{1b}'), "{line}");
    }

    #[test]
    fn each_status_has_its_exit_code() {
        for (status, code) in [(400, 2), (401, 4), (403, 4), (404, 3), (409, 5), (412, 5), (429, 1), (503, 1)]
        {
            assert_eq!(rejected(status, json!({})).exit_code(), code, "{status}");
        }
    }
}
