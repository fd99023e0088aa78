//! A backup of the store as one file of JSON lines: a head, one line per document, and an end with a checksum.
//!
//! It has documents, not a copy of a database. So it can be read with any tool, and restored into another kind of database.

use std::{
    collections::HashSet,
    io::{BufRead, Read, Write},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use slotway_runtime::Moment;
use slotway_store::{
    BATCH_BYTES_MAX, Document, KEY_BYTES_MAX, Listing, VALUE_BYTES_MAX, WRITES_MAX, kind_named,
};

use crate::StoreScope;

/// The format that this program writes, and the newest that it reads.
const FORMAT: u64 = 1;
/// Longest line, in bytes: JSON may write each byte of a document as six.
const LINE_BYTES_MAX: usize = 6 * (VALUE_BYTES_MAX + KEY_BYTES_MAX) + 1_024;

/// The documents of a store at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreBackup {
    /// When it was made (RFC 3339).
    pub made_at: String,
    /// Which program made it.
    pub made_by: String,
    /// The store's revision; each document has its own.
    pub listing: Listing,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    slotway_backup: u64,
    made_at: String,
    made_by: String,
    revision: u64,
}

/// A line with a document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    kind: String,
    key: String,
    revision: u64,
    value: Value,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    documents: usize,
    /// Of all lines before this one, in hexadecimal.
    sha256: String,
}

impl StoreBackup {
    /// Returns the backup of a store's documents that are in scope.
    #[must_use]
    pub fn of(mut listing: Listing, scope: &StoreScope, now: Moment) -> Self {
        listing.documents.retain(|document| scope.has(document));
        let now = Timestamp::from_millisecond(now.unix_ms()).unwrap_or_default();
        Self {
            made_at: format!("{now:.0}"),
            made_by: concat!("slotway ", env!("CARGO_PKG_VERSION")).to_owned(),
            listing,
        }
    }

    /// Returns the number of documents of a kind, by the kind's name.
    #[must_use]
    pub fn count(&self, kind: &str) -> usize {
        self.listing.documents.iter().filter(|document| document.kind.as_str() == kind).count()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        let mut hash = Sha256::new();
        let mut line = |text: String| {
            let text = text + "\n";
            hash.update(&text);
            to.write_all(text.as_bytes())
        };
        let Self { made_at, made_by, listing: Listing { revision, documents } } = self;
        let (made_at, made_by) = (made_at.clone(), made_by.clone());
        let head = Head { slotway_backup: FORMAT, made_at, made_by, revision: *revision };
        line(serde_json::to_string(&head)?)?;
        for Document { kind, key, revision, value } in documents {
            let kind = kind.as_str().to_owned();
            let value = serde_json::from_str(value)?;
            line(serde_json::to_string(&Line { kind, key: key.clone(), revision: *revision, value })?)?;
        }
        let end = End { documents: documents.len(), sha256: format!("{:x}", hash.finalize()) };
        writeln!(to, "{}", serde_json::to_string(&end)?)
    }

