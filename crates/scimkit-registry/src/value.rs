//! Admission of one value under its attribute's type.

use scimkit_core::{DataType, excerpt};
use serde_json::{Map, Value};

use crate::{
    Attr, AttrId, AttributeRole, Quirk, QuirkPolicy, RequestError, ResourceType, Tolerance,
    admit::{is_read_only, known, twice},
    fold::boolean,
    json_string::{but_for_text, is_array_text, parse_json_string},
    reference::is_reference_part,
};

/// The maximum number of elements of a multi-valued attribute, or of a multi-valued sub-attribute of one value.
///
/// - It limits the size to which a resource can grow, one PATCH after another, and thereby the work on each.
/// - Memberships ([`AttributeRole::Membership`]) are exempt: their elements are edges next to the document.
///
/// # Example
/// ```
/// use scimkit_registry::{MAX_ELEMENTS, Registry, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let emails = vec![json!({"value": "bjensen@example.com"}); MAX_ELEMENTS + 1];
/// let error = user.admit(json!({"emails": emails}), &Tolerance::DEFAULT).unwrap_err();
/// assert_eq!(error.detail(), "`emails` has more than 1000 values");
/// ```
pub const MAX_ELEMENTS: usize = 1_000;

/// The maximum length of one text, reference or binary in bytes: 64 KiB.
///
/// A PATCH may put one value into every element of an attribute, so that it is stored many times.
pub const MAX_TEXT: usize = 64 << 10;

impl ResourceType {
    /// Admits the value of one attribute; `None` if it means unassigned.
    ///
    /// - An empty object remains one: a PATCH that writes it changes nothing.
    /// - Two elements with the same `value` and `type` are merged, and the later one takes precedence: see
    ///   [`ElementKeys`](crate::ElementKeys).
    ///
    /// # Errors
    /// - the value does not fit the attribute: `invalidValue`
    /// - there are more elements than [`MAX_ELEMENTS`], unless they are members: `invalidValue`
    /// - a text has more than [`MAX_TEXT`] bytes: `invalidValue`
    /// - two elements are `primary`, a member has no `value`, or a required text is blank: `invalidValue`
    /// - [`resolve_reference`](Self::resolve_reference) rejects a `$ref` without a `value`: `invalidValue`
    /// - a sub-attribute occurs twice, or is unknown and not tolerated: `invalidSyntax`
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let active = user.attribute_id("active").unwrap();
    /// let admit = |value| user.admit_value(active, value, &Tolerance::DEFAULT);
    /// assert_eq!(admit(json!("False"))?, Some(json!(false)));
    /// assert_eq!(admit(json!(null))?, None);
    /// assert!(admit(json!("no")).is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    ///
    /// [RFC 7643 section 2.3](https://www.rfc-editor.org/rfc/rfc7643#section-2.3),
    /// [section 2.5](https://www.rfc-editor.org/rfc/rfc7643#section-2.5)
    pub fn admit_value(
        &self,
        id: AttrId,
        value: Value,
        t: &dyn QuirkPolicy,
    ) -> Result<Option<Value>, RequestError> {
        let attr = self.attr(id);
        let many = attr.definition().multi_valued;
        let value = if attr.is_complex() {
            parse_json_string(value, t)
        } else {
            value
        };
        let value = self.without_empty_reference(id, value, t)?;
        match value {
            Value::Null => Ok(None),
            Value::Array(elements) if many => self.admit_elements(attr, elements, t),
            one if many => {
                self.check_shape(attr, &one, "an array", Quirk::SingleForMany, t)?;
                self.admit_elements(attr, vec![one], t)
            }
            Value::Array(mut elements) if elements.len() <= 1 => {
                let (one, whole) = (elements.pop().unwrap_or_default(), "one value");
                self.check_shape(attr, &one, whole, Quirk::ArrayOfOne, t)?;
                match self.without_empty_reference(id, one, t)? {
                    Value::Null => Ok(None),
                    one => self.admit_single(attr, one, t).map(Some),
                }
            }
            one => self.admit_single(attr, one, t).map(Some),
        }
    }

