//! The row operations of a decision.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{ResourceId, ResourceType};
use serde_json::Value;

use super::facts::{
    CounterRef, CounterRow, FoundRow, KeyRef, MemberList, Members, RowHead, RowState,
};
use crate::{ConnectionId, Document, journal::JournalRows};

/// The net effect of a decision on the rows of a store.
///
/// A store applies all fields in the order of their declaration, or none, in the transaction in which it loaded the
/// facts. Each row, key and edge occurs at most once among the removed ones and at most once among the written ones.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store must apply every operation, so a new one must not compile unnoticed"
)]
pub struct Operations {
    /// The number of the tenant's last change; none if it stays. A store without this number ignores it.
    pub version: Option<u64>,
    /// Deleted resources, whose edges as owner and as member are removed.
    pub removed_ends: Vec<RowRef>,
    /// Single edges to remove.
    pub removed_edges: Vec<Members>,
    /// Keys to remove, of rows that are removed or updated.
    pub removed_keys: Vec<KeyRow>,
    /// Rows to remove.
    pub removed_rows: Vec<RowRef>,
    /// New rows.
    pub inserted_rows: Vec<ResourceRow>,
    /// New documents, owners, versions and times of last modification of live rows.
    pub updated_rows: Vec<ResourceRow>,
    /// New versions and times of last modification of live rows.
    pub bumped_rows: Vec<RowBump>,
    /// New keys of rows that are inserted or updated.
    pub inserted_keys: Vec<KeyRow>,
    /// New edges.
    pub inserted_edges: Vec<NewMembers>,
    /// Counters to remove: this process can't adjust them, or no policy has used them for 100,000 changes.
    pub removed_counters: Vec<CounterRef>,
    /// New counters, and new values of existing ones. A store without counters may ignore them.
    pub counters: Vec<CounterRow>,
    /// The new entries of the journal; none for a store that supplied no
    /// [`Facts::journal`](super::Facts::journal).
    pub journal: JournalRows,
}

impl Operations {
    /// Returns whether there is nothing to apply.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.version.is_none() && self.removed_counters.is_empty() && self.counters.is_empty()
    }
}

impl Operations {
    /// Returns one edit per changed row, for tables in which a soft-deleted resource stays in its row: a removal in one
    /// state and an insertion in the other are one edit. Keys and edges are not included.
    pub fn row_edits(&self) -> impl Iterator<Item = RowEdit<'_>> {
        let written: HashSet<_> = self.inserted_rows.iter().map(|row| &row.id).collect();
        let removed = self.removed_rows.iter();
        let removed = removed.filter(move |row| !written.contains(&row.id));
        let written = self.inserted_rows.iter().chain(&self.updated_rows);
        let written = written.map(RowEdit::Put);
        let removed = removed.map(RowEdit::Remove);
        removed
            .chain(written)
            .chain(self.bumped_rows.iter().map(RowEdit::Bump))
    }
}

/// The edit of one row: see [`Operations::row_edits`].
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every edit"
)]
pub enum RowEdit<'o> {
    /// The row gets another version and time of last modification.
    Bump(&'o RowBump),
    /// The row is inserted, or replaces the row with the same id.
    Put(&'o ResourceRow),
    /// The row is removed.
    Remove(&'o RowRef),
}

/// The primary key of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a row's key")]
pub struct RowRef {
    /// The identifier.
    pub id: ResourceId,
    /// The name of the type.
    pub kind: Arc<str>,
    /// Whether the row is live or soft-deleted.
    pub state: RowState,
}

/// A row to be written.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a row")]
pub struct ResourceRow {
    /// The connection that owns it.
    pub connection: Option<ConnectionId>,
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// Its document.
    pub document: Document,
    /// Its identifier.
    pub id: ResourceId,
    /// Its type.
    pub kind: Arc<ResourceType>,
    /// The time of its last change; for a soft-deleted resource, that of its deletion.
    pub last_modified: DateTime<Utc>,
    /// Whether it is live or soft-deleted.
    pub state: RowState,
    /// Its version: the number of the change that wrote it. It has no meaning if the database decides versions.
    pub version: Version,
}

/// A new version of a row whose document stays.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a row")]
pub struct RowBump {
    /// The identifier.
    pub id: ResourceId,
    /// The name of the type.
    pub kind: Arc<str>,
    /// The time of its last change.
    pub last_modified: DateTime<Utc>,
    /// Its version.
    pub version: Version,
}

/// A key of a row.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a key")]
pub struct KeyRow {
    /// The resource that has it.
    pub id: ResourceId,
    /// The attribute and its value.
    pub key: KeyRef,
    /// Whether the row is live or soft-deleted.
    pub state: RowState,
}

/// Edges to be written.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct NewMembers {
    /// The owner and the attribute.
    pub list: MemberList,
    /// The members.
    pub members: Vec<NewMember>,
}

/// The target of an edge to be written.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct NewMember {
    /// The member.
    pub id: ResourceId,
    /// The name of its type from the client's request, if any.
    pub kind: Option<String>,
}

impl ResourceRow {
    /// Returns plain columns: the connection that owns the resource, the times of its creation and last change in
    /// milliseconds since 1970-01-01T00:00:00Z, and whether it is soft-deleted.
    #[must_use]
    pub fn scalars(&self) -> [Value; 4] {
        [
            self.connection.as_ref().map(ConnectionId::as_str).into(),
            self.created.timestamp_millis().into(),
            self.last_modified.timestamp_millis().into(),
            (self.state == RowState::Deleted).into(),
        ]
    }
}

impl From<ResourceRow> for FoundRow {
    fn from(row: ResourceRow) -> Self {
        FoundRow {
            connection: row.connection,
            document: row.document,
            head: RowHead {
                created: row.created,
                id: row.id,
                kind: row.kind.name().into(),
                last_modified: row.last_modified,
                state: row.state,
                version: row.version,
            },
        }
    }
}
