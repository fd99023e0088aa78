//! New code of the filter beside the old, in one Envoy: other VMs, the same shared data.

use rustix::process::Signal;

use slotway_test_site::{
    Arrivals, Behaviour, ClientLoad, SOON, ServedApart, Setup, TestWorker, artefact, get, send, until,
};

/// How many VMs Envoy runs.
async fn vms(slotway: &ServedApart) -> u64 {
    let name = "wasm.envoy.wasm.runtime.v8.created: ";
    let stats = slotway.envoy_stats().await;
    stats.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn new_code_beside_old_code_gives_out_what_the_old_has_left_and_no_request_fails() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let mut slotway = ServedApart::start(&Setup::with(&[(&worker, 3)])).await;
    let old: Vec<_> = (0..2)
        .map(|_| {
            let address = slotway.address();
            tokio::spawn(async move { send(address, get("/old")).await })
        })
        .collect();
    until("both are at the worker", SOON, async || (worker.current() == 2).then_some(())).await;

    // The build for chaos is other code, which does the same until it is told otherwise.
    let before = vms(&slotway).await;
    slotway.control_plane.signal(Signal::KILL);
    slotway.control_plane.ended(SOON).await;
    let new_code = artefact("SLOTWAY_FILTER_TEST", "target/slotway_filter_test.wasm");
    slotway.start_control_plane_with(&["--filter", new_code.to_str().unwrap()]).await;
    until("the new code runs", SOON, async || (vms(&slotway).await > before + 2).then_some(())).await;

    worker.behave(Behaviour::delay_ms(3));
    let load = ClientLoad::start(slotway.address(), 8);
    load.passes(200).await;
    assert_eq!(worker.highest(), 3, "the two that the old code has, and one");
    worker.release(2);
    for request in old {
        assert_eq!(request.await.unwrap().unwrap().status, 200);
    }
    load.passes(200).await;
    load.finish().await.assert_all_ok();
    assert_eq!(worker.highest(), 3);
    slotway.api().shows_idle(SOON).await;
}
