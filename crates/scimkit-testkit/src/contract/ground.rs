//! What the checks stand on: a store, a scope, and short words for what they do and expect.

use std::{sync::Arc, thread, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use scimkit_filter::Filter;
use scimkit_registry::{
    AttrId, Change, Edge, EdgeEdit, Operator, Predicate, Resource, ResourceId, ResourceType, Role,
    Scalar, Tolerance,
};
use scimkit_store::{
    Batch, BoxFuture, Cycles, EdgeQuery, Expect, How, Page, Query, Scope, Settings, Store,
    StoreError, Stored, TenantId, UnknownMembers, Want, Write, Written,
};
use serde_json::Value;

use super::Driver;

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
    pub(super) store: Arc<dyn Store>,
    pub(super) user: Arc<ResourceType>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(store: Arc<dyn Store>, drive: &'a Driver<'a>) -> Result<Self, String> {
        let settings = Settings::new("https://contract.test/v2");
        let kind = |name| {
            settings
                .registry
                .by_name(name)
                .cloned()
                .ok_or_else(|| format!("no type `{name}`"))
        };
        let (group, user) = (kind("Group")?, kind("User")?);
        let scope = Scope::new(TenantId::default(), Arc::new(settings));
        Ok(Ground {
            drive,
            group,
            scope,
            store,
            user,
        })
    }

    /// The same store, for another tenant.
    pub(super) fn tenant(&self, name: &str) -> Ground<'a> {
        let mut other = self.again();
        other.scope.tenant = TenantId::from(name);
        other
    }

    /// The same store, asked to accept unknown members.
    pub(super) fn accepting(&self) -> Ground<'a> {
        self.under(|settings| settings.unknown_members = UnknownMembers::Accept)
    }

    /// The same store, asked to accept cycles.
    pub(super) fn accepting_cycles(&self) -> Ground<'a> {
        self.under(|settings| settings.cycles = Cycles::Accept)
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
            store: Arc::clone(&self.store),
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
        Ok(Change::create(Arc::clone(kind), admitted))
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
        let mut change = Change::none(Arc::clone(&self.group));
        change.edit_edges(self.attr(&self.group, "members")?, edit);
        Ok(change)
    }

    pub(super) fn attr(&self, kind: &ResourceType, path: &str) -> Result<AttrId, String> {
        kind.named(path)
            .ok_or_else(|| format!("no attribute `{path}`"))
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
            match self.write(at, vec![write.clone()])?.pop() {
                Some(Err(StoreError::Busy)) => thread::sleep(Duration::from_millis(10)),
                Some(answer) => return Ok(answer),
                None => return Err("no answer".to_owned()),
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
        ensure_eq!(written.how, how, "what an update of `{id}` did");
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
        let key = ResourceId::from(id);
        let stored = self.run(self.store.read(&self.scope, kind, &key, &Want::document()))?;
        let stored = stored.map_err(|e| format!("read `{id}`: {}", said(&e)))?;
        ensure_eq!(stored.id.as_str(), id, "the id of what was read");
        ensure_eq!(stored.kind.name(), kind.name(), "the type of what was read");
        Ok(stored)
    }

    /// Fails unless there is no such resource.
    pub(super) fn absent(&self, kind: &Arc<ResourceType>, id: &str) -> Result<(), String> {
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
        ensure_eq!(
            first,
            edges.get(..1).unwrap_or_default(),
            "one edge beside a resource"
        );
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
        let page = self.run(self.store.query(&self.scope, query))?;
        page.map_err(|e| format!("query: {}", said(&e)))
    }

    /// How many resources of the type there are.
    pub(super) fn total(&self, kind: &Arc<ResourceType>) -> Result<u64, String> {
        let page = self.query(&Query::of(Arc::clone(kind)).page(0, 0))?;
        page.total
            .ok_or_else(|| "a page lacks the total that was asked for".to_owned())
    }

    pub(super) fn filter(&self, kind: &ResourceType, text: &str) -> Result<Predicate, String> {
        let filter = Filter::parse(text).map_err(|e| format!("{text}: {e}"))?;
        kind.bind_filter(&filter, &Tolerance::DEFAULT)
            .map_err(|e| format!("{text}: {e}"))
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

/// The document that a resource made by this change has.
pub(super) fn document_of(change: &Change) -> Resource {
    let mut document = Resource::default();
    change.apply(&mut document);
    document
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
