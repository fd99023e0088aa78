use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

/// The schemas of a kind's spec and status, for the API's description.
pub struct KindSchema {
    /// The name of the schema of `spec` among `named`.
    pub spec: String,
    /// The name of the schema of `status` among `named`.
    pub status: String,
    /// All schemas that have a name: those two, and what they refer to.
    pub named: Vec<(String, RefOr<Schema>)>,
}

/// Returns the schemas of a kind.
#[must_use]
pub fn schema_of<Spec: ToSchema, Status: ToSchema>() -> KindSchema {
    let mut named = Vec::new();
    Spec::schemas(&mut named);
    Status::schemas(&mut named);
    let (spec, status) = (Spec::name().into_owned(), Status::name().into_owned());
    named.push((spec.clone(), Spec::schema()));
    named.push((status.clone(), Status::schema()));
    KindSchema { spec, status, named }
}
