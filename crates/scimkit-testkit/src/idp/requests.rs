//! The requests of an identity provider, from its dialect.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Map, Value, json};

use super::{
    attributes::{Place, Wanted, WantedValues, member, text_member},
    dialect::{Activation, Dialect, GroupMatch, GroupRename, RemoveMembers, Update},
    directory::{Person, Team},
};
use crate::replay::encoded;

/// A request without the headers of its dialect.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) body: Option<Value>,
    pub(super) method: Method,
    pub(super) path: String,
}

impl Call {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Call {
            body: None,
            method: Method::GET,
            path: path.into(),
        }
    }

    pub(super) fn delete(endpoint: &str, id: &str) -> Self {
        Call {
            body: None,
            method: Method::DELETE,
            path: resource(endpoint, id),
        }
    }

    fn with_body(method: Method, path: String, body: Value) -> Self {
        Call {
            body: Some(body),
            method,
            path,
        }
    }

    fn patch(endpoint: &str, id: &str, operations: &[Value]) -> Self {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        Call::with_body(Method::PATCH, resource(endpoint, id), body)
    }
}

/// Returns the path of a resource.
pub(super) fn resource(endpoint: &str, id: &str) -> String {
    format!("{endpoint}/{}", encoded(id))
}

/// Returns the path of a page of a list.
pub(super) fn page(endpoint: &str, start: usize, count: usize) -> String {
    format!("{endpoint}?startIndex={start}&count={count}")
}

impl Dialect {
    fn filter(&self, attribute: &str, value: &str) -> String {
        let quoted = Value::from(value).to_string();
        let space = self.space;
        format!(
            "{attribute}{space}eq{space}{}{}",
            encoded(&quoted).replace("%20", space),
            self.match_suffix
        )
    }

    pub(super) fn find_user(&self, user_name: &str) -> Call {
        Call::get(format!(
            "/Users?filter={}",
            self.filter("userName", user_name)
        ))
    }

    pub(super) fn read_user(&self, id: &str) -> Call {
        Call::get(resource("/Users", id))
    }

    pub(super) fn create_user(&self, wanted: &WantedValues, password: u64) -> Call {
        let mut user = constants(self.create_constants);
        user.insert("schemas".to_owned(), json!(self.user_schemas));
        self.write_all(&mut user, wanted);
        if self.password {
            user.insert("password".to_owned(), format!("{password:016x}A!").into());
        }
        Call::with_body(Method::POST, "/Users".to_owned(), user.into())
    }

    /// Returns the requests that change a user into what is wanted; none if it is that already.
    pub(super) fn update_user(&self, id: &str, user: &Value, wanted: &WantedValues) -> Vec<Call> {
        let changes: Vec<(Place, Option<Value>, bool)> = self
            .mapping
            .iter()
            .zip(wanted)
            .filter_map(|(attribute, wanted)| {
                let current = attribute.place.read(user);
                let wanted = match wanted {
                    Wanted::Absent => None,
                    Wanted::Later => return None,
                    Wanted::Value(value) => Some(value.clone()),
                };
                (current != wanted).then(|| (attribute.place, wanted, current.is_some()))
            })
            .collect();
        let mut calls = Vec::new();
        let mut others = changes.len();
        let activation = changes
            .iter()
            .find(|(place, ..)| *place == Place::Simple("active"));
        if let (Some((_, Some(active), _)), true) =
            (activation, self.activation != Activation::Update)
        {
            let operation = match self.activation {
                Activation::PatchPath => {
                    json!({"op": "replace", "path": "active", "value": active})
                }
                _ => json!({"op": "replace", "value": {"active": active}}),
            };
            calls.push(Call::patch("/Users", id, &[operation]));
            others -= 1;
        }
        if others == 0 {
            return calls;
        }
        calls.push(match self.update {
            Update::PatchPaths => Call::patch("/Users", id, &path_operations(&changes)),
            Update::PatchValue => Call::patch("/Users", id, &value_operations(changes)),
            Update::PutMerged => {
                let mut body = user.as_object().cloned().unwrap_or_default();
                body.insert("schemas".to_owned(), self.schemas_with(user));
                body.insert("groups".to_owned(), json!([]));
                body.insert("meta".to_owned(), json!({"resourceType": "User"}));
                self.put(id, body, wanted)
            }
            Update::PutTemplate => {
                let mut body = constants(self.create_constants);
                body.insert("schemas".to_owned(), json!(self.user_schemas));
                body.insert("id".to_owned(), id.into());
                self.put(id, body, wanted)
            }
        });
        calls
    }

    /// The schemas of a user, and those of the dialect.
    fn schemas_with(&self, user: &Value) -> Value {
        let schemas = member(user, "schemas").and_then(Value::as_array);
        let mut schemas = schemas.cloned().unwrap_or_default();
        for urn in self.user_schemas {
            if !schemas.iter().any(|schema| schema == urn) {
                schemas.push((*urn).into());
            }
        }
        schemas.into()
    }

    fn put(&self, id: &str, mut body: Map<String, Value>, wanted: &WantedValues) -> Call {
        self.write_all(&mut body, wanted);
        Call::with_body(Method::PUT, resource("/Users", id), body.into())
    }

    fn write_all(&self, user: &mut Map<String, Value>, wanted: &WantedValues) {
        for (attribute, wanted) in self.mapping.iter().zip(wanted) {
            match wanted {
                Wanted::Value(value) => attribute.place.write(user, Some(value.clone())),
                _ => {
                    attribute.place.write(user, None);
                    if let (Place::Simple(name), true) = (attribute.place, self.explicit_nulls) {
                        user.insert(name.to_owned(), Value::Null);
                    }
                }
            }
        }
    }

