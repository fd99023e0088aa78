//! The parts put together: a control plane that serves REST and xDS.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus_client::metrics::{family::Family, gauge::Gauge};
use slotway_backups::Backups;
use slotway_identity::{AdminToken, IdentityService, oidc::Oidc};
use slotway_servers::{Servers, WorkerDirectory};
use slotway_store::Resources;
use slotway_watchdog::Watchdog;
use slotway_xds::XdsServer;
use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

use crate::agents;
use crate::commands::CliError;
use crate::config::{ApiTls, Config, OidcSettings, XdsTls};
use crate::observations::ReportsAndHeartbeats;
use crate::reload::Reloadable;
use crate::watched_pools::WatchedPools;
use slotway_api::{ApiPort, ApiState, RateLimits, Rates, ResourceRegistry};
use slotway_coordinators::{CoordinatorSource, Coordinators, CoordinatorsError, NodeKeys, Reports};
use slotway_pools::{DISCONNECTED_GRACE, Pools, PoolsSettings};
use slotway_runtime::{Clock, Phase, Reloads, Stopping};
use slotway_store::StoreSettings;

/// The interval of the check whether removed workers have drained. A report of a coordinator triggers the check at
/// once.
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
    /// [`CliError::AddressTaken`], [`CliError::Address`].
    pub fn take(config: &Config) -> Result<Self, CliError> {
        Ok(Self { api: listen("api", config.api)?, xds: listen("xds", config.xds)? })
    }
}

/// Listens on an address. The error names the setting to change.
///
/// # Errors
/// [`CliError::AddressTaken`], [`CliError::Address`].
pub fn listen(setting: &str, address: SocketAddr) -> Result<TcpListener, CliError> {
    let setting = setting.to_owned();
    TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => CliError::AddressTaken { setting, address },
        _ => CliError::Address { setting, address, reason: error.to_string() },
    })
}

/// A running control plane; [`Self::finish`] ends it in order, dropping it at once.
pub struct ControlPlane {
    /// The workers.
    pub workers: Arc<Pools>,
    /// The coordinators' figures.
    pub reports: Arc<Reports>,
    /// The coordinators' connections.
    pub coordinators: Arc<Coordinators>,
    /// The admin token.
    pub token: Arc<AdminToken>,
    /// The keys of the nodes.
    pub node_keys: Arc<NodeKeys>,
    /// Where REST is served.
    pub api: SocketAddr,
    /// Where xDS is served.
    pub xds: SocketAddr,
    /// The progress of the shutdown.
    pub stopping: Stopping,
    /// The settings that a reload can change.
    pub(crate) reloadable: Reloadable,
    tasks: JoinSet<Result<(), CliError>>,
}

