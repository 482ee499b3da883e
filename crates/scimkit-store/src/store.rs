//! The contract between the protocol and what keeps the data.

use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{AttrId, Change, Edge, Exhausted, Resource, ResourceId, ResourceType};

use crate::{
    Candidate, Cause, Claim, ClaimPin, ConnectionId, Deletes, JournalLevel, OwnerFilter, Page,
    Query, Scope, Settings, Start,
};

/// A future that a store hands out.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What keeps the resources: a database of our own or the host's tables.
///
/// The rules that hold for every method:
/// - Nothing of one tenant is seen, counted or refused because of another's data.
/// - The document of a resource holds its attributes with the schema's spelling and `schemas`, but
///   not `id`, `meta` or any membership; attributes that are never returned are not in it.
/// - A dropped future leaves each write either done or not done.
/// - Whatever is asked may fail: [`StoreError::is_failure`] lists how. Reads end with
///   [`StoreError::Exhausted`] when [`Scope::budget`] runs out.
/// - While an [import](crate::Archive::restore) of the tenant is not complete, a store that archives
///   fails every call for the tenant with [`StoreError::Importing`].
///
/// [`scimkit_testkit::contract`](https://docs.rs/scimkit-testkit) holds the tests of this contract.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What the store can do with resources of that type; discovery is computed from it.
    fn support(&self, kind: &ResourceType) -> Support;

    /// The edges of several owners at once, in the order of `query.owners`, each sorted by target
    /// id, byte by byte; none for an owner that does not exist. Each edge carries the target's type and
    /// `displayName` as they are now; a target that does not exist keeps the type it was given.
    /// `query.limit` bounds the edges read of each owner, and `query.after` says where they begin.
    ///
    /// For an inverse attribute the edges lead to the resources that have the owner as a member.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn edges<'a>(
        &'a self,
        scope: &'a Scope,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>>;

    /// The resources of one type that satisfy a predicate, exactly, as one page.
    ///
    /// Without a sort they come in the order of their ids. With one, resources without a value come
    /// last (first when descending), and equal ones in the order of their ids.
    ///
    /// A page that starts after a position holds what follows it in that order, exactly, whatever
    /// became of the resource that stood there; its total is still that of all pages.
    /// [`Page::next`] is where the page ended. A store that can't do both says so in
    /// [`Support::cursor`] and is never asked.
    ///
    /// [`Query::max_bytes`] and [`Query::edge_limit`] bound what a page takes in memory, and a store
    /// should not read more than that at once. One that does not support cursors may ignore
    /// them.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    fn query<'a>(
        &'a self,
        scope: &'a Scope,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// One resource, with the edges that are wanted, each attribute's first ones in the order of
    /// [`Store::edges`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: no resource of that type has the id, in this tenant.
    fn read<'a>(
        &'a self,
        scope: &'a Scope,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a Want,
    ) -> BoxFuture<'a, Result<Stored, StoreError>>;

    /// Carries the writes out in order, each atomic alone, with one answer each; all that succeeded
    /// are durable when the future resolves. What one that fails means for the others is said by
    /// [`OnFailure`]; nobody sees, and no crash leaves, what is undone.
    ///
    /// Decided inside each write, so that concurrent ones can't disagree:
    /// - the expected version: [`StoreError::Stale`], and nothing is written;
    /// - uniqueness of the folded keys ([`Change::keys`]) of attributes whose uniqueness is not
    ///   `none`, within tenant and type: [`StoreError::Taken`];
    /// - members that don't exist, under [`UnknownMembers`](crate::UnknownMembers):
    ///   [`StoreError::Missing`];
    /// - members that would make their owner a member of itself, under
    ///   [`Cycles`](crate::Cycles): [`StoreError::Cycle`]. Only edges that the write adds are
    ///   looked at, so a cycle that is there already is in nobody's way;
    /// - whether a create takes a resource that is there: see [`Claim`].
    ///
    /// An update that changes nothing, such as adding a member that is there already, answers
    /// [`How::Unchanged`] and keeps version and last modification. A change of membership is a new
    /// version of its owner, not of the members. A delete takes the resource out of every
    /// membership and makes a new version of each owner; under
    /// [`Deletes::Retire`](crate::Deletes) its document and id are kept for a [`Claim`], and nothing
    /// else of the contract sees them.
    ///
    /// # Errors
    /// The batch failed as a whole and nothing of it was written: a [failure](StoreError::is_failure),
    /// [`StoreError::Exhausted`] or [`StoreError::Unsupported`]. What is wrong with one write is its own
    /// answer. Where a store carries a long batch under [`OnFailure::Continue`] or
    /// [`OnFailure::StopAfter`] out in parts and a later part fails, the writes of that part and those
    /// after it have that error as their own answers.
    fn write<'a>(
        &'a self,
        scope: &'a Scope,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>>;
}

