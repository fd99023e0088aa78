//! A survey of a whole pool, for reports. It reads every page and changes nothing.

use crate::{
    Abort, PageSource, PoolTransition, Region, WorkerIndex,
    worker_table::{self, Reach},
};

/// The state of a pool at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The generation in force.
    pub generation: u64,
    /// [`crate::Root::names_epoch`], which says what the workers' indexes mean.
    pub names_epoch: u32,
    /// Slots in the free queue that can be given out.
    pub free: u32,
    /// Slots held by requests, or on their way to a waiter.
    pub in_flight: u32,
    /// Slots in the ledger: the same number, counted in another way.
    pub ledger: u32,
    /// Slots of workers that cannot be reached.
    pub parked: u32,
    /// Requests that wait.
    pub waiting: u32,
    /// Since when the first of them waits, if that is known.
    pub waiting_since_ms: Option<u64>,
    /// The workers that have a capacity, or a slot that is still out.
    pub workers: Vec<WorkerSurvey>,
}

/// One worker in a [`Survey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerSurvey {
    /// Its index.
    pub worker: WorkerIndex,
    /// Its capacity in force; 0 once it was removed.
    pub capacity: u32,
    /// Its slots in the free queue that can be given out.
    pub free: u32,
    /// Its slots held by requests, or on their way to a waiter.
    pub in_flight: u32,
    /// Its slots that are parked because it cannot be reached.
    pub parked: u32,
    /// Consecutive failures to reach it.
    pub failures: u32,
    /// Its state.
    pub state: WorkerSurveyState,
}

/// The state of a worker, as the engine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerSurveyState {
    /// It takes requests.
    Active,
    /// It cannot be reached.
    Parked,
    /// It could not be reached, and a request probes it.
    Probing,
    /// It has more requests in flight than its capacity, which has become smaller or 0.
    Draining,
}

impl<S: PageSource> PoolTransition<'_, S> {
    /// Surveys every worker and every free slot.
    ///
    /// # Errors
    /// [`Abort`]; [`Abort::Stale`] if the pool was changed meanwhile.
    pub fn survey(&mut self) -> Result<Survey, Abort> {
        let mut queued = vec![0_u32; self.root.workers_end as usize];
        self.root.free.for_each(Region::Free, &mut self.pages, |worker| {
            if let Some(count) = queued.get_mut(usize::from(worker)) {
                *count += 1;
            }
        })?;
        let mut survey = Survey {
            generation: self.root.generation,
            names_epoch: self.root.names_epoch,
            waiting: self.root.waiting(),
            ledger: self.root.ledger.len() as u32,
            waiting_since_ms: self.root.waiting_since_ms(),
            ..Survey::default()
        };
        let mut slots = 0_u32;
        let mut records = [worker_table::Record::VACANT; worker_table::RECORDS];
        for (worker, queued) in (0..).zip(queued) {
            let in_page = usize::from(worker) % worker_table::RECORDS;
            if in_page == 0 {
                let page = u32::from(worker) / worker_table::RECORDS as u32;
                records = worker_table::read_page(page, &mut self.pages)?;
            }
            let record = records[in_page];
            if record.is_vacant() {
                continue;
            }
            slots = slots.saturating_add(record.slots);
            if slots > self.root.slots {
                return Err(Abort::Corrupt("the root counts fewer slots than its workers' records"));
            }
            let held = record.slots.checked_sub(record.parked + queued);
            let in_flight = held.ok_or(Abort::Corrupt("more slots are free and parked than there are"))?;
            // Surplus slots in the queue are removed when they reach the head, so they are not free.
            let queued = queued.saturating_sub(record.surplus());
            let probing = matches!(record.reach, Reach::ProbeReady | Reach::Probing);
            let (free, put_away) = match record.reach {
                Reach::Active => (queued, 0),
                Reach::ProbeReady => (queued.min(1), queued.saturating_sub(1)),
                Reach::Parked | Reach::Probing => (0, queued),
            };
            let state = match record.reach {
                Reach::Active if in_flight > record.capacity || record.capacity == 0 => {
                    WorkerSurveyState::Draining
                }
                Reach::Active => WorkerSurveyState::Active,
                _ if record.capacity == 0 => WorkerSurveyState::Draining,
                _ if probing => WorkerSurveyState::Probing,
                _ => WorkerSurveyState::Parked,
            };
            survey.free += free;
            survey.in_flight += in_flight;
            survey.parked += record.parked + put_away;
            survey.workers.push(WorkerSurvey {
                worker,
                capacity: record.capacity,
                free,
                in_flight,
                parked: record.parked + put_away,
                failures: u32::from(record.failures),
                state,
            });
        }
        Ok(survey)
    }
}
