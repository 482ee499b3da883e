//! The facts that a decision needs, and the rows in which a store supplies them.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{AttrId, Key, Predicate, ResourceId, ResourceType};
use serde_json::Value;

use super::operations::NewMember;
use crate::{ConnectionId, Document, OwnerFilter, StoreError, Timestamps, journal::JournalSeed};

/// The facts that a decision needs next.
///
/// For each field, a store supplies the field of the same name in [`Facts`] from the rows before the batch, and omits
/// rows that do not exist. One statement with arrays of parameters can load a whole field. Empty fields need no
/// statement.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Needs {
    /// The direct and indirect memberships of a resource under one attribute.
    pub ancestors: BTreeSet<AncestorQuery>,
    /// Resources that satisfy a predicate.
    pub candidates: Vec<CandidateQuery>,
    /// The names of the types whose stored counters are needed.
    pub counters: BTreeSet<Arc<str>>,
    /// The numbers of live resources that satisfy a predicate, for counters that are not stored.
    pub counts: BTreeMap<CounterRef, CountQuery>,
    /// The targets for which it is needed whether they are members of an owner.
    pub edges: BTreeMap<MemberList, BTreeSet<ResourceId>>,
    /// Rows without their documents, whether live or soft-deleted.
    pub heads: BTreeSet<ResourceId>,
    /// The live resources that have a value of a unique attribute.
    pub holders: BTreeSet<KeyRef>,
    /// The live resources whose type and display name are part of a result.
    pub labels: BTreeSet<ResourceId>,
    /// The members of an owner whose types from clients' requests are needed.
    pub member_kinds: BTreeMap<MemberList, BTreeSet<ResourceId>>,
    /// The ids of all members of an owner.
    pub members: BTreeSet<MemberList>,
    /// All owners that have one of these resources as a member, under any attribute.
    pub owners: BTreeSet<ResourceId>,
    /// Whole rows, whether live or soft-deleted.
    pub rows: BTreeSet<ResourceId>,
    /// The first members of an owner for a result, with their maximum number; without it, all members.
    pub shown_members: BTreeMap<MemberList, Option<usize>>,
    /// The first owners of a resource for a result, with their maximum number; without it, all owners.
    pub shown_owners: BTreeMap<OwnerList, Option<usize>>,
    /// Whether the number of the tenant's last change is needed, with the seed of its journal. Loading it takes the
    /// tenant's lock.
    pub version: bool,
}

impl Needs {
    /// Returns whether nothing is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.version
            && self.ancestors.is_empty()
            && self.candidates.is_empty()
            && self.counters.is_empty()
            && self.counts.is_empty()
            && self.edges.is_empty()
            && self.heads.is_empty()
            && self.holders.is_empty()
            && self.labels.is_empty()
            && self.member_kinds.is_empty()
            && self.members.is_empty()
            && self.owners.is_empty()
            && self.rows.is_empty()
            && self.shown_members.is_empty()
            && self.shown_owners.is_empty()
    }
}

/// Rows that a store found for some [`Needs`].
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a store must supply every need, so a new one must not compile unnoticed"
)]
pub struct Facts {
    /// The edges to the requested resources, to their owners, to the owners of these, and so on; duplicates are
    /// allowed.
    pub ancestors: Vec<AncestorEdge>,
    /// The rows for each query that found any.
    pub candidates: Vec<Candidates>,
    /// The counters of the requested types, if every change since they were written has adjusted them. Without
    /// counters, the store has to count the limited resources for each write.
    pub counters: Option<Vec<CounterRow>>,
    /// The results of counting.
    pub counts: Vec<CountRow>,
    /// The targets that are members.
    pub edges: Vec<Members>,
    /// Rows without their documents.
    pub heads: Vec<RowHead>,
    /// The resources that have the requested values.
    pub holders: Vec<KeyHolder>,
    /// The seed of new journal entries, loaded with the version; none if the store has no journal, or if its
    /// database decides versions.
    pub journal: Option<JournalSeed>,
    /// The types and display names of resources: those in [`Needs::labels`], and all members and owners in
    /// `shown_members` and `shown_owners`. If [`rows`](Self::rows) has the row of a resource, its label may be omitted.
    pub labels: Vec<Label>,
    /// The requested members, with the types from clients' requests.
    pub member_kinds: Vec<ShownMembers>,
    /// All members of the requested owners.
    pub members: Vec<Members>,
    /// The edges to the requested resources.
    pub owners: Vec<OwnerEdge>,
    /// Whole rows.
    pub rows: Vec<FoundRow>,
    /// The members of each requested owner: the first ones in the order of their ids, compared byte by byte.
    pub shown_members: Vec<ShownMembers>,
    /// The owners of each requested resource: the first ones in the order of their ids, compared byte by byte.
    pub shown_owners: Vec<ShownOwners>,
    /// The number of the tenant's last change, or 0 before the first. None, although it is needed, means that the
    /// database decides versions and [`Rows::apply`](super::Rows::apply) returns them.
    pub version: Option<u64>,
}

