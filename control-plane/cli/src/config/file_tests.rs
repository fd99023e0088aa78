use super::*;
use slotway_store::StoreSettings;

const RIGHT: &str = r#"listen: 127.0.0.1:10000
api: 127.0.0.1:8080
xds: 127.0.0.1:18000
envoy: { admin: 127.0.0.1:9901, concurrency: 2 }
state: .slotway
debug_headers: false
pools:
  - name: preannotation
    match: { prefix: / }
    free_worker_timeout: 30s
    max_waiting: 1024
    workers:
      - { worker: "http://127.0.0.1:9001", capacity: 3 }
"#;

fn parsed(yaml: &str) -> Result<Config, ConfigFileError> {
    parse(Path::new("f.yaml"), yaml)
}

#[test]
fn the_documented_file_is_right_and_says_the_same_as_the_defaults() {
    let config = parsed(RIGHT).unwrap();
    let short = parsed(
        "pools: [{ name: preannotation, workers: [{ worker: 'http://127.0.0.1:9001', capacity: 3 }] }]",
    );
    assert_eq!(short.unwrap(), config);
    assert_eq!(config.pools[0].workers[0].capacity.get(), 3);
    assert_eq!(config.api.port(), 8080);
}

#[test]
fn the_demo_file_is_right() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envoy/demo.yaml");
    let config = load(&demo).unwrap();
    let capacities: Vec<_> = config.pools[0].workers.iter().map(|worker| worker.capacity.get()).collect();
    assert_eq!(capacities, [3, 4]);
}

