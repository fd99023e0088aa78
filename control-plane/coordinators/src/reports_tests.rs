use super::*;

/// The control plane knows every pool and every worker, except those whose name begins with `unknown`.
struct Known;

impl KnownPools for Known {
    fn has_pool(&self, pool: &PoolName) -> bool {
        !pool.as_str().starts_with("unknown")
    }

    fn has_worker(&self, worker: &WorkerUrl) -> bool {
        !worker.as_str().starts_with("http://unknown")
    }
}

fn report(reporter: u64, sequence: u64, full: bool, workers: &[(&str, u32, u32, WorkerState)]) -> Report {
    let worker = |(url, capacity, in_flight, state): &(&str, u32, u32, WorkerState)| WorkerReport {
        worker: url.parse().unwrap(),
        capacity: *capacity,
        in_flight: *in_flight,
        free: capacity.saturating_sub(*in_flight),
        parked: 0,
        failures: 0,
        state: *state,
    };
    let pool = PoolReport {
        pool: "p".parse().unwrap(),
        free: 0,
        in_flight: 0,
        parked: 0,
        waiting: u32::try_from(sequence).unwrap(),
        oldest_wait_ms: 0,
        workers: workers.iter().map(worker).collect(),
    };
    Report { coordinator: "c".to_owned(), reporter, sequence, full, generation: 7, pools: vec![pool] }
}

const ACTIVE: WorkerState = WorkerState::Active;

fn is_base_missing(outcome: Result<(), CoordinatorsError>) -> bool {
    matches!(outcome, Err(CoordinatorsError::ReportBaseMissing))
}

#[test]
fn a_report_changes_only_the_workers_that_it_names() {
    let (reports, now) = (Reports::default(), Instant::now());
    reports
        .accept(report(1, 1, true, &[("http://a", 3, 0, ACTIVE), ("http://b", 4, 0, ACTIVE)]), &Known, now)
        .unwrap();
    reports.accept(report(1, 2, false, &[("http://b", 4, 2, ACTIVE)]), &Known, now).unwrap();
    let latest = reports.latest(now + Duration::from_millis(40)).remove(0);
    assert_eq!(latest.workers[&"http://a".parse().unwrap()].in_flight, 0);
    assert_eq!(latest.workers[&"http://b".parse().unwrap()].in_flight, 2);
    assert_eq!((latest.pools[0].waiting, latest.age), (2, Duration::from_millis(40)));
}

#[test]
fn a_report_whose_base_is_missing_is_refused_until_a_full_one_comes() {
    let (reports, now) = (Reports::default(), Instant::now());
    assert!(is_base_missing(reports.accept(report(1, 5, false, &[]), &Known, now)), "an unknown coordinator");
    reports.accept(report(1, 6, true, &[("http://a", 3, 1, ACTIVE)]), &Known, now).unwrap();
    assert!(is_base_missing(reports.accept(report(1, 8, false, &[]), &Known, now)), "a gap");
    assert!(
        is_base_missing(reports.accept(report(1, 7, false, &[]), &Known, now)),
        "after a gap no partial report is accepted"
    );
    assert_eq!(reports.latest(now).len(), 1, "the last figures are still shown");
    reports.accept(report(1, 9, true, &[]), &Known, now).unwrap();
    assert!(is_base_missing(reports.accept(report(2, 10, false, &[]), &Known, now)), "another reporter");
    reports.accept(report(2, 11, true, &[]), &Known, now).unwrap();
    reports.accept(report(2, 12, false, &[]), &Known, now).unwrap();
}

#[test]
fn a_worker_has_drained_once_the_removal_is_in_force_and_its_requests_have_ended() {
    let (reports, now) = (Reports::default(), Instant::now());
    let worker = "http://a".parse().unwrap();
    assert!(!reports.has_drained("c", &worker, 7), "no coordinator has reported");
    reports.accept(report(1, 1, true, &[("http://a", 3, 0, ACTIVE)]), &Known, now).unwrap();
    assert!(!reports.has_drained("c", &worker, 7), "it still has its capacity");
    reports.accept(report(1, 2, false, &[("http://a", 0, 1, WorkerState::Draining)]), &Known, now).unwrap();
    assert!(!reports.has_drained("c", &worker, 7), "a request is under way");
    reports.accept(report(1, 3, false, &[("http://a", 0, 0, WorkerState::Gone)]), &Known, now).unwrap();
    assert!(reports.has_drained("c", &worker, 7));
    assert!(!reports.has_drained("c", &worker, 8), "a later removal is not in force");
    assert!(!reports.has_drained("d", &worker, 7), "another coordinator has not reported");
}

