use axum::http::StatusCode;

use super::provider::{Key, Provider, person, visit};

#[tokio::test]
async fn rotated_keys_are_read_again_and_old_keys_are_refused() {
    let old = Key::rsa("old");
    let provider = Provider::start(old.clone()).await;
    let fixture = provider.fixture().await;
    let visited = async || visit(&fixture, &provider, person("1", "ada", &["staff"])).await.status;
    assert_eq!(visited().await, StatusCode::SEE_OTHER);
    assert_eq!(visited().await, StatusCode::SEE_OTHER);
    assert_eq!(provider.state.lock().unwrap().keys_read, 1, "known keys are not read again");
    let new = Key::ec("new");
    {
        let mut state = provider.state.lock().unwrap();
        state.published = vec![old.clone(), new.clone()];
        state.signing = new.clone();
    }
    assert_eq!(visited().await, StatusCode::SEE_OTHER);
    assert_eq!(provider.state.lock().unwrap().keys_read, 2);
    {
        let mut state = provider.state.lock().unwrap();
        state.published = vec![Key::ec("newest")];
        state.signing = old;
    }
    // The old key is still cached, and valid until the keys are read again.
    assert_eq!(visited().await, StatusCode::SEE_OTHER);
    provider.state.lock().unwrap().signing = Key::ec("unknown");
    assert_eq!(visited().await, StatusCode::FORBIDDEN);
    provider.state.lock().unwrap().signing = new;
    assert_eq!(visited().await, StatusCode::FORBIDDEN, "the provider no longer publishes the key");
}

#[tokio::test]
async fn a_token_without_a_key_id_is_verified_with_all_candidate_keys() {
    let provider = Provider::start(Key::ec("one")).await;
    let fixture = provider.fixture().await;
    {
        let mut state = provider.state.lock().unwrap();
        state.published = vec![Key::rsa("a"), Key::ec("b"), state.signing.clone()];
        state.forge =
            Some(Box::new(|key, _, claims| key.token(&serde_json::json!({ "alg": "ES256" }), &claims)));
    }
    let answer = visit(&fixture, &provider, person("1", "ada", &["staff"])).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
}
