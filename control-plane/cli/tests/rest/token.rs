use std::os::unix::fs::PermissionsExt;

use axum::http::{Method, StatusCode, header};

use crate::fixture::Fixture;

const LIST: &str = r#"[{"worker": "http://new", "capacity": 1}]"#;

#[tokio::test]
async fn a_change_without_the_right_token_is_refused() {
    let fixture = Fixture::new().await;
    let right = fixture.control_plane.token.authorization();
    let short = &right[..right.len() - 1];
    for authorization in
        [None, Some(""), Some("Bearer "), Some("Bearer wrong"), Some(short), Some("Basic YTpi")]
    {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        for (method, path) in [
            (Method::POST, "/coordinator/workers"),
            (Method::DELETE, "/coordinator/workers?worker=http://127.0.0.1:9001"),
        ] {
            let answer = fixture.send(method, path, &headers, LIST).await;
            assert_eq!((answer.status, answer.problem()), (StatusCode::UNAUTHORIZED, "unauthorized"));
            assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
        }
    }
    assert_eq!(fixture.workers().await.len(), 2);
}

#[tokio::test]
async fn a_body_without_the_json_media_type_is_refused() {
    let fixture = Fixture::new().await;
    let authorization = fixture.control_plane.token.authorization();
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(kind.map(|kind| ("content-type", kind)));
        let answer = fixture.send(Method::POST, "/coordinator/workers", &headers, LIST).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json"),
            "{kind:?}"
        );
    }
    let headers =
        [("authorization", authorization.as_str()), ("content-type", "application/json; charset=utf-8")];
    let answer = fixture.send(Method::POST, "/coordinator/workers", &headers, LIST).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_read_with_a_host_that_is_not_loopback_needs_the_token() {
    let fixture = Fixture::new().await;
    let read = async |headers: &[(&str, &str)]| {
        fixture.send(Method::GET, "/coordinator/workers", headers, "").await.status
    };
    for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080"] {
        assert_eq!(read(&[("host", host)]).await, StatusCode::OK, "{host}");
    }
    for host in ["rebound.example", "rebound.example:8080", "10.0.0.1", "127.0.0.1.example"] {
        assert_eq!(read(&[("host", host)]).await, StatusCode::UNAUTHORIZED, "{host}");
    }
    let authorization = fixture.control_plane.token.authorization();
    assert_eq!(read(&[("host", "rebound.example"), ("authorization", &authorization)]).await, StatusCode::OK);
}

#[tokio::test]
async fn the_token_file_is_private_and_survives_a_restart() {
    let fixture = Fixture::new().await;
    let file = fixture.directory.path().join("state/admin-token");
    let token = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(token.len(), 64);
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.control_plane.token.authorization(), format!("Bearer {token}"));
    assert!(!format!("{:?}", fixture.control_plane.token).contains(&token));
}

#[tokio::test]
async fn a_token_file_without_a_token_is_refused() {
    let fixture = Fixture::new().await;
    let file = fixture.directory.path().join("state/admin-token");
    for bad in ["", "short", "with spaces in the middle of it"] {
        std::fs::write(&file, bad).unwrap();
        let error = slotway_identity::AdminToken::load_or_create(&file).unwrap_err();
        assert!(error.to_string().contains("holds no admin token"), "{error}");
    }
}
