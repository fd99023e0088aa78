//! Adds to the description the problems that are common to endpoints.

use utoipa::openapi::{
    Content, OpenApi, Ref, RefOr, Response,
    path::{Operation, ParameterIn},
};

use super::access::{Needs, needs, operations};
use slotway_identity::Scope;

/// The schema of problems (RFC 9457).
const PROBLEM: &str = "#/components/schemas/Problem";
const PROBLEM_TYPE: &str = "application/problem+json";

/// Adds to each endpoint the problems that it does not list itself, and the media type of each problem.
pub(super) fn describe(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            let needs = needs(&method, path);
            for (status, why) in shared(operation, needs, method.is_safe()) {
                let refusal = || {
                    let schema = RefOr::Ref(Ref::new(PROBLEM));
                    let mut response = Response::new(why);
                    response.content.insert(PROBLEM_TYPE.to_owned(), RefOr::T(Content::new(Some(schema))));
                    RefOr::T(response)
                };
                operation.responses.responses.entry(status.to_owned()).or_insert_with(refusal);
            }
            name_type(operation);
        }
    }
}

/// Returns the problems that an endpoint has because of its method, body and scope.
fn shared(operation: &Operation, needs: Option<Needs>, is_safe: bool) -> Vec<(&'static str, &'static str)> {
    let mut refusals = Vec::new();
    let parameters = operation.parameters.iter().flatten();
    let takes = |parameter: &RefOr<_>| !matches!(parameter, RefOr::T(parameter) if is_header(parameter));
    if operation.request_body.is_some() || parameters.clone().any(takes) {
        refusals.push(("400", "Invalid request"));
    }
    if operation.request_body.is_some() {
        refusals.push(("413", "Body too large"));
        refusals.push(("415", "The body is not JSON"));
    }
    if let Some(Needs::Scope(scope)) = needs {
        refusals.push(("401", "Authentication required"));
        refusals.push(("429", "Too many requests"));
        if scope > Scope::Read {
            refusals.push(("403", "Forbidden"));
        }
    }
    if !is_safe {
        refusals.push(("409", "Conflict with the current state, or with concurrent changes"));
        refusals.push(("503", "The database cannot be used; nothing was changed"));
        refusals.push(("507", "The database is full; nothing was changed"));
    }
    refusals
}

fn is_header(parameter: &utoipa::openapi::path::Parameter) -> bool {
    parameter.parameter_in == ParameterIn::Header
}

/// Corrects the media type: utoipa describes every body as `application/json`.
fn name_type(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        let is_problem = |content: &RefOr<Content>| {
            let RefOr::T(content) = content else { return false };
            matches!(&content.schema, Some(RefOr::Ref(schema)) if schema.ref_location == PROBLEM)
        };
        if response.content.get("application/json").is_some_and(is_problem)
            && let Some(content) = response.content.shift_remove("application/json")
        {
            response.content.insert(PROBLEM_TYPE.to_owned(), content);
        }
    }
}