/// What a store can do with a type of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Support {
    /// Whether it enforces [`Policy::capacities`](crate::engine::Policy::capacities).
    pub capacities: bool,
    /// Whether it can [check](Intent::Check) a batch without writing it.
    pub check: bool,
    /// Whether a create can [claim](crate::Claim) a resource: it keeps which connection owns a resource.
    pub claims: bool,
    /// Whether it compares the [pin](crate::Claim::pinned) of a claim.
    pub claim_pins: bool,
    /// It continues a list after a [`Position`](crate::Position).
    pub cursor: bool,
    /// It answers predicates.
    pub filter: bool,
    /// It keeps the id that [`Write::Create`] comes with. Where it assigns its own, what refers to
    /// a resource can only be written once that is there.
    pub given_ids: bool,
    /// It writes a [journal](crate::Journal). A store without one accepts the default level,
    /// records nothing, and rejects [`JournalLevel::Full`](crate::JournalLevel::Full).
    pub journal: bool,
    /// Whether it keeps what is deleted under [`Deletes::Retire`](crate::Deletes::Retire).
    pub soft_delete: bool,
    /// Whether it keeps which connection owns a resource: [`Stored::owner`] and
    /// [`Query::with_owner`](crate::Query::with_owner).
    pub owners: bool,
    /// It sorts.
    pub sort: bool,
    /// Whether answers to writes carry the edges that the [batch](Batch::want) needs.
    pub written_edges: bool,
}

impl Support {
    /// Everything that the first version of the contract had: all but capacities, checks, the pins of
    /// claims, a journal, queries by owner and edges in answers to writes, which a store has to declare.
    #[must_use]
    pub fn full() -> Self {
        Support {
            capacities: false,
            check: false,
            claim_pins: false,
            claims: true,
            cursor: true,
            filter: true,
            given_ids: true,
            journal: false,
            owners: false,
            soft_delete: true,
            sort: true,
            written_edges: false,
        }
    }
}

/// What a store without a journal lacks.
pub(crate) const FULL_JOURNAL: &str = "a journal with values";

impl Support {
    /// Rejects a query that needs a capability which the store lacks. A store that lacks a capability should
    /// call it for each query.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`].
    pub fn check_query(&self, query: &Query) -> Result<(), StoreError> {
        let feature = match query {
            _ if !self.owners && query.owner != OwnerFilter::Any => "a query by owner",
            _ if !self.cursor && matches!(query.start, Start::After(_)) => {
                "a page after a position"
            }
            _ if !self.filter && query.predicate.is_some() => "a filter",
            _ if !self.sort && query.sort.is_some() => "a sorted list",
            _ => return Ok(()),
        };
        Err(StoreError::Unsupported { feature })
    }

