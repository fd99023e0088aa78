//! Users and sessions over REST.

use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture};

pub(crate) const PASSWORD: &str = "correct horse";

/// A user with a session.
pub(crate) struct SignedInUser {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

impl Fixture {
    /// Sends a JSON request with the admin token.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &Value) -> Answer {
        let authorization = self.control_plane.token.authorization();
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        self.send(method, path, &headers, &body.to_string()).await
    }

    /// Creates a user.
    pub(crate) async fn user(&self, name: &str, role: &str) {
        let spec = json!({ "spec": { "role": role, "password": PASSWORD } });
        let answer = self.admin(Method::PUT, &format!("/api/v1/users/{name}"), &spec).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    }

    /// Creates a token, and returns its secret.
    pub(crate) async fn token(&self, name: &str, scope: &str) -> String {
        let token = json!({ "metadata": { "name": name }, "spec": { "scope": scope } });
        let answer = self.admin(Method::POST, "/api/v1/tokens", &token).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.body["secret"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Answer {
        let body = json!({ "name": name, "password": password }).to_string();
        self.send(Method::POST, "/api/v1/session", &[("content-type", "application/json")], &body).await
    }
}

impl SignedInUser {
    pub(crate) async fn signed_in(fixture: &Fixture, name: &str) -> Self {
        Self::of(&fixture.sign_in(name, PASSWORD).await)
    }

    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        Self {
            cookie: cookie.split(';').next().unwrap().to_owned(),
            csrf: answer.body["csrf_token"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) fn headers(&self) -> [(&str, &str); 3] {
        [("cookie", &self.cookie), ("x-csrf-token", &self.csrf), ("content-type", "application/json")]
    }

    pub(crate) async fn get(&self, fixture: &Fixture, path: &str) -> Answer {
        fixture.send(Method::GET, path, &[("cookie", &self.cookie)], "").await
    }

    pub(crate) async fn change(&self, fixture: &Fixture, method: Method, path: &str, body: &Value) -> Answer {
        fixture.send(method, path, &self.headers(), &body.to_string()).await
    }
}
