//! The calls of the checks to a store.

use std::{collections::BTreeSet, sync::Arc, thread, time::Duration};

use chrono::{DateTime, Utc};
use scimkit_filter::Filter;
use scimkit_registry::{
    AttrId, Change, Edge, EdgeEdit, Operator, Predicate, ResourceId, ResourceType, Scalar,
    Tolerance,
};
use scimkit_store::{
    Batch, EdgeQuery, ExpectedVersion, Page, PageStart, Query, ReadOptions, StoreError,
    StoredResource, WriteOp, WriteOutcome, Written, engine::BatchAnswer,
};
use serde_json::Value;

use super::fixture::{Fixture, ensure, ensure_eq, said};

impl Fixture<'_> {
    /// Writes a batch, and repeats the call while the store is busy.
    pub(super) fn write(
        &self,
        at: DateTime<Utc>,
        writes: Vec<WriteOp>,
    ) -> Result<Vec<Result<Written, StoreError>>, String> {
        let count = writes.len();
        let answers = self.carry_out(Batch::new(at, writes))?;
        ensure_eq!(answers.len(), count, "answers to a batch");
        Ok(answers)
    }

    /// Writes a batch, and returns the store's answers unchanged.
    pub(super) fn carry_out(
        &self,
        batch: Batch,
    ) -> Result<Vec<Result<Written, StoreError>>, String> {
        self.submit(batch)?.map_err(|error| said(&error))
    }

    /// Writes a batch, which may fail as a whole.
    pub(super) fn submit(&self, batch: Batch) -> Result<BatchAnswer, String> {
        if refers_to_itself(&batch.writes) {
            self.needs_ids("a batch can't refer to what it creates")?;
        }
        let batch = batch.with_cause(self.context.cause.clone());
        self.run(self.store.write(&self.context, batch))
    }

    /// Writes one change, and repeats the call while the store is busy.
    pub(super) fn attempt(
        &self,
        at: DateTime<Utc>,
        write: &WriteOp,
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
        Err("the store remained busy".to_owned())
    }

    /// Creates a resource, which must succeed.
    pub(super) fn create(
        &self,
        at: DateTime<Utc>,
        kind: &Arc<ResourceType>,
        id: &str,
        body: Value,
    ) -> Result<StoredResource, String> {
        let change = self.body(kind, body)?;
        let answer = self.attempt(
            at,
            &WriteOp::Create {
                existing_match: None,
                change,
                id: ResourceId::from(id),
            },
        )?;
        let written = answer.map_err(|e| format!("create `{id}`: {}", said(&e)))?;
        ensure_eq!(
            written.outcome,
            WriteOutcome::Created,
            "the outcome of a create of `{id}`"
        );
        written
            .stored
            .ok_or_else(|| format!("a create of `{id}` answers without the resource"))
    }

    /// Updates a resource, which must succeed with that outcome.
    pub(super) fn update(
        &self,
        at: DateTime<Utc>,
        id: &str,
        change: Change,
        how: WriteOutcome,
    ) -> Result<StoredResource, String> {
        let write = WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: ResourceId::from(id),
        };
        let written = self
            .attempt(at, &write)?
            .map_err(|e| format!("update `{id}`: {}", said(&e)))?;
        // A mapping may store two spellings as one value.
        let same = how == WriteOutcome::Updated
            && written.outcome == WriteOutcome::Unchanged
            && !self.subject.is_whole();
        ensure!(
            written.outcome == how || same,
            "the outcome of an update of `{id}`: expected {how:?}, found {:?}",
            written.outcome
        );
        written
            .stored
            .ok_or_else(|| format!("an update of `{id}` answers without the resource"))
    }

    /// Deletes a resource, which must succeed.
    pub(super) fn delete(
        &self,
        at: DateTime<Utc>,
        kind: &Arc<ResourceType>,
        id: &str,
    ) -> Result<(), String> {
        let id = ResourceId::from(id);
        let kind = Arc::clone(kind);
        let answer = self.attempt(
            at,
            &WriteOp::Delete {
                expect: ExpectedVersion::Any,
                id,
                kind,
            },
        )?;
        let written = answer.map_err(|e| format!("delete: {}", said(&e)))?;
        ensure_eq!(
            written.outcome,
            WriteOutcome::Deleted,
            "the outcome of a delete"
        );
        ensure!(written.stored.is_none(), "a delete answers with a resource");
        Ok(())
    }

    /// Reads a resource, which must exist.
    pub(super) fn read(
        &self,
        kind: &Arc<ResourceType>,
        id: &str,
    ) -> Result<StoredResource, String> {
        self.needs_kind(kind)?;
        let key = ResourceId::from(id);
        let stored =
            self.run(
                self.store
                    .read(&self.context, kind, &key, &ReadOptions::document()),
            )?;
        let stored = stored.map_err(|e| format!("read `{id}`: {}", said(&e)))?;
        ensure_eq!(stored.id.as_str(), id, "the id of what was read");
        Ok(stored)
    }

    /// Fails if the resource exists.
    pub(super) fn absent(&self, kind: &Arc<ResourceType>, id: &str) -> Result<(), String> {
        self.needs_kind(kind)?;
        match self.run(self.store.read(
            &self.context,
            kind,
            &ResourceId::from(id),
            &ReadOptions::document(),
        ))? {
            Err(StoreError::NotFound) => Ok(()),
            Err(e) => Err(format!("read of the absent `{id}`: {}", said(&e))),
            Ok(_) => Err(format!("`{id}` should not exist")),
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
        let edges = self.run(self.store.edges(&self.context, &query))?;
        let edges = edges.map_err(|e| format!("edges: {}", said(&e)))?;
        ensure_eq!(edges.len(), count, "owners in an edge query");
        for (owner, edges) in query.owners.iter().zip(&edges) {
            self.same_beside(&query, owner, edges)?;
        }
        Ok(edges)
    }

    /// Checks that a resource read with its edges has the same ones, alone and in a page.
    fn same_beside(
        &self,
        asked: &EdgeQuery,
        id: &ResourceId,
        edges: &[Edge],
    ) -> Result<(), String> {
        let want = ReadOptions::edges([asked.attr]);
        let read = match self.run(self.store.read(&self.context, &asked.kind, id, &want))? {
            Err(StoreError::NotFound) => return Ok(()),
            other => other.map_err(|e| format!("read `{id}` with edges: {}", said(&e)))?,
        };
        let few = ReadOptions::edges([asked.attr]).with_edge_limit(1);
        let first = self.run(self.store.read(&self.context, &asked.kind, id, &few))?;
        let first = first.map_err(|e| format!("read `{id}` with one edge: {}", said(&e)))?;
        let first = first.edges.first().map_or(&[][..], |list| &list.edges);
        // The first edge is known only if the ids are.
        if self.store.support(&self.user).caller_assigned_ids {
            ensure_eq!(
                first,
                edges.get(..1).unwrap_or_default(),
                "one edge of a resource"
            );
        }
        let same = Predicate::Compare {
            attr: AttrId::ID,
            op: Operator::Equal,
            value: Scalar::Text(id.as_str().to_owned()),
        };
        let query = Query::new(Arc::clone(&asked.kind)).with_predicate(same);
        let query = query.with_edges(want.edges);
        let page = self.run(self.store.query(&self.context, &query))?;
        let page = page.map_err(|e| format!("query of `{id}` with edges: {}", said(&e)))?;
        for stored in page.items.iter().chain([&read]) {
            let beside = stored.edges.iter().find(|list| list.attr == asked.attr);
            let beside = beside.map_or(&[][..], |list| &list.edges);
            ensure_eq!(beside, edges, "the edges of a resource");
        }
        Ok(())
    }

    /// Reads the edges of each owner in the requested range.
    pub(super) fn edge_pages(&self, query: &EdgeQuery) -> Result<Vec<Vec<Edge>>, String> {
        self.needs_groups()?;
        self.needs_ids("the order of edges is not known")?;
        let found = self.run(self.store.edges(&self.context, query))?;
        found.map_err(|e| format!("edges: {}", said(&e)))
    }

    /// Reads the members of a group.
    pub(super) fn members_of(&self, group: &str) -> Result<Vec<Edge>, String> {
        let attr = self.attr(&self.group, "members")?;
        Ok(self
            .edges(&self.group, attr, &[group])?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Reads the groups of a user.
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
        if matches!(query.start, PageStart::After(_)) {
            self.needs_cursor()?;
        }
        let page = self.run(self.store.query(&self.context, query))?;
        let page = page.map_err(|e| format!("query: {}", said(&e)))?;
        let part = !matches!(query.start, PageStart::Index(0)) || page.next.is_some();
        if query.count > 0 && part {
            self.needs_ids("the order of a list is not known")?;
        }
        Ok(page)
    }

    /// Returns the store's answer to a query, which may be an error.
    pub(super) fn query_as_it_is(&self, query: &Query) -> Result<Result<Page, StoreError>, String> {
        self.run(self.store.query(&self.context, query))
    }

    /// Reads the number of resources of the type.
    pub(super) fn total(&self, kind: &Arc<ResourceType>) -> Result<u64, String> {
        let page = self.query(&Query::new(Arc::clone(kind)).with_page(0, 0))?;
        page.total
            .ok_or_else(|| "a page lacks the requested total".to_owned())
    }

    pub(super) fn filter(&self, kind: &ResourceType, text: &str) -> Result<Predicate, String> {
        self.needs_kind(kind)?;
        let filter = Filter::parse(text).map_err(|e| format!("{text}: {e}"))?;
        let predicate = kind
            .bind_filter(&filter, &Tolerance::DEFAULT)
            .map_err(|e| format!("{text}: {e}"))?;
        let described = self.subject.settings().described();
        let described = described.resource_type(kind.name());
        for attr in predicate.attributes() {
            let path = kind.attr(attr).path();
            let known = described.is_some_and(|described| described.attribute_id(path).is_some());
            self.needs(known, format!("the store has no attribute `{path}`"))?;
        }
        Ok(predicate)
    }

    /// Reads the ids of a page, in order.
    pub(super) fn ids(&self, query: &Query) -> Result<Vec<String>, String> {
        Ok(self
            .query(query)?
            .items
            .iter()
            .map(|stored| stored.id.to_string())
            .collect())
    }
}

/// Returns whether a write refers to a resource that another write of the batch creates.
fn refers_to_itself(writes: &[WriteOp]) -> bool {
    let created = writes.iter().filter_map(|write| match write {
        WriteOp::Create { id, .. } => Some(id),
        _ => None,
    });
    let created: BTreeSet<_> = created.collect();
    let members = |change: &Change| {
        let named = change
            .edge_changes()
            .iter()
            .flat_map(|edges| match &edges.edit {
                EdgeEdit::Delta { add, .. } | EdgeEdit::Replace(add) => add,
            });
        let mut named = named.map(|edge| &edge.id);
        named.any(|id| created.contains(id))
    };
    writes.iter().any(|write| match write {
        WriteOp::Create { change, .. } => members(change),
        WriteOp::Delete { id, .. } => created.contains(id),
        WriteOp::Update { change, id, .. } => created.contains(id) || members(change),
    })
}
