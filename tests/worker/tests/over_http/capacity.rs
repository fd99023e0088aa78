use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::running_worker::RunningWorker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_the_pool_holds_queue_inside_and_all_are_answered() {
    let worker = RunningWorker::start("--pipeline-pool-max-size 2 --delay 100ms").await;
    let requests: Vec<_> = (0..12).map(|_| worker.post_in_background("/extract")).collect();
    for request in requests {
        assert_eq!(request.await.unwrap(), 200);
    }
    let counts = worker.counts();
    assert_eq!(counts.running_highest, 2);
    assert!(counts.highest > 2 && counts.queued_highest > 0, "{counts:?}");
    assert_eq!(
        (counts.total, counts.answered, counts.current, counts.queued, counts.running),
        (12, 12, 0, 0, 0)
    );
}

#[tokio::test]
async fn requests_inside_are_told_apart_by_whether_they_run_or_queue() {
    let worker = RunningWorker::start("--pipeline-pool-max-size 2 --delay 1h").await;
    let requests: Vec<_> = (0..5).map(|_| worker.post_in_background("/extract")).collect();
    worker.until("all inside", |c| (c.current, c.running, c.queued) == (5, 2, 3)).await;
    let stats = worker.get("/stats").await.json();
    assert_eq!([&stats["current"], &stats["running"], &stats["queued"], &stats["pool_size"]], [5, 2, 3, 2]);
    requests.iter().for_each(|request| request.abort());
    worker.until("all gone", |c| (c.current, c.running, c.queued, c.abandoned) == (0, 0, 0, 5)).await;
    assert_eq!(worker.get("/stats").await.json()["highest"], 5);
    let reset = worker.send(worker.request("POST", "/stats/reset").body("".into()).unwrap()).await.json();
    assert_eq!(
        [&reset["highest"], &reset["running_highest"], &reset["queued_highest"], &reset["total"]],
        [0, 0, 0, 5]
    );
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place_for_the_next_one() {
    for http2 in [false, true] {
        let arguments = "--delay 1h";
        let worker = if http2 {
            RunningWorker::start_http2(arguments).await
        } else {
            RunningWorker::start(arguments).await
        };
        let running = worker.post_in_background("/extract");
        worker.until("running", |c| c.running == 1).await;
        let queued = worker.post_in_background("/extract");
        worker.until("queued", |c| c.queued == 1).await;
        running.abort();
        worker.until("passed on", |c| (c.abandoned, c.running, c.queued, c.current) == (1, 1, 0, 1)).await;
        let queued_last = worker.post_in_background("/extract");
        worker.until("queued", |c| c.queued == 1).await;
        queued_last.abort();
        worker.until("left the queue", |c| (c.abandoned, c.running, c.queued) == (2, 1, 0)).await;
        queued.abort();
        worker.until("all gone", |c| (c.abandoned, c.running, c.current) == (3, 0, 0)).await;
        assert_eq!(worker.counts().running_highest, 1);
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_body_is_counted_out() {
    let worker = RunningWorker::start("").await;
    let mut connection = TcpStream::connect(worker.address()).await.unwrap();
    let request =
        "POST /extract HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nHello";
    connection.write_all(request.as_bytes()).await.unwrap();
    worker.until("inside", |c| c.current == 1).await;
    drop(connection);
    worker.until("gone", |c| (c.current, c.abandoned, c.refused) == (0, 1, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_counted_out_before_its_answer_ends() {
    for http2 in [false, true] {
        let worker =
            if http2 { RunningWorker::start_http2("").await } else { RunningWorker::start("").await };
        for _ in 0..300 {
            worker.post("/extract", "text/plain", "Hello London!").await;
            let counts = worker.counts();
            assert_eq!((counts.current, counts.running), (0, 0));
        }
        assert_eq!(worker.counts().highest, 1);
    }
}

#[tokio::test]
async fn a_timeout_ends_an_annotation_that_takes_too_long_and_frees_its_place() {
    let worker = RunningWorker::start("--delay 1h").await;
    let answer = worker.post("/extract?timeout=20", "text/plain", "Hello London!").await;
    answer.assert_problem(503, "timeout");
    assert!(answer.json()["detail"].as_str().unwrap().contains("20 ms"));
    let counts = worker.counts();
    assert_eq!((counts.current, counts.running, counts.timed_out, counts.refused), (0, 0, 1, 0));
}

#[tokio::test]
async fn a_timeout_counts_the_time_in_the_workers_own_queue() {
    let worker = RunningWorker::start("--delay 1h").await;
    let running = worker.post_in_background("/extract");
    worker.until("running", |c| c.running == 1).await;
    worker.get("/extract?text=London&timeout=20").await.assert_problem(503, "timeout");
    let counts = worker.counts();
    assert_eq!((counts.current, counts.running, counts.queued, counts.timed_out), (1, 1, 0, 1));
    running.abort();
}

#[tokio::test]
async fn a_timeout_that_does_not_pass_changes_nothing() {
    let worker = RunningWorker::start("--delay 1ms").await;
    assert_eq!(worker.get("/extract?text=London&timeout=60000").await.mentions().len(), 1);
}

#[tokio::test]
async fn a_request_beyond_the_bounded_queue_is_refused_at_once() {
    let worker = RunningWorker::start("--delay 1h --queued-max 1").await;
    let _running = worker.post_in_background("/extract");
    worker.until("running", |c| c.running == 1).await;
    let _queued = worker.post_in_background("/extract");
    worker.until("queued", |c| c.queued == 1).await;
    worker.get("/extract?text=London").await.assert_problem(503, "queue_full");
    assert_eq!((worker.counts().current, worker.counts().refused), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_clients_do_every_place_comes_home() {
    let worker = RunningWorker::start("--pipeline-pool-max-size 3 --delay 2ms --queued-max 20").await;
    let mut stays = Vec::new();
    for index in 0..400_u32 {
        match index % 4 {
            0 => stays.push(worker.post_in_background("/extract")),
            1 => stays.push(worker.post_in_background("/extract?timeout=3")),
            2 => stays.push(worker.post_in_background("/extract?timeout=0")),
            _ => {
                let leaves = worker.post_in_background("/extract");
                for _ in 0..index % 7 {
                    tokio::task::yield_now().await;
                }
                leaves.abort();
            }
        }
    }
    for request in stays {
        assert!([200, 400, 503].contains(&request.await.unwrap().as_u16()));
    }
    worker.until("empty", |c| (c.current, c.running, c.queued) == (0, 0, 0)).await;
    let c = worker.counts();
    assert_eq!(c.total, c.answered + c.refused + c.timed_out + c.abandoned);
    assert!(c.running_highest <= 3 && c.queued_highest <= 20, "{c:?}");
    assert_eq!(worker.get("/extract?text=London").await.mentions().len(), 1);
}
