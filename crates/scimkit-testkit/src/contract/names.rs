//! A store that assigns its own ids, called with the ids that the checks use.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use scimkit_registry::{
    Attr, AttrEdges, AttributeRole, Change, Edge, EdgeEdit, Predicate, ResourceId, ResourceType,
    Scalar,
};
use scimkit_store::{
    Batch, BoxFuture, Capabilities, EdgeQuery, Intent, Page, PageStart, Query, ReadOptions,
    RequestContext, Store, StoreError, StoredResource, TenantId, WriteOp, Written,
};
use serde_json::Value;

/// Translates between the store's ids and those that the checks use.
#[derive(Debug)]
pub(super) struct Names {
    known: Mutex<BTreeMap<TenantId, Pairs>>,
    store: Arc<dyn Store>,
}

#[derive(Debug, Default)]
struct Pairs {
    by_id: BTreeMap<ResourceId, ResourceId>,
    by_name: BTreeMap<ResourceId, ResourceId>,
}

impl Pairs {
    fn id(&self, name: &ResourceId) -> ResourceId {
        self.by_name.get(name).unwrap_or(name).clone()
    }

    fn name(&self, id: &ResourceId) -> ResourceId {
        self.by_id.get(id).unwrap_or(id).clone()
    }

    fn change(&self, change: &Change) -> Change {
        let kind = change.kind();
        let mut changed = Change::empty(Arc::clone(kind));
        // Any other value can represent the previous one.
        for (attr, value) in change.assignments() {
            changed.difference(
                *attr,
                Some(&Value::Null),
                Some(self.reference(kind.attr(*attr), value)),
            );
        }
        for attr in change.removals() {
            changed.difference(*attr, Some(&Value::Null), None);
        }
        for edges in change.edge_changes() {
            let ids = |edges: &[Edge]| edges.iter().map(|edge| self.edge(edge, Self::id)).collect();
            let edit = match &edges.edit {
                EdgeEdit::Delta { add, remove } => EdgeEdit::Delta {
                    add: ids(add),
                    remove: remove.iter().map(|name| self.id(name)).collect(),
                },
                EdgeEdit::Replace(all) => EdgeEdit::Replace(ids(all)),
            };
            changed.edit_edges(edges.attr, edit);
        }
        changed
    }

    /// Returns a value in which references contain the store's id.
    fn reference(&self, attr: &Attr, value: &Value) -> Value {
        let mut value = value.clone();
        let named = match attr.parent() {
            None => value.get_mut("value"),
            Some(_) if attr.role() == AttributeRole::Reference => Some(&mut value),
            Some(_) => None,
        };
        if let Some(Value::String(name)) = named
            && let Some(id) = self.by_name.get(&ResourceId::from(name.as_str()))
        {
            *name = id.to_string();
        }
        value
    }

    fn edge(&self, edge: &Edge, other: impl Fn(&Self, &ResourceId) -> ResourceId) -> Edge {
        let mut edge = edge.clone();
        edge.id = other(self, &edge.id);
        edge
    }

    /// Replaces every text that is one of the names or ends in one like a URL; no check uses the names for anything
    /// else.
    fn predicate(&self, predicate: &mut Predicate) {
        match predicate {
            Predicate::All(inner) | Predicate::Any(inner) => {
                inner.iter_mut().for_each(|inner| self.predicate(inner));
            }
            Predicate::Not(inner) => self.predicate(inner),
            Predicate::ElementMatches { inner, .. } => self.predicate(inner),
            Predicate::Compare { value, .. } => {
                if let Scalar::Text(text) = value {
                    let (before, name) = match text.rsplit_once('/') {
                        Some((before, name)) => (format!("{before}/"), name),
                        None => (String::new(), text.as_str()),
                    };
                    if let Some(id) = self.by_name.get(&ResourceId::from(name)) {
                        *text = format!("{before}{id}");
                    }
                }
            }
            Predicate::Present(_) | Predicate::Never => {}
        }
    }

    fn stored(&self, mut stored: StoredResource) -> StoredResource {
        stored.id = self.name(&stored.id);
        for AttrEdges { edges, .. } in &mut stored.edges {
            for edge in edges.iter_mut() {
                edge.id = self.name(&edge.id);
            }
            edges.sort_by(|a, b| a.id.cmp(&b.id));
        }
        stored
    }

