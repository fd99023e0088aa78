use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode},
    middleware::map_response,
    response::Response,
    routing::{get, post},
    serve::ListenerExt,
};
use serde::Serialize;
use tokio::{net::TcpListener, sync::oneshot, time::sleep};

use crate::{
    Annotator, Counts, Options, Stats, WorkerError, entities,
    extract::{Extractor, extract},
    health::Health,
    pool::Pool,
    problem::Problem,
};

/// The time limit for running requests during the shutdown.
const STOP_WAIT: Duration = Duration::from_secs(3);

/// The header of answers with the worker's name.
pub const NAME_HEADER: &str = "x-worker";

/// A listening worker.
#[derive(Debug)]
pub struct WorkerServer {
    listener: TcpListener,
    address: SocketAddr,
    stats: Stats,
    router: Router,
}

/// The worker's identity for `/stats`.
#[derive(Debug, Clone)]
struct Identity {
    name: String,
    pool_size: u32,
    stats: Stats,
}

impl WorkerServer {
    /// Loads the gazetteer and listens. Connections wait until [`Self::serve`] accepts them.
    ///
    /// # Errors
    /// [`WorkerError::Listen`] if the address is taken or invalid; the gazetteer's errors.
    pub async fn bind(options: &Options) -> Result<Self, WorkerError> {
        let annotator = Arc::new(Annotator::new(entities()?)?);
        let listen = |source: io::Error| WorkerError::Listen { address: options.listen.clone(), source };
        let listener = TcpListener::bind(&options.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let stats = Stats::default();
        let router = router(options, annotator, &stats);
        Ok(Self { listener, address, stats, router })
    }

    /// Returns the address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.clone()
    }

    /// Serves HTTP/1.1 and HTTP/2 (prior knowledge) until `stop` is ready. Running requests then have 3 s to end.
    ///
    /// # Errors
    /// [`WorkerError::System`] if the socket fails.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), WorkerError> {
        let (stopping, stopped) = oneshot::channel::<()>();
        // With Nagle's algorithm a small answer would wait for the acknowledgement of the previous one.
        let listener = self.listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let served = axum::serve(listener, self.router).with_graceful_shutdown(async move {
            stop.await;
            let _ = stopping.send(());
        });
        let waited_enough = async {
            match stopped.await {
                Ok(()) => sleep(STOP_WAIT).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            served = served => served.map_err(WorkerError::System),
            () = waited_enough => Ok(()),
        }
    }
}

fn router(options: &Options, annotator: Arc<Annotator>, stats: &Stats) -> Router {
    let extractor = Arc::new(Extractor {
        annotator,
        pool: Pool::new(options.pipeline_pool_max_size, options.queued_max, stats.clone()),
        stats: stats.clone(),
        delay: options.delay.as_duration(),
        body_bytes_max: options.body_bytes_max,
    });
    let identity = Identity {
        name: options.name.clone(),
        pool_size: options.pipeline_pool_max_size,
        stats: stats.clone(),
    };
    let served = Router::new()
        .route("/extract", get(extract).post(extract))
        .with_state(extractor)
        .route("/stats", get(show_stats))
        .route("/stats/reset", post(reset_stats))
        .with_state(identity)
        .route("/healthz", get(async |State(health): State<Health>| health.answer()))
        .route("/healthz/fail", post(async |State(health): State<Health>| set_health(&health, true)))
        .route("/healthz/recover", post(async |State(health): State<Health>| set_health(&health, false)))
        .with_state(Health::default())
        .method_not_allowed_fallback(async || {
            let detail = "this path does not take this method; the header allow says which it does";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", detail)
        });
    let mut router = served.clone();
    if let Some(base_path) = &options.base_path {
        router = router.nest(base_path, served);
    }
    // The options validate the name. An invalid header value is omitted.
    let name = HeaderValue::from_str(&options.name).ok();
    router
        .fallback(async || {
            let detail =
                "there is nothing here; try POST /extract, GET /extract?text=, GET /stats or GET /healthz";
            Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
        })
        .layer(map_response(move |mut response: Response| {
            if let Some(name) = &name {
                response.headers_mut().insert(NAME_HEADER, name.clone());
            }
            std::future::ready(response)
        }))
}

/// Sets whether `GET /healthz` fails, and returns its new answer.
fn set_health(health: &Health, fails: bool) -> &'static str {
    health.set(fails);
    health.answer().1
}

/// The answer to `GET /stats`.
#[derive(Serialize)]
struct ShownStats {
    worker: String,
    pool_size: u32,
    #[serde(flatten)]
    counts: Counts,
}

async fn show_stats(State(identity): State<Identity>) -> Json<ShownStats> {
    let Identity { name, pool_size, stats } = identity;
    Json(ShownStats { worker: name, pool_size, counts: stats.counts() })
}

async fn reset_stats(State(identity): State<Identity>) -> Json<ShownStats> {
    identity.stats.reset_highest();
    show_stats(State(identity)).await
}
