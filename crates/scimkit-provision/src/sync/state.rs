//! Users and groups of the provisioned state, as a plan needs them.

use scimkit_mapping::Record;
use scimkit_registry::{Resource, ResourceId};
use scimkit_store::ConnectionId;

use super::{
    fields::DeliveredFields,
    rules::{ConnectionRules, GroupSource},
};

/// A user of the provisioned state.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StateUser {
    /// The connection that owns the user.
    pub connection: ConnectionId,
    /// The fields to deliver, or the reason why a value can't be converted.
    pub fields: Result<Record, String>,
    /// The value from which the group of the user is derived, if groups are.
    pub group: Option<String>,
    /// The id in the provisioned state.
    pub id: ResourceId,
    /// Whether the user is active; a user without a value is.
    pub is_active: bool,
    /// The user name.
    pub name: String,
}

impl StateUser {
    /// Reads a user as the rules of its connection deliver it.
    #[must_use]
    pub fn new(
        connection: ConnectionId,
        rules: &ConnectionRules,
        id: ResourceId,
        user: &Resource,
    ) -> Self {
        let attributes = user.as_map();
        let name = attributes.get("userName").and_then(|name| name.as_str());
        StateUser {
            connection,
            fields: fields(&rules.users, user),
            group: rules.groups.value_for(user),
            is_active: attributes.get("active").and_then(|active| active.as_bool()) != Some(false),
            name: name.unwrap_or(id.as_str()).to_owned(),
            id,
        }
    }
}

/// Returns the fields to deliver, or the reason why they can't be.
fn fields(delivered: &DeliveredFields, resource: &Resource) -> Result<Record, String> {
    if let Some(path) = delivered.missing(resource) {
        return Err(format!("`{path}` is required"));
    }
    let record = delivered.record(resource);
    record.map_err(|problem| problem.to_string())
}

/// A group of the provisioned state.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StateGroup {
    /// The connection that owns the group.
    pub connection: ConnectionId,
    /// The fields to deliver, or the reason why a value can't be converted. Without rules that mirror groups, there
    /// are none.
    pub fields: Result<Record, String>,
    /// The id in the provisioned state.
    pub id: ResourceId,
    /// The ids of its users. Groups in groups are not delivered.
    pub members: Vec<ResourceId>,
    /// The display name.
    pub name: String,
}

impl StateGroup {
    /// Reads a group as the rules of its connection deliver it, with the users that are its members.
    #[must_use]
    pub fn new(
        connection: ConnectionId,
        rules: &ConnectionRules,
        id: ResourceId,
        group: &Resource,
        members: Vec<ResourceId>,
    ) -> Self {
        let name = group
            .as_map()
            .get("displayName")
            .and_then(|name| name.as_str());
        let fields = match &rules.groups {
            GroupSource::Mirrored(delivered) => fields(delivered, group),
            GroupSource::Derived { .. } | GroupSource::Fixed(_) | GroupSource::None => {
                Ok(Record::new())
            }
        };
        StateGroup {
            connection,
            fields,
            members,
            name: name.unwrap_or(id.as_str()).to_owned(),
            id,
        }
    }
}
