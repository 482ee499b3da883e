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
/// A store answers each field with the field of the same name in [`Facts`], as the rows are before
/// the batch; what it does not find, it leaves out. All fields are sets, so one statement with
/// arrays of parameters answers each of them, and none has to be answered that is empty.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Needs {
    /// The memberships that lead to a resource at once or through others, by one attribute.
    pub ancestors: BTreeSet<AncestorQuery>,
    /// Resources that satisfy a predicate.
    pub candidates: Vec<CandidateQuery>,
    /// The names of the types whose stored counters are needed.
    pub counters: BTreeSet<Arc<str>>,
    /// The numbers of live resources that satisfy a predicate, for counters that are not stored.
    pub counts: BTreeMap<CounterRef, CountQuery>,
    /// Which of these targets are members of that owner.
    pub edges: BTreeMap<MemberList, BTreeSet<ResourceId>>,
    /// Rows without their documents, whether live or soft-deleted.
    pub heads: BTreeSet<ResourceId>,
    /// The live resources that have a value of a unique attribute.
    pub holders: BTreeSet<KeyRef>,
    /// The live resources whose type and display name an answer shows.
    pub labels: BTreeSet<ResourceId>,
    /// The types that clients gave to these members of an owner.
    pub member_kinds: BTreeMap<MemberList, BTreeSet<ResourceId>>,
    /// The ids of all members of an owner.
    pub members: BTreeSet<MemberList>,
    /// All owners that have one of these resources as a member, under any attribute.
    pub owners: BTreeSet<ResourceId>,
    /// Whole rows, whether live or soft-deleted.
    pub rows: BTreeSet<ResourceId>,
    /// The first members of an owner that an answer shows, with the maximum number of them; without it, all members.
    pub shown_members: BTreeMap<MemberList, Option<usize>>,
    /// The first owners of a resource that an answer shows, with the maximum number of them; without it, all owners.
    pub shown_owners: BTreeMap<OwnerList, Option<usize>>,
    /// The counter of the tenant's changes, with the end of its journal; loading it takes the tenant's
    /// lock.
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
    reason = "a store must answer every need, so a new one must not compile unnoticed"
)]
pub struct Facts {
    /// The edges on the way up from the resources that were asked for, each once or more.
    pub ancestors: Vec<AncestorEdge>,
    /// The rows for each query that found any.
    pub candidates: Vec<Candidates>,
    /// The counters of the requested types, if every change since they were written has adjusted them. None if the
    /// store has no counters: then it has to count the limited resources with each write.
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
    /// `shown_members` and `shown_owners`. If [`rows`](Self::rows) has the row of a resource, its label may be left out.
    pub labels: Vec<Label>,
    /// The requested members, with the types that clients gave to them.
    pub member_kinds: Vec<ShownMembers>,
    /// All members of the owners that were asked for.
    pub members: Vec<Members>,
    /// The edges to the resources that were asked for.
    pub owners: Vec<OwnerEdge>,
    /// Whole rows.
    pub rows: Vec<FoundRow>,
    /// The members of each requested owner: the first ones in the order of their ids, compared byte by byte.
    pub shown_members: Vec<ShownMembers>,
    /// The owners of each requested resource: the first ones in the order of their ids, compared byte by byte.
    pub shown_owners: Vec<ShownOwners>,
    /// The number of the tenant's last change, 0 before the first. If it was needed and is none, the database
    /// decides versions, and [`Rows::apply`](super::Rows::apply) returns them.
    pub version: Option<u64>,
}

/// The primary key of a counter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a counter's key")]
pub struct CounterRef {
    /// The name of the type whose resources are counted.
    pub kind: Arc<str>,
    /// The predicate of the counted resources, as text that only the engine reads; empty if all
    /// resources of the type count.
    pub predicate: Arc<str>,
}

/// A query for the number of resources.
///
/// It happens once per tenant and counter, and may read all documents of a type, so a store
/// does not charge it to the budget of the first request.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct CountQuery {
    /// The type.
    pub kind: Arc<ResourceType>,
    /// The predicate of the counted resources, on attributes that documents hold; none if all resources of the
    /// type count.
    pub predicate: Option<Predicate>,
}

/// The answer to a [`CountQuery`].
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

/// Whether a resource is visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "a row is in one of two tables")]
pub enum RowState {
    /// The resource is live: visible to clients.
    Live,
    /// The resource was soft-deleted: only a match finds it.
    Deleted,
}

/// A resource's row without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the columns of a row, which every store fills in"
)]
pub struct RowHead {
    /// When it was created.
    pub created: DateTime<Utc>,
    /// Its identifier.
    pub id: ResourceId,
    /// The name of its type.
    pub kind: Arc<str>,
    /// When it last changed; of a soft-deleted one, when it was deleted.
    pub last_modified: DateTime<Utc>,
    /// Whether it is live.
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
    /// # Errors
    /// [`StoreError::Backend`] for a column of the wrong JSON type, a time out of range, or an invalid version.
    pub fn from_scalars(
        kind: &ResourceType,
        [id, connection, created, last_modified, is_deleted, version]: [Value; 6],
        document: Document,
    ) -> Result<Self, StoreError> {
        let wrong = |column: &str| StoreError::backend(format!("the {column} of a row is damaged"));
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
/// Two are equal when the names of their types, the paths of their attributes and their values are.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of a key")]
pub struct KeyRef {
    /// The attribute.
    pub attr: AttrId,
    /// The value, folded.
    pub key: Key,
    /// The type.
    pub kind: Arc<ResourceType>,
}

impl KeyRef {
    /// The canonical path of the attribute.
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

/// The members of an owner that answers show.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct ShownMembers {
    /// The owner and the attribute.
    pub list: MemberList,
    /// The members, with the types that clients gave to them.
    pub members: Vec<NewMember>,
}

/// The owners of a resource that answers show.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the columns of an edge")]
pub struct ShownOwners {
    /// The member, and the type and attribute of its owners.
    pub list: OwnerList,
    /// The owners.
    pub owners: Vec<ResourceId>,
}

/// The parts of a live resource that edges to it show.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the columns of a row that edges show"
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

/// Asks for the edges of one attribute that lead to a resource at once or through others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct AncestorQuery {
    /// The canonical path of the membership attribute.
    pub attr: Arc<str>,
    /// The resource.
    pub start: ResourceId,
}

/// An edge on the way up.
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

/// Asks for resources that a create may take.
///
/// Live ones come in the order of their ids; soft-deleted ones with the last one deleted first, those
/// of one moment with the greatest id first.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of one query")]
pub struct CandidateQuery {
    /// The type.
    pub kind: Arc<ResourceType>,
    /// How many rows are enough.
    pub limit: usize,
    /// Tells this query from the others of a decision.
    pub number: usize,
    /// Which owners they may have.
    pub owner: OwnerFilter,
    /// What they satisfy, exactly; it asks about attributes that documents hold.
    pub predicate: Predicate,
    /// Live or soft-deleted.
    pub state: RowState,
}

/// What a [`CandidateQuery`] found.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the rows of one query")]
pub struct Candidates {
    /// The number of the query.
    pub number: usize,
    /// The rows, in the order of the query.
    pub rows: Vec<FoundRow>,
}
