//! How each identity provider speaks, as data.
//!
//! The forms of requests are those of the scenarios in the folder `corpus`, which name their sources.

use super::attributes::{
    Attribute,
    Place::{Enterprise, Manager, Simple, Sub, Typed},
    Source, to,
};

/// The way in which an identity provider provisions.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) accept: Option<&'static str>,
    pub(super) activation: Activation,
    pub(super) content_type: &'static str,
    /// Members of each new user that no attribute of the directory has, as JSON.
    pub(super) create_constants: &'static str,
    /// Whether absent values are sent as null in whole users.
    pub(super) explicit_nulls: bool,
    pub(super) group_constants: &'static str,
    pub(super) group_match: GroupMatch,
    pub(super) group_rename: GroupRename,
    pub(super) group_schemas: &'static [&'static str],
    /// Whether the first cycle, and each cycle that starts anew, reads all users and groups before.
    pub(super) imports: bool,
    pub(super) mapping: &'static [Attribute],
    /// What follows the filter of a search.
    pub(super) match_suffix: &'static str,
    pub(super) members: Members,
    /// Whether a new user has a random password.
    pub(super) password: bool,
    pub(super) removal: Removal,
    /// How a space in a query is written.
    pub(super) space: &'static str,
    /// The requests that test a connection. `{guid}` is a random UUID.
    pub(super) test: &'static [&'static str],
    pub(super) test_creates: bool,
    pub(super) update: Update,
    pub(super) user_agent: Option<&'static str>,
    pub(super) user_schemas: &'static [&'static str],
}

/// How a user is updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    /// One operation per attribute, with `Add`, `Replace`, `Remove` and booleans in strings.
    PatchPaths,
    /// One operation for all simple attributes, without a path.
    PatchValue,
    /// PUT of the user as the server returned it, with the mapped attributes replaced.
    PutMerged,
    /// PUT of the mapped attributes alone.
    PutTemplate,
}

/// How a user is deactivated and activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    /// A PATCH with the path `active`.
    PatchPath,
    /// A PATCH without a path.
    PatchValue,
    /// As every other attribute.
    Update,
}

/// When the account of a leaver is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// Right after the deactivation.
    AtOnce,
    Never,
    /// When the person is removed from the directory.
    WithPerson,
}

