//! The write engine over a database that checks every operation.

mod answers;
mod database;
mod journal;
mod random;
mod rules;
mod schedule;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use scimkit_filter::Filter;
use scimkit_registry::{
    Change, Edge, EdgeEdit, Predicate, Registry, ResourceId, ResourceType, Tolerance,
};
use scimkit_store::{
    Batch, ExpectedVersion, WriteOp,
    engine::{Policy, WriteRequest},
};
use serde_json::{Value, json};

/// A registry with its types for users and groups.
#[derive(Debug, Clone)]
struct World {
    group: Arc<ResourceType>,
    registry: Arc<Registry>,
    user: Arc<ResourceType>,
}

impl World {
    fn new() -> Self {
        let registry = Registry::builder()
            .index("User", "externalId")
            .build()
            .unwrap();
        let registry = Arc::new(registry);
        let kind = |name| Arc::clone(registry.resource_type(name).unwrap());
        World {
            group: kind("Group"),
            user: kind("User"),
            registry,
        }
    }

    fn request(&self, policy: Policy, batch: Batch) -> WriteRequest {
        WriteRequest::new(Arc::clone(&self.registry), batch).with_policy(policy)
    }

    fn kind(&self, id: &str) -> &Arc<ResourceType> {
        if id.starts_with('g') {
            &self.group
        } else {
            &self.user
        }
    }

    fn body(&self, id: &str, body: Value) -> Change {
        let kind = self.kind(id);
        let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        Change::create(Arc::clone(kind), body)
    }

    fn create(&self, id: &str, body: Value) -> WriteOp {
        WriteOp::Create {
            change: self.body(id, body),
            existing_match: None,
            id: ResourceId::from(id),
        }
    }

    fn user(&self, id: &str, name: &str) -> WriteOp {
        self.create(id, json!({"userName": name}))
    }

    fn group(&self, id: &str, members: &[&str]) -> WriteOp {
        let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
        self.create(id, json!({"displayName": id, "members": members}))
    }

    fn update(&self, id: &str, change: Change) -> WriteOp {
        WriteOp::Update {
            change,
            expect: ExpectedVersion::Any,
            id: ResourceId::from(id),
        }
    }

    /// Returns an update that sets or removes an attribute.
    fn set(&self, id: &str, attr: &str, value: Option<Value>) -> WriteOp {
        let kind = self.kind(id);
        let mut change = Change::empty(Arc::clone(kind));
        let before = json!({});
        change.difference(kind.attribute_id(attr).unwrap(), Some(&before), value);
        self.update(id, change)
    }

    fn members(&self, id: &str, edit: EdgeEdit) -> WriteOp {
        let mut change = Change::empty(Arc::clone(&self.group));
        change.edit_edges(self.group.attribute_id("members").unwrap(), edit);
        self.update(id, change)
    }

    fn add(&self, id: &str, members: &[&str]) -> WriteOp {
        let add = members.iter().map(|id| Edge::to(*id)).collect();
        let remove = Vec::new();
        self.members(id, EdgeEdit::Delta { add, remove })
    }

    fn remove(&self, id: &str, members: &[&str]) -> WriteOp {
        let remove = members.iter().map(|id| ResourceId::from(*id)).collect();
        let add = Vec::new();
        self.members(id, EdgeEdit::Delta { add, remove })
    }

    fn replace(&self, id: &str, members: &[&str]) -> WriteOp {
        let edges = members.iter().map(|id| Edge::to(*id)).collect();
        self.members(id, EdgeEdit::Replace(edges))
    }

    fn delete(&self, id: &str) -> WriteOp {
        WriteOp::Delete {
            expect: ExpectedVersion::Any,
            id: ResourceId::from(id),
            kind: Arc::clone(self.kind(id)),
        }
    }

    fn predicate(&self, id: &str, filter: &str) -> Predicate {
        let filter = Filter::parse(filter).unwrap();
        let kind = self.kind(id);
        kind.bind_filter(&filter, &Tolerance::DEFAULT).unwrap()
    }
}

fn second(n: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(n)
}
