//! The filter's configuration: what is accepted keeps every limit, and means the same when it is written and read
//! again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slotway_config::{FilterConfig, Pool, WorkerUrl, limits};

fuzz_target!(|data: &[u8]| {
    match FilterConfig::from_json(data) {
        Ok(config) => {
            assert!(config.generation > 0);
            assert!(config.pools.len() <= limits::POOLS_MAX);
            config.pools.iter().for_each(assert_within_limits);
            let json = config.to_json().expect("a configuration can be written");
            assert_eq!(FilterConfig::from_json(json.as_bytes()).as_ref(), Ok(&config), "{json}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn assert_within_limits(pool: &Pool) {
    assert!((1..=limits::POOL_NAME_BYTES_MAX).contains(&pool.name.as_str().len()));
    assert!(pool.matches.prefix.len() <= limits::PREFIX_BYTES_MAX);
    assert!(pool.matches.matches(&pool.matches.prefix), "a match that its own prefix does not match");
    for duration in [pool.free_worker_timeout, pool.abandoned_hold, pool.answer_timeout] {
        assert!(duration.as_ms() <= limits::DURATION_MS_MAX);
    }
    assert!(pool.max_waiting <= limits::WAITING_MAX);
    assert!(pool.workers.len() <= limits::WORKERS_PER_POOL_MAX);
    let slots: u64 = pool.workers.iter().map(|worker| u64::from(worker.capacity.get())).sum();
    assert!(slots <= limits::SLOTS_PER_POOL_MAX);
    for worker in &pool.workers {
        assert!((1..=limits::CAPACITY_MAX).contains(&worker.capacity.get()));
        let url = &worker.worker;
        assert!(!url.host().is_empty() && url.port() > 0, "{url}");
        assert!(url.as_str().ends_with(url.path_prefix()) && !url.path_prefix().ends_with('/'), "{url}");
        assert_eq!(url.as_str().parse::<WorkerUrl>().as_ref(), Ok(url), "not its own normal form");
    }
}
