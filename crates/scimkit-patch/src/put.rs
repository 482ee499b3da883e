//! POST and PUT, and the difference between two resources.

use std::sync::Arc;

use scimkit_core::Mutability;
use scimkit_registry::{
    Attr, AttributeRole, Budget, Change, Edge, EdgeEdit, QuirkPolicy, RequestError, Resource,
    ResourceType, parse_edges,
};
use serde_json::Value;

use crate::{members::delta, refusal::immutable};

/// Returns the change that creates a resource from the body of a POST.
///
/// Read-only attributes in the body, including its `id`, are ignored.
///
/// # Errors
/// - [`ResourceType::admit`] rejects the body: `invalidSyntax` or `invalidValue`
/// - a required attribute has no value: `invalidValue`
///
/// # Example
/// ```
/// use scimkit_registry::{RequestErrorKind, Registry, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let change = scimkit_patch::create(user, json!({"userName": "bjensen"}), &Tolerance::DEFAULT)?;
/// assert_eq!(change.entries().next(), Some(("userName", Some(&json!("bjensen")))));
///
/// let nameless = scimkit_patch::create(user, json!({"title": "Dr"}), &Tolerance::DEFAULT);
/// assert_eq!(nameless.unwrap_err().kind(), RequestErrorKind::Value);
/// # Ok::<(), scimkit_patch::RequestError>(())
/// ```
///
/// [RFC 7644 section 3.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.3)
pub fn create(
    kind: &Arc<ResourceType>,
    body: Value,
    t: &dyn QuirkPolicy,
) -> Result<Change, RequestError> {
    Change::admit(kind, body, t)
}

/// Decodes the body of a PUT.
///
/// Read-only attributes in the body are ignored, as the RFC requires, and so is a different `id`.
///
/// # Errors
/// - [`ResourceType::admit`] rejects the body: `invalidSyntax` or `invalidValue`
/// - a required attribute has no value: `invalidValue`
///
/// # Example
/// ```
/// use scimkit_registry::{Budget, RequestErrorKind, Registry, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let before = user.admit(json!({"userName": "bjensen", "title": "Dr"}), &Tolerance::DEFAULT)?;
/// let put = |body| scimkit_patch::replace(user, body, &Tolerance::DEFAULT);
/// let change = put(json!({"userName": "bjensen"}))?.apply(&before, &Budget::unlimited())?;
/// assert_eq!(change.entries().collect::<Vec<_>>(), [("title", None)]);
///
/// assert_eq!(put(json!({"title": "Dr"})).unwrap_err().kind(), RequestErrorKind::Value);
/// # Ok::<(), scimkit_patch::RequestError>(())
/// ```
///
/// [RFC 7644 section 3.5.1](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.1)
pub fn replace(
    kind: &Arc<ResourceType>,
    body: Value,
    t: &dyn QuirkPolicy,
) -> Result<Replacement, RequestError> {
    Ok(Replacement {
        after: kind.admit_complete(body, t)?,
        kind: Arc::clone(kind),
    })
}

/// A decoded PUT request, before any request to a store.
///
/// [RFC 7644 section 3.5.1](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.1)
#[derive(Debug, Clone)]
pub struct Replacement {
    after: Resource,
    kind: Arc<ResourceType>,
}

impl Replacement {
    /// Returns the change that the request makes, including the edges of every membership.
    ///
    /// Attributes missing from the body are cleared, with two exceptions: immutable attributes, and attributes that
    /// are never returned, since a client that sends back the resource as it read it does not know them. This is a
    /// pure function, which can be called again after a lost race.
    ///
    /// # Errors
    /// - an immutable attribute has another value: `mutability`
    /// - the budget runs out: [`Exhausted`](scimkit_registry::RequestErrorKind::Exhausted)
    ///
    /// # Example
    /// See [`replace`].
    pub fn apply(&self, before: &Resource, budget: &Budget) -> Result<Change, RequestError> {
        // Both are copied, and compared with each other.
        let old = before.weight();
        let new = self.after.weight();
        budget.charge(old.saturating_add(new).saturating_mul(2))?;
        let mut change = Change::empty(Arc::clone(&self.kind));
        for attr in kept(&self.kind) {
            let new = self.after.get(&self.kind, attr.id());
            if attr.role() == AttributeRole::Membership {
                let edges = new.map_or_else(Vec::new, parse_edges);
                change.edit_edges(attr.id(), EdgeEdit::Replace(edges));
                continue;
            }
            let old = before.get(&self.kind, attr.id());
            let new = self.keep_immutable(attr, old, new.cloned())?;
            change.difference(attr.id(), old, new);
        }
        Ok(change)
    }

    fn keep_immutable(
        &self,
        attr: &Attr,
        old: Option<&Value>,
        new: Option<Value>,
    ) -> Result<Option<Value>, RequestError> {
        let Some(old) = old else { return Ok(new) };
        if attr.definition().mutability == Mutability::Immutable {
            return match new {
                Some(new) if new != *old => Err(immutable(attr)),
                _ => Ok(Some(old.clone())),
            };
        }
        let Some(Value::Object(mut members)) = new else {
            return Ok(new);
        };
        for sub in self.kind.children(attr.id()) {
            let new = members.remove(sub.name());
            if let Some(new) = self.keep_immutable(sub, old.get(sub.name()), new)? {
                members.insert(sub.name().to_owned(), new);
            }
        }
        Ok(Some(Value::Object(members)))
    }
}

/// Returns the change from one resource to another, ignoring mutability.
///
/// Memberships are compared if either resource has them, and change edge by edge.
///
/// # Example
/// ```
/// use scimkit_registry::{Registry, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let admit = |body| user.admit(body, &Tolerance::DEFAULT);
/// let before = admit(json!({"userName": "bjensen", "name": {"givenName": "B", "familyName": "J"}}))?;
/// let after = admit(json!({"userName": "bjensen", "name": {"givenName": "B"}}))?;
/// let change = scimkit_patch::diff(user, &before, &after);
/// assert_eq!(change.entries().collect::<Vec<_>>(), [("name.familyName", None)]);
/// assert!(scimkit_patch::diff(user, &after, &after).is_empty());
/// # Ok::<(), scimkit_patch::RequestError>(())
/// ```
#[must_use]
pub fn diff(kind: &Arc<ResourceType>, before: &Resource, after: &Resource) -> Change {
    let mut change = Change::empty(Arc::clone(kind));
    for attr in kept(kind) {
        let old = before.get(kind, attr.id());
        let new = after.get(kind, attr.id());
        if attr.role() == AttributeRole::Membership {
            let edges = |value: Option<&Value>| value.map_or_else(Vec::new, parse_edges);
            let old = edges(old);
            let new = edges(new);
            let new: Vec<&Edge> = new.iter().collect();
            change.edit_edges(attr.id(), delta(&old, &new));
        } else {
            change.difference(attr.id(), old, new.cloned());
        }
    }
    change
}

/// Returns the top-level attributes that a write can change.
fn kept(kind: &ResourceType) -> impl Iterator<Item = &Attr> {
    kind.attributes().iter().filter(|attr| {
        let kept = matches!(
            attr.role(),
            AttributeRole::Membership | AttributeRole::Plain | AttributeRole::Reference
        );
        kept && attr.parent().is_none()
    })
}
