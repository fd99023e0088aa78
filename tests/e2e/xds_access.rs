//! Who may connect to xDS: certificates, tokens and groups, with a real Envoy.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use slotway_test_site::{
    Api, Arrivals, Authority, ClientLoad, SOON, ServedApart, Setup, TestProcess, TestWorker, fresh_address,
    get, send, until,
};

const TOKEN: &str = "0123456789-the-token-of-the-default-group";
/// How often a refused Envoy must have tried before what was logged of it is counted.
const TRIES: u64 = 4;

/// Certificates and tokens in files.
struct Keys {
    directory: TempDir,
    nodes: Authority,
}

impl Keys {
    fn new() -> Self {
        let keys = Self { directory: TempDir::new().unwrap(), nodes: Authority::generate() };
        let server = Authority::generate();
        server.write(&keys.file("server-ca.pem"));
        server.write_certificate("control.test", &keys.file("server.pem"), &keys.file("server.key"));
        keys.nodes.write(&keys.file("nodes-ca.pem"));
        keys.nodes.write_certificate("edge.test", &keys.file("edge.pem"), &keys.file("edge.key"));
        keys.nodes.write_certificate("other.test", &keys.file("other.pem"), &keys.file("other.key"));
        Authority::generate().write_certificate(
            "edge.test",
            &keys.file("forged.pem"),
            &keys.file("forged.key"),
        );
        std::fs::write(keys.file("token"), TOKEN).unwrap();
        keys
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn setup(&self, worker: &TestWorker, variant: &'static str) -> Setup {
        Setup::with(&[(worker, 2)])
            .xds_variant(variant)
            .top(
                "xds_tls",
                json!({
                    "certificate_file": self.file("server.pem"), "key_file": self.file("server.key"),
                    "client_ca_file": self.file("nodes-ca.pem"),
                }),
            )
            .top(
                "groups",
                json!([{ "name": "slotway", "token_file": self.file("token"), "certificate_names": ["edge.test"] }]),
            )
            .envoy(
                "tls",
                json!({
                    "ca_file": self.file("server-ca.pem"), "server_name": "control.test",
                    "certificate_file": self.file("edge.pem"), "key_file": self.file("edge.key"),
                }),
            )
    }
}

async fn nodes(api: &Api) -> BTreeSet<String> {
    let envoys = api.get("/coordinator/envoys").await.json();
    envoys.as_array().unwrap().iter().map(|envoy| envoy["node"].as_str().unwrap().to_owned()).collect()
}

/// A second Envoy, with ports of its own and whatever `edit` makes of its bootstrap.
fn intruder(slotway: &ServedApart, edit: impl Fn(&mut Value)) -> (TestProcess, std::net::SocketAddr) {
    let mut bootstrap = slotway.bootstrap(&["--node", "intruder"]);
    let admin = fresh_address();
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = json!(admin.port());
    edit(&mut bootstrap);
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    (slotway.start_envoy_with("intruder", &bootstrap, &arguments), admin)
}

/// How often it has tried to get a configuration.
async fn tries(admin: std::net::SocketAddr) -> Option<u64> {
    let stats = send(admin, get("/stats")).await.ok()?.text();
    let figure = |name: &str| stats.lines().find_map(|line| line.strip_prefix(name)?.parse::<u64>().ok());
    let of = "cluster.slotway_control_plane.";
    Some(figure(&format!("{of}upstream_rq_total: "))?.max(figure(&format!("{of}upstream_cx_total: "))?))
}

/// It tries again and again, is logged once with that reason, and is not let in.
async fn is_refused(slotway: &ServedApart, reason: &str, edit: impl Fn(&mut Value)) {
    let (_envoy, admin) = intruder(slotway, edit);
    until("it tries again", SOON * 3, async || tries(admin).await.filter(|tries| *tries >= TRIES)).await;
    let log = slotway.control_plane.output();
    let lines = log.lines().filter(|line| line.contains(reason)).count();
    assert_eq!(lines, 1, "{reason:?}\n{log}");
    assert!(!log.contains(TOKEN), "the token is in the log");
    assert_eq!(nodes(&slotway.api()).await, BTreeSet::from(["local".to_owned()]));
}

fn of_the_control_plane<'a>(bootstrap: &'a mut Value, path: &str) -> &'a mut Value {
    bootstrap["static_resources"]["clusters"][0].pointer_mut(path).unwrap()
}

