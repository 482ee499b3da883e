//! The rules by which the roles of users follow from their groups.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_core::{Mutability, Schema};
use scimkit_registry::{
    AttrId, AttrReader, Extension, Meter, Predicate, RegistrationError, Registry, RegistryBuilder,
    ResourceType, ResourceView,
};
use serde_json::{Value, json};

use crate::{Document, StoreError};

/// The rules by which the `roles` of users follow from their groups.
///
/// - A rule gives a role to the direct members of each group that satisfies its predicate. The order of the rules is
///   their priority: without [`several`](Self::with_several_roles), a user has the role of the first rule.
/// - Each write of a user sets its roles, and so does each write that adds or removes it as a member, or that changes
///   the rules that one of its groups satisfies, such as a rename or a delete of the group. The roles belong to the
///   same change, in the same transaction.
/// - Roles from clients are ignored.
/// - [`assign_roles`](crate::assign_roles) sets the roles of all users after a change of the rules.
/// - A minimum of [administrators](super::Capacity::at_least) is checked for the result of a write, with all its roles.
///
/// # Example
/// ```
/// use scimkit_filter::Filter;
/// use scimkit_registry::{Registry, Tolerance};
/// use scimkit_store::engine::RolePolicy;
///
/// let registry = Registry::standard();
/// let group = registry.resource_type("Group").unwrap();
/// let admins = Filter::parse(r#"displayName eq "Admins""#).unwrap();
/// let admins = group.bind_filter(&admins, &Tolerance::STRICT)?;
/// let roles = RolePolicy::new(&registry).unwrap().with_rule(admins, "admin").with_default("member");
/// assert_eq!(roles.roles(), ["admin", "member"]);
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RolePolicy {
    attr: AttrId,
    default: Option<String>,
    // INVARIANT: it reads the attributes of all rules.
    group: Arc<ResourceType>,
    members: Arc<str>,
    reader: AttrReader,
    rules: Vec<RoleRule>,
    several: bool,
    user: Arc<ResourceType>,
}

#[derive(Debug, Clone)]
struct RoleRule {
    predicate: Predicate,
    role: String,
}

/// The numbers of the rules that a group satisfies.
pub(super) type MatchedRules = BTreeSet<usize>;

impl RolePolicy {
    /// Creates a policy without rules, by which users have no roles; none if the registry lacks the types `User` with
    /// `roles` and `Group` with `members`.
    #[must_use]
    pub fn new(registry: &Registry) -> Option<Self> {
        let user = Arc::clone(registry.resource_type("User")?);
        let group = Arc::clone(registry.resource_type("Group")?);
        let members = group.attribute_id("members")?;
        Some(RolePolicy {
            attr: user.attribute_id("roles")?,
            default: None,
            members: group.attr(members).path().into(),
            reader: group.reader([]),
            rules: Vec::new(),
            several: false,
            group,
            user,
        })
    }

    /// Adds a rule with the lowest priority: the members of groups that satisfy the predicate have the role. The
    /// predicate may use attributes that documents contain, but no membership and no computed attribute.
    #[must_use]
    pub fn with_rule(mut self, predicate: Predicate, role: impl Into<String>) -> Self {
        let role = role.into();
        self.rules.push(RoleRule { predicate, role });
        let read = self
            .rules
            .iter()
            .flat_map(|rule| rule.predicate.attributes());
        self.reader = self.group.reader(read);
        self
    }

    /// Sets the role of users without a group that satisfies a rule.
    #[must_use]
    pub fn with_default(mut self, role: impl Into<String>) -> Self {
        self.default = Some(role.into());
        self
    }

    /// Gives a user the roles of all rules, instead of that of the first one. The role of the first rule is primary.
    #[must_use]
    pub fn with_several_roles(mut self) -> Self {
        self.several = true;
        self
    }

    /// Returns the roles that users can have, by priority.
    #[must_use]
    pub fn roles(&self) -> Vec<&str> {
        let all = self.rules.iter().map(|rule| &rule.role);
        distinct(all.chain(&self.default))
    }

    /// Returns a registry in which clients read `roles` with these values, and do not write it.
    pub(crate) fn described(&self, registry: &Registry) -> Result<Registry, RegistrationError> {
        let mut builder = RegistryBuilder::default();
        for kind in registry.resource_types() {
            let extensions = kind.extensions().iter().map(Extension::urn);
            let urns: Vec<_> = extensions.chain([kind.schema()]).collect();
            let own = registry
                .schemas()
                .iter()
                .filter(|schema| urns.contains(&&schema.id));
            builder = own.fold(builder, |builder, schema| {
                builder.schema(Schema::clone(schema))
            });
            builder = builder.resource_type(kind.definition().clone());
        }
        let path = format!(
            "{}:{}",
            self.user.schema(),
            self.user.attr(self.attr).path()
        );
        let values: Vec<_> = self.roles().into_iter().map(str::to_owned).collect();
        let builder = builder.characteristics(&path, |roles| {
            roles.mutability = Mutability::ReadOnly;
        })?;
        let builder = builder.characteristics(&format!("{path}.value"), |value| {
            value.canonical_values = values;
        })?;
        builder.build()
    }

    /// Returns the `roles` attribute of the user type.
    pub(super) fn attr(&self) -> AttrId {
        self.attr
    }

    pub(super) fn group(&self) -> &Arc<ResourceType> {
        &self.group
    }

    /// Returns the path of the membership attribute.
    pub(super) fn members(&self) -> &Arc<str> {
        &self.members
    }

    pub(super) fn user(&self) -> &Arc<ResourceType> {
        &self.user
    }

