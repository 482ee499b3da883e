//! Applies the row operations of a decision.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use scimkit_core::Version;
use scimkit_registry::{ResourceId, Scalar};
use scimkit_sql::reference::{
    self, Counter, Counters, DeletedRow, EdgeRow, LiveRow, Parameter, State,
};
use scimkit_store::{
    ConnectionId, StoreError,
    engine::{
        CounterRef, CounterRow, KeyRow, Members, NewMembers, Operations, ResourceRow, RowBump,
        RowRef, RowState,
    },
    journal::JournalRows,
};

use super::{
    facts::ends,
    rows::{TenantRows, tables},
};
use crate::{
    definitions::{self, UNKEYED},
    error::Outcome,
    journal, keys,
    row::micros,
    statement::{DIALECT, execute, execute_all, execute_counted},
};

/// Rows whose keys are removed or rebuilt as a whole instead of one by one.
#[derive(Debug, Default)]
struct Wholesale {
    /// Live rows that get all their keys under the current definition.
    made_anew: HashSet<ResourceId>,
    /// Rows that are removed.
    removed: HashSet<ResourceId>,
    /// Soft-deleted rows whose documents do not match the schema.
    unkeyed: HashSet<ResourceId>,
}

impl Wholesale {
    fn has_removed(&self, key: &KeyRow) -> bool {
        self.removed.contains(&key.id) || self.made_anew.contains(&key.id)
    }

    fn has_inserted(&self, key: &KeyRow) -> bool {
        match key.state {
            RowState::Deleted => self.unkeyed.contains(&key.id),
            RowState::Live => self.made_anew.contains(&key.id),
        }
    }
}

/// The keys that are edited one by one.
#[derive(Debug)]
struct KeyChanges<'k> {
    inserted: Vec<&'k KeyRow>,
    removed: Vec<&'k KeyRow>,
    /// Pairs of an old and a new key of one attribute of one resource. They contain no texts, because the place of a
    /// removed text must be remembered, to overwrite copies of it.
    replaced: Vec<(&'k KeyRow, &'k KeyRow)>,
}

impl<'k> KeyChanges<'k> {
    fn new(removed: Vec<&'k KeyRow>, inserted: &'k [KeyRow]) -> Self {
        let mut changes = KeyChanges {
            inserted: Vec::with_capacity(inserted.len()),
            removed: Vec::new(),
            replaced: Vec::new(),
        };
        let is_text = |key: &KeyRow| matches!(key.key.key, Scalar::Text(_));
        let mut replaceable = BTreeMap::new();
        for old in removed {
            if is_text(old) {
                changes.removed.push(old)
            } else {
                changes.removed.extend(replaceable.insert(place(old), old))
            }
        }
        for new in inserted {
            let old = if is_text(new) {
                None
            } else {
                replaceable.remove(&place(new))
            };
            match old {
                Some(old) => changes.replaced.push((old, new)),
                None => changes.inserted.push(new),
            }
        }
        changes.removed.extend(replaceable.into_values());
        changes
    }
}

/// Returns the table, type, resource and attribute of a key.
fn place(key: &KeyRow) -> (RowState, &str, &ResourceId, &str) {
    (key.state, key.key.kind.name(), &key.id, key.key.path())
}

