mod envoys;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::de::DeserializeOwned;

use super::{
    client,
    output::{aligned, say},
};
use crate::{
    config::{Overrides, load, token_path},
    error::Error,
    people::AdminToken,
    workers::WorkerRow,
    xds::CoordinatorStatus,
};

/// `slotway get`
#[derive(Debug, Subcommand)]
pub(super) enum Get {
    /// The workers: what each is doing and what is free
    Workers(Asked),
    /// The Envoys that are connected: what each has, and what it has refused and why
    Envoys(Asked),
}

#[derive(Debug, Args)]
pub(super) struct Asked {
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
        match self {
            Self::Workers(asked) => {
                let rows: Vec<WorkerRow> = asked.get("/coordinator/workers").await?;
                say(render(&rows, asked.output)?.trim_end());
            }
            Self::Envoys(asked) => {
                let envoys: Vec<CoordinatorStatus> = asked.get("/coordinator/envoys").await?;
                say(envoys::render(&envoys, asked.output)?.trim_end());
            }
        }
        Ok(())
    }
}

impl Asked {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let mut config = match &self.file {
            Some(file) => load(file)?,
            None => crate::config::Config::default(),
        };
        self.overrides.apply(&mut config)?;
        // Reads on this machine need no token; elsewhere it helps if it is here.
        let token = AdminToken::load(&token_path(&config.state)).ok();
        let text = client::get(config.api, path, token.as_ref()).await?;
        serde_json::from_str(&text).map_err(|error| Error::Request {
            url: config.api.to_string(),
            reason: format!("the answer is not what a control plane of this version answers: {error}"),
        })
    }
}

fn json(rows: &impl serde::Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(rows);
    text.map(|text| text + "\n")
        .map_err(|error| Error::System { doing: "writing JSON", reason: error.to_string() })
}

fn render(rows: &[WorkerRow], output: Output) -> Result<String, Error> {
    if output == Output::Json {
        return json(&rows);
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
