//! Tables of resources, with the columns that the descriptor of their kind names.

use serde_json::Value;
use slotway_api_types::{Cell, Column};

use super::{
    json_resource::JsonResource,
    kind::Kind,
    output::{duration, printable},
};

const NONE: &str = "-";

/// The columns of a kind, with `wide` all that there are.
fn columns(kind: Kind, wide: bool) -> impl Iterator<Item = &'static Column> {
    let kind = kind.descriptor();
    kind.columns.iter().chain(kind.wide_columns.iter().filter(move |_| wide))
}

/// Returns the headings of a kind.
pub(super) fn headings(kind: Kind, wide: bool) -> Vec<String> {
    columns(kind, wide).map(|column| column.heading.to_owned()).collect()
}

/// The line of a resource.
pub(super) fn line(kind: Kind, wide: bool, seen: &JsonResource) -> Vec<String> {
    columns(kind, wide).map(|column| printable(&shown(column.cell, seen))).collect()
}

fn shown(cell: Cell, seen: &JsonResource) -> String {
    let found = match cell {
        Cell::Name => Some(seen.name().to_owned()),
        Cell::Labels => Some(seen.labels().join(",")),
        Cell::Text(path) => seen.text(path).map(str::to_owned),
        Cell::Number(path) => seen.at(path).filter(|value| value.is_number()).map(Value::to_string),
        Cell::Flag(path) => Some(if seen.is(path) { "yes" } else { "no" }.to_owned()),
        Cell::Variant(path) => {
            seen.at(path).and_then(Value::as_object).and_then(|fields| fields.keys().next().cloned())
        }
        Cell::Pairs(path) => seen.at(path).and_then(Value::as_object).map(|fields| {
            fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
        }),
        Cell::First(path) => {
            let first = seen.at(path).and_then(Value::as_array).and_then(|list| list.first());
            first.and_then(Value::as_str).map(str::to_owned)
        }
        Cell::Wait(path) => seen.number(path).filter(|ms| *ms > 0).map(duration),
        Cell::Age(path) => seen.number(path).map(|ms| format!("{} ago", duration(ms))),
    };
    found.filter(|text| !text.is_empty()).unwrap_or_else(|| NONE.to_owned())
}
