use axum::http::StatusCode;

use super::provider::{Key, Provider, person, visit};

#[tokio::test]
async fn keys_that_the_provider_changes_are_read_anew_and_old_ones_let_nobody_in() {
    let old = Key::rsa("old");
    let provider = Provider::start(old.clone()).await;
    let fixture = provider.fixture().await;
    let visited = async || visit(&fixture, &provider, person("1", "ada", &["staff"])).await.status;
    assert_eq!(visited().await, StatusCode::SEE_OTHER);
    assert_eq!(visited().await, StatusCode::SEE_OTHER);
    assert_eq!(provider.state.lock().unwrap().keys_read, 1, "what is known is not read again");
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
    // The old one is still known here: it is good until the keys are read anew.
    assert_eq!(visited().await, StatusCode::SEE_OTHER);
    provider.state.lock().unwrap().signing = Key::ec("unknown");
    assert_eq!(visited().await, StatusCode::FORBIDDEN);
    provider.state.lock().unwrap().signing = new;
    assert_eq!(visited().await, StatusCode::FORBIDDEN, "gone from what the provider publishes");
}

#[tokio::test]
async fn a_token_without_the_id_of_its_key_is_tried_with_all_that_may_be() {
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
