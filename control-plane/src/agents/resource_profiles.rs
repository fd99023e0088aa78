use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::{proto, wrong::Wrong};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What a process can be given at all.
const MEMORY_BYTES: RangeInclusive<u64> = 64 * MIB..=64 * 1_024 * GIB;
const CPU_MILLIS: RangeInclusive<u32> = 10..=1_024_000;
/// Spark takes less than 2,048 MiB: <https://spark.apache.org/docs/latest/configuration.html#compression-and-serialization>.
const KRYO_BUFFER_BYTES: RangeInclusive<u64> = MIB..=2_047 * MIB;
/// Spark takes 0 for no bound, else at least 1 MiB:
/// <https://spark.apache.org/docs/latest/configuration.html#application-properties>.
const RESULT_BYTES_MIN: u64 = MIB;

/// What the processes of each kind may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceProfiles {
    /// A training.
    pub training: ResourceProfile,
    /// A server of pre-annotation.
    pub preannotation_server: ResourceProfile,
    /// A pipeline of such a server.
    pub preannotation_pipeline: ResourceProfile,
}

/// What a process may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceProfile {
    /// Memory in all, in bytes.
    #[schema(minimum = 67_108_864)]
    pub memory_bytes: u64,
    /// Processor time, in thousandths of a processor.
    #[schema(minimum = 10, maximum = 1_024_000)]
    pub cpu_millis: u32,
    /// Memory of Spark's driver (`spark.driver.memory`), in bytes; within `memory_bytes`.
    pub spark_driver_memory_bytes: u64,
    /// Largest buffer of the Kryo serializer (`spark.kryoserializer.buffer.max`), in bytes.
    #[schema(minimum = 1_048_576, maximum = 2_146_435_072)]
    pub kryo_buffer_bytes_max: u64,
    /// Largest result that the driver collects (`spark.driver.maxResultSize`), in bytes; 0 for no bound.
    pub driver_result_bytes_max: u64,
}

impl Default for ResourceProfile {
    fn default() -> Self {
        Self {
            memory_bytes: 16 * GIB,
            cpu_millis: 4_000,
            spark_driver_memory_bytes: 12 * GIB,
            kryo_buffer_bytes_max: 2_000 * MIB,
            driver_result_bytes_max: 8 * GIB,
        }
    }
}

impl ResourceProfiles {
    /// Finds what cannot be.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(self) -> Result<Self, Wrong> {
        let all = [
            ("training", &self.training),
            ("preannotation_server", &self.preannotation_server),
            ("preannotation_pipeline", &self.preannotation_pipeline),
        ];
        for (name, profile) in all {
            profile.check().map_err(|wrong| wrong.below(name))?;
        }
        Ok(self)
    }
}

impl ResourceProfile {
    fn check(&self) -> Result<(), Wrong> {
        let wrong = |field: &str, value: u64, right: String| {
            Err(Wrong::new(field, format!("{value} is out of range: {right}")))
        };
        let from_to =
            |range: &RangeInclusive<u64>| format!("from {} to {} bytes", range.start(), range.end());
        if !MEMORY_BYTES.contains(&self.memory_bytes) {
            return wrong("memory_bytes", self.memory_bytes, from_to(&MEMORY_BYTES));
        }
        if !CPU_MILLIS.contains(&self.cpu_millis) {
            let right = format!("from {} to {}", CPU_MILLIS.start(), CPU_MILLIS.end());
            return wrong("cpu_millis", self.cpu_millis.into(), right);
        }
        let driver = *MEMORY_BYTES.start()..=self.memory_bytes;
        if !driver.contains(&self.spark_driver_memory_bytes) {
            let right = format!("{}, the last of which is `memory_bytes`", from_to(&driver));
            return wrong("spark_driver_memory_bytes", self.spark_driver_memory_bytes, right);
        }
        if !KRYO_BUFFER_BYTES.contains(&self.kryo_buffer_bytes_max) {
            return wrong("kryo_buffer_bytes_max", self.kryo_buffer_bytes_max, from_to(&KRYO_BUFFER_BYTES));
        }
        let result = RESULT_BYTES_MIN..=self.spark_driver_memory_bytes;
        if self.driver_result_bytes_max != 0 && !result.contains(&self.driver_result_bytes_max) {
            let right = format!(
                "0 for no bound, or {}, the last of which is `spark_driver_memory_bytes`",
                from_to(&result)
            );
            return wrong("driver_result_bytes_max", self.driver_result_bytes_max, right);
        }
        Ok(())
    }
}

impl From<&ResourceProfiles> for proto::ResourceProfiles {
    fn from(profiles: &ResourceProfiles) -> Self {
        Self {
            training: Some((&profiles.training).into()),
            preannotation_server: Some((&profiles.preannotation_server).into()),
            preannotation_pipeline: Some((&profiles.preannotation_pipeline).into()),
        }
    }
}

impl From<&ResourceProfile> for proto::ResourceProfile {
    fn from(profile: &ResourceProfile) -> Self {
        Self {
            memory_bytes: profile.memory_bytes,
            cpu_millis: profile.cpu_millis,
            spark_driver_memory_bytes: profile.spark_driver_memory_bytes,
            kryo_buffer_bytes_max: profile.kryo_buffer_bytes_max,
            driver_result_bytes_max: profile.driver_result_bytes_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_right() {
        ResourceProfiles::default().check().unwrap();
    }

    #[test]
    fn a_profile_that_cannot_be_is_refused_with_its_field() {
        type Spoil = fn(&mut ResourceProfile);
        let wrong: [(Spoil, &str); 8] = [
            (|profile| profile.memory_bytes = 0, "memory_bytes"),
            (|profile| profile.memory_bytes = u64::MAX, "memory_bytes"),
            (|profile| profile.cpu_millis = 9, "cpu_millis"),
            (|profile| profile.spark_driver_memory_bytes = 17 * GIB, "spark_driver_memory_bytes"),
            (|profile| profile.kryo_buffer_bytes_max = 2_048 * MIB, "kryo_buffer_bytes_max"),
            (|profile| profile.kryo_buffer_bytes_max = 0, "kryo_buffer_bytes_max"),
            (|profile| profile.driver_result_bytes_max = 1, "driver_result_bytes_max"),
            (|profile| profile.driver_result_bytes_max = 13 * GIB, "driver_result_bytes_max"),
        ];
        for (spoil, field) in wrong {
            let mut profiles = ResourceProfiles::default();
            spoil(&mut profiles.preannotation_server);
            assert_eq!(profiles.check().unwrap_err().field, format!("preannotation_server.{field}"));
        }
        let mut unbounded = ResourceProfiles::default();
        unbounded.training.driver_result_bytes_max = 0;
        unbounded.check().unwrap();
    }
}
