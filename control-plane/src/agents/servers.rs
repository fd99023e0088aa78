//! Which workers are servers, and who holds the places that the limits leave.

use std::collections::BTreeMap;

use serde::Serialize;
use slotway_config::PoolName;

use super::server_limits::ServerLimits;
use crate::error::Error;

/// A worker that is marked as a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Server {
    /// Its base URL.
    pub worker: String,
    /// What it does: the name of a pool.
    #[schema(value_type = String)]
    pub usage: PoolName,
}

/// The workers that are marked as servers, with their usage: a plain value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers(BTreeMap<String, PoolName>);

impl Servers {
    /// Takes in what is stored of one.
    pub(super) fn add(&mut self, worker: String, usage: PoolName) {
        self.0.insert(worker, usage);
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> Vec<Server> {
        let server =
            |(worker, usage): (&String, &PoolName)| Server { worker: worker.clone(), usage: usage.clone() };
        self.0.iter().map(server).collect()
    }

    /// Forgets all whose worker is not there, and returns them.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) -> Vec<String> {
        let gone: Vec<_> = self.0.keys().filter(|worker| !is_there(worker)).cloned().collect();
        gone.iter().for_each(|worker| drop(self.0.remove(worker)));
        gone
    }

    /// Gives a server a place. One that has a place of another usage gives that up.
    ///
    /// # Errors
    /// [`Error::NoPlace`], with who holds the places.
    pub(super) fn mark(&mut self, server: Server, limits: &ServerLimits) -> Result<(), Error> {
        let others = || self.0.iter().filter(|(worker, _)| **worker != server.worker);
        let holders = |of: Option<&PoolName>| -> Vec<String> {
            others()
                .filter(|(_, usage)| of.is_none_or(|of| *usage == of))
                .map(|(worker, _)| worker.clone())
                .collect()
        };
        let no_place = |most: u32, of: Option<&PoolName>| {
            let holders = holders(of);
            let is_full = holders.len() >= usize::try_from(most).unwrap_or(usize::MAX);
            let usage = of.map(ToString::to_string);
            if is_full { Err(Error::NoPlace { usage, servers_max: most, holders }) } else { Ok(()) }
        };
        no_place(limits.of(&server.usage), Some(&server.usage))?;
        no_place(limits.servers_max(), None)?;
        self.0.insert(server.worker, server.usage);
        Ok(())
    }

    /// Takes a server's place; whether it had one.
    pub(super) fn unmark(&mut self, worker: &str) -> bool {
        self.0.remove(worker).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::ServerLimitsBody;

    fn server(worker: &str, usage: &str) -> Server {
        Server { worker: worker.to_owned(), usage: usage.parse().unwrap() }
    }

    fn holders(refused: Result<(), Error>) -> (Option<String>, u32, Vec<String>) {
        match refused {
            Err(Error::NoPlace { usage, servers_max, holders }) => (usage, servers_max, holders),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_too_many_is_told_who_holds_the_places() {
        let limits = ServerLimits::default();
        let mut servers = Servers::default();
        servers.mark(server("http://a", "training"), &limits).unwrap();
        let refused = servers.mark(server("http://b", "training"), &limits);
        assert_eq!(holders(refused), (Some("training".to_owned()), 1, vec!["http://a".to_owned()]));
        servers.mark(server("http://b", "ocr"), &limits).unwrap();
        let refused = servers.mark(server("http://c", "preannotation"), &limits);
        assert_eq!(holders(refused), (None, 2, vec!["http://a".to_owned(), "http://b".to_owned()]));
        assert!(servers.unmark("http://a") && !servers.unmark("http://a"));
        servers.mark(server("http://c", "preannotation"), &limits).unwrap();
    }

    #[test]
    fn a_server_that_is_marked_again_needs_no_second_place_and_can_change_its_usage() {
        let limits = ServerLimits::default();
        let mut servers = Servers::default();
        servers.mark(server("http://a", "training"), &limits).unwrap();
        servers.mark(server("http://a", "training"), &limits).unwrap();
        servers.mark(server("http://a", "preannotation"), &limits).unwrap();
        servers.mark(server("http://b", "training"), &limits).unwrap();
        assert_eq!(servers.list().len(), 2);
    }

    #[test]
    fn a_lowered_limit_ends_nobody_and_lets_nobody_in() {
        let mut servers = Servers::default();
        servers.mark(server("http://a", "training"), &ServerLimits::default()).unwrap();
        let none =
            ServerLimits::try_from(ServerLimitsBody { servers_max: 0, by_usage: BTreeMap::new() }).unwrap();
        assert!(servers.mark(server("http://b", "ocr"), &none).is_err());
        assert_eq!(servers.list(), [server("http://a", "training")]);
    }

    #[test]
    fn a_server_whose_worker_is_gone_holds_no_place() {
        let mut servers = Servers::default();
        servers.mark(server("http://a", "training"), &ServerLimits::default()).unwrap();
        assert_eq!(servers.retain(|worker| worker != "http://a"), ["http://a"]);
        servers.mark(server("http://b", "training"), &ServerLimits::default()).unwrap();
    }
}
