use axum::http::{Method, StatusCode, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::provider::{Browser, CLIENT, Forge, Key, Provider, SECRET, now, person, unsigned, visit};

fn claims(change: impl Fn(&mut Value) + Send + 'static) -> Forge {
    Box::new(move |key, header, mut claims| {
        change(&mut claims);
        key.token(&header, &claims)
    })
}

fn token(make: impl Fn(&Key, Value, Value) -> String + Send + 'static) -> Forge {
    Box::new(make)
}

/// Returns a token whose signature is an HMAC with a key that is not secret.
fn by_hash(header: &Value, claims: &Value, key: &[u8]) -> String {
    let message = unsigned(header, claims);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let signature = ring::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn without(claims: &mut Value, claim: &str) {
    claims.as_object_mut().unwrap().remove(claim);
}

#[tokio::test]
async fn an_invalid_id_token_is_refused() {
    let provider = Provider::start(Key::rsa("one")).await;
    let fixture = provider.fixture().await;
    let stranger = Key::ec("one");
    let forgeries: Vec<(&str, Forge, &str)> = vec![
        ("another nonce", claims(|claims| claims["nonce"] = json!("x".repeat(43))), "nonce"),
        ("no nonce", claims(|claims| without(claims, "nonce")), "nonce"),
        ("another issuer", claims(|claims| claims["iss"] = json!("http://evil.example")), "iss"),
        ("no issuer", claims(|claims| without(claims, "iss")), "is missing"),
        ("another audience", claims(|claims| claims["aud"] = json!("other")), "aud"),
        ("other audiences", claims(|claims| claims["aud"] = json!(["other", "another"])), "aud"),
        ("no audience", claims(|claims| without(claims, "aud")), "is missing"),
        ("several audiences", claims(|claims| claims["aud"] = json!([CLIENT, "other"])), "azp"),
        ("another party", claims(|claims| claims["azp"] = json!("other")), "azp"),
        ("expired", claims(|claims| claims["exp"] = json!(now() - 120)), "expired"),
        ("no end", claims(|claims| without(claims, "exp")), "is missing"),
        ("not yet", claims(|claims| claims["nbf"] = json!(now() + 600)), "not valid yet"),
        ("nobody", claims(|claims| without(claims, "sub")), "is missing"),
        ("an empty subject", claims(|claims| claims["sub"] = json!("")), "sub"),
        (
            "another key of that id",
            token(move |_, header, claims| {
                let header = json!({ "alg": "ES256", "kid": header["kid"] });
                stranger.token(&header, &claims)
            }),
            "none of the provider's keys",
        ),
        (
            "another algorithm with the key",
            token(|key, header, claims| key.token(&json!({ "alg": "ES256", "kid": header["kid"] }), &claims)),
            "none of the provider's keys",
        ),
        (
            "a key of another id",
            token(|key, _, claims| key.token(&json!({ "alg": "RS256", "kid": "two" }), &claims)),
            "none of the provider's keys",
        ),
        (
            "no signature",
            token(|_, _, claims| format!("{}.", unsigned(&json!({ "alg": "none" }), &claims))),
            "",
        ),
        (
            "a cut signature",
            token(|key, header, claims| {
                let token = key.token(&header, &claims);
                token[..token.len() - 8].to_owned()
            }),
            "none of the provider's keys",
        ),
        (
            "other claims than were signed",
            token(|key, header, claims| {
                let right = key.token(&header, &claims);
                let mut other = claims;
                other["sub"] = json!("another");
                format!("{}.{}", unsigned(&header, &other), right.rsplit_once('.').unwrap().1)
            }),
            "none of the provider's keys",
        ),
        (
            "a hash with the client's secret",
            token(|_, _, claims| by_hash(&json!({ "alg": "HS256" }), &claims, SECRET.as_bytes())),
            "neither RS256 nor ES256",
        ),
        ("no token", token(|_, _, _| "x".to_owned()), "not a signed token"),
        ("an empty token", token(|_, _, _| String::new()), "not a signed token"),
        ("a large token", token(|_, _, _| "x".repeat(100_000)), "too large"),
    ];
    for (what, forge, says) in forgeries {
        provider.state.lock().unwrap().forge = Some(forge);
        let answer = visit(&fixture, &provider, person("1", "eve", &["slotway-admin"])).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "oidc-refused"), "{what}");
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{what}: {}", answer.body);
        assert!(!answer.headers.contains_key(header::SET_COOKIE), "{what}");
    }
    assert_eq!(fixture.admin(Method::GET, "/api/v1/users", &json!(null)).await.body["items"], json!([]));
    provider.state.lock().unwrap().forge = Some(claims(|claims| {
        claims["aud"] = json!([CLIENT, "other"]);
        claims["azp"] = json!(CLIENT);
    }));
    let answer = visit(&fixture, &provider, person("1", "ada", &["staff"])).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
}

#[tokio::test]
async fn a_sign_in_is_completed_only_by_the_browser_that_began_it() {
    let provider = Provider::start(Key::ec("one")).await;
    let fixture = provider.fixture().await;
    let (mine, theirs) = (Browser::leaves(&fixture, "/").await, Browser::leaves(&fixture, "/").await);
    let query = provider.authorize(&theirs.location, person("1", "eve", &["staff"]));
    // Another browser's code and state in this browser, which would sign this browser in as the other user.
    let answer = mine.returns(&fixture, &query).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "oidc-refused"));
    assert!(answer.body["detail"].as_str().unwrap().contains("`state`"), "{}", answer.body);
    // The other browser's code with this browser's state: the code is bound to the other verifier.
    let mine_state = provider.authorize(&mine.location, person("2", "me", &["staff"]));
    let (_, state) = mine_state.split_once('&').unwrap();
    let (code, _) = query.split_once('&').unwrap();
    let answer = mine.returns(&fixture, &format!("{code}&{state}")).await;
    assert!(answer.body["detail"].as_str().unwrap().contains("invalid_grant"), "{}", answer.body);
    let nobody = fixture.get(&format!("/api/v1/oidc/callback?{query}")).await;
    assert!(nobody.body["detail"].as_str().unwrap().contains("no sign-in in progress"), "{}", nobody.body);
    for (query, says) in [
        (format!("error=access_denied&error_description=no%0Aentry&{state}"), "access_denied"),
        (format!("code=x&iss=http%3A%2F%2Fevil.example&{state}"), "another provider"),
        (state.to_owned(), "no `code`"),
        ("code=x".to_owned(), "`state`"),
    ] {
        let answer = mine.returns(&fixture, &query).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "oidc-refused"), "{query}");
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{query}: {}", answer.body);
    }
}
