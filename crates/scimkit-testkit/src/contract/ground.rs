//! What the checks stand on: a store, a scope, and short words for what they do and expect.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use scimkit_filter::Filter;
use scimkit_registry::{
    AttrId, Change, Edge, EdgeEdit, Operator, Predicate, Registry, Resource, ResourceId,
    ResourceType, Role, Scalar, Tolerance,
};
use scimkit_store::{
    Batch, BoxFuture, Cycles, EdgeQuery, Expect, How, Page, Query, Scope, Settings, Start, Store,
    StoreError, Stored, TenantId, UnknownMembers, Want, Write, Written, engine::BatchAnswer,
};
use serde_json::Value;

use super::{Driver, Subject, names::Names};

/// Fails the check unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// Fails the check unless both are equal.
macro_rules! ensure_eq {
    ($actual:expr, $expected:expr, $($message:tt)+) => {
        match (&$actual, &$expected) {
            (actual, expected) if actual != expected => {
                let what = format!($($message)+);
                return Err(format!("{what}: expected {expected:?}, found {actual:?}"));
            }
            _ => {}
        }
    };
}

pub(super) use {ensure, ensure_eq};

/// A store and a scope in which to ask it.
pub(super) struct Ground<'a> {
    drive: &'a Driver<'a>,
    pub(super) group: Arc<ResourceType>,
    pub(super) scope: Scope,
    /// What the store lacks for the check, once that was noticed.
    skipped: Arc<OnceLock<String>>,
    pub(super) store: Arc<dyn Store>,
    subject: Arc<Subject>,
    pub(super) user: Arc<ResourceType>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(
        subject: &Subject,
        mut store: Arc<dyn Store>,
        drive: &'a Driver<'a>,
    ) -> Result<Self, String> {
        let standard = Registry::standard();
        let kind = |name| {
            let own = subject.settings().registry.by_name(name);
            let kind = own.or_else(|| standard.by_name(name)).cloned();
            kind.ok_or_else(|| format!("no type `{name}`"))
        };
        let (group, user) = (kind("Group")?, kind("User")?);
        let scope = Scope::new(TenantId::default(), Arc::clone(subject.settings()));
        if !store.support(&user).given_ids {
            store = Arc::new(Names::new(store));
        }
        Ok(Ground {
            drive,
            group,
            scope,
            skipped: Arc::default(),
            store,
            subject: Arc::new(subject.clone()),
            user,
        })
    }

    /// Ends the check as skipped unless the store has what it needs.
    pub(super) fn needs(&self, has: bool, lacks: impl Into<String>) -> Result<(), String> {
        if has {
            return Ok(());
        }
        let lacks = lacks.into();
        // The first reason stays.
        let _ = self.skipped.set(lacks.clone());
        Err(lacks)
    }

    /// What the store lacks for the check.
    pub(super) fn skipped(&self) -> Option<&str> {
        self.skipped.get().map(String::as_str)
    }

    /// Needs every attribute of users and groups, as a random resource may have any.
    pub(super) fn needs_whole_schema(&self) -> Result<(), String> {
        self.needs_groups()?;
        let whole = self.subject.is_whole();
        self.needs(whole, "the store does not keep every attribute")
    }

    pub(super) fn needs_cursor(&self) -> Result<(), String> {
        let cursor = self.store.support(&self.user).cursor;
        self.needs(
            cursor,
            "the store does not continue a list after a position",
        )
    }

    pub(super) fn needs_filter(&self) -> Result<(), String> {
        let filter = self.store.support(&self.user).filter;
        self.needs(filter, "the store does not filter")
    }

    /// Whether the store has groups.
    pub(super) fn has_groups(&self) -> bool {
        self.subject.settings().registry.by_name("Group").is_some()
    }

    pub(super) fn needs_groups(&self) -> Result<(), String> {
        self.needs_kind(&self.group)
    }

    fn needs_kind(&self, kind: &ResourceType) -> Result<(), String> {
        let known = self.subject.settings().registry.by_name(kind.name());
        self.needs(
            known.is_some(),
            format!("the store has no {}s", kind.name()),
        )
    }

    pub(super) fn needs_ids(&self, what: &str) -> Result<(), String> {
        let given = self.store.support(&self.user).given_ids;
        self.needs(given, format!("the store assigns its own ids, so {what}"))
    }

    pub(super) fn needs_soft_delete(&self) -> Result<(), String> {
        let soft = self.subject.has_soft_delete();
        self.needs(soft, "the store keeps nothing of what is deleted")
    }

    pub(super) fn needs_sort(&self) -> Result<(), String> {
        let sort = self.store.support(&self.user).sort;
        self.needs(sort, "the store does not sort")
    }

    pub(super) fn needs_tenants(&self) -> Result<(), String> {
        let tenants = self.subject.has_tenants();
        self.needs(tenants, "the store has one tenant")
    }

    fn needs_change(&self, change: &Change) -> Result<(), String> {
        match self.subject.lacks(change) {
            Some(lacks) => self.needs(false, lacks),
            None => Ok(()),
        }
    }

    /// The document that a resource made by this change has in that store.
    pub(super) fn document_of(&self, change: &Change) -> Resource {
        let mut document = Resource::default();
        change.apply(&mut document);
        self.subject.as_kept(change.kind(), &document)
    }

    /// The document as a tree, without what the store fills in.
    pub(super) fn document(
        &self,
        kind: &Arc<ResourceType>,
        stored: &Stored,
    ) -> Result<Resource, String> {
        Ok(self.subject.as_kept(kind, &document(stored)?))
    }

    /// The same store, for another tenant.
    pub(super) fn tenant(&self, name: &str) -> Ground<'a> {
        // Whatever the check finds, it is skipped.
        drop(self.needs_tenants());
        let mut other = self.again();
        other.scope.tenant = TenantId::from(name);
        other
    }

    /// The same store, asked to accept unknown members.
    pub(super) fn accepting(&self) -> Ground<'a> {
        self.under(|settings| settings.policy.unknown_members = UnknownMembers::Accept)
    }

    /// The same store, asked to accept cycles.
    pub(super) fn accepting_cycles(&self) -> Ground<'a> {
        self.under(|settings| settings.policy.cycles = Cycles::Accept)
    }

    pub(super) fn under(&self, set: impl FnOnce(&mut Settings)) -> Ground<'a> {
        let mut other = self.again();
        let mut settings = Settings::clone(&self.scope.settings);
        set(&mut settings);
        other.scope.settings = Arc::new(settings);
        other
    }

    pub(super) fn again(&self) -> Ground<'a> {
        Ground {
            drive: self.drive,
            group: Arc::clone(&self.group),
            scope: self.scope.clone(),
            skipped: Arc::clone(&self.skipped),
            store: Arc::clone(&self.store),
            subject: Arc::clone(&self.subject),
            user: Arc::clone(&self.user),
        }
    }

    fn run<'f, T: Send + 'f>(&self, future: BoxFuture<'f, T>) -> Result<T, String> {
        let mut answer = None;
        let slot = &mut answer;
        (self.drive)(Box::pin(async move { *slot = Some(future.await) }));
        answer.ok_or_else(|| "the driver left a future unfinished".to_owned())
    }

    /// The change that makes a resource with that body.
    pub(super) fn body(&self, kind: &Arc<ResourceType>, body: Value) -> Result<Change, String> {
        let admitted = kind
            .admit(body, &Tolerance::DEFAULT)
            .map_err(|e| e.to_string())?;
        let change = Change::create(Arc::clone(kind), admitted);
        self.needs_change(&change)?;
        Ok(change)
    }

    /// The body without the attributes that the store does not keep.
    pub(super) fn trimmed(&self, kind: &Arc<ResourceType>, body: &Value) -> Result<Value, String> {
        let members = body.as_object().into_iter().flatten();
        let mut kept = serde_json::Map::new();
        for (name, value) in members {
            let alone = Value::Object([(name.clone(), value.clone())].into_iter().collect());
            let alone = kind.admit(alone, &Tolerance::DEFAULT);
            let change = Change::create(Arc::clone(kind), alone.map_err(|e| e.to_string())?);
            if self.subject.lacks(&change).is_none() {
                kept.insert(name.clone(), value.clone());
            }
        }
        Ok(Value::Object(kept))
    }

    /// The change that sets some attributes, or unsets them where the value is null.
    pub(super) fn setting<const N: usize>(
        &self,
        kind: &Arc<ResourceType>,
        values: [(&str, Value); N],
    ) -> Result<Change, String> {
        let mut change = Change::none(Arc::clone(kind));
        for (path, value) in values {
            let after = (!value.is_null()).then_some(value);
            // Anything but the new value stands for what was before.
            let before = Value::Null;
            change.difference(self.attr(kind, path)?, Some(&before), after);
        }
        self.needs_change(&change)?;
        Ok(change)
    }

    /// The change that adds and removes members.
    pub(super) fn members(&self, add: &[&str], remove: &[&str]) -> Result<Change, String> {
        let add = add.iter().map(|id| Edge::to(*id)).collect();
        let remove = remove.iter().map(|id| ResourceId::from(*id)).collect();
        self.edit(EdgeEdit::Delta { add, remove })
    }

    /// The change that makes these and no others members.
    pub(super) fn only_members(&self, ids: &[&str]) -> Result<Change, String> {
        self.edit(EdgeEdit::Replace(
            ids.iter().map(|id| Edge::to(*id)).collect(),
        ))
    }

    pub(super) fn edit(&self, edit: EdgeEdit) -> Result<Change, String> {
        self.needs_groups()?;
        let mut change = Change::none(Arc::clone(&self.group));
        change.edit_edges(self.attr(&self.group, "members")?, edit);
        Ok(change)
    }

    pub(super) fn attr(&self, kind: &ResourceType, path: &str) -> Result<AttrId, String> {
        self.needs_kind(kind)?;
        let attr = kind.named(path);
        self.needs(attr.is_some(), format!("the store does not keep `{path}`"))?;
        attr.ok_or_else(|| format!("no attribute `{path}`"))
    }

    /// The store's answers; a busy store is asked again.
    pub(super) fn write(
        &self,
        at: DateTime<Utc>,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Written, StoreError>>, String> {
        let count = writes.len();
        let answers = self.carry_out(Batch::new(at, writes))?;
        ensure_eq!(answers.len(), count, "answers to a batch");
        Ok(answers)
    }

    /// The store's answers, as they are.
    pub(super) fn carry_out(
        &self,
        batch: Batch,
    ) -> Result<Vec<Result<Written, StoreError>>, String> {
        self.submit(batch)?.map_err(|error| said(&error))
    }

    /// The store's answer to a batch, which may fail as a whole.
    pub(super) fn submit(&self, batch: Batch) -> Result<BatchAnswer, String> {
        if refers_to_itself(&batch.writes) {
            self.needs_ids("a batch can't refer to what it creates")?;
        }
        let batch = batch.with_cause(self.scope.cause.clone());
        self.run(self.store.write(&self.scope, batch))
    }

    /// The store's answer to one write.
    pub(super) fn attempt(
        &self,
        at: DateTime<Utc>,
        write: &Write,
    ) -> Result<Result<Written, StoreError>, String> {
        const PATIENCE: u32 = 200;
        for _ in 0..PATIENCE {
            match self.submit(Batch::new(at, vec![write.clone()]))? {
                Err(StoreError::Busy) => thread::sleep(Duration::from_millis(10)),
                Err(error) => return Ok(Err(error)),
                Ok(mut answers) => {
                    ensure_eq!(answers.len(), 1, "answers to a batch");
                    return answers.pop().ok_or_else(|| "no answer".to_owned());
                }
            }
        }
        Err("the store stayed busy".to_owned())
    }

    /// Makes a resource, which must succeed.
    pub(super) fn create(
        &self,
        at: DateTime<Utc>,
        kind: &Arc<ResourceType>,
        id: &str,
        body: Value,
    ) -> Result<Stored, String> {
        let change = self.body(kind, body)?;
        let answer = self.attempt(
            at,
            &Write::Create {
                claim: None,
                change,
                id: ResourceId::from(id),
            },
        )?;
        let written = answer.map_err(|e| format!("create `{id}`: {}", said(&e)))?;
        ensure_eq!(written.how, How::Created, "what a create of `{id}` did");
        written
            .stored
            .ok_or_else(|| format!("a create of `{id}` answers without the resource"))
    }

    /// Changes a resource, which must succeed and do that.
    pub(super) fn update(
        &self,
        at: DateTime<Utc>,
        id: &str,
        change: Change,
        how: How,
    ) -> Result<Stored, String> {
        let write = Write::Update {
            change,
            expect: Expect::Any,
            id: ResourceId::from(id),
        };
        let written = self
            .attempt(at, &write)?
            .map_err(|e| format!("update `{id}`: {}", said(&e)))?;
        // A mapping may keep two spellings as one.
        let same = how == How::Updated && written.how == How::Unchanged && !self.subject.is_whole();
        ensure!(
            written.how == how || same,
            "what an update of `{id}` did: expected {how:?}, found {:?}",
            written.how
        );
        written
            .stored
            .ok_or_else(|| format!("an update of `{id}` answers without the resource"))
    }

    /// Takes a resource away, which must succeed.
    pub(super) fn delete(
        &self,
        at: DateTime<Utc>,
        kind: &Arc<ResourceType>,
        id: &str,
    ) -> Result<(), String> {
        let (id, kind) = (ResourceId::from(id), Arc::clone(kind));
        let answer = self.attempt(
            at,
            &Write::Delete {
                expect: Expect::Any,
                id,
                kind,
            },
        )?;
        let written = answer.map_err(|e| format!("delete: {}", said(&e)))?;
        ensure_eq!(written.how, How::Deleted, "what a delete did");
        ensure!(written.stored.is_none(), "a delete answers with a resource");
        Ok(())
    }

    /// A resource that must be there.
    pub(super) fn read(&self, kind: &Arc<ResourceType>, id: &str) -> Result<Stored, String> {
        self.needs_kind(kind)?;
        let key = ResourceId::from(id);
        let stored = self.run(self.store.read(&self.scope, kind, &key, &Want::document()))?;
        let stored = stored.map_err(|e| format!("read `{id}`: {}", said(&e)))?;
        ensure_eq!(stored.id.as_str(), id, "the id of what was read");
        Ok(stored)
    }

    /// Fails unless there is no such resource.
    pub(super) fn absent(&self, kind: &Arc<ResourceType>, id: &str) -> Result<(), String> {
        self.needs_kind(kind)?;
        match self.run(self.store.read(
            &self.scope,
            kind,
            &ResourceId::from(id),
            &Want::document(),
        ))? {
            Err(StoreError::NotFound) => Ok(()),
            Err(e) => Err(format!("read of the absent `{id}`: {}", said(&e))),
            Ok(_) => Err(format!("`{id}` should not be there")),
        }
    }

    pub(super) fn edges(
        &self,
        kind: &Arc<ResourceType>,
        attr: AttrId,
        owners: &[&str],
    ) -> Result<Vec<Vec<Edge>>, String> {
        self.needs_groups()?;
        let owners: Vec<_> = owners.iter().map(|id| ResourceId::from(*id)).collect();
        let count = owners.len();
        let query = EdgeQuery::new(Arc::clone(kind), attr, owners);
        let edges = self.run(self.store.edges(&self.scope, &query))?;
        let edges = edges.map_err(|e| format!("edges: {}", said(&e)))?;
        ensure_eq!(edges.len(), count, "owners in an answer about edges");
        for (owner, edges) in query.owners.iter().zip(&edges) {
            self.same_beside(&query, owner, edges)?;
        }
        Ok(edges)
    }

    /// A resource read with its edges has the same ones beside it, alone and in a page.
    fn same_beside(
        &self,
        asked: &EdgeQuery,
        id: &ResourceId,
        edges: &[Edge],
    ) -> Result<(), String> {
        let want = Want::edges([asked.attr]);
        let read = match self.run(self.store.read(&self.scope, &asked.kind, id, &want))? {
            Err(StoreError::NotFound) => return Ok(()),
            other => other.map_err(|e| format!("read `{id}` with edges: {}", said(&e)))?,
        };
        let few = Want::edges([asked.attr]).at_most(1);
        let first = self.run(self.store.read(&self.scope, &asked.kind, id, &few))?;
        let first = first.map_err(|e| format!("read `{id}` with one edge: {}", said(&e)))?;
        let first = first.edges.first().map_or(&[][..], |(_, edges)| edges);
        // Which one is the first is known where the ids are.
        if self.store.support(&self.user).given_ids {
            ensure_eq!(
                first,
                edges.get(..1).unwrap_or_default(),
                "one edge beside a resource"
            );
        }
        let same = Predicate::Compare {
            attr: AttrId::ID,
            op: Operator::Equal,
            value: Scalar::Text(id.as_str().to_owned()),
        };
        let query = Query::of(Arc::clone(&asked.kind)).matching(same);
        let query = query.with_edges(want.edges);
        let page = self.run(self.store.query(&self.scope, &query))?;
        let page = page.map_err(|e| format!("query of `{id}` with edges: {}", said(&e)))?;
        for stored in page.items.iter().chain([&read]) {
            let beside = stored.edges.iter().find(|(attr, _)| *attr == asked.attr);
            let beside = beside.map_or(&[][..], |(_, edges)| edges);
            ensure_eq!(beside, edges, "the edges beside a resource");
        }
        Ok(())
    }

    /// The edges of each owner, just as they are asked for.
    pub(super) fn edge_pages(&self, query: &EdgeQuery) -> Result<Vec<Vec<Edge>>, String> {
        self.needs_groups()?;
        self.needs_ids("the order of edges is not known")?;
        let found = self.run(self.store.edges(&self.scope, query))?;
        found.map_err(|e| format!("edges: {}", said(&e)))
    }

    /// The members of a group.
    pub(super) fn members_of(&self, group: &str) -> Result<Vec<Edge>, String> {
        let attr = self.attr(&self.group, "members")?;
        Ok(self
            .edges(&self.group, attr, &[group])?
            .into_iter()
            .flatten()
            .collect())
    }

    /// The groups of a user.
    pub(super) fn groups_of(&self, user: &str) -> Result<Vec<Edge>, String> {
        let attr = self.attr(&self.user, "groups")?;
        Ok(self
            .edges(&self.user, attr, &[user])?
            .into_iter()
            .flatten()
            .collect())
    }

    pub(super) fn query(&self, query: &Query) -> Result<Page, String> {
        self.needs_kind(&query.kind)?;
        if query.predicate.is_some() {
            self.needs_filter()?;
        }
        if query.sort.is_some() {
            self.needs_sort()?;
        }
        if matches!(query.start, Start::After(_)) {
            self.needs_cursor()?;
        }
        let page = self.run(self.store.query(&self.scope, query))?;
        let page = page.map_err(|e| format!("query: {}", said(&e)))?;
        let part = !matches!(query.start, Start::Index(0)) || page.next.is_some();
        if query.count > 0 && part {
            self.needs_ids("the order of a list is not known")?;
        }
        Ok(page)
    }

    /// The store's answer to a query, which may be an error.
    pub(super) fn query_as_it_is(&self, query: &Query) -> Result<Result<Page, StoreError>, String> {
        self.run(self.store.query(&self.scope, query))
    }

    /// How many resources of the type there are.
    pub(super) fn total(&self, kind: &Arc<ResourceType>) -> Result<u64, String> {
        let page = self.query(&Query::of(Arc::clone(kind)).page(0, 0))?;
        page.total
            .ok_or_else(|| "a page lacks the total that was asked for".to_owned())
    }

    pub(super) fn filter(&self, kind: &ResourceType, text: &str) -> Result<Predicate, String> {
        self.needs_kind(kind)?;
        let filter = Filter::parse(text).map_err(|e| format!("{text}: {e}"))?;
        let predicate = kind
            .bind_filter(&filter, &Tolerance::DEFAULT)
            .map_err(|e| format!("{text}: {e}"))?;
        let described = self.subject.settings().described();
        let described = described.by_name(kind.name());
        for attr in predicate.attributes() {
            let path = kind.attr(attr).path();
            let known = described.is_some_and(|described| described.named(path).is_some());
            self.needs(known, format!("the store does not keep `{path}`"))?;
        }
        Ok(predicate)
    }

    /// The ids of a page, in its order.
    pub(super) fn ids(&self, query: &Query) -> Result<Vec<String>, String> {
        Ok(self
            .query(query)?
            .items
            .iter()
            .map(|stored| stored.id.to_string())
            .collect())
    }
}