#[test]
fn a_worker_is_occupied_if_each_coordinator_that_has_it_has_all_its_slots_out() {
    let (reports, now) = (Reports::default(), Instant::now());
    let worker = "http://a".parse().unwrap();
    assert!(!reports.is_occupied(&worker, now), "no coordinator has reported");
    reports.accept(report(1, 1, true, &[("http://a", 2, 2, ACTIVE)]), &Known, now).unwrap();
    assert!(reports.is_occupied(&worker, now));
    assert!(!reports.is_occupied(&worker, now + FIGURES_FRESH_FOR), "the report is outdated");
    let other = Report { coordinator: "d".to_owned(), ..report(1, 1, true, &[("http://a", 2, 1, ACTIVE)]) };
    reports.accept(other, &Known, now).unwrap();
    assert!(!reports.is_occupied(&worker, now), "the second coordinator has a free slot");
    let gone = Report {
        coordinator: "d".to_owned(),
        ..report(1, 2, false, &[("http://a", 0, 0, WorkerState::Gone)])
    };
    reports.accept(gone, &Known, now).unwrap();
    assert!(reports.is_occupied(&worker, now), "the second coordinator does not have the worker any more");
}

#[test]
fn a_worker_that_is_missing_in_a_split_report_has_not_drained() {
    let (reports, now) = (Reports::default(), Instant::now());
    let names: Vec<_> =
        (0..limits::WORKERS_PER_REPORT_MAX).map(|number| format!("http://w{number}")).collect();
    let workers: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 0, ACTIVE)).collect();
    reports.accept(report(1, 1, true, &workers), &Known, now).unwrap();
    assert!(!reports.has_drained("c", &"http://a".parse().unwrap(), 7));
    reports.accept(report(1, 2, false, &[("http://a", 0, 1, WorkerState::Draining)]), &Known, now).unwrap();
    assert!(!reports.has_drained("c", &"http://a".parse().unwrap(), 7));
    assert!(
        reports.has_drained("c", &"http://b".parse().unwrap(), 7),
        "the report is complete and does not contain the worker"
    );
}

#[test]
fn figures_are_fresh_for_ten_seconds_and_dropped_after_an_hour() {
    let (reports, now) = (Reports::default(), Instant::now());
    reports.accept(report(1, 1, true, &[]), &Known, now).unwrap();
    assert!(reports.latest(now + Duration::from_millis(9_999))[0].is_fresh());
    assert!(!reports.latest(now + slotway_pools::FIGURES_FRESH_FOR)[0].is_fresh());
    let other = Report { coordinator: "d".to_owned(), ..report(1, 1, true, &[]) };
    reports.accept(other, &Known, now + FORGOTTEN).unwrap();
    assert_eq!(reports.latest(now + FORGOTTEN).len(), 1);
}

#[test]
fn a_report_with_more_than_a_filter_reports_is_refused_and_changes_nothing() {
    let (reports, now) = (Reports::default(), Instant::now());
    reports.accept(report(1, 1, true, &[("http://a", 3, 1, ACTIVE)]), &Known, now).unwrap();
    let names: Vec<_> = (0..=WORKERS_MAX).map(|number| format!("http://w{number}")).collect();
    let workers: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 0, ACTIVE)).collect();
    let many_pools = || {
        let report = report(2, 1, true, &[]);
        let pools = vec![report.pools[0].clone(); limits::POOLS_MAX + 1];
        Report { pools, ..report }
    };
    for long in [report(2, 1, true, &workers), report(1, 2, false, &workers), many_pools()] {
        let outcome = reports.accept(long, &Known, now);
        assert!(matches!(outcome, Err(CoordinatorsError::ReportTooLong { .. })), "{outcome:?}");
        assert_eq!(reports.latest(now)[0].workers.len(), 1);
    }
    reports.accept(report(1, 2, false, &workers[1..]), &Known, now).unwrap();
}

