//! A directory over a store.

mod records;

use std::{collections::BTreeSet, fmt, sync::Arc};

use scimkit_mapping::{ChangeKind, Mapping, MatchingAttributes, Record, TypeMapping};
use scimkit_registry::{Change, Edge, EdgeEdit, RequestError, Resource, ResourceId};
use scimkit_server::Clock;
use scimkit_store::{
    Base, BoxFuture, ExpectedVersion, PagePosition, Query, ReadOptions, RequestContext, Store,
    StoreError, StoreExt as _, StoredResource,
};
use serde_json::Value;

use self::records::{edited, fields, is_active, set_active, step_uuid};
use super::{
    directory::{Directory, DirectoryChange, DirectoryError, StepId},
    entry::{DirectoryGroup, DirectoryUser},
    fields::Difference,
};

/// The number of attempts to change a user or group that others change at the same time.
const RACES: usize = 5;

type Protected = dyn Fn(&DirectoryUser) -> bool + Send + Sync;

/// Makes the users and groups of a store a [`Directory`]: those of the application's own tables (`TableStore`), or those of
/// any other store.
///
/// - Fields are those of the application's mapping. A user is archived if it is not active (`active`).
/// - A value that the mapping can't convert counts as none.
/// - The rules of the mapping apply to each change: required attributes, defaults, and what is read-only.
/// - A create has the id of its step if the store lets callers choose ids. Otherwise a repeated create looks for the matching
///   attributes of the mapping, and takes the user or group that has exactly the fields of the create.
/// - A user that is gone does not become a member, and the other members do.
/// - The store is another one than that of the provisioned state, or has other tenants.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use scimkit_mapping::Mapping;
/// use scimkit_provision::sync::{Directory, DirectoryChange, StepId, StoreDirectory};
/// use scimkit_store::{MemoryStore, RequestContext, Settings, TenantId};
/// use serde_json::json;
///
/// let settings = Settings::new("https://app.example");
/// let text = "[[User.map]]\nscim = 'userName'\nfield = 'email'";
/// let mapping = Mapping::builder().text(text).build(&settings.registry)?;
/// let context = RequestContext::new(TenantId::default(), Arc::new(settings));
/// let directory = StoreDirectory::new(Arc::new(MemoryStore::new()), context, Arc::new(mapping));
///
/// let babs = json!({"email": "babs@example.com"}).as_object().unwrap().clone();
/// let step = StepId::new("17f0");
/// let id = directory.apply(&step, &DirectoryChange::CreateUser(babs.clone())).await?.unwrap();
/// // After a crash, the same step finds the user.
/// let again = directory.apply(&step.repeated(), &DirectoryChange::CreateUser(babs)).await?;
/// assert_eq!(again, Some(id));
/// assert_eq!(directory.users(None, 10).await?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct StoreDirectory {
    capacity: Option<u64>,
    clock: Clock,
    context: RequestContext,
    mapping: Arc<Mapping>,
    protected: Option<Arc<Protected>>,
    store: Arc<dyn Store>,
}

impl fmt::Debug for StoreDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreDirectory").finish_non_exhaustive()
    }
}

