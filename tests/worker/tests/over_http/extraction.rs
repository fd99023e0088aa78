use serde_json::json;

use crate::running_worker::RunningWorker;

#[tokio::test]
async fn london_is_answered_to_the_letter() {
    let worker = RunningWorker::start("--name W1").await;
    let answer = worker.post("/extract", "text/plain", "Hello London!").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/vnd.ontotext.ces+json");
    assert_eq!(answer.header("x-worker"), "W1");
    let expected = concat!(
        r#"{"mentions":[{"name":"London","startOffset":6,"endOffset":12,"type":"Location","features":"#,
        r#"{"inst":"http://sws.geonames.org/2643743/","class":"http://schema.org/City","string":"London","id":1}}]}"#
    );
    assert_eq!(answer.body, expected);
    assert_eq!(worker.get("/extract?text=Hello%20London!").await.body, expected);
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served() {
    let worker = RunningWorker::start_http2("").await;
    let answer = worker.post("/extract", "text/plain", "Hello London!").await;
    assert_eq!(answer.mentions(), [("London".to_owned(), 6, 12)]);
}

#[tokio::test]
async fn people_organizations_and_places_are_told_apart_and_ids_count_up() {
    let worker = RunningWorker::start("").await;
    let text = "Ada Lovelace never worked for IBM in New York City.";
    let answer = worker.post("/extract", "text/plain", text).await;
    let features = |inst: &str, class: &str, string: &str, id| json!({ "inst": inst, "class": class, "string": string, "id": id });
    assert_eq!(
        answer.json()["mentions"],
        json!([
            { "name": "Ada Lovelace", "startOffset": 0, "endOffset": 12, "type": "Person",
              "features": features("http://www.wikidata.org/entity/Q7259", "http://schema.org/Person", "Ada Lovelace", 1) },
            { "name": "IBM", "startOffset": 30, "endOffset": 33, "type": "Organization",
              "features": features("http://www.wikidata.org/entity/Q37156", "http://schema.org/Organization", "IBM", 2) },
            { "name": "New York City", "startOffset": 37, "endOffset": 50, "type": "Location",
              "features": features("http://sws.geonames.org/5128581/", "http://schema.org/City", "New York City", 3) },
        ])
    );
}

#[tokio::test]
async fn the_longest_name_on_word_boundaries_is_found_at_offsets_in_characters() {
    let worker = RunningWorker::start("").await;
    let text = "日本🦀é: York, New York, New York City, Londonderry, São Paulo";
    let mentions = worker.post("/extract", "text/plain; charset=utf-8", text).await.mentions();
    let expected = [("York", 6, 10), ("New York", 12, 20), ("New York City", 22, 35), ("São Paulo", 50, 59)];
    assert_eq!(mentions, expected.map(|(name, start, end)| (name.to_owned(), start, end)));
}

#[tokio::test]
async fn html_is_read_without_its_tags_and_offsets_are_those_of_the_html() {
    let worker = RunningWorker::start("").await;
    let html = "<html><head><style>.London{}</style><script>var Paris</script></head><!-- Berlin -->\
                <body title='Rome'><p>Hello <b>London</b>, S&atilde;o Paulo &amp; New\n<i>York</i>!</p></body></html>";
    let mentions = worker.post("/extract", "text/html; charset=utf-8", html).await.mentions();
    let marked: Vec<&str> =
        mentions.iter().map(|(_, start, end)| &html[*start as usize..*end as usize]).collect();
    assert_eq!(marked, ["London", "S&atilde;o Paulo", "New\n<i>York"]);
    let names: Vec<&str> = mentions.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["London", "São Paulo", "New York"]);
}

#[tokio::test]
async fn html_sent_as_plain_text_is_plain_text() {
    let worker = RunningWorker::start("").await;
    let mentions = worker.post("/extract", "text/plain", "<!-- London -->").await.mentions();
    assert_eq!(mentions, [("London".to_owned(), 5, 11)]);
}

#[tokio::test]
async fn an_empty_text_has_no_mentions() {
    let worker = RunningWorker::start("").await;
    assert_eq!(worker.post("/extract", "text/plain", "").await.body, r#"{"mentions":[]}"#);
    assert_eq!(worker.get("/extract?text=").await.body, r#"{"mentions":[]}"#);
}

#[tokio::test]
async fn a_long_document_is_annotated_to_its_end() {
    let worker = RunningWorker::start("").await;
    let text = format!("{}London", "lorem ipsum é ".repeat(100_000));
    let mentions = worker.post("/extract", "text/plain", text).await.mentions();
    assert_eq!(mentions, [("London".to_owned(), 1_400_000, 1_400_006)]);
}

#[tokio::test]
async fn everything_is_served_under_the_base_path_too() {
    let worker = RunningWorker::start("--base-path /extractor-web --name W2").await;
    for prefix in ["", "/extractor-web"] {
        let answer = worker.post(&format!("{prefix}/extract"), "text/plain", "London").await;
        assert_eq!(answer.mentions().len(), 1, "{prefix}");
        assert_eq!(worker.get(&format!("{prefix}/healthz")).await.status, 200);
        for (told, status) in [("fail", 503), ("fail", 503), ("recover", 200)] {
            let path = format!("{prefix}/healthz/{told}");
            assert_eq!(worker.post(&path, "text/plain", "").await.status, 200);
            assert_eq!(worker.get(&format!("{prefix}/healthz")).await.status, status, "{told}");
        }
        let stats = worker.get(&format!("{prefix}/stats")).await.json();
        assert_eq!((&stats["worker"], &stats["pool_size"]), (&json!("W2"), &json!(1)));
    }
    let stats = worker.get("/stats").await.json();
    assert_eq!((&stats["total"], &stats["answered"], &stats["current"]), (&json!(2), &json!(2), &json!(0)));
    worker.get("/extractor-webs/healthz").await.assert_problem(404, "not_found");
}