    /// Reads a whole file and checks that it is as it was written. Documents of older versions are converted.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub fn read(from: impl BufRead, scope: &StoreScope) -> Result<Self, String> {
        let mut lines = Lines { from, number: 0, hash: Sha256::new() };
        let head = lines.next()?.ok_or("it is empty")?;
        let head = head_of(&head)?;
        let mut listing = Listing { revision: head.revision, documents: Vec::new() };
        let mut bytes = 0;
        loop {
            let so_far = format!("{:x}", lines.hash.clone().finalize());
            let Some(line) = lines.next()? else {
                return Err(format!(
                    "its last line is missing, after line {}: it was cut off, or is still being written",
                    lines.number
                ));
            };
            let at = |reason: &str| format!("line {}: {reason}", lines.number);
            let value: Value =
                serde_json::from_slice(&line).map_err(|error| at(&format!("this is no JSON ({error})")))?;
            if value.get("sha256").is_some() {
                let end: End = serde_json::from_value(value).map_err(|error| at(&error.to_string()))?;
                if end.documents != listing.documents.len() || end.sha256 != so_far {
                    return Err(
                        "it is not as it was written: a line was changed, taken out or put in".to_owned()
                    );
                }
                break;
            }
            let document = document_of(value, scope).map_err(|reason| at(&reason))?;
            bytes += document.key.len() + document.value.len();
            // A restore is one batch: it also has a write for each document that it deletes.
            if listing.documents.len() >= WRITES_MAX / 2 || bytes > BATCH_BYTES_MAX {
                return Err(at("it has more documents than a store"));
            }
            listing.documents.push(document);
        }
        if lines.next()?.is_some() {
            return Err(format!("line {}: there is something behind its end", lines.number));
        }
        let mut seen = HashSet::new();
        match listing.documents.iter().find(|document| !seen.insert((document.kind, &document.key))) {
            Some(Document { kind, key, .. }) => Err(format!("the {} {key:?} is in it twice", kind.as_str())),
            None => {
                let listing = scope.upgraded(listing).map_err(|error| error.to_string())?;
                Ok(Self { made_at: head.made_at, made_by: head.made_by, listing })
            }
        }
    }
}

/// The lines of a file, of bounded length.
struct Lines<R> {
    from: R,
    /// Of the line that was read last, from 1.
    number: usize,
    /// Over all lines that were read.
    hash: Sha256,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.from).take(LINE_BYTES_MAX as u64 + 1);
        bounded.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if line.len() > LINE_BYTES_MAX {
            return Err(format!("line {}: it is longer than {LINE_BYTES_MAX} bytes", self.number));
        }
        self.hash.update(&line);
        Ok(Some(line))
    }
}

/// The first line, of a format that is known.
fn head_of(line: &[u8]) -> Result<Head, String> {
    const FOREIGN: &str = "it is no backup of slotway's: its first line does not say so";
    let value: Value = serde_json::from_slice(line).map_err(|_| FOREIGN)?;
    match value.get("slotway_backup").and_then(Value::as_u64) {
        Some(newer) if newer > FORMAT => Err(format!(
            "it has format {newer}, and this slotway knows {FORMAT} at most: use the slotway that made it, or a newer one"
        )),
        Some(_) => serde_json::from_value(value).map_err(|error| format!("line 1: {error}")),
        None => Err(FOREIGN.to_owned()),
    }
}

fn document_of(value: Value, scope: &StoreScope) -> Result<Document, String> {
    let Line { kind, key, revision, value } =
        serde_json::from_value(value).map_err(|error| error.to_string())?;
    let known = kind_named(scope.kinds, &kind).map_err(|_| {
        format!("this slotway does not know the kind {kind:?}: use the slotway that made it, or a newer one")
    })?;
    let document = Document { kind: known, key, revision, value: value.to_string() };
    if scope.has(&document) {
        Ok(document)
    } else {
        Err(format!("a backup has no {kind} {:?}", document.key))
    }
}

#[cfg(test)]
mod tests {
    use slotway_store::Kind;

    use super::*;

    const GENERATION: &str = "generation";
    const POOL: Kind = Kind::new("pool");
    const TOKEN: Kind = Kind::new("token");
    const WORKER: Kind = Kind::new("worker");
    const SESSION: Kind = Kind::new("session").without_audit().without_backup();

    fn scope() -> StoreScope {
        StoreScope {
            kinds: &[POOL, TOKEN, WORKER, SESSION, Kind::FACT],
            facts: &[GENERATION],
            parts: Vec::new(),
        }
    }

    fn document(kind: Kind, key: &str, value: &str) -> Document {
        Document { kind, key: key.to_owned(), revision: 3, value: value.to_owned() }
    }

