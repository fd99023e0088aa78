//! The filter configuration's table of bad inputs: each is refused, and the reason says what is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]

use slotway_config::FilterConfig;

/// Returns a configuration with one pool, whose fields are given.
fn pool(fields: &str) -> String {
    format!(r#"{{"generation":1,"pools":[{{"name":"p",{fields}}}]}}"#)
}

/// Returns a configuration with one worker of capacity 1.
fn worker(url: &str) -> String {
    pool(&format!(r#""workers":[{{"worker":"{url}","capacity":1}}]"#))
}

fn refusal(json: &str) -> String {
    match FilterConfig::from_json(json.as_bytes()) {
        Ok(config) => panic!("accepted {json}: {config:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_invalid_configuration_is_refused_with_its_reason() {
    let two = |a: &str, b: &str| format!(r#"{{"generation":1,"pools":[{a},{b}]}}"#);
    let table = [
        (String::new(), "EOF"),
        ("{".to_owned(), "EOF"),
        ("[]".to_owned(), "invalid length 0"),
        (r#"{"pools":[]}"#.to_owned(), "missing field `generation`"),
        (r#"{"generation":0,"pools":[]}"#.to_owned(), "generation: it must be at least 1"),
        (r#"{"generation":-1,"pools":[]}"#.to_owned(), "invalid value: integer `-1`"),
        (r#"{"generation":1,"pools":[],"colour":1}"#.to_owned(), "unknown field `colour`"),
        (pool(r#""colour":1"#), "unknown field `colour`"),
        (r#"{"generation":1,"pools":[{"name":"P"}]}"#.to_owned(), "is not a name for a pool"),
        (r#"{"generation":1,"pools":[{"name":""}]}"#.to_owned(), "is not a name for a pool"),
        (r#"{"generation":1,"pools":[{"name":"1st"}]}"#.to_owned(), "beginning with a letter"),
        (pool(r#""match":{"prefix":"x"}"#), "must begin with /"),
        (pool(r#""match":{"prefix":"/a?b"}"#), "is not a path prefix"),
        (pool(r#""match":{}"#), "missing field `prefix`"),
        (pool(r#""free_worker_timeout":"30"#), "EOF"),
        (pool(r#""free_worker_timeout":"30""#), "is not a duration"),
        (pool(r#""free_worker_timeout":"s""#), "is not a duration"),
        (pool(r#""free_worker_timeout":"-1s""#), "is not a duration"),
        (pool(r#""free_worker_timeout":"1.5s""#), "is not a duration"),
        (pool(r#""free_worker_timeout":5"#), "is not a duration"),
        (pool(r#""free_worker_timeout":"8d""#), "is not a duration"),
        (pool(r#""free_worker_timeout":"169h""#), "is too long: at most 7 days"),
        (pool(r#""free_worker_timeout":"99999999999999999999s""#), "is too long"),
        (pool(r#""max_waiting":-1"#), "invalid value"),
        (pool(r#""max_waiting":65537"#), "max_waiting 65537 is too large"),
        (pool(r#""workers":[{"worker":"http://w"}]"#), "missing field `capacity`"),
        (pool(r#""workers":[{"capacity":1}]"#), "missing field `worker`"),
        (pool(r#""workers":[{"worker":"http://w","capacity":0}]"#), "capacity 0 is out of range"),
        (pool(r#""workers":[{"worker":"http://w","capacity":65536}]"#), "capacity 65536 is out of range"),
        (pool(r#""workers":[{"worker":"http://w","capacity":-3}]"#), "capacity -3 is out of range"),
        (pool(r#""workers":[{"worker":"http://w","capacity":1.5}]"#), "a whole number from 1 to 65535"),
        (pool(r#""workers":[{"worker":"http://w","capacity":"3"}]"#), "a whole number from 1 to 65535"),
        (worker("w"), "it must begin with http:// or https://"),
        (worker("ftp://w"), "it must begin with http:// or https://"),
        (worker("http://"), "its host is not a name or an address"),
        (worker("http://w:0"), "its port must be a number from 1 to 65535"),
        (worker("http://w:65536"), "its port must be a number from 1 to 65535"),
        (worker("http://w:"), "its port must be a number from 1 to 65535"),
        (worker("http://-w"), "its host is not a name or an address"),
        (worker("http://1.2.3"), "its host is not a name or an address"),
        (worker("http://[::1"), "its"),
        (worker("http://[1.2.3.4]"), "its host is not a name or an address"),
        (worker("http://user:pw@w"), "user and password cannot be part of it"),
        (worker("http://w/a?b"), "a query or fragment cannot be part of it"),
        (worker("http://w/a#b"), "a query or fragment cannot be part of it"),
        (worker("http://w/a b"), "it has spaces"),
        (worker("http://w/../b"), "its path has an empty, . or .. segment"),
        (worker("http://w//b"), "its path has an empty, . or .. segment"),
        (worker(&format!("http://w/{}", "a".repeat(1_024))), "it is longer than 1024 bytes"),
        (two(r#"{"name":"p"}"#, r#"{"name":"p"}"#), "pools[1].name: two pools cannot have one name"),
        (two(r#"{"name":"p"}"#, r#"{"name":"q"}"#), "pools[1].match: two pools cannot have one match"),
        (
            pool(r#""workers":[{"worker":"http://W:80/","capacity":1},{"worker":"http://w","capacity":2}]"#),
            "pools[0].workers[1].worker: the same worker cannot stand twice; the first is pools[0].workers[0].worker",
        ),
        (
            pool(r#""workers":[{"worker":"http://w","capacity":1,"tls":{"sni":"w"}}]"#),
            "pools[0].workers[0].tls: only an https worker can have TLS settings",
        ),
        (
            pool(
                r#""workers":[{"worker":"http://a","capacity":65535},{"worker":"http://b","capacity":65535},{"worker":"http://c","capacity":65535},{"worker":"http://d","capacity":65535},{"worker":"http://e","capacity":65535}]"#,
            ),
            "slots in one pool are too many",
        ),
    ];
    for (json, reason) in table {
        let refusal = refusal(&json);
        assert!(refusal.contains(reason), "{json}\n  says {refusal:?}\n  and not {reason:?}");
    }
}

#[test]
fn a_wrong_value_is_named_with_line_and_column() {
    let json = "{\n  \"generation\": 1,\n  \"pools\": [{\"name\": \"p\", \"max_waiting\": \"many\"}]\n}";
    assert!(refusal(json).contains("line 3 column"), "{}", refusal(json));
}
