//! A database with futures that are not ready at once, which assigns ids and versions itself, and fails on request.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
};

use scimkit_core::Version;
use scimkit_registry::{AttrEdges, AttrId, AttributeRole, Edge, ResourceId, ResourceType};
use scimkit_store::{
    Capabilities, EdgeQuery, Page, Query, ReadOptions, RequestContext, StoreError, StoredResource,
    TenantId, WriteOp,
    engine::{
        AncestorEdge, Applied, Facts, FoundRow, MemberList, Members, Needs, NewMember, Operations,
        OwnerEdge, Rejection, RowState, Rows, RowsError, ShownMembers, ShownOwners,
    },
    rows::{LookupBy, RowDatabase, RowTransaction, page, satisfying},
    target_types,
};

/// The tables of one tenant.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    edges: BTreeMap<MemberList, BTreeMap<ResourceId, Option<String>>>,
    /// The folded names of live users.
    names: BTreeMap<ResourceId, String>,
    /// The number of writes of each row, as a trigger would count.
    pub(super) revisions: BTreeMap<ResourceId, u64>,
    pub(super) rows: BTreeMap<ResourceId, FoundRow>,
}

/// The failure of a call of [`Rows::apply`] or of a commit.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// A constraint rejects the row.
    Duplicate(&'static str),
    Full,
    LostAtCommit,
    LostInApply,
    /// Another process inserts this user right before the operations are applied.
    Raced(FoundRow),
}

#[derive(Debug, Default)]
pub(super) struct Database {
    /// The failures of the next transactions.
    pub(super) faults: Mutex<VecDeque<Fault>>,
    /// Whether several transactions of a tenant may run at the same time, which is a fault.
    pub(super) is_unlocked: bool,
    /// Whether it stores the given ids.
    pub(super) keeps_ids: bool,
    pub(super) lacks_soft_delete: bool,
    pub(super) locked: Mutex<BTreeSet<TenantId>>,
    /// The requests that were committed, in order.
    pub(super) log: Mutex<Vec<String>>,
    /// The last id; like that of a sequence, it survives a rollback.
    pub(super) serial: AtomicU64,
    /// The number of times that a future is pending before it continues.
    pub(super) patience: usize,
    pub(super) tenants: Mutex<BTreeMap<TenantId, Arc<Tables>>>,
    /// The number of transactions.
    pub(super) transactions: Mutex<usize>,
}

pub(super) struct Transaction<'a> {
    database: &'a Database,
    context: &'a RequestContext,
    tables: Arc<Tables>,
}

