//! Receives notifications about the commits of all control planes.

use std::{
    io,
    pin::pin,
    sync::{Arc, Weak},
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use super::Database;

/// The channel of the notifications.
pub(super) const CHANNEL: &str = "slotway_store";
/// The delay before the next attempt to listen.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// The interval at which watchers read without a notification. Such a read also detects a connection that was lost
/// silently.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Signals watchers to read. The number has no meaning; only its change counts.
pub(super) fn tell(news: &watch::Sender<u64>) {
    news.send_modify(|told| *told = told.wrapping_add(1));
}

/// Forwards notifications to the watchers until the database is dropped. `pool` has one connection, for this purpose
/// alone.
pub(super) async fn listen(database: Weak<Database>, pool: PgPool, news: Arc<watch::Sender<u64>>) {
    while let Err(error) = hear(&database, &pool, &news).await {
        let Some(database) = database.upgrade() else { return };
        database.fails(&error).await;
        drop(database);
        sleep(AGAIN_AFTER).await;
    }
}

/// Listens on one connection until it is lost. Returns `Ok` once the database is no longer in use.
async fn hear(
    database: &Weak<Database>,
    pool: &PgPool,
    news: &watch::Sender<u64>,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut heard = pin!(listener.try_recv());
        let heard = loop {
            tokio::select! {
                heard = &mut heard => break heard,
                // The first tick is immediate: commits before the listening began are not announced.
                _ = look.tick() => {
                    if database.strong_count() == 0 {
                        return Ok(());
                    }
                    tell(news);
                }
            }
        };
        match heard? {
            Some(_) => tell(news),
            None => {
                let reason = "the connection on which changes are announced was lost";
                return Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionAborted, reason)));
            }
        }
    }
}
