use axum::extract::{Query, rejection::QueryRejection};

use crate::ApiError;
use crate::resource::{PageQuery, bad_query};
use slotway_pools::{WorkerCondition, WorkerRecord, WorkerStatus};

/// The maximum number of labels in a query: that of a worker.
const LABELS_MAX: usize = 32;

/// The filter and the page of a list of workers.
#[derive(Debug, Default)]
pub(super) struct WorkerQuery {
    pub(super) page: PageQuery,
    pool: Option<String>,
    state: Option<WorkerCondition>,
    /// Labels that all have to match.
    labels: Vec<(String, String)>,
}

impl WorkerQuery {
    /// Reads a query, in which `label` may repeat.
    ///
    /// # Errors
    /// [`ApiError::BadBody`].
    pub(super) fn read(
        query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    ) -> Result<Self, ApiError> {
        const THERE_IS: &str = "limit, continue, pool, state and label";
        let Query(pairs) = query.map_err(|rejection| bad_query(&rejection, THERE_IS))?;
        let mut read = Self::default();
        for (name, value) in pairs {
            let bad = |reason: String| ApiError::BadBody { index: None, field: Some(name.clone()), reason };
            match name.as_str() {
                "limit" => {
                    let number =
                        value.parse().map_err(|_| bad(format!("{value:?} is not a whole number")))?;
                    read.page.limit = Some(number);
                }
                "continue" => read.page.after = Some(value),
                "pool" => read.pool = Some(value),
                "state" => {
                    let found = WorkerCondition::ALL.into_iter().find(|state| state.as_str() == value);
                    let known = WorkerCondition::ALL.map(WorkerCondition::as_str).join(", ");
                    read.state = Some(
                        found.ok_or_else(|| bad(format!("{value:?} is not a state: there is {known}")))?,
                    );
                }
                "label" => {
                    let (label, value) = value.split_once('=').ok_or_else(|| {
                        bad(format!("{value:?} is not a label with its value; write label=NAME=VALUE"))
                    })?;
                    if read.labels.len() == LABELS_MAX {
                        return Err(bad(format!("at most {LABELS_MAX} labels can be asked for")));
                    }
                    read.labels.push((label.to_owned(), value.to_owned()));
                }
                _ => return Err(bad(format!("there is no {name:?} to ask by; there is {THERE_IS}"))),
            }
        }
        Ok(read)
    }

    /// Returns whether a worker matches.
    pub(super) fn wants(&self, record: &WorkerRecord, status: &WorkerStatus) -> bool {
        self.pool.as_ref().is_none_or(|pool| record.entry.pool.as_str() == pool)
            && self.state.is_none_or(|state| status.state == state)
            && self.labels.iter().all(|(name, value)| record.labels.has(name, value))
    }
}
