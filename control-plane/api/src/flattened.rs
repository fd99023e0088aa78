//! Corrects the JSON Schema of flattened structs to match how serde reads them.

use std::collections::BTreeMap;

use utoipa::openapi::{
    OpenApi, RefOr, Schema,
    schema::{AdditionalProperties, ArrayItems},
};

use super::access::operations;

/// The named schemas.
type Named = BTreeMap<String, RefOr<Schema>>;

/// Corrects the description. A flattened struct is part of an `allOf` with the other fields. If it refuses unknown
/// fields, it would also refuse those of the other parts. So its schema is copied into the `allOf` without that
/// restriction.
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

/// Removes the restriction from nested schemas, except named ones.
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
    fn no_part_of_an_all_of_refuses_the_fields_of_the_others() {
        let api = serde_json::to_value(super::super::description()).unwrap();
        let parts = parts(&api);
        assert!(!parts.is_empty(), "no struct is flattened: this module can be removed");
        for part in parts {
            let place = part["$ref"].as_str().map(|place| place.trim_start_matches('#'));
            let schema = place.map_or(part, |place| api.pointer(place).unwrap());
            assert_ne!(schema["additionalProperties"], false, "{part}");
        }
    }

    #[test]
    fn a_generic_schema_has_one_name_for_each_type_argument() {
        // An alias hides its type arguments from utoipa: all of its uses would share one name and one schema.
        let api = super::super::description();
        let names: Vec<_> = api.components.unwrap().schemas.into_keys().collect();
        for name in ["Resource", "List", "List_Resource", "Stated", "Wanted"] {
            assert!(
                !names.iter().any(|other| other == name),
                "{name} is one schema for several types: {names:?}"
            );
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