impl StoreDirectory {
    /// Creates a directory of the users and groups of a tenant, whose fields are those of a mapping for the schemas of
    /// `context`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, context: RequestContext, mapping: Arc<Mapping>) -> Self {
        StoreDirectory {
            capacity: None,
            clock: Clock::default(),
            context,
            mapping,
            protected: None,
            store,
        }
    }

    /// Sets the number of active users that the application can have. The store should have an exact limit besides: see
    /// [`Policy::capacities`](scimkit_store::engine::Policy::capacities).
    #[must_use]
    pub fn with_capacity(mut self, capacity: u64) -> Self {
        self.capacity = Some(capacity);
        self
    }

    /// Sets which users are protected: no run archives them.
    #[must_use]
    pub fn with_protected(
        mut self,
        is_protected: impl Fn(&DirectoryUser) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.protected = Some(Arc::new(is_protected));
        self
    }

    fn rules(&self, kind: &str) -> Result<&TypeMapping, DirectoryError> {
        let missing = || DirectoryError::Rejected(format!("there is no mapping for {kind}"));
        self.mapping.for_type(kind).ok_or_else(missing)
    }

    /// Reads a page of resources after an id.
    async fn page(
        &self,
        kind: &str,
        edges: Option<&str>,
        after: Option<&ResourceId>,
        limit: u32,
    ) -> Result<Vec<StoredResource>, DirectoryError> {
        let Some(rules) = self.mapping.for_type(kind) else {
            return Ok(Vec::new());
        };
        let kind = rules.kind();
        let edges = edges.and_then(|path| kind.attribute_id(path));
        let edges = edges.into_iter().collect();
        let query = Query::new(Arc::clone(kind))
            .with_edges(edges)
            .without_total();
        let query = match after {
            Some(id) => query.with_page_after(PagePosition::new(None, id.clone()), limit),
            None => query.with_page(0, limit),
        };
        let page = self.store.query(&self.context, &query).await;
        Ok(page.map_err(unavailable)?.items)
    }

    fn user(&self, stored: &StoredResource) -> Result<DirectoryUser, DirectoryError> {
        let tree = stored.document.tree().map_err(unavailable)?;
        let fields = fields(self.rules("User")?, &tree);
        let mut user = DirectoryUser::new(stored.id.clone(), fields);
        user.is_archived = tree.as_map().get("active").and_then(Value::as_bool) == Some(false);
        user.is_protected = self.protected.as_ref().is_some_and(|rule| rule(&user));
        Ok(user)
    }

    async fn read(&self, kind: &str, id: &ResourceId) -> Result<StoredResource, StoreError> {
        let kind = self.mapping.for_type(kind).map(TypeMapping::kind);
        let kind = kind.ok_or(StoreError::NotFound)?;
        let options = ReadOptions::default();
        self.store.read(&self.context, kind, id, &options).await
    }

    async fn create(
        &self,
        kind: &str,
        step: &StepId,
        fields: &Record,
    ) -> Result<Option<ResourceId>, DirectoryError> {
        let rules = self.rules(kind)?;
        let resource = rules
            .to_resource(fields, Resource::default())
            .map_err(|error| invalid(&error))?;
        let mut change = rules
            .filter_change(
                Change::create(Arc::clone(rules.kind()), resource),
                ChangeKind::Create,
            )
            .map_err(|error| invalid(&error))?
            .change;
        if kind == "User" {
            set_active(rules, &mut change, None, true);
        }
        let mut created = Resource::default();
        change.apply(&mut created);
        let complete = rules.kind().check_required(&created);
        complete.map_err(|error| invalid(&error))?;
        let id = step_uuid(step);
        if step.is_repeated
            && let Some(found) = self.find(rules, &id, (fields, &change)).await?
        {
            return Ok(Some(found));
        }
        let create = self
            .store
            .create(&self.context, self.clock.now(), id.clone(), change);
        let created = create.await.map_err(|error| rejected(&error))?.stored;
        Ok(Some(created.map_or(id, |stored| stored.id)))
    }

    /// Finds the resource that an earlier attempt has created.
    async fn find(
        &self,
        rules: &TypeMapping,
        id: &ResourceId,
        (fields, change): (&Record, &Change),
    ) -> Result<Option<ResourceId>, DirectoryError> {
        if self.store.support(rules.kind()).caller_assigned_ids {
            return match self.read(rules.kind().name(), id).await {
                Ok(found) => Ok(Some(found.id)),
                Err(StoreError::NotFound) => Ok(None),
                Err(error) => Err(unavailable(error)),
            };
        }
        let paths = rules.matching().paths();
        let names = MatchingAttributes::new(rules.kind(), &["displayName"]);
        let predicate = match (paths, names) {
            ([], Ok(names)) => names.predicate(change),
            _ => rules.matching().predicate(change),
        };
        let Some(predicate) = predicate else {
            return Ok(None);
        };
        let query = Query::new(Arc::clone(rules.kind())).with_predicate(predicate);
        let page = self.store.query(&self.context, &query).await;
        for found in page.map_err(unavailable)?.items {
            let tree = found.document.tree().map_err(unavailable)?;
            let again = rules.to_resource(fields, tree.clone().into_owned());
            if again.is_ok_and(|again| again == *tree) && is_active(&tree) {
                return Ok(Some(found.id));
            }
        }
        Ok(None)
    }

    /// Writes the differences of fields into a resource, and whether it is active.
    async fn change(
        &self,
        kind: &str,
        id: &ResourceId,
        differences: &[Difference],
        becomes_active: Option<bool>,
    ) -> Result<Option<ResourceId>, DirectoryError> {
        let rules = self.rules(kind)?;
        let value = |difference: &Difference| {
            let value = difference.after.clone().unwrap_or(Value::Null);
            (difference.field.clone(), value)
        };
        let record: Record = differences.iter().map(value).collect();
        for _ in 0..RACES {
            let stored = self
                .read(kind, id)
                .await
                .map_err(|error| rejected(&error))?;
            let before = stored.document.tree().map_err(unavailable)?.into_owned();
            let change = edited(rules, &before, &record, becomes_active);
            let change = change.map_err(|error| invalid(&error))?;
            let expect = ExpectedVersion::Base(Base::new(stored.version, Arc::new(before)));
            let update =
                self.store
                    .update(&self.context, self.clock.now(), id.clone(), change, expect);
            match update.await {
                Ok(_) => return Ok(None),
                Err(StoreError::VersionMismatch { .. }) => {}
                Err(error) => return Err(rejected(&error)),
            }
        }
        Err(DirectoryError::Rejected("it keeps changing".to_owned()))
    }

    async fn remove(
        &self,
        kind: &str,
        id: &ResourceId,
    ) -> Result<Option<ResourceId>, DirectoryError> {
        let kind = Arc::clone(self.rules(kind)?.kind());
        let place = (kind, id.clone());
        let removal =
            self.store
                .delete(&self.context, self.clock.now(), place, ExpectedVersion::Any);
        match removal.await {
            Ok(_) | Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(rejected(&error)),
        }
    }

    async fn change_members(
        &self,
        group: &ResourceId,
        added: &[ResourceId],
        removed: &[ResourceId],
    ) -> Result<Option<ResourceId>, DirectoryError> {
        let kind = Arc::clone(self.rules("Group")?.kind());
        let Some(members) = kind.attribute_id("members") else {
            return Ok(None);
        };
        let mut added: BTreeSet<_> = added.iter().collect();
        loop {
            let mut change = Change::empty(Arc::clone(&kind));
            let edit = EdgeEdit::Delta {
                add: added.iter().map(|id| Edge::to((*id).clone())).collect(),
                remove: removed.to_vec(),
            };
            change.edit_edges(members, edit);
            let now = self.clock.now();
            let update = self.store.update(
                &self.context,
                now,
                group.clone(),
                change,
                ExpectedVersion::Any,
            );
            match update.await {
                Ok(_) => return Ok(None),
                Err(StoreError::UnknownMembers { attr, ids }) => {
                    let count = added.len();
                    added.retain(|id| !ids.contains(id));
                    if added.len() == count {
                        return Err(rejected(&StoreError::UnknownMembers { attr, ids }));
                    }
                }
                Err(error) => return Err(rejected(&error)),
            }
        }
    }
}