    /// Rejects a batch that needs a capability which the store lacks. The server calls it before each
    /// write, and a store that lacks a capability should as well.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`].
    pub fn check_batch(&self, settings: &Settings, batch: &Batch) -> Result<(), StoreError> {
        let deletes = batch
            .writes
            .iter()
            .any(|w| matches!(w, Write::Delete { .. }));
        let claims = || {
            batch.writes.iter().filter_map(|write| match write {
                Write::Create { claim, .. } => claim.as_deref(),
                _ => None,
            })
        };
        let feature = match batch.intent {
            Intent::Check if !self.check => "a write that is only checked",
            _ if !self.capacities && !settings.policy.capacities.is_empty() => {
                "a limit on resources"
            }
            _ if !self.written_edges && !batch.want.edges.is_empty() => {
                "edges in answers to writes"
            }
            _ if !self.claims && claims().next().is_some() => "a create that adopts or restores",
            _ if !self.claim_pins && claims().any(|claim| claim.pin.is_some()) => {
                "a create that expects what an earlier check has found"
            }
            _ if !self.soft_delete && deletes && settings.policy.deletes == Deletes::Retire => {
                "soft delete"
            }
            _ if !self.journal && settings.policy.journal.level == JournalLevel::Full => {
                FULL_JOURNAL
            }
            _ => return Ok(()),
        };
        Err(StoreError::Unsupported { feature })
    }
}

/// What a read or the answer to a write needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Want {
    /// Whether the answer to a write needs the document; a read always has it.
    pub document: bool,
    /// The membership, inverse and reference attributes whose edges are wanted.
    pub edges: Vec<AttrId>,
    /// How many edges under each at most; all when there is none.
    pub limit: Option<u32>,
}

impl Default for Want {
    /// The document alone.
    fn default() -> Self {
        Want {
            document: true,
            edges: Vec::new(),
            limit: None,
        }
    }
}

impl Want {
    /// The document alone.
    #[must_use]
    pub fn document() -> Self {
        Want::default()
    }

    /// Nothing but what a write always answers.
    #[must_use]
    pub fn version() -> Self {
        Want {
            document: false,
            ..Want::default()
        }
    }

    /// The edges under these attributes, too.
    #[must_use]
    pub fn edges(attrs: impl Into<Vec<AttrId>>) -> Self {
        Want {
            edges: attrs.into(),
            ..Want::default()
        }
    }

    /// At most `limit` edges under each: enough to tell a small group from a big one.
    #[must_use]
    pub fn at_most(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// Asks for the edges of some resources of one type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EdgeQuery {
    /// Only edges to targets with greater ids, compared byte by byte: what follows on a page that
    /// ended there.
    pub after: Option<ResourceId>,
    /// A membership attribute, or the inverse of one.
    pub attr: AttrId,
    /// The type of the owners.
    pub kind: Arc<ResourceType>,
    /// How many edges of each owner at most; all when there is none.
    pub limit: Option<u32>,
    /// Whose edges.
    pub owners: Vec<ResourceId>,
}

impl EdgeQuery {
    /// The edges of one attribute for several owners.
    #[must_use]
    pub fn new(kind: Arc<ResourceType>, attr: AttrId, owners: Vec<ResourceId>) -> Self {
        EdgeQuery {
            after: None,
            attr,
            kind,
            limit: None,
            owners,
        }
    }

    /// At most `limit` edges of each owner: enough to tell a small group from a big one.
    #[must_use]
    pub fn at_most(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Only those behind that target.
    #[must_use]
    pub fn after(mut self, target: Option<ResourceId>) -> Self {
        self.after = target;
        self
    }
}

/// A stored resource, as a read of its type returns it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stored {
    /// The bytes of its document's JSON text, where the store knows them; 0 where not. See
    /// [`Stored::size`].
    pub bytes: u64,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// Its attributes, without `id`, `meta` and memberships.
    pub document: Document,
    /// Its edges, under the attributes that were asked for, as they were with this version.
    pub edges: Vec<(AttrId, Vec<Edge>)>,
    /// Its identifier.
    pub id: ResourceId,
    /// When it last changed.
    pub last_modified: DateTime<Utc>,
    /// The connection that owns it; none for a resource of the application, and where the store does not
    /// keep owners ([`Support::owners`]).
    pub owner: Option<ConnectionId>,
    /// The version that this is.
    pub version: Version,
}

/// When a resource was created and last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "both times of `meta`, by name")]
pub struct Timestamps {
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub last_modified: DateTime<Utc>,
}

impl Stored {
    /// A resource without an owner and edges.
    #[must_use]
    pub fn new(id: ResourceId, version: Version, at: Timestamps, document: Document) -> Self {
        Stored {
            bytes: Self::bytes_of(&document),
            created: at.created,
            document,
            edges: Vec::new(),
            id,
            last_modified: at.last_modified,
            owner: None,
            version,
        }
    }

