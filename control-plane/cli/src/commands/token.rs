use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{
    client::ApiRequest,
    completion,
    connection::{Connection, also_by_file},
    kind::Kind,
    output::{Format, json, printable, say, say_text, yaml},
    people,
};
use crate::commands::CliError;

/// `slotway token`
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Create a token for a program, and print its secret once
    Create(Create),
    /// List the tokens, without their secrets
    List(people::ListCommand),
    /// Delete tokens, which are refused from then on
    Delete(Delete),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  slotway token create autoscaler --scope workers --expires-in 720h > autoscaler.token
  slotway token create board --scope read -o json
  slotway get workers --token-file autoscaler.token";

const DELETE_EXAMPLES: &str = "\
Examples:
  slotway token delete autoscaler";

/// `slotway token create`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = CREATE_EXAMPLES)]
pub(super) struct Create {
    /// Its name, which the audit log shows
    #[arg(value_name = "NAME")]
    name: String,
    /// What it permits
    #[arg(long, value_enum, default_value_t = Scope::Read)]
    scope: Scope,
    /// Its lifetime, such as 720h [default: unlimited]
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    /// Output format; table prints only the secret
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// `slotway token delete`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = DELETE_EXAMPLES)]
pub(super) struct Delete {
    /// The tokens
    #[arg(value_name = "NAME", required = true, add = completion::tokens())]
    names: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// Read everything except users and tokens
    Read,
    /// Read, and change workers
    Workers,
    /// Everything
    Admin,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Workers => "workers",
            Self::Admin => "admin",
        }
    }
}

impl Token {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Create(create) => create.run().await,
            Self::List(listed) => listed.run(Kind::TOKEN).await,
            Self::Delete(delete) => {
                people::delete(&delete.connection.client()?, Kind::TOKEN, &delete.names).await
            }
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), CliError> {
        let client = self.connection.client()?;
        let mut spec = json!({ "scope": self.scope.as_str() });
        if let (Some(after), Some(fields)) = (&self.expires_in, spec.as_object_mut()) {
            fields.insert("expires_in".to_owned(), after.as_str().into());
        }
        let body = json!({ "metadata": { "name": self.name }, "spec": spec });
        let ask = ApiRequest::post(Kind::TOKEN.collection(), Kind::TOKEN.in_words(&self.name)).json(body);
        let answer = client.send(&ask).await?.body;
        match self.output {
            Format::Json => say_text(&json(&answer)?),
            Format::Yaml => say_text(&yaml(&answer)?),
            Format::Name => say(format_args!("token/{}", printable(&self.name))),
            Format::Table | Format::Wide => {
                let secret =
                    answer.get("secret").or_else(|| answer.pointer("/status/secret")).and_then(Value::as_str);
                say(secret.ok_or_else(|| client.unexpected(&ask, "not a token with its secret"))?);
                eprintln!(
                    "slotway: token {} created. Its secret cannot be shown again",
                    printable(&self.name)
                );
            }
        }
        Ok(())
    }
}
