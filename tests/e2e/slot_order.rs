//! The order in which workers get requests.

use slotway_test_site::{Arrivals, Setup, Slotway, TestWorker};

const TWO_ROUNDS: &str = "W2 W1 W2 W1 W2 W1 W2 W2 W1 W2 W1 W2 W1 W2";

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_capacity_3_and_4_get_requests_in_the_order_w2_w1_w2_w1_w2_w1_w2() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&w1, 3), (&w2, 4)])).await;
    for _ in 0..14 {
        assert_eq!(slotway.get("/").await.status, 200);
    }
    assert_eq!(arrivals.workers(), TWO_ROUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_added_over_rest_get_requests_in_the_same_order() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    let slotway = Slotway::up(&Setup::default()).await;
    let api = slotway.api();
    api.set(&[(&w1.url(), 3), (&w2.url(), 4)]).await;
    api.shows("both workers in force", |workers| workers.len() == 2 && workers.iter().all(|w| w.is_idle()))
        .await;
    for _ in 0..14 {
        assert_eq!(slotway.get("/").await.status, 200);
    }
    assert_eq!(arrivals.workers(), TWO_ROUNDS);
}