/// A value that the mapping or the schema rejects.
fn invalid(error: &RequestError) -> DirectoryError {
    DirectoryError::Rejected(error.detail().to_owned())
}

fn unavailable(error: impl fmt::Display) -> DirectoryError {
    DirectoryError::Unavailable(error.to_string())
}

/// A failure of the store ends the run, and everything else is about the step.
fn rejected(error: &StoreError) -> DirectoryError {
    if error.is_failure() {
        DirectoryError::Unavailable(error.to_string())
    } else {
        DirectoryError::Rejected(error.to_string())
    }
}

impl Directory for StoreDirectory {
    fn apply<'a>(
        &'a self,
        step: &'a StepId,
        change: &'a DirectoryChange,
    ) -> BoxFuture<'a, Result<Option<ResourceId>, DirectoryError>> {
        Box::pin(async move {
            match change {
                DirectoryChange::ArchiveUser(id) => self.change("User", id, &[], Some(false)).await,
                DirectoryChange::ChangeMembers {
                    group,
                    added,
                    removed,
                } => self.change_members(group, added, removed).await,
                DirectoryChange::CreateGroup(fields) => self.create("Group", step, fields).await,
                DirectoryChange::CreateUser(fields) => self.create("User", step, fields).await,
                DirectoryChange::RemoveGroup(id) => self.remove("Group", id).await,
                DirectoryChange::RemoveUser(id) => self.remove("User", id).await,
                DirectoryChange::RestoreUser { id, differences } => {
                    self.change("User", id, differences, Some(true)).await
                }
                DirectoryChange::UpdateGroup { id, differences } => {
                    self.change("Group", id, differences, None).await
                }
                DirectoryChange::UpdateUser { id, differences } => {
                    self.change("User", id, differences, None).await
                }
            }
        })
    }

    fn capacity(&self) -> BoxFuture<'_, Result<Option<u64>, DirectoryError>> {
        let capacity = self.capacity;
        Box::pin(async move { Ok(capacity) })
    }

    fn groups<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryGroup>, DirectoryError>> {
        Box::pin(async move {
            let page = self.page("Group", Some("members"), after, limit).await?;
            let group = |stored: StoredResource| {
                let tree = stored.document.tree().map_err(unavailable)?;
                let fields = fields(self.rules("Group")?, &tree);
                let edges = stored.edges.iter().flat_map(|edges| &edges.edges);
                let users = edges.filter(|edge| edge.kind.as_deref() != Some("Group"));
                let members = users.map(|edge| edge.id.clone()).collect();
                Ok(DirectoryGroup::new(stored.id, fields, members))
            };
            page.into_iter().map(group).collect()
        })
    }

    fn users<'a>(
        &'a self,
        after: Option<&'a ResourceId>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DirectoryUser>, DirectoryError>> {
        Box::pin(async move {
            let page = self.page("User", None, after, limit).await?;
            page.iter().map(|stored| self.user(stored)).collect()
        })
    }
}
