use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    client,
    output::{aligned, say},
};
use crate::{
    api::auth::AdminToken,
    config::{Overrides, load, token_path},
    error::Error,
    workers::WorkerRow,
};

/// `slotway get`
#[derive(Debug, Subcommand)]
pub(super) enum Get {
    /// The workers: what each is doing and what is free
    Workers(Workers),
}

#[derive(Debug, Args)]
pub(super) struct Workers {
    /// The configuration file of the control plane; without it the default addresses are asked
    #[arg(short, long, env = "SLOTWAY_CONFIG", value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// How to show them
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Wide,
    Json,
}

impl Get {
    pub(super) async fn run(self) -> Result<(), Error> {
        let Self::Workers(workers) = self;
        let mut config = match &workers.file {
            Some(file) => load(file)?,
            None => crate::config::Config::default(),
        };
        workers.overrides.apply(&mut config)?;
        // Reads on this machine need no token; elsewhere it helps if it is here.
        let token = AdminToken::load(&token_path(&config.state)).ok();
        let text = client::get(config.api, "/coordinator/workers", token.as_ref()).await?;
        let rows: Vec<WorkerRow> = serde_json::from_str(&text).map_err(|error| Error::Request {
            url: config.api.to_string(),
            reason: format!("the answer is not a list of workers: {error}"),
        })?;
        say(render(&rows, workers.output)?.trim_end());
        Ok(())
    }
}

fn render(rows: &[WorkerRow], output: Output) -> Result<String, Error> {
    if output == Output::Json {
        let text = serde_json::to_string_pretty(rows);
        return text
            .map(|text| text + "\n")
            .map_err(|error| Error::System { doing: "writing JSON", reason: error.to_string() });
    }
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let mut headings = vec!["WORKER", "POOL", "STATE", "CAPACITY", "IN FLIGHT", "FREE", "WAITING"];
    if output == Output::Wide {
        headings.extend(["PARKED", "FAILURES", "OLDEST WAIT MS", "AGE MS", "GENERATION", "IN FORCE"]);
    }
    let mut lines = vec![headings.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for row in rows {
        let mut line = vec![
            row.worker.clone(),
            row.pool.clone(),
            row.state.as_str().to_owned(),
            row.capacity.to_string(),
            number(row.in_flight.map(u64::from)),
            number(row.free.map(u64::from)),
            number(row.waiting.map(u64::from)),
        ];
        if output == Output::Wide {
            line.extend([
                number(row.parked.map(u64::from)),
                number(row.failures.map(u64::from)),
                number(row.oldest_wait_ms),
                number(row.report_age_ms),
                row.generation_wanted.to_string(),
                number(row.generation_in_force),
            ]);
        }
        lines.push(line);
    }
    Ok(aligned(&lines))
}