/// Lets other tasks run this many times.
async fn pause(turns: usize) {
    let mut left = turns;
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        match left.checked_sub(1) {
            None => Poll::Ready(()),
            Some(fewer) => {
                left = fewer;
                Poll::Pending
            }
        }
    })
    .await;
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Rows for Transaction<'_> {
    async fn load(&mut self, needs: &Needs) -> Result<Facts, RowsError> {
        pause(self.database.patience).await;
        let tables = &self.tables;
        let mut facts = Facts::default();
        for lookup in needs.lookups() {
            let rows = match &lookup.by {
                LookupBy::Ids(ids) => ids.iter().filter_map(|id| tables.row(id)).collect(),
                LookupBy::Predicate {
                    kind,
                    predicate,
                    state,
                } => satisfying(
                    self.context,
                    kind,
                    predicate,
                    tables.all(kind, *state).collect(),
                )?,
            };
            facts.add_rows(&lookup, rows);
        }
        for (list, wanted) in &needs.edges {
            let mut targets = tables.members(list);
            targets.retain(|target| wanted.contains(target));
            let list = list.clone();
            facts.edges.push(Members { list, targets });
        }
        for list in &needs.members {
            let (list, targets) = (list.clone(), tables.members(list));
            facts.members.push(Members { list, targets });
        }
        for target in &needs.owners {
            facts
                .owners
                .extend(tables.lists_with(target).map(|list| OwnerEdge {
                    attr: Arc::clone(&list.attr),
                    owner: tables.row(&list.owner).unwrap().head,
                    target: target.clone(),
                }));
        }
        tables.add_shown(needs, &mut facts);
        for query in &needs.ancestors {
            let mut open = vec![query.start.clone()];
            let mut seen = BTreeSet::new();
            while let Some(target) = open.pop() {
                if !seen.insert(target.clone()) {
                    continue;
                }
                for list in tables.lists_with(&target).filter(|l| l.attr == query.attr) {
                    open.push(list.owner.clone());
                    facts.ancestors.push(AncestorEdge {
                        attr: Arc::clone(&list.attr),
                        owner: list.owner.clone(),
                        target: target.clone(),
                    });
                }
            }
        }
        Ok(facts)
    }

    async fn apply(&mut self, operations: Operations) -> Result<Applied, RowsError> {
        pause(self.database.patience).await;
        let fault = {
            let mut faults = locked(&self.database.faults);
            match faults.front() {
                Some(Fault::LostAtCommit) | None => None,
                Some(_) => faults.pop_front(),
            }
        };
        match fault {
            Some(Fault::Duplicate(attr)) => {
                let rows = &mut operations
                    .inserted_rows
                    .iter()
                    .chain(&operations.updated_rows);
                let id = rows.next().unwrap().id.clone();
                let attr = attr.to_owned();
                return Err(Rejection::Duplicate { attr, id }.into());
            }
            Some(Fault::Full) => return Err(StoreError::storage_full("no space left").into()),
            Some(Fault::LostInApply) => {
                return Err(RowsError::Lost(StoreError::backend("deadlock")));
            }
            Some(Fault::Raced(row)) => {
                // It was committed elsewhere, so it remains after this transaction.
                let mut tenants = locked(&self.database.tenants);
                let tables = tenants.entry(self.context.tenant.clone()).or_default();
                Arc::make_mut(tables).insert(row);
                self.tables = Arc::clone(tables);
            }
            _ => {}
        }
        Arc::make_mut(&mut self.tables).apply(operations, self.database.sequence())
    }
}

impl RowTransaction for Transaction<'_> {
    async fn assign_ids(&mut self, _: &mut [WriteOp]) -> Result<(), RowsError> {
        Ok(())
    }

    async fn commit(mut self) -> Result<(), RowsError> {
        pause(self.database.patience).await;
        let is_lost = {
            let mut faults = locked(&self.database.faults);
            let is_lost = matches!(faults.front(), Some(Fault::LostAtCommit));
            is_lost.then(|| faults.pop_front()).is_some()
        };
        if is_lost {
            return Err(RowsError::Lost(StoreError::backend("connection reset")));
        }
        let tables = std::mem::take(&mut self.tables);
        locked(&self.database.tenants).insert(self.context.tenant.clone(), tables);
        let request = self.context.cause.request.as_deref();
        locked(&self.database.log).extend(request.map(str::to_owned));
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        locked(&self.database.locked).remove(&self.context.tenant);
    }
}

impl Tables {
    fn row(&self, id: &ResourceId) -> Option<FoundRow> {
        self.rows.get(id).cloned()
    }

    fn all(&self, kind: &ResourceType, state: RowState) -> impl Iterator<Item = FoundRow> {
        let rows = self.rows.values();
        let of_kind = rows.filter(move |r| *r.head.kind == *kind.name() && r.head.state == state);
        of_kind.cloned()
    }

