use super::{Output, aligned, json};
use crate::{
    error::Error,
    xds::{CoordinatorStatus, SyncState},
};

/// A line for each Envoy; below one that has refused something, what and why.
pub(super) fn render(envoys: &[CoordinatorStatus], output: Output) -> Result<String, Error> {
    if output == Output::Json {
        return json(&envoys);
    }
    let mut headings = vec!["NODE", "GROUP", "STATE", "GENERATION", "REFUSED", "REASON"];
    if output == Output::Wide {
        headings.extend(["ENVOY", "PROTOCOL"]);
    }
    let mut lines = vec![headings.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    for envoy in envoys {
        let refused = envoy.types.iter().filter(|(_, status)| status.state == SyncState::Rejected);
        let mut refused: Vec<_> = refused
            .map(|(url, status)| {
                let what = url.rsplit('.').next().unwrap_or_default();
                let why = status.last_rejection.as_ref().map_or("-", |last| &last.reason);
                (what, why)
            })
            .collect();
        if refused.is_empty() {
            refused.push(("-", "-"));
        }
        for (what, why) in refused {
            let generation = envoy.generation.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let mut line = vec![
                envoy.node.clone(),
                envoy.cluster.clone(),
                word(&envoy.state)?,
                generation,
                what.to_owned(),
                why.to_owned(),
            ];
            if output == Output::Wide {
                line.extend([envoy.envoy_version.clone(), word(&envoy.protocol)?]);
            }
            lines.push(line);
        }
    }
    Ok(aligned(&lines))
}

/// The word that the API has for it.
fn word(value: &impl serde::Serialize) -> Result<String, Error> {
    Ok(json(value)?.trim_matches(['"', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::xds::{Rejection, TypeStatus, Variant};

    #[test]
    fn an_envoy_that_has_refused_something_is_shown_with_what_and_why() {
        let rejection = Rejection { reason: "Invalid path: /nowhere.pem".to_owned(), at_unix_ms: 1 };
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
            render(std::slice::from_ref(&envoy), Output::Table).unwrap(),
            "NODE    GROUP    STATE     GENERATION  REFUSED  REASON\n\
             edge-1  slotway  REJECTED  7           Cluster  Invalid path: /nowhere.pem\n"
        );
        assert!(render(&[envoy], Output::Wide).unwrap().contains("1.40.0  incremental"));
    }
}
