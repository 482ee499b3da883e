//! The fixture of the checks: a store, a scope, and short names for calls and expectations.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, TimeDelta, Utc};
use scimkit_registry::{
    AttrId, AttributeRole, Change, Edge, EdgeEdit, Registry, Resource, ResourceId, ResourceType,
    Tolerance,
};
use scimkit_store::{
    BoxFuture, CyclePolicy, RequestContext, Settings, Store, StoreError, StoredResource, TenantId,
    UnknownMemberPolicy,
};
use serde_json::Value;

use super::{FutureDriver, Subject, names::Names};

/// Fails the check unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// Fails the check unless both values are equal.
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

pub(super) use ensure;
pub(super) use ensure_eq;

/// A store and the scope in which to call it.
pub(super) struct Fixture<'a> {
    drive: &'a FutureDriver<'a>,
    pub(super) group: Arc<ResourceType>,
    pub(super) context: RequestContext,
    /// The capability that the store lacks for the check, once that is detected.
    skipped: Arc<OnceLock<String>>,
    pub(super) store: Arc<dyn Store>,
    pub(super) subject: Arc<Subject>,
    pub(super) user: Arc<ResourceType>,
}

impl<'a> Fixture<'a> {
    pub(super) fn new(
        subject: &Subject,
        mut store: Arc<dyn Store>,
        drive: &'a FutureDriver<'a>,
    ) -> Result<Self, String> {
        let standard = Registry::standard();
        let kind = |name| {
            let own = subject.settings().registry.resource_type(name);
            let kind = own.or_else(|| standard.resource_type(name)).cloned();
            kind.ok_or_else(|| format!("no type `{name}`"))
        };
        let group = kind("Group")?;
        let user = kind("User")?;
        let context = RequestContext::new(TenantId::default(), Arc::clone(subject.settings()));
        if !store.support(&user).caller_assigned_ids {
            store = Arc::new(Names::new(store));
        }
        Ok(Fixture {
            drive,
            group,
            context,
            skipped: Arc::default(),
            store,
            subject: Arc::new(subject.clone()),
            user,
        })
    }

    /// Skips the check unless the store has what it needs.
    pub(super) fn needs(&self, has: bool, lacks: impl Into<String>) -> Result<(), String> {
        if has {
            return Ok(());
        }
        let lacks = lacks.into();
        // The first reason remains.
        let _ = self.skipped.set(lacks.clone());
        Err(lacks)
    }

    /// Returns the capability that the store lacks for the check.
    pub(super) fn skipped(&self) -> Option<&str> {
        self.skipped.get().map(String::as_str)
    }

    /// Requires every attribute of users and groups, as a random resource may have any of them.
    pub(super) fn needs_whole_schema(&self) -> Result<(), String> {
        self.needs_groups()?;
        let whole = self.subject.is_whole();
        self.needs(whole, "the store does not have every attribute")
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

    /// Returns whether the store has groups.
    pub(super) fn has_groups(&self) -> bool {
        self.subject
            .settings()
            .registry
            .resource_type("Group")
            .is_some()
    }

    pub(super) fn needs_groups(&self) -> Result<(), String> {
        self.needs_kind(&self.group)
    }

    pub(super) fn needs_kind(&self, kind: &ResourceType) -> Result<(), String> {
        let known = self.subject.settings().registry.resource_type(kind.name());
        self.needs(
            known.is_some(),
            format!("the store has no {}s", kind.name()),
        )
    }

    pub(super) fn needs_ids(&self, what: &str) -> Result<(), String> {
        let given = self.store.support(&self.user).caller_assigned_ids;
        self.needs(given, format!("the store assigns its own ids, so {what}"))
    }

    pub(super) fn needs_soft_delete(&self) -> Result<(), String> {
        let soft = self.subject.has_soft_delete();
        self.needs(soft, "the store has no soft delete")
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

    /// Returns the document that a resource created by this change has in the store.
    pub(super) fn document_of(&self, change: &Change) -> Resource {
        let mut document = Resource::default();
        change.apply(&mut document);
        self.subject.as_kept(change.kind(), &document)
    }

    /// Returns the document as a tree, without the attributes that the store fills in.
    pub(super) fn document(
        &self,
        kind: &Arc<ResourceType>,
        stored: &StoredResource,
    ) -> Result<Resource, String> {
        Ok(self.subject.as_kept(kind, &document(stored)?))
    }

    /// Returns the same store for another tenant.
    pub(super) fn tenant(&self, name: &str) -> Fixture<'a> {
        // Without tenants, the check is skipped, whatever it finds.
        drop(self.needs_tenants());
        let mut other = self.again();
        other.context.tenant = TenantId::from(name);
        other
    }

    /// Returns the same store, which accepts unknown members.
    pub(super) fn accepting(&self) -> Fixture<'a> {
        self.under(|settings| settings.policy.unknown_members = UnknownMemberPolicy::Accept)
    }

