//! What the control plane knows about a pool's workers, so that a report has only the changes.
//!
//! A pool may have thousands of workers, of which a few change between two reports. Each of the others costs one comparison.

use slotway_config::{WorkerReport, WorkerState, WorkerUrl};
use slotway_engine::{Survey, WorkerIndex, WorkerSurvey, WorkerSurveyState};

/// The workers of one pool as last reported, by index.
#[derive(Debug, Default)]
pub(crate) struct ReportedWorkers {
    workers: Vec<Option<ReportedWorker>>,
    /// The number of surveys so far.
    survey: u64,
}

/// One worker as last reported.
#[derive(Debug)]
struct ReportedWorker {
    url: WorkerUrl,
    /// The epoch of the names at that time.
    names_epoch: u32,
    figures: WorkerSurvey,
    /// The newest survey that contains it.
    survey: u64,
}

impl ReportedWorkers {
    /// Returns what has changed since the last survey, for at most `room` workers, and lowers `room` by their number. The
    /// others follow in the next report. A worker whose index goes to another one may take one more. `name` returns a worker's URL; a worker without one is left out.
    pub(crate) fn changes(
        &mut self,
        survey: &Survey,
        room: &mut usize,
        mut name: impl FnMut(WorkerIndex) -> Option<WorkerUrl>,
    ) -> Vec<WorkerReport> {
        self.survey = self.survey.wrapping_add(1);
        let mut changes = Vec::new();
        for figures in &survey.workers {
            let at = usize::from(figures.worker);
            if self.workers.len() <= at {
                self.workers.resize_with(at.saturating_add(1), || None);
            }
            let Some(entry) = self.workers.get_mut(at) else { continue };
            if let Some(known) = entry {
                known.survey = self.survey;
                if known.names_epoch == survey.names_epoch && known.figures == *figures {
                    continue;
                }
            }
            let Some(url) = name(figures.worker) else { continue };
            match entry {
                Some(known) if known.url == url && known.figures == *figures => {
                    known.names_epoch = survey.names_epoch;
                    continue;
                }
                _ if *room == 0 => continue,
                Some(known) if known.url != url => {
                    // A new worker has the index of one that has drained.
                    changes.push(known.last_report());
                    *room = room.saturating_sub(1);
                }
                _ => {}
            }
            changes.push(report(url.clone(), figures));
            *room = room.saturating_sub(1);
            let names_epoch = survey.names_epoch;
            *entry = Some(ReportedWorker { url, names_epoch, figures: *figures, survey: self.survey });
        }
        for entry in &mut self.workers {
            let has_gone = entry.as_ref().is_some_and(|known| known.survey != self.survey);
            if *room > 0
                && let Some(known) = entry.take_if(|_| has_gone)
            {
                changes.push(known.last_report());
                *room = room.saturating_sub(1);
            }
        }
        changes
    }
}

impl ReportedWorker {
    /// Returns the last report about a worker that has gone.
    fn last_report(&self) -> WorkerReport {
        WorkerReport {
            worker: self.url.clone(),
            capacity: 0,
            in_flight: 0,
            free: 0,
            parked: 0,
            failures: 0,
            state: WorkerState::Gone,
        }
    }
}