    /// Sets the connection that owns it.
    #[must_use]
    pub fn with_owner(mut self, owner: Option<ConnectionId>) -> Self {
        self.owner = owner;
        self
    }
}

impl Stored {
    /// What an edge takes besides its texts.
    const EDGE: u64 = 64;

    /// The bytes of a document's text, where it is at hand.
    pub(crate) fn bytes_of(document: &Document) -> u64 {
        match document {
            Document::Text(text) => text.len() as u64,
            Document::Tree(_) => 0,
        }
    }

    /// The bytes of its document's JSON text and, for each of its edges, those of id, type and name
    /// and 64 more.
    #[must_use]
    pub fn size(&self) -> u64 {
        let edges = self.edges.iter().flat_map(|(_, edges)| edges);
        let document = match (&self.document, self.bytes) {
            (Document::Tree(tree), 0) => tree.text_len(),
            (_, bytes) => bytes,
        };
        document + edges.map(Self::edge_size).sum::<u64>()
    }

    /// The bytes of one edge in [`Stored::size`].
    #[must_use]
    pub fn edge_size(edge: &Edge) -> u64 {
        let texts = [edge.kind.as_deref(), edge.display.as_deref()];
        let texts = texts.into_iter().flatten().map(str::len).sum::<usize>();
        Self::EDGE + (edge.id.as_str().len() + texts) as u64
    }
}

/// A stored document: the JSON text that goes out, or the tree.
///
/// Text may go out as it is, so a store gives it only for a document in which the resource type, as
/// it is now, hides and ignores nothing. A tree is always projected.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a document is text or a tree")]
pub enum Document {
    /// JSON text, as [`Resource::to_text`] writes it.
    Text(Bytes),
    /// The tree.
    Tree(Arc<Resource>),
}

impl From<Resource> for Document {
    fn from(tree: Resource) -> Self {
        Document::Tree(Arc::new(tree))
    }
}

impl Document {
    /// The JSON text.
    #[must_use]
    pub fn text(&self) -> Bytes {
        match self {
            Document::Text(text) => text.clone(),
            Document::Tree(tree) => Bytes::from(tree.to_text()),
        }
    }

    /// The tree, read from the text where needed.
    ///
    /// # Errors
    /// [`StoreError::Backend`] when the text is not a document.
    pub fn tree(&self) -> Result<Cow<'_, Resource>, StoreError> {
        match self {
            Document::Text(text) => Resource::restore(text)
                .map(Cow::Owned)
                .map_err(StoreError::backend),
            Document::Tree(tree) => Ok(Cow::Borrowed(tree)),
        }
    }
}

/// Writes to be carried out in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Batch {
    /// What `created` and `lastModified` become.
    pub at: DateTime<Utc>,
    /// On whose behalf it is written: its connection owns what the batch creates or adopts.
    pub cause: Cause,
    /// Whether anything is to be written.
    pub intent: Intent,
    /// What a write that fails means for the others.
    pub on_failure: OnFailure,
    /// What answers need. Without documents a store may leave [`Written::stored`] out.
    ///
    /// The edges are those of [`Written::stored`] with exactly the version that it names; the attributes
    /// are those of the type of the first write, and resources of other types come without. Only a store
    /// with [`Support::written_edges`] is asked for edges. They are left out
    /// - of a resource that a later write of the batch has changed, or may have changed by a delete
    /// - of a batch that is only [checked](Intent::Check)
    pub want: Want,
    /// The writes.
    pub writes: Vec<Write>,
}

impl Batch {
    /// Writes of the application itself, at one moment.
    #[must_use]
    pub fn new(at: DateTime<Utc>, writes: Vec<Write>) -> Self {
        let on_failure = OnFailure::default();
        Batch {
            at,
            cause: Cause::application(),
            intent: Intent::default(),
            on_failure,
            want: Want::document(),
            writes,
        }
    }