impl ControlPlane {
    /// Loads the state and serves it. Nothing is answered before the state is loaded.
    ///
    /// # Errors
    /// [`CliError`]: the state directory, the database, the stored workers.
    pub async fn start(config: &Config, filter_wasm: PathBuf, ports: Ports) -> Result<Self, CliError> {
        let exposed = |(setting, reason)| CliError::Setting { setting, reason };
        config.check_exposure().map_err(exposed)?;
        let state = config.state_absolute().map_err(|error| CliError::file(&config.state, error))?;
        let store = slotway_store::open(&config.store, &state, &crate::kinds::ALL).await?;
        let (access, let_in) = watch::channel(Arc::new(config.access()?));
        let (xds_tls, live_tls) =
            config.xds_tls.as_ref().map(XdsTls::server).transpose()?.map(watch::channel).unzip();
        let (api_tls, api_live_tls) =
            config.api_tls.as_ref().map(ApiTls::server).transpose()?.map(watch::channel).unzip();
        let oidc = config.oidc.as_ref().map(OidcSettings::provider).transpose()?;
        let oidc = oidc.map(Oidc::new).transpose()?;
        let token = Arc::new(AdminToken::load_or_create(&crate::config::token_path(&state))?);
        let node_keys = Arc::new(config.node_keys()?);
        for warning in config.warnings() {
            tracing::warn!(reason = warning, "configuration accepted with a warning");
        }
        let reports = Arc::new(Reports::default());
        let listener = config.listener_settings(filter_wasm)?;
        let settings = config.identity_settings();
        let identity =
            IdentityService::open(store.clone(), Arc::clone(&token), settings, oidc, Clock::System);
        let identity = Arc::new(identity.await?);
        let watchdog = Arc::new(Watchdog::new(Clock::System));
        let observations =
            ReportsAndHeartbeats { reports: Arc::clone(&reports), watchdog: Arc::clone(&watchdog) };
        let workers = Pools::open(
            Arc::clone(&store),
            Arc::new(observations),
            &config.pools,
            PoolsSettings {
                listener,
                ca_directories: config.worker_ca_directories.clone(),
                disconnected_grace: DISCONNECTED_GRACE,
            },
            Clock::System,
        );
        let workers = Arc::new(workers.await?);
        let directory = Arc::new(WorkersOfPools(Arc::clone(&workers)));
        let servers = Servers::open(Arc::clone(&store), directory).await?;
        let servers = Arc::new(servers);
        let backups = Arc::new(Backups::open(Arc::clone(&store), Clock::System).await?);
        let (for_agents, keep_agents) = agents::merged(servers.published(), backups.published());
        let domains: Vec<Arc<dyn Resources>> = vec![Arc::clone(&servers) as _, Arc::clone(&backups) as _];
        let stopping = Stopping::default();
        let source =
            CoordinatorSource::new(workers.desired(), for_agents).map_err(CoordinatorsError::from)?;
        let xds_server = XdsServer::new(source, let_in, stopping.clone(), Clock::System);
        let coordinators = Arc::new(Coordinators::new(Arc::clone(xds_server.nodes()), Arc::clone(&store)));
        let reloads = Arc::new(Reloads::default());
        reloads.started();

        let state = ApiState {
            resources: Arc::new(ResourceRegistry::new(Arc::clone(&store), domains)),
            workers: Arc::clone(&workers),
            store: Arc::clone(&store),
            reports: Arc::clone(&reports),
            coordinators: Arc::clone(&coordinators),
            events: Arc::default(),
            identity: Arc::clone(&identity),
            node_keys: Arc::clone(&node_keys),
            rates: Arc::new(Rates::new(&RateLimits {
                requests_per_s: config.api_limits.requests_per_s,
                burst: config.api_limits.burst,
            })),
            stopping: stopping.clone(),
            metrics: Arc::default(),
            requests: Arc::default(),
        };
        register_metrics(&state, &watchdog, &reloads);
        let address = |listener: &TcpListener| {
            listener.local_addr().map_err(|error| system("reading a port's address", &error))
        };
        let (api, xds) = (address(&ports.api)?, address(&ports.xds)?);
        let mut tasks = JoinSet::new();
        // xDS first: the API's port tells that it is served.
        let served = xds_server.serve(ports.xds, live_tls, slotway_api::report_routes(state.clone()));
        let served = served.map_err(CoordinatorsError::from)?;
        tasks.spawn(async move { Ok(served.await.map_err(CoordinatorsError::from)?) });
        let port = ApiPort::new(ports.api, api_live_tls, config.api_limits.connections);
        let port = port.map_err(|error| system("taking a port over", &error))?;
        let (events, sources) = (Arc::clone(&state.events), state.event_sources());
        tasks.spawn(until(stopping.clone(), async move { Ok(events.run(sources).await?) }));
        let rest = port.serve(slotway_api::router(state), stopping.clone());
        tasks.spawn(async move { Ok(rest.await?) });
        tasks.spawn(until(stopping.clone(), run_identity(identity)));
        tasks.spawn(until(stopping.clone(), settle(Arc::clone(&workers), Arc::clone(&coordinators))));
        let followed = Arc::clone(&workers);
        tasks.spawn(until(stopping.clone(), async move {
            tokio::join!(followed.follow(), servers.follow(), backups.follow(), keep_agents);
            Ok(())
        }));
        let is_shared = config.store != StoreSettings::Sqlite;
        let watched = Arc::new(WatchedPools { pools: Arc::clone(&workers), reports: Arc::clone(&reports) });
        let ending = stopping.on_ending();
        tasks.spawn(async move { Ok(watchdog.run(watched, store, is_shared, ending).await?) });
        let reloadable = Reloadable { workers: Arc::clone(&workers), reloads, access, xds_tls, api_tls };
        Ok(Self { workers, reports, coordinators, token, node_keys, api, xds, stopping, reloadable, tasks })
    }

