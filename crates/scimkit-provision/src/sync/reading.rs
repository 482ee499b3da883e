//! Reads the two sides of a plan.

use std::{collections::BTreeMap, sync::Arc};

use scimkit_mapping::Record;
use scimkit_registry::ResourceId;
use scimkit_store::{ConnectionId, Query, RequestContext, Store, StoreError, StoredResource};

use super::{
    directory::{Directory, DirectoryError},
    entry::{DirectoryGroup, DirectoryUser},
    rules::{ConnectionRules, GroupSource},
    state::{StateGroup, StateUser},
};

/// The number of users or groups that are read at once.
const PAGE: u32 = 500;

type Rules = BTreeMap<ConnectionId, ConnectionRules>;

/// Reads the resources of a type, page by page.
async fn read_all(
    store: &dyn Store,
    context: &RequestContext,
    kind: &str,
    edges: Option<&str>,
    mut add: impl FnMut(StoredResource) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Some(kind) = context.settings.registry.resource_type(kind) else {
        return Ok(());
    };
    let edges: Vec<_> = edges
        .and_then(|path| kind.attribute_id(path))
        .into_iter()
        .collect();
    let first = Query::new(Arc::clone(kind))
        .with_edges(edges)
        .without_total();
    let mut query = first.clone();
    query.count = PAGE;
    loop {
        let page = store.query(context, &query).await?;
        for stored in page.items {
            add(stored)?;
        }
        match page.next {
            Some(next) => query = first.clone().with_page_after(next, PAGE),
            None => return Ok(()),
        }
    }
}

/// Reads the users of the provisioned state.
pub(super) async fn state_users(
    store: &dyn Store,
    context: &RequestContext,
    rules: &Rules,
) -> Result<Vec<StateUser>, StoreError> {
    let mut users = Vec::new();
    read_all(store, context, "User", None, |stored| {
        let tree = stored.document.tree().map_err(StoreError::backend)?;
        let owner = stored.owner.unwrap_or_else(nobody);
        users.push(match rules.get(&owner) {
            Some(rules) => StateUser::new(owner, rules, stored.id, &tree),
            None => other_user(owner, stored.id),
        });
        Ok(())
    })
    .await?;
    Ok(users)
}

/// The owner of what has none: its connection was removed.
fn nobody() -> ConnectionId {
    ConnectionId::from("")
}

/// A user of a connection that the plan does not cover.
fn other_user(connection: ConnectionId, id: ResourceId) -> StateUser {
    StateUser {
        connection,
        fields: Ok(Record::new()),
        group: None,
        is_active: true,
        name: id.to_string(),
        id,
    }
}

/// Reads the groups of the provisioned state that connections mirror, with the users that are their members.
pub(super) async fn state_groups(
    store: &dyn Store,
    context: &RequestContext,
    rules: &Rules,
) -> Result<Vec<StateGroup>, StoreError> {
    let is_mirrored = |rules: &ConnectionRules| matches!(rules.groups, GroupSource::Mirrored(_));
    if !rules.values().any(is_mirrored) {
        return Ok(Vec::new());
    }
    let mut groups = Vec::new();
    read_all(store, context, "Group", Some("members"), |stored| {
        let owner = stored.owner.clone().unwrap_or_else(nobody);
        let Some(rules) = rules.get(&owner).filter(|rules| is_mirrored(rules)) else {
            return Ok(());
        };
        let tree = stored.document.tree().map_err(StoreError::backend)?;
        let edges = stored.edges.iter().flat_map(|edges| &edges.edges);
        let users = edges.filter(|edge| edge.kind.as_deref() != Some("Group"));
        let members = users.map(|edge| edge.id.clone()).collect();
        groups.push(StateGroup::new(owner, rules, stored.id, &tree, members));
        Ok(())
    })
    .await?;
    Ok(groups)
}

/// Reads the users of the directory.
pub(super) async fn directory_users(
    directory: &dyn Directory,
) -> Result<Vec<DirectoryUser>, DirectoryError> {
    let mut users: Vec<DirectoryUser> = Vec::new();
    loop {
        let after = users.last().map(|last| last.id.clone());
        let page = directory.users(after.as_ref(), PAGE).await?;
        if page.is_empty() {
            return Ok(users);
        }
        users.extend(page);
    }
}

/// Reads the groups of the directory.
pub(super) async fn directory_groups(
    directory: &dyn Directory,
) -> Result<Vec<DirectoryGroup>, DirectoryError> {
    let mut groups: Vec<DirectoryGroup> = Vec::new();
    loop {
        let after = groups.last().map(|last| last.id.clone());
        let page = directory.groups(after.as_ref(), PAGE).await?;
        if page.is_empty() {
            return Ok(groups);
        }
        groups.extend(page);
    }
}
