use super::*;

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
        .accept(report(1, 1, true, &[("http://a", 3, 0, ACTIVE), ("http://b", 4, 0, ACTIVE)]), now)
        .unwrap();
    reports.accept(report(1, 2, false, &[("http://b", 4, 2, ACTIVE)]), now).unwrap();
    let latest = reports.latest(now + Duration::from_millis(40)).remove(0);
    assert_eq!(latest.workers[&"http://a".parse().unwrap()].in_flight, 0);
    assert_eq!(latest.workers[&"http://b".parse().unwrap()].in_flight, 2);
    assert_eq!((latest.pools[0].waiting, latest.age), (2, Duration::from_millis(40)));
}

#[test]
fn a_report_whose_base_is_missing_is_refused_until_a_full_one_comes() {
    let (reports, now) = (Reports::default(), Instant::now());
    assert!(is_base_missing(reports.accept(report(1, 5, false, &[]), now)), "an unknown coordinator");
    reports.accept(report(1, 6, true, &[("http://a", 3, 1, ACTIVE)]), now).unwrap();
    assert!(is_base_missing(reports.accept(report(1, 8, false, &[]), now)), "a gap");
    assert!(
        is_base_missing(reports.accept(report(1, 7, false, &[]), now)),
        "after a gap no partial report is accepted"
    );
    assert_eq!(reports.latest(now).len(), 1, "the last figures are still shown");
    reports.accept(report(1, 9, true, &[]), now).unwrap();
    assert!(is_base_missing(reports.accept(report(2, 10, false, &[]), now)), "another reporter");
    reports.accept(report(2, 11, true, &[]), now).unwrap();
    reports.accept(report(2, 12, false, &[]), now).unwrap();
}

#[test]
fn a_worker_has_drained_once_the_removal_is_in_force_and_its_requests_have_ended() {
    let (reports, now) = (Reports::default(), Instant::now());
    let worker = "http://a".parse().unwrap();
    assert!(!reports.has_drained("c", &worker, 7), "no coordinator has reported");
    reports.accept(report(1, 1, true, &[("http://a", 3, 0, ACTIVE)]), now).unwrap();
    assert!(!reports.has_drained("c", &worker, 7), "it still has its capacity");
    reports.accept(report(1, 2, false, &[("http://a", 0, 1, WorkerState::Draining)]), now).unwrap();
    assert!(!reports.has_drained("c", &worker, 7), "a request is under way");
    reports.accept(report(1, 3, false, &[("http://a", 0, 0, WorkerState::Gone)]), now).unwrap();
    assert!(reports.has_drained("c", &worker, 7));
    assert!(!reports.has_drained("c", &worker, 8), "a later removal is not in force");
    assert!(!reports.has_drained("d", &worker, 7), "another coordinator has not reported");
}

#[test]
fn a_worker_is_occupied_if_each_coordinator_that_has_it_has_all_its_slots_out() {
    let (reports, now) = (Reports::default(), Instant::now());
    let worker = "http://a".parse().unwrap();
    assert!(!reports.is_occupied(&worker, now), "no coordinator has reported");
    reports.accept(report(1, 1, true, &[("http://a", 2, 2, ACTIVE)]), now).unwrap();
    assert!(reports.is_occupied(&worker, now));
    assert!(!reports.is_occupied(&worker, now + FIGURES_FRESH_FOR), "the report is outdated");
    let other = Report { coordinator: "d".to_owned(), ..report(1, 1, true, &[("http://a", 2, 1, ACTIVE)]) };
    reports.accept(other, now).unwrap();
    assert!(!reports.is_occupied(&worker, now), "the second coordinator has a free slot");
    let gone = Report {
        coordinator: "d".to_owned(),
        ..report(1, 2, false, &[("http://a", 0, 0, WorkerState::Gone)])
    };
    reports.accept(gone, now).unwrap();
    assert!(reports.is_occupied(&worker, now), "the second coordinator does not have the worker any more");
}

#[test]
fn a_worker_that_is_missing_in_a_split_report_has_not_drained() {
    let (reports, now) = (Reports::default(), Instant::now());
    let names: Vec<_> =
        (0..limits::WORKERS_PER_REPORT_MAX).map(|number| format!("http://w{number}")).collect();
    let workers: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 0, ACTIVE)).collect();
    reports.accept(report(1, 1, true, &workers), now).unwrap();
    assert!(!reports.has_drained("c", &"http://a".parse().unwrap(), 7));
    reports.accept(report(1, 2, false, &[("http://a", 0, 1, WorkerState::Draining)]), now).unwrap();
    assert!(!reports.has_drained("c", &"http://a".parse().unwrap(), 7));
    assert!(
        reports.has_drained("c", &"http://b".parse().unwrap(), 7),
        "the report is complete and does not contain the worker"
    );
}

#[test]
fn figures_are_fresh_for_ten_seconds_and_dropped_after_an_hour() {
    let (reports, now) = (Reports::default(), Instant::now());
    reports.accept(report(1, 1, true, &[]), now).unwrap();
    assert!(reports.latest(now + Duration::from_millis(9_999))[0].is_fresh());
    assert!(!reports.latest(now + slotway_pools::FIGURES_FRESH_FOR)[0].is_fresh());
    let other = Report { coordinator: "d".to_owned(), ..report(1, 1, true, &[]) };
    reports.accept(other, now + FORGOTTEN).unwrap();
    assert_eq!(reports.latest(now + FORGOTTEN).len(), 1);
}

#[test]
fn a_name_without_bound_is_refused() {
    let long = Report { coordinator: "c".repeat(NAME_BYTES_MAX + 1), ..report(1, 1, true, &[]) };
    let outcome = Reports::default().accept(long, Instant::now());
    assert!(matches!(outcome, Err(CoordinatorsError::ReporterName { .. })));
}
