use crate::ApiError;

/// Returns an error about the item with this index.
pub(super) fn at<E: Into<ApiError>>(index: usize) -> impl Fn(E) -> ApiError {
    move |error| ApiError::Item { index, error: Box::new(error.into()) }
}
