use serde_json::json;

use super::*;

const TWO: &str = "\
# A pool, and a worker of it.
kind: Pool
metadata: { name: ocr }
spec:
  match:
    prefix: /ocr
---
kind: Worker
metadata:
  name: http://127.0.0.1:9001
  labels: { gpu: a100 }
spec: { pool: ocr, capacity: 3, slow_start: 30s, cordoned: false }
status: { state: active }
";

#[test]
fn documents_are_read_with_the_place_of_each_field() {
    let items = parse(Path::new("two.yaml"), TWO).unwrap();
    let words: Vec<_> = items.iter().map(Item::in_words).collect();
    assert_eq!(words, ["pool ocr", "worker http://127.0.0.1:9001"]);
    assert_eq!(
        items[1].value,
        json!({
            "kind": "Worker",
            "metadata": { "name": "http://127.0.0.1:9001", "labels": { "gpu": "a100" } },
            "spec": { "pool": "ocr", "capacity": 3, "slow_start": "30s", "cordoned": false }
        }),
        "status is nothing that can be wanted"
    );
    for (item, field, place) in [
        (0, "spec.match.prefix", "two.yaml:6:13"),
        (0, "spec.match.nothing", "two.yaml:6:5"),
        (1, "", "two.yaml:8:1"),
        (1, "spec.capacity", "two.yaml:12:30"),
        (1, "metadata.labels.gpu", "two.yaml:11:18"),
    ] {
        assert_eq!(items[item].location(field), place, "{field}");
    }
}

#[test]
fn lists_are_taken_apart_and_json_is_read_too() {
    let list = r#"{"kind":"WorkerList","resourceVersion":"7","items":[{"kind":"Worker","metadata":{"name":"http://a"},
	"spec":{}},{"kind":"Worker","metadata":{"name":"http://b"},"spec":{}}]}"#;
    let items = parse(Path::new("w.json"), list).unwrap();
    assert_eq!(items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["http://a", "http://b"]);
    assert_eq!(items[1].location("spec"), "w.json:2:68");
    assert!(parse(Path::new("-"), "---\n---\n").unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, told) in [
        ("kind: Worker\nmetadata: {name: [", "f.yaml:2:"),
        ("kind: Worker\n  spec: 1\n", "f.yaml:2:"),
        ("just text", "f.yaml:1:1: expected a resource"),
        (
            "metadata: {}\n",
            "f.yaml:1:1: `kind` is missing. Possible: Worker, Pool, Policy, Server, ServerLimits, ResourceProfile, BackupJob",
        ),
        ("spec: {}\nkind: 7\n", "f.yaml:2:7: `kind` must be one of"),
        (
            "spec: {}\nkind: User\n",
            "f.yaml:2:7: \"User\" cannot be applied. Possible: Worker, Pool, Policy, Server, ServerLimits, ResourceProfile, BackupJob",
        ),
        ("kind: Worker\nspec: {}\n", "f.yaml:1:1: `metadata.name` must be the name of the worker"),
        (
            "kind: Worker\nmetadata:\n  name: 7\n",
            "f.yaml:3:9: `metadata.name` must be the name of the worker",
        ),
        ("kind: WorkerList\n", "f.yaml:1:1: a WorkerList must have `items`"),
        ("kind: Pool\nkind: Worker\n", "f.yaml:2:1"),
        ("kind: Pool\nmetadata: { name: a, name: b }\n", "f.yaml:2:"),
    ] {
        let error = parse(Path::new("f.yaml"), text).unwrap_err();
        assert!(error.to_string().starts_with(told), "{text:?}: {error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn a_directory_is_read_in_the_order_of_its_files_and_nothing_stands_in_it_twice() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("b.yaml", "kind: Worker\nmetadata: { name: http://b }\nspec: {}\n");
    write("a.json", r#"{"kind":"Pool","metadata":{"name":"a"},"spec":{}}"#);
    write("notes.txt", "not looked at");
    let paths = [directory.path().to_owned()];
    let words = |items: Vec<Item>| items.iter().map(Item::in_words).collect::<Vec<_>>();
    assert_eq!(words(read(&paths).unwrap()), ["pool a", "worker http://b"]);

    write("c.yml", "kind: Worker\nmetadata: { name: http://b }\nspec: {}\n");
    let twice = read(&paths).unwrap_err().to_string();
    assert!(
        twice.contains("c.yml:1:1: worker http://b is already defined at") && twice.contains("b.yaml:1:1"),
        "{twice}"
    );

    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(read(&[nothing.path().to_owned()]), Err(CliError::Usage(_))));
    let missing = read(&[nothing.path().join("missing.yaml")]).unwrap_err();
    assert!(missing.to_string().contains("missing.yaml: cannot be read"), "{missing}");
}
