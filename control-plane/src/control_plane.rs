//! The parts put together: a control plane that serves REST and xDS.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, extract::DefaultBodyLimit, serve::ListenerExt};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_rustls::rustls::ServerConfig;

use crate::{
    agents::Agents,
    api::{self, ApiState},
    config::Config,
    error::Error,
    model::ListenerSettings,
    people::{AdminToken, People},
    reports::{REPORT_BYTES_MAX, Reports},
    store::{self, StoreSettings},
    watchdog::Watchdog,
    workers::{NOBODY_GRACE, Workers},
    xds::{
        Coordinators, Refusals, XdsServer, liveness,
        port::{self, Peer, Port},
    },
};

/// How often it is looked whether removed workers have drained; a report of a coordinator makes it look at once.
const SETTLE_EVERY: Duration = Duration::from_millis(250);

/// The ports of a control plane, taken before anything starts.
pub struct Ports {
    api: TcpListener,
    xds: TcpListener,
}

impl Ports {
    /// Takes the ports.
    ///
    /// # Errors
    /// [`Error::AddressTaken`], [`Error::Address`].
    pub fn take(config: &Config) -> Result<Self, Error> {
        Ok(Self { api: listen("api", config.api)?, xds: listen("xds", config.xds)? })
    }
}

/// Listens on an address, or says which setting to change.
///
/// # Errors
/// [`Error::AddressTaken`], [`Error::Address`].
pub fn listen(setting: &str, address: SocketAddr) -> Result<TcpListener, Error> {
    let setting = setting.to_owned();
    TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Error::AddressTaken { setting, address },
        _ => Error::Address { setting, address, reason: error.to_string() },
    })
}

/// A running control plane; dropping it stops it.
pub struct ControlPlane {
    /// The workers.
    pub workers: Arc<Workers>,
    /// The coordinators' figures.
    pub reports: Arc<Reports>,
    /// The coordinators' connections.
    pub coordinators: Arc<Coordinators>,
    /// What a change needs.
    pub token: Arc<AdminToken>,
    /// Where REST is served.
    pub api: SocketAddr,
    /// Where xDS is served.
    pub xds: SocketAddr,
    tasks: JoinSet<Result<(), Error>>,
}

impl ControlPlane {
    /// Loads the state and serves it. Nothing is answered before the state is loaded.
    ///
    /// # Errors
    /// [`Error`]: the state directory, the database, the stored workers.
    pub async fn start(config: &Config, filter_wasm: PathBuf, ports: Ports) -> Result<Self, Error> {
        let state = config.state_absolute().map_err(|error| Error::file(&config.state, error))?;
        let store = store::open(&config.store, &state).await?;
        let access = config.access()?;
        let tls = config.xds_tls.as_ref().map(port::tls).transpose()?;
        let token = Arc::new(AdminToken::load_or_create(&crate::config::token_path(&state))?);
        let reports = Arc::new(Reports::default());
        let access_log = config.access_log.as_ref().map(std::path::absolute).transpose();
        let listener = ListenerSettings {
            listen: config.listen,
            debug_headers: config.debug_headers,
            lane_lease: config.lane_lease,
            access_log: access_log.map_err(|error| Error::file("access_log", error))?,
            filter_wasm,
            groups: config.groups(),
            lanes: config.envoy.concurrency,
        };
        let agents = Arc::new(Agents::open(store.clone()).await?);
        let workers =
            Workers::open(Arc::clone(&store), Arc::clone(&reports), &config.pools, listener, NOBODY_GRACE)
                .await?;
        let workers = Arc::new(workers);
        let coordinators = Arc::new(Coordinators::new());
        let watchdog = Arc::<Watchdog>::default();

        let state = ApiState {
            agents: Arc::clone(&agents),
            workers: Arc::clone(&workers),
            store: Arc::clone(&store),
            reports: Arc::clone(&reports),
            coordinators: Arc::clone(&coordinators),
            watchdog: Arc::clone(&watchdog),
            people: Arc::new(People::new(Arc::clone(&token))),
        };
        let xds_router = XdsServer::new(workers.desired(), agents.told(), Arc::clone(&coordinators), access)
            .into_router(api::report_router(state.clone()).layer(DefaultBodyLimit::max(REPORT_BYTES_MAX)));
        let address = |listener: &TcpListener| {
            listener.local_addr().map_err(|error| system("reading a port's address", &error))
        };
        let (api, xds) = (address(&ports.api)?, address(&ports.xds)?);
        let mut tasks = JoinSet::new();
        // xDS first: the API's port tells that it is served.
        tasks.spawn(serve_xds(ports.xds, tls, Arc::clone(coordinators.refusals()), xds_router)?);
        tasks.spawn(serve(ports.api, api::router(state))?);
        tasks.spawn(settle(Arc::clone(&workers), Arc::clone(&coordinators)));
        tasks.spawn(follow(Arc::clone(&workers), agents));
        let is_shared = config.store != StoreSettings::Sqlite;
        let watched = Arc::clone(&workers);
        tasks.spawn(async move { watchdog.run(watched, store, is_shared).await });
        Ok(Self { workers, reports, coordinators, token, api, xds, tasks })
    }

    /// Waits until serving ends, which it does only on a failure.
    ///
    /// # Errors
    /// What ended it.
    pub async fn failed(&mut self) -> Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => system("serving", &error),
            Some(Ok(Ok(()))) | None => system("serving", &"it ended"),
        }
    }
}

fn system(doing: &'static str, reason: &dyn ToString) -> Error {
    Error::System { doing, reason: reason.to_string() }
}

/// Serves xDS, with or without TLS.
fn serve_xds(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    refusals: Arc<Refusals>,
    router: Router,
) -> Result<impl Future<Output = Result<(), Error>> + Send, Error> {
    let taken = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    let port = taken.and_then(|listener| Port::new(listener, tls, refusals));
    let port = port.map_err(|error| system("taking a port over", &error))?;
    let service = router.into_make_service_with_connect_info::<Peer>();
    Ok(async move { axum::serve(port, service).await.map_err(|error| system("serving", &error)) })
}

/// Serves HTTP/1.1, and HTTP/2 by prior knowledge, on a port.
fn serve(
    listener: TcpListener,
    router: Router,
) -> Result<impl Future<Output = Result<(), Error>> + Send, Error> {
    let taken = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    let listener = taken.map_err(|error| system("taking a port over", &error))?;
    // Small frames must not wait for one another: a change is to be in force within 100 ms.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
        let _ = liveness::watch(stream);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    Ok(async move { axum::serve(listener, service).await.map_err(|error| system("serving", &error)) })
}

async fn follow(workers: Arc<Workers>, agents: Arc<Agents>) -> Result<(), Error> {
    tokio::join!(workers.follow(), agents.follow());
    Ok(())
}

async fn settle(workers: Arc<Workers>, coordinators: Arc<Coordinators>) -> Result<(), Error> {
    let mut tick = tokio::time::interval(SETTLE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now = Instant::now();
        // An agent has no requests that a drain would have to wait for.
        let connected = coordinators.list().into_iter().filter(|status| !status.is_agent());
        workers.set_connected(connected.map(|status| status.node).collect(), now);
        if let Err(error) = workers.settle(now).await {
            // The worker drains a little longer; the next tick tries again.
            tracing::warn!("a removed worker cannot be let go: {error}");
        }
    }
}
