//! What a caller may do.

use std::sync::Arc;

use scimkit_core::ErrorResponse;
use scimkit_registry::{Attr, AttrId, AttributeRole, Registry, ResourceType};
use scimkit_store::{ConnectionSettings, TokenScopes, target_types};

use crate::attrs::memberships;

/// What a caller may do with the resources of each type; everything, unless told otherwise.
///
/// Discovery endpoints are open to every caller.
///
/// # Example
/// ```
/// use scimkit_server::{Access, AccessLevel};
///
/// let access = Access::all(AccessLevel::Read).with("User", AccessLevel::Write);
/// assert_eq!(access.level("user"), AccessLevel::Write);
/// assert_eq!(access.level("Group"), AccessLevel::Read);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    others: AccessLevel,
    types: Vec<(String, AccessLevel)>,
}

/// How far a caller may go with one type of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each level is all of those below it"
)]
pub enum AccessLevel {
    /// The type is switched off for the connection: 403, and discovery does not show it.
    Disabled,
    /// The type is there, and not for this caller: 403.
    Denied,
    /// It may be read and searched.
    Read,
    /// It may be written, too.
    Write,
}

impl Access {
    /// That level for every type.
    #[must_use]
    pub fn all(level: AccessLevel) -> Self {
        let (others, types) = (level, Vec::new());
        Access { others, types }
    }

    /// Returns the access of a caller whose token has these scopes, through a connection with these
    /// settings.
    ///
    /// - A disabled type is [`AccessLevel::Disabled`], whatever the scopes.
    /// - `users` writes users; `groups` writes groups and every other type.
    /// - Access to write a type includes access to read it; `read` reads every enabled type.
    #[must_use]
    pub fn for_token(rules: &ConnectionSettings, scopes: TokenScopes) -> Self {
        let level = |on: bool, write: bool| match (on, write, scopes.read) {
            (false, ..) => AccessLevel::Disabled,
            (true, true, _) => AccessLevel::Write,
            (true, false, true) => AccessLevel::Read,
            (true, false, false) => AccessLevel::Denied,
        };
        let mut access = Access::all(level(true, scopes.groups));
        let (groups, users) = (
            level(rules.groups, scopes.groups),
            level(rules.users, scopes.users),
        );
        if groups != access.others {
            access = access.with("Group", groups);
        }
        if users != access.others {
            access = access.with("User", users);
        }
        access
    }

    /// Another level for the type of that name.
    #[must_use]
    pub fn with(mut self, resource_type: impl Into<String>, level: AccessLevel) -> Self {
        self.types.insert(0, (resource_type.into(), level));
        self
    }

    /// The level for the type of that name, ignoring case.
    #[must_use]
    pub fn level(&self, resource_type: &str) -> AccessLevel {
        let mut types = self.types.iter();
        let found = types.find(|(name, _)| name.eq_ignore_ascii_case(resource_type));
        found.map_or(self.others, |(_, level)| *level)
    }

    /// Checks that a caller may go that far with a type.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn check(
        &self,
        kind: &ResourceType,
        wanted: AccessLevel,
    ) -> Result<(), ErrorResponse> {
        let (level, name) = (self.level(kind.name()), kind.name());
        let detail = match (level, wanted) {
            _ if level >= wanted => return Ok(()),
            (AccessLevel::Disabled, _) => format!("{name} is disabled for this connection"),
            (_, AccessLevel::Write) => format!("these credentials may not write {name}"),
            _ => format!("these credentials may not read {name}"),
        };
        Err(ErrorResponse::forbidden(detail))
    }

    /// The attributes of a type that lead back to what may not be read, such as the `groups` of a user
    /// where groups are switched off. Members are the group's own attribute, and shown with it.
    pub(crate) fn hidden(&self, registry: &Registry, kind: &ResourceType) -> Vec<AttrId> {
        if self.types.is_empty() && self.others >= AccessLevel::Read {
            return Vec::new();
        }
        let attrs = kind.completed_attributes();
        let inverse = attrs.filter(|attr| attr.role() == AttributeRole::Inverse);
        let hides = |attr: &&Attr| {
            // The RFC has users among those that a user is a member of; they have no members.
            let has_members = |to: &&Arc<ResourceType>| memberships(to).next().is_some();
            let leads_to = target_types(registry, kind, attr.id()).into_iter();
            let mut owners = leads_to.filter(has_members);
            owners.all(|to| self.level(to.name()) < AccessLevel::Read)
        };
        inverse.filter(hides).map(Attr::id).collect()
    }

    /// Those of the types that may be read.
    ///
    /// # Errors
    /// 403 when there are none.
    pub(crate) fn readable(
        &self,
        types: &[Arc<ResourceType>],
    ) -> Result<Vec<Arc<ResourceType>>, ErrorResponse> {
        let readable = types
            .iter()
            .filter(|kind| self.level(kind.name()) >= AccessLevel::Read);
        let readable: Vec<_> = readable.cloned().collect();
        match readable.is_empty() {
            true => Err(ErrorResponse::forbidden(
                "these credentials may read nothing",
            )),
            false => Ok(readable),
        }
    }
}

impl Default for Access {
    fn default() -> Self {
        Access::all(AccessLevel::Write)
    }
}
