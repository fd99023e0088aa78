//! Hears of the commits of all control planes.

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

/// What commits are announced on.
pub(super) const CHANNEL: &str = "slotway_store";
/// How soon listening is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How often watchers look although nothing was announced. It also finds a connection that is dead without saying so.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Tells watchers to read. The number only says that it is another one.
pub(super) fn tell(news: &watch::Sender<u64>) {
    news.send_modify(|told| *told = told.wrapping_add(1));
}

/// Tells the watchers of what is announced, until the database is dropped. `pool` has one connection, for this alone.
pub(super) async fn listen(database: Weak<Database>, pool: PgPool, news: Arc<watch::Sender<u64>>) {
    while let Err(error) = hear(&database, &pool, &news).await {
        let Some(database) = database.upgrade() else { return };
        database.fails(&error).await;
        drop(database);
        sleep(AGAIN_AFTER).await;
    }
}

/// Listens on one connection until it is lost; `Ok` once nobody uses the database any more.
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
                // At once the first time: what was committed while nobody listened is not announced again.
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