    /// Returns the rules that a group satisfies.
    pub(super) fn matched(
        &self,
        group: &Document,
        meter: &Meter<'_>,
    ) -> Result<MatchedRules, StoreError> {
        let values = self.reader.read(group.text());
        let mut matched = MatchedRules::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let view = ResourceView::of_values(&values);
            if self.group.matches(&rule.predicate, view, meter)? {
                matched.insert(number);
            }
        }
        Ok(matched)
    }

    /// Returns the `roles` of a user whose groups satisfy these rules; `before` if these are its roles already.
    pub(super) fn value(&self, matched: &MatchedRules, before: Option<Value>) -> Option<Value> {
        let rules = matched.iter().filter_map(|number| self.rules.get(*number));
        let mut roles = distinct(rules.map(|rule| &rule.role));
        if roles.is_empty() {
            roles.extend(self.default.as_deref());
        } else if !self.several {
            roles.truncate(1);
        }
        if is_same(before.as_ref(), &roles) {
            return before;
        }
        let role = |(at, role): (usize, &&str)| {
            if at == 0 {
                json!({"value": role, "primary": true})
            } else {
                json!({"value": role})
            }
        };
        let values: Vec<_> = roles.iter().enumerate().map(role).collect();
        (!values.is_empty()).then_some(Value::Array(values))
    }
}

fn distinct<'r>(roles: impl Iterator<Item = &'r String>) -> Vec<&'r str> {
    let mut distinct: Vec<&str> = Vec::new();
    for role in roles {
        if !distinct.contains(&role.as_str()) {
            distinct.push(role);
        }
    }
    distinct
}

/// Returns whether a stored value has exactly these roles. Their order does not count, and neither does which of them is
/// primary if the store does not keep that: an application may have its roles in a table.
fn is_same(value: Option<&Value>, roles: &[&str]) -> bool {
    let elements = value
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let is_primary = |element: &&Value| element.get("primary") == Some(&Value::Bool(true));
    let primary = elements.iter().find(is_primary);
    elements.len() == roles.len()
        && elements
            .iter()
            .all(|element| role(element).is_some_and(|role| roles.contains(&role)))
        && primary.is_none_or(|element| role(element) == roles.first().copied())
}

fn role(element: &Value) -> Option<&str> {
    element.get("value")?.as_str()
}

#[cfg(test)]
mod tests {
    use scimkit_filter::Filter;
    use scimkit_registry::{Meter, Registry, Tolerance};
    use serde_json::{Value, json};

    use super::{MatchedRules, RolePolicy};
    use crate::Document;

    fn policy() -> RolePolicy {
        let registry = Registry::standard();
        let group = registry.resource_type("Group").unwrap();
        let rules = [
            (r#"displayName eq "Admins""#, "admin"),
            (r#"externalId eq "42""#, "billing"),
            (r#"displayName sw "app-""#, "admin"),
        ];
        let mut policy = RolePolicy::new(&registry).unwrap().with_default("guest");
        for (filter, role) in rules {
            let filter = Filter::parse(filter).unwrap();
            let predicate = group.bind_filter(&filter, &Tolerance::STRICT).unwrap();
            policy = policy.with_rule(predicate, role);
        }
        policy
    }

    fn values(policy: &RolePolicy, rules: &[usize]) -> Option<Value> {
        policy.value(&rules.iter().copied().collect(), None)
    }

    #[test]
    fn groups_satisfy_rules_by_name_external_id_and_prefix() {
        let policy = policy();
        assert_eq!(policy.roles(), ["admin", "billing", "guest"]);
        let matched = |document: Value| {
            let document = Document::from_text(document.to_string());
            let matched = policy.matched(&document, &Meter::unlimited()).unwrap();
            matched.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(matched(json!({"displayName": "ADMINS"})), [0]);
        assert_eq!(
            matched(json!({"displayName": "App-One", "externalId": "42"})),
            [1, 2]
        );
        assert!(matched(json!({"displayName": "Sales"})).is_empty());
        assert!(matched(json!({})).is_empty());
    }

    #[test]
    fn first_rule_decides_unless_several_roles_are_wanted() {
        let one = |role| Some(json!([{"value": role, "primary": true}]));
        let policy = policy();
        assert_eq!(values(&policy, &[]), one("guest"));
        assert_eq!(values(&policy, &[1, 2]), one("billing"));
        let several = policy.with_several_roles();
        assert_eq!(values(&several, &[0, 2]), one("admin"));
        let both = json!([{"value": "billing", "primary": true}, {"value": "admin"}]);
        assert_eq!(values(&several, &[1, 2]), Some(both));
        let none = RolePolicy::new(&Registry::standard()).unwrap();
        assert_eq!(values(&none, &[]), None);
    }

    #[test]
    fn equal_roles_stay_as_they_are_stored() {
        let policy = policy().with_several_roles();
        let keep = |rules: &[usize], before: Value| {
            let rules: MatchedRules = rules.iter().copied().collect();
            policy.value(&rules, Some(before.clone())) == Some(before)
        };
        assert!(keep(
            &[1, 2],
            json!([{"value": "admin"}, {"value": "billing"}])
        ));
        assert!(keep(&[0], json!([{"value": "admin", "display": "Admin"}])));
        assert!(!keep(
            &[1, 2],
            json!([{"value": "admin", "primary": true}, {"value": "billing"}])
        ));
        assert!(!keep(
            &[0],
            json!([{"value": "admin"}, {"value": "billing"}])
        ));
        assert!(!keep(&[0], json!([{"value": "billing"}])));
        assert!(!keep(&[0], json!([{"display": "admin"}])));
    }
}
