//! Checks of the shared state after each of its transitions, with the engine.

use crate::{
    host::SharedData,
    inside::{self, PoolView},
    sim::{
        configs::Configs,
        coverage::{Coverage, Kind},
        fleet::Fleet,
        violation::{Check, Violation, violated},
    },
};

/// One pool, as it was after its newest transition.
struct Watched {
    name: String,
    root_key: Vec<u8>,
    cas: u32,
    view: Option<PoolView>,
}

/// All pools of a run.
#[derive(Default)]
pub(crate) struct StateChecks {
    pools: Vec<Watched>,
    writes: u32,
}

/// What a transition did, as far as other checks need it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transition {
    pub(crate) pool: usize,
    pub(crate) waiting_before: u32,
    pub(crate) waiting_after: u32,
}

impl StateChecks {
    pub(crate) fn add(&mut self, name: &str) {
        let root_key = inside::root_key(name);
        self.pools.push(Watched { name: name.to_owned(), root_key, cas: 0, view: None });
    }

    /// Returns the newest state of a pool; `None` before its first transition.
    pub(crate) fn view(&self, pool: usize) -> Option<&PoolView> {
        self.pools[pool].view.as_ref()
    }

    /// Checks whether there was a transition, and whether it was allowed. A host call makes one at most.
    pub(crate) fn look(
        &mut self,
        data: &SharedData,
        configs: &Configs,
        fleet: &mut Fleet,
        coverage: &mut Coverage,
    ) -> Result<Option<Transition>, Box<Violation>> {
        if data.next_cas() == self.writes {
            return Ok(None);
        }
        self.writes = data.next_cas();
        for (at, pool) in self.pools.iter_mut().enumerate() {
            let cas = inside::root_cas(data, &pool.root_key);
            if cas == pool.cas {
                continue;
            }
            pool.cas = cas;
            let after = inside::view(data, &pool.name).map_err(|abort| Violation {
                invariant: "state",
                what: format!("the shared state can always be read: pool {}: {abort}", pool.name),
            })?;
            check(pool.view.as_ref(), &after, &pool.name)?;
            let before = pool.view.as_ref();
            if before.is_none_or(|before| before.survey.generation != after.survey.generation) {
                come_into_force(at, &after, configs, fleet)?;
            }
            has_slots_for_all(at, &after, fleet)?;
            if after.spilled {
                coverage.note(Kind::PageSpill);
            }
            let transition = Transition {
                pool: at,
                waiting_before: before.map_or(0, |view| view.waiting),
                waiting_after: after.waiting,
            };
            count_parked(before, &after, coverage);
            pool.view = Some(after);
            return Ok(Some(transition));
        }
        Ok(None)
    }

    /// Checks that every request at a worker has a slot: there are never more requests than slots that are out.
    pub(crate) fn check_slots(&self, pool: usize, fleet: &Fleet) -> Check {
        match &self.pools[pool].view {
            Some(view) => has_slots_for_all(pool, view, fleet),
            None => Ok(()),
        }
    }
}

/// Checks one transition, from one state to the next.
fn check(before: Option<&PoolView>, after: &PoolView, pool: &str) -> Check {
    let expected = before.map_or(1, |view| view.commit + 1);
    if after.commit != expected {
        let what = "transitions happen one after the other, each on the newest state";
        return violated(
            "exchange",
            format!("{what}: pool {pool} went to {}, not to {expected}", after.commit),
        );
    }
    if before.is_some_and(|before| before.survey.generation > after.survey.generation) {
        return violated(
            "generation",
            format!("a newer configuration is never replaced by an older one: pool {pool}"),
        );
    }
    if after.waiting > 0 && after.survey.free > 0 {
        let (free, waiting) = (after.survey.free, after.waiting);
        let what = "there are free slots or waiters, never both";
        return violated(
            "dual queue",
            format!("{what}: pool {pool} has {free} free slots and {waiting} waiters"),
        );
    }
    let sum: u32 = after.survey.workers.iter().map(|worker| worker.capacity).sum();
    if sum != after.capacity {
        let what = "the pool's capacity is the sum of its workers'";
        return violated("conservation", format!("{what}: pool {pool} has {}, not {sum}", after.capacity));
    }
    check_line(before, after, pool)?;
    for (worker, name) in after.survey.workers.iter().zip(&after.names) {
        let written = after.held.values().filter(|held| held.worker == worker.worker).count();
        if written != worker.in_flight as usize {
            let what = "the ledger has every slot that is out, and no other";
            return violated(
                "ledger",
                format!("{what}: {name}: {written} written down, {} out", worker.in_flight),
            );
        }
        let out_before = before.map_or(0, |view| out_of(view, name));
        let (out, capacity) = (worker.in_flight, worker.capacity);
        if out > capacity.max(out_before) {
            let what = "a slot is given out only while less than the capacity are out";
            return violated(
                "capacity",
                format!("{what}: {name} has {out} out, of {capacity} ({out_before} before)"),
            );
        }
        let slots = worker.free + out + worker.parked;
        let surplus = slots.saturating_sub(capacity);
        if slots < capacity || surplus > out {
            let what = "free + out + parked = capacity, but for a surplus that is still out after a shrink";
            return violated("conservation", format!("{what}: {name}: {worker:?}"));
        }
    }
    Ok(())
}