impl TenantRows<'_> {
    pub(super) fn apply_all(&mut self, operations: Operations) -> Outcome<()> {
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
        for kind in self.kinds() {
            definitions::register(self.connection, kind.texts.kind)?;
        }
        self.set_version(version, &journal)?;
        self.put_counters(&removed_counters, &counters)?;
        let has_other_keys = |row: &&ResourceRow| {
            let outdated = self.outdated.get(&row.id);
            outdated.is_some_and(|outdated| outdated.has_other_keys)
        };
        let made_anew = updated_rows.iter().filter(has_other_keys);
        let mut wholesale = Wholesale {
            made_anew: made_anew.map(|row| row.id.clone()).collect(),
            removed: removed_rows.iter().map(|row| row.id.clone()).collect(),
            unkeyed: HashSet::new(),
        };
        self.remove_ends(&removed_ends)?;
        self.remove_edges(&removed_edges)?;
        let removed_keys = removed_keys
            .iter()
            .filter(|key| !wholesale.has_removed(key));
        let mut keys = KeyChanges::new(removed_keys.collect(), &inserted_keys);
        self.replace_keys(&mut keys)?;
        self.remove_keys(keys.removed.iter().copied())?;
        self.remove_rows(&removed_rows)?;
        self.insert_rows(&inserted_rows, &mut wholesale)?;
        for row in &updated_rows {
            let is_made_anew = wholesale.made_anew.contains(&row.id);
            self.update_row(row, is_made_anew)?;
        }
        self.bump_rows(&bumped_rows)?;
        let inserted_keys = keys.inserted.into_iter();
        self.insert_keys(inserted_keys.filter(|key| !wholesale.has_inserted(key)))?;
        self.insert_edges(&inserted_edges)
    }

    /// Stores the number of the tenant's last change and its journal entries, and marks the counters as valid. Counters
    /// that were invalid before are removed.
    fn set_version(&self, version: Option<u64>, journal: &JournalRows) -> Outcome<()> {
        let known = self.last_change;
        let version = version.map(i64::try_from).transpose();
        let version = version.map_err(StoreError::backend)?;
        let Some(version) = version.or(known.map(|(version, _)| version)) else {
            return Ok(());
        };
        if !known.is_some_and(|(_, holds)| holds) {
            let stale = reference::remove_counters(DIALECT, self.tenant);
            execute(self.connection, &stale)?;
        }
        let change = (version, Counters::Adjusted);
        journal::add(self.connection, self.tenant, change, journal)
    }

    fn put_counters(&self, removed: &[CounterRef], counters: &[CounterRow]) -> Outcome<()> {
        for CounterRef { kind, predicate } in removed {
            let statement = reference::remove_counter(DIALECT, self.tenant, (kind, predicate));
            execute(self.connection, &statement)?;
        }
        let mut rows = Vec::with_capacity(counters.len());
        for row in counters {
            rows.push(Counter {
                count: i64::try_from(row.count).map_err(StoreError::backend)?,
                kind: &row.counter.kind,
                predicate: &row.counter.predicate,
                used: i64::try_from(row.used).map_err(StoreError::backend)?,
            });
        }
        let statements = reference::put_counters(DIALECT, self.tenant, &rows);
        execute_all(self.connection, statements)
    }

    fn remove_ends(&self, ends: &[RowRef]) -> Outcome<()> {
        for ((_, kind), ids) in by_table(ends) {
            let statements = reference::remove_ends(DIALECT, (self.tenant, kind), &ids);
            execute_all(self.connection, statements)?;
        }
        Ok(())
    }

    fn remove_edges(&self, edges: &[Members]) -> Outcome<()> {
        for Members { list, targets } in edges {
            let targets: Vec<_> = targets.iter().map(ResourceId::as_str).collect();
            let statements = reference::remove_members(DIALECT, self.tenant, ends(list), &targets);
            execute_all(self.connection, statements)?;
        }
        Ok(())
    }

    fn remove_keys<'k>(&self, keys: impl Iterator<Item = &'k KeyRow>) -> Outcome<()> {
        let statements = keys.map(|key| {
            let state = tables(key.state);
            reference::remove_key(DIALECT, self.tenant, state, key_row(key))
        });
        execute_all(self.connection, statements)
    }

    /// Replaces the values of keys. A key that does not exist is added to those to insert.
    fn replace_keys<'k>(&self, keys: &mut KeyChanges<'k>) -> Outcome<()> {
        for (old, new) in std::mem::take(&mut keys.replaced) {
            let value = Parameter::from(&new.key.key);
            let state = tables(old.state);
            let statement =
                reference::replace_key(DIALECT, self.tenant, state, key_row(old), value);
            if execute_counted(self.connection, &statement)? == 0 {
                keys.inserted.push(new);
            }
        }
        Ok(())
    }

    /// Removes rows with all their keys, whatever the definition of the keys.
    fn remove_rows(&self, rows: &[RowRef]) -> Outcome<()> {
        for ((state, kind), ids) in by_table(rows) {
            let state = tables(state);
            let keys = reference::remove_all_keys(DIALECT, (self.tenant, kind), state, &ids);
            execute_all(self.connection, keys)?;
            let rows = reference::remove_rows(DIALECT, self.tenant, state, &ids);
            execute_all(self.connection, rows)?;
        }
        Ok(())
    }

    fn insert_rows(&mut self, rows: &[ResourceRow], wholesale: &mut Wholesale) -> Outcome<()> {
        let (live, deleted): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| row.state == RowState::Live);
        let mut columns = Vec::with_capacity(live.len());
        for row in live {
            let shape = row.kind.fingerprint().to_string();
            let display = keys::document_display(&row.kind, &row.document)?;
            let text = row.document.text();
            columns.push((row, (text, shape, display), definitions::current(&row.kind)));
        }
        let mut live = Vec::with_capacity(columns.len());
        for (row, (document, shape, display), keys) in &columns {
            live.push(live_row(row, (document, shape, display.as_deref()), keys)?);
        }
        execute_all(
            self.connection,
            reference::insert_rows(DIALECT, self.tenant, &live),
        )?;
        let mut columns = Vec::with_capacity(deleted.len());
        for row in deleted {
            let misfit = keys::misfit(&row.kind, &row.id, &*row.document.tree()?);
            let keys = match misfit {
                Some(_) => UNKEYED.to_owned(),
                None => definitions::current(&row.kind),
            };
            if misfit.is_some() {
                wholesale.unkeyed.insert(row.id.clone());
            }
            columns.push((row, row.document.text(), keys));
        }
        let mut deleted = Vec::with_capacity(columns.len());
        for (row, document, keys) in &columns {
            deleted.push(DeletedRow {
                connection: row.connection.as_ref().map(ConnectionId::as_str),
                created_us: micros(row.created),
                deleted_us: micros(row.last_modified),
                document: utf8(document)?,
                id: row.id.as_str(),
                keys,
                kind: row.kind.name(),
                version: number(&row.version)?,
            });
        }
        execute_all(
            self.connection,
            reference::insert_deleted_rows(DIALECT, self.tenant, &deleted),
        )
    }

    fn update_row(&mut self, row: &ResourceRow, has_other_keys: bool) -> Outcome<()> {
        let display = keys::document_display(&row.kind, &row.document)?;
        let shape = self.shape(row)?;
        let columns = live_row(row, (row.document.text(), &shape, display.as_deref()), "")?;
        let statement = reference::update_row(DIALECT, self.tenant, &columns);
        execute(self.connection, &statement)?;
        if has_other_keys {
            let document = row.document.tree()?;
            let row = (&row.kind, (&row.id, &*document));
            keys::put_anew(self.connection, (self.tenant, State::Live), row.0, row.1)?;
        }
        Ok(())
    }

    /// Returns the text definition of a document after an update.
    fn shape(&self, row: &ResourceRow) -> Outcome<String> {
        let kind = self.kind(row.kind.name());
        let Some((outdated, kind)) = self.outdated.get(&row.id).zip(kind) else {
            return Ok(row.kind.fingerprint().to_string());
        };
        let document = row.document.tree()?;
        kind.texts.shape_after(&outdated.shape, &document)
    }

    fn bump_rows(&self, rows: &[RowBump]) -> Outcome<()> {
        let mut bumps: BTreeMap<(i64, i64), Vec<&str>> = BTreeMap::new();
        for row in rows {
            let bump = (number(&row.version)?, micros(row.last_modified));
            bumps.entry(bump).or_default().push(row.id.as_str());
        }
        for (bump, ids) in bumps {
            let statements = reference::bump_rows(DIALECT, self.tenant, bump, &ids);
            execute_all(self.connection, statements)?;
        }
        Ok(())
    }

    fn insert_keys<'k>(&self, keys: impl Iterator<Item = &'k KeyRow>) -> Outcome<()> {
        let (live, deleted): (Vec<_>, Vec<_>) = keys.partition(|key| key.state == RowState::Live);
        for (state, keys) in [(RowState::Live, live), (RowState::Deleted, deleted)] {
            let keys: Vec<_> = keys.into_iter().map(key_row).collect();
            let statements = reference::insert_keys(DIALECT, self.tenant, tables(state), &keys);
            execute_all(self.connection, statements)?;
        }
        Ok(())
    }

    fn insert_edges(&self, edges: &[NewMembers]) -> Outcome<()> {
        for NewMembers { list, members } in edges {
            let rows: Vec<_> = members
                .iter()
                .map(|member| EdgeRow {
                    target: member.id.as_str(),
                    target_kind: member.kind.as_deref(),
                })
                .collect();
            let statements = reference::insert_edges(DIALECT, self.tenant, ends(list), &rows);
            execute_all(self.connection, statements)?;
        }
        Ok(())
    }
}