    /// Adds the facts for the edges in answers; labels are those of whole rows.
    fn add_shown(&self, needs: &Needs, facts: &mut Facts) {
        let mut shown = BTreeSet::new();
        let member = |(id, kind): (&ResourceId, &Option<String>)| NewMember {
            id: id.clone(),
            kind: kind.clone(),
        };
        for (list, limit) in &needs.shown_members {
            let members = self.edges.get(list).into_iter().flatten().map(member);
            let members: Vec<_> = members.take(limit.unwrap_or(usize::MAX)).collect();
            shown.extend(members.iter().map(|member| member.id.clone()));
            let list = list.clone();
            facts.shown_members.push(ShownMembers { list, members });
        }
        for (list, wanted) in &needs.member_kinds {
            let members = self.edges.get(list).into_iter().flatten().map(member);
            let members = members
                .filter(|member| wanted.contains(&member.id))
                .collect();
            let list = list.clone();
            facts.member_kinds.push(ShownMembers { list, members });
        }
        for (list, limit) in &needs.shown_owners {
            let owners = self.lists_with(&list.target);
            let owners = owners.filter(|one| one.attr == list.attr && one.kind == list.kind);
            let owners: BTreeSet<_> = owners.map(|list| list.owner.clone()).collect();
            let owners = owners.into_iter().take(limit.unwrap_or(usize::MAX));
            let owners: Vec<_> = owners.collect();
            shown.extend(owners.iter().cloned());
            let list = list.clone();
            facts.shown_owners.push(ShownOwners { list, owners });
        }
        facts
            .rows
            .extend(shown.iter().filter_map(|id| self.row(id)));
    }

    fn members(&self, list: &MemberList) -> Vec<ResourceId> {
        let targets = self.edges.get(list).into_iter().flatten();
        targets.map(|(target, _)| target.clone()).collect()
    }

