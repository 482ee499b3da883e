//! `scimkit tenant reindex`: lookup keys, rebuilt after a change of the schemas.

use std::process::ExitCode;

use clap::Args;
use scimkit::TenantId;
use serde_json::json;

use crate::{
    chain, progress,
    schemas::Schemas,
    store_args::{CommandOutput, Failure, IfMissing, StoreArgs},
};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Tenant id
    #[arg(default_value = "default")]
    id: String,

    #[command(flatten)]
    schemas: Schemas,

    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let tenant = TenantId::from(options.id.as_str());
    options.store.run_on_store(IfMissing::Fail, async |store| {
        let registry = options.schemas.registry().map_err(Failure::Unusable)?;
        let unusable = |error| Failure::Unusable(chain(&error));
        let mut resources = 0;
        let mut problems = Vec::new();
        let bar = progress::items("reindexing", registry.resource_types().len());
        for kind in registry.resource_types() {
            let done = store.reindex(&tenant, kind).await.map_err(unusable)?;
            resources += done.resources;
            problems.extend(done.problems.iter().map(|problem| chain(problem)));
            bar.inc(1);
        }
        drop(bar);
        let text = format!("reindexed {resources} resources of `{tenant}`");
        let json = json!({
            "problems": problems,
            "resources": resources,
            "tenant": tenant.as_str(),
        });
        let mut output = CommandOutput::line(json, text);
        output.note = problems;
        Ok(output)
    })
}