/// The primary key of a counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a counter's key")]
pub struct CounterRef {
    /// The name of the type whose resources are counted.
    pub kind: Arc<str>,
    /// The predicate of the counted resources, as text in a format of the engine; empty if all resources of the type
    /// count.
    pub predicate: Arc<str>,
}

/// A query for the number of resources.
///
/// A store with counters gets it once per tenant and counter. It may read all documents of a type, so the store should
/// not charge it to the budget of the request.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct CountQuery {
    /// The type.
    pub kind: Arc<ResourceType>,
    /// The predicate of the counted resources, on attributes that documents contain; none if all resources of the
    /// type count.
    pub predicate: Option<Predicate>,
}

/// The result of a [`CountQuery`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the row of one query")]
pub struct CountRow {
    /// The number of live resources.
    pub count: u64,
    /// The counter.
    pub counter: CounterRef,
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a counter")]
pub struct CounterRow {
    /// The number of live resources.
    pub count: u64,
    /// The key of the counter.
    pub counter: CounterRef,
    /// The number of a recent change whose policy used the counter; the last one may be up to 1,000 changes later.
    pub used: u64,
}

/// The state of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a row is in one of two tables")]
pub enum RowState {
    /// The resource is live: visible to clients.
    Live,
    /// The resource is soft-deleted: only an [`ExistingMatch`](crate::ExistingMatch) finds it.
    Deleted,
}

/// A resource's row without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the columns of a row, which every store fills in"
)]
pub struct RowHead {
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// Its identifier.
    pub id: ResourceId,
    /// The name of its type.
    pub kind: Arc<str>,
    /// The time of its last change; for a soft-deleted resource, that of its deletion.
    pub last_modified: DateTime<Utc>,
    /// Whether it is live or soft-deleted.
    pub state: RowState,
    /// Its version. For a soft-deleted resource it is the version of the delete, or `0` if the store does not know it.
    pub version: Version,
}

impl RowHead {
    /// Returns its times.
    #[must_use]
    pub fn timestamps(&self) -> Timestamps {
        Timestamps {
            created: self.created,
            last_modified: self.last_modified,
        }
    }
}

/// A resource's row.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the columns of a row, which every store fills in"
)]
pub struct FoundRow {
    /// The connection that owns it.
    pub connection: Option<ConnectionId>,
    /// Its document.
    pub document: Document,
    /// The other columns.
    pub head: RowHead,
}

impl FoundRow {
    /// Creates a live row without an owner, whose version is a hash of its document and its last modification: for
    /// tables without versions, or tables that other programs change.
    #[must_use]
    pub fn new(
        kind: &ResourceType,
        id: ResourceId,
        document: Document,
        created: DateTime<Utc>,
        last_modified: DateTime<Utc>,
    ) -> Self {
        let moment = last_modified.timestamp_micros().to_le_bytes();
        let version = Version::from_content([&**document.text(), &moment]);
        FoundRow {
            connection: None,
            document,
            head: RowHead {
                created,
                id,
                kind: kind.name().into(),
                last_modified,
                state: RowState::Live,
                version,
            },
        }
    }

    /// Creates a row from plain columns: its id, the connection that owns it, the times of its creation and last
    /// change in milliseconds since 1970-01-01T00:00:00Z, whether it is soft-deleted, and its version.
    /// [`ResourceRow::scalars`](super::ResourceRow::scalars) writes the four in the middle.
    ///
    /// A connection that is not a string counts as none, and a state that is neither a boolean nor an integer as live.
    ///
    /// # Errors
    /// [`StoreError::Backend`]: the id is neither a string nor a number, a time is not an integer or is out of range,
    /// or the version is invalid.
    pub fn from_scalars(
        kind: &ResourceType,
        [id, connection, created, last_modified, is_deleted, version]: [Value; 6],
        document: Document,
    ) -> Result<Self, StoreError> {
        let wrong = |column: &str| StoreError::backend(format!("invalid {column} in a row"));
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let instant = |value: Value| value.as_i64().and_then(DateTime::from_timestamp_millis);
        Ok(FoundRow {
            connection: connection.as_str().map(ConnectionId::from),
            document,
            head: RowHead {
                created: instant(created).ok_or_else(|| wrong("creation"))?,
                id: text(id).map(ResourceId::from).ok_or_else(|| wrong("id"))?,
                kind: kind.name().into(),
                last_modified: instant(last_modified).ok_or_else(|| wrong("modification"))?,
                state: match is_deleted.as_bool().or(is_deleted.as_i64().map(|n| n != 0)) {
                    Some(true) => RowState::Deleted,
                    _ => RowState::Live,
                },
                version: text(version)
                    .and_then(|text| Version::new(text).ok())
                    .ok_or_else(|| wrong("version"))?,
            },
        })
    }

