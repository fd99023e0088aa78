use std::{
    fs,
    path::{Path, PathBuf},
};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::config::Config;
use slotway_coordinators::envoy::bootstrap::NODE_ID;
use slotway_store::{StoreSettings, names_a_secret, without_secrets};

const HIDDEN: &str = "(hidden)";
/// The minimum length of a secret that is searched by its value. Shorter values would hide parts of many words. They
/// are hidden only by the name of their field, or by a pattern.
const VALUE_BYTES_MIN: usize = 4;
/// Environment variables that hold secrets.
const VARIABLES: [&str; 4] =
    ["SLOTWAY_STORE_PASSWORD", "SLOTWAY_TOKEN", "PGPASSWORD", "OTEL_EXPORTER_OTLP_HEADERS"];
/// The end of the first and the last line of a private key in PEM.
const KEY_LINE_ENDS: &str = "PRIVATE KEY-----";
/// The maximum size of a file that is read for a secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The secrets that a bundle must not contain. They are found in three independent ways: by the names of fields, by
/// patterns, and by the values that are known on this machine.
pub(super) struct Secrets {
    /// The longest first, so that none is cut by another that is a part of it.
    values: Vec<String>,
}

impl Secrets {
    /// The secrets that the configuration leads to.
    pub(super) fn of(config: &Config) -> Self {
        let groups = config.groups.iter().filter_map(|group| group.token_file.as_deref());
        let tls = config.xds_tls.iter().map(|tls| tls.key_file.as_path());
        let envoy_tls = config.envoy.tls.iter().filter_map(|tls| tls.key_file.as_deref());
        let api_tls = config.api_tls.iter().map(|tls| tls.key_file.as_path());
        let provider = config.oidc.iter().filter_map(|oidc| oidc.client_secret_file.as_deref());
        let own = [config.token_path(), config.node_key_path()];
        let files = groups.chain(tls).chain(envoy_tls).chain(api_tls).chain(provider);
        let files = files.chain(own.iter().map(PathBuf::as_path));
        let mut values: Vec<String> = files.flat_map(in_file).collect();
        values.extend(VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).flat_map(parts));
        values.extend(config.store.passwords());
        values.extend(config.made_node_keys().map(|keys| keys.of(NODE_ID).header_value().to_owned()));
        // The environment may name the store instead of the file.
        let store = std::env::var("SLOTWAY_STORE").ok().and_then(|store| store.parse::<StoreSettings>().ok());
        values.extend(store.iter().flat_map(StoreSettings::passwords));
        Self::new(values)
    }

    fn new(values: Vec<String>) -> Self {
        let mut all: Vec<String> = values.iter().flat_map(|value| spellings(value)).collect();
        all.retain(|value| value.len() >= VALUE_BYTES_MIN);
        all.sort_by_key(|value| std::cmp::Reverse(value.len()));
        all.dedup();
        Self { values: all }
    }

    /// Returns the content of a file without secrets. Content that is not text is hidden completely.
    pub(super) fn hide(&self, name: &str, content: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(content) else {
            return self.hide(name, String::from_utf8_lossy(content).as_bytes());
        };
        let mut text = if name.ends_with(".json") { pretty(&without_secrets(text)) } else { text.to_owned() };
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), HIDDEN);
            }
        }
        without_what_looks_secret(&text).into_bytes()
    }
}

fn pretty(json: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(json);
    value.map_or_else(|_| json.to_owned(), |value| format!("{value:#}\n"))
}

/// Returns the secrets in a file: the whole text, and each of its lines, because a key has several.
fn in_file(path: &Path) -> Vec<String> {
    let small = fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= SECRET_BYTES_MAX);
    let text = if small { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    lines.map(str::to_owned).collect()
}

/// Returns a secret, and if it is a list of headers (`name=value,name=value`), also the values in it.
fn parts(secret: String) -> Vec<String> {
    let values = secret.split(',').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.trim());
    values.map(str::to_owned).chain([secret.clone()]).collect()
}

/// The ways in which a value may stand in a text.
fn spellings(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let decoded = percent_decode_str(value).decode_utf8_lossy().into_owned();
    let encoded = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    vec![value.to_owned(), json.trim_matches('"').to_owned(), decoded, encoded]
}

/// Hides everything that matches the pattern of a secret: bearer and basic credentials, passwords in URLs, API tokens,
/// private keys.
fn without_what_looks_secret(text: &str) -> String {
    without_keys(text).split_inclusive('\n').map(words_hidden).collect()
}

/// Hides private keys in PEM, over several lines or, as in JSON, within one line. A key without an end is hidden to the
/// end of the text.
fn without_keys(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(KEY_LINE_ENDS) {
        let begin = rest[..at].rfind("-----BEGIN").unwrap_or(at);
        shown.push_str(&rest[..begin]);
        shown.push_str("(a private key was here)");
        rest = &rest[at + KEY_LINE_ENDS.len()..];
        // Past `-----END ... PRIVATE KEY-----`.
        rest = rest.find(KEY_LINE_ENDS).map_or("", |end| &rest[end + KEY_LINE_ENDS.len()..]);
    }
    shown.push_str(rest);
    shown
}

/// The characters that separate words.
const BETWEEN: &str = "\"',;<>[]{}";

