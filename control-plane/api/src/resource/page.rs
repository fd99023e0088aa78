use axum::extract::rejection::QueryRejection;
use serde::Deserialize;

use slotway_api_types::List;

use crate::ApiError;

/// The largest page.
pub(crate) const LIMIT_MAX: usize = 1_000;
/// The default page.
const LIMIT: usize = 500;

/// The selected page: `?limit=` and `?continue=`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct PageQuery {
    /// The largest number of items, 1 to 1,000.
    pub(crate) limit: Option<usize>,
    /// The `continue` of the previous page.
    #[serde(rename = "continue")]
    pub(crate) after: Option<String>,
}

/// Returns one page of `items`, which are sorted by name. A page begins after the last name of the previous one, so
/// concurrent changes neither repeat nor skip other items.
///
/// # Errors
/// [`ApiError::BadBody`] for a limit out of range.
pub(crate) fn paged<Item>(
    kind: &str,
    revision: u64,
    query: &PageQuery,
    items: impl IntoIterator<Item = Item>,
    name: impl Fn(&Item) -> &str,
) -> Result<List<Item>, ApiError> {
    let limit = query.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        let reason = format!("{limit} is not from 1 to {LIMIT_MAX}");
        return Err(ApiError::BadBody { index: None, field: Some("limit".to_owned()), reason });
    }
    let mut rest =
        items.into_iter().skip_while(|item| query.after.as_deref().is_some_and(|after| name(item) <= after));
    let items: Vec<_> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(items.last()).map(|last| name(last).to_owned());
    Ok(List { kind: format!("{kind}List"), resource_version: revision.to_string(), items, next })
}

/// Returns the error of an unreadable query; `known` lists its parameters.
pub(crate) fn bad_query(rejection: &QueryRejection, known: &str) -> ApiError {
    let reason = format!("{}; there is {known}", rejection.body_text());
    ApiError::BadBody { index: None, field: None, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_continues_after_the_previous_one() {
        let names = ["a", "b", "c", "d", "e"];
        let page = |limit, after: Option<&str>| {
            let query = PageQuery { limit: Some(limit), after: after.map(str::to_owned) };
            let list = paged("Letter", 7, &query, names, |name| name).unwrap();
            (list.items, list.next)
        };
        assert_eq!(page(2, None), (vec!["a", "b"], Some("b".to_owned())));
        assert_eq!(page(2, Some("b")), (vec!["c", "d"], Some("d".to_owned())));
        assert_eq!(page(2, Some("d")), (vec!["e"], None));
        assert_eq!(
            page(2, Some("bb")),
            (vec!["c", "d"], Some("d".to_owned())),
            "b was deleted between the pages"
        );
        assert_eq!(page(5, None), (names.to_vec(), None));
    }

    #[test]
    fn a_page_without_bound_is_refused() {
        for limit in [0, LIMIT_MAX + 1] {
            let query = PageQuery { limit: Some(limit), after: None };
            assert!(paged("Letter", 7, &query, ["a"], |name| name).is_err());
        }
    }
}