    /// Returns whether [`admit_value`](Self::admit_value) returns a single value that is not complex as it is, with any
    /// policy; false for all other values.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let active = user.attribute_id("active").unwrap();
    /// assert!(user.is_admitted(active, &json!(false)));
    /// assert!(!user.is_admitted(active, &json!("False")));
    /// ```
    #[must_use]
    pub fn is_admitted(&self, id: AttrId, value: &Value) -> bool {
        let attr = self.attr(id);
        !attr.definition().multi_valued
            && has_type(attr.definition().data_type, value)
            && !is_too_long(value)
            && !is_blank(attr, value)
            && !self.is_empty_reference(id, value)
    }

    /// Returns the value, with `null` in place of an empty string for a reference or its `value`.
    ///
    /// # Errors
    /// The string is empty, unless tolerated: `invalidValue`.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Quirk, Registry, Tolerance};
    /// use serde_json::{Value, json};
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    /// let manager = user.attribute_id(&format!("{urn}:manager")).unwrap();
    /// let read = |value, t| user.without_empty_reference(manager, value, t);
    /// assert_eq!(read(json!(""), &Tolerance::DEFAULT)?, Value::Null);
    /// assert_eq!(read(json!({"value": "26"}), &Tolerance::DEFAULT)?, json!({"value": "26"}));
    /// let error = read(json!(""), &Tolerance::STRICT).unwrap_err();
    /// assert_eq!(error.quirk(), Some(Quirk::EmptyReferences));
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn without_empty_reference(
        &self,
        id: AttrId,
        value: Value,
        t: &dyn QuirkPolicy,
    ) -> Result<Value, RequestError> {
        if !self.is_empty_reference(id, &value) {
            return Ok(value);
        }
        if t.allow(Quirk::EmptyReferences) {
            return Ok(Value::Null);
        }
        let path = self.attr(id).path();
        let problem =
            RequestError::value(format!("`{path}` is an empty string and names no resource"));
        Err(problem.with_quirk(Quirk::EmptyReferences))
    }

    /// Returns whether a value is an empty string for a reference or for its `value`. An empty `$ref` can't be
    /// resolved and is an error.
    #[must_use]
    pub fn is_empty_reference(&self, id: AttrId, value: &Value) -> bool {
        let attr = self.attr(id);
        let names = attr.parent().is_none() || attr.name() == "value";
        attr.role() == AttributeRole::Reference && names && value.as_str() == Some("")
    }

    /// Checks whether one value may take the place of an array of it, and vice versa.
    fn check_shape(
        &self,
        attr: &Attr,
        one: &Value,
        wanted: &str,
        quirk: Quirk,
        t: &dyn QuirkPolicy,
    ) -> Result<(), RequestError> {
        if t.allow(quirk) {
            return Ok(());
        }
        let problem = match quirk {
            Quirk::ArrayOfOne => misfit(attr, &Value::Array(Vec::new()), wanted),
            _ => misfit(attr, one, wanted),
        };
        if attr.is_complex() && is_array_text(one, t) {
            return Err(problem.with_quirk(Quirk::JsonStrings));
        }
        let everything = &Tolerance::DEFAULT;
        let fits = one.is_null() || self.admit_single(attr, one.clone(), everything).is_ok();
        Err(if fits {
            problem.with_quirk(quirk)
        } else {
            problem
        })
    }

    /// Checks the number of an attribute's elements.
    ///
    /// # Errors
    /// There are more than [`MAX_ELEMENTS`], unless they are members: `invalidValue`.
    pub fn check_count(&self, id: AttrId, elements: usize) -> Result<(), RequestError> {
        let attr = self.attr(id);
        if elements <= MAX_ELEMENTS || attr.role() == AttributeRole::Membership {
            return Ok(());
        }
        let path = attr.path();
        Err(RequestError::value(format!(
            "`{path}` has more than {MAX_ELEMENTS} values"
        )))
    }

    fn admit_elements(
        &self,
        attr: &Attr,
        mut elements: Vec<Value>,
        t: &dyn QuirkPolicy,
    ) -> Result<Option<Value>, RequestError> {
        self.check_count(attr.id(), elements.len())?;
        for element in elements.iter_mut().filter(|element| !element.is_null()) {
            *element = self.admit_single(attr, element.take(), t)?;
        }
        elements.retain(|element| !is_unassigned(element));
        let admitted = self.without_duplicates(attr.id(), elements);
        let primary = |e: &&Value| e.get("primary").and_then(Value::as_bool) == Some(true);
        if admitted.iter().filter(primary).count() > 1 {
            let path = attr.path();
            return Err(RequestError::value(format!(
                "`{path}` has more than one primary value"
            )));
        }
        Ok((!admitted.is_empty()).then_some(Value::Array(admitted)))
    }