fn words_hidden(line: &str) -> String {
    let between = |c: char| c.is_whitespace() || BETWEEN.contains(c);
    let mut shown = String::with_capacity(line.len());
    let (mut hide_next, mut named) = (false, false);
    for piece in line.split_inclusive(between) {
        let word = piece.trim_end_matches(between);
        let rest = &piece[word.len()..];
        if word.is_empty() {
            // A name and its value stand together but for quotes and blanks.
            named &= rest.chars().all(|c| c.is_whitespace() || c == '"');
            shown.push_str(piece);
            continue;
        }
        // `token: VALUE`, `"token": "VALUE"`, `token=VALUE`.
        let (name, value) =
            word.split_once(['=', ':']).map_or((word, None), |(name, value)| (name, Some(value)));
        let is_between = matches!(word, ":" | "=");
        match value.filter(|value| !value.is_empty()) {
            _ if hide_next => shown.push_str(HIDDEN),
            Some(_) if names_a_secret(name) && !word.contains("://") => {
                shown.push_str(&word[..=name.len()]);
                shown.push_str(HIDDEN);
            }
            _ if is_api_token(word) => shown.push_str(HIDDEN),
            _ => shown.push_str(&without_password(word)),
        }
        let lower = word.to_ascii_lowercase();
        hide_next = (is_between && named)
            || (value == Some("") && names_a_secret(name))
            || ["bearer", "basic"].iter().any(|scheme| lower.ends_with(scheme));
        named = names_a_secret(word) && rest.chars().all(|c| c.is_whitespace() || c == '"');
        shown.push_str(rest);
    }
    shown
}

/// Returns whether a word is `slotway_` with a random part. Names of metrics have only lower-case letters.
fn is_api_token(word: &str) -> bool {
    let Some((_, random)) = word.rsplit_once("slotway_") else { return false };
    random.len() >= 20
        && random.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Hides the password of `scheme://user:password@host` anywhere in a word.
fn without_password(word: &str) -> String {
    let hidden = || {
        let at = word.find("://")? + 3;
        let authority = word[at..].find(['/', '?', '#']).map_or(word.len(), |end| at + end);
        let (user_info, _) = word[at..authority].rsplit_once('@')?;
        let (user, _) = user_info.split_once(':')?;
        let host = at + user_info.len();
        Some(format!("{}{user}:{HIDDEN}{}", &word[..at], &word[host..]))
    };
    hidden().unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_secret_is_hidden_and_what_does_not_is_not() {
        for (text, shown) in [
            ("authorization: Bearer abc.def-1\n", "authorization: Bearer (hidden)\n"),
            (r#"{"value": "Bearer abc"}"#, r#"{"value": "Bearer (hidden)"}"#),
            ("basic dXNlcjpw end", "basic (hidden) end"),
            (
                r#"{"api_token":"abc","kind":"token","a":1}"#,
                r#"{"api_token":"(hidden)","kind":"token","a":1}"#,
            ),
            (r#"{"api_token": "abc"}"#, r#"{"api_token": "(hidden)"}"#),
            (
                "password=abc client-secret: abc token = abc x=1",
                "password=(hidden) client-secret: (hidden) token = (hidden) x=1",
            ),
            ("  64 admin-token\n  12 envoy.log\n", "  64 admin-token\n  12 envoy.log\n"),
            ("requests_total{kind=\"token\",a=\"b\"} 1", "requests_total{kind=\"token\",a=\"b\"} 1"),
            ("token_file: group-token", "token_file: group-token"),
            ("to postgres://u:pw@h/d now", "to postgres://u:(hidden)@h/d now"),
            ("url=\"http://u:p@h\"", "url=\"http://u:(hidden)@h\""),
            ("http://u@h/a:b@c", "http://u@h/a:b@c"),
            ("slotway_0123456789abcdef0123456789abcdef", "(hidden)"),
            (
                "slotway_config_last_reload_success_timestamp_seconds 1",
                "slotway_config_last_reload_success_timestamp_seconds 1",
            ),
            (
                "a\n-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nb\n",
                "a\n(a private key was here)\nb\n",
            ),
            (
                r#"{"k":"-----BEGIN EC PRIVATE KEY-----\nMII\n-----END EC PRIVATE KEY-----\n","a":1}"#,
                r#"{"k":"(a private key was here)\n","a":1}"#,
            ),
            ("a -----BEGIN PRIVATE KEY-----\nMII\n", "a (a private key was here)"),
            ("-----BEGIN CERTIFICATE-----\nMII\n", "-----BEGIN CERTIFICATE-----\nMII\n"),
        ] {
            assert_eq!(without_what_looks_secret(text), shown, "{text}");
        }
    }

    #[test]
    fn a_known_value_is_hidden_however_it_is_written() {
        let secrets = Secrets::new(vec!["a b\"c/d".to_owned(), "p%40ss".to_owned(), "abc".to_owned()]);
        for text in ["x a b\"c/d y", r#"x a b\"c/d y"#, "x a%20b%22c%2Fd y", "x p@ss y", "x p%40ss y"] {
            let shown = String::from_utf8(secrets.hide("f.txt", text.as_bytes())).unwrap();
            assert_eq!(shown, "x (hidden) y", "{text}");
        }
        assert_eq!(secrets.hide("f.txt", b"abc"), b"abc", "too short to be looked for everywhere");
    }

    #[test]
    fn fields_of_json_are_hidden_by_their_names_and_what_is_no_json_is_hidden_whole() {
        let secrets = Secrets::new(Vec::new());
        let shown = |text: &str| String::from_utf8(secrets.hide("f.json", text.as_bytes())).unwrap();
        assert_eq!(
            shown(r#"{"client_secret":"x","a":1}"#),
            "{\n  \"a\": 1,\n  \"client_secret\": \"(hidden)\"\n}\n"
        );
        assert_eq!(shown("no json"), "\"(hidden)\"\n");
    }
}
