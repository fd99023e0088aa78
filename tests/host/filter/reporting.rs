//! Reports to the control plane.

use slotway_config::Report;
use slotway_tests::{
    host::{CallAnswer, HostCall, LaneIndex, Status},
    world::{World, pool},
};

use crate::{W1, W2};

const CLUSTER: &str = "control-plane";

fn reporting(lanes: usize) -> World {
    let mut world = World::new(lanes, pool(&[(W1, 3), (W2, 4)]));
    world.host.add_cluster(CLUSTER);
    world.push_alone(|config| config.report_cluster = Some(CLUSTER.to_owned())).unwrap();
    world
}

/// Answers the reports that are under way with `status`, and returns them.
fn answer_reports(world: &mut World, status: u32) -> Vec<Report> {
    let calls = world.host.http_calls();
    for call in &calls {
        world.host.answer_call(call, CallAnswer::status(status, ""));
    }
    calls.iter().map(|call| serde_json::from_slice(&call.body).unwrap()).collect()
}

#[test]
fn one_lane_reports_for_all() {
    let mut world = reporting(4);
    let stream = world.send(3);
    world.advance(300);
    let call = world.host.http_calls().remove(0);
    assert_eq!((call.cluster.as_str(), call.headers.get(":path")), (CLUSTER, Some("/coordinator/report")));
    let reports = answer_reports(&mut world, 204);
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert!(report.full);
    assert_eq!((report.pools[0].free, report.pools[0].in_flight), (6, 1));
    assert_eq!(report.generation, 2);
    world.answer(stream);
}

#[test]
fn a_change_is_reported_in_time_and_nothing_else_is_reported() {
    let mut world = reporting(2);
    world.advance(300);
    answer_reports(&mut world, 204);
    world.send(0);
    world.advance(300);
    let reports = answer_reports(&mut world, 204);
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert!(!report.full);
    assert_eq!(report.pools[0].workers.len(), 1, "only the worker that changed");
}

#[test]
fn a_large_pool_is_reported_in_several_reports() {
    let names: Vec<_> = (0..2_500).map(|number| format!("http://w{number}.test:9000")).collect();
    let workers: Vec<_> = names.iter().map(|name| (name.as_str(), 4)).collect();
    let mut world = World::new(1, pool(&workers));
    world.host.add_cluster(CLUSTER);
    world.push_alone(|config| config.report_cluster = Some(CLUSTER.to_owned())).unwrap();
    let mut told = Vec::new();
    for _ in 0..3 {
        // Sooner than what has not changed is reported again.
        world.advance(300);
        told.extend(answer_reports(&mut world, 204).iter().map(|report| report.pools[0].workers.len()));
    }
    assert_eq!(told, [1_000, 1_000, 500]);
    world.advance(300);
    assert_eq!(answer_reports(&mut world, 204), [], "all of it is told");
}

#[test]
fn a_control_plane_that_lacks_the_last_report_gets_a_full_one() {
    let mut world = reporting(2);
    world.advance(300);
    answer_reports(&mut world, 409);
    world.advance(2_500);
    let reports = answer_reports(&mut world, 204);
    assert!(reports[0].full);
}

#[test]
fn another_lane_reports_when_the_reporting_one_is_dead() {
    let mut world = reporting(2);
    world.advance(300);
    let reporter = world.host.http_calls()[0].lane;
    answer_reports(&mut world, 204);
    world.host.trap(reporter);
    world.advance(5_000);
    let calls = world.host.http_calls();
    assert_eq!(calls[0].lane, LaneIndex(1 - reporter.0));
}

#[test]
fn a_control_plane_that_never_answers_delays_no_request() {
    let mut world = reporting(2);
    for _ in 0..20 {
        let stream = world.send(0);
        world.answer(stream);
        world.advance(1_000);
        assert!(world.host.http_calls().len() <= 1, "one report at a time");
    }
}

#[test]
fn reports_go_on_after_a_push_that_ends_one_under_way() {
    let mut world = reporting(1);
    world.advance(300);
    assert_eq!(world.host.http_calls().len(), 1);
    // When the root context ends, Envoy cancels the report without a callback.
    world.push_alone(|config| config.debug_headers = true).unwrap();
    assert_eq!(world.host.http_calls().len(), 0);
    world.advance(10_000);
    assert_eq!(world.host.http_calls().len(), 1);
}

/// A report that fails with `failure` is made up for by a later one, on a lane that lives.
fn refuse_a_report(failure: Status) {
    let mut world = reporting(1);
    world.host.fail_next(HostCall::HttpCall, failure);
    world.advance(1_000);
    assert!(world.host.is_alive(LaneIndex(0)), "{failure:?}: {:?}", world.complaints());
    world.advance(5_000);
    assert_eq!(world.host.http_calls().len(), 1, "{failure:?}");
}

#[test]
fn a_report_that_envoy_refuses_is_repeated() {
    // What Envoy returns if the cluster does not exist, and if it cannot send.
    refuse_a_report(Status::BadArgument);
    refuse_a_report(Status::InternalFailure);
}

#[test]
fn a_report_that_a_host_refuses_is_repeated() {
    Status::FAILURES.into_iter().for_each(refuse_a_report);
}
