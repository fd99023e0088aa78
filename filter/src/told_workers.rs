//! What the control plane was told of a pool's workers, so that a report has only what is new.
//!
//! A pool may have thousands of workers, of which a few change from one report to the next. The others cost a comparison.

use slotway_config::{WorkerReport, WorkerState, WorkerUrl};
use slotway_engine::{Survey, WorkerIndex, WorkerSurvey, WorkerSurveyState};

/// One pool's workers, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct ToldWorkers {
    workers: Vec<Option<Told>>,
    /// Counts the surveys.
    survey: u64,
}

/// One worker.
#[derive(Debug)]
struct Told {
    url: WorkerUrl,
    /// What its number meant.
    names_epoch: u32,
    figures: WorkerSurvey,
    /// The last survey that had it.
    survey: u64,
}

impl ToldWorkers {
    /// What is new in a survey, for as many workers as there is `room`, which gets less. What finds none is told the next
    /// time. `name` says who has a number; a worker whose name cannot be read is left out.
    pub(crate) fn news(
        &mut self,
        survey: &Survey,
        room: &mut usize,
        mut name: impl FnMut(WorkerIndex) -> Option<WorkerUrl>,
    ) -> Vec<WorkerReport> {
        self.survey = self.survey.wrapping_add(1);
        let mut news = Vec::new();
        for figures in &survey.workers {
            let at = usize::from(figures.worker);
            if self.workers.len() <= at {
                self.workers.resize_with(at.saturating_add(1), || None);
            }
            let Some(place) = self.workers.get_mut(at) else { continue };
            if let Some(told) = place {
                told.survey = self.survey;
                if told.names_epoch == survey.names_epoch && told.figures == *figures {
                    continue;
                }
            }
            let Some(url) = name(figures.worker) else { continue };
            match place {
                Some(told) if told.url != url => {
                    // The number has gone from a worker that has drained to a new one.
                    news.push(told.farewell());
                    *room = room.saturating_sub(1);
                }
                Some(told) if told.figures == *figures => {
                    told.names_epoch = survey.names_epoch;
                    continue;
                }
                _ if *room == 0 => continue,
                _ => {}
            }
            news.push(report(url.clone(), figures));
            *room = room.saturating_sub(1);
            let names_epoch = survey.names_epoch;
            *place = Some(Told { url, names_epoch, figures: *figures, survey: self.survey });
        }
        for place in &mut self.workers {
            let has_gone = place.as_ref().is_some_and(|told| told.survey != self.survey);
            if *room > 0
                && let Some(told) = place.take_if(|_| has_gone)
            {
                news.push(told.farewell());
                *room = room.saturating_sub(1);
            }
        }
        news
    }
}

impl Told {
    /// The last word about it.
    fn farewell(&self) -> WorkerReport {
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

    /// Who stands in the news, with the requests under way; and the room that is left.
    fn news(told: &mut ToldWorkers, survey: &Survey, mut room: usize) -> (Vec<(String, u32)>, usize) {
        let name = |number| format!("http://w{number}-{}", survey.names_epoch / 10).parse().ok();
        let news = told.news(survey, &mut room, name);
        (news.into_iter().map(|report| (report.worker.to_string(), report.in_flight)).collect(), room)
    }

    fn named(names: &[(&str, u32)]) -> Vec<(String, u32)> {
        names.iter().map(|(name, in_flight)| (format!("http://{name}"), *in_flight)).collect()
    }

    #[test]
    fn only_what_has_changed_is_told_again() {
        let mut told = ToldWorkers::default();
        assert_eq!(
            news(&mut told, &survey(1, &[worker(0, 0), worker(5, 1)]), 10),
            (named(&[("w0-0", 0), ("w5-0", 1)]), 8)
        );
        assert_eq!(news(&mut told, &survey(1, &[worker(0, 0), worker(5, 1)]), 10), (vec![], 10));
        assert_eq!(
            news(&mut told, &survey(1, &[worker(0, 2), worker(5, 1)]), 10),
            (named(&[("w0-0", 2)]), 9)
        );
    }

    #[test]
    fn a_worker_that_has_gone_is_told_once() {
        let mut told = ToldWorkers::default();
        news(&mut told, &survey(1, &[worker(0, 1), worker(1, 1)]), 10);
        assert_eq!(news(&mut told, &survey(1, &[worker(0, 1)]), 10), (named(&[("w1-0", 0)]), 9));
        assert_eq!(news(&mut told, &survey(1, &[worker(0, 1)]), 10), (vec![], 10));
    }

    #[test]
    fn a_number_that_has_another_worker_says_farewell_to_the_first() {
        let mut told = ToldWorkers::default();
        news(&mut told, &survey(1, &[worker(0, 1)]), 10);
        let renamed = survey(10, &[worker(0, 1)]);
        assert_eq!(news(&mut told, &renamed, 10), (named(&[("w0-0", 0), ("w0-1", 1)]), 8));
        assert_eq!(news(&mut told, &renamed, 10), (vec![], 10));
        // The same worker as before, though others' numbers mean something else.
        assert_eq!(news(&mut told, &survey(11, &[worker(0, 1)]), 10), (vec![], 10));
    }

    #[test]
    fn what_finds_no_room_is_told_the_next_time() {
        let mut told = ToldWorkers::default();
        let many = survey(1, &[worker(0, 1), worker(1, 1), worker(2, 1)]);
        assert_eq!(news(&mut told, &many, 2), (named(&[("w0-0", 1), ("w1-0", 1)]), 0));
        assert_eq!(news(&mut told, &many, 2), (named(&[("w2-0", 1)]), 1));
        let none = survey(1, &[]);
        assert_eq!(news(&mut told, &none, 2), (named(&[("w0-0", 0), ("w1-0", 0)]), 0));
        assert_eq!(news(&mut told, &none, 2), (named(&[("w2-0", 0)]), 1));
    }
}
