//! The input of a plan.

use scimkit_registry::ResourceId;

use crate::sync::{
    entry::{DirectoryGroup, DirectoryUser},
    link::Link,
    state::{StateGroup, StateUser},
};

/// A closed piece of a tenant: users and groups of the provisioned state and of the directory, and the links between
/// them.
///
/// It has every user and group that is linked to one of its users and groups, or matches one of them. So a whole tenant
/// is a piece, and the plans of several pieces together are the plan of the tenant.
#[derive(Debug, Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "the parts of a piece, by name")]
pub struct PlanInput {
    /// The groups of the directory.
    pub directory_groups: Vec<DirectoryGroup>,
    /// The users of the directory.
    pub directory_users: Vec<DirectoryUser>,
    /// The groups of the provisioned state.
    pub groups: Vec<StateGroup>,
    /// The links from its users and groups, and to them.
    pub links: Vec<Link>,
    /// The users of the provisioned state.
    pub users: Vec<StateUser>,
}

/// A pending exemption, and the user of the directory that has its e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "the two sides of a binding")]
pub struct ExemptionBinding {
    /// The e-mail address.
    pub email: String,
    /// The id of the user in the directory.
    pub id: ResourceId,
}
