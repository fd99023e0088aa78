//! Makes JSON Schema describe flattened structs as serde reads them.

use std::collections::BTreeMap;

use utoipa::openapi::{
    OpenApi, RefOr, Schema,
    schema::{AdditionalProperties, ArrayItems},
};

use super::access::operations;

/// The named schemas.
type Named = BTreeMap<String, RefOr<Schema>>;

/// A flattened struct stands in an `allOf` beside the other fields. If it refuses unknown fields, it would refuse those of
/// the other parts, too; so it is copied there without that.
pub(super) fn describe(api: &mut OpenApi) {
    let Some(components) = &mut api.components else { return };
    let named = components.schemas.clone();
    components.schemas.values_mut().for_each(|schema| open(schema, &named));
    for item in api.paths.paths.values_mut() {
        let responses =
            operations(item).flat_map(|(_, operation)| operation.responses.responses.values_mut());
        for response in responses {
            let RefOr::T(response) = response else { continue };
            for content in response.content.values_mut() {
                if let RefOr::T(content) = content
                    && let Some(schema) = &mut content.schema
                {
                    open(schema, &named);
                }
            }
        }
    }
}

/// Opens nested schemas; named ones are not entered.
fn open(schema: &mut RefOr<Schema>, named: &Named) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::AllOf(all) => all.items.iter_mut().for_each(|part| open_part(part, named)),
        Schema::OneOf(one) => one.items.iter_mut().for_each(|part| open(part, named)),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(|part| open(part, named)),
        Schema::Object(object) => object.properties.values_mut().for_each(|property| open(property, named)),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                open(items, named);
            }
        }
        _ => {}
    }
}

fn open_part(part: &mut RefOr<Schema>, named: &Named) {
    if let RefOr::Ref(to) = part
        && let Some(schema) =
            to.ref_location.strip_prefix("#/components/schemas/").and_then(|name| named.get(name))
        && refuses_others(schema)
    {
        *part = schema.clone();
    }
    if refuses_others(part)
        && let RefOr::T(Schema::Object(object)) = part
    {
        object.additional_properties = None;
    }
    open(part, named);
}

fn refuses_others(schema: &RefOr<Schema>) -> bool {
    let RefOr::T(Schema::Object(object)) = schema else { return false };
    matches!(object.additional_properties.as_deref(), Some(AdditionalProperties::FreeForm(false)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_part_of_a_whole_refuses_what_the_other_parts_have() {
        let api = serde_json::to_value(super::super::description()).unwrap();
        let parts = parts(&api);
        assert!(!parts.is_empty(), "nothing is flattened any more, and this can go");
        for part in parts {
            let place = part["$ref"].as_str().map(|place| place.trim_start_matches('#'));
            let schema = place.map_or(part, |place| api.pointer(place).unwrap());
            assert_ne!(schema["additionalProperties"], false, "{part}");
        }
    }

    #[test]
    fn what_is_generic_has_a_name_for_each_of_what_it_is_made_of() {
        // An alias hides its type arguments from utoipa: all of them would share one name and one schema.
        let api = super::super::description();
        let names: Vec<_> = api.components.unwrap().schemas.into_keys().collect();
        for name in ["Resource", "List", "List_Resource", "Stated", "Wanted"] {
            assert!(!names.iter().any(|other| other == name), "{name} is one schema for many: {names:?}");
        }
    }

    fn parts(value: &serde_json::Value) -> Vec<&serde_json::Value> {
        let own = value["allOf"].as_array().into_iter().flatten();
        let inner: Vec<_> = match value {
            serde_json::Value::Object(fields) => fields.values().flat_map(parts).collect(),
            serde_json::Value::Array(items) => items.iter().flat_map(parts).collect(),
            _ => Vec::new(),
        };
        own.chain(inner).collect()
    }
}
