//! The resources of one tenant, and the edges between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{
    Attr, AttrId, Change, Edge, EdgeEdit, Resource, ResourceId, ResourceType, Role,
};
use serde_json::Value;

use super::table::{Record, Table, Targets};
use crate::{
    Expect, How, Settings, StoreError, Stored, UnknownMembers, Write, Written, computed::targets,
};

/// The resources of one tenant.
#[derive(Debug, Default)]
pub(super) struct Tenant {
    // INVARIANT: the inverse of the records' edges; no set is empty.
    pub(super) owners: BTreeMap<ResourceId, BTreeSet<Owner>>,
    /// By the name of the type.
    pub(super) tables: BTreeMap<String, Table>,
    /// The last version given out: one count for all resources, so that an id that comes back
    /// never repeats one.
    version: u64,
}

/// One end of an edge: the resource that has the other as a member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    /// The canonical path of the membership attribute.
    pub(super) attr: Arc<str>,
    pub(super) id: ResourceId,
    /// The name of the owner's type.
    pub(super) kind: Arc<str>,
}

/// What a change does to the edges of one attribute, after a look at those that are there.
struct EdgePlan {
    add: Targets,
    path: Arc<str>,
    remove: Vec<ResourceId>,
}

/// Which edges of an owner.
#[derive(Debug, Clone, Copy)]
pub(super) enum Among<'a> {
    /// So many, from the first on.
    First(usize),
    /// Those of a membership that lead to these.
    Targets(&'a BTreeSet<ResourceId>),
}

impl Among<'_> {
    /// All of them.
    pub(super) const ALL: Among<'static> = Among::First(usize::MAX);

    fn limit(self) -> usize {
        match self {
            Among::First(limit) => limit,
            Among::Targets(_) => usize::MAX,
        }
    }
}

impl Tenant {
    pub(super) fn record(&self, kind: &ResourceType, id: &ResourceId) -> Option<&Record> {
        self.tables.get(kind.name())?.records.get(id)
    }

    /// Carries one write out, or refuses it and leaves everything as it is.
    pub(super) fn write(
        &mut self,
        settings: &Settings,
        at: DateTime<Utc>,
        write: Write,
    ) -> Result<Written, StoreError> {
        match write {
            Write::Create { change, id } => self.create(settings, at, &id, &change),
            Write::Delete { expect, id, kind } => self.delete(at, &kind, &id, &expect),
            Write::Update { change, expect, id } => {
                self.update(settings, at, &id, &change, &expect)
            }
        }
    }

    /// Puts a resource's edges under these attributes beside it.
    pub(super) fn add_edges(&self, settings: &Settings, stored: &mut Stored, attrs: &[AttrId]) {
        for attr in attrs {
            let edges = self.edges(settings, &stored.kind, *attr, &stored.id, Among::ALL);
            stored.edges.push((*attr, edges));
        }
    }

