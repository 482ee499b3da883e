//! The net effect of a decision, as row operations.

use std::sync::Arc;

use scimkit_registry::{AttrId, AttrKeys, Key, ResourceId, ResourceType};

use super::{
    decider::Decider,
    facts::{KeyRef, Members, RowHead, RowState},
    keys,
    known::missing,
    operations::{KeyRow, NewMember, NewMembers, Operations, ResourceRow, RowBump, RowRef},
    overlay::{Body, Entry, ListEdits},
};
use crate::StoreError;

impl Decider<'_> {
    /// Returns the row operations that carry out the writes.
    pub(super) fn operations(&mut self) -> Result<Operations, StoreError> {
        let mut operations = Operations::default();
        // New counts are stored even if no row changes, so that resources are counted only once.
        self.counters.add_operations(&mut operations, self.last);
        if self.last == self.known.version()? {
            return Ok(operations);
        }
        operations.version = Some(self.last);
        operations.journal = self.journal_rows();
        for (id, kind) in self.overlay.voided() {
            operations.removed_ends.push(RowRef {
                id: id.clone(),
                kind: kind.name().into(),
                state: RowState::Live,
            });
        }
        for (id, entry) in self.overlay.rows() {
            self.add_row(&mut operations, id, entry)?;
        }
        for edits in self.overlay.lists() {
            self.add_edges(&mut operations, edits);
        }
        Ok(operations)
    }

    fn add_row(
        &self,
        operations: &mut Operations,
        id: &ResourceId,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        let before = self.known.head(id)?;
        let was_live = before.is_some_and(|head| head.state == RowState::Live);
        if was_live && entry.is_live() && !self.overlay.is_void(id) {
            update(operations, entry);
            return Ok(());
        }
        if let Some(head) = before {
            let body = entry.body.as_ref().map(|body| &body.kind);
            if let Some(kind) = self.overlay.void_kind(id).or(body) {
                self.remove(operations, head, kind)?;
            }
        }
        if let (Some(head), Some(body)) = (&entry.head, &entry.body) {
            insert(operations, head, body)?;
        }
        Ok(())
    }

    /// Removes a row of the facts.
    fn remove(
        &self,
        operations: &mut Operations,
        head: &RowHead,
        kind: &Arc<ResourceType>,
    ) -> Result<(), StoreError> {
        let row = self.known.row(&head.id)?;
        let row = row.ok_or_else(|| missing("a removed row"))?;
        for AttrKeys { attr, keys } in keys::of_document(kind, &row.document)? {
            let rows = key_rows((kind, attr), &head.id, head.state, &keys);
            operations.removed_keys.extend(rows);
        }
        operations.removed_rows.push(RowRef {
            id: head.id.clone(),
            kind: Arc::clone(&head.kind),
            state: head.state,
        });
        Ok(())
    }

    fn add_edges(&self, operations: &mut Operations, edits: &ListEdits) {
        let list = &edits.list;
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        for (target, edit) in &edits.targets {
            let is_void = self.overlay.is_void(&list.owner) || self.overlay.is_void(target);
            if edit.was_there && !is_void {
                removed.push(target.clone());
            }
            if let Some(kind) = &edit.added {
                let id = target.clone();
                let kind = kind.clone();
                added.push(NewMember { id, kind });
            }
        }
        let list = || list.clone();
        if !removed.is_empty() {
            let list = list();
            let targets = removed;
            operations.removed_edges.push(Members { list, targets });
        }
        if !added.is_empty() {
            let list = list();
            let members = added;
            operations.inserted_edges.push(NewMembers { list, members });
        }
    }
}

fn update(operations: &mut Operations, entry: &Entry) {
    let Some(head) = &entry.head else { return };
    let Some(body) = &entry.body else {
        operations.bumped_rows.push(RowBump {
            id: head.id.clone(),
            kind: Arc::clone(&head.kind),
            last_modified: head.last_modified,
            version: head.version.clone(),
        });
        return;
    };
    for (attr, edit) in &body.keys {
        let gone = edit.removed();
        let new = edit.added();
        let attr = (&body.kind, *attr);
        let gone = key_rows(attr, &head.id, RowState::Live, gone);
        operations.removed_keys.extend(gone);
        let new = key_rows(attr, &head.id, RowState::Live, new);
        operations.inserted_keys.extend(new);
    }
    operations.updated_rows.push(row(head, body));
}

fn insert(operations: &mut Operations, head: &RowHead, body: &Body) -> Result<(), StoreError> {
    let mut add = |attr, keys: &[Key]| {
        let rows = key_rows((&body.kind, attr), &head.id, head.state, keys);
        operations.inserted_keys.extend(rows);
    };
    match head.state {
        // Created by this decision, so that all its keys are edits.
        RowState::Live => body
            .keys
            .iter()
            .for_each(|(attr, edit)| add(*attr, &edit.after)),
        RowState::Deleted => {
            let keys = keys::of_document(&body.kind, &body.document)?;
            keys.iter().for_each(|list| add(list.attr, &list.keys));
        }
    }
    operations.inserted_rows.push(row(head, body));
    Ok(())
}

fn row(head: &RowHead, body: &Body) -> ResourceRow {
    ResourceRow {
        connection: body.connection.clone(),
        created: head.created,
        document: body.document.clone(),
        id: head.id.clone(),
        kind: Arc::clone(&body.kind),
        last_modified: head.last_modified,
        state: head.state,
        version: head.version.clone(),
    }
}

fn key_rows<'k>(
    (kind, attr): (&Arc<ResourceType>, AttrId),
    id: &ResourceId,
    state: RowState,
    keys: impl IntoIterator<Item = &'k Key>,
) -> impl Iterator<Item = KeyRow> {
    keys.into_iter().map(move |key| KeyRow {
        id: id.clone(),
        key: KeyRef {
            attr,
            key: key.clone(),
            kind: Arc::clone(kind),
        },
        state,
    })
}