    /// Admits one value: an element of a multi-valued attribute, or the value of a single-valued one.
    fn admit_single(
        &self,
        attr: &Attr,
        value: Value,
        t: &dyn QuirkPolicy,
    ) -> Result<Value, RequestError> {
        let data_type = attr.definition().data_type;
        let fits = match (data_type, &value) {
            (DataType::Complex, _) => return self.admit_complex(attr, value, t),
            (DataType::Boolean, Value::String(text)) => match boolean(text) {
                Some(truth) if t.allow(Quirk::BooleanStrings) => {
                    return Ok(Value::Bool(truth));
                }
                Some(_) => {
                    let problem = misfit(attr, &value, wanted(data_type));
                    return Err(problem.with_quirk(Quirk::BooleanStrings));
                }
                None => false,
            },
            _ => has_type(data_type, &value),
        };
        if !fits {
            return Err(misfit(attr, &value, wanted(data_type)));
        }
        if is_too_long(&value) {
            let path = attr.path();
            return Err(RequestError::value(format!(
                "`{path}` is longer than {MAX_TEXT} bytes"
            )));
        }
        if is_blank(attr, &value) {
            return Err(RequestError::value(format!(
                "`{}` is required but blank",
                attr.path()
            )));
        }
        Ok(value)
    }

    /// Returns the members of a complex value as sent: an object, or another value that is tolerated in its place.
    ///
    /// # Errors
    /// The value is something else: `invalidValue`.
    pub fn members_of(
        &self,
        id: AttrId,
        value: Value,
        t: &dyn QuirkPolicy,
    ) -> Result<Map<String, Value>, RequestError> {
        let attr = self.attr(id);
        match parse_json_string(value, t) {
            Value::Object(members) => Ok(members),
            Value::String(text) if self.child_named(id, "value").is_some() => {
                let text = Value::String(text);
                if t.allow(Quirk::BareValues) {
                    return Ok(Map::from_iter([("value".to_owned(), text)]));
                }
                let problem = but_for_text(misfit(attr, &text, "an object"), &text, t);
                Err(match problem.quirk() {
                    Some(_) => problem,
                    None if is_array_text(&text, t) => problem.with_quirk(Quirk::JsonStrings),
                    None => problem.with_quirk(Quirk::BareValues),
                })
            }
            other => Err(but_for_text(misfit(attr, &other, "an object"), &other, t)),
        }
    }

    fn admit_complex(
        &self,
        attr: &Attr,
        value: Value,
        t: &dyn QuirkPolicy,
    ) -> Result<Value, RequestError> {
        let mut members = self.members_of(attr.id(), value, t)?;
        if let Some(subs) = self.plain_parts(attr, &members) {
            for (sub, value) in subs.into_iter().zip(members.values_mut()) {
                *value = self.admit_value(sub, value.take(), t)?.unwrap_or_default();
            }
            if members.values().any(Value::is_null) {
                members.retain(|_, value| !value.is_null());
            }
            return Ok(Value::Object(members));
        }
        let mut admitted = Map::new();
        let mut reference = None;
        let mut seen = Vec::with_capacity(members.len());
        for (name, value) in members {
            let sub = self.child_named(attr.id(), &name);
            let sub = sub.ok_or_else(|| self.unknown_name(&format!("{}.{name}", attr.path())));
            let Some(id) = known(sub, t)? else {
                continue;
            };
            let sub = self.attr(id);
            if seen.contains(&id) {
                return Err(twice(sub));
            }
            seen.push(id);
            let is_reference = is_reference_part(attr, sub);
            if is_read_only(sub) && !is_reference {
                continue;
            }
            let Some(value) = self.admit_value(id, value, t)? else {
                continue;
            };
            match value {
                Value::String(text) if is_reference => reference = Some(text),
                value => drop(admitted.insert(sub.name().to_owned(), value)),
            }
        }
        if let Some(reference) = reference {
            let by_value = seen.iter().any(|id| self.attr(*id).name() == "value");
            self.admit_reference(attr, reference, by_value, &mut admitted, t)?;
        }
        if attr.role() == AttributeRole::Membership {
            let named = admitted.get("value").and_then(Value::as_str);
            if named.is_none_or(str::is_empty) {
                let path = attr.path();
                return Err(RequestError::value(format!(
                    "an element of `{path}` has no `value`"
                )));
            }
        }
        Ok(Value::Object(admitted))
    }
}

