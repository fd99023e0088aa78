//! The mistakes that can be made in the tour: each is answered with what was wrong and what to do.

use super::{STEP_WITHIN, demo, shell::DemoDirectory};

const WORKER: &str = "http://127.0.0.1:9001";

fn apply(name: &str, spec: &str) -> String {
    format!("slotway apply -f - <<END\nkind: Worker\nmetadata: {{ name: \"{name}\" }}\nspec: {spec}\nEND\n")
}

/// What is done, the exit code, and what the answer must say: what was wrong, and what to do.
fn table() -> Vec<(String, i32, Vec<&'static str>)> {
    let new = "http://127.0.0.1:9003";
    let line = |line: &str| line.to_owned();
    vec![
        // A URL that is none, or another one than it was meant to be.
        (apply("127.0.0.1:9003", "{ capacity: 1 }"), 2, vec!["127.0.0.1:9003", "http://"]),
        (apply("ftp://127.0.0.1:9003", "{ capacity: 1 }"), 2, vec!["ftp://127.0.0.1:9003", "http://"]),
        (
            line("slotway drain http://127.0.0.1:9OO1"),
            2,
            vec!["9OO1", "its port must be a number from 1 to 65535"],
        ),
        (
            line("slotway delete worker https://127.0.0.1:9001"),
            3,
            vec!["there is no worker", "Did you mean http://127.0.0.1:9001?"],
        ),
        (
            line("slotway get worker http://elsewhere:9001"),
            3,
            vec!["there is no worker", "Known: http://127.0.0.1:9001, http://127.0.0.1:9002"],
        ),
        // A pool that is not there.
        (
            apply(new, "{ pool: preanotation, capacity: 1 }"),
            2,
            vec!["-:3:", "no pool \"preanotation\"", "preannotation"],
        ),
        // A capacity that is none.
        (apply(new, "{ capacity: 0 }"), 2, vec!["-:3:", "capacity", "from 1 to 65535"]),
        (format!("slotway set capacity {WORKER} 0"), 2, vec!["0 is not in 1..=65535", "--help"]),
        (format!("slotway set capacity {WORKER} many"), 2, vec!["many", "--help"]),
        // A field that is not there, and YAML that is none.
        (apply(new, "{ capcity: 1 }"), 2, vec!["-:3:", "capcity", "capacity"]),
        (apply(new, "{ capacity: 1"), 2, vec!["-:"]),
        // The same twice: in one file, and one after the other.
        (
            format!(
                "{}---\nkind: Worker\nmetadata: {{ name: \"{new}\" }}\nspec: {{ capacity: 2 }}\nEND\n",
                apply(new, "{ capacity: 1 }").trim_end_matches("END\n")
            ),
            2,
            vec!["-:5:", "is already defined at -:1:1"],
        ),
        (
            apply(WORKER, "{ pool: preannotation, capacity: 3 }"),
            0,
            vec!["worker/http://127.0.0.1:9001 unchanged"],
        ),
        (
            format!("slotway drain {WORKER} && slotway drain {WORKER} && slotway uncordon {WORKER}"),
            0,
            vec!["uncordoned"],
        ),
        // Who one is.
        (
            format!("SLOTWAY_TOKEN=none-of-them slotway set capacity {WORKER} 4"),
            4,
            vec!["token is wrong", "admin-token"],
        ),
        (format!("cd envoy; slotway set capacity {WORKER} 4"), 4, vec!["token", "SLOTWAY_TOKEN"]),
        // Where the control plane is.
        (
            line("SLOTWAY_API= slotway get workers --api 127.0.0.1:1"),
            6,
            vec!["cannot connect", "Is the control plane running?", "slotway up -f FILE", "--api"],
        ),
        (line("slotway get workers --api https://127.0.0.1:8080"), 6, vec!["TLS"]),
        (line("slotway get workers -c nowhere.yaml"), 2, vec!["nowhere.yaml", "No such file"]),
        // A misspelt word.
        (format!("slotway drian {WORKER}"), 2, vec!["'drian'", "'drain'"]),
        (line("slotway get worker5"), 2, vec!["worker5", "workers, pools, policies"]),
        (line("slotway get workers -o tabel"), 2, vec!["'tabel'", "'table'"]),
        (line("slotway top --onec"), 2, vec!["'--onec'", "'--once'"]),
        // What cannot be done now.
        (line("slotway delete pool preannotation"), 5, vec!["preannotation", "workers"]),
        (line("slotway up -f envoy/demo.yaml"), 1, vec!["is already in use", "set `"]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mistake_in_the_tour_is_answered_with_what_to_do_and_changes_nothing() {
    let demo_directory = DemoDirectory::new();
    let path = "export PATH=\"$PWD/target/release:$PATH\"\n";
    // Before anything runs.
    let early = demo_directory.one(&format!("{path}slotway get workers"), STEP_WITHIN).await;
    assert_eq!(early.code, 6, "{early:?}");
    assert!(early.text.contains("Start it with `slotway up -f FILE`"), "{early:?}");

    let _demo = demo(&demo_directory).await;
    let workers = "slotway get workers -o yaml | grep -vE 'report_age_ms|resourceVersion'";
    let before = demo_directory.one(&format!("{path}{workers}"), STEP_WITHIN).await.text;
    let mut wrong = Vec::new();
    for (script, code, says) in table() {
        let said = demo_directory.one(&format!("{path}{script}"), STEP_WITHIN).await;
        let lacks: Vec<_> = says.iter().filter(|says| !said.text.contains(**says)).collect();
        if said.code != code || !lacks.is_empty() {
            wrong.push(format!("{script}\nis to end with {code} and lacks {lacks:?}:\n{said:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let after = demo_directory.one(&format!("{path}{workers}"), STEP_WITHIN).await.text;
    assert_eq!(before, after);
}
