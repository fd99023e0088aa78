//! Which servers the limits let in.

use std::collections::BTreeSet;

use slotway_store::{Documents, Versioned};

use crate::{Server, ServerLimits, ServersError};

/// Most names in an error.
const KNOWN_MAX: usize = 20;

/// The workers that exist. Servers refer to them; who knows them implements this.
pub trait WorkerDirectory: Send + Sync {
    /// Returns the base URLs of all workers, also of those that drain.
    fn workers(&self) -> BTreeSet<String>;
}

/// Checks the servers that a change adds, and those to which it gives another usage or worker: their worker exists, no other server has
/// it, and the limits leave room.
///
/// # Errors
/// [`ServersError::UnknownWorker`], [`ServersError::Conflict`], [`ServersError::NoRoom`] with the servers that count.
pub(crate) fn admit(
    before: &Documents<Server>,
    after: &Documents<Server>,
    limits: &ServerLimits,
    workers: &BTreeSet<String>,
) -> Result<(), ServersError> {
    let is_new = |name: &str, server: &Versioned<Server>| {
        before.get(name).is_none_or(|known| known.value != server.value)
    };
    for (name, server) in after.iter().filter(|(name, server)| is_new(name, server)) {
        let Server { usage, external } = &server.value;
        if !workers.contains(external.as_str()) {
            let known = workers.iter().take(KNOWN_MAX).cloned().collect();
            return Err(ServersError::UnknownWorker {
                name: name.to_owned(),
                worker: external.to_string(),
                known,
            });
        }
        let others = || after.iter().filter(|(other, _)| *other != name);
        if let Some((other, _)) = others().find(|(_, other)| other.value.external == *external) {
            let reason = format!("worker {external} is the server {other:?} already");
            return Err(ServersError::Conflict { name: name.to_owned(), reason });
        }
        let counted = || others().filter(|(_, other)| is_counted(&other.value, workers));
        let of_usage = counted().filter(|(_, other)| other.value.usage == *usage);
        room(name, limits.of(usage.as_str()), Some(usage.to_string()), of_usage)?;
        room(name, limits.servers_max, None, counted())?;
    }
    Ok(())
}

/// Returns whether a server counts against the limits: not if its worker no longer exists.
pub(crate) fn is_counted(server: &Server, workers: &BTreeSet<String>) -> bool {
    workers.contains(server.external.as_str())
}

fn room<'a>(
    name: &str,
    servers_max: u32,
    usage: Option<String>,
    counted: impl Iterator<Item = (&'a str, &'a Versioned<Server>)>,
) -> Result<(), ServersError> {
    let holders: Vec<_> = counted.map(|(holder, _)| holder.to_owned()).collect();
    if holders.len() < usize::try_from(servers_max).unwrap_or(usize::MAX) {
        return Ok(());
    }
    Err(ServersError::NoRoom { name: name.to_owned(), usage, servers_max, holders })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use slotway_store::Kind;

    use super::*;

    fn servers(all: &[(&str, &str, &str)]) -> Documents<Server> {
        let mut servers = Documents::new(Kind::new("server"));
        for (name, worker, usage) in all {
            servers.set(*name, Server { usage: usage.parse().unwrap(), external: worker.parse().unwrap() });
        }
        servers
    }

    fn all() -> BTreeSet<String> {
        ["http://a", "http://b", "http://c"].map(str::to_owned).into()
    }

    fn holders(refused: Result<(), ServersError>) -> (Option<String>, u32, String) {
        match refused {
            Err(ServersError::NoRoom { usage, servers_max, holders, .. }) => {
                (usage, servers_max, holders.join(","))
            }
            other => panic!("{other:?}"),
        }
    }

    const A: (&str, &str, &str) = ("a", "http://a", "training");
    const B: (&str, &str, &str) = ("b", "http://b", "training");
    const B_OCR: (&str, &str, &str) = ("b", "http://b", "ocr");
    const C: (&str, &str, &str) = ("c", "http://c", "preannotation");

    #[test]
    fn one_server_too_many_is_refused_with_those_that_count() {
        let limits = ServerLimits::default();
        let admit = |before: &[_], after: &[_]| admit(&servers(before), &servers(after), &limits, &all());
        admit(&[], &[A]).unwrap();
        assert_eq!(holders(admit(&[A], &[A, B])), (Some("training".to_owned()), 1, "a".to_owned()));
        admit(&[A], &[A, B_OCR]).unwrap();
        assert_eq!(holders(admit(&[A, B_OCR], &[A, B_OCR, C])), (None, 2, "a,b".to_owned()));
        admit(&[A, B_OCR], &[B_OCR, C]).unwrap();
        assert_eq!(holders(admit(&[], &[A, B])).0, Some("training".to_owned()), "both at once");
    }

    #[test]
    fn a_server_can_change_its_usage_and_is_admitted_anew() {
        let limits = ServerLimits::default();
        admit(&servers(&[B_OCR]), &servers(&[B]), &limits, &all()).unwrap();
        let refused = admit(&servers(&[A, B_OCR]), &servers(&[A, B]), &limits, &all());
        assert_eq!(holders(refused).2, "a");
    }

    #[test]
    fn a_lowered_limit_ends_no_server_and_lets_none_in() {
        let none = ServerLimits { servers_max: 0, by_usage: BTreeMap::new() };
        admit(&servers(&[A]), &servers(&[A]), &none, &all()).unwrap();
        assert!(admit(&servers(&[A]), &servers(&[A, B_OCR]), &none, &all()).is_err());
    }

    #[test]
    fn a_server_whose_worker_is_gone_does_not_count() {
        let there = ["http://b".to_owned()].into();
        admit(&servers(&[A]), &servers(&[A, B]), &ServerLimits::default(), &there).unwrap();
    }

    #[test]
    fn a_worker_is_one_server_and_has_to_exist() {
        let limits = ServerLimits::default();
        let again = [A, ("again", "http://a", "ocr")];
        let refused = admit(&servers(&[A]), &servers(&again), &limits, &all());
        assert!(matches!(refused, Err(ServersError::Conflict { name, .. }) if name == "again"));
        let refused = admit(&servers(&[]), &servers(&[("d", "http://d", "ocr")]), &limits, &all());
        assert!(matches!(refused, Err(ServersError::UnknownWorker { known, .. }) if known.len() == 3));
    }
}
