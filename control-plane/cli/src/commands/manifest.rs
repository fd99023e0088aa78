//! Manifests: resources in YAML (several documents) or JSON, each with its location in the file.

use std::{
    collections::HashMap,
    fmt,
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::kind::Kind;
use crate::commands::CliError;
use crate::config::{ConfigFileError, FILE_BYTES_MAX};

/// The largest number of files of a directory.
const FILES_MAX: usize = 1_000;
/// The largest number of resources in all files.
const ITEMS_MAX: usize = 100_000;

/// One resource of a manifest.
#[derive(Debug)]
pub(super) struct Item {
    /// Its kind.
    pub(super) kind: Kind,
    /// Its name.
    pub(super) name: String,
    /// The resource without `status`, as it is sent.
    pub(super) value: Value,
    file: PathBuf,
    node: Spanned<Node>,
}

/// A value with the location of each part.
#[derive(Debug)]
enum Node {
    Mapping(Vec<(String, Spanned<Node>)>),
    Sequence(Vec<Spanned<Node>>),
    Scalar(Value),
}

impl Item {
    /// Returns kind and name for messages: `worker http://a`.
    pub(super) fn in_words(&self) -> String {
        self.kind.in_words(&self.name)
    }

    /// Returns the location of the field at a path, as `pools.yaml:7:5`; of a missing field, that of the innermost parent.
    pub(super) fn location(&self, field: &str) -> String {
        let mut at = &self.node;
        for step in field.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
            let next = match &at.value {
                Node::Mapping(fields) => fields.iter().find(|(name, _)| name == step).map(|(_, node)| node),
                Node::Sequence(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                Node::Scalar(_) => None,
            };
            let Some(next) = next else { break };
            at = next;
        }
        let (line, column) = location_of(at);
        format!("{}:{line}:{column}", self.file.display())
    }
}

/// Reads the resources of files, of the `.yaml`, `.yml` and `.json` files of directories, and with `-` of standard
/// input.
///
/// # Errors
/// [`CliError::ConfigFile`] with the location: not YAML, not a resource, a kind that cannot be applied, a duplicate.
/// [`CliError::Usage`] if there is no resource.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Item>, CliError> {
    let mut items: Vec<Item> = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let text = limited(Path::new("standard input"), &mut std::io::stdin().lock())?;
            items.extend(parse(Path::new("-"), &text)?);
            continue;
        }
        for file in files(path)? {
            let mut open = std::fs::File::open(&file).map_err(|error| unreadable(&file, &error))?;
            let text = limited(&file, &mut open)?;
            items.extend(parse(&file, &text)?);
        }
    }
    if items.is_empty() {
        let named: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(CliError::Usage(format!("no resource in {}", named.join(", "))));
    }
    if items.len() > ITEMS_MAX {
        return Err(CliError::Usage(format!("{} resources; the limit is {ITEMS_MAX}", items.len())));
    }
    let mut first: HashMap<(Kind, &str), &Item> = HashMap::new();
    for item in &items {
        if let Some(before) = first.insert((item.kind, &item.name), item) {
            let reason = format!("{} is already defined at {}", item.in_words(), before.location(""));
            return Err(refused(&item.file, Some(location_of(&item.node)), reason));
        }
    }
    Ok(items)
}

/// Reads the resources of one text. `file` is its name in errors.
///
/// # Errors
/// As [`read`].
pub(super) fn parse(file: &Path, text: &str) -> Result<Vec<Item>, CliError> {
    // The parser's limits are for untrusted input; a manifest is the user's own.
    let options = serde_saphyr::options! { budget: None, with_snippet: false, strict_booleans: true };
    let documents: Vec<Spanned<Node>> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
            let error = error.without_snippet();
            let at = error.location().map(|location| (location.line(), location.column()));
            let message = error.to_string();
            let message = message.rfind(" at line ").map_or(message.as_str(), |at| &message[..at]);
            refused(file, at, message.trim_end().to_owned())
        })?;
    let mut items = Vec::new();
    for document in documents {
        gather(file, document, &mut items)?;
    }
    Ok(items)
}

