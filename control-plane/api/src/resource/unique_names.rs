use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// JSON in which no object has a name twice. Of two equal names, parsers take the first, the last, or both (RFC 8259, section
/// 4), so that a client and this server could read different values.
pub(crate) struct UniqueNames;

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = UniqueNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueNames, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                // In serde's words for a field of a type.
                return Err(A::Error::custom(format!("duplicate field `{name}`")));
            }
            map.next_value::<UniqueNames>()?;
            names.insert(name);
        }
        Ok(UniqueNames)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<UniqueNames, A::Error> {
        while list.next_element::<UniqueNames>()?.is_some() {}
        Ok(UniqueNames)
    }

    fn visit_bool<E>(self, _: bool) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_i64<E>(self, _: i64) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_u64<E>(self, _: u64) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_f64<E>(self, _: f64) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_str<E>(self, _: &str) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }

    fn visit_unit<E>(self) -> Result<UniqueNames, E> {
        Ok(UniqueNames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(json: &str) -> Option<(String, String)> {
        let reader = &mut serde_json::Deserializer::from_str(json);
        let read: Result<UniqueNames, _> = serde_path_to_error::deserialize(reader);
        let error = read.err()?;
        Some((error.path().to_string(), error.into_inner().to_string()))
    }

    #[test]
    fn a_name_that_occurs_twice_in_an_object_is_refused_with_its_place() {
        for (json, place) in [
            (r#"{"a": 1, "a": 1}"#, "."),
            (r#"{"spec": {"capacity": 1, "capacity": 9}}"#, "spec"),
            (r#"[{"a": {"b": null, "c": [1.5, true], "b": "x"}}]"#, "[0].a"),
            (r#"{"metadata": {"labels": {"gpu": "a", "g\u0070u": "b"}}}"#, "metadata.labels"),
        ] {
            let (at, why) = error_of(json).unwrap_or_else(|| panic!("{json} is refused"));
            assert_eq!(at, place, "{json}");
            assert!(why.starts_with("duplicate field `"), "{why}");
        }
        for json in [r#"{"a": {"a": {"a": -1}}, "b": [{"a": 1}, {"a": 2}]}"#, "[]", "null", "\"a\""] {
            assert_eq!(error_of(json), None, "{json}");
        }
        let deep = "[".repeat(1_000);
        assert!(error_of(&deep).is_some(), "the depth is bounded");
    }
}
