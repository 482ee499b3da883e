//! Schemas and transforms of the application, as arguments.

use std::path::{Path, PathBuf};

use clap::Args;
use scimkit::{
    Registry,
    mapping::{CustomTransform, MappingBuilder},
};
use serde_json::Value;

use crate::{chain, files};

/// Schemas of the application.
#[derive(Debug, Args)]
pub(crate) struct Schemas {
    /// JSON file of resource types (RFC 7643 section 6), added to User and Group or replacing them; repeatable
    #[arg(long, value_name = "FILE")]
    resource_types: Vec<PathBuf>,

    /// JSON file of schemas (RFC 7643 section 7), added to those of the RFC; repeatable
    #[arg(long, value_name = "FILE")]
    schemas: Vec<PathBuf>,
}

impl Schemas {
    pub(crate) fn registry(&self) -> Result<Registry, String> {
        let mut builder = Registry::builder();
        for file in &self.schemas {
            let added = builder.schemas_json(&files::read(file)?);
            builder = added.map_err(|error| invalid(file, &error))?;
        }
        for file in &self.resource_types {
            let added = builder.resource_types_json(&files::read(file)?);
            builder = added.map_err(|error| invalid(file, &error))?;
        }
        builder.build().map_err(|error| chain(&error))
    }
}

fn invalid(file: &Path, error: &dyn std::error::Error) -> String {
    format!("`{}`: {}", file.display(), chain(error))
}

/// Transforms that only the application has.
#[derive(Debug, Args)]
pub(crate) struct CustomTransforms {
    /// Custom transform that the mapping uses, which leaves values unchanged here; repeatable
    #[arg(long, alias = "host-transform", value_name = "NAME")]
    custom_transform: Vec<String>,
}

impl CustomTransforms {
    pub(crate) fn builder(&self) -> MappingBuilder {
        let same = |value: &Value| Ok(value.clone());
        let names = self.custom_transform.iter();
        names.fold(MappingBuilder::default(), |builder, name| {
            builder.custom_transform(name, CustomTransform::new(same, same))
        })
    }
}
