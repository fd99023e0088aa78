//! Clients: some wait for their answer, some leave early, some disconnect in the middle of a body.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::watch, task::JoinSet, time::timeout};

use crate::{
    dice::Dice,
    rig::{ANSWER_TIMEOUT, FREE_WORKER_TIMEOUT},
    run::Run,
    verdict::{Exchange, judge},
    worker::expected,
};
use slotway_test_site::{Answer, ClientConnection, ClientProtocol};

/// A request without an end after this time has been lost.
const FORGOTTEN: Duration =
    FREE_WORKER_TIMEOUT.saturating_add(ANSWER_TIMEOUT).saturating_add(Duration::from_secs(20));
/// More clients than this would measure the machine.
pub(crate) const CLIENTS_MAX: usize = 250;

/// All clients, of which the current phase makes some active.
pub(crate) struct Clients {
    active: watch::Sender<usize>,
    clients: JoinSet<()>,
}

impl Clients {
    pub(crate) fn start(run: &Arc<Run>, address: SocketAddr, seed: u64) -> Self {
        let active = watch::Sender::new(0);
        let client =
            |n| client(n, Arc::clone(run), address, Dice::new(seed, 1_000 + n as u64), active.subscribe());
        Self { clients: (0..CLIENTS_MAX).map(client).collect(), active }
    }

    /// Sets the number of active clients.
    pub(crate) fn set_active(&self, active: usize) {
        self.active.send_replace(active.min(CLIENTS_MAX));
    }

    /// Returns the number of active clients.
    pub(crate) fn active(&self) -> usize {
        *self.active.borrow()
    }

    /// Lets each client finish its current request.
    pub(crate) async fn finish(self) {
        self.set_active(0);
        drop(self.active);
        self.clients.join_all().await;
    }
}

async fn client(
    n: usize,
    run: Arc<Run>,
    address: SocketAddr,
    mut dice: Dice,
    mut active: watch::Receiver<usize>,
) {
    let protocol = if n.is_multiple_of(5) { ClientProtocol::Http2 } else { ClientProtocol::Http1 };
    let mut connection = None;
    let mut sent: u64 = 0;
    // An error means that the clients shall finish.
    while active.wait_for(|active| n < *active).await.is_ok() {
        sent += 1;
        // Unique over all clients.
        let id = ((n as u64) << 32) | sent;
        run.tally.sent.add();
        if dice.percent(6) {
            vanish_in_body(address, id, &mut dice).await;
            run.outcomes.take(id);
            run.tally.left.add();
            continue;
        }
        let sent = Exchange::new(id);
        let leaves_after = dice.percent(15).then(|| Duration::from_millis(dice.between(0, 500)));
        let (request, body) = request(id, &mut dice);
        let patience = leaves_after.unwrap_or(FORGOTTEN);
        let exchange = exchange(connection.take(), address, protocol, request);
        match timeout(patience, exchange).await {
            Ok(Ok((answer, open))) => {
                connection = Some(open);
                judge(&run, &sent, Ok((&answer, &body))).await;
                if answer.status != 200 {
                    // Clients back off; otherwise most requests would be refused.
                    tokio::time::sleep(Duration::from_millis(dice.between(20, 500))).await;
                }
            }
            Ok(Err(error)) => judge(&run, &sent, Err(&error)).await,
            Err(_) if leaves_after.is_some() => {
                run.outcomes.take(id);
                run.tally.left.add();
            }
            Err(_) => run.violations.add(format!("request {id:#x} has had no end for {FORGOTTEN:?}")),
        }
    }
}

/// Returns a request and the expected body of its answer.
fn request(id: u64, dice: &mut Dice) -> (Request<Full<Bytes>>, Bytes) {
    let mut builder = Request::builder().uri(format!("/chaos/{id}"));
    if dice.percent(10) {
        builder = builder.header("x-slotway-wait-timeout-ms", dice.between(0, 300));
    }
    if dice.percent(20) {
        let size = usize::try_from(dice.between(1, 60_000)).unwrap_or(1);
        let body = Bytes::from(vec![b'a' + u8::try_from(id % 26).unwrap_or(0); size]);
        (builder.method("POST").body(Full::new(body.clone())).unwrap(), body)
    } else {
        (builder.body(Full::default()).unwrap(), expected(id).into())
    }
}

/// Sends a request on the given connection, or on a new one. Dropping the future closes the connection.
async fn exchange(
    connection: Option<ClientConnection>,
    address: SocketAddr,
    protocol: ClientProtocol,
    request: Request<Full<Bytes>>,
) -> io::Result<(Answer, ClientConnection)> {
    let mut connection = match connection {
        Some(connection) if connection.is_open() => connection,
        // Envoy closes the connection if it answers before the request's body is complete.
        _ => ClientConnection::open(address, protocol).await?,
    };
    let answer = connection.send(request).await?;
    Ok((answer, connection))
}

/// Announces a body, sends a part of it, and disconnects.
async fn vanish_in_body(address: SocketAddr, id: u64, dice: &mut Dice) {
    let head = format!("POST /chaos/{id} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 5000\r\n\r\n");
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    let part = vec![b'p'; usize::try_from(dice.between(0, 4_999)).unwrap_or(0)];
    if stream.write_all(head.as_bytes()).await.is_ok() && stream.write_all(&part).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(dice.between(0, 300))).await;
    }
}
