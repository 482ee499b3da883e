//! Users and groups as Rust types, without loss of what these do not name.

mod group;
mod user;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

pub use self::{
    group::Group,
    user::{Address, EnterpriseUser, Manager, PersonName, User},
};

/// Defines a type with a field per attribute, and `other` for all other members of the JSON object.
macro_rules! attributes {
    ($(#[$about:meta])* $kind:ident { $($(#[$field_about:meta])* $field:ident: $of:ty = $name:expr,)* }) => {
        $(#[$about])*
        pub struct $kind {
            $($(#[$field_about])* pub $field: $of,)*
            /// The other members of the JSON object, and those that are `null`, `[]` or `{}`.
            pub other: serde_json::Map<String, serde_json::Value>,
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let members = serde::Deserialize::deserialize(input)?;
                let read = $crate::resource::Members::sorted(members, &[$($name),*]);
                let mut members = read.map_err(serde::de::Error::custom)?;
                Ok($kind {
                    $($field: members.take($name).map_err(serde::de::Error::custom)?,)*
                    other: members.other,
                })
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                use serde::ser::Error;

                let mut members = self.other.clone();
                $($crate::resource::put(&mut members, $name, &self.$field).map_err(S::Error::custom)?;)*
                members.serialize(out)
            }
        }
    };
}
use attributes;

attributes! {
    /// One value of a multi-valued attribute, such as an e-mail address, a phone number, a role or a member.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_core::MultiValue;
    ///
    /// let email: MultiValue = serde_json::from_str(r#"{"value": "b@x.example", "Type": "work", "verified": true}"#)?;
    /// assert_eq!((email.value.as_deref(), email.kind.as_deref()), (Some("b@x.example"), Some("work")));
    /// assert_eq!(email.other["verified"], true);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// [RFC 7643, section 2.4](https://www.rfc-editor.org/rfc/rfc7643#section-2.4)
    #[derive(Clone, Debug, Default, PartialEq)]
    MultiValue {
        /// The value; of a member, its id.
        value: Option<String> = "value",
        /// The name for people to read.
        display: Option<String> = "display",
        /// `type`: `work`, `home` or another label; of a member, its resource type.
        kind: Option<String> = "type",
        /// Whether the value is the preferred one.
        primary: Option<bool> = "primary",
        /// `$ref`: the URI of the resource that the value is about.
        reference: Option<String> = "$ref",
    }
}

impl MultiValue {
    /// Creates a value without a type.
    pub fn new(value: impl Into<String>) -> Self {
        MultiValue {
            value: Some(value.into()),
            ..MultiValue::default()
        }
    }

    /// Sets the type.
    #[must_use]
    pub fn with_kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }
}

/// Returns the primary value, otherwise the first.
fn leading<'v>(values: impl IntoIterator<Item = &'v MultiValue>) -> Option<&'v MultiValue> {
    let mut values = values.into_iter();
    let first = values.next()?;
    let mut primary = [first].into_iter().chain(values);
    primary
        .find(|value| value.primary == Some(true))
        .or(Some(first))
}

/// Returns the values of that type, ignoring case.
fn of_kind<'v>(values: &'v [MultiValue], kind: &str) -> impl Iterator<Item = &'v MultiValue> {
    let is_kind = move |value: &&MultiValue| {
        let given = value.kind.as_deref();
        given.is_some_and(|given| given.eq_ignore_ascii_case(kind))
    };
    values.iter().filter(is_kind)
}

/// The members of a JSON object, of which some become fields.
struct Members {
    known: Map<String, Value>,
    other: Map<String, Value>,
}

impl Members {
    /// Sorts the members by whether they are among `names`, ignoring case.
    ///
    /// # Errors
    /// The object has one of the names twice.
    fn sorted(members: Map<String, Value>, names: &[&str]) -> Result<Self, String> {
        let mut known = Map::new();
        let mut other = Map::new();
        for (name, value) in members {
            let is_same = |known: &&&str| known.eq_ignore_ascii_case(&name);
            let Some(name) = names.iter().find(is_same) else {
                other.insert(name, value);
                continue;
            };
            if known.insert((*name).to_owned(), value).is_some() {
                return Err(format!("`{name}` occurs twice in one object"));
            }
        }
        Ok(Members { known, other })
    }

    /// Takes the value of a field. If it is unassigned, it stays among the others, so that it is written as it was read.
    fn take<T: DeserializeOwned + Default>(&mut self, name: &str) -> Result<T, String> {
        match self.known.remove(name) {
            None => Ok(T::default()),
            Some(value) if is_unassigned(&value) => {
                self.other.insert(name.to_owned(), value);
                Ok(T::default())
            }
            Some(value) => {
                serde_json::from_value(value).map_err(|problem| format!("`{name}`: {problem}"))
            }
        }
    }
}

/// Writes the value of a field, unless it is unassigned.
fn put<T: Serialize>(
    members: &mut Map<String, Value>,
    name: &str,
    field: &T,
) -> Result<(), serde_json::Error> {
    let value = serde_json::to_value(field)?;
    if !is_unassigned(&value) {
        members.insert(name.to_owned(), value);
    }
    Ok(())
}

/// Returns whether a value means unassigned ([RFC 7643, section 2.5]).
///
/// [RFC 7643, section 2.5]: https://www.rfc-editor.org/rfc/rfc7643#section-2.5
fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
