//! Clients: some patient, some not, some that vanish at any point.

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

/// A request that has no end after so long was forgotten by somebody.
const FORGOTTEN: Duration =
    FREE_WORKER_TIMEOUT.saturating_add(ANSWER_TIMEOUT).saturating_add(Duration::from_secs(20));
/// More clients than this would measure the machine.
pub(crate) const CLIENTS_MAX: usize = 250;

/// All clients; so many of them are at work as the last phase says.
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

    /// Lets that many of them work.
    pub(crate) fn set_active(&self, active: usize) {
        self.active.send_replace(active.min(CLIENTS_MAX));
    }

    /// How many are to work.
    pub(crate) fn active(&self) -> usize {
        *self.active.borrow()
    }

    /// Lets each finish what it does.
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
    // An error: the clients are told to finish.
    while active.wait_for(|active| n < *active).await.is_ok() {
        sent += 1;
        // Recognizable and not used by any other client.
        let id = ((n as u64) << 32) | sent;
        run.tally.sent.add();
        if dice.percent(6) {
            vanish_in_body(address, id, &mut dice).await;
            run.fates.take(id);
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
                    // As clients do; else a flood of refusals would be all that is measured.
                    tokio::time::sleep(Duration::from_millis(dice.between(20, 500))).await;
                }
            }
            Ok(Err(error)) => judge(&run, &sent, Err(&error)).await,
            Err(_) if leaves_after.is_some() => {
                run.fates.take(id);
                run.tally.left.add();
            }
            Err(_) => run.violations.add(format!("request {id:#x} has had no end for {FORGOTTEN:?}")),
        }
    }
}

/// A request, and the body that its answer shall have.
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

/// One exchange on the connection that is there, or on a new one. The connection closes with the caller's patience.
async fn exchange(
    connection: Option<ClientConnection>,
    address: SocketAddr,
    protocol: ClientProtocol,
    request: Request<Full<Bytes>>,
) -> io::Result<(Answer, ClientConnection)> {
    let mut connection = match connection {
        Some(connection) if connection.is_open() => connection,
        // Envoy closes the connection of a request that it answers before its body has come.
        _ => ClientConnection::open(address, protocol).await?,
    };
    let answer = connection.send(request).await?;
    Ok((answer, connection))
}

/// Announces a body, sends a part of it, and is gone.
async fn vanish_in_body(address: SocketAddr, id: u64, dice: &mut Dice) {
    let head = format!("POST /chaos/{id} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 5000\r\n\r\n");
    let Ok(mut stream) = TcpStream::connect(address).await else { return };
    let part = vec![b'p'; usize::try_from(dice.between(0, 4_999)).unwrap_or(0)];
    if stream.write_all(head.as_bytes()).await.is_ok() && stream.write_all(&part).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(dice.between(0, 300))).await;
    }
}
