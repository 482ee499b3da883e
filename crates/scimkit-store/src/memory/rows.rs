//! Applies the operations of the engine to a tenant.

use std::{
    collections::BTreeMap,
    future::{Future, ready},
    sync::Arc,
};

use super::{
    id_index::Owner,
    table::{Record, Table, exact_text},
    tenant::Tenant,
};
use crate::{
    RequestContext,
    engine::{
        Applied, Facts, KeyRow, MemberList, Members, Needs, NewMember, NewMembers, Operations,
        ResourceRow, RowBump, RowRef, RowState, Rows, RowsError,
    },
};

/// The rows of a tenant, under its lock.
pub(super) struct TenantRows<'t> {
    pub(super) context: &'t RequestContext,
    pub(super) tenant: &'t mut Tenant,
}

impl Rows for TenantRows<'_> {
    fn load(&mut self, needs: &Needs) -> impl Future<Output = Result<Facts, RowsError>> + Send {
        ready(
            self.tenant
                .facts(self.context, needs)
                .map_err(RowsError::from),
        )
    }

    fn apply(
        &mut self,
        operations: Operations,
    ) -> impl Future<Output = Result<Applied, RowsError>> + Send {
        self.apply_all(operations);
        ready(Ok(Applied::default()))
    }
}

impl TenantRows<'_> {
    fn apply_all(&mut self, operations: Operations) {
        let Operations {
            version,
            removed_ends,
            removed_edges,
            removed_keys,
            removed_rows,
            inserted_rows,
            updated_rows,
            bumped_rows,
            inserted_keys,
            inserted_edges,
            removed_counters,
            counters,
            journal,
        } = operations;
        let tenant = &mut *self.tenant;
        tenant.version = version.unwrap_or(tenant.version);
        tenant.journal.add(journal);
        for counter in &removed_counters {
            tenant.counters.remove(counter);
        }
        let counters = counters.into_iter().map(|row| (row.counter.clone(), row));
        tenant.counters.extend(counters);
        removed_ends.iter().for_each(|end| tenant.remove_ends(end));
        removed_edges
            .iter()
            .for_each(|edges| tenant.remove_edges(edges));
        tenant.remove_keys(&removed_keys);
        removed_rows.iter().for_each(|row| tenant.remove_row(row));
        inserted_rows
            .into_iter()
            .for_each(|row| tenant.insert_row(row));
        updated_rows
            .into_iter()
            .for_each(|row| tenant.update_row(row));
        bumped_rows
            .into_iter()
            .for_each(|bump| tenant.bump_row(bump));
        for key in inserted_keys {
            if let Some(table) = tenant.table_of(&key) {
                table.insert_key(key);
            }
        }
        inserted_edges
            .into_iter()
            .for_each(|edges| tenant.insert_edges(edges));
    }
}

impl Tenant {
    /// Removes all edges of a resource.
    fn remove_ends(&mut self, RowRef { id, kind, .. }: &RowRef) {
        let table = self.tables.get_mut(kind);
        let record = table.and_then(|table| table.record_mut(id));
        let lists = record.map(|record| std::mem::take(&mut record.edges));
        for (attr, targets) in lists.into_iter().flatten() {
            let owner = Owner {
                attr,
                id: id.clone(),
                kind: Arc::clone(kind),
            };
            let targets = targets.keys();
            targets.for_each(|target| self.places.unlink(target, &owner));
        }
        for owner in self.places.take_owners(id) {
            let table = self.tables.get_mut(&owner.kind);
            if let Some(record) = table.and_then(|t| t.record_mut(&owner.id)) {
                record.remove_target(&owner.attr, id);
            }
        }
    }

    fn remove_edges(&mut self, Members { list, targets }: &Members) {
        let table = self.tables.get_mut(&list.kind);
        let Some(record) = table.and_then(|t| t.record_mut(&list.owner)) else {
            return;
        };
        let owner = owner(list);
        for target in targets {
            record.remove_target(&list.attr, target);
            self.places.unlink(target, &owner);
        }
    }

    pub(super) fn insert_edges(&mut self, NewMembers { list, members }: NewMembers) {
        let names: Vec<_> = self.tables.keys().cloned().collect();
        let table = self.tables.get_mut(&list.kind);
        let Some(record) = table.and_then(|t| t.record_mut(&list.owner)) else {
            return;
        };
        let owner = Arc::new(owner(&list));
        let targets = record.edges.entry(list.attr).or_default();
        // The edges share the texts of ids and type names.
        for NewMember { id, kind } in members {
            let shared = |kind: String| {
                let known = names.iter().find(|name| ***name == *kind);
                known.map_or_else(|| kind.into(), Arc::clone)
            };
            targets.insert(self.places.link(id, &owner), kind.map(shared));
        }
    }

    fn table_of(&mut self, row: &KeyRow) -> Option<&mut Table> {
        let tables = match row.state {
            RowState::Live => &mut self.tables,
            RowState::Deleted => &mut self.deleted,
        };
        tables.get_mut(row.key.kind.name())
    }

    fn remove_keys(&mut self, keys: &[KeyRow]) {
        for row in keys {
            if let Some(table) = self.table_of(row) {
                table.index.remove(&row.id, row.key.attr, &row.key.key);
            }
        }
    }

    fn remove_row(&mut self, RowRef { id, kind, state }: &RowRef) {
        let tables = match state {
            RowState::Live => &mut self.tables,
            RowState::Deleted => &mut self.deleted,
        };
        if let Some(table) = tables.get_mut(kind) {
            table.records.remove(id);
        }
        if *state == RowState::Live {
            self.places.take(id);
        }
    }

    fn insert_row(&mut self, row: ResourceRow) {
        let record = Record {
            connection: row.connection,
            created: row.created,
            edges: BTreeMap::new(),
            last_modified: row.last_modified,
            schema: row.document.is_exact().then(|| row.kind.fingerprint()),
            text: exact_text(&row.document),
            version: row.version,
        };
        let table = match row.state {
            RowState::Live => self.table(&row.kind),
            RowState::Deleted => self.deleted_of(&row.kind),
        };
        table.records.insert(row.id.clone(), Arc::new(record));
        if row.state == RowState::Live {
            let name = self.name(&row.kind);
            self.places.put(row.id, name);
        }
    }

    fn update_row(&mut self, row: ResourceRow) {
        if let Some(record) = self.table(&row.kind).record_mut(&row.id) {
            record.connection = row.connection;
            record.set_document(&row.kind, &row.document);
            record.last_modified = row.last_modified;
            record.version = row.version;
        }
    }

    fn bump_row(&mut self, row: RowBump) {
        let table = self.tables.get_mut(&row.kind);
        if let Some(record) = table.and_then(|table| table.record_mut(&row.id)) {
            record.last_modified = row.last_modified;
            record.version = row.version;
        }
    }
}

fn owner(list: &MemberList) -> Owner {
    Owner {
        attr: Arc::clone(&list.attr),
        id: list.owner.clone(),
        kind: Arc::clone(&list.kind),
    }
}