    /// Returns the owner and the member of each edge.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&ResourceId, &ResourceId)> {
        let lists = self.edges.iter();
        lists.flat_map(|(list, targets)| targets.keys().map(|target| (&list.owner, target)))
    }

    fn lists_with(&self, target: &ResourceId) -> impl Iterator<Item = &MemberList> {
        let lists = self.edges.iter();
        let with = lists.filter(move |(_, targets)| targets.contains_key(target));
        with.map(|(list, _)| list)
    }

    fn insert(&mut self, row: FoundRow) {
        let id = row.head.id.clone();
        self.names.remove(&id);
        let name = name(&row).filter(|_| row.head.state == RowState::Live);
        self.names.extend(name.map(|name| (id.clone(), name)));
        self.rows.insert(id, row);
    }

    fn apply(
        &mut self,
        operations: Operations,
        serial: Option<&AtomicU64>,
    ) -> Result<Applied, RowsError> {
        let mut applied = Applied::default();
        for end in &operations.removed_ends {
            self.edges.retain(|list, _| list.owner != end.id);
            self.edges
                .values_mut()
                .for_each(|targets| drop(targets.remove(&end.id)));
        }
        for Members { list, targets } in operations.removed_edges {
            let edges = self.edges.get_mut(&list).unwrap();
            for target in targets {
                assert!(edges.remove(&target).is_some());
            }
        }
        let mut gone = BTreeSet::new();
        for row in operations.removed_rows {
            assert!(self.rows.remove(&row.id).is_some());
            self.names.remove(&row.id);
            gone.insert(row.id);
        }
        for row in operations.inserted_rows {
            let given = row.id.clone();
            let mut row = FoundRow::from(row);
            if let Some(serial) = serial.filter(|_| !gone.contains(&given)) {
                let number = serial.fetch_add(1, Ordering::Relaxed) + 1;
                row.head.id = ResourceId::from(format!("row-{number}"));
            }
            self.put(given, row, &mut applied)?;
        }
        for row in operations.updated_rows {
            assert!(self.rows.contains_key(&row.id));
            self.put(row.id.clone(), row.into(), &mut applied)?;
        }
        for bump in operations.bumped_rows {
            let mut row = self.row(&bump.id).unwrap();
            row.head.last_modified = bump.last_modified;
            self.put(bump.id, row, &mut applied)?;
        }
        for new in operations.inserted_edges {
            let owner = applied.id(&new.list.owner).clone();
            let edges = self.edges.entry(MemberList { owner, ..new.list });
            let edges = edges.or_default();
            for member in new.members {
                let target = applied.id(&member.id).clone();
                assert!(edges.insert(target, member.kind).is_none());
            }
        }
        Ok(applied)
    }

    /// Writes a row with a new version, unless its name is in use.
    fn put(
        &mut self,
        given: ResourceId,
        mut row: FoundRow,
        applied: &mut Applied,
    ) -> Result<(), RowsError> {
        let id = row.head.id.clone();
        if row.head.state == RowState::Live && self.has_name_of(&row) {
            let attr = "userName".to_owned();
            return Err(Rejection::Duplicate { attr, id: given }.into());
        }
        let revision = self.revisions.entry(id).or_default();
        *revision += 1;
        let mut hash = DefaultHasher::new();
        (row.document.text(), *revision).hash(&mut hash);
        row.head.version = Version::new(format!("{:016x}", hash.finish())).unwrap();
        let head = row.head.clone();
        applied.push_head(given, head);
        self.insert(row);
        Ok(())
    }

    /// Returns whether another live user has the same name: the table's own constraint.
    fn has_name_of(&self, row: &FoundRow) -> bool {
        let name = name(row);
        let mut names = self.names.iter();
        names.any(|(id, other)| *id != row.head.id && Some(other) == name.as_ref())
    }

    /// Returns the current edges of a resource under an attribute.
    fn edges(
        &self,
        context: &RequestContext,
        (kind, owner): (&ResourceType, &FoundRow),
        attr: AttrId,
    ) -> Vec<Edge> {
        let attr = kind.attr(attr);
        let leads_to = target_types(&context.settings.registry, kind, attr.id());
        let filled = |id: &ResourceId, given: Option<&String>| {
            let known = self
                .rows
                .get(id)
                .filter(|row| row.head.state == RowState::Live);
            let known = known.filter(|row| leads_to.iter().any(|k| k.name() == &*row.head.kind));
            let edge = Edge::to(id.clone());
            match known {
                None => edge.with_kind(given.cloned()),
                Some(row) => {
                    let kind = context
                        .settings
                        .registry
                        .resource_type(&row.head.kind)
                        .unwrap();
                    let document = row.document.tree().unwrap();
                    let name = document.get(kind, kind.attribute_id("displayName").unwrap());
                    let name = name.and_then(|name| name.as_str()).map(str::to_owned);
                    edge.with_kind(Some(kind.name().to_owned()))
                        .with_display(name)
                }
            }
        };
        let id = &owner.head.id;
        match attr.role() {
            AttributeRole::Inverse => {
                let lists = self.lists_with(id);
                let lists = lists.filter(|list| leads_to.iter().any(|k| *k.name() == *list.kind));
                let owners: BTreeSet<_> = lists.map(|list| &list.owner).collect();
                owners
                    .into_iter()
                    .map(|owner| filled(owner, None))
                    .collect()
            }
            AttributeRole::Membership => {
                let owned = self.edges.iter().filter(|(list, _)| list.owner == *id);
                let mut owned = owned.filter(|(list, _)| *list.attr == *attr.path());
                let targets = owned.next().into_iter().flat_map(|(_, targets)| targets);
                targets
                    .map(|(to, given)| filled(to, given.as_ref()))
                    .collect()
            }
            _ => {
                let document = owner.document.tree().unwrap();
                let value = document.get(kind, attr.id()).and_then(|v| v.get("value"));
                let id = value.and_then(|id| id.as_str()).map(ResourceId::from);
                id.iter().map(|id| filled(id, None)).collect()
            }
        }
    }

    fn stored(
        &self,
        context: &RequestContext,
        kind: &Arc<ResourceType>,
        row: FoundRow,
        want: &[AttrId],
    ) -> StoredResource {
        let edges = want.iter().map(|attr| AttrEdges {
            attr: *attr,
            edges: self.edges(context, (kind, &row), *attr),
        });
        let edges = edges.collect();
        let mut stored = row.into_stored();
        stored.edges = edges;
        stored
    }
}

