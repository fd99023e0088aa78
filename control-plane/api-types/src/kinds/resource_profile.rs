use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{OneOfBuilder, Type},
    },
};

use crate::{
    Cell::{Name, Number, Text},
    Column, Deletion, RequiredScope, ResourceKind, schema_of,
};

/// Resource profiles.
pub static RESOURCE_PROFILE: ResourceKind = ResourceKind {
    name: "ResourceProfile",
    stored: Some("resource_profile"),
    path: "resource-profiles",
    word: "resourceprofile",
    words: "resourceprofiles",
    aliases: &["profile", "profiles", "rp"],
    title: "resource profile",
    titles: "resource profiles",
    read: RequiredScope::Read,
    change: RequiredScope::Admin,
    is_applied: true,
    deletion: Deletion::Possible,
    columns: &[
        Column::new("PROFILE", Name),
        Column::new("MEMORY", Text("spec.memory")),
        Column::new("CPUS", Number("spec.cpus")),
        Column::new("GPUS", Number("spec.gpus")),
        Column::new("SPARK DRIVER", Text("spec.spark.driver_memory")),
    ],
    wide_columns: &[
        Column::new("KRYO BUFFER MAX", Text("spec.spark.kryo_buffer_max")),
        Column::new("RESULT MAX", Text("spec.spark.driver_max_result_size")),
    ],
    ordinary: Some(schema_of::<ResourceProfileSpec, ResourceProfileStatus>),
    xds_type: Some("type.googleapis.com/slotway.agents.v1.ResourceProfile"),
};

/// The resources that a server may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceProfileSpec {
    /// Memory in all, from `64m` to `64t`.
    #[schema(schema_with = size, example = "16g")]
    pub memory: String,
    /// Processors, down to thousandths.
    #[schema(minimum = 0.01, maximum = 1_024)]
    pub cpus: f64,
    /// GPUs.
    #[serde(default)]
    #[schema(maximum = 64)]
    pub gpus: u32,
    /// Settings of Spark, for a server that uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spark: Option<SparkProfile>,
}

/// Settings of Spark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SparkProfile {
    /// Memory of the driver (`spark.driver.memory`); within `memory`.
    #[schema(schema_with = size, example = "12g")]
    pub driver_memory: String,
    /// Largest buffer of the Kryo serializer (`spark.kryoserializer.buffer.max`), from `1m` to `2047m`.
    #[schema(schema_with = size, example = "2000m")]
    pub kryo_buffer_max: String,
    /// Largest result that the driver collects (`spark.driver.maxResultSize`); `0` for no bound.
    #[schema(schema_with = size, example = "8g")]
    pub driver_max_result_size: String,
}

/// What becomes of a resource profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ResourceProfileStatus {
    /// Whether Slotway provides the profile, so that it cannot be deleted.
    pub is_built_in: bool,
    /// Whether this version starts servers with the profile.
    pub executed: bool,
    /// What becomes of the profile.
    pub note: String,
}

/// Returns the schema of a size: a number of bytes, or text with a unit.
fn size() -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,15}[kmgtKMGT]?$"));
    let bytes = u64::schema();
    OneOfBuilder::new().item(text).item(bytes).into()
}