#[test]
fn figures_of_unknown_pools_are_not_kept_and_those_of_a_pool_once() {
    let (reports, now) = (Reports::default(), Instant::now());
    let of = |name: &str, waiting| {
        let pool = report(1, 1, true, &[]).pools.remove(0);
        PoolReport { pool: name.parse().unwrap(), waiting, ..pool }
    };
    let pools = vec![of("unknown", 1), of("p", 2), of("p", 3)];
    reports.accept(Report { pools, ..report(1, 1, true, &[]) }, &Known, now).unwrap();
    let pools = reports.latest(now).remove(0).pools;
    assert_eq!(pools.iter().map(|pool| pool.waiting).collect::<Vec<_>>(), [2]);
}

/// This control plane may know a worker later than an Envoy that another one has told of it.
#[test]
fn a_worker_that_is_known_only_later_has_not_drained_before_its_requests_have_ended() {
    let (reports, now) = (Reports::default(), Instant::now());
    let worker = "http://unknown".parse().unwrap();
    reports.accept(report(1, 1, true, &[("http://unknown", 1, 1, ACTIVE)]), &Known, now).unwrap();
    assert!(!reports.has_drained("c", &worker, 7));
    reports
        .accept(report(1, 2, false, &[("http://unknown", 0, 1, WorkerState::Draining)]), &Known, now)
        .unwrap();
    assert!(!reports.has_drained("c", &worker, 7));
    reports
        .accept(report(1, 3, false, &[("http://unknown", 0, 0, WorkerState::Draining)]), &Known, now)
        .unwrap();
    assert!(reports.has_drained("c", &worker, 7));
    assert!(reports.latest(now)[0].workers.is_empty());
}

#[test]
fn a_bounded_number_of_unknown_workers_is_kept_and_the_others_have_not_drained() {
    let (reports, now) = (Reports::default(), Instant::now());
    let names: Vec<_> = (0..UNKNOWN_WORKERS_MAX).map(|number| format!("http://unknown{number}")).collect();
    let workers: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 0, ACTIVE)).collect();
    let (most, last) = workers.split_at(UNKNOWN_WORKERS_MAX - 1);
    reports.accept(report(1, 1, true, most), &Known, now).unwrap();
    assert!(reports.has_drained("c", &"http://a".parse().unwrap(), 7));
    let more = [last, &[("http://unknown-more", 1, 1, ACTIVE), ("http://b", 1, 1, ACTIVE)]].concat();
    reports.accept(report(1, 2, false, &more), &Known, now).unwrap();
    assert_eq!(reports.latest(now)[0].workers.len(), UNKNOWN_WORKERS_MAX + 1, "a known worker has its place");
    for missing in ["http://unknown-more", "http://a"] {
        assert!(!reports.has_drained("c", &missing.parse().unwrap(), 7), "{missing}");
    }
    reports.accept(report(2, 1, true, &[]), &Known, now).unwrap();
    assert!(reports.has_drained("c", &"http://a".parse().unwrap(), 7));
}

#[test]
fn a_new_coordinator_takes_the_place_of_a_silent_one_and_of_no_other() {
    let (reports, now) = (Reports::default(), Instant::now());
    let accept = |name: String, now| {
        reports.accept(Report { coordinator: name, ..report(1, 1, true, &[]) }, &Known, now)
    };
    accept("silent".to_owned(), now).unwrap();
    let later = now + FIGURES_FRESH_FOR;
    for number in 1..COORDINATORS_MAX {
        accept(format!("c{number}"), later).unwrap();
    }
    accept("new".to_owned(), later).unwrap();
    assert!(reports.latest(later).iter().all(|figures| figures.coordinator != "silent"));
    let outcome = accept("one more".to_owned(), later);
    assert!(matches!(outcome, Err(CoordinatorsError::TooManyReporters { .. })), "{outcome:?}");
    accept("c1".to_owned(), later).unwrap();
}

#[test]
fn a_name_without_bound_is_refused() {
    let long = Report { coordinator: "c".repeat(NAME_BYTES_MAX + 1), ..report(1, 1, true, &[]) };
    let outcome = Reports::default().accept(long, &Known, Instant::now());
    assert!(matches!(outcome, Err(CoordinatorsError::ReporterName { .. })));
}