#[test]
fn settings_beyond_the_documented_ones_are_read() {
    let yaml = RIGHT
        .replace("debug_headers: false", "access_log: a.log")
        .replace("    max_waiting: 1024", "    abandoned_hold: 2s\n    answer_timeout: 0");
    let yaml = yaml.replace(r#"capacity: 3 }"#, "capacity: 3, protocol: http2 }");
    let config = parsed(&yaml).unwrap();
    assert_eq!(config.access_log, Some(PathBuf::from("a.log")));
    assert_eq!(config.pools[0].abandoned_hold.as_ms(), 2_000);
    assert_eq!(config.pools[0].answer_timeout.as_ms(), 0);
    assert_eq!(config.pools[0].workers[0].protocol, slotway_config::Protocol::Http2);
}

/// What is replaced in the right file, by what, where the error must be, and what it must say.
const WRONG: &[(&str, &str, (u64, u64), &str)] = &[
    ("listen:", "lisen:", (1, 1), "unknown field `lisen`"),
    ("concurrency: 2", "threads: 2", (4, 33), "unknown field `threads`"),
    ("max_waiting", "max_wating", (11, 5), "unknown field `max_wating`"),
    ("capacity: 3", "slots: 3", (13, 44), "unknown field `slots`"),
    ("127.0.0.1:10000", "127.0.0.1", (1, 9), "invalid socket address"),
    ("127.0.0.1:10000", "127.0.0.1:99999", (1, 9), "invalid socket address"),
    ("concurrency: 2", "concurrency: 0", (4, 46), "from 1 to 256"),
    ("debug_headers: false", "debug_headers: perhaps", (6, 16), "bool"),
    ("preannotation", "Pre Annotation", (8, 11), "is not a name for a pool"),
    ("prefix: /", "prefix: api", (9, 22), "is not a path prefix"),
    ("30s", "soon", (10, 26), "is not a duration"),
    ("30s", "-1s", (10, 26), "is not a duration"),
    ("30s", "30", (10, 26), "is not a duration"),
    ("30s", "8000h", (10, 26), "is too long: at most 7 days"),
    ("1024", "-1", (11, 18), "expected a whole number"),
    ("1024", "1000000", (11, 18), "at most 65536"),
    ("capacity: 3", "capacity: 0", (13, 54), "from 1 to 65535"),
    ("capacity: 3", "capacity: 65536", (13, 54), "from 1 to 65535"),
    ("concurrency: 2", "xds_variant: delta", (4, 46), "expected one of state-of-the-world, incremental"),
    ("concurrency: 2", "concurrency: two", (4, 46), "expected a whole number"),
    ("capacity: 3", "capacity: -3", (13, 54), "from 1 to 65535"),
    ("capacity: 3", "capacity: many", (13, 44), "a whole number from 1 to 65535"),
    ("capacity: 3", "capacity: 2.5", (13, 44), "a whole number from 1 to 65535"),
    (", capacity: 3", "", (13, 11), "missing field `capacity`"),
    ("http://127.0.0.1:9001", "127.0.0.1:9001", (13, 19), "must begin with http:// or https://"),
    ("http://127.0.0.1:9001", "http://h/?q=1", (13, 19), "a query or fragment cannot be part of it"),
    ("capacity: 3", "capacity: 3, tls: { sni: a }", (13, 62), "only an https worker can have TLS settings"),
    ("18000", "8080", (3, 6), "127.0.0.1:8080 is already the address of `api`"),
    ("8080", "0", (2, 6), "port 0"),
    ("debug_headers: false", "lane_lease: 10ms", (6, 13), "10ms is not from 1s to 1m"),
    ("debug_headers: false", "lane_lease: 1h", (6, 13), "1h is not from 1s to 1m"),
    ("debug_headers: false", "api: 127.0.0.1:1", (6, 1), "duplicate"),
    (
        "state: .slotway",
        "store: mysql://u:hush@h/d",
        (5, 8),
        "neither `sqlite` nor a URL that begins with postgres://",
    ),
    ("state: .slotway", "store: postgres://u:hush@h:port/d", (5, 8), "this is no URL of a database"),
    ("state: .slotway", "store: { url: postgres://h/d }", (5, 8), "expected string"),
    (
        "  - name",
        "  - { name: first }\n  - name",
        (10, 12),
        "two pools cannot have one match; the first is pools[0].match",
    ),
    (
        "  - name",
        "  - { name: preannotation, match: { prefix: /a } }\n  - name",
        (9, 11),
        "two pools cannot have one name",
    ),
    (
        "capacity: 3 }",
        "capacity: 3 }\n      - { worker: 'HTTP://127.0.0.1:9001/', capacity: 4 }",
        (14, 19),
        "the same worker cannot stand twice; the first is pools[0].workers[0].worker",
    ),
    ("pools:", "pools: []\nrest:", (8, 1), "unknown field `rest`"),
    ("api: 127.0.0.1", "api: 0.0.0.0", (2, 6), "can be reached from other machines"),
    ("xds: 127.0.0.1", "xds: 0.0.0.0", (3, 6), "can connect as an Envoy"),
    ("admin: 127.0.0.1", "admin: 0.0.0.0", (4, 17), "can stop Envoy"),
    ("debug_headers: false", "api_insecure: perhaps", (6, 15), "bool"),
    ("debug_headers: false", "anonymous_reads: 2", (6, 18), "bool"),
    ("debug_headers: false", "api_tls: { certificate_file: a }", (6, 12), "missing field `key_file`"),
    ("debug_headers: false", "api_limits: { burst: 0 }", (6, 22), "0 is not from 1"),
    ("debug_headers: false", "api_limits: { connections: 100000 }", (6, 28), "is not from 1 to 65536"),
    ("debug_headers: false", "api_limits: { rate: 1 }", (6, 15), "unknown field `rate`"),
    ("debug_headers: false", "oidc: { issuer: 'https://a' }", (6, 9), "missing field `client_id`"),
    (
        "debug_headers: false",
        "oidc: { issuer: 'http://a', client_id: b, redirect_url: 'https://c/api/v1/oidc/callback', role_claim: d, admin_values: [e] }",
        (6, 17),
        "must be an https:// URL",
    ),
];

#[test]
fn a_wrong_file_is_refused_with_line_column_and_reason() {
    let mut surprises = Vec::new();
    for (from, to, at, says) in WRONG {
        assert!(RIGHT.contains(from), "{from:?} is not in the right file");
        let error = parsed(&RIGHT.replacen(from, to, 1)).expect_err(to);
        let line = error.to_string();
        let at = format!("f.yaml:{}:{}: ", at.0, at.1);
        assert!(!line.contains("hush"), "{line}");
        if !line.starts_with(&at) || !error.reason.contains(says) || line.contains('\n') {
            surprises.push(format!("{to:?}: expected {at}..{says}.., got {line}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

/// What `groups` and what goes with them may not be: the lines, where the error must be, and what it must say.
const WRONG_GROUPS: &[(&str, (u64, u64), &str)] = &[
    ("groups: [{ name: '' }]", (1, 18), "1 to 256 visible ASCII characters"),
    ("groups: [{ name: 'a b' }]", (1, 18), "1 to 256 visible ASCII characters"),
    ("groups: [{ name: a }]", (1, 18), "group \"a\" has no pool"),
    ("groups: [{ name: a, pools: [other] }]", (1, 29), "there is no pool other"),
    ("groups: [{ name: a, pools: ['Not One'] }]", (1, 29), "is not a name for a pool"),
    ("groups: [{ name: a, pools: [preannotation] }, { name: a }]", (1, 55), "there is another group \"a\""),
    (
        "groups: [{ name: a, pools: [preannotation] }, { name: b, pools: [preannotation] }]",
        (1, 66),
        "pool preannotation is already in group \"a\"",
    ),
    ("groups: [{ name: a, pools: [preannotation] }, { name: slotway }]", (1, 55), "has no pool"),
    ("groups: [{ name: slotway, token: x }]", (1, 27), "unknown field `token`"),
    (
        "groups: [{ name: slotway, certificate_names: [edge] }]",
        (1, 46),
        "without `xds_tls.client_ca_file` Envoys have no certificates",
    ),
    ("xds_tls: { certificate_file: a }", (1, 12), "missing field `key_file`"),
    (
        "envoy: { tls: { ca_file: a, server_name: b, certificate_file: c } }",
        (1, 15),
        "give both a certificate and its key, or neither",
    ),
];

#[test]
fn wrong_groups_are_refused_with_line_column_and_reason() {
    let pools = "\npools: [{ name: preannotation, workers: [] }]";
    let mut surprises = Vec::new();
    for (lines, at, says) in WRONG_GROUPS {
        let error = parsed(&format!("{lines}{pools}")).expect_err(lines);
        if error.at != Some(*at) || !error.reason.contains(says) {
            surprises.push(format!("{lines:?}: expected {at:?} {says}, got {error}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn groups_have_their_pools_and_the_rest_is_the_default_group() {
    let config = parsed(
        "groups: [{ name: gpu, pools: [training], token_file: t, certificate_names: [edge] }, { name: slotway }]\n\
         xds_tls: { certificate_file: c, key_file: k, client_ca_file: a }\n\
         pools: [{ name: training, match: { prefix: /t }, workers: [] }, { name: ocr, workers: [] }]",
    )
    .unwrap();
    let groups = config.groups();
    assert_eq!((groups.of(&config.pools[0].name), groups.of(&config.pools[1].name)), ("gpu", "slotway"));
}

#[test]
fn a_file_without_a_token_is_refused_and_what_it_holds_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let mut config = parsed("groups: [{ name: slotway }]\npools: [{ name: p, workers: [] }]").unwrap();
    config.groups[0].token_file = Some(file.clone());
    assert!(config.access().unwrap_err().to_string().contains("token"));
    for wrong in ["", "short", "with a space in the middle", &"x".repeat(1_025)] {
        std::fs::write(&file, wrong).unwrap();
        let error = config.access().unwrap_err().to_string();
        assert!(error.contains("holds no token") && (wrong.is_empty() || !error.contains(wrong)), "{error}");
    }
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    config.access().unwrap();
}

#[test]
fn the_store_is_sqlite_unless_a_postgresql_database_is_named() {
    assert_eq!(parsed(RIGHT).unwrap().store, StoreSettings::Sqlite);
    assert_eq!(parsed(&format!("{RIGHT}store: sqlite\n")).unwrap().store, StoreSettings::Sqlite);
    let config = parsed(&format!("{RIGHT}store: postgres://u:hush@h/d\n")).unwrap();
    let StoreSettings::Postgres(url) = &config.store else { panic!("{config:?}") };
    assert_eq!(url.to_string(), "postgres://u@h:5432/d");
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn a_file_without_pools_is_refused() {
    let error = parsed("listen: 127.0.0.1:1\n").unwrap_err();
    assert!(error.reason.contains("missing field `pools`"), "{error}");
    let error = parsed("pools: []\n").unwrap_err();
    assert_eq!((error.at, error.reason.as_str()), (Some((1, 8)), "pools: at least one pool is required"));
}

#[test]
fn text_that_is_no_yaml_is_refused_with_its_place() {
    let error = parsed("pools:\n  - name: [a\nlisten: 1\n").unwrap_err();
    assert!(error.at.is_some(), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load(Path::new("no-such-file.yaml")).unwrap_err();
    assert!(error.to_string().starts_with("no-such-file.yaml: cannot be read"), "{error}");
}

#[test]
fn a_quarter_of_ten_thousand_workers_is_a_right_file() {
    let worker = |number| format!("      - {{ worker: 'http://w{number}:80', capacity: 10 }}\n");
    let many: String = (0..2_500).map(worker).collect();
    let yaml = RIGHT.lines().take(12).map(|line| format!("{line}\n")).collect::<String>() + &many;
    assert_eq!(parsed(&yaml).unwrap().pools[0].workers.len(), 2_500);
}
