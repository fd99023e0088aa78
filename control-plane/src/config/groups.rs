use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use serde::Deserialize;
use slotway_config::{Pool, PoolName};
use slotway_runtime::{RuntimeError, tls};
use tokio_rustls::rustls::ServerConfig;

use crate::groups::{DEFAULT_GROUP, GROUP_BYTES_MAX, Groups};

/// How long a token may be.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 16..=1_024;
/// Most groups in a file.
const GROUPS_MAX: usize = 1_024;
/// Most names of certificates in a group.
const CERTIFICATE_NAMES_MAX: usize = 1_024;

/// A group of Envoys: which pools they have, and how they show that they belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSettings {
    /// What its Envoys state as `node.cluster`.
    pub name: String,
    /// Its pools. A pool that stands in no group belongs to the group `slotway`.
    #[serde(default)]
    pub pools: Vec<PoolName>,
    /// A file with the token that its Envoys must send; none is needed without it.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Names (DNS or URI, as in the certificate's subject alternative names) of which an Envoy's certificate must have one; with
    /// none every certificate of `xds_tls.client_ca_file` will do.
    #[serde(default)]
    pub certificate_names: Vec<String>,
}

/// TLS on the port of xDS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XdsTls {
    /// The control plane's certificate chain, a PEM file.
    pub certificate_file: PathBuf,
    /// Its private key, a PEM file.
    pub key_file: PathBuf,
    /// The authorities that sign the Envoys' certificates, a PEM file. With it an Envoy without such a certificate gets no connection.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}

/// How an Envoy reaches a control plane that has TLS: files on Envoy's machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvoyTls {
    /// The authorities that may have signed the control plane's certificate, a PEM file.
    pub ca_file: PathBuf,
    /// The name that the control plane's certificate must have.
    pub server_name: String,
    /// Envoy's own certificate chain and key, PEM files, where the control plane asks for one.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

impl XdsTls {
    /// TLS as it has it.
    ///
    /// # Errors
    /// [`RuntimeError::File`] for a file that cannot be read or holds something else.
    pub fn server(&self) -> Result<Arc<ServerConfig>, RuntimeError> {
        tls::server(&self.certificate_file, &self.key_file, self.client_ca_file.as_deref())
    }
}

impl GroupSettings {
    /// The token that its Envoys must send, from its file.
    ///
    /// # Errors
    /// [`RuntimeError::File`] where the file cannot be read or holds no token.
    pub fn token(&self) -> Result<Option<String>, RuntimeError> {
        let Some(file) = &self.token_file else { return Ok(None) };
        let text = std::fs::read_to_string(file).map_err(|error| RuntimeError::file(file, error))?;
        let token = text.trim();
        let right = TOKEN_BYTES.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if right {
            return Ok(Some(token.to_owned()));
        }
        let (least, most) = (TOKEN_BYTES.start(), TOKEN_BYTES.end());
        Err(RuntimeError::file(
            file,
            format!("it holds no token: {least} to {most} visible ASCII characters are one"),
        ))
    }
}

/// Finds groups that contradict each other, the pools or TLS.
///
/// # Errors
/// The path of the setting, and what is wrong with it.
pub(super) fn check(
    groups: &[GroupSettings],
    tls: Option<&XdsTls>,
    pools: &[Pool],
) -> Result<(), (String, String)> {
    if groups.len() > GROUPS_MAX {
        return Err(("groups".to_owned(), format!("at most {GROUPS_MAX} groups are possible")));
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
            let reason = format!("at most {CERTIFICATE_NAMES_MAX} names are possible");
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

/// Which group each pool belongs to.
pub(super) fn of(groups: &[GroupSettings]) -> Groups {
    let pools =
        groups.iter().flat_map(|group| group.pools.iter().map(|pool| (pool.clone(), group.name.clone())));
    pools.collect()
}
