use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    client::ApiRequest,
    completion,
    connection::{Connection, also_by_file},
    kind::Kind,
    output::{printable, say},
    password, people,
};
use crate::commands::CliError;

/// `slotway user`
#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Create a user; the password is prompted for, or read from standard input
    Create(Create),
    /// List the users
    List(people::ListCommand),
    /// Delete users and end their sessions
    Delete(Delete),
    /// Change a user's password; it is prompted for, or read from standard input
    Passwd(Passwd),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  slotway user create ada --role admin                                prompts for the password
  pass show slotway/grace | slotway user create grace --password-stdin";

const DELETE_EXAMPLES: &str = "\
Examples:
  slotway user delete ada";

const PASSWD_EXAMPLES: &str = "\
Examples:
  slotway user passwd ada                                             prompts for the password
  pass show slotway/ada | slotway user passwd ada --password-stdin";

/// `slotway user create`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = CREATE_EXAMPLES)]
pub(super) struct Create {
    /// The user's name
    #[arg(value_name = "NAME")]
    name: String,
    /// The user's role
    #[arg(long, value_enum, default_value_t = Role::Viewer)]
    role: Role,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    connection: Connection,
}

/// `slotway user passwd`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = PASSWD_EXAMPLES)]
pub(super) struct Passwd {
    /// The user's name
    #[arg(value_name = "NAME", add = completion::users())]
    name: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    connection: Connection,
}

/// `slotway user delete`
#[derive(Debug, Args)]
#[command(mut_arg("config", also_by_file), after_help = DELETE_EXAMPLES)]
pub(super) struct Delete {
    /// The users
    #[arg(value_name = "NAME", required = true, add = completion::users())]
    names: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Read everything except users and tokens
    Viewer,
    /// Everything
    Admin,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }
}

impl User {
    pub(super) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Create(create) => create.run().await,
            Self::Passwd(passwd) => passwd.run().await,
            Self::List(listed) => listed.run(Kind::USER).await,
            Self::Delete(delete) => {
                people::delete(&delete.connection.client()?, Kind::USER, &delete.names).await
            }
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), CliError> {
        let client = self.connection.client()?;
        let password = password::ask(&self.name, self.password_stdin)?;
        let body = json!({ "spec": { "role": self.role.as_str(), "password": password.0 } });
        let ask = ApiRequest::put(Kind::USER.path_of(&self.name), Kind::USER.in_words(&self.name));
        client.send(&ask.json(body).only_if_absent()).await?;
        say(format_args!("user/{} created", printable(&self.name)));
        Ok(())
    }
}

impl Passwd {
    async fn run(self) -> Result<(), CliError> {
        let client = self.connection.client()?;
        // Fails early for a user that does not exist.
        client.one(Kind::USER, &self.name).await?;
        let password = password::ask(&self.name, self.password_stdin)?;
        let patch = json!({ "spec": { "password": password.0 } });
        let request =
            ApiRequest::patch(Kind::USER.path_of(&self.name), Kind::USER.in_words(&self.name), patch);
        client.send(&request).await?;
        say(format_args!("user/{} has another password", printable(&self.name)));
        Ok(())
    }
}
