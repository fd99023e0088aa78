//! The limits and profiles as messages for agents.

use slotway_agents_proto::{AgentResources, v1};

use crate::{BUILT_IN_PROFILES, ByteSize, ResourceProfile, SERVER_LIMITS_NAME, ServerLimits, SparkProfile};

/// The name of the resource with all built-in profiles.
const BUILT_IN_NAME: &str = "slotway";

/// Returns the resources for agents. `profiles` are all, by name.
pub(crate) fn resources<'a>(
    limits: &ServerLimits,
    profiles: impl Iterator<Item = (&'a str, &'a ResourceProfile)>,
) -> AgentResources {
    let mut resources = AgentResources::default();
    resources.set(SERVER_LIMITS_NAME, &v1::ServerLimits::from(limits));
    let mut built_in = v1::ResourceProfiles::default();
    for (name, profile) in profiles {
        let message = v1::ResourceProfile::from(profile);
        match BUILT_IN_PROFILES.iter().position(|known| *known == name) {
            Some(0) => built_in.preannotation_pipeline = Some(message),
            Some(1) => built_in.preannotation_server = Some(message),
            Some(_) => built_in.training = Some(message),
            None => {}
        }
        resources.set(name, &message);
    }
    resources.set(BUILT_IN_NAME, &built_in);
    resources
}

impl From<&ServerLimits> for v1::ServerLimits {
    fn from(limits: &ServerLimits) -> Self {
        let usage =
            |(usage, most): (&String, &u32)| v1::UsageLimit { usage: usage.clone(), servers_max: *most };
        Self { servers_max: limits.servers_max, usages: limits.by_usage.iter().map(usage).collect() }
    }
}

impl From<&ResourceProfile> for v1::ResourceProfile {
    fn from(profile: &ResourceProfile) -> Self {
        let bytes =
            |size: fn(&SparkProfile) -> ByteSize| profile.spark.as_ref().map(size).map_or(0, ByteSize::bytes);
        Self {
            memory_bytes: profile.memory.bytes(),
            cpu_millis: profile.cpus.millis(),
            spark_driver_memory_bytes: bytes(|spark| spark.driver_memory),
            kryo_buffer_bytes_max: bytes(|spark| spark.kryo_buffer_max),
            driver_result_bytes_max: bytes(|spark| spark.driver_max_result_size),
            gpus: profile.gpus,
            uses_spark: profile.spark.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use slotway_agents_proto::TYPES;

    use super::*;

    #[test]
    fn each_profile_is_a_resource_and_the_built_in_ones_are_one_together() {
        let profile = ResourceProfile { spark: None, ..ResourceProfile::default() };
        let all = BUILT_IN_PROFILES.into_iter().chain(["gpu"]);
        let resources = resources(&ServerLimits::default(), all.map(|name| (name, &profile)));
        let names = |word: &str| {
            let ty = TYPES.into_iter().find(|ty| ty.word == word).unwrap();
            resources.of(ty.type_url).map(|(name, _)| name.to_owned()).collect::<Vec<_>>().join(",")
        };
        assert_eq!(names("resource-profile"), "gpu,preannotation-pipeline,preannotation-server,training");
        assert_eq!(
            (names("resource-profiles"), names("server-limits")),
            ("slotway".to_owned(), "slotway".to_owned())
        );
        assert!(!v1::ResourceProfile::from(&profile).uses_spark);
    }
}
