use std::{sync::Arc, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::{
            cluster::v3::{
                Cluster,
                cluster::{ClusterDiscoveryType, DiscoveryType},
            },
            core::v3::{TypedExtensionConfig, transport_socket},
            endpoint::v3::{Endpoint, lb_endpoint::HostIdentifier},
            route::v3::{
                RouteAction, RouteConfiguration, header_matcher::HeaderMatchSpecifier, route::Action,
            },
        },
        extensions::{
            filters::http::wasm::v3::Wasm,
            transport_sockets::tls::v3::{
                CertificateValidationContext, UpstreamTlsContext, common_tls_context::ValidationContextType,
                subject_alt_name_matcher::SanType,
            },
            upstreams::http::v3::HttpProtocolOptions,
        },
        r#type::matcher::v3::string_matcher::MatchPattern,
    },
    google::protobuf::{Any, Duration as DurationMessage, StringValue},
};
use prost::Message;
use slotway_config::{Connections, FilterConfig, Pool, Protocol, WaitDuration, Worker, WorkerTls};
use slotway_xds::XdsResource;

use super::{cluster, filter::Filter, listener, route};
use crate::testing::{desired, worker};

fn body(resource: &XdsResource) -> Any {
    Any::decode(&*resource.body().to_vec()).unwrap()
}

fn cluster_of(worker: &Worker) -> Cluster {
    Cluster::decode(&*body(&cluster::resource(worker)).value).unwrap()
}

fn endpoint(cluster: &Cluster) -> Endpoint {
    let endpoint = &cluster.load_assignment.as_ref().unwrap().endpoints[0].lb_endpoints[0];
    let Some(HostIdentifier::Endpoint(endpoint)) = &endpoint.host_identifier else { panic!("no endpoint") };
    endpoint.clone()
}

fn tls(worker: &Worker) -> (UpstreamTlsContext, CertificateValidationContext) {
    let socket = cluster_of(worker).transport_socket.expect("no TLS");
    let Some(transport_socket::ConfigType::TypedConfig(config)) = socket.config_type else { panic!() };
    let context = UpstreamTlsContext::decode(&*config.value).unwrap();
    let common = context.common_tls_context.clone().unwrap();
    let Some(ValidationContextType::ValidationContext(validation)) = common.validation_context_type else {
        panic!("the certificate is not verified")
    };
    (context, validation)
}

/// Kind and text of the name that the certificate must carry.
fn verified_name(validation: &CertificateValidationContext) -> (SanType, String) {
    let [name] = &validation.match_typed_subject_alt_names[..] else { panic!("not one name") };
    let Some(MatchPattern::Exact(text)) = name.matcher.as_ref().unwrap().match_pattern.clone() else {
        panic!("not exact")
    };
    (name.san_type(), text)
}

fn actions(pools: &[Pool], draining: &[Worker]) -> Vec<RouteAction> {
    let routes = RouteConfiguration::decode(&*body(&route::resource(pools, draining)).value).unwrap();
    let actions = routes.virtual_hosts[0].routes.iter().map(|route| match &route.action {
        Some(Action::Route(action)) => action.clone(),
        other => panic!("{other:?}"),
    });
    actions.collect()
}

fn seconds(duration: &Option<DurationMessage>) -> i64 {
    duration.unwrap().seconds
}

#[test]
fn a_worker_gets_its_own_authority_whether_it_is_an_address_or_a_name() {
    for (url, kind, authority) in [
        ("http://127.0.0.1:9001/x", DiscoveryType::Static, "127.0.0.1:9001"),
        ("http://[::1]:9001", DiscoveryType::Static, "[::1]:9001"),
        ("https://Worker.example", DiscoveryType::LogicalDns, "worker.example"),
    ] {
        let cluster = cluster_of(&worker(url, 1));
        assert_eq!(cluster.cluster_discovery_type, Some(ClusterDiscoveryType::Type(kind.into())), "{url}");
        assert_eq!(endpoint(&cluster).hostname, authority);
    }
}

#[test]
fn a_workers_certificate_is_verified_for_its_host() {
    let (context, validation) = tls(&worker("https://worker.example:8443", 1));
    assert_eq!(context.sni, "worker.example");
    assert_eq!(verified_name(&validation), (SanType::Dns, "worker.example".to_owned()));
    assert!(validation.trusted_ca.is_some(), "without authorities Envoy accepts any certificate");
}

