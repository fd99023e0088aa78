//! Finds the location of a field in a YAML text.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

/// A YAML document reduced to the locations of its fields.
enum Shape {
    Mapping(Vec<(String, Spanned<Shape>)>),
    Sequence(Vec<Spanned<Shape>>),
    Scalar,
}

/// Returns line and column (both from 1) of the field at `path`, for example `pools[1].workers[0].worker`. If the path
/// leads to a missing field, returns the location of its innermost parent.
pub(super) fn locate(yaml: &str, path: &str) -> Option<(u64, u64)> {
    let root: Spanned<Shape> = serde_saphyr::from_str(yaml).ok()?;
    let mut at = &root;
    for step in path.split(['.', '[', ']']).filter(|step| !step.is_empty()) {
        let next = match &at.value {
            Shape::Mapping(fields) => fields.iter().find(|(name, _)| name == step).map(|(_, field)| field),
            Shape::Sequence(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            Shape::Scalar => None,
        };
        let Some(next) = next else { break };
        at = next;
    }
    Some((at.referenced.line(), at.referenced.column()))
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> de::Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Shape::Mapping(fields))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Shape::Sequence(items))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }
}
