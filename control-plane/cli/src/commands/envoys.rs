use super::output::{Format, aligned, json, printable, yaml};
use crate::commands::CliError;
use slotway_api_types::{CoordinatorStatus, SyncState, UnacceptedChange};
use slotway_runtime::Moment;

/// Renders one line per Envoy, or one per rejected type with the change and the reason.
pub(super) fn render(envoys: &[CoordinatorStatus], output: Format) -> Result<String, CliError> {
    match output {
        Format::Json => return json(&envoys),
        Format::Yaml => return yaml(&envoys),
        Format::Name => {
            return Ok(envoys.iter().map(|envoy| format!("envoy/{}\n", printable(&envoy.node))).collect());
        }
        Format::Table | Format::Wide => {}
    }
    let mut headings = vec!["NODE", "GROUP", "STATE", "GENERATION", "REFUSED", "CHANGED BY", "REASON"];
    if output == Format::Wide {
        headings.extend(["ENVOY", "PROTOCOL"]);
    }
    let mut lines = vec![headings.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for envoy in envoys {
        let refused = envoy.types.iter().filter(|(_, status)| status.state == SyncState::Rejected);
        let mut refused: Vec<_> = refused
            .map(|(url, status)| {
                let what = url.rsplit('.').next().unwrap_or_default();
                let last = status.last_rejection.as_ref();
                let why = last.map_or("-", |last| &last.reason);
                let changes = last.and_then(|last| last.changes.as_deref()).unwrap_or_default();
                (what, changed_by(changes, output == Format::Wide), why)
            })
            .collect();
        if refused.is_empty() {
            refused.push(("-", "-".to_owned(), "-"));
        }
        for (what, changed_by, why) in refused {
            let generation = envoy.generation.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let mut line = vec![
                envoy.node.clone(),
                envoy.cluster.clone(),
                word(&envoy.state)?,
                generation,
                what.to_owned(),
                changed_by,
                why.to_owned(),
            ];
            if output == Format::Wide {
                line.extend([envoy.envoy_version.clone(), word(&envoy.protocol)?]);
            }
            lines.push(line.iter().map(|cell| printable(cell)).collect());
        }
    }
    Ok(aligned(&lines))
}

/// Describes the changes with author and time; without `all`, only the most likely one and the number of others.
fn changed_by(changes: &[UnacceptedChange], all: bool) -> String {
    let said = |change: &UnacceptedChange| {
        let seconds = i64::try_from(change.at_unix_ms / 1_000).unwrap_or(i64::MAX / 1_000);
        let at = Moment::from_unix_ms(seconds * 1_000);
        format!("{}: {} {} at {at}", change.who, change.kind, change.key)
    };
    match changes {
        [] => "-".to_owned(),
        [one] => said(one),
        [one, others @ ..] if !all => format!("{} (and {} more)", said(one), others.len()),
        changes => changes.iter().map(said).collect::<Vec<_>>().join("; "),
    }
}

/// Returns the API's word for a value.
fn word(value: &impl serde::Serialize) -> Result<String, CliError> {
    Ok(json(value)?.trim_matches(['"', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use slotway_api_types::{Rejection, TypeStatus, Variant};

    #[test]
    fn an_envoy_that_has_refused_something_is_shown_with_what_and_who_changed_it_and_why() {
        let change = |who: &str, key: &str| UnacceptedChange {
            who: who.to_owned(),
            at_unix_ms: 1_795_000_000_999,
            kind: "worker".to_owned(),
            key: key.to_owned(),
        };
        let rejection = Rejection {
            reason: "Invalid path: /nowhere.pem".to_owned(),
            at_unix_ms: 1,
            changes: Some(vec![change("Ada", "https://a"), change("admin token", "http://b")]),
        };
        let clusters = TypeStatus {
            wanted: "v2".to_owned(),
            acked: Some("v1".to_owned()),
            state: SyncState::Rejected,
            last_rejection: Some(rejection),
        };
        let envoy = CoordinatorStatus {
            node: "edge-1".to_owned(),
            cluster: "slotway".to_owned(),
            envoy_version: "1.40.0".to_owned(),
            protocol: Variant::Incremental,
            connected_since_unix_ms: 0,
            generation: Some(7),
            state: SyncState::Rejected,
            types: BTreeMap::from([(
                "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
                clusters,
            )]),
        };
        assert_eq!(
            render(std::slice::from_ref(&envoy), Format::Table).unwrap(),
            "NODE    GROUP    STATE     GENERATION  REFUSED  \
             CHANGED BY                                                  REASON\n\
             edge-1  slotway  REJECTED  7           Cluster  \
             Ada: worker https://a at 2026-11-18T11:06:40Z (and 1 more)  Invalid path: /nowhere.pem\n"
        );
        let wide = render(&[envoy], Format::Wide).unwrap();
        for told in ["1.40.0  incremental", "; admin token: worker http://b at 2026-"] {
            assert!(wide.contains(told), "{told:?} is not in\n{wide}");
        }
    }
}