/// So many seconds after the first instant of the checks.
pub(super) fn second(n: i64) -> DateTime<Utc> {
    const START: i64 = 1_767_225_600;
    DateTime::UNIX_EPOCH + TimeDelta::seconds(START + n)
}

/// The document as a tree.
pub(super) fn document(stored: &Stored) -> Result<Resource, String> {
    stored
        .document
        .tree()
        .map(|tree| tree.into_owned())
        .map_err(|e| said(&e))
}

/// Whether a write names a resource that another one of the batch creates.
fn refers_to_itself(writes: &[Write]) -> bool {
    let created = writes.iter().filter_map(|write| match write {
        Write::Create { id, .. } => Some(id),
        _ => None,
    });
    let created: BTreeSet<_> = created.collect();
    let members = |change: &Change| {
        let named = change.edges().iter().flat_map(|edges| match &edges.edit {
            EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add) => add,
        });
        let mut named = named.map(|edge| &edge.id);
        named.any(|id| created.contains(id))
    };
    writes.iter().any(|write| match write {
        Write::Create { change, .. } => members(change),
        Write::Delete { id, .. } => created.contains(id),
        Write::Update { change, id, .. } => created.contains(id) || members(change),
    })
}

pub(super) fn ids_of(edges: &[Edge]) -> Vec<&str> {
    edges.iter().map(|edge| edge.id.as_str()).collect()
}

/// An error with what caused it.
pub(super) fn said(error: &StoreError) -> String {
    match error {
        StoreError::Backend(source) => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

/// The attributes that edges or a target stand behind.
pub(super) fn edge_attributes(kind: &ResourceType) -> Vec<AttrId> {
    let top = kind
        .attributes()
        .iter()
        .filter(|attr| attr.parent().is_none());
    let linked = top.filter(|attr| matches!(attr.role(), Role::Inverse | Role::Membership));
    linked.map(|attr| attr.id()).collect()
}