fn report(worker: WorkerUrl, figures: &WorkerSurvey) -> WorkerReport {
    WorkerReport {
        worker,
        capacity: figures.capacity,
        in_flight: figures.in_flight,
        free: figures.free,
        parked: figures.parked,
        failures: figures.failures,
        state: match figures.state {
            WorkerSurveyState::Active => WorkerState::Active,
            WorkerSurveyState::Parked => WorkerState::Parked,
            WorkerSurveyState::Probing => WorkerState::Probing,
            WorkerSurveyState::Draining => WorkerState::Draining,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(number: WorkerIndex, in_flight: u32) -> WorkerSurvey {
        WorkerSurvey {
            worker: number,
            capacity: 3,
            free: 3_u32.saturating_sub(in_flight),
            in_flight,
            parked: 0,
            failures: 0,
            state: WorkerSurveyState::Active,
        }
    }

    fn survey(names_epoch: u32, workers: &[WorkerSurvey]) -> Survey {
        Survey { names_epoch, workers: workers.to_vec(), ..Survey::default() }
    }

    /// Returns the workers that are reported, with their requests in flight, and the room that is left.
    fn changes(known: &mut ReportedWorkers, survey: &Survey, mut room: usize) -> (Vec<(String, u32)>, usize) {
        let name = |number| format!("http://w{number}-{}", survey.names_epoch / 10).parse().ok();
        let changes = known.changes(survey, &mut room, name);
        (changes.into_iter().map(|report| (report.worker.to_string(), report.in_flight)).collect(), room)
    }

    fn named(names: &[(&str, u32)]) -> Vec<(String, u32)> {
        names.iter().map(|(name, in_flight)| (format!("http://{name}"), *in_flight)).collect()
    }

    #[test]
    fn only_changes_are_reported_again() {
        let mut known = ReportedWorkers::default();
        assert_eq!(
            changes(&mut known, &survey(1, &[worker(0, 0), worker(5, 1)]), 10),
            (named(&[("w0-0", 0), ("w5-0", 1)]), 8)
        );
        assert_eq!(changes(&mut known, &survey(1, &[worker(0, 0), worker(5, 1)]), 10), (vec![], 10));
        assert_eq!(
            changes(&mut known, &survey(1, &[worker(0, 2), worker(5, 1)]), 10),
            (named(&[("w0-0", 2)]), 9)
        );
    }

    #[test]
    fn a_worker_that_has_gone_is_reported_once() {
        let mut known = ReportedWorkers::default();
        changes(&mut known, &survey(1, &[worker(0, 1), worker(1, 1)]), 10);
        assert_eq!(changes(&mut known, &survey(1, &[worker(0, 1)]), 10), (named(&[("w1-0", 0)]), 9));
        assert_eq!(changes(&mut known, &survey(1, &[worker(0, 1)]), 10), (vec![], 10));
    }

    #[test]
    fn a_worker_whose_index_goes_to_another_one_is_reported_gone() {
        let mut known = ReportedWorkers::default();
        changes(&mut known, &survey(1, &[worker(0, 1)]), 10);
        let renamed = survey(10, &[worker(0, 1)]);
        assert_eq!(changes(&mut known, &renamed, 10), (named(&[("w0-0", 0), ("w0-1", 1)]), 8));
        assert_eq!(changes(&mut known, &renamed, 10), (vec![], 10));
        // Only indexes of other workers have changed their meaning.
        assert_eq!(changes(&mut known, &survey(11, &[worker(0, 1)]), 10), (vec![], 10));
    }

    #[test]
    fn changes_without_room_are_reported_the_next_time() {
        let mut known = ReportedWorkers::default();
        let many = survey(1, &[worker(0, 1), worker(1, 1), worker(2, 1)]);
        assert_eq!(changes(&mut known, &many, 2), (named(&[("w0-0", 1), ("w1-0", 1)]), 0));
        assert_eq!(changes(&mut known, &many, 2), (named(&[("w2-0", 1)]), 1));
        let renamed = survey(10, &[worker(0, 1), worker(1, 1), worker(2, 1)]);
        let (first, room) = changes(&mut known, &renamed, 3);
        assert_eq!((first, room), (named(&[("w0-0", 0), ("w0-1", 1), ("w1-0", 0), ("w1-1", 1)]), 0));
        assert_eq!(changes(&mut known, &renamed, 3), (named(&[("w2-0", 0), ("w2-1", 1)]), 1));
        let none = survey(10, &[]);
        assert_eq!(changes(&mut known, &none, 2), (named(&[("w0-1", 0), ("w1-1", 0)]), 0));
        assert_eq!(changes(&mut known, &none, 2), (named(&[("w2-1", 0)]), 1));
    }
}
