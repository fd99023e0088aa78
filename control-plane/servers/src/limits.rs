use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slotway_config::PoolName;
use slotway_store::ResourceFieldError;

/// The name of the limits, of which there is one.
pub const SERVER_LIMITS_NAME: &str = "slotway";
/// Largest limit.
const SERVERS_MAX: u32 = 4_096;
/// Most usages with a limit of their own.
const USAGES_MAX: usize = 64;

/// How many servers may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerLimits {
    /// The limit on all servers together.
    pub servers_max: u32,
    /// The limit per usage, that is, per pool.
    #[serde(default)]
    pub by_usage: BTreeMap<String, u32>,
}

impl Default for ServerLimits {
    /// Returns one server for training and one for pre-annotation.
    fn default() -> Self {
        let by_usage = ["preannotation", "training"].map(|usage| (usage.to_owned(), 1)).into();
        Self { servers_max: 2, by_usage }
    }
}

impl ServerLimits {
    /// Returns the limit on the servers of a usage.
    #[must_use]
    pub fn of(&self, usage: &str) -> u32 {
        self.by_usage.get(usage).copied().unwrap_or(self.servers_max)
    }

    /// Finds a value that cannot be.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), ResourceFieldError> {
        if self.servers_max > SERVERS_MAX {
            let reason = format!("{} is too many: at most {SERVERS_MAX}", self.servers_max);
            return Err(ResourceFieldError::new("servers_max", reason));
        }
        if self.by_usage.len() > USAGES_MAX {
            return Err(ResourceFieldError::new(
                "by_usage",
                format!("at most {USAGES_MAX} usages can have a limit"),
            ));
        }
        for (usage, most) in &self.by_usage {
            let wrong = |reason: String| ResourceFieldError::new(format!("by_usage.{usage}"), reason);
            usage.parse::<PoolName>().map_err(|error| wrong(error.to_string()))?;
            if most > &self.servers_max {
                let reason = format!(
                    "{most} is more than `servers_max` ({}), the limit on all servers",
                    self.servers_max
                );
                return Err(wrong(reason));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_contradict_themselves_are_refused_with_their_field() {
        let limits = |servers_max, usages: &[(&str, u32)]| {
            let by_usage = usages.iter().map(|(usage, most)| ((*usage).to_owned(), *most)).collect();
            ServerLimits { servers_max, by_usage }.check()
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
        let wrong = ServerLimits { servers_max: 1, by_usage: many }.check();
        assert_eq!(wrong.unwrap_err().field, "by_usage");
        limits(0, &[]).unwrap();
    }

    #[test]
    fn the_default_is_one_server_for_training_and_one_for_preannotation() {
        let limits = ServerLimits::default();
        assert_eq!(
            (limits.servers_max, limits.of("training"), limits.of("preannotation"), limits.of("ocr")),
            (2, 1, 1, 2)
        );
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(serde_json::from_str::<ServerLimits>(&text).unwrap(), limits);
    }
}
