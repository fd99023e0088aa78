use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slotway_config::PoolName;

use super::{proto, wrong::Wrong};

/// Most servers that a limit can allow.
const SERVERS_MAX: u32 = 4_096;
/// Most usages with a limit of their own.
const USAGES_MAX: usize = 64;

/// How many servers may run: workers that the control plane itself starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ServerLimitsBody", into = "ServerLimitsBody")]
pub struct ServerLimits {
    servers_max: u32,
    by_usage: BTreeMap<PoolName, u32>,
}

/// How many servers may run, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerLimitsBody {
    /// In all.
    #[schema(maximum = 4_096)]
    pub servers_max: u32,
    /// Of each usage, that is, of each pool. A usage that is not listed is bounded by `servers_max` alone.
    #[schema(value_type = BTreeMap<String, u32>)]
    pub by_usage: BTreeMap<String, u32>,
}

impl Default for ServerLimits {
    /// One for training and one for pre-annotation.
    fn default() -> Self {
        let usages = ["preannotation", "training"].into_iter().filter_map(|usage| usage.parse().ok());
        Self { servers_max: 2, by_usage: usages.map(|usage| (usage, 1)).collect() }
    }
}

impl ServerLimits {
    /// How many servers may run in all.
    #[must_use]
    pub fn servers_max(&self) -> u32 {
        self.servers_max
    }

    /// How many servers of a usage may run.
    #[must_use]
    pub fn of(&self, usage: &PoolName) -> u32 {
        self.by_usage.get(usage).copied().unwrap_or(self.servers_max)
    }
}

impl TryFrom<ServerLimitsBody> for ServerLimits {
    type Error = Wrong;

    fn try_from(body: ServerLimitsBody) -> Result<Self, Wrong> {
        if body.servers_max > SERVERS_MAX {
            return Err(Wrong::new(
                "servers_max",
                format!("{} is too many: at most {SERVERS_MAX}", body.servers_max),
            ));
        }
        if body.by_usage.len() > USAGES_MAX {
            return Err(Wrong::new("by_usage", format!("at most {USAGES_MAX} usages can have a limit")));
        }
        let mut by_usage = BTreeMap::new();
        for (usage, most) in body.by_usage {
            let field = format!("by_usage.{usage}");
            let name: PoolName = usage
                .parse()
                .map_err(|error: slotway_config::ConfigError| Wrong::new(&field, error.to_string()))?;
            if most > body.servers_max {
                let reason =
                    format!("{most} is more than `servers_max` ({}), the limit of all", body.servers_max);
                return Err(Wrong::new(field, reason));
            }
            by_usage.insert(name, most);
        }
        Ok(Self { servers_max: body.servers_max, by_usage })
    }
}

impl From<ServerLimits> for ServerLimitsBody {
    fn from(limits: ServerLimits) -> Self {
        let by_usage = limits.by_usage.into_iter().map(|(usage, most)| (usage.to_string(), most));
        Self { servers_max: limits.servers_max, by_usage: by_usage.collect() }
    }
}

impl From<&ServerLimits> for proto::ServerLimits {
    fn from(limits: &ServerLimits) -> Self {
        let usage = |(usage, most): (&PoolName, &u32)| proto::UsageLimit {
            usage: usage.to_string(),
            servers_max: *most,
        };
        Self { servers_max: limits.servers_max, usages: limits.by_usage.iter().map(usage).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_make_no_sense_are_refused_with_their_field() {
        let limits = |servers_max, usages: &[(&str, u32)]| {
            let by_usage = usages.iter().map(|(usage, most)| ((*usage).to_owned(), *most)).collect();
            ServerLimits::try_from(ServerLimitsBody { servers_max, by_usage })
        };
        for (wrong, field) in [
            (limits(4_097, &[]), "servers_max"),
            (limits(1, &[("training", 2)]), "by_usage.training"),
            (limits(1, &[("Not One", 1)]), "by_usage.Not One"),
            (limits(1, &[("", 1)]), "by_usage."),
        ] {
            assert_eq!(wrong.unwrap_err().field, field);
        }
        let many = (0..65).map(|n| (format!("p{n}"), 1)).collect();
        let wrong = ServerLimits::try_from(ServerLimitsBody { servers_max: 1, by_usage: many });
        assert_eq!(wrong.unwrap_err().field, "by_usage");
        assert!(limits(0, &[]).is_ok(), "none may run");
    }

    #[test]
    fn one_of_training_and_one_of_preannotation_may_run_without_a_word() {
        let limits = ServerLimits::default();
        let of = |usage: &str| limits.of(&usage.parse().unwrap());
        assert_eq!((limits.servers_max(), of("training"), of("preannotation"), of("ocr")), (2, 1, 1, 2));
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(serde_json::from_str::<ServerLimits>(&text).unwrap(), limits);
    }
}
