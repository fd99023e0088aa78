//! The description of the endpoints of an ordinary kind.

use slotway_api_types::ResourceKind;
use utoipa::openapi::{
    Content, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required, Response, Schema,
    path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    schema::{ArrayBuilder, Type},
};

const NAME_PATTERN: &str = "^[a-z][a-z0-9_-]{0,63}$";

/// Adds a kind's schemas and endpoints to the description.
pub(super) fn describe(api: &mut OpenApi, kind: &ResourceKind) {
    let Some(schema) = kind.ordinary else { return };
    let schema = schema();
    let components = api.components.get_or_insert_with(Default::default);
    components.schemas.extend(schema.named);
    let own = [
        (kind.name.to_owned(), whole(kind, &schema.spec, Some(&schema.status))),
        (format!("{}List", kind.name), page(kind)),
        (format!("{}Body", kind.name), whole(kind, &schema.spec, None)),
    ];
    components.schemas.extend(own);
    let mut collection = PathItem::default();
    collection.get = Some(list(kind));
    api.paths.paths.insert(kind.collection(), collection);
    let mut item = PathItem::default();
    item.get = Some(get(kind));
    item.put = Some(put(kind));
    item.patch = Some(patch(kind));
    item.delete = kind.is_deletable().then(|| delete(kind));
    api.paths.paths.insert(kind.item(), item);
}

/// Returns the schema of a resource in an answer, or without `status`, in a request.
fn whole(kind: &ResourceKind, spec: &str, status: Option<&String>) -> RefOr<Schema> {
    let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([kind.name]));
    let metadata = if status.is_some() { "Metadata" } else { "ResourceBodyMetadata" };
    let mut object = ObjectBuilder::new()
        .property("kind", name)
        .property("metadata", named(metadata))
        .property("spec", named(spec))
        .required("spec");
    if let Some(status) = status {
        object = object.property("status", named(status));
        object = object.required("kind").required("metadata").required("status");
    }
    object.into()
}

fn page(kind: &ResourceKind) -> RefOr<Schema> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let object = ObjectBuilder::new()
        .property("kind", text().enum_values(Some([format!("{}List", kind.name)])))
        .property("resourceVersion", text().description(Some("The store's revision that the page reflects.")))
        .property("items", ArrayBuilder::new().items(named(kind.name)))
        .property(
            "continue",
            text().description(Some("The value of `?continue=` for the next page; absent on the last page.")),
        )
        .required("kind")
        .required("resourceVersion")
        .required("items");
    object.into()
}

fn list(kind: &ResourceKind) -> Operation {
    let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(1_000));
    let operation = begun(kind, "list", format!("Lists the {}.", kind.titles))
        .parameter(query("limit", limit, "The largest number of items, from 1 to 1000; 500 by default"))
        .parameter(query("continue", text(), "The `continue` of the previous page"))
        .response(
            "200",
            answered(
                &format!("A page of {}, in the order of their names", kind.titles),
                &format!("{}List", kind.name),
            ),
        )
        .response("400", refused("The query is invalid"));
    operation.build()
}

fn get(kind: &ResourceKind) -> Operation {
    begun(kind, "get", format!("Returns one of the {}.", kind.titles))
        .parameter(name(kind))
        .response("200", answered("The resource", kind.name))
        .response("404", refused("No resource has this name"))
        .build()
}

fn put(kind: &ResourceKind) -> Operation {
    let body = RequestBodyBuilder::new()
        .content("application/json", Content::new(Some(named(&format!("{}Body", kind.name)))))
        .required(Some(Required::True))
        .build();
    changing(begun(kind, "put", format!("Creates or replaces one of the {}.", kind.titles)), kind)
        .request_body(Some(body))
        .response("200", answered("The resource after the change", kind.name))
        .response("201", answered("The new resource", kind.name))
        .response("400", refused("The body is invalid; nothing was changed"))
        .response(
            "404",
            refused("The resource refers to another one that does not exist; nothing was changed"),
        )
        .build()
}

fn patch(kind: &ResourceKind) -> Operation {
    let any = || Content::new(Some(RefOr::T(Schema::from(ObjectBuilder::new().schema_type(Type::Object)))));
    let body = RequestBodyBuilder::new()
        .content("application/merge-patch+json", any())
        .required(Some(Required::True))
        .build();
    let summary = format!("Changes fields of one of the {} (RFC 7396).", kind.titles);
    changing(begun(kind, "patch", summary), kind)
        .request_body(Some(body))
        .response("200", answered("The resource after the change", kind.name))
        .response("400", refused("The body is invalid; nothing was changed"))
        .response("404", refused("No resource has this name"))
        .build()
}

fn delete(kind: &ResourceKind) -> Operation {
    changing(begun(kind, "delete", format!("Deletes one of the {}.", kind.titles)), kind)
        .response("200", answered("The resource before it was deleted", kind.name))
        .response("404", refused("No resource has this name"))
        .build()
}

fn begun(kind: &ResourceKind, verb: &str, summary: String) -> OperationBuilder {
    let noun = if verb == "list" { kind.path.to_owned() } else { kind.problem_word() };
    let id = noun.replace('-', "_");
    OperationBuilder::new().operation_id(Some(format!("{verb}_{id}"))).summary(Some(summary))
}

/// Adds the parts that all changes share.
fn changing(operation: OperationBuilder, kind: &ResourceKind) -> OperationBuilder {
    let flag = ObjectBuilder::new().schema_type(Type::Boolean);
    operation
        .parameter(name(kind))
        .parameter(query("dry_run", flag, "Checks and answers the change without making it"))
        .response("403", refused("The scope does not suffice"))
        .response("409", refused("The change contradicts the current state; nothing was changed"))
        .response("412", refused("The current version is another one"))
}

fn name(kind: &ResourceKind) -> Parameter {
    let schema = text().pattern(Some(NAME_PATTERN));
    ParameterBuilder::new()
        .name("name")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(format!("The name: {}", kind.title)))
        .schema(Some(schema))
        .build()
}

fn query(name: &str, schema: ObjectBuilder, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn named(schema: &str) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(schema))
}

fn answered(description: &str, schema: &str) -> Response {
    let mut response = Response::new(description);
    response.content.insert("application/json".to_owned(), RefOr::T(Content::new(Some(named(schema)))));
    response
}

fn refused(description: &str) -> Response {
    let mut response = Response::new(description);
    response
        .content
        .insert("application/problem+json".to_owned(), RefOr::T(Content::new(Some(named("Problem")))));
    response
}
