//! Admission: the one door through which JSON from outside becomes a [`Resource`].

use scimkit_core::{DataType, Mutability};
use scimkit_filter::{Limits, Path};
use serde_json::{Map, Value};

use crate::{
    Attr, AttrId, Error, Resource, ResourceType, Role, Target, Tolerance, Unknown,
    predicate::{boolean, type_name},
};

/// One member of a JSON object, bound to what it names.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The member's name as sent.
    pub name: String,
    /// What the member's name selects.
    pub target: Target,
    /// Its value as sent; `null` stands for unassigned.
    pub value: Value,
}

impl ResourceType {
    /// Admits a resource as sent by a client in POST or PUT.
    ///
    /// Names are brought to the schema's spelling, values checked against their types, read-only
    /// attributes left out, `null`, `[]` and `{}` taken as unassigned, and `schemas` set to what is
    /// present. Values are moved, not copied. Required attributes are a question of their own:
    /// [`ResourceType::check_required`].
    ///
    /// # Errors
    /// - a body that is not an object, or names an attribute twice: `invalidSyntax`
    /// - a value of the wrong type, or two elements with `primary`: `invalidValue`
    /// - an unknown attribute, unless the tolerance ignores it: `invalidSyntax`
    /// - `schemas` that miss the core schema or name an unknown one, unless tolerated:
    ///   `invalidSyntax`
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let admitted = user.admit(json!({"USERNAME": "bjensen", "active": "True"}), &Tolerance::DEFAULT)?;
    /// assert_eq!(admitted.as_map()["userName"], "bjensen");
    /// assert_eq!(admitted.as_map()["active"], true);
    /// assert!(user.admit(json!({"userName": 5}), &Tolerance::DEFAULT).is_err());
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    ///
    /// [RFC 7644 section 3.3](https://www.rfc-editor.org/rfc/rfc7644#section-3.3)
    pub fn admit(&self, body: Value, t: &Tolerance) -> Result<Resource, Error> {
        let Value::Object(body) = body else {
            return Err(Error::syntax("the body is not a JSON object"));
        };
        if !t.any_schemas && !body.keys().any(|k| k.eq_ignore_ascii_case("schemas")) {
            return Err(Error::syntax("`schemas` is missing"));
        }
        let mut resource = Resource::default();
        let mut seen = Vec::with_capacity(body.len());
        for Entry { target, value, .. } in self.entries(body, t)? {
            let Target::Attribute(id) = target else {
                return Err(Error::syntax("a path with a filter can't be a member of a resource"));
            };
            let attr = self.attr(id);
            if seen.contains(&id) {
                return Err(Error::syntax(format!("`{}` is given twice", attr.path())));
            }
            seen.push(id);
            if attr.role() == Role::Schemas {
                self.check_schemas(&value, t)?;
            } else if attr.definition().mutability != Mutability::ReadOnly
                && let Some(value) = self.admit_value(id, value, t)?
                && !value.as_object().is_some_and(Map::is_empty)
            {
                resource.put(self, id, Some(value));
            }
        }
        resource.refresh_schemas(self);
        Ok(resource)
    }