/// How an existing group is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupMatch {
    /// By a filter on `displayName`.
    Filter { query: &'static str },
    /// In the list of all groups.
    List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupRename {
    Path(&'static str),
    /// An object with `id` and `displayName`, without a path.
    Value,
}

/// How memberships change.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) add: &'static str,
    /// Members in one request, at most.
    pub(super) batch: usize,
    /// Whether additions carry the user name as `display`.
    pub(super) display: bool,
    /// Whether one PATCH has all changes of a group.
    pub(super) one_request: bool,
    pub(super) remove: RemoveMembers,
    /// Whether a group whose members are unknown gets all of them by `replace`.
    pub(super) replaces: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemoveMembers {
    /// An operation with the path `members[value eq "…"]` per member.
    Filter,
    /// A list in `value`, with or without `$ref`.
    Values { op: &'static str, null_ref: bool },
}

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = super::attributes::ENTERPRISE;

/// The attributes that every identity provider maps, and the manager.
const WITH_MANAGER: &[Attribute] = &[
    to(Simple("userName"), Source::UserName),
    to(Simple("externalId"), Source::Object),
    to(Simple("active"), Source::Active),
    to(Simple("displayName"), Source::Display),
    to(Sub("name", "givenName"), Source::Given),
    to(Sub("name", "familyName"), Source::Family),
    to(Typed("emails", "work"), Source::Email),
    to(Simple("title"), Source::Title),
    to(Typed("phoneNumbers", "mobile"), Source::Mobile),
    to(Enterprise("department"), Source::Department),
    to(Enterprise("employeeNumber"), Source::EmployeeNumber),
    to(Manager, Source::Manager),
];

const WITHOUT_MANAGER: &[Attribute] = match WITH_MANAGER.split_last() {
    Some((_, others)) => others,
    None => WITH_MANAGER,
};

pub(super) const ENTRA: Dialect = Dialect {
    accept: None,
    activation: Activation::Update,
    content_type: "application/scim+json; charset=utf-8",
    create_constants: r#"{"meta": {"resourceType": "User"}, "roles": []}"#,
    explicit_nulls: false,
    group_constants: r#"{"meta": {"resourceType": "Group"}}"#,
    group_match: GroupMatch::Filter {
        query: "excludedAttributes=members&filter=",
    },
    group_rename: GroupRename::Path("Replace"),
    group_schemas: &[
        GROUP,
        "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
    ],
    imports: false,
    mapping: WITH_MANAGER,
    match_suffix: "",
    members: Members {
        add: "Add",
        batch: 4,
        display: false,
        one_request: false,
        remove: RemoveMembers::Values {
            op: "Remove",
            null_ref: true,
        },
        replaces: false,
    },
    password: false,
    removal: Removal::WithPerson,
    space: "+",
    test: &[
        "/Users?filter=userName+eq+%22{guid}%22",
        "/Groups?excludedAttributes=members&filter=displayName+eq+%22{guid}%22",
    ],
    test_creates: false,
    update: Update::PatchPaths,
    user_agent: None,
    user_schemas: &[USER, ENTERPRISE],
};

/// Entra ID with the flag `aadOptscim062020` in the tenant URL.
pub(super) const ENTRA_FLAG: Dialect = Dialect {
    group_rename: GroupRename::Path("replace"),
    group_schemas: &[GROUP],
    members: Members {
        add: "add",
        batch: 20,
        remove: RemoveMembers::Filter,
        ..ENTRA.members
    },
    update: Update::PatchValue,
    ..ENTRA
};

/// Applications of Okta's integration wizard.
pub(super) const OKTA: Dialect = Dialect {
    accept: Some("application/scim+json"),
    activation: Activation::Update,
    content_type: "application/scim+json; charset=utf-8",
    create_constants: r#"{"groups": [], "locale": "en-US"}"#,
    explicit_nulls: false,
    group_constants: r#"{"members": []}"#,
    group_match: GroupMatch::Filter { query: "filter=" },
    group_rename: GroupRename::Value,
    group_schemas: &[GROUP],
    imports: true,
    mapping: WITHOUT_MANAGER,
    match_suffix: "&startIndex=1&count=100",
    members: Members {
        add: "add",
        batch: 100,
        display: true,
        one_request: true,
        remove: RemoveMembers::Filter,
        replaces: true,
    },
    password: true,
    removal: Removal::Never,
    space: "%20",
    test: &[
        "/Users?startIndex=1&count=2",
        "/Groups?startIndex=1&count=100",
    ],
    test_creates: false,
    update: Update::PutMerged,
    user_agent: Some("Okta SCIM Client 1.0.0"),
    user_schemas: &[USER, ENTERPRISE],
};

/// Applications of the Okta Integration Network.
pub(super) const OKTA_OIN: Dialect = Dialect {
    activation: Activation::PatchValue,
    ..OKTA
};

pub(super) const ONELOGIN: Dialect = Dialect {
    accept: None,
    activation: Activation::PatchPath,
    content_type: "application/scim+json",
    create_constants: "{}",
    explicit_nulls: true,
    group_constants: "{}",
    group_match: GroupMatch::List,
    group_rename: GroupRename::Path("replace"),
    group_schemas: &[GROUP],
    imports: false,
    mapping: WITH_MANAGER,
    match_suffix: "",
    members: Members {
        add: "add",
        batch: 1,
        display: false,
        one_request: false,
        remove: RemoveMembers::Filter,
        replaces: false,
    },
    password: false,
    removal: Removal::WithPerson,
    space: "%20",
    test: &["/Users?startIndex=1&count=1"],
    test_creates: false,
    update: Update::PutTemplate,
    user_agent: Some(""),
    user_schemas: &[USER, ENTERPRISE],
};

pub(super) const JUMPCLOUD: Dialect = Dialect {
    explicit_nulls: false,
    group_constants: r#"{"members": []}"#,
    group_match: GroupMatch::Filter { query: "filter=" },
    mapping: WITHOUT_MANAGER,
    members: Members {
        remove: RemoveMembers::Values {
            op: "remove",
            null_ref: false,
        },
        ..ONELOGIN.members
    },
    removal: Removal::AtOnce,
    test: &["/Users"],
    test_creates: true,
    user_agent: None,
    ..ONELOGIN
};