    /// Sets on whose behalf it is written.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Asks for answers with versions only: a change of single members then loads no document.
    #[must_use]
    pub fn without_documents(mut self) -> Self {
        self.want = Want::version();
        self
    }

    /// Sets what answers need.
    #[must_use]
    pub fn with_want(mut self, want: Want) -> Self {
        self.want = want;
        self
    }

    /// Makes it a dry run: see [`Intent::Check`].
    #[must_use]
    pub fn only_checked(mut self) -> Self {
        self.intent = Intent::Check;
        self
    }

    /// With another rule for writes that fail.
    #[must_use]
    pub fn on_failure(mut self, rule: OnFailure) -> Self {
        self.on_failure = rule;
        self
    }
}

/// Whether a batch is to be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a store must not commit what it does not know to be a check"
)]
pub enum Intent {
    /// It answers as it would if it were committed, and changes nothing: a dry run. Only a store with
    /// [`Support::check`] gets one.
    Check,
    /// It is.
    #[default]
    Commit,
}

/// What a write that fails means for the others of its batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every rule"
)]
pub enum OnFailure {
    /// Nothing.
    #[default]
    Continue,
    /// After so many failures, at least one, the writes that remain are not carried out and answer
    /// [`StoreError::NotRun`].
    StopAfter(u32),
    /// All writes or none: those before it are undone, those behind it are not carried out, and all
    /// of them answer [`StoreError::NotRun`].
    Undo,
}

impl OnFailure {
    /// Whether after so many failures the writes that remain are not carried out.
    #[must_use]
    pub fn stops(self, failures: u32) -> bool {
        match self {
            OnFailure::Continue => false,
            OnFailure::StopAfter(limit) => failures >= limit.max(1),
            OnFailure::Undo => failures > 0,
        }
    }
}

/// One write.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must carry out every write"
)]
pub enum Write {
    /// A new resource.
    Create {
        /// All its attributes and edges.
        change: Change,
        /// Which resource it may take instead of making one; none for a create that only makes.
        claim: Option<Box<Claim>>,
        /// An identifier, not used before. A store that assigns its own answers with that one: see
        /// [`Support::given_ids`].
        id: ResourceId,
    },
    /// Takes a resource away, with its edges in both directions.
    Delete {
        /// The version it must have.
        expect: Expect,
        /// Which one.
        id: ResourceId,
        /// Its type.
        kind: Arc<ResourceType>,
    },
    /// Changes a resource.
    Update {
        /// What changes.
        change: Change,
        /// The version it must have.
        expect: Expect,
        /// Which one.
        id: ResourceId,
    },
}

impl Write {
    /// Returns the id of the resource; for a create, that of the new resource, unless it adopts or
    /// restores another one.
    #[must_use]
    pub fn id(&self) -> &ResourceId {
        let (Write::Create { id, .. } | Write::Delete { id, .. } | Write::Update { id, .. }) = self;
        id
    }

    /// Returns the type of that resource.
    #[must_use]
    pub fn kind(&self) -> &Arc<ResourceType> {
        match self {
            Write::Create { change, .. } | Write::Update { change, .. } => change.kind(),
            Write::Delete { kind, .. } => kind,
        }
    }
}

/// The version that a resource must have to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must check every expectation"
)]
pub enum Expect {
    /// Any: it only has to exist.
    Any,
    /// One of these.
    OneOf(Vec<Version>),
    /// The one that was read, to whose document the change was computed.
    Base(Base),
}

/// A resource as it was read.
///
/// A write that [expects](Expect::Base) it brings the document along, so that nobody has to take it apart
/// again.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use scimkit_core::Version;
/// use scimkit_registry::Resource;
/// use scimkit_store::{Base, Expect};
///
/// let base = Base::new(Version::new("7")?, Arc::new(Resource::default()));
/// let expect = Expect::Base(base);
/// assert!(expect.check(&Version::new("7")?).is_ok());
/// assert!(expect.check(&Version::new("8")?).is_err());
/// # Ok::<(), scimkit_core::InvalidVersion>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Base {
    /// The document that the resource has in that version, whole.
    pub document: Arc<Resource>,
    /// The version.
    pub version: Version,
}