    /// The edges of a membership or inverse attribute, or the one of a reference.
    pub(super) fn edges(
        &self,
        settings: &Settings,
        kind: &ResourceType,
        attr: AttrId,
        owner: &ResourceId,
        among: Among<'_>,
    ) -> Vec<Edge> {
        let Some(record) = self.record(kind, owner) else {
            return Vec::new();
        };
        let attr = kind.attr(attr);
        let leads_to = targets(&settings.registry, kind, attr.id());
        match attr.role() {
            Role::Inverse => self.owner_edges(&leads_to, owner, among.limit()),
            Role::Membership => {
                let Some(targets) = record.edges.get(attr.path()) else {
                    return Vec::new();
                };
                let edge = |(id, given): (&ResourceId, &Option<String>)| {
                    self.filled(&leads_to, id, given.as_deref())
                };
                match among {
                    Among::First(limit) => targets.iter().take(limit).map(edge).collect(),
                    Among::Targets(ids) => ids
                        .iter()
                        .filter_map(|id| targets.get_key_value(id))
                        .map(edge)
                        .collect(),
                }
            }
            Role::Reference => {
                let value = record
                    .document
                    .get(kind, attr.id())
                    .and_then(|v| v.get("value"));
                let id = value.and_then(Value::as_str).map(ResourceId::from);
                id.iter()
                    .map(|id| self.filled(&leads_to, id, None))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn owner_edges(
        &self,
        leads_to: &[&Arc<ResourceType>],
        target: &ResourceId,
        limit: usize,
    ) -> Vec<Edge> {
        let owners = self.owners.get(target).into_iter().flatten();
        let of_a_kind = |owner: &&Owner| leads_to.iter().any(|kind| kind.name() == &*owner.kind);
        // An owner may have the target in more than one of its attributes.
        let ids: BTreeSet<_> = owners.filter(of_a_kind).map(|owner| &owner.id).collect();
        ids.into_iter()
            .take(limit)
            .map(|id| self.filled(leads_to, id, None))
            .collect()
    }

    /// The edge to a resource of one of these types, as that now is.
    fn filled(&self, among: &[&Arc<ResourceType>], id: &ResourceId, given: Option<&str>) -> Edge {
        let edge = Edge::to(id.clone());
        match self.find(among, id) {
            None => edge.with_kind(given.map(str::to_owned)),
            Some((kind, record)) => {
                let name = kind
                    .named("displayName")
                    .and_then(|a| record.document.get(kind, a));
                let display = name.and_then(Value::as_str).map(str::to_owned);
                edge.with_kind(Some(kind.name().to_owned()))
                    .with_display(display)
            }
        }
    }

    fn find<'a>(
        &'a self,
        among: &[&'a Arc<ResourceType>],
        id: &ResourceId,
    ) -> Option<(&'a ResourceType, &'a Record)> {
        among
            .iter()
            .find_map(|kind| Some((&***kind, self.record(kind, id)?)))
    }

    fn create(
        &mut self,
        settings: &Settings,
        at: DateTime<Utc>,
        id: &ResourceId,
        change: &Change,
    ) -> Result<Written, StoreError> {
        let kind = change.kind();
        if self
            .tables
            .values()
            .any(|table| table.records.contains_key(id))
        {
            return Err(StoreError::backend(format!("the id `{id}` is in use")));
        }
        let keys = change.keys();
        self.table(kind).check_unique(kind, id, &keys)?;
        let plans = self.plan(settings, id, change)?;
        let version = self.next_version()?;
        let mut document = Resource::default();
        change.apply(&mut document);
        let record = Record {
            created: at,
            document: Arc::new(document),
            edges: BTreeMap::new(),
            last_modified: at,
            version,
        };
        self.table(kind).insert(id.clone(), record, keys);
        self.carry_out(kind, id, plans);
        self.written(How::Created, kind, id)
    }

    fn update(
        &mut self,
        settings: &Settings,
        at: DateTime<Utc>,
        id: &ResourceId,
        change: &Change,
        expect: &Expect,
    ) -> Result<Written, StoreError> {
        let kind = change.kind();
        let record = self.record(kind, id).ok_or(StoreError::NotFound)?;
        expect.check(&record.version)?;
        let document = changed(&record.document, change);
        let keys = change.keys();
        self.table(kind).check_unique(kind, id, &keys)?;
        let plans = self.plan(settings, id, change)?;
        let still = |plan: &EdgePlan| plan.add.is_empty() && plan.remove.is_empty();
        if document.is_none() && plans.iter().all(still) && !sets_hidden(change) {
            return self.written(How::Unchanged, kind, id);
        }
        let version = self.next_version()?;
        self.table(kind).update(id, document, keys, (version, at));
        self.carry_out(kind, id, plans);
        self.written(How::Updated, kind, id)
    }

    fn delete(
        &mut self,
        at: DateTime<Utc>,
        kind: &ResourceType,
        id: &ResourceId,
        expect: &Expect,
    ) -> Result<Written, StoreError> {
        expect.check(&self.record(kind, id).ok_or(StoreError::NotFound)?.version)?;
        let version = self.next_version()?;
        let table = self
            .tables
            .get_mut(kind.name())
            .ok_or(StoreError::NotFound)?;
        let record = table.remove(id).ok_or(StoreError::NotFound)?;
        let name: Arc<str> = kind.name().into();
        for (path, targets) in record.edges {
            let owner = Owner {
                attr: path,
                id: id.clone(),
                kind: Arc::clone(&name),
            };
            for target in targets.keys() {
                self.unlink(target, &owner);
            }
        }
        for owner in self.owners.remove(id).into_iter().flatten() {
            let table = self.tables.get_mut(&*owner.kind);
            let Some(record) = table.and_then(|t| t.records.get_mut(&owner.id)) else {
                continue;
            };
            remove_target(record, &owner.attr, id);
            record.version = version.clone();
            record.last_modified = at;
        }
        Ok(Written::deleted())
    }

    /// What the change does to edges, once members that don't exist are refused.
    fn plan(
        &self,
        settings: &Settings,
        owner: &ResourceId,
        change: &Change,
    ) -> Result<Vec<EdgePlan>, StoreError> {
        let kind = change.kind();
        let record = self.record(kind, owner);
        let none = Targets::new();
        let mut plans = Vec::with_capacity(change.edges().len());
        for edges in change.edges() {
            let path = kind.attr(edges.attr).path();
            let there = record
                .and_then(|record| record.edges.get(path))
                .unwrap_or(&none);
            let plan = plan_edit(path, there, &edges.edit);
            if settings.unknown_members == UnknownMembers::Refuse {
                let leads_to = targets(&settings.registry, kind, edges.attr);
                let itself = |id: &ResourceId| {
                    id == owner && leads_to.iter().any(|target| target.name() == kind.name())
                };
                let unknown = |id: &&ResourceId| !itself(id) && self.find(&leads_to, id).is_none();
                let ids: Vec<_> = plan.add.keys().filter(unknown).cloned().collect();
                if !ids.is_empty() {
                    return Err(StoreError::Missing {
                        attr: path.to_owned(),
                        ids,
                    });
                }
            }
            plans.push(plan);
        }
        Ok(plans)
    }

    fn carry_out(&mut self, kind: &ResourceType, id: &ResourceId, plans: Vec<EdgePlan>) {
        let name: Arc<str> = kind.name().into();
        for EdgePlan { add, path, remove } in plans {
            let owner = Owner {
                attr: path,
                id: id.clone(),
                kind: Arc::clone(&name),
            };
            for target in &remove {
                self.unlink(target, &owner);
            }
            for target in add.keys() {
                self.owners
                    .entry(target.clone())
                    .or_default()
                    .insert(owner.clone());
            }
            let table = self.tables.get_mut(kind.name());
            let Some(record) = table.and_then(|t| t.records.get_mut(id)) else {
                continue;
            };
            for target in &remove {
                remove_target(record, &owner.attr, target);
            }
            if !add.is_empty() {
                record.edges.entry(owner.attr).or_default().extend(add);
            }
        }
    }

    fn unlink(&mut self, target: &ResourceId, owner: &Owner) {
        if let Some(owners) = self.owners.get_mut(target) {
            owners.remove(owner);
            if owners.is_empty() {
                self.owners.remove(target);
            }
        }
    }

    fn table(&mut self, kind: &Arc<ResourceType>) -> &mut Table {
        let table = self.tables.entry(kind.name().to_owned()).or_default();
        table.keep_up_with(kind);
        table
    }

    fn next_version(&mut self) -> Result<Version, StoreError> {
        self.version += 1;
        Version::new(self.version.to_string()).map_err(StoreError::backend)
    }

    fn written(
        &self,
        how: How,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
    ) -> Result<Written, StoreError> {
        let record = self.record(kind, id).ok_or(StoreError::NotFound)?;
        Ok(Written::stored(how, record.stored(kind, id)))
    }
}

fn plan_edit(path: &str, there: &Targets, edit: &EdgeEdit) -> EdgePlan {
    let new = |edges: &[Edge]| -> Targets {
        let new = edges.iter().filter(|edge| !there.contains_key(&edge.id));
        new.map(|edge| (edge.id.clone(), edge.kind.clone()))
            .collect()
    };
    let (add, remove) = match edit {
        EdgeEdit::Delta { add, remove } => (
            new(add),
            remove
                .iter()
                .filter(|id| there.contains_key(*id))
                .cloned()
                .collect(),
        ),
        EdgeEdit::Replace(edges) => {
            let kept: BTreeSet<_> = edges.iter().map(|edge| &edge.id).collect();
            (
                new(edges),
                there
                    .keys()
                    .filter(|id| !kept.contains(id))
                    .cloned()
                    .collect(),
            )
        }
    };
    EdgePlan {
        add,
        path: path.into(),
        remove,
    }
}

/// The document after the change; `None` when that is the same.
fn changed(document: &Arc<Resource>, change: &Change) -> Option<Arc<Resource>> {
    if change.set().is_empty() && change.unset().is_empty() {
        return None;
    }
    let mut after = Resource::clone(document);
    change.apply(&mut after);
    (after != **document).then(|| Arc::new(after))
}

/// Whether the change writes an attribute that is never returned: its old value is not known here.
fn sets_hidden(change: &Change) -> bool {
    let kind = change.kind();
    let never = |attr: &Attr| attr.definition().returned == scimkit_core::Returned::Never;
    let written = change.set().iter().map(|(id, _)| id).chain(change.unset());
    written
        .map(|id| kind.attr(*id))
        .any(|attr| never(attr) || attr.parent().is_some_and(|parent| never(kind.attr(parent))))
}

fn remove_target(record: &mut Record, path: &str, target: &ResourceId) {
    if let Some(targets) = record.edges.get_mut(path) {
        targets.remove(target);
        if targets.is_empty() {
            record.edges.remove(path);
        }
    }
}