    /// Binds each member of a resource body, or of a path-less PATCH value, to its target.
    ///
    /// The members of an extension's object are taken one by one; `null` for the object itself
    /// selects the whole extension.
    ///
    /// # Errors
    /// `invalidSyntax` for an unknown name, unless the tolerance ignores it, and for an extension
    /// that is not an object.
    pub fn entries(&self, body: Map<String, Value>, t: &Tolerance) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::with_capacity(body.len());
        for (name, value) in body {
            match (self.extension_named(&name), value) {
                (Some(index), Value::Object(members)) => {
                    self.extension_entries(index, members, t, &mut entries)?;
                }
                (Some(index), Value::Null) => {
                    for attr in self.top_level(Some(index)) {
                        let target = Target::Attribute(attr.id());
                        let name = attr.path().to_owned();
                        entries.push(Entry { name, target, value: Value::Null });
                    }
                }
                (Some(_), _) => {
                    return Err(Error::value(format!("`{name}` is not an object")));
                }
                (None, value) => match self.member(&name, t) {
                    Some(target) => entries.push(Entry { name, target, value }),
                    None => self.unknown_member(&name, t)?,
                },
            }
        }
        Ok(entries)
    }

    fn extension_entries(
        &self,
        index: usize,
        members: Map<String, Value>,
        t: &Tolerance,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Error> {
        let urn = self.extension_at(index).map_or("", |e| e.urn().as_str());
        for (name, value) in members {
            let id = self.lookup_parts(Some(urn), &name, None).or_else(|| {
                let (name, sub) = name.split_once('.').filter(|_| t.dotted_keys)?;
                self.lookup_parts(Some(urn), name, Some(sub))
            });
            match id {
                Some(id) => entries.push(Entry { name, target: Target::Attribute(id), value }),
                None => self.unknown_member(&format!("{urn}:{name}"), t)?,
            }
        }
        Ok(())
    }

    /// What the name of a member selects: an attribute, plainly or by its full URN, and where
    /// tolerated a dotted name, a value path or an extension's attribute without its URN.
    fn member(&self, name: &str, t: &Tolerance) -> Option<Target> {
        if let Some(id) = self.lookup_parts(None, name, None) {
            return Some(Target::Attribute(id));
        }
        let path = Path::parse_with(name, &t.parse_options(Limits::default())).ok()?;
        if !t.dotted_keys && (path.sub.is_some() || path.filter.is_some()) {
            return None;
        }
        self.bind_path(&path, t).ok()
    }

    fn unknown_member(&self, name: &str, t: &Tolerance) -> Result<(), Error> {
        match t.unknown_attributes {
            Unknown::Ignore => Ok(()),
            Unknown::Refuse => {
                Err(Error::syntax(format!("`{name}` is not an attribute of {}", self.name())))
            }
        }
    }

    /// Admits the value of one attribute; `None` when it stands for unassigned.
    ///
    /// An empty object stays one: a PATCH that writes it changes nothing.
    ///
    /// # Errors
    /// `invalidValue` when the value does not fit the attribute; `invalidSyntax` for an unknown
    /// sub-attribute, unless tolerated.
    pub fn admit_value(
        &self,
        id: AttrId,
        value: Value,
        t: &Tolerance,
    ) -> Result<Option<Value>, Error> {
        let attr = self.attr(id);
        let many = attr.definition().multi_valued;
        match value {
            Value::Null => Ok(None),
            Value::Array(elements) if many => self.admit_elements(attr, elements, t),
            Value::Array(mut elements) if t.array_of_one && elements.len() <= 1 => {
                match elements.pop() {
                    Some(value) => self.admit_value(id, value, t),
                    None => Ok(None),
                }
            }
            value if many && t.single_for_many => self.admit_elements(attr, vec![value], t),
            value if many => Err(misfit(attr, &value, "an array")),
            value => self.admit_single(attr, value, t).map(Some),
        }
    }

    fn admit_elements(
        &self,
        attr: &Attr,
        elements: Vec<Value>,
        t: &Tolerance,
    ) -> Result<Option<Value>, Error> {
        let mut admitted = Vec::with_capacity(elements.len());
        for element in elements {
            if element.is_null() {
                continue;
            }
            let element = self.admit_single(attr, element, t)?;
            if !element.as_object().is_some_and(Map::is_empty) {
                admitted.push(element);
            }
        }
        self.check_elements(attr.id(), &admitted)?;
        Ok((!admitted.is_empty()).then_some(Value::Array(admitted)))
    }

    /// At most one element may be `primary`.
    fn check_elements(&self, id: AttrId, elements: &[Value]) -> Result<(), Error> {
        let primary = |e: &&Value| e.get("primary").and_then(Value::as_bool) == Some(true);
        if elements.iter().filter(primary).count() > 1 {
            let path = self.attr(id).path();
            return Err(Error::value(format!("`{path}` has more than one primary value")));
        }
        Ok(())
    }

    /// Admits one value: an element of a multi-valued attribute, or the value of another.
    fn admit_single(&self, attr: &Attr, value: Value, t: &Tolerance) -> Result<Value, Error> {
        let fits = match (attr.definition().data_type, &value) {
            (DataType::Complex, _) => return self.admit_complex(attr, value, t),
            (DataType::Boolean, Value::String(text)) if t.boolean_strings => {
                return boolean(text)
                    .map(Value::Bool)
                    .ok_or_else(|| misfit(attr, &value, "a boolean"));
            }
            (DataType::Binary, Value::String(text)) => is_base64(text),
            (DataType::Boolean, Value::Bool(_)) => true,
            (DataType::DateTime, Value::String(text)) => {
                scimkit_core::parse_instant(text).is_some()
            }
            (DataType::Decimal, Value::Number(_)) => true,
            (DataType::Integer, Value::Number(n)) => n.is_i64(),
            (DataType::String | DataType::Reference, Value::String(_)) => true,
            _ => false,
        };
        if !fits {
            let wanted = type_name(attr.definition().data_type);
            return Err(misfit(attr, &value, &format!("a {wanted}")));
        }
        if attr.definition().required && value.as_str().is_some_and(str::is_empty) {
            return Err(Error::value(format!("`{}` is empty", attr.path())));
        }
        Ok(value)
    }

    fn admit_complex(&self, attr: &Attr, value: Value, t: &Tolerance) -> Result<Value, Error> {
        let members = match value {
            Value::Object(members) => members,
            Value::String(text) if t.bare_values && self.child_named(attr.id(), "value").is_some() => {
                Map::from_iter([("value".to_owned(), Value::String(text))])
            }
            other => return Err(misfit(attr, &other, "an object")),
        };
        let refers = matches!(attr.role(), Role::Membership | Role::Reference);
        let mut admitted = Map::new();
        let mut reference = None;
        for (name, value) in members {
            let Some(sub) = self.child_named(attr.id(), &name).map(|id| self.attr(id)) else {
                self.unknown_member(&format!("{}.{name}", attr.path()), t)?;
                continue;
            };
            if refers && sub.name() == "$ref" {
                // Made from `value` when answering; it can stand in for a missing one.
                reference = value.as_str().and_then(last_segment).map(str::to_owned);
            } else if sub.definition().mutability != Mutability::ReadOnly
                && let Some(value) = self.admit_value(sub.id(), value, t)?
                && admitted.insert(sub.name().to_owned(), value).is_some()
            {
                return Err(Error::syntax(format!("`{}` is given twice", sub.path())));
            }
        }
        if let Some(id) = reference
            && !admitted.contains_key("value")
        {
            admitted.insert("value".to_owned(), Value::String(id));
        }
        if attr.role() == Role::Membership {
            let named = admitted.get("value").and_then(Value::as_str);
            if named.is_none_or(str::is_empty) {
                return Err(Error::value(format!("an element of `{}` has no `value`", attr.path())));
            }
        }
        Ok(Value::Object(admitted))
    }

    fn check_schemas(&self, value: &Value, t: &Tolerance) -> Result<(), Error> {
        let listed: Vec<&str> = match value {
            Value::Array(elements) => elements.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if t.any_schemas {
            return Ok(());
        }
        if value.as_array().is_none_or(|a| a.len() != listed.len()) {
            return Err(Error::syntax("`schemas` is not an array of strings"));
        }
        let core = self.schema().as_str();
        if !listed.iter().any(|urn| urn.eq_ignore_ascii_case(core)) {
            return Err(Error::syntax(format!("`schemas` does not name `{core}`")));
        }
        let known = |urn: &&&str| {
            urn.eq_ignore_ascii_case(core) || self.extension_named(urn).is_some()
        };
        match listed.iter().find(|urn| !known(urn)) {
            Some(urn) => Err(Error::syntax(format!("`{urn}` is not a schema of {}", self.name()))),
            None => Ok(()),
        }
    }

    /// Checks that every required attribute has a value.
    ///
    /// # Errors
    /// `invalidValue`, naming the first one without.
    pub fn check_required(&self, resource: &Resource) -> Result<(), Error> {
        self.required_in(resource.as_map(), self.top_level(None))?;
        for (index, extension) in self.extensions().iter().enumerate() {
            match resource.holder(self, Some(index)) {
                Some(members) => self.required_in(members, self.top_level(Some(index)))?,
                None if extension.is_required() => {
                    let urn = extension.urn();
                    return Err(Error::value(format!("`{urn}` is required but missing")));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn required_in(&self, members: &Map<String, Value>, attrs: &[Attr]) -> Result<(), Error> {
        for attr in attrs {
            let definition = attr.definition();
            let made_here = definition.mutability == Mutability::ReadOnly
                || matches!(attr.role(), Role::Id | Role::Meta | Role::Schemas);
            let value = members.get(attr.name());
            if definition.required && !made_here && value.is_none() {
                return Err(Error::value(format!("`{}` is required but missing", attr.path())));
            }
            let required = |sub: &&Attr| {
                sub.definition().required && sub.definition().mutability != Mutability::ReadOnly
            };
            let Some(sub) = self.children(attr.id()).find(required) else { continue };
            let mut elements = match value {
                Some(Value::Array(elements)) => elements.iter(),
                Some(one) => std::slice::from_ref(one).iter(),
                None => continue,
            };
            if elements.any(|e| e.get(sub.name()).is_none()) {
                return Err(Error::value(format!("`{}` is required but missing", sub.path())));
            }
        }
        Ok(())
    }
}

fn misfit(attr: &Attr, value: &Value, wanted: &str) -> Error {
    let found = match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        // A value that is never returned is not repeated in an error either.
        _ if attr.is_never_returned() => "another type".to_owned(),
        Value::String(text) => format!("the string `{}`", text.chars().take(60).collect::<String>()),
        other => format!("`{other}`"),
    };
    Error::value(format!("`{}` must be {wanted} but is {found}", attr.path()))
}

/// Base64 in the standard or the URL-safe alphabet, padded or not (RFC 7643 section 2.3.6).
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len() - body.len() <= 2
        && body.len() % 4 != 1
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'))
}

fn last_segment(reference: &str) -> Option<&str> {
    reference.rsplit('/').next().filter(|id| !id.is_empty())
}