/// Returns a user's folded name.
fn name(row: &FoundRow) -> Option<String> {
    let text = row.document.text();
    let document: serde_json::Value = serde_json::from_slice(text).unwrap();
    Some(scimkit_registry::fold_case(document.get("userName")?.as_str()?).into_owned())
}

impl Database {
    /// Adds a failure of a following transaction.
    pub(super) fn fail(&self, fault: Fault) {
        locked(&self.faults).push_back(fault);
    }

    /// Returns the tables of the only tenant.
    pub(super) fn committed(&self) -> Arc<Tables> {
        let tenants = locked(&self.tenants);
        tenants.values().next().cloned().unwrap_or_default()
    }

    fn sequence(&self) -> Option<&AtomicU64> {
        (!self.keeps_ids).then_some(&self.serial)
    }

    fn tables(&self, context: &RequestContext) -> Arc<Tables> {
        let tenants = locked(&self.tenants);
        tenants.get(&context.tenant).cloned().unwrap_or_default()
    }
}

impl RowDatabase for Database {
    type Transaction<'a> = Transaction<'a>;

    async fn begin<'a>(
        &'a self,
        context: &'a RequestContext,
    ) -> Result<Transaction<'a>, RowsError> {
        while !locked(&self.locked).insert(context.tenant.clone()) && !self.is_unlocked {
            pause(1).await;
        }
        *locked(&self.transactions) += 1;
        Ok(Transaction {
            database: self,
            context,
            tables: self.tables(context),
        })
    }

    async fn edges(
        &self,
        context: &RequestContext,
        query: &EdgeQuery,
    ) -> Result<Vec<Vec<Edge>>, StoreError> {
        pause(self.patience).await;
        let tables = self.tables(context);
        let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
        let edges = |id| {
            let owner = tables
                .row(id)
                .filter(|row| row.head.state == RowState::Live);
            let edges = owner.map(|row| tables.edges(context, (&query.kind, &row), query.attr));
            let edges = edges.unwrap_or_default().into_iter();
            let rest =
                edges.filter(|edge| query.after.as_ref().is_none_or(|after| edge.id > *after));
            rest.take(limit).collect()
        };
        Ok(query.owners.iter().map(edges).collect())
    }

    async fn query(&self, context: &RequestContext, query: &Query) -> Result<Page, StoreError> {
        pause(self.patience).await;
        let tables = self.tables(context);
        let edges = query.needed_edges();
        let rows = tables.all(&query.kind, RowState::Live);
        let stored = rows.map(|row| tables.stored(context, &query.kind, row, &edges));
        page(context, query, stored.collect())
    }

    async fn read(
        &self,
        context: &RequestContext,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        want: &ReadOptions,
    ) -> Result<StoredResource, StoreError> {
        pause(self.patience).await;
        let tables = self.tables(context);
        let row = tables
            .row(id)
            .filter(|row| row.head.state == RowState::Live);
        let row = row.filter(|row| *row.head.kind == *kind.name());
        let row = row.ok_or(StoreError::NotFound)?;
        let mut stored = tables.stored(context, kind, row, &want.edges);
        let limit = want.limit.map_or(usize::MAX, |limit| limit as usize);
        stored
            .edges
            .iter_mut()
            .for_each(|list| list.edges.truncate(limit));
        Ok(stored)
    }

    fn support(&self, _: &ResourceType) -> Capabilities {
        let mut support = Capabilities::full();
        (support.capacities, support.caller_assigned_ids) = (true, self.keeps_ids);
        support.soft_delete = !self.lacks_soft_delete;
        support.written_edges = true;
        support
    }
}
