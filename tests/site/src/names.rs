use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

/// Time after which the server's thread checks whether its owner is gone.
const LISTEN: Duration = Duration::from_millis(100);
/// RFC 1035, section 4.1.1: answered, recursion available; no error, and the name does not exist.
const NO_ERROR: [u8; 2] = [0x81, 0x80];
const NO_SUCH_NAME: [u8; 2] = [0x81, 0x83];
/// RFC 1035, section 3.2.2.
const TYPE_A: [u8; 2] = [0, 1];

/// A DNS server of one test, with a changeable set of names. Each name resolves to loopback.
pub struct Names {
    address: SocketAddr,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    names: BTreeSet<String>,
    /// Number of NXDOMAIN answers per name.
    denied: BTreeMap<String, usize>,
}

impl Names {
    /// Starts a server with these names.
    pub fn start(names: &[&str]) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(LISTEN)).unwrap();
        let known = Arc::new(Mutex::new(Known::default()));
        let server = Self { address: socket.local_addr().unwrap(), known: known.clone() };
        names.iter().for_each(|name| server.learn(name));
        let known = Arc::downgrade(&known);
        std::thread::spawn(move || {
            let mut packet = [0; 512];
            while let Some(known) = known.upgrade() {
                if let Ok((length, from)) = socket.recv_from(&mut packet) {
                    let answer = known.lock().unwrap().answer(&packet[..length]);
                    let _ = answer.map(|answer| socket.send_to(&answer, from));
                }
            }
        });
        server
    }

    /// Adds a name.
    pub fn learn(&self, name: &str) {
        self.known.lock().unwrap().names.insert(name.to_owned());
    }

    /// Removes a name.
    pub fn forget(&self, name: &str) {
        self.known.lock().unwrap().names.remove(name);
    }

    /// Returns the number of NXDOMAIN answers for the name.
    pub fn denied(&self, name: &str) -> usize {
        self.known.lock().unwrap().denied.get(name).copied().unwrap_or_default()
    }

    /// Returns the `typed_dns_resolver_config` of an Envoy bootstrap that uses this server.
    pub fn resolver(&self) -> Value {
        let kind =
            "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig";
        let address = json!({ "address": "127.0.0.1", "port_value": self.address.port() });
        json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": kind,
                "resolvers": [{ "socket_address": address }],
                "dns_resolver_options": { "no_default_search_domain": true },
            },
        })
    }
}

impl Known {
    /// Answers a query (RFC 1035, section 4): a header of 12 bytes and one question.
    fn answer(&mut self, query: &[u8]) -> Option<Vec<u8>> {
        let (header, question) = query.split_at_checked(12)?;
        let mut labels = Vec::new();
        let mut rest = question;
        loop {
            let (length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            if label.is_empty() {
                break;
            }
            labels.push(String::from_utf8_lossy(label).to_lowercase());
        }
        let (kind, _) = rest.split_at_checked(4)?;
        let question = &question[..question.len() - rest.len() + 4];
        let name = labels.join(".");
        let is_known = self.names.contains(&name);
        if !is_known {
            *self.denied.entry(name).or_default() += 1;
        }
        let has_address = is_known && kind[..2] == TYPE_A;
        let mut answer = header[..2].to_vec();
        answer.extend(if is_known { NO_ERROR } else { NO_SUCH_NAME });
        answer.extend([0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
        answer.extend(question);
        if has_address {
            // A pointer to the name of the question; type A; class IN; TTL of 1 s; 4 bytes.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
            answer.extend(Ipv4Addr::LOCALHOST.octets());
        }
        Some(answer)
    }
}
