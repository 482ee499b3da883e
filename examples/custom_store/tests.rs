//! The contract of stores, and what is in the file.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use scimkit_testkit::contract::{self, Subject};
use serde_json::Value;

use super::*;

fn store(path: &Path) -> RowStore<Simple<JsonFile>> {
    RowStore::new(Simple::new(JsonFile(Mutex::new(path.to_owned()))))
}

#[test]
fn json_file_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let files = AtomicU32::new(0);
    let make = || {
        let number = files.fetch_add(1, Ordering::Relaxed);
        let path = folder.path().join(format!("{number}.json"));
        fs::write(&path, "{}").unwrap();
        Arc::new(store(&path)) as Arc<dyn scimkit::Store>
    };
    let report = contract::check_subject(&Subject::default(), make, &contract::block_on);
    assert!(report.is_success(), "{report}");
    let skipped: Vec<_> = report.skipped().map(|(name, _)| name).collect();
    assert!(skipped.len() < 12, "{report}");
}

#[test]
fn file_that_is_no_json_is_an_error_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("people.json");
    fs::write(&path, "{").unwrap();
    let settings = Arc::new(Settings::new("https://app.example/scim/v2"));
    let user = Arc::clone(settings.registry.resource_type("User").unwrap());
    let context = RequestContext::new(scimkit::TenantId::default(), settings);
    let (store, query) = (store(&path), scimkit::store::Query::new(user));
    contract::block_on(Box::pin(async {
        let failed = scimkit::Store::query(&store, &context, &query).await;
        assert!(matches!(failed, Err(StoreError::Backend(_))), "{failed:?}");
    }));
    assert!(serde_json::from_slice::<Value>(&fs::read(&path).unwrap()).is_err());
}