impl ResourceType {
    /// Returns the sub-attributes that members name, if each has the schema's spelling and is stored unchanged: then
    /// the object can be admitted in place.
    fn plain_parts(&self, attr: &Attr, members: &Map<String, Value>) -> Option<Vec<AttrId>> {
        if attr.role() == AttributeRole::Membership {
            return None;
        }
        let plain = |name: &String| {
            let sub = self.children(attr.id()).find(|sub| sub.name() == name)?;
            let is_plain = !is_read_only(sub) && !is_reference_part(attr, sub);
            is_plain.then_some(sub.id())
        };
        members.keys().map(plain).collect()
    }

    /// Admits the `$ref` of a value: it replaces a missing `value`, and is ignored next to one.
    fn admit_reference(
        &self,
        attr: &Attr,
        reference: String,
        by_value: bool,
        admitted: &mut Map<String, Value>,
        t: &dyn QuirkPolicy,
    ) -> Result<(), RequestError> {
        let own = |name| self.children(attr.id()).find(|sub| sub.name() == name);
        if !by_value {
            let target = self.resolve_reference(attr.id(), &reference, t)?;
            if attr.role() == AttributeRole::Membership {
                // Stored until the member becomes an edge, which must lead to that type.
                let given = admitted.get("type").and_then(Value::as_str);
                if given.is_some_and(|given| !given.eq_ignore_ascii_case(&target.kind)) {
                    let path = attr.path();
                    return Err(RequestError::value(format!(
                        "an element of `{path}` has a `type` that is not the one of its `$ref`"
                    )));
                }
                admitted.insert("type".to_owned(), Value::from(target.kind));
                admitted.insert("$ref".to_owned(), Value::from(reference.as_str()));
            }
            admitted.insert("value".to_owned(), Value::from(target.id.as_str()));
        }
        // A `$ref` that the service provider does not compute is stored as sent.
        if attr.role() == AttributeRole::Plain && own("$ref").is_some_and(|sub| !is_read_only(sub))
        {
            admitted.insert("$ref".to_owned(), Value::String(reference));
        }
        Ok(())
    }
}

/// Returns whether a value means unassigned: `null`, `[]` and `{}`.
pub(crate) fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Returns whether a value is one of a type that is not complex.
fn has_type(data_type: DataType, value: &Value) -> bool {
    match (data_type, value) {
        (DataType::Binary, Value::String(text)) => is_base64(text),
        (DataType::DateTime, Value::String(text)) => scimkit_core::parse_instant(text).is_some(),
        (DataType::Integer, Value::Number(number)) => number.is_i64(),
        (DataType::Boolean, Value::Bool(_))
        | (DataType::Decimal, Value::Number(_))
        | (DataType::String | DataType::Reference, Value::String(_)) => true,
        _ => false,
    }
}

fn is_too_long(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() > MAX_TEXT)
}

/// Returns whether a required value is only white space.
fn is_blank(attr: &Attr, value: &Value) -> bool {
    attr.definition().required && value.as_str().is_some_and(|text| text.trim().is_empty())
}

fn misfit(attr: &Attr, value: &Value, wanted: &str) -> RequestError {
    let found = match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        // Errors do not repeat values that are never returned.
        _ if attr.is_never_returned() => "another type".to_owned(),
        Value::String(text) => format!("the string `{}`", excerpt(text)),
        other => format!("`{other}`"),
    };
    RequestError::value(format!("`{}` must be {wanted} but is {found}", attr.path()))
}

fn wanted(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Binary => "base64 text",
        DataType::Boolean => "true or false",
        DataType::Complex => "an object",
        DataType::DateTime => "a dateTime",
        DataType::Decimal => "a number",
        DataType::Integer => "an integer",
        DataType::Reference => "a URI",
        DataType::String => "a string",
    }
}

/// Returns whether the text is Base64 in the standard or the URL-safe alphabet, padded or not (RFC 7643 section
/// 2.3.6).
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let whole = if padding == 0 {
        body.len() % 4 != 1
    } else {
        text.len().is_multiple_of(4)
    };
    let all_of = |signs: [u8; 2]| {
        body.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte))
    };
    padding <= 2 && whole && (all_of(*b"+/") || all_of(*b"-_"))
}