    /// Returns the same store, which accepts cycles.
    pub(super) fn accepting_cycles(&self) -> Fixture<'a> {
        self.under(|settings| settings.policy.cycles = CyclePolicy::Accept)
    }

    pub(super) fn under(&self, set: impl FnOnce(&mut Settings)) -> Fixture<'a> {
        let mut other = self.again();
        let mut settings = Settings::clone(&self.context.settings);
        set(&mut settings);
        other.context.settings = Arc::new(settings);
        other
    }

    pub(super) fn again(&self) -> Fixture<'a> {
        Fixture {
            drive: self.drive,
            group: Arc::clone(&self.group),
            context: self.context.clone(),
            skipped: Arc::clone(&self.skipped),
            store: Arc::clone(&self.store),
            subject: Arc::clone(&self.subject),
            user: Arc::clone(&self.user),
        }
    }

    pub(super) fn run<'f, T: Send + 'f>(&self, future: BoxFuture<'f, T>) -> Result<T, String> {
        let mut answer = None;
        let slot = &mut answer;
        (self.drive)(Box::pin(async move { *slot = Some(future.await) }));
        answer.ok_or_else(|| "the driver left a future unfinished".to_owned())
    }

    /// Returns the change that creates a resource with that body.
    pub(super) fn body(&self, kind: &Arc<ResourceType>, body: Value) -> Result<Change, String> {
        let admitted = kind
            .admit(body, &Tolerance::DEFAULT)
            .map_err(|e| e.to_string())?;
        let change = Change::create(Arc::clone(kind), admitted);
        self.needs_change(&change)?;
        Ok(change)
    }

    /// Returns the body without the attributes that the store does not have.
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

    /// Returns the change that sets attributes, or removes those whose value is null.
    pub(super) fn setting<const N: usize>(
        &self,
        kind: &Arc<ResourceType>,
        values: [(&str, Value); N],
    ) -> Result<Change, String> {
        let mut change = Change::empty(Arc::clone(kind));
        for (path, value) in values {
            let after = (!value.is_null()).then_some(value);
            // Any other value can represent the previous one.
            let before = Value::Null;
            change.difference(self.attr(kind, path)?, Some(&before), after);
        }
        self.needs_change(&change)?;
        Ok(change)
    }

    /// Returns the change that adds and removes members.
    pub(super) fn members(&self, add: &[&str], remove: &[&str]) -> Result<Change, String> {
        let add = add.iter().map(|id| Edge::to(*id)).collect();
        let remove = remove.iter().map(|id| ResourceId::from(*id)).collect();
        self.edit(EdgeEdit::Delta { add, remove })
    }

    /// Returns the change that replaces all members.
    pub(super) fn only_members(&self, ids: &[&str]) -> Result<Change, String> {
        self.edit(EdgeEdit::Replace(
            ids.iter().map(|id| Edge::to(*id)).collect(),
        ))
    }

    pub(super) fn edit(&self, edit: EdgeEdit) -> Result<Change, String> {
        self.needs_groups()?;
        let mut change = Change::empty(Arc::clone(&self.group));
        change.edit_edges(self.attr(&self.group, "members")?, edit);
        Ok(change)
    }

    pub(super) fn attr(&self, kind: &ResourceType, path: &str) -> Result<AttrId, String> {
        self.needs_kind(kind)?;
        let attr = kind.attribute_id(path);
        self.needs(
            attr.is_some(),
            format!("the store has no attribute `{path}`"),
        )?;
        attr.ok_or_else(|| format!("no attribute `{path}`"))
    }
}

/// Returns the instant that many seconds after the first instant of the checks.
pub(super) fn second(n: i64) -> DateTime<Utc> {
    const START: i64 = 1_767_225_600;
    DateTime::UNIX_EPOCH + TimeDelta::seconds(START + n)
}

/// Returns the document as a tree.
pub(super) fn document(stored: &StoredResource) -> Result<Resource, String> {
    let tree = stored.document.tree().map(Cow::into_owned);
    tree.map_err(|problem| said(&problem.into()))
}

pub(super) fn ids_of(edges: &[Edge]) -> Vec<&str> {
    edges.iter().map(|edge| edge.id.as_str()).collect()
}

/// Returns an error with its cause.
pub(super) fn said(error: &StoreError) -> String {
    match error {
        StoreError::Backend(source) => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

/// Returns the attributes that are stored as edges or computed from them.
pub(super) fn edge_attributes(kind: &ResourceType) -> Vec<AttrId> {
    let top = kind
        .attributes()
        .iter()
        .filter(|attr| attr.parent().is_none());
    let linked = top.filter(|attr| {
        matches!(
            attr.role(),
            AttributeRole::Inverse | AttributeRole::Membership
        )
    });
    linked.map(|attr| attr.id()).collect()
}