    /// Returns the search for a group, or none if the groups have to be listed.
    pub(super) fn find_group(&self, name: &str) -> Option<Call> {
        match self.group_match {
            GroupMatch::Filter { query } => {
                let filter = self.filter("displayName", name);
                Some(Call::get(format!("/Groups?{query}{filter}")))
            }
            GroupMatch::List => None,
        }
    }

    pub(super) fn create_group(&self, team: &Team) -> Call {
        let mut group = constants(self.group_constants);
        group.insert("schemas".to_owned(), json!(self.group_schemas));
        group.insert("displayName".to_owned(), team.name.as_str().into());
        if self.sends_group_objects() {
            group.insert("externalId".to_owned(), team.object.as_str().into());
        }
        Call::with_body(Method::POST, "/Groups".to_owned(), group.into())
    }

    /// Whether groups have an `externalId`.
    fn sends_group_objects(&self) -> bool {
        matches!(self.update, Update::PatchPaths | Update::PatchValue)
    }

    pub(super) fn rename_group(&self, id: &str, name: &str) -> Call {
        let operation = match self.group_rename {
            GroupRename::Path(op) => json!({"op": op, "path": "displayName", "value": name}),
            GroupRename::Value => {
                json!({"op": "replace", "value": {"id": id, "displayName": name}})
            }
        };
        Call::patch("/Groups", id, &[operation])
    }

    /// Returns the PATCH that adds and removes members, which are ids with user names.
    pub(super) fn change_members(&self, group: &str, add: &[Member], remove: &[Member]) -> Call {
        let mut operations = Vec::new();
        match self.members.remove {
            _ if remove.is_empty() => {}
            RemoveMembers::Filter => operations.extend(remove.iter().map(|member| {
                let path = format!("members[value eq {}]", Value::from(member.id.as_str()));
                json!({"op": "remove", "path": path})
            })),
            RemoveMembers::Values { op, null_ref } => {
                let value = remove.iter().map(|member| {
                    if null_ref {
                        json!({"$ref": null, "value": member.id})
                    } else {
                        json!({"value": member.id})
                    }
                });
                let value: Vec<Value> = value.collect();
                operations.push(json!({"op": op, "path": "members", "value": value}));
            }
        }
        if !add.is_empty() {
            let value = self.member_list(add);
            operations.push(json!({"op": self.members.add, "path": "members", "value": value}));
        }
        Call::patch("/Groups", group, &operations)
    }

    /// Returns the PATCH that replaces all members.
    pub(super) fn replace_members(&self, group: &str, members: &[Member]) -> Call {
        let value = self.member_list(members);
        Call::patch(
            "/Groups",
            group,
            &[json!({"op": "replace", "path": "members", "value": value})],
        )
    }

    fn member_list(&self, members: &[Member]) -> Vec<Value> {
        let value = members.iter().map(|member| {
            if self.members.display {
                json!({"value": member.id, "display": member.user_name})
            } else {
                json!({"value": member.id})
            }
        });
        value.collect()
    }
}

/// A member of a group.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) key: u32,
    pub(super) user_name: String,
}

/// What the application itself creates: an account under the user name in another case.
pub(super) fn early_account(person: &Person) -> Call {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": super::names::other_case(&person.user_name),
        "active": true,
    });
    Call::with_body(Method::POST, "/Users".to_owned(), body)
}

fn constants(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

/// One operation per attribute, as Entra ID sends them without its flag.
fn path_operations(changes: &[(Place, Option<Value>, bool)]) -> Vec<Value> {
    let operation = |(place, wanted, is_there): &(Place, Option<Value>, bool)| {
        let op = if *is_there { "Replace" } else { "Add" };
        match wanted {
            None => json!({"op": "Remove", "path": place.path()}),
            Some(Value::Bool(true)) => json!({"op": op, "path": place.path(), "value": "True"}),
            Some(Value::Bool(false)) => json!({"op": op, "path": place.path(), "value": "False"}),
            Some(value) => json!({"op": op, "path": place.path(), "value": value}),
        }
    };
    changes.iter().map(operation).collect()
}

/// One operation with all simple attributes, as Entra ID sends them with its flag; others have operations of their own.
fn value_operations(changes: Vec<(Place, Option<Value>, bool)>) -> Vec<Value> {
    let mut operations = Vec::new();
    let (mut added, mut replaced) = (Map::new(), Map::new());
    for (place, wanted, is_there) in changes {
        let op = if is_there { "replace" } else { "add" };
        match (place, wanted) {
            (place, None) => operations.push(json!({"op": "remove", "path": place.path()})),
            (Place::Typed(..), Some(value)) => {
                operations.push(json!({"op": op, "path": place.path(), "value": value}));
            }
            (place, Some(value)) => {
                let value = if place == Place::Manager {
                    json!({ "value": value })
                } else {
                    value
                };
                let object = if is_there { &mut replaced } else { &mut added };
                object.insert(place.path(), value);
            }
        }
    }
    for (op, object) in [("add", added), ("replace", replaced)] {
        if !object.is_empty() {
            operations.push(json!({"op": op, "value": object}));
        }
    }
    operations
}

/// Returns the ids of members in a group.
pub(super) fn member_ids(group: &Value) -> BTreeSet<String> {
    let members = member(group, "members").and_then(Value::as_array);
    let ids = members.into_iter().flatten();
    ids.filter_map(|member| text_member(member, "value"))
        .map(str::to_owned)
        .collect()
}