/// Checks which waiters were served, and which joined and left the line.
fn check_line(before: Option<&PoolView>, after: &PoolView, pool: &str) -> Check {
    let Some(before) = before else { return Ok(()) };
    let newest = before.held.keys().next_back().copied().unwrap_or(0);
    let given: Vec<_> = after.held.values().filter(|held| !before.held.contains_key(&held.serial)).collect();
    if given.iter().any(|held| held.serial <= newest) {
        return violated(
            "ledger",
            format!("a serial is never used twice: pool {pool}: {given:?} after {newest}"),
        );
    }
    let last = before.waiters.last().map_or(0, |(ticket, _)| *ticket);
    let joined =
        after.waiters.iter().filter(|(ticket, _)| !before.waiters.iter().any(|(have, _)| have == ticket));
    if joined.clone().any(|(ticket, _)| !before.waiters.is_empty() && *ticket < last) {
        return violated(
            "order",
            format!("a new waiter joins the line at its end: pool {pool}: {joined:?} joined"),
        );
    }
    let gone: Vec<_> = before.waiters.iter().filter(|have| !after.waiters.contains(have)).copied().collect();
    if given.is_empty() {
        return match gone.first() {
            Some((_, lane)) if gone.iter().any(|(_, other)| other != lane) => {
                let what = "a waiter leaves the line with a slot, or through its own lane";
                violated("order", format!("{what}: pool {pool}: {gone:?} left"))
            }
            _ => Ok(()),
        };
    }
    let struck: Vec<_> = before.held.values().filter(|held| !after.held.contains_key(&held.serial)).collect();
    if let ([new], [old], []) = (&given[..], &struck[..], &gone[..])
        && (new.lane, new.worker, new.probe) == (old.lane, old.worker, old.probe)
    {
        // An audit has found a slot that was on its way to a waiter, and given it a new serial.
        return Ok(());
    }
    let served: Vec<_> = before.waiters.iter().take(given.len()).copied().collect();
    let right = served == gone && given.iter().zip(&served).all(|(held, (_, lane))| held.lane == *lane);
    if !right || (!before.waiters.is_empty() && given.len() > before.waiters.len()) {
        let what = "slots go to the longest waiters, in the order of arrival over all lanes";
        let lanes: Vec<_> = given.iter().map(|held| held.lane).collect();
        let line = &before.waiters;
        return violated(
            "order",
            format!(
                "{what}: pool {pool}: lanes {lanes:?} got slots, {gone:?} left the line, which was {line:?} (ticket, lane)"
            ),
        );
    }
    Ok(())
}

fn out_of(view: &PoolView, name: &str) -> u32 {
    view.names.iter().position(|have| have == name).map_or(0, |at| view.survey.workers[at].in_flight)
}

/// Checks a configuration that comes into force: the capacities are those that were pushed.
fn come_into_force(pool: usize, after: &PoolView, configs: &Configs, fleet: &mut Fleet) -> Check {
    let generation = after.survey.generation;
    let workers: Vec<_> = fleet.of_pool(pool).map(|(at, worker)| (at, worker.url.clone())).collect();
    for (at, url) in workers {
        let capacity = configs.capacity(generation, at);
        let figures = after.names.iter().position(|name| *name == url).map(|at| after.survey.workers[at]);
        let (have, out) = figures.map_or((0, 0), |figures| (figures.capacity, figures.in_flight));
        if have != capacity {
            let what = "a generation in force has the capacities of its configuration";
            return violated(
                "capacity",
                format!("{what}: generation {generation} gave {url} {have}, not {capacity}"),
            );
        }
        fleet.set_capacity(at, capacity, out);
    }
    Ok(())
}

fn has_slots_for_all(pool: usize, view: &PoolView, fleet: &Fleet) -> Check {
    for (_, worker) in fleet.of_pool(pool).filter(|(_, worker)| worker.running > 0) {
        let out = out_of(view, &worker.url);
        if worker.running > out {
            let (url, running) = (&worker.url, worker.running);
            let what = "every request at a worker has a slot";
            return violated(
                "slots",
                format!("{what}: {url} has {running} requests, and {out} of its slots are out"),
            );
        }
    }
    Ok(())
}

fn count_parked(before: Option<&PoolView>, after: &PoolView, coverage: &mut Coverage) {
    let parked = |view: &PoolView| view.survey.workers.iter().filter(|worker| worker.failures > 0).count();
    let (before, after) = (before.map_or(0, parked), parked(after));
    coverage.add(Kind::Parked, after.saturating_sub(before) as u64);
}