#[test]
fn a_workers_certificate_is_verified_for_the_name_that_was_set() {
    let mut worker = worker("https://127.0.0.1:8443", 1);
    worker.tls = Some(WorkerTls { ca_file: None, sni: Some("other.example".to_owned()) });
    let (context, validation) = tls(&worker);
    assert_eq!(context.sni, "other.example");
    assert_eq!(verified_name(&validation), (SanType::Dns, "other.example".to_owned()));
}

#[test]
fn an_address_is_verified_as_one_and_does_not_stand_in_sni() {
    let (context, validation) = tls(&worker("https://[::1]:8443", 1));
    assert_eq!(context.sni, "");
    assert_eq!(verified_name(&validation), (SanType::IpAddress, "::1".to_owned()));
}

#[test]
fn a_worker_over_plain_http_has_no_tls() {
    assert!(cluster_of(&worker("http://worker.example", 1)).transport_socket.is_none());
}

#[test]
fn a_clusters_name_in_statistics_has_no_dots() {
    let cluster = cluster_of(&worker("http://10.0.0.1:9001", 1));
    assert_eq!(cluster.alt_stat_name, "http://10_0_0_1:9001");
}

#[test]
fn a_cluster_depends_on_everything_but_the_capacity() {
    let one = worker("http://a", 1);
    assert!(cluster::is_same(&one, &worker("http://a", 9)));
    assert_eq!(cluster::resource(&one), cluster::resource(&worker("http://a", 9)));
    let other = Worker { protocol: Protocol::Http2, ..one.clone() };
    assert!(!cluster::is_same(&one, &other));
    assert_ne!(cluster::resource(&one), cluster::resource(&other));
    let reused = Worker { connections: Some(Connections::Reuse), ..one.clone() };
    assert!(!cluster::is_same(&one, &reused));
    assert_ne!(cluster::resource(&one), cluster::resource(&reused));
    let spelled_out = Worker { connections: Some(Connections::PerRequest), ..one.clone() };
    assert!(cluster::is_same(&one, &spelled_out));
    assert_eq!(cluster::resource(&one), cluster::resource(&spelled_out));
}

#[test]
fn a_connection_serves_one_request_over_http1_and_many_over_http2_or_where_it_is_set() {
    let http1 = worker("http://a", 1);
    let http2 = Worker { protocol: Protocol::Http2, ..http1.clone() };
    let reused = Worker { connections: Some(Connections::Reuse), ..http1.clone() };
    let limit = |worker: &Worker| {
        let options = http_options(worker);
        let common = options.common_http_protocol_options.unwrap();
        (common.max_requests_per_connection.map(|limit| limit.value), options.http_filters.len())
    };
    assert_eq!(limit(&http1), (Some(1), 2));
    assert_eq!(limit(&http2), (None, 0));
    assert_eq!(limit(&reused), (None, 0));
}

fn http_options(worker: &Worker) -> HttpProtocolOptions {
    let [options] =
        &cluster_of(worker).typed_extension_protocol_options.into_values().collect::<Vec<_>>()[..]
    else {
        panic!("not one extension")
    };
    HttpProtocolOptions::decode(&*options.value).unwrap()
}

#[test]
fn a_path_prefix_is_added_only_for_pools_with_base_url_paths() {
    let plain = desired(1, &[("http://a", 1)]).pools;
    let with_path = desired(1, &[("http://a", 1), ("http://b/x", 1)]).pools;
    assert_eq!(actions(&plain, &[])[0].path_rewrite, "");
    assert!(!actions(&with_path, &[])[0].path_rewrite.is_empty());
    assert!(!actions(&plain, &[worker("http://b/x", 1)])[0].path_rewrite.is_empty(), "one drains");
}

#[test]
fn a_route_ends_neither_a_waiter_nor_a_long_silent_answer() {
    let mut pools = desired(1, &[("http://a", 1)]).pools;
    pools[0].free_worker_timeout = WaitDuration::from_ms(3_600_000);
    pools[0].answer_timeout = WaitDuration::from_ms(7_200_000);
    let [waiting, sent] = &actions(&pools, &[])[..] else { panic!("not two routes") };
    assert_eq!(seconds(&sent.timeout), 7_200);
    assert!(seconds(&waiting.idle_timeout) > 3_600);
    assert!(seconds(&sent.idle_timeout) > 7_200);
}

