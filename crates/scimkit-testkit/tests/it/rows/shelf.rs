//! A database in memory that is read and written row by row.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use scimkit_core::Version;
use scimkit_registry::{ResourceId, ResourceType};
use scimkit_store::{
    Capabilities, RequestContext, StoreError, TenantId,
    engine::{
        FoundRow, MemberList, Members, NewMember, NewMembers, ResourceRow, RowRef, RowsError,
    },
    rows::{EdgeRow, EdgesBy, LookupBy, SimpleDatabase, SimpleTransaction, TransactionMode},
};

/// The tables of one tenant.
#[derive(Debug, Clone, Default)]
struct Tables {
    edges: BTreeMap<(MemberList, ResourceId), Option<String>>,
    rows: BTreeMap<ResourceId, FoundRow>,
    writes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<BTreeMap<TenantId, Arc<Tables>>>);

/// The tables in a transaction, and those at its start; another transaction may be faster.
pub(super) struct Transaction<'a> {
    before: Arc<Tables>,
    shelf: &'a Shelf,
    tables: Arc<Tables>,
    tenant: &'a TenantId,
}

impl SimpleTransaction for Transaction<'_> {
    async fn commit(self) -> Result<(), RowsError> {
        let mut tenants = self.shelf.0.lock().unwrap();
        let now = tenants.entry(self.tenant.clone()).or_default();
        if now.writes != self.before.writes {
            return Err(RowsError::Lost(StoreError::Busy));
        }
        *now = self.tables;
        Ok(())
    }

    async fn find(&mut self, _: &LookupBy) -> Result<Vec<FoundRow>, RowsError> {
        // All rows, which is always correct.
        Ok(self.tables.rows.values().cloned().collect())
    }

    async fn put(&mut self, row: &ResourceRow) -> Result<FoundRow, RowsError> {
        let tables = Arc::make_mut(&mut self.tables);
        tables.writes += 1;
        let mut found = FoundRow::from(row.clone());
        found.head.version = Version::new(tables.writes.to_string()).unwrap();
        tables.rows.insert(row.id.clone(), found.clone());
        Ok(found)
    }

    async fn remove(&mut self, row: &RowRef) -> Result<(), RowsError> {
        let tables = Arc::make_mut(&mut self.tables);
        tables.writes += 1;
        assert!(tables.rows.remove(&row.id).is_some());
        Ok(())
    }

    async fn edges(&mut self, _: &EdgesBy) -> Result<Vec<EdgeRow>, RowsError> {
        let edge = |((list, id), kind): (&(MemberList, ResourceId), &Option<String>)| EdgeRow {
            list: list.clone(),
            member: NewMember {
                id: id.clone(),
                kind: kind.clone(),
            },
        };
        Ok(self.tables.edges.iter().map(edge).collect())
    }

    async fn link(&mut self, edges: &NewMembers) -> Result<(), RowsError> {
        let tables = Arc::make_mut(&mut self.tables);
        for member in &edges.members {
            let edge = (edges.list.clone(), member.id.clone());
            assert!(tables.edges.insert(edge, member.kind.clone()).is_none());
        }
        Ok(())
    }

    async fn unlink(&mut self, edges: &Members) -> Result<(), RowsError> {
        let tables = Arc::make_mut(&mut self.tables);
        for target in &edges.targets {
            let edge = (edges.list.clone(), target.clone());
            assert!(tables.edges.remove(&edge).is_some());
        }
        Ok(())
    }
}

impl SimpleDatabase for Shelf {
    type Transaction<'a> = Transaction<'a>;

    async fn begin<'a>(
        &'a self,
        context: &'a RequestContext,
        _: TransactionMode,
    ) -> Result<Transaction<'a>, RowsError> {
        let before = self.0.lock().unwrap().get(&context.tenant).cloned();
        let before = before.unwrap_or_default();
        Ok(Transaction {
            tables: Arc::clone(&before),
            before,
            shelf: self,
            tenant: &context.tenant,
        })
    }

    fn support(&self, _: &ResourceType) -> Capabilities {
        let mut support = Capabilities::full();
        support.capacities = true;
        support
    }
}