/// Adds a document, or the items of a list.
fn gather(file: &Path, node: Spanned<Node>, items: &mut Vec<Item>) -> Result<(), CliError> {
    let at = Some(location_of(&node));
    let fields = match node.value {
        Node::Scalar(Value::Null) => return Ok(()),
        Node::Sequence(list) => {
            return list.into_iter().try_for_each(|item| gather(file, item, items));
        }
        Node::Mapping(ref fields) => fields,
        Node::Scalar(_) => {
            let reason = "expected a resource with `kind`, `metadata` and `spec`";
            return Err(refused(file, at, reason.to_owned()));
        }
    };
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, node)| node);
    let kinds = || {
        let applied = Kind::all().filter(|kind| kind.is_applied).map(|kind| kind.name);
        applied.collect::<Vec<_>>().join(", ")
    };
    let kind = match field("kind") {
        None => return Err(refused(file, at, format!("`kind` is missing. Possible: {}", kinds()))),
        Some(node) => match &node.value {
            Node::Scalar(Value::String(word)) => (word.clone(), location_of(node)),
            _ => {
                return Err(refused(
                    file,
                    Some(location_of(node)),
                    format!("`kind` must be one of {}", kinds()),
                ));
            }
        },
    };
    if kind.0.ends_with("List") {
        let Node::Mapping(fields) = node.value else { return Ok(()) };
        let list = fields.into_iter().find(|(name, _)| name == "items").map(|(_, node)| node);
        let Some(Spanned { value: Node::Sequence(list), .. }) = list else {
            return Err(refused(file, at, format!("a {} must have `items`", kind.0)));
        };
        return list.into_iter().try_for_each(|item| gather(file, item, items));
    }
    let Some(known) = Kind::of_resource(&kind.0).filter(|kind| kind.is_applied) else {
        let reason = format!("{:?} cannot be applied. Possible: {}", kind.0, kinds());
        return Err(refused(file, Some(kind.1), reason));
    };
    let name = field("metadata").and_then(|node| match &node.value {
        Node::Mapping(fields) => fields.iter().find(|(name, _)| name == "name").map(|(_, node)| node),
        _ => None,
    });
    let name = match name {
        Some(Spanned { value: Node::Scalar(Value::String(name)), .. }) if !name.is_empty() => name.clone(),
        other => {
            let at = other.or_else(|| field("metadata")).map(location_of).or(at);
            let reason = format!("`metadata.name` must be the name of the {}", known.title);
            return Err(refused(file, at, reason));
        }
    };
    let mut value = node.value.value();
    if let Value::Object(fields) = &mut value {
        fields.remove("status");
    }
    items.push(Item { kind: known, name, value, file: file.to_owned(), node });
    Ok(())
}

fn files(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| unreadable(path, &error))? {
        let file = entry.map_err(|error| unreadable(path, &error))?.path();
        let ending = file.extension().and_then(|ending| ending.to_str());
        if matches!(ending, Some("yaml" | "yml" | "json")) && file.is_file() {
            files.push(file);
        }
    }
    if files.len() > FILES_MAX {
        return Err(refused(path, None, format!("the directory has more than {FILES_MAX} files")));
    }
    files.sort();
    Ok(files)
}

fn limited(file: &Path, from: &mut impl Read) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    from.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(file, &error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refused(file, None, format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| refused(file, None, "is not UTF-8 text".to_owned()))
}

fn unreadable(file: &Path, error: &std::io::Error) -> CliError {
    refused(file, None, format!("cannot be read: {error}"))
}

fn refused(file: &Path, at: Option<(u64, u64)>, reason: String) -> CliError {
    CliError::ConfigFile(ConfigFileError { file: file.to_owned(), at, reason })
}

fn location_of(node: &Spanned<Node>) -> (u64, u64) {
    (node.referenced.line(), node.referenced.column())
}

impl Node {
    fn value(&self) -> Value {
        match self {
            Self::Mapping(fields) => {
                let fields = fields.iter().map(|(name, node)| (name.clone(), node.value.value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Self::Sequence(items) => items.iter().map(|node| node.value.value()).collect(),
            Self::Scalar(value) => value.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> de::Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has, too")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields: Vec<(String, Spanned<Node>)> = Vec::new();
        while let Some((name, node)) = map.next_entry::<String, _>()? {
            fields.push((name, node));
        }
        Ok(Node::Mapping(fields))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Sequence(items))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        let number =
            Number::from_f64(value).ok_or_else(|| E::custom("the number cannot be written in JSON"))?;
        Ok(Node::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
