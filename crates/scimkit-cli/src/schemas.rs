//! The schemas that a command speaks of.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use scimkit::{
    Registry,
    mapping::{Closures, MappingBuilder},
};
use serde_json::Value;

/// Schemas beside those of the RFC, as the server has them.
#[derive(Debug, Args)]
pub(crate) struct Schemas {
    /// JSON file of resource types (RFC 7643 section 6) beside User and Group, or in their place; may
    /// be repeated.
    #[arg(long, value_name = "FILE")]
    resource_types: Vec<PathBuf>,

    /// JSON file of schemas (RFC 7643 section 7) beside those of the RFC; may be repeated.
    #[arg(long, value_name = "FILE")]
    schemas: Vec<PathBuf>,
}

impl Schemas {
    pub(crate) fn registry(&self) -> Result<Registry, String> {
        let mut builder = Registry::builder();
        for file in &self.schemas {
            let schemas = builder.schemas_json(&read(file)?);
            builder = schemas.map_err(|e| format!("{}: {e}", file.display()))?;
        }
        for file in &self.resource_types {
            let types = builder.resource_types_json(&read(file)?);
            builder = types.map_err(|e| format!("{}: {e}", file.display()))?;
        }
        builder.build().map_err(|e| e.to_string())
    }
}

/// What mappings may name that only the server has.
#[derive(Debug, Args)]
pub(crate) struct HostTransforms {
    /// A transform of the host's own that the mapping names; here it leaves text as it is.
    #[arg(long, value_name = "NAME")]
    host_transform: Vec<String>,
}

impl HostTransforms {
    pub(crate) fn builder(&self) -> MappingBuilder {
        let same = |value: &Value| Ok(value.clone());
        let names = self.host_transform.iter();
        names.fold(MappingBuilder::default(), |builder, name| {
            builder.closures(name, Closures::new(same, same))
        })
    }
}

pub(crate) fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}
