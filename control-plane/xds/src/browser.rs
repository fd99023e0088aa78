//! Requests that a browser sends for a page. Only Envoys and agents have something to send to the port of xDS.

use axum::http::{HeaderMap, HeaderValue, header};

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Returns whether a page of some site has made a browser send the request: it has `origin`, or a `sec-fetch-site` of another site.
/// A browser adds both itself, and no page can remove them.
#[must_use]
pub fn is_from_a_page(headers: &HeaderMap) -> bool {
    let is_own = |value: &[u8]| value == b"none" || value == b"same-origin";
    headers.contains_key(header::ORIGIN)
        || headers.get_all(SEC_FETCH_SITE).iter().any(|value| !is_own(value.as_bytes()))
}

/// Returns whether a gRPC client sends the request. A page can make a browser send any body, but not with this content type.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    content_type.starts_with(b"application/grpc") && !is_from_a_page(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_an_origin_or_of_another_site_is_from_a_page() {
        for (headers, is_from_page) in [
            (&[][..], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "")], true),
            (&[("origin", "https://elsewhere.example")], true),
            (&[("origin", "null")], true),
            (&[("origin", "http://127.0.0.1:18000"), ("sec-fetch-site", "same-origin")], true),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(is_from_a_page(&map), is_from_page, "{headers:?}");
            assert!(!is_grpc(&map), "{headers:?}: without a content type");
            for (content_type, is_of_grpc) in
                [("application/grpc", true), ("application/grpc+proto", true), ("text/plain", false)]
            {
                map.insert("content-type", content_type.parse().unwrap());
                assert_eq!(is_grpc(&map), is_of_grpc && !is_from_page, "{headers:?} {content_type}");
            }
        }
    }
}
