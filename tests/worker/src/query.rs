use axum::http::StatusCode;
use percent_encoding::percent_decode;

use crate::problem::Problem;

/// Returns the value of a query parameter, if present.
///
/// # Errors
/// 400 if it occurs twice or is not UTF-8.
pub(crate) fn parameter(query: &str, name: &'static str) -> Result<Option<String>, Problem> {
    let mut values = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    });
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(bad(format!("the parameter {name} is given twice")));
    }
    let value = value.replace('+', " ");
    match percent_decode(value.as_bytes()).decode_utf8() {
        Ok(value) => Ok(Some(value.into_owned())),
        Err(_) => Err(bad(format!("the parameter {name} is not percent-encoded UTF-8"))),
    }
}

fn bad(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_parameter", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_decoded() {
        let query = "x=1&text=Hello+Z%C3%BCrich%2B%26&timeout=5";
        assert_eq!(parameter(query, "text").unwrap().unwrap(), "Hello Zürich+&");
        assert_eq!(parameter(query, "timeout").unwrap().unwrap(), "5");
        assert_eq!(parameter(query, "tex").unwrap(), None);
        assert_eq!(parameter("text", "text").unwrap().unwrap(), "");
    }

    #[test]
    fn a_value_given_twice_or_not_utf8_is_refused() {
        assert!(parameter("text=a&text=b", "text").is_err());
        assert!(parameter("text=%FF", "text").is_err());
    }
}
