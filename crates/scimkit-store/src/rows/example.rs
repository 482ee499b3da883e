use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use scimkit_registry::{ResourceId, ResourceType};
use scimkit_store::engine::{FoundRow, ResourceRow, RowRef, RowsError};
use scimkit_store::rows::{
    TransactionMode, LookupBy, RowStore, Simple, SimpleDatabase, SimpleTransaction,
};
use scimkit_store::{RequestContext, StoreError, Capabilities};

type Table = Arc<BTreeMap<ResourceId, FoundRow>>;

#[derive(Debug, Default)]
struct People(Mutex<Table>);

struct Transaction<'a> {
    before: Table,
    now: Table,
    people: &'a People,
}

impl SimpleTransaction for Transaction<'_> {
    async fn find(&mut self, by: &LookupBy) -> Result<Vec<FoundRow>, RowsError> {
        Ok(match by {
            LookupBy::Ids(ids) => ids.iter().filter_map(|id| self.now.get(id)).cloned().collect(),
            LookupBy::Predicate { .. } => self.now.values().cloned().collect(),
        })
    }

    async fn put(&mut self, row: &ResourceRow) -> Result<FoundRow, RowsError> {
        let id = row.id.clone();
        let document = row.document.clone();
        let found = FoundRow::new(&row.kind, id, document, row.created, row.last_modified)
            .with_connection(row.connection.clone())
            .with_state(row.state);
        Arc::make_mut(&mut self.now).insert(row.id.clone(), found.clone());
        Ok(found)
    }

    async fn remove(&mut self, row: &RowRef) -> Result<(), RowsError> {
        Arc::make_mut(&mut self.now).remove(&row.id);
        Ok(())
    }

    async fn commit(self) -> Result<(), RowsError> {
        let mut table = self.people.0.lock().map_err(|_| StoreError::Busy)?;
        if !Arc::ptr_eq(&table, &self.before) {
            return Err(RowsError::Lost(StoreError::Busy)); // another transaction was faster: retry
        }
        *table = self.now;
        Ok(())
    }
}

impl SimpleDatabase for People {
    type Transaction<'a> = Transaction<'a>;

    async fn begin<'a>(&'a self, _: &'a RequestContext, _: TransactionMode) -> Result<Transaction<'a>, RowsError> {
        let before = Arc::clone(&*self.0.lock().map_err(|_| StoreError::Busy)?);
        Ok(Transaction { now: Arc::clone(&before), before, people: self })
    }

    fn support(&self, _: &ResourceType) -> Capabilities {
        Capabilities::full()
    }
}

let store = RowStore::new(Simple::new(People::default()));
# use scimkit_registry::{Change, Tolerance};
# use scimkit_store::{Settings, StoreExt as _, TenantId};
# use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
# fn now<T>(future: impl Future<Output = T>) -> T {
#     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
#         Poll::Ready(value) => value,
#         Poll::Pending => panic!("it waits for nothing"),
#     }
# }
# let settings = Arc::new(Settings::new("https://example.com/scim/v2"));
# let user = Arc::clone(settings.registry.resource_type("User").unwrap());
# let context = RequestContext::new(TenantId::default(), settings);
# let at = chrono::DateTime::UNIX_EPOCH;
# let change = |name: &str| {
#     let body = user.admit(serde_json::json!({ "userName": name }), &Tolerance::DEFAULT);
#     Change::create(Arc::clone(&user), body.unwrap())
# };
let made = now(store.create(&context, at, ResourceId::from("1"), change("bjensen"))).unwrap();
assert_eq!(made.version.unwrap().as_str().len(), 32); // a hash
let again = now(store.create(&context, at, ResourceId::from("2"), change("BJensen")));
assert!(matches!(again, Err(StoreError::Duplicate { attr }) if attr == "userName"));