    /// Sets the connection that owns the resource.
    #[must_use]
    pub fn with_connection(mut self, connection: Option<ConnectionId>) -> Self {
        self.connection = connection;
        self
    }

    /// Sets whether the resource is live or soft-deleted.
    #[must_use]
    pub fn with_state(mut self, state: RowState) -> Self {
        self.head.state = state;
        self
    }
}

/// One value of an indexed attribute.
///
/// Two keys are equal if the names of their types, the paths of their attributes and their values are.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a key")]
pub struct KeyRef {
    /// The attribute.
    pub attr: AttrId,
    /// The folded value.
    pub key: Key,
    /// The type.
    pub kind: Arc<ResourceType>,
}

impl KeyRef {
    /// Returns the canonical path of the attribute.
    #[must_use]
    pub fn path(&self) -> &str {
        self.kind.attr(self.attr).path()
    }
}

impl Ord for KeyRef {
    fn cmp(&self, other: &Self) -> Ordering {
        let attr = if Arc::ptr_eq(&self.kind, &other.kind) {
            self.attr.cmp(&other.attr)
        } else {
            let names = self.kind.name().cmp(other.kind.name());
            names.then_with(|| self.path().cmp(other.path()))
        };
        attr.then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for KeyRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for KeyRef {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for KeyRef {}

/// The holder of a key.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a key")]
pub struct KeyHolder {
    /// The live resource that has the value.
    pub id: ResourceId,
    /// The value.
    pub key: KeyRef,
}

/// The members of one owner under one attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge's owner")]
pub struct MemberList {
    /// The canonical path of the membership attribute.
    pub attr: Arc<str>,
    /// The name of the owner's type.
    pub kind: Arc<str>,
    /// The owner.
    pub owner: ResourceId,
}

/// Members of one owner.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct Members {
    /// The owner and the attribute.
    pub list: MemberList,
    /// The members.
    pub targets: Vec<ResourceId>,
}

/// The owners of one type that have a resource as a member by one attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge's target")]
pub struct OwnerList {
    /// The canonical path of the membership attribute.
    pub attr: Arc<str>,
    /// The name of the owners' type.
    pub kind: Arc<str>,
    /// The member.
    pub target: ResourceId,
}

/// The members of an owner for a result.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct ShownMembers {
    /// The owner and the attribute.
    pub list: MemberList,
    /// The members, with the types from clients' requests.
    pub members: Vec<NewMember>,
}

/// The owners of a resource for a result.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct ShownOwners {
    /// The member, and the type and attribute of its owners.
    pub list: OwnerList,
    /// The owners.
    pub owners: Vec<ResourceId>,
}

/// The type and display name of a live resource, which edges to it contain.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the columns of a row that edges contain"
)]
pub struct Label {
    /// The value of `displayName` in its document, if there is one.
    pub display: Option<String>,
    /// Its identifier.
    pub id: ResourceId,
    /// The name of its type.
    pub kind: Arc<str>,
}

impl Label {
    /// Creates the label of a live row; none for a soft-deleted one.
    #[must_use]
    pub fn new(kind: &ResourceType, row: &FoundRow) -> Option<Self> {
        (row.head.state == RowState::Live).then(|| Label {
            display: row.document.display_name(kind),
            id: row.head.id.clone(),
            kind: Arc::clone(&row.head.kind),
        })
    }
}

/// A query for the edges of one attribute that lead to a resource, directly or through other resources.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct AncestorQuery {
    /// The canonical path of the membership attribute.
    pub attr: Arc<str>,
    /// The resource.
    pub start: ResourceId,
}

/// An edge that leads to a resource, directly or through other resources.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct AncestorEdge {
    /// The canonical path of the membership attribute.
    pub attr: Arc<str>,
    /// The resource that has the other as a member.
    pub owner: ResourceId,
    /// The member.
    pub target: ResourceId,
}

/// An edge to a resource, with the row of its owner.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct OwnerEdge {
    /// The canonical path of the membership attribute.
    pub attr: Arc<str>,
    /// The row of the resource that has the other as a member.
    pub owner: RowHead,
    /// The member.
    pub target: ResourceId,
}

/// A query for resources that a create may adopt or restore.
///
/// Live resources come in the order of their ids. Soft-deleted resources come with the last deleted one first, and
/// those of the same time with the greatest id first.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct CandidateQuery {
    /// The type.
    pub kind: Arc<ResourceType>,
    /// The maximum number of rows.
    pub limit: usize,
    /// The number of the query, unique within its decision.
    pub number: usize,
    /// The condition for the owner of the resources.
    pub owner: OwnerFilter,
    /// The condition that the resources satisfy exactly, on attributes that documents contain.
    pub predicate: Predicate,
    /// The state of the resources.
    pub state: RowState,
}

/// The result of a [`CandidateQuery`].
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the rows of one query")]
pub struct Candidates {
    /// The number of the query.
    pub number: usize,
    /// The rows, in the order of the query.
    pub rows: Vec<FoundRow>,
}
