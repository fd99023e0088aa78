use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use slotway_store::ResourceFieldError;

use crate::{ByteSize, Cpus};

/// The profiles that always exist: a training, a server of pre-annotation, and a pipeline of such a server.
pub const BUILT_IN_PROFILES: [&str; 3] = ["preannotation-pipeline", "preannotation-server", "training"];

const MEMORY: RangeInclusive<ByteSize> = ByteSize::from_mib(64)..=ByteSize::from_mib(64 << 20);
const CPU_MILLIS: RangeInclusive<u32> = 10..=1_024_000;
const GPUS_MAX: u32 = 64;
/// Spark takes less than 2,048 MiB: <https://spark.apache.org/docs/latest/configuration.html#compression-and-serialization>.
const KRYO_BUFFER: RangeInclusive<ByteSize> = ByteSize::from_mib(1)..=ByteSize::from_mib(2_047);
/// Spark takes 0 for no bound, else at least 1 MiB:
/// <https://spark.apache.org/docs/latest/configuration.html#application-properties>.
const RESULT_MIN: ByteSize = ByteSize::from_mib(1);

/// The resources that a server may use. [`Self::check`] says whether they can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceProfile {
    /// Memory in all.
    pub memory: ByteSize,
    /// Processors.
    pub cpus: Cpus,
    /// GPUs.
    #[serde(default)]
    pub gpus: u32,
    /// Settings of Spark, for a server that uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spark: Option<SparkProfile>,
}

/// Settings of Spark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SparkProfile {
    /// Memory of the driver (`spark.driver.memory`); within the memory of the profile.
    pub driver_memory: ByteSize,
    /// Largest buffer of the Kryo serializer (`spark.kryoserializer.buffer.max`).
    pub kryo_buffer_max: ByteSize,
    /// Largest result that the driver collects (`spark.driver.maxResultSize`); 0 for no bound.
    pub driver_max_result_size: ByteSize,
}

impl Default for ResourceProfile {
    /// Returns what a built-in profile has until it is changed.
    fn default() -> Self {
        Self {
            memory: ByteSize::from_mib(16 << 10),
            cpus: Cpus::from_millis(4_000),
            gpus: 0,
            spark: Some(SparkProfile {
                driver_memory: ByteSize::from_mib(12 << 10),
                kryo_buffer_max: ByteSize::from_mib(2_000),
                driver_max_result_size: ByteSize::from_mib(8 << 10),
            }),
        }
    }
}

impl ResourceProfile {
    /// Finds a value that cannot be.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), ResourceFieldError> {
        within("memory", self.memory, &MEMORY, "")?;
        if !CPU_MILLIS.contains(&self.cpus.millis()) {
            let (least, most) =
                (Cpus::from_millis(*CPU_MILLIS.start()), Cpus::from_millis(*CPU_MILLIS.end()));
            return Err(ResourceFieldError::new(
                "cpus",
                format!("{} is out of range: from {least} to {most}", self.cpus),
            ));
        }
        if self.gpus > GPUS_MAX {
            return Err(ResourceFieldError::new(
                "gpus",
                format!("{} is out of range: at most {GPUS_MAX}", self.gpus),
            ));
        }
        self.spark
            .as_ref()
            .map_or(Ok(()), |spark| spark.check(self.memory).map_err(|error| error.below("spark")))
    }
}

impl SparkProfile {
    fn check(&self, memory: ByteSize) -> Result<(), ResourceFieldError> {
        within(
            "driver_memory",
            self.driver_memory,
            &(*MEMORY.start()..=memory),
            ", the `memory` of the profile",
        )?;
        within("kryo_buffer_max", self.kryo_buffer_max, &KRYO_BUFFER, "")?;
        if self.driver_max_result_size.bytes() == 0 {
            return Ok(());
        }
        let result = RESULT_MIN..=self.driver_memory;
        within(
            "driver_max_result_size",
            self.driver_max_result_size,
            &result,
            ", which is `driver_memory`; or 0 for no bound",
        )
    }
}

fn within(
    field: &str,
    size: ByteSize,
    range: &RangeInclusive<ByteSize>,
    note: &str,
) -> Result<(), ResourceFieldError> {
    if range.contains(&size) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    Err(ResourceFieldError::new(field, format!("{size} is out of range: from {least} to {most}{note}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        ResourceProfile::default().check().unwrap();
        ResourceProfile { spark: None, ..ResourceProfile::default() }.check().unwrap();
    }

    #[test]
    fn a_profile_that_cannot_be_is_refused_with_its_field() {
        type Spoil = fn(&mut ResourceProfile, &mut SparkProfile);
        let wrong: [(Spoil, &str); 11] = [
            (|profile, _| profile.memory = ByteSize::from_bytes(0), "memory"),
            (|profile, _| profile.memory = ByteSize::from_bytes(u64::MAX), "memory"),
            (|profile, _| profile.cpus = Cpus::from_millis(9), "cpus"),
            (|profile, _| profile.cpus = Cpus::from_millis(1_024_001), "cpus"),
            (|profile, _| profile.gpus = 65, "gpus"),
            (|_, spark| spark.driver_memory = ByteSize::from_mib(17 << 10), "spark.driver_memory"),
            (|_, spark| spark.driver_memory = ByteSize::from_mib(63), "spark.driver_memory"),
            (|_, spark| spark.kryo_buffer_max = ByteSize::from_mib(2_048), "spark.kryo_buffer_max"),
            (|_, spark| spark.kryo_buffer_max = ByteSize::from_bytes(0), "spark.kryo_buffer_max"),
            (
                |_, spark| spark.driver_max_result_size = ByteSize::from_bytes(1),
                "spark.driver_max_result_size",
            ),
            (
                |_, spark| spark.driver_max_result_size = ByteSize::from_mib(13 << 10),
                "spark.driver_max_result_size",
            ),
        ];
        for (spoil, field) in wrong {
            let mut profile = ResourceProfile::default();
            let mut spark = profile.spark.clone().unwrap();
            spoil(&mut profile, &mut spark);
            profile.spark = Some(spark);
            assert_eq!(profile.check().unwrap_err().field, field);
        }
        let mut unbounded = ResourceProfile::default();
        unbounded.spark.as_mut().unwrap().driver_max_result_size = ByteSize::from_bytes(0);
        unbounded.check().unwrap();
    }
}