#[test]
fn internal_headers_are_removed_from_requests_and_answers() {
    let pools = desired(1, &[("http://a", 1)]).pools;
    let routes = RouteConfiguration::decode(&*body(&route::resource(&pools, &[])).value).unwrap();
    let [host] = &routes.virtual_hosts[..] else { panic!("not one virtual host") };
    for removed in [&host.request_headers_to_remove, &host.response_headers_to_remove] {
        assert_eq!(removed[..], ["x-slotway-worker", "x-slotway-wait-timeout-ms", "x-slotway-wait-ms"]);
    }
}

#[test]
fn envoy_ends_a_waiter_that_the_filter_does_not_end_soon_after_its_deadline() {
    let mut pools = desired(1, &[("http://a", 1)]).pools;
    pools[0].free_worker_timeout = WaitDuration::from_ms(30_000);
    let routes = RouteConfiguration::decode(&*body(&route::resource(&pools, &[])).value).unwrap();
    let waiting = &routes.virtual_hosts[0].routes[0];
    let [header] = &waiting.r#match.as_ref().unwrap().headers[..] else { panic!("not one header") };
    assert_eq!(header.name, "x-slotway-worker");
    assert_eq!(header.header_match_specifier, Some(HeaderMatchSpecifier::PresentMatch(false)));
    assert!((31..60).contains(&seconds(&actions(&pools, &[])[0].idle_timeout)));
}

#[test]
fn a_stalled_client_is_disconnected_even_with_a_short_answer_timeout() {
    let mut pools = desired(1, &[("http://a", 1)]).pools;
    pools[0].free_worker_timeout = WaitDuration::ZERO;
    pools[0].answer_timeout = WaitDuration::from_ms(1_000);
    let idle = seconds(&actions(&pools, &[])[1].idle_timeout);
    assert!((300..600).contains(&idle), "{idle} s");
}

#[test]
fn an_answer_without_a_time_limit_is_never_cut_off() {
    let mut pools = desired(1, &[("http://a", 1)]).pools;
    pools[0].answer_timeout = WaitDuration::ZERO;
    let action = &actions(&pools, &[])[1];
    assert_eq!((seconds(&action.timeout), seconds(&action.idle_timeout)), (0, 0));
    assert_eq!(seconds(&action.flush_timeout), i64::try_from(Duration::from_secs(300).as_secs()).unwrap());
}

#[test]
fn routes_are_in_match_order() {
    let mut pools = desired(1, &[]).pools;
    let mut first = pools[0].clone();
    first.name = "ocr".parse().unwrap();
    first.matches.prefix = "/ocr".to_owned();
    pools.insert(0, first);
    let routes = RouteConfiguration::decode(&*body(&route::resource(&pools, &[])).value).unwrap();
    let names: Vec<_> = routes.virtual_hosts[0].routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["ocr", "ocr", "main", "main"]);
}

#[test]
fn an_access_log_exists_only_if_configured_and_is_deterministic() {
    let mut settings = desired(1, &[]).listener;
    let without = listener::resource(&settings);
    settings.access_log = Some("/var/log/slotway.json".into());
    let with = listener::resource(&settings);
    assert_ne!(without, with);
    assert_eq!(with, listener::resource(&settings));
}

#[test]
fn the_filter_of_a_node_names_the_node_and_shares_the_long_part_with_all_others() {
    let urls: Vec<_> = (0..100).map(|number| format!("http://worker-{number}")).collect();
    let workers: Vec<_> = urls.iter().map(|url| (url.as_str(), 1)).collect();
    let desired = desired(7, &workers);
    let filter = Arc::new(Filter::new(&desired).unwrap());
    let of = |node: &str| filter.of(node);
    let config = |node: &str| {
        let extension = TypedExtensionConfig::decode(&*body(&of(node)).value).unwrap();
        let wasm = Wasm::decode(&*extension.typed_config.unwrap().value).unwrap();
        let json = StringValue::decode(&*wasm.config.unwrap().configuration.unwrap().value).unwrap();
        FilterConfig::from_json(json.value.as_bytes()).unwrap()
    };
    for node in ["one", "with \"quotes\""] {
        let config = config(node);
        assert_eq!((config.coordinator.as_str(), config.generation), (node, 7));
        assert_eq!(config.pools, desired.pools);
    }
    assert_eq!(of("one"), of("one"));
    assert_ne!(of("one"), of("two"));
    let (one, two) = (of("one").body(), of("two").body());
    assert_eq!(one.shared_part().as_ptr(), two.shared_part().as_ptr());
    assert!(one.shared_part().len() + 1_024 > one.to_vec().len());
}