impl Base {
    /// The document of a resource in a version.
    #[must_use]
    pub fn new(version: Version, document: Arc<Resource>) -> Self {
        Base { document, version }
    }
}

impl Expect {
    /// Checks the actual version.
    ///
    /// # Errors
    /// [`StoreError::Stale`] with the actual one.
    pub fn check(&self, actual: &Version) -> Result<(), StoreError> {
        let is_met = match self {
            Expect::Any => true,
            Expect::Base(base) => base.version == *actual,
            Expect::OneOf(versions) => versions.contains(actual),
        };
        match is_met {
            true => Ok(()),
            false => Err(StoreError::Stale {
                actual: actual.clone(),
            }),
        }
    }
}

/// What a write did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Written {
    /// The resource that a create took because of a [`Claim`], as it was before.
    pub candidate: Option<Candidate>,
    /// What happened.
    pub how: How,
    /// The resource as it now is; none after a delete, and where no document was wanted.
    pub stored: Option<Stored>,
    /// The version of the resource; none after a delete.
    pub version: Option<Version>,
}

impl Written {
    /// A write that left a resource behind.
    #[must_use]
    pub fn stored(how: How, stored: Stored) -> Self {
        Written {
            candidate: None,
            how,
            version: Some(stored.version.clone()),
            stored: Some(stored),
        }
    }

    /// A write that left a resource behind which the answer does not carry.
    #[must_use]
    pub fn versioned(how: How, version: Version) -> Self {
        Written {
            candidate: None,
            how,
            stored: None,
            version: Some(version),
        }
    }

    /// A delete.
    #[must_use]
    pub fn deleted() -> Self {
        Written {
            candidate: None,
            how: How::Deleted,
            stored: None,
            version: None,
        }
    }

    /// What the claim of a create has found, to [pin](crate::Claim::pinned) it later.
    #[must_use]
    pub fn pin(&self) -> ClaimPin {
        self.candidate
            .clone()
            .map_or(ClaimPin::NoCandidate, ClaimPin::Candidate)
    }
}

/// What happened in a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// A create took a resource of the host.
    Adopted,
    /// A resource was made.
    Created,
    /// It is gone.
    Deleted,
    /// A create brought a retired resource back, or took a dormant one.
    Relinked,
    /// Everything was so already.
    Unchanged,
    /// It changed.
    Updated,
}

