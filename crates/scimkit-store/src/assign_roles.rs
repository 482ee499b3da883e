//! The roles of all users after a change of their rules.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_registry::Change;

use crate::{
    Batch, ExpectedVersion, Query, RequestContext, Store, StoreError, WriteOp, WriteOutcome,
};

/// The number of users of one batch.
const BATCH: u32 = 250;

/// The result of [`assign_roles`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssignedRoles {
    /// The number of users whose roles have changed.
    pub changed: u64,
    /// The number of users whose roles stay, since a limit forbids the change, such as a minimum of administrators.
    pub rejected: u64,
}

/// Sets the roles of all users of a tenant that follow from their groups: after a change of the
/// [rules](crate::engine::RolePolicy), and after the application has changed memberships in its own tables.
///
/// - Each user is a write of its own, in batches. Other writes may come in between; they set roles by the same rules.
/// - A user that would exceed a limit is tried again after the others, as long as others change.
/// - The cause of the changes is that of the context, and they are recorded in the journal.
///
/// # Errors
/// The errors of [`Store::query`] and [`Store::write`]. The roles of some users may have been set then.
///
/// # Example
/// ```
/// # use std::{pin::pin, task::{Context, Poll, Waker}};
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     let mut future = pin!(future);
/// #     loop {
/// #         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #             return value;
/// #         }
/// #     }
/// # }
/// use std::sync::Arc;
/// use chrono::DateTime;
/// use scimkit_registry::{Change, Tolerance};
/// use scimkit_store::{
///     MemoryStore, RequestContext, Settings, StoreExt, TenantId, assign_roles, engine::RolePolicy,
/// };
/// use serde_json::json;
///
/// let settings = Settings::new("https://app.example/scim/v2");
/// let roles = RolePolicy::new(&settings.registry).unwrap().with_default("member");
/// let context = |settings| RequestContext::new(TenantId::default(), Arc::new(settings));
/// let before = context(settings.clone());
/// let after = context(settings.clone().with_roles(roles).unwrap());
///
/// block_on(async {
///     let store = MemoryStore::new();
///     let user = settings.registry.resource_type("User").unwrap();
///     let body = user.admit(json!({"userName": "bjensen"}), &Tolerance::DEFAULT).unwrap();
///     let body = Change::create(user.clone(), body);
///     store.create(&before, DateTime::UNIX_EPOCH, "1".into(), body).await?;
///     assert_eq!(assign_roles(&store, &after, DateTime::UNIX_EPOCH).await?.changed, 1);
///     assert_eq!(assign_roles(&store, &after, DateTime::UNIX_EPOCH).await?.changed, 0);
///     Ok::<(), scimkit_store::StoreError>(())
/// })?;
/// # Ok::<(), scimkit_store::StoreError>(())
/// ```
pub async fn assign_roles(
    store: &(impl Store + ?Sized),
    context: &RequestContext,
    at: DateTime<Utc>,
) -> Result<AssignedRoles, StoreError> {
    let mut all = AssignedRoles::default();
    if context.settings.policy.roles.is_none() {
        return Ok(all);
    }
    loop {
        let pass = assign_once(store, context, at).await?;
        all.changed += pass.changed;
        all.rejected = pass.rejected;
        if pass.changed == 0 || pass.rejected == 0 {
            return Ok(all);
        }
    }
}

async fn assign_once(
    store: &(impl Store + ?Sized),
    context: &RequestContext,
    at: DateTime<Utc>,
) -> Result<AssignedRoles, StoreError> {
    let mut assigned = AssignedRoles::default();
    let Some(user) = context.settings.registry.resource_type("User") else {
        return Ok(assigned);
    };
    let mut query = Query::new(Arc::clone(user))
        .without_total()
        .with_page(0, BATCH);
    let mut read = 0;
    loop {
        let page = store.query(context, &query).await?;
        let update = |id| WriteOp::Update {
            change: Change::empty(Arc::clone(user)),
            expect: ExpectedVersion::Any,
            id,
        };
        let ids = page.items.into_iter().map(|item| item.id).chain(page.rest);
        let writes: Vec<_> = ids.map(update).collect();
        let found = writes.len();
        read += found as u64;
        if !writes.is_empty() {
            let batch = Batch::new(at, writes).with_cause(context.cause.clone());
            for answer in store.write(context, batch.without_documents()).await? {
                match answer {
                    Ok(written) if written.outcome == WriteOutcome::Unchanged => {}
                    Ok(_) => assigned.changed += 1,
                    Err(StoreError::CapacityExceeded { .. } | StoreError::TooFewLeft { .. }) => {
                        assigned.rejected += 1;
                    }
                    // It was deleted since the page.
                    Err(StoreError::NotFound) => {}
                    Err(problem) => return Err(problem),
                }
            }
        }
        match page.next {
            Some(next) => query = query.with_page_after(next, BATCH),
            // A store that can't continue after a position.
            None if found == BATCH as usize => query = query.with_page(read, BATCH),
            None => return Ok(assigned),
        }
    }
}