    fn backup() -> StoreBackup {
        StoreBackup::of(
            Listing {
                revision: 7,
                documents: vec![
                    document(Kind::FACT, GENERATION, "12"),
                    document(Kind::FACT, "watchdog", "{}"),
                    document(POOL, "ocr", r#"{"position":0}"#),
                    document(SESSION, "abc", "{}"),
                    document(TOKEN, "ci", r#"{"secret_hash":"0a"}"#),
                    document(SESSION, "ci", "5"),
                    document(WORKER, "http://ö:1\n", r#"{"text":"line\nline","wide":18446744073709551615}"#),
                ],
            },
            &scope(),
            Moment::from_unix_ms(0),
        )
    }

    fn written(backup: &StoreBackup) -> String {
        let mut bytes = Vec::new();
        backup.write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_was_written_is_read_without_what_nobody_wants_back() {
        let before = backup();
        let text = written(&before);
        assert_eq!(text.lines().count(), 6, "a head, four documents and an end: {text}");
        assert_eq!(StoreBackup::read(text.as_bytes(), &scope()).unwrap(), before);
        let kinds: Vec<_> = before.listing.documents.iter().map(|document| document.kind).collect();
        assert_eq!(kinds, [Kind::FACT, POOL, TOKEN, WORKER]);
    }

    /// With an end that goes with what is before it.
    fn ended(lines: &[&str]) -> String {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let sha256 = format!("{:x}", Sha256::digest(&text));
        format!("{text}{}\n", serde_json::to_string(&End { documents: lines.len() - 1, sha256 }).unwrap())
    }

    #[test]
    fn a_file_that_is_not_as_it_was_written_is_refused_with_the_place() {
        let good = written(&backup());
        let lines: Vec<_> = good.lines().collect();
        let head = lines[0];
        let cut_in_line = &good[..good.len() - 10];
        let without_end = good.replace(&format!("{}\n", lines[5]), "");
        let without_document = good.replace(&format!("{}\n", lines[2]), "");
        let pool = lines[2];
        for (text, says) in [
            ("".to_owned(), "it is empty"),
            ("\n".to_owned(), "no backup of slotway's"),
            ("SQLite format 3\0".to_owned(), "no backup of slotway's"),
            ("{}\n".to_owned(), "no backup of slotway's"),
            ("{\"slotway_backup\":\"1\"}\n".to_owned(), "no backup of slotway's"),
            ("{\"slotway_backup\":1}\n".to_owned(), "line 1: missing field `made_at`"),
            (
                good.replace("\"slotway_backup\":1", "\"slotway_backup\":2"),
                "it has format 2, and this slotway knows 1",
            ),
            (head.to_owned(), "its last line is missing, after line 1"),
            (without_end, "its last line is missing, after line 5"),
            (cut_in_line.to_owned(), "line 6: this is no JSON"),
            (good.replace("\"position\":0", "\"position\":1"), "it is not as it was written"),
            (without_document, "it is not as it was written"),
            (format!("{good}{pool}\n"), "line 7: there is something behind its end"),
            (ended(&[head, "7"]), "line 2: invalid type: integer `7`"),
            (ended(&[head, &pool.replace("\"key\"", "\"name\"")]), "line 2: unknown field `name`"),
            (ended(&[head, &pool.replace("\"pool\"", "\"lake\"")]), "does not know the kind \"lake\""),
            (
                ended(&[head, &pool.replace("\"pool\"", "\"session\"")]),
                "line 2: a backup has no session \"ocr\"",
            ),
            (ended(&[head, &pool.replace("\"pool\"", "\"fact\"")]), "line 2: a backup has no fact \"ocr\""),
            (ended(&[head, pool, pool]), "the pool \"ocr\" is in it twice"),
            (format!("{head}\n{}", "x".repeat(LINE_BYTES_MAX + 1)), "line 2: it is longer than"),
        ] {
            let error = StoreBackup::read(text.as_bytes(), &scope()).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
        assert!(
            StoreBackup::read(ended(&[head, pool]).as_bytes(), &scope()).is_ok(),
            "the end of these tests is right"
        );
    }
}