/// Why a store could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Several resources could be meant by a [`Claim`].
    #[error("several resources could be the one that is created; none was changed")]
    Ambiguous,
    /// The store itself failed; what it says is for the log, not for the client.
    #[error("the store failed")]
    Backend(#[source] Source),
    /// The store has too much to do; trying again later may help.
    #[error("the store is busy")]
    Busy,
    /// One more resource would exceed a limit on their number.
    #[error("`{name}`: there are {limit} already, which is the limit")]
    CapacityExceeded {
        /// How many there may be.
        limit: u64,
        /// What the [limit](crate::engine::Capacity) is called.
        name: String,
    },
    /// A member that would make its owner a member of itself.
    #[error("{}", circle(attr, id, owner))]
    Cycle {
        /// The membership attribute's path.
        attr: String,
        /// The member; one of them, where there are several.
        id: ResourceId,
        /// Whose member it would be.
        owner: ResourceId,
    },
    /// The request's [`Budget`](scimkit_registry::Budget) ran out; nothing was written.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// An import of the tenant is in progress or was cut off. Until one is complete, or the tenant is
    /// [erased](crate::Archive::erase), nothing of the tenant is read or written.
    #[error("an import of this tenant is not complete: try again later")]
    Importing,
    /// A value that the host can't take.
    #[error("{detail}")]
    Invalid {
        /// What is wrong with it, for the administrator of the identity provider.
        detail: String,
    },
    /// Another holder has leased the journal since, so that this one may not advance the cursor.
    #[error("the lease on the journal was lost")]
    LeaseLost,
    /// Members that don't exist.
    #[error("`{attr}` names resources that don't exist: {}", shown(.ids))]
    Missing {
        /// The membership attribute's path.
        attr: String,
        /// The unknown ids.
        ids: Vec<ResourceId>,
    },
    /// No resource of that type has the id.
    #[error("there is no such resource")]
    NotFound,
    /// Nothing was done, because another write of the batch failed: see [`OnFailure`].
    #[error("another write failed, so this one was not carried out")]
    NotRun,
    /// A create would take another resource than the [check](crate::Claim::pinned) that it relies on, or
    /// one of the two none.
    #[error("{}", other_candidate(found.as_ref()))]
    OtherCandidate {
        /// The resource that it would take now.
        found: Option<ResourceId>,
    },
    /// The host does not want the write, for a reason that the client is told.
    #[error("{detail}")]
    Refused {
        /// The reason, for the administrator of the identity provider.
        detail: String,
    },
    /// The resource has another version than expected.
    #[error("the resource is now version {actual}")]
    Stale {
        /// Its version.
        actual: Version,
    },
    /// There is no space left to store anything; nothing was written. Reads still work.
    #[error("the storage is full")]
    StorageFull(#[source] Source),
    /// The document of the resource would be too large.
    #[error(
        "the resource would take {bytes} bytes without its members, more than {limit}: shorten its \
         values or remove some of them"
    )]
    TooLarge {
        /// The size of its JSON text, in bytes.
        bytes: u64,
        /// The [limit](crate::Limits::document).
        limit: u64,
    },
    /// Another resource has that value of a unique attribute.
    #[error("another resource has that value of `{attr}`")]
    Taken {
        /// The attribute's path.
        attr: String,
    },
    /// The store lacks a capability: see [`Support`].
    #[error("the store does not support {feature}")]
    Unsupported {
        /// The capability.
        feature: &'static str,
    },
    /// The store can't reach its data now, for example because a disk fails; nothing was written.
    #[error("the store is unavailable")]
    Unavailable(#[source] Source),
}

/// The source of a failure, for the log.
type Source = Arc<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// A failure of the store itself.
    pub fn backend(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreError::Backend(source.into().into())
    }

    /// A store without space for what is to be written.
    pub fn storage_full(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreError::StorageFull(source.into().into())
    }

    /// A store that can't reach its data.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreError::Unavailable(source.into().into())
    }

    /// Whether the store itself failed, whatever the call was: [`StoreError::Backend`], [`StoreError::Busy`],
    /// [`StoreError::Importing`], [`StoreError::StorageFull`] and [`StoreError::Unavailable`].
    ///
    /// # Example
    /// ```
    /// use scimkit_store::StoreError;
    ///
    /// assert!(StoreError::Busy.is_failure());
    /// assert!(!StoreError::NotFound.is_failure());
    /// ```
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            StoreError::Backend(_)
                | StoreError::Busy
                | StoreError::Importing
                | StoreError::StorageFull(_)
                | StoreError::Unavailable(_)
        )
    }
}

/// What a create would take now.
fn other_candidate(found: Option<&ResourceId>) -> String {
    match found {
        Some(id) => format!("the create would now take `{id}`: check it again"),
        None => "the create would no longer take a resource that exists: check it again".to_owned(),
    }
}

/// What would come of an edge that closes a cycle.
fn circle(attr: &str, id: &ResourceId, owner: &ResourceId) -> String {
    match id == owner {
        true => format!("`{attr}`: `{owner}` can't be a member of itself"),
        false => format!(
            "`{attr}`: making `{id}` a member of `{owner}` would make `{owner}` a member of itself"
        ),
    }
}

/// The first ids of a list, so that a message stays readable.
fn shown(ids: &[ResourceId]) -> String {
    const FEW: usize = 10;
    let mut text = ids
        .iter()
        .take(FEW)
        .map(|id| format!("`{id}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if ids.len() > FEW {
        text.push_str(&format!(" and {} more", ids.len() - FEW));
    }
    text
}