    /// Waits until serving ends, which it does only on a failure.
    ///
    /// # Errors
    /// The failure that ended it.
    pub async fn failed(&mut self) -> CliError {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => system("serving", &error),
            Some(Ok(Ok(()))) | None => system("serving", &"it ended"),
        }
    }

    /// Shuts down in order: the ports accept nothing new, streams are informed, and running requests are answered.
    /// Everything that is not finished `within` that time is cut off.
    pub async fn finish(mut self, within: Duration) {
        self.stopping.advance(Phase::Ending);
        let all_over = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Ok(Err(error)) = ended {
                    tracing::warn!(%error, "shutdown: a component failed");
                }
            }
        };
        if tokio::time::timeout(within, all_over).await.is_err() {
            tracing::warn!(
                after_s = within.as_secs_f64(),
                "shutdown: closing connections with running requests"
            );
        }
    }
}

/// Adds the metrics of each component.
fn register_metrics(state: &ApiState, watchdog: &Arc<Watchdog>, reloads: &Arc<Reloads>) {
    let metrics = &state.metrics;
    metrics.add(|registry| {
        let build = Family::<[(&str, &str); 1], Gauge>::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build_info", "The running version; always 1", build);
    });
    let store = Arc::clone(&state.store);
    metrics.add(move |registry| slotway_store::register_metrics(&*store, registry));
    let reloads = Arc::clone(reloads);
    metrics.add(move |registry| reloads.register_metrics(registry));
    let requests = Arc::clone(&state.requests);
    metrics.add(move |registry| requests.register(registry));
    let workers = Arc::clone(&state.workers);
    metrics.add(move |registry| workers.register_metrics(registry));
    let (reports, desired) = (Arc::clone(&state.reports), state.workers.desired());
    metrics.add(move |registry| {
        let desired = desired.borrow().clone();
        reports.register_metrics(desired.pools.iter().map(|pool| &pool.name), registry);
    });
    let coordinators = Arc::clone(&state.coordinators);
    metrics.add(move |registry| coordinators.register_metrics(registry));
    let (watchdog, desired) = (Arc::clone(watchdog), state.workers.desired());
    metrics.add(move |registry| {
        let desired = desired.borrow().clone();
        watchdog.register_metrics(desired.pools.iter().map(|pool| &pool.name), registry);
    });
    let events = Arc::clone(&state.events);
    metrics.add(move |registry| events.register_metrics(registry));
}

fn system(doing: &'static str, reason: &dyn ToString) -> CliError {
    CliError::system(doing, reason.to_string())
}

/// Does what would go on for ever until all ends.
async fn until(
    stopping: Stopping,
    endless: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    tokio::select! {
        outcome = endless => outcome,
        () = stopping.ending() => Ok(()),
    }
}

async fn run_identity(identity: Arc<IdentityService>) -> Result<(), CliError> {
    identity.run().await;
    Ok(())
}

/// The workers of the pools, for servers that refer to them.
struct WorkersOfPools(Arc<Pools>);

impl WorkerDirectory for WorkersOfPools {
    fn workers(&self) -> BTreeSet<String> {
        self.0.overview(Instant::now()).into_iter().map(|row| row.worker).collect()
    }
}

async fn settle(workers: Arc<Pools>, coordinators: Arc<Coordinators>) -> Result<(), CliError> {
    let mut tick = tokio::time::interval(SETTLE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now = Instant::now();
        workers.set_connected(coordinators.envoys(), now);
        if let Err(error) = workers.settle(now).await {
            // The worker drains a little longer; the next tick tries again.
            tracing::warn!(%error, "removing a drained worker failed");
        }
    }
}
