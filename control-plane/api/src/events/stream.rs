//! The stream of one listener: the missed events, then new ones.

use std::{pin::pin, time::Duration};

use axum::{body::Bytes, http::request::Parts};
use slotway_identity::{Identity, IdentityError};
use tokio::{sync::mpsc, time::interval};
use tokio_stream::wrappers::ReceiverStream;

use super::{changed, frame, hub::Listener};
use crate::ApiError;
use crate::{ApiState, sender::credentials};
use slotway_store::{Commit, StoreError};

/// The interval at which a listener's credentials are checked: a revoked token or an ended session ends the stream within this time. The check reads memory.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The reason for which a stream ends before the listener's outbox.
enum End {
    /// The client has disconnected.
    Left,
    /// The store cannot be read; the client retries.
    Store(ApiError),
}

/// Returns the events for a listener. The stream ends with the listener's outbox, at the end of the requested time,
/// when the listener's credentials are revoked, and when the client disconnects.
pub(super) fn of(
    state: ApiState,
    listener: Listener,
    within: Option<Duration>,
    identity: Identity,
    parts: Parts,
) -> ReceiverStream<Result<Bytes, std::convert::Infallible>> {
    // The channel holds one piece, because it is outside of the outbox's limit.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            ended = tell(&state, &listener, within, &sender) => {
                if let Err(End::Store(error)) = ended {
                    tracing::debug!(%error, "reading missed events failed");
                }
            }
            () = revoked(&state, &identity, &parts) => {}
            () = sender.closed() => {}
        }
    });
    ReceiverStream::new(receiver)
}

type Sender = mpsc::Sender<Result<Bytes, std::convert::Infallible>>;

async fn send(sender: &Sender, piece: Bytes) -> Result<(), End> {
    sender.send(Ok(piece)).await.map_err(|_| End::Left)
}

async fn tell(
    state: &ApiState,
    listener: &Listener,
    within: Option<Duration>,
    sender: &Sender,
) -> Result<(), End> {
    let mut over = pin!(async {
        match within {
            Some(within) => tokio::time::sleep(within).await,
            None => std::future::pending().await,
        }
    });
    // States the position at once, which also sends the headers.
    let begins_at = listener.after.map_or(listener.joined_at, |after| after.min(listener.joined_at));
    send(sender, frame::comment(begins_at)).await?;
    if let Some(after) = listener.after {
        missed(state, listener, after, sender).await?;
    }
    loop {
        let piece = tokio::select! {
            biased;
            piece = listener.outbox.next() => piece,
            () = &mut over => None,
        };
        let Some(piece) = piece else { return Ok(()) };
        // A disconnected listener receives nothing more.
        tokio::select! {
            sent = send(sender, piece) => sent?,
            () = listener.outbox.ended() => return Ok(()),
        }
    }
}

/// Sends the commits between `after` and the subscription.
async fn missed(state: &ApiState, listener: &Listener, after: u64, sender: &Sender) -> Result<(), End> {
    let up_to = listener.joined_at;
    if after > up_to {
        // Another control plane may be ahead of this one. A version beyond the store's belongs to another database.
        let listing = state.store.list(&[]).await.map_err(|error| End::Store(error.into()))?;
        return if after > listing.revision {
            send(sender, frame::resync(listing.revision)).await
        } else {
            Ok(())
        };
    }
    let mut reached = after;
    let mut told = 0;
    while reached < up_to {
        let commits = match state.store.changes(reached).await {
            Ok(commits) => commits,
            Err(StoreError::Forgotten { .. }) => return send(sender, frame::resync(up_to)).await,
            Err(error) => return Err(End::Store(error.into())),
        };
        let commits: Vec<Commit> = commits.into_iter().filter(|commit| commit.revision <= up_to).collect();
        let Some(last) = commits.last() else { return Ok(()) };
        reached = last.revision;
        let events = match changed::of(&state.event_sources(), &commits).await {
            Ok(events) => events,
            Err(ApiError::Store(StoreError::Forgotten { .. })) => {
                return send(sender, frame::resync(up_to)).await;
            }
            Err(error) => return Err(End::Store(error)),
        };
        told += events.len();
        if told > changed::CHANGES_MAX {
            return send(sender, frame::resync(up_to)).await;
        }
        if let Some(piece) = changed::piece(&events, listener.kinds) {
            send(sender, piece).await?;
        }
    }
    Ok(())
}

/// Returns once the listener's credentials are revoked or have lost scope.
async fn revoked(state: &ApiState, identity: &Identity, parts: &Parts) {
    let mut ticks = interval(CHECK_EVERY);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match state.identity.authenticate(credentials(parts)).await {
            Ok(Some(now)) if now.scope >= identity.scope => {}
            // While the database cannot be read, the identity stays valid.
            Err(IdentityError::Store(_)) => {}
            Ok(_) | Err(_) => return,
        }
    }
}