    fn error(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::UnknownMembers { attr, ids } => StoreError::UnknownMembers {
                attr,
                ids: ids.iter().map(|id| self.name(id)).collect(),
            },
            StoreError::Cycle { attr, id, owner } => StoreError::Cycle {
                attr,
                id: self.name(&id),
                owner: self.name(&owner),
            },
            other => other,
        }
    }
}

impl Names {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Names {
            known: Mutex::default(),
            store,
        }
    }

    fn with<T>(&self, context: &RequestContext, act: impl FnOnce(&mut Pairs) -> T) -> T {
        let mut known: MutexGuard<'_, _> =
            self.known.lock().unwrap_or_else(PoisonError::into_inner);
        act(known.entry(context.tenant.clone()).or_default())
    }

    /// Translates the writes for the store, and returns the name in each create.
    fn writes(
        &self,
        context: &RequestContext,
        writes: Vec<WriteOp>,
    ) -> (Vec<WriteOp>, Vec<Option<ResourceId>>) {
        let one = |write| match write {
            WriteOp::Create {
                change,
                existing_match,
                id,
            } => {
                let change = self.with(context, |pairs| pairs.change(&change));
                let name = Some(id.clone());
                (
                    WriteOp::Create {
                        change,
                        existing_match,
                        id,
                    },
                    name,
                )
            }
            WriteOp::Delete { expect, id, kind } => {
                let id = self.with(context, |pairs| pairs.id(&id));
                (WriteOp::Delete { expect, id, kind }, None)
            }
            WriteOp::Update { change, expect, id } => self.with(context, |pairs| {
                let change = pairs.change(&change);
                let id = pairs.id(&id);
                (WriteOp::Update { change, expect, id }, None)
            }),
        };
        writes.into_iter().map(one).unzip()
    }
}

impl Store for Names {
    fn support(&self, kind: &ResourceType) -> Capabilities {
        self.store.support(kind)
    }

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(async move {
            let mut asked = query.clone();
            self.with(context, |pairs| {
                asked.owners = query.owners.iter().map(|name| pairs.id(name)).collect();
                asked.after = query.after.as_ref().map(|name| pairs.id(name));
            });
            let mut found = self.store.edges(context, &asked).await?;
            self.with(context, |pairs| {
                for edges in &mut found {
                    for edge in edges.iter_mut() {
                        *edge = pairs.edge(edge, Pairs::name);
                    }
                    edges.sort_by(|a, b| a.id.cmp(&b.id));
                }
            });
            Ok(found)
        })
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let mut asked = query.clone();
            self.with(context, |pairs| {
                if let Some(predicate) = &mut asked.predicate {
                    pairs.predicate(predicate);
                }
                if let PageStart::After(place) = &mut asked.start {
                    place.id = pairs.id(&place.id);
                }
            });
            let mut page = self.store.query(context, &asked).await?;
            self.with(context, |pairs| {
                let items = std::mem::take(&mut page.items).into_iter();
                page.items = items.map(|stored| pairs.stored(stored)).collect();
                for id in &mut page.rest {
                    *id = pairs.name(id);
                }
                if let Some(place) = &mut page.next {
                    place.id = pairs.name(&place.id);
                }
            });
            if query.sort.is_none() {
                // The store orders by its own ids, and the checks expect the order of theirs.
                page.items.sort_by(|a, b| a.id.cmp(&b.id));
            }
            Ok(page)
        })
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        Box::pin(async move {
            let id = self.with(context, |pairs| pairs.id(id));
            let stored = self.store.read(context, kind, &id, want).await?;
            Ok(self.with(context, |pairs| pairs.stored(stored)))
        })
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        mut batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        Box::pin(async move {
            let (writes, names) = self.writes(context, std::mem::take(&mut batch.writes));
            batch.writes = writes;
            // A check creates nothing, and another resource may get the id.
            let creates = batch.intent == Intent::Commit;
            let answers = self.store.write(context, batch).await?;
            self.with(context, |pairs| {
                let answer = |(answer, name): (Result<Written, StoreError>, Option<ResourceId>)| {
                    let mut written = answer.map_err(|error| pairs.error(error))?;
                    if let Some(stored) = written.stored.take() {
                        if let Some(name) = name
                            && creates
                            && !pairs.by_id.contains_key(&stored.id)
                        {
                            pairs.by_id.insert(stored.id.clone(), name.clone());
                            pairs.by_name.insert(name, stored.id.clone());
                        }
                        written.stored = Some(pairs.stored(stored));
                    }
                    Ok(written)
                };
                Ok(answers.into_iter().zip(names).map(answer).collect())
            })
        })
    }
}
