use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use scimkit_registry::{Edge, ResourceId, ResourceType};
use scimkit_store::engine::{
    Applied, Facts, FoundRow, Needs, Operations, RowEdit, Rows, RowsError,
};
use scimkit_store::rows::{LookupBy, RowDatabase, RowStore, RowTransaction, page, satisfying};
use scimkit_store::{EdgeQuery, Page, Query, Scope, StoreError, Stored, Support, Want};

type Table = Arc<BTreeMap<ResourceId, FoundRow>>;

#[derive(Debug, Default)]
struct People(Mutex<Table>);

struct Transaction<'a> {
    begun: Table,
    now: Table,
    people: &'a People,
    scope: &'a Scope,
}

impl Rows for Transaction<'_> {
    async fn load(&mut self, needs: &Needs) -> Result<Facts, RowsError> {
        // Without a counter of changes: versions are hashes.
        Facts::from_lookups(needs, |by| match by {
            LookupBy::Ids(ids) => Ok(ids.iter().filter_map(|id| self.now.get(id)).cloned().collect()),
            LookupBy::Predicate { kind, predicate, .. } => {
                let rows = self.now.values().cloned().collect();
                Ok(satisfying(self.scope, kind, predicate, rows)?)
            }
        })
    }

    async fn apply(&mut self, operations: Operations) -> Result<Applied, RowsError> {
        let (mut applied, table) = (Applied::default(), Arc::make_mut(&mut self.now));
        for edit in operations.row_edits() {
            match edit {
                RowEdit::Put(row) => {
                    let (id, document) = (row.id.clone(), row.document.clone());
                    let found = FoundRow::new(&row.kind, id, document, row.created, row.last_modified)
                        .with_connection(row.connection.clone());
                    applied.push_head(row.id.clone(), found.head.clone());
                    table.insert(row.id.clone(), found);
                }
                RowEdit::Remove(row) => drop(table.remove(&row.id)),
                RowEdit::Bump(_) => {} // of groups, which there are not
            }
        }
        Ok(applied)
    }
}

impl RowTransaction for Transaction<'_> {
    async fn commit(self) -> Result<(), RowsError> {
        let mut table = self.people.0.lock().map_err(|_| StoreError::Busy)?;
        if !Arc::ptr_eq(&table, &self.begun) {
            return Err(RowsError::Lost(StoreError::Busy)); // another one was faster
        }
        *table = self.now;
        Ok(())
    }
}

impl People {
    fn table(&self) -> Result<Table, StoreError> {
        Ok(Arc::clone(&*self.0.lock().map_err(|_| StoreError::Busy)?))
    }
}

impl RowDatabase for People {
    type Transaction<'a> = Transaction<'a>;

    async fn begin<'a>(&'a self, scope: &'a Scope) -> Result<Transaction<'a>, RowsError> {
        let table = self.table()?;
        Ok(Transaction { begun: Arc::clone(&table), now: table, people: self, scope })
    }

    async fn edges(&self, _: &Scope, query: &EdgeQuery) -> Result<Vec<Vec<Edge>>, StoreError> {
        Ok(vec![Vec::new(); query.owners.len()]) // there are no groups
    }

    async fn query(&self, scope: &Scope, query: &Query) -> Result<Page, StoreError> {
        let rows = self.table()?.values().cloned().collect::<Vec<_>>();
        let stored = rows.into_iter().map(|row| row.into_stored());
        page(scope, query, stored.collect())
    }

    async fn read(
        &self,
        _: &Scope,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        _: &Want,
    ) -> Result<Stored, StoreError> {
        let row = self.table()?.get(id).cloned().ok_or(StoreError::NotFound)?;
        Ok(row.into_stored())
    }

    fn support(&self, _: &ResourceType) -> Support {
        let mut support = Support::full();
        support.soft_delete = false;
        support
    }
}

let store = RowStore::new(People::default());
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
# let user = Arc::clone(settings.registry.by_name("User").unwrap());
# let scope = Scope::new(TenantId::default(), settings);
# let at = chrono::DateTime::UNIX_EPOCH;
# let change = |name: &str| {
#     let body = user.admit(serde_json::json!({ "userName": name }), &Tolerance::DEFAULT);
#     Change::create(Arc::clone(&user), body.unwrap())
# };
let made = now(store.create(&scope, at, ResourceId::from("1"), change("bjensen"))).unwrap();
assert_eq!(made.version.unwrap().as_str().len(), 32);
let again = now(store.create(&scope, at, ResourceId::from("2"), change("BJensen")));
assert!(matches!(again, Err(StoreError::Taken { attr }) if attr == "userName"));