/// Groups ids by state and type.
fn by_table(rows: &[RowRef]) -> BTreeMap<(RowState, &str), Vec<&str>> {
    let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for RowRef { id, kind, state } in rows {
        let ids = tables.entry((*state, &**kind)).or_default();
        ids.push(id.as_str());
    }
    tables
}

fn key_row(row: &KeyRow) -> reference::KeyRow<'_> {
    reference::KeyRow {
        attr: row.key.path(),
        id: row.id.as_str(),
        kind: row.key.kind.name(),
        value: Parameter::from(&row.key.key),
    }
}

fn live_row<'r>(
    row: &'r ResourceRow,
    (document, shape, display): (&'r Bytes, &'r str, Option<&'r str>),
    keys: &'r str,
) -> Outcome<LiveRow<'r>> {
    Ok(LiveRow {
        connection: row.connection.as_ref().map(ConnectionId::as_str),
        created_us: micros(row.created),
        display,
        document: utf8(document)?,
        id: row.id.as_str(),
        keys,
        kind: row.kind.name(),
        modified_us: micros(row.last_modified),
        shape,
        version: number(&row.version)?,
    })
}

fn number(version: &Version) -> Outcome<i64> {
    Ok(version.as_str().parse().map_err(StoreError::backend)?)
}

fn utf8(text: &Bytes) -> Outcome<&str> {
    Ok(std::str::from_utf8(text).map_err(StoreError::backend)?)
}