async fn serves_who_shows_both_and_refuses_others(variant: &'static str) {
    let keys = Keys::new();
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    // It is up once the filter's reports arrive, which need the same as xDS.
    let slotway = ServedApart::start(&keys.setup(&worker, variant)).await;
    assert_eq!(slotway.get("/").await.status, 200);
    assert_eq!(slotway.api().get("/coordinator/envoys").await.json()[0]["protocol"], variant);
    let load = ClientLoad::start(slotway.address(), 4);

    let certificates = "/transport_socket/typed_config/common_tls_context/tls_certificates/0";
    let show = |bootstrap: &mut Value, name: &str| {
        let file = |end: &str| json!({ "filename": keys.file(&format!("{name}.{end}")) });
        *of_the_control_plane(bootstrap, certificates) =
            json!({ "certificate_chain": file("pem"), "private_key": file("key") });
    };
    is_refused(&slotway, "is not for this certificate", |bootstrap| show(bootstrap, "other")).await;
    is_refused(&slotway, "xDS connection refused", |bootstrap| show(bootstrap, "forged")).await;
    is_refused(&slotway, "no pool belongs to the group", |bootstrap| {
        bootstrap["node"]["cluster"] = json!("unknown");
    })
    .await;
    let http = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    is_refused(&slotway, "the token is not that of group", |bootstrap| {
        let token = &mut bootstrap["static_resources"]["secrets"][1]["generic_secret"]["secret"];
        token["inline_string"] = json!("Bearer of-another-group");
    })
    .await;
    is_refused(&slotway, "needs a token", |bootstrap| {
        of_the_control_plane(bootstrap, http).as_object_mut().unwrap().remove("http_filters");
    })
    .await;

    let metrics = slotway.api().get("/metrics").await.text();
    let counted = |reason: &str| {
        let start = format!("slotway_xds_refused_total{{reason=\"{reason}\"}} ");
        let number = metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("{start} is not in\n{metrics}"))
    };
    for (reason, refused) in [("certificate", 1), ("tls", 1), ("unknown_group", 1), ("token", 2)] {
        assert!(counted(reason) >= refused * (TRIES - 1), "{reason}\n{metrics}");
    }
    for reason in ["node_id_taken", "too_many_streams", "bad_request", "late", "report"] {
        assert_eq!(counted(reason), 0, "{reason}\n{metrics}");
    }
    load.finish().await.assert_all_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn incremental_serves_an_envoy_with_certificate_and_token_and_refuses_others_and_logs_them_once() {
    serves_who_shows_both_and_refuses_others("incremental").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_the_world_serves_an_envoy_with_certificate_and_token_and_refuses_others_and_logs_them_once()
{
    serves_who_shows_both_and_refuses_others("state-of-the-world").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_group_has_an_envoy_with_its_own_pools_alone() {
    let arrivals = Arrivals::default();
    let (w1, w2) = (TestWorker::start("W1", &arrivals).await, TestWorker::start("W2", &arrivals).await);
    let gpu = json!({ "name": "gpu", "match": { "prefix": "/gpu" },
        "workers": [{ "worker": w2.url(), "capacity": 1 }] });
    let setup = Setup::with(&[(&w1, 1)]).first_pool(gpu);
    let setup = setup.top("groups", json!([{ "name": "accelerated", "pools": ["gpu"] }]));
    let slotway = ServedApart::start_without_waiting(&setup).await;
    let api = slotway.api();
    let mut bootstrap = slotway.bootstrap(&["--node", "two", "--group", "accelerated"]);
    let admin = fresh_address();
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = json!(admin.port());
    let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
    let _two = slotway.start_envoy_with("two", &bootstrap, &arguments);
    until("both are there", SOON, async || (nodes(&api).await.len() == 2).then_some(())).await;
    let clusters = async |admin| {
        let text = send(admin, get("/clusters")).await.ok()?.text();
        let has = [w1.url(), w2.url()].map(|url| text.contains(&format!("{url}::")));
        (has != [false, false]).then_some(has)
    };
    assert_eq!(
        until("clusters", SOON, async || clusters(slotway.addresses().admin).await).await,
        [true, false]
    );
    assert_eq!(until("clusters", SOON, async || clusters(admin).await).await, [false, true]);
}
