//! The stored form of the settings of the configuration file other than pools and workers. A start compares it with the
//! file: only a file with other settings needs a new generation.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Serialize};
use slotway_config::{PoolName, WaitDuration};

use crate::{DEFAULT_READY_PATH, ListenerSettings};

/// The last stored settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum StoredListener {
    /// The fields.
    Fields(ListenerRecord),
    /// A text of a version that stored no fields.
    Text(String),
}

/// [`ListenerSettings`] as a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListenerRecord {
    listen: SocketAddr,
    debug_headers: bool,
    lane_lease: WaitDuration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_log: Option<String>,
    filter_wasm: String,
    /// Absent: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ready_path: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<PoolName, String>,
    lanes: u32,
}

impl StoredListener {
    pub(crate) fn new(listener: &ListenerSettings) -> Self {
        Self::Fields(ListenerRecord {
            listen: listener.listen,
            debug_headers: listener.debug_headers,
            lane_lease: listener.lane_lease,
            access_log: listener.access_log.as_ref().map(|path| path.to_string_lossy().into_owned()),
            filter_wasm: listener.filter_wasm.to_string_lossy().into_owned(),
            ready_path: Some(listener.ready_path.clone()).filter(|path| path != DEFAULT_READY_PATH),
            groups: listener.groups.iter().map(|(pool, group)| (pool.clone(), group.to_owned())).collect(),
            lanes: listener.lanes,
        })
    }

    /// Returns whether these are the stored settings.
    pub(crate) fn is_of(&self, listener: &ListenerSettings) -> bool {
        match self {
            Self::Fields(_) => *self == Self::new(listener),
            Self::Text(text) => *text == text_of(listener),
        }
    }
}

/// Returns the text that versions without [`ListenerRecord`] stored. It must not change, because it is compared with
/// the stores of such versions.
fn text_of(listener: &ListenerSettings) -> String {
    let ListenerSettings {
        listen, debug_headers, lane_lease, access_log, filter_wasm, groups, lanes, ..
    } = listener;
    let lane_lease_ms = lane_lease.as_ms();
    let groups: Vec<_> =
        groups.iter().map(|(pool, group)| format!("PoolName({:?}): {group:?}", pool.as_str())).collect();
    let groups = groups.join(", ");
    format!(
        "ListenerSettings {{ listen: {listen}, debug_headers: {debug_headers}, lane_lease: WaitDuration {{ ms: {lane_lease_ms} }}, \
         access_log: {access_log:?}, filter_wasm: {filter_wasm:?}, groups: Groups {{ by_pool: {{{groups}}} }}, lanes: {lanes} }}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ListenerSettings {
        ListenerSettings {
            listen: "127.0.0.1:10000".parse().unwrap(),
            debug_headers: false,
            lane_lease: WaitDuration::from_ms(5_000),
            access_log: Some("/var/log/a \"b\".log".into()),
            filter_wasm: "/f.wasm".into(),
            ready_path: DEFAULT_READY_PATH.to_owned(),
            groups: [
                ("gpu".parse().unwrap(), "gpus".to_owned()),
                ("ocr".parse().unwrap(), "texts".to_owned()),
            ]
            .into_iter()
            .collect(),
            lanes: 2,
        }
    }

    #[test]
    fn fields_are_read_back_as_they_were_written() {
        let stored = StoredListener::new(&settings());
        let json = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<StoredListener>(&json).unwrap(), stored);
        assert!(stored.is_of(&settings()));
        assert!(!stored.is_of(&ListenerSettings { lanes: 3, ..settings() }));
    }

    #[test]
    fn the_text_of_earlier_versions_is_recognised() {
        let plain = ListenerSettings { access_log: None, groups: Default::default(), ..settings() };
        for (listener, text) in [
            (
                plain.clone(),
                r#"ListenerSettings { listen: 127.0.0.1:10000, debug_headers: false, lane_lease: WaitDuration { ms: 5000 }, access_log: None, filter_wasm: "/f.wasm", groups: Groups { by_pool: {} }, lanes: 2 }"#,
            ),
            (
                settings(),
                r#"ListenerSettings { listen: 127.0.0.1:10000, debug_headers: false, lane_lease: WaitDuration { ms: 5000 }, access_log: Some("/var/log/a \"b\".log"), filter_wasm: "/f.wasm", groups: Groups { by_pool: {PoolName("gpu"): "gpus", PoolName("ocr"): "texts"} }, lanes: 2 }"#,
            ),
        ] {
            let json = serde_json::to_string(text).unwrap();
            let stored: StoredListener = serde_json::from_str(&json).unwrap();
            assert_eq!(stored, StoredListener::Text(text.to_owned()));
            assert!(stored.is_of(&listener), "{text}");
            assert!(!stored.is_of(&ListenerSettings { debug_headers: true, ..listener }));
        }
        assert!(!StoredListener::Text("[]".to_owned()).is_of(&plain));
    }
}
