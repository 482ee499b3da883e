//! Access of a caller to resource types.

use std::sync::Arc;

use scimkit_core::ErrorResponse;
use scimkit_registry::{Attr, AttrId, AttributeRole, Registry, ResourceType};
use scimkit_store::{ConnectionSettings, TokenScopes, target_types};

use crate::attrs::memberships;

/// The access of a caller to each resource type; by default, full access.
///
/// Discovery endpoints are open to every caller.
///
/// # Example
/// ```
/// use scimkit_server::{Access, AccessLevel};
///
/// let access = Access::all(AccessLevel::Read).with_level("User", AccessLevel::Write);
/// assert_eq!(access.level("user"), AccessLevel::Write);
/// assert_eq!(access.level("Group"), AccessLevel::Read);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    others: AccessLevel,
    types: Vec<(String, AccessLevel)>,
}

/// The extent of a caller's access to one resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each level is all of those below it"
)]
pub enum AccessLevel {
    /// The type is disabled for the connection: requests get a 403, and discovery hides the type.
    Disabled,
    /// The type is enabled, but the caller has no access: requests get a 403.
    Denied,
    /// The caller can read and search the type.
    Read,
    /// The caller can also write the type.
    Write,
}

impl Access {
    /// Creates access with the same level for every type.
    #[must_use]
    pub fn all(level: AccessLevel) -> Self {
        let (others, types) = (level, Vec::new());
        Access { others, types }
    }

    /// Returns the access of a caller with these token scopes, through a connection with these settings.
    ///
    /// - A disabled type is [`AccessLevel::Disabled`], whatever the scopes.
    /// - `users` allows writing users; `groups` allows writing groups and every other type.
    /// - Write access includes read access; `read` allows reading every enabled type.
    #[must_use]
    pub fn for_token(rules: &ConnectionSettings, scopes: TokenScopes) -> Self {
        let level = |on: bool, write: bool| match (on, write, scopes.read) {
            (false, ..) => AccessLevel::Disabled,
            (true, true, _) => AccessLevel::Write,
            (true, false, true) => AccessLevel::Read,
            (true, false, false) => AccessLevel::Denied,
        };
        let mut access = Access::all(level(true, scopes.groups));
        let groups = level(rules.groups.is_accepted(), scopes.groups);
        let users = level(rules.users, scopes.users);
        if groups != access.others {
            access = access.with_level("Group", groups);
        }
        if users != access.others {
            access = access.with_level("User", users);
        }
        access
    }

    /// Sets the level for the type with this name.
    #[must_use]
    pub fn with_level(mut self, resource_type: impl Into<String>, level: AccessLevel) -> Self {
        self.types.insert(0, (resource_type.into(), level));
        self
    }

    /// Returns the level for the type with this name, ignoring case.
    #[must_use]
    pub fn level(&self, resource_type: &str) -> AccessLevel {
        let mut types = self.types.iter();
        let found = types.find(|(name, _)| name.eq_ignore_ascii_case(resource_type));
        found.map_or(self.others, |(_, level)| *level)
    }

    /// Checks that a caller has the wanted level for a type.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn check(
        &self,
        kind: &ResourceType,
        wanted: AccessLevel,
    ) -> Result<(), ErrorResponse> {
        let level = self.level(kind.name());
        let name = kind.name();
        let detail = match (level, wanted) {
            _ if level >= wanted => return Ok(()),
            (AccessLevel::Disabled, _) => format!("{name} is disabled for this connection"),
            (_, AccessLevel::Write) => format!("these credentials may not write {name}"),
            _ => format!("these credentials may not read {name}"),
        };
        Err(ErrorResponse::forbidden(detail))
    }

    /// Returns the attributes of a type that refer back to resources that the caller may not read, such as the
    /// `groups` of a user if groups are disabled. The members of a group are the group's own attribute, so they are
    /// visible with the group.
    pub(crate) fn hidden(&self, registry: &Registry, kind: &ResourceType) -> Vec<AttrId> {
        if self.types.is_empty() && self.others >= AccessLevel::Read {
            return Vec::new();
        }
        let attrs = kind.completed_attributes();
        let inverse = attrs.filter(|attr| attr.role() == AttributeRole::Inverse);
        let hides = |attr: &&Attr| {
            // The RFC lists users among the owners of a user's memberships, but users have no members.
            let has_members = |to: &&Arc<ResourceType>| memberships(to).next().is_some();
            let leads_to = target_types(registry, kind, attr.id()).into_iter();
            let mut owners = leads_to.filter(has_members);
            owners.all(|to| self.level(to.name()) < AccessLevel::Read)
        };
        inverse.filter(hides).map(Attr::id).collect()
    }

    /// Returns the types that the caller may read.
    ///
    /// # Errors
    /// 403 if there are none.
    pub(crate) fn readable(
        &self,
        types: &[Arc<ResourceType>],
    ) -> Result<Vec<Arc<ResourceType>>, ErrorResponse> {
        let readable = types
            .iter()
            .filter(|kind| self.level(kind.name()) >= AccessLevel::Read);
        let readable: Vec<_> = readable.cloned().collect();
        if readable.is_empty() {
            Err(ErrorResponse::forbidden(
                "these credentials may read nothing",
            ))
        } else {
            Ok(readable)
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        Access::all(AccessLevel::Write)
    }
}
