//! Attribute mappings: from a person of the directory to the attributes of a user, and back for comparison.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::directory::{Person, Presence};

pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Where an attribute is in a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// An attribute of the enterprise extension.
    Enterprise(&'static str),
    Manager,
    Simple(&'static str),
    Sub(&'static str, &'static str),
    /// `value` of the element of that type.
    Typed(&'static str, &'static str),
}

/// What is known of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Active,
    Department,
    Display,
    Email,
    EmployeeNumber,
    Family,
    Given,
    Manager,
    Mobile,
    Object,
    Title,
    UserName,
}

/// One line of an attribute mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute {
    pub(super) place: Place,
    pub(super) source: Source,
}

/// The value that an attribute should have.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    Absent,
    /// The manager has no account yet.
    Later,
    Value(Value),
}

/// The wanted values of a person, in the order of the mapping.
pub(super) type WantedValues = Vec<Wanted>;

pub(super) const fn to(place: Place, source: Source) -> Attribute {
    Attribute { place, source }
}

/// Computes the wanted values of a person. `ids` has the accounts that exist.
pub(super) fn wanted(
    mapping: &[Attribute],
    person: &Person,
    ids: &BTreeMap<u32, String>,
) -> WantedValues {
    let text = |text: &str| Wanted::Value(text.into());
    let perhaps = |value: &Option<String>| value.as_deref().map_or(Wanted::Absent, text);
    let value = |source| match source {
        Source::Active => Wanted::Value((person.state == Presence::Active).into()),
        Source::Department => perhaps(&person.department),
        Source::Display => text(&person.display),
        Source::Email => text(&person.email),
        Source::EmployeeNumber => text(&person.employee_number),
        Source::Family => text(&person.family),
        Source::Given => text(&person.given),
        Source::Manager => match person.manager {
            None => Wanted::Absent,
            Some(manager) => ids.get(&manager).map_or(Wanted::Later, |id| text(id)),
        },
        Source::Mobile => perhaps(&person.mobile),
        Source::Object => text(&person.object),
        Source::Title => perhaps(&person.title),
        Source::UserName => text(&person.user_name),
    };
    mapping
        .iter()
        .map(|attribute| value(attribute.source))
        .collect()
}

/// Returns the member of that name in any case.
pub(super) fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let object = object.as_object()?;
    let exact = object.get(name);
    let any_case = || {
        let found = object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    };
    exact.or_else(any_case).filter(|value| !value.is_null())
}

pub(super) fn text_member<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    member(object, name)?.as_str()
}

impl Place {
    /// Returns the value in a user. If several elements have the type, all of them.
    pub(super) fn read(self, user: &Value) -> Option<Value> {
        match self {
            Place::Enterprise(name) => member(member(user, ENTERPRISE)?, name).cloned(),
            Place::Manager => {
                let manager = member(member(user, ENTERPRISE)?, "manager")?;
                let value = if manager.is_string() {
                    Some(manager)
                } else {
                    member(manager, "value")
                };
                value.cloned()
            }
            Place::Simple(name) => member(user, name).cloned(),
            Place::Sub(name, sub) => member(member(user, name)?, sub).cloned(),
            Place::Typed(name, kind) => {
                let elements = member(user, name)?.as_array()?.iter();
                let typed = |element: &&Value| text_member(element, "type") == Some(kind);
                let mut values: Vec<Value> = elements
                    .filter(typed)
                    .filter_map(|element| member(element, "value").cloned())
                    .collect();
                if values.len() > 1 {
                    Some(values.into())
                } else {
                    values.pop()
                }
            }
        }
    }

    /// Returns the path of the attribute in a PATCH.
    pub(super) fn path(self) -> String {
        match self {
            Place::Enterprise(name) => format!("{ENTERPRISE}:{name}"),
            Place::Manager => format!("{ENTERPRISE}:manager"),
            Place::Simple(name) => name.to_owned(),
            Place::Sub(name, sub) => format!("{name}.{sub}"),
            Place::Typed(name, kind) => format!("{name}[type eq \"{kind}\"].value"),
        }
    }

    /// Sets or removes the value in a user.
    pub(super) fn write(self, user: &mut Map<String, Value>, value: Option<Value>) {
        match self {
            Place::Enterprise(name) => write_in(user, ENTERPRISE, name, value),
            Place::Manager => {
                write_in(
                    user,
                    ENTERPRISE,
                    "manager",
                    value.map(|id| json!({ "value": id })),
                );
            }
            Place::Simple(name) => match value {
                None => drop(user.remove(name)),
                Some(value) => drop(user.insert(name.to_owned(), value)),
            },
            Place::Sub(name, sub) => write_in(user, name, sub, value),
            Place::Typed(name, kind) => write_element(user, name, kind, value),
        }
    }
}

fn write_in(user: &mut Map<String, Value>, outer: &str, inner: &str, value: Option<Value>) {
    match value {
        None => {
            if let Some(Value::Object(object)) = user.get_mut(outer) {
                object.remove(inner);
                if object.is_empty() {
                    user.remove(outer);
                }
            }
        }
        Some(value) => {
            let object = user.entry(outer).or_insert_with(|| json!({}));
            if let Value::Object(object) = object {
                object.insert(inner.to_owned(), value);
            }
        }
    }
}

fn write_element(user: &mut Map<String, Value>, name: &str, kind: &str, value: Option<Value>) {
    let elements = user.entry(name).or_insert_with(|| json!([]));
    let Value::Array(elements) = elements else {
        return;
    };
    let typed = |element: &Value| text_member(element, "type") == Some(kind);
    match value {
        None => elements.retain(|element| !typed(element)),
        Some(value) => match elements.iter_mut().find(|element| typed(element)) {
            Some(Value::Object(element)) => drop(element.insert("value".to_owned(), value)),
            _ if name == "emails" => {
                elements.push(json!({"primary": true, "type": kind, "value": value}));
            }
            _ => elements.push(json!({"type": kind, "value": value})),
        },
    }
    if elements.is_empty() {
        user.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Place;

    #[test]
    fn written_values_are_read_and_removed() {
        let places = [
            Place::Enterprise("department"),
            Place::Manager,
            Place::Simple("title"),
            Place::Sub("name", "givenName"),
            Place::Typed("emails", "work"),
            Place::Typed("phoneNumbers", "mobile"),
        ];
        let mut user = serde_json::Map::new();
        for place in places {
            place.write(&mut user, Some("x".into()));
        }
        for place in places {
            assert_eq!(
                place.read(&Value::Object(user.clone())),
                Some("x".into()),
                "{place:?}"
            );
            place.write(&mut user, None);
        }
        assert_eq!(Value::Object(user), json!({}));
    }

    #[test]
    fn several_elements_of_a_type_are_read_as_a_list() {
        let user =
            json!({"EMAILS": [{"type": "work", "value": "a"}, {"type": "work", "value": "b"}]});
        let emails = Place::Typed("emails", "work");
        assert_eq!(emails.read(&user), Some(json!(["a", "b"])));
    }
}
