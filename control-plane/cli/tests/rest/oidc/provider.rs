use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fixture::{Answer, Fixture};

pub(crate) const CLIENT: &str = "slotway";
pub(crate) const SECRET: &str = "a secret: with & signs";
pub(crate) const CALLBACK: &str = "http://127.0.0.1:8080/api/v1/oidc/callback";

/// A key with its id.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pair: Pair,
}

#[derive(Clone)]
enum Pair {
    Rsa(Arc<RsaKeyPair>),
    Ec(Arc<EcdsaKeyPair>),
}

impl Key {
    /// Returns the key of the file, because ring generates no RSA keys.
    pub(crate) fn rsa(id: &str) -> Self {
        let pem = include_str!("provider_key.pem");
        let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(text).unwrap()).unwrap();
        Self { id: id.to_owned(), pair: Pair::Rsa(Arc::new(pair)) }
    }

    /// Generates a key.
    pub(crate) fn ec(id: &str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair: Pair::Ec(Arc::new(pair)) }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        }
    }

    /// Returns the key as the provider publishes it.
    fn public(&self) -> Value {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": encoded(&n), "e": encoded(&e) })
            }
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "use": "sig", "crv": "P-256", "kid": self.id, "x": encoded(&point[1..33]), "y": encoded(&point[33..]) })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
        }
    }

    /// Returns a signed token with this header and these claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// Creates a token from valid values: `(key, header, claims)`.
pub(crate) type Forge = Box<dyn Fn(&Key, Value, Value) -> String + Send>;

/// A provider on its own port.
pub(crate) struct Provider {
    address: SocketAddr,
    pub(crate) state: Arc<Mutex<ProviderState>>,
}

/// The state of the provider.
pub(crate) struct ProviderState {
    issuer: String,
    /// The published keys.
    pub(crate) published: Vec<Key>,
    /// The signing key.
    pub(crate) signing: Key,
    pub(crate) forge: Option<Forge>,
    /// The issued codes, each with its request and claims.
    codes: HashMap<String, Authorized>,
    /// How many times the keys were read.
    pub(crate) keys_read: usize,
}

struct Authorized {
    asked: HashMap<String, String>,
    claims: Value,
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Provider {
    pub(crate) async fn start(signing: Key) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = format!("http://{address}/realm");
        let published = vec![signing.clone()];
        let state =
            ProviderState { issuer, published, signing, forge: None, codes: HashMap::new(), keys_read: 0 };
        let state = Arc::new(Mutex::new(state));
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(metadata))
            .route("/realm/keys", get(keys))
            .route("/realm/token", post(token))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    /// Returns a control plane that uses this provider.
    pub(crate) async fn fixture(&self) -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("client-secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let file = json!({
            "oidc": {
                "issuer": format!("http://{}/realm", self.address), "client_id": CLIENT,
                "client_secret_file": secret, "redirect_url": CALLBACK,
                "role_claim": "realm_access.roles", "admin_values": ["slotway-admin"], "viewer_values": ["staff"],
            },
            "pools": [{ "name": "p", "workers": [] }],
        });
        Fixture::with(directory, &file.to_string()).await
    }

    /// Completes the sign-in at the provider: issues a code for the browser. Returns the query of the redirect.
    pub(crate) fn authorize(&self, location: &str, claims: Value) -> String {
        let uri: Uri = location.parse().unwrap();
        assert_eq!(
            (uri.authority().unwrap().as_str(), uri.path()),
            (self.address.to_string().as_str(), "/realm/login")
        );
        let asked = pairs(uri.query().unwrap());
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("redirect_uri", CALLBACK),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(asked[name], value);
        }
        assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
        let mut provider = self.state.lock().unwrap();
        let code = format!("code-{}", provider.codes.len());
        let state = asked["state"].clone();
        provider.codes.insert(code.clone(), Authorized { asked, claims });
        format!("code={code}&state={state}")
    }
}

/// A browser in the redirect flow.
pub(crate) struct Browser {
    pub(crate) location: String,
    pub(crate) cookie: String,
}

impl Browser {
    pub(crate) async fn leaves(fixture: &Fixture, return_to: &str) -> Self {
        let answer = fixture.get(&format!("/api/v1/oidc/login?return_to={return_to}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Lax; Path=/api/v1/oidc; Max-Age=600"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { location: answer.headers[header::LOCATION].to_str().unwrap().to_owned(), cookie }
    }

    pub(crate) async fn returns(&self, fixture: &Fixture, query: &str) -> Answer {
        let path = format!("/api/v1/oidc/callback?{query}");
        fixture.send(axum::http::Method::GET, &path, &[("cookie", &self.cookie)], "").await
    }
}

/// Returns the provider's claims about a user.
pub(crate) fn person(subject: &str, name: &str, roles: &[&str]) -> Value {
    json!({ "sub": subject, "preferred_username": name, "realm_access": { "roles": roles } })
}

/// Signs a user with these claims in through the provider.
pub(crate) async fn visit(fixture: &Fixture, provider: &Provider, claims: Value) -> Answer {
    let browser = Browser::leaves(fixture, "/").await;
    let query = provider.authorize(&browser.location, claims);
    browser.returns(fixture, &query).await
}

fn pairs(query: &str) -> HashMap<String, String> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

type SharedState = State<Arc<Mutex<ProviderState>>>;

async fn metadata(State(state): SharedState) -> Json<Value> {
    let issuer = state.lock().unwrap().issuer.clone();
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/login"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["code"],
    }))
}

async fn keys(State(state): SharedState) -> Json<Value> {
    let mut state = state.lock().unwrap();
    state.keys_read += 1;
    let mut keys: Vec<_> = state.published.iter().map(Key::public).collect();
    // Real providers also publish keys of unsupported kinds.
    keys.push(json!({ "kty": "OKP", "crv": "X25519", "x": "AA", "use": "enc", "kid": "other" }));
    Json(json!({ "keys": keys }))
}

async fn token(State(state): SharedState, headers: HeaderMap, form: String) -> (StatusCode, Json<Value>) {
    let form = pairs(&form);
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error })));
    let basic = headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
    let basic = String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
    let (client, secret) = basic.split_once(':').unwrap();
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    if (decoded(client), decoded(secret)) != (CLIENT.to_owned(), SECRET.to_owned()) {
        return refused("invalid_client");
    }
    let mut state = state.lock().unwrap();
    let Some(Authorized { asked, claims }) = state.codes.remove(&form["code"]) else {
        return refused("invalid_grant");
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    if challenge != asked["code_challenge"] || form["redirect_uri"] != asked["redirect_uri"] {
        return refused("invalid_grant");
    }
    let mut whole = json!({
        "iss": state.issuer, "aud": CLIENT, "exp": now() + 300, "iat": now(), "nonce": asked["nonce"],
    });
    whole.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let key = state.signing.clone();
    let header = json!({ "alg": key.algorithm(), "typ": "JWT", "kid": key.id });
    let token = match &state.forge {
        Some(forge) => forge(&key, header, whole),
        None => key.token(&header, &whole),
    };
    (StatusCode::OK, Json(json!({ "access_token": "x", "token_type": "Bearer", "id_token": token })))
}
