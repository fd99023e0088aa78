use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use slotway::{
    config::Config,
    control_plane::{ControlPlane, Ports},
};
use tempfile::TempDir;

/// A control plane with its own ports and state directory.
pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    file: String,
    pub(crate) control_plane: ControlPlane,
}

/// The time limit for a condition; far more than any condition needs.
pub(crate) const WITHIN: std::time::Duration = std::time::Duration::from_secs(60);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

pub(crate) const FILE: &str = r#"{
    "pools": [
        { "name": "preannotation", "workers": [
            { "worker": "http://127.0.0.1:9001", "capacity": 3 },
            { "worker": "http://127.0.0.1:9002", "capacity": 4 }
        ] },
        { "name": "ocr", "match": { "prefix": "/ocr" } }
    ]
}"#;

pub(crate) async fn start(directory: &TempDir) -> Result<ControlPlane, slotway::CliError> {
    start_with(directory, FILE).await
}

async fn start_with(directory: &TempDir, file: &str) -> Result<ControlPlane, slotway::CliError> {
    let mut config: Config = serde_json::from_str(file).unwrap();
    config.api.set_port(0);
    config.xds.set_port(0);
    config.state = directory.path().join("state");
    ControlPlane::start(&config, "/filter.wasm".into(), Ports::take(&config)?).await
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), FILE).await
    }

    /// Starts a control plane with this configuration file.
    pub(crate) async fn with(directory: TempDir, file: &str) -> Self {
        let control_plane = start_with(&directory, file).await.unwrap();
        Self { directory, file: file.to_owned(), control_plane }
    }

    /// Wraps a running control plane.
    pub(crate) fn of(directory: TempDir, control_plane: ControlPlane) -> Self {
        Self { directory, file: FILE.to_owned(), control_plane }
    }

    /// Stops the control plane and starts it again, like a restart of the process.
    pub(crate) async fn restarted(self) -> Self {
        let Self { directory, file, control_plane } = self;
        drop(control_plane);
        // The old tasks release the database only once the runtime polls them.
        let control_plane = loop {
            match start_with(&directory, &file).await {
                Ok(control_plane) => break control_plane,
                Err(error) if error.to_string().contains("another slotway") => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        Self { directory, file, control_plane }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// Posts a list of workers with the token.
    pub(crate) async fn post(&self, body: &str) -> Answer {
        let authorization = self.control_plane.token.authorization();
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        self.send(Method::POST, "/coordinator/workers", &headers, body).await
    }

    /// Deletes a worker with the token.
    pub(crate) async fn delete(&self, worker: &str) -> Answer {
        let authorization = self.control_plane.token.authorization();
        let path = format!("/coordinator/workers?worker={worker}");
        self.send(Method::DELETE, &path, &[("authorization", &authorization)], "").await
    }

    /// Sends a request with the admin token and a JSON body.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask_with(method, path, &[], body).await
    }

    /// Like [`Self::ask`], with further headers.
    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let authorization = self.control_plane.token.authorization();
        let mut all = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        all.extend(headers);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method.parse().unwrap(), path, &all, &body).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        send(self.control_plane.api, method, path, headers, body).await
    }

    /// Sends a report to the xDS port, as the Envoy of its coordinator does.
    pub(crate) async fn report(&self, report: &Value) -> Answer {
        self.report_with(report, &[]).await
    }

    /// Like [`Self::report`], for a task of its own.
    pub(crate) fn sending(&self, report: &Value) -> impl Future<Output = Answer> + Send + use<> {
        let node = report["coordinator"].as_str().unwrap().to_owned();
        let key = self.control_plane.node_keys.of(&node);
        let (xds, report) = (self.control_plane.xds, report.to_string());
        async move {
            let headers = [
                ("content-type", "application/json"),
                ("x-slotway-node", &node),
                ("x-slotway-node-key", key.header_value()),
            ];
            send(xds, Method::POST, "/coordinator/report", &headers, &report).await
        }
    }

    /// Like [`Self::report`], with further headers.
    pub(crate) async fn report_with(&self, report: &Value, headers: &[(&str, &str)]) -> Answer {
        let node = report["coordinator"].as_str().unwrap_or("envoy");
        let key = self.control_plane.node_keys.of(node);
        let mut all = vec![("content-type", "application/json")];
        all.extend([("x-slotway-node", node), ("x-slotway-node-key", key.header_value())]);
        all.extend(headers);
        send(self.control_plane.xds, Method::POST, "/coordinator/report", &all, &report.to_string()).await
    }

    /// Returns URL and capacity of each worker.
    pub(crate) async fn workers(&self) -> Vec<(String, u64)> {
        let answer = self.get("/coordinator/workers").await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.capacities()
    }
}

impl Answer {
    pub(crate) fn capacities(&self) -> Vec<(String, u64)> {
        let row =
            |row: &Value| (row["worker"].as_str().unwrap().to_owned(), row["capacity"].as_u64().unwrap());
        self.body.as_array().unwrap().iter().map(row).collect()
    }

    /// Returns the version, which the `ETag` repeats.
    pub(crate) fn version(&self) -> String {
        let version = self.body["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        assert_eq!(self.headers[header::ETAG], format!("\"{version}\""));
        version
    }

    /// Returns the type of the problem (RFC 9457), without the common prefix.
    pub(crate) fn problem(&self) -> &str {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(self.body["status"], self.status.as_u16());
        self.body["type"].as_str().unwrap().strip_prefix("urn:slotway:problem:").unwrap()
    }
}

/// Returns the path of a worker's resource.
pub(crate) fn worker_path(url: &str) -> String {
    let name: String = url
        .bytes()
        .map(|byte| match byte {
            b':' | b'/' | b'%' => format!("%{byte:02X}"),
            byte => char::from(byte).to_string(),
        })
        .collect();
    format!("/api/v1/workers/{name}")
}

pub(crate) async fn send(
    to: std::net::SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("http://{to}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let response = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
    Answer { status: parts.status, headers: parts.headers, body }
}
