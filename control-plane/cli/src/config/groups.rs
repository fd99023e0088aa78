use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use serde::Deserialize;
use slotway_config::{Pool, PoolName};
use slotway_runtime::{
    RuntimeError,
    bounded_read::{self, SECRET_BYTES_MAX},
    tls,
};
use tokio_rustls::rustls::ServerConfig;

use slotway_pools::{DEFAULT_GROUP, GROUP_BYTES_MAX, Groups};

/// The length of a token, in bytes.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 16..=1_024;
/// The largest number of groups.
const GROUPS_MAX: usize = 1_024;
/// The largest number of certificate names of a group.
const CERTIFICATE_NAMES_MAX: usize = 1_024;

/// A group of Envoys: its pools and its credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSettings {
    /// Its name, which its Envoys state as `node.cluster`.
    pub name: String,
    /// Its pools. A pool without a group belongs to the group `slotway`.
    #[serde(default)]
    pub pools: Vec<PoolName>,
    /// A file with the token that its Envoys have to send; none is required by default.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Names (DNS or URI subject alternative names) of which an Envoy's certificate must have one. Without names, every
    /// certificate of `xds_tls.client_ca_file` is accepted.
    #[serde(default)]
    pub certificate_names: Vec<String>,
}

/// TLS of the xDS port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XdsTls {
    /// The control plane's certificate chain, a PEM file.
    pub certificate_file: PathBuf,
    /// Its private key, a PEM file.
    pub key_file: PathBuf,
    /// The authorities of the Envoys' certificates, a PEM file. With it, an Envoy without a certificate cannot connect.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}

/// How an Envoy connects to a control plane with TLS: files on Envoy's machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvoyTls {
    /// The trusted authorities of the control plane's certificate, a PEM file.
    pub ca_file: PathBuf,
    /// The name that the control plane's certificate must bear.
    pub server_name: String,
    /// Envoy's certificate chain, a PEM file, if the control plane requires one.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// The key of that certificate, a PEM file.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

impl XdsTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`RuntimeError::File`] for a file that cannot be read or is invalid.
    pub fn server(&self) -> Result<Arc<ServerConfig>, RuntimeError> {
        tls::server(&self.certificate_file, &self.key_file, self.client_ca_file.as_deref())
    }
}

impl GroupSettings {
    /// Reads the token that its Envoys have to send.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the file cannot be read or holds no token.
    pub fn token(&self) -> Result<Option<String>, RuntimeError> {
        let Some(file) = &self.token_file else { return Ok(None) };
        let text = bounded_read::read_text(file, SECRET_BYTES_MAX)
            .map_err(|error| RuntimeError::file(file, error))?;
        let token = text.trim();
        let right = TOKEN_BYTES.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if right {
            return Ok(Some(token.to_owned()));
        }
        let (least, most) = (TOKEN_BYTES.start(), TOKEN_BYTES.end());
        Err(RuntimeError::file(
            file,
            format!("it holds no token of {least} to {most} visible ASCII characters"),
        ))
    }
}

/// Checks that the groups are consistent with each other, the pools and TLS.
///
/// # Errors
/// The path of the setting, and what is wrong with it.
pub(super) fn check(
    groups: &[GroupSettings],
    tls: Option<&XdsTls>,
    pools: &[Pool],
) -> Result<(), (String, String)> {
    if groups.len() > GROUPS_MAX {
        return Err(("groups".to_owned(), format!("at most {GROUPS_MAX} groups are allowed")));
    }
    let mut names = BTreeSet::new();
    let mut taken = BTreeMap::new();
    for (at, group) in groups.iter().enumerate() {
        let refuse = |field: &str, reason: String| Err((format!("groups[{at}].{field}"), reason));
        let name = &group.name;
        if name.is_empty()
            || name.len() > GROUP_BYTES_MAX
            || !name.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return refuse(
                "name",
                format!("a group's name has 1 to {GROUP_BYTES_MAX} visible ASCII characters"),
            );
        }
        if !names.insert(name) {
            return refuse("name", format!("there is another group {name:?}"));
        }
        for (index, pool) in group.pools.iter().enumerate() {
            let field = format!("pools[{index}]");
            if pools.iter().all(|known| known.name != *pool) {
                return refuse(&field, format!("there is no pool {pool}"));
            }
            if let Some(other) = taken.insert(pool, name) {
                return refuse(&field, format!("pool {pool} is already in group {other:?}"));
            }
        }
        if group.certificate_names.len() > CERTIFICATE_NAMES_MAX {
            let reason = format!("at most {CERTIFICATE_NAMES_MAX} names are allowed");
            return refuse("certificate_names", reason);
        }
        if !group.certificate_names.is_empty() && tls.is_none_or(|tls| tls.client_ca_file.is_none()) {
            let reason = "without `xds_tls.client_ca_file` Envoys have no certificates";
            return refuse("certificate_names", reason.to_owned());
        }
    }
    let in_default = pools.iter().filter(|pool| !taken.contains_key(&pool.name)).count();
    for (at, group) in groups.iter().enumerate() {
        if group.pools.is_empty() && (group.name != DEFAULT_GROUP || in_default == 0) {
            let reason = format!("group {:?} has no pool: name at least one", group.name);
            return Err((format!("groups[{at}].name"), reason));
        }
    }
    Ok(())
}

/// Returns the group of each pool.
pub(super) fn of(groups: &[GroupSettings]) -> Groups {
    let pools =
        groups.iter().flat_map(|group| group.pools.iter().map(|pool| (pool.clone(), group.name.clone())));
    pools.collect()
}
