use std::{fmt, path::Path, str::FromStr};

use serde::{Deserialize, Deserializer};
use sqlx::postgres::PgConnectOptions;

use super::sqlite;

/// The query parameters that a PostgreSQL URL may have.
const PARAMETERS: [&str; 6] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "application_name", "host"];

/// The store's database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StoreSettings {
    /// A SQLite file in the state directory, for one control plane: `store: sqlite`, the default.
    #[default]
    Sqlite,
    /// A PostgreSQL database, for several control planes: `store: postgres://USER@HOST:PORT/DATABASE`.
    Postgres(PostgresUrl),
}

impl FromStr for StoreSettings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "sqlite" { Ok(Self::Sqlite) } else { text.parse().map(Self::Postgres) }
    }
}

impl<'de> Deserialize<'de> for StoreSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl StoreSettings {
    /// Returns the location: the file, or the URL without the password.
    #[must_use]
    pub fn place(&self, state: &Path) -> String {
        match self {
            Self::Sqlite => sqlite::file_in(state).display().to_string(),
            Self::Postgres(url) => url.to_string(),
        }
    }

    /// Returns the passwords in the settings, for redaction.
    #[must_use]
    pub fn passwords(&self) -> Vec<String> {
        let Self::Postgres(PostgresUrl { url, password }) = self else { return Vec::new() };
        let in_url = || {
            let (_, rest) = url.split_once("://")?;
            let authority = rest.split(['/', '?', '#']).next()?;
            let (user_info, _) = authority.rsplit_once('@')?;
            Some(user_info.split_once(':')?.1.to_owned())
        };
        password.clone().into_iter().chain(in_url()).collect()
    }
}

/// The URL of a PostgreSQL database. `Display` and `Debug` omit the password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    url: String,
    password: Option<String>,
}

impl PostgresUrl {
    /// Returns the same URL with this password in place of its own.
    #[must_use]
    pub fn with_password(self, password: String) -> Self {
        Self { password: Some(password), ..self }
    }

    /// Returns the connection options. PostgreSQL's own environment (`PGHOST`, `PGPASSFILE`, ...) provides what the URL
    /// omits.
    ///
    /// # Errors
    /// The reason why the URL is invalid, without the URL.
    pub(super) fn options(&self) -> Result<PgConnectOptions, String> {
        let options = PgConnectOptions::from_str(&self.url).map_err(|error| match error {
            // The error's `Display` starts with "error with configuration: ".
            sqlx::Error::Configuration(reason) => reason.to_string(),
            other => other.to_string(),
        })?;
        Ok(match &self.password {
            Some(password) => options.password(password),
            None => options,
        })
    }
}

impl FromStr for PostgresUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The input may contain a password, so no error quotes it.
        let wrong = |reason: &str| {
            format!(
                "{reason}; say `sqlite`, or postgres://USER@HOST:PORT/DATABASE with the password in \
                 SLOTWAY_STORE_PASSWORD"
            )
        };
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(wrong("this is neither `sqlite` nor a URL that begins with postgres://"));
        }
        let (_, parameters) = text.split_once('?').unwrap_or_default();
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let name = parameter.split('=').next().unwrap_or_default();
            if !PARAMETERS.contains(&name) {
                let known = PARAMETERS.join(", ");
                return Err(wrong(&format!("{name:?} is not known in a store's URL; there is {known}")));
            }
        }
        let url = Self { url: text.to_owned(), password: None };
        url.options().map_err(|reason| wrong(&format!("this is no URL of a database ({reason})")))?;
        Ok(url)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(options) = self.options() else { return f.write_str("postgres://") };
        let (user, port) = (options.get_username(), options.get_port());
        match options.get_socket() {
            Some(socket) => write!(f, "postgres://{user}@{}:{port}", socket.display())?,
            None => write!(f, "postgres://{user}@{}:{port}", options.get_host())?,
        }
        write!(f, "/{}", options.get_database().unwrap_or(user))
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_displayed_without_its_password() {
        for (url, shown) in [
            ("postgres://u:hush@h:5433/d", "postgres://u@h:5433/d"),
            ("postgresql://u:h%40ush@h/d?sslmode=verify-full", "postgres://u@h:5432/d"),
            ("postgres://u:hush@%2Frun%2Fpg/d", "postgres://u@/run/pg:5432/d"),
        ] {
            let settings: StoreSettings = url.parse().unwrap();
            let StoreSettings::Postgres(url) = settings.clone() else { panic!("{settings:?}") };
            assert_eq!(url.to_string(), shown);
            let url = url.with_password("hush too".to_owned());
            assert!(!format!("{settings:?} {url} {url:?}").contains("ush@"), "{settings:?} {url:?}");
            assert!(!format!("{settings:?} {url} {url:?}").contains("hush"), "{settings:?} {url:?}");
        }
    }

    #[test]
    fn an_invalid_url_is_refused_without_quoting_it() {
        for (url, says) in [
            ("", "neither `sqlite` nor a URL"),
            ("SQLite", "neither `sqlite` nor a URL"),
            ("mysql://u:hush@h/d", "neither `sqlite` nor a URL"),
            ("postgres://u:hush@h:70000/d", "invalid port number"),
            ("postgres://u:hush@h:port/d", "invalid port number"),
            ("postgres://u:hush@h/d?sslmode=perhaps", "no URL of a database"),
            ("postgres://u@h/d?password=hush", "\"password\" is not known in a store's URL"),
            ("postgres://u@h/d?sslmod=require", "\"sslmod\" is not known"),
        ] {
            let error = url.parse::<StoreSettings>().unwrap_err();
            assert!(error.contains(says) && error.contains("say `sqlite`, or postgres://"), "{url}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
