//! Writing of values into the text of a document.

use std::{borrow::Borrow, collections::BTreeMap};

use scimkit_core::push_json_string;
use serde_json::Value;

use crate::{
    AttrId, ResourceType,
    scan::{self, Members},
    shown::member,
};

/// Writes values of some attributes into documents of one type, without parsing the documents.
///
/// The text is that of the [`Resource`](crate::Resource) after [`set`](crate::Resource::set) for each value and
/// [`refresh_schemas`](crate::Resource::refresh_schemas).
///
/// # Example
/// ```
/// use scimkit_registry::{DocumentWriter, Registry};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let attrs = ["name.givenName", "title"].map(|path| user.attribute_id(path).unwrap());
/// let writer = DocumentWriter::new(user, &[], &attrs);
///
/// let text = br#"{"schemas":[],"name":{"familyName":"Jensen"}}"#;
/// let values = [Some(json!("Babs")), None];
/// let written = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"name":{"familyName":"Jensen","givenName":"Babs"}}"#;
/// assert_eq!(writer.write(text, &values).as_deref(), Some(written.as_bytes()));
/// // The text must not have a title.
/// assert_eq!(writer.write(br#"{"schemas":[],"title":"Dr"}"#, &values), None);
/// ```
#[derive(Debug, Clone)]
pub struct DocumentWriter {
    /// The number of values.
    count: usize,
    /// The URNs of the extensions.
    extensions: Vec<String>,
    members: Level,
    /// The URN of the core schema.
    schema: String,
}

/// The members of an object, in the order of those of documents.
type Level = BTreeMap<String, Holds>;

#[derive(Debug, Clone)]
enum Holds {
    /// The value with that number, which the text must not have.
    Added(usize),
    Object(Level),
    /// The value with that number, in place of that of the text.
    Replaced(usize),
}

impl DocumentWriter {
    /// Creates a writer of the values of attributes: first those that replace what a text has, and then those that it
    /// must not have.
    ///
    /// An attribute is given once, and neither inside another one of them nor inside a multi-valued one.
    #[must_use]
    pub fn new(kind: &ResourceType, replaced: &[AttrId], added: &[AttrId]) -> Self {
        let mut members = Level::new();
        let others = (replaced.len()..).map(Holds::Added).zip(added);
        for (holds, attr) in (0..).map(Holds::Replaced).zip(replaced).chain(others) {
            let attr = kind.attr(*attr);
            let extension = attr.extension().and_then(|index| kind.extension_at(index));
            let parent = attr.parent().map(|parent| kind.attr(parent).name());
            let around = extension.map(|extension| extension.urn().as_str());
            let mut around = around.into_iter().chain(parent);
            if let Some(holder) = around.try_fold(&mut members, object) {
                holder.insert(attr.name().to_owned(), holds);
            }
        }
        let extensions = kind.extensions().iter();
        DocumentWriter {
            count: replaced.len() + added.len(),
            extensions: extensions.map(|e| e.urn().as_str().to_owned()).collect(),
            members,
            schema: kind.schema().as_str().to_owned(),
        }
    }

    /// Returns the text of a document with admitted values, in the order of the attributes.
    ///
    /// `None` if the text is not that of a document, or has an attribute that it must not have.
    #[must_use]
    pub fn write(&self, text: &[u8], values: &[Option<impl Borrow<Value>>]) -> Option<Vec<u8>> {
        let mut body = Body {
            text: Vec::with_capacity(text.len() + 64 * self.count),
            values,
        };
        let mut used = Vec::new();
        let printed = |name: &[u8]| {
            let mut extensions = self.extensions.iter();
            used.extend(extensions.position(|urn| urn.as_bytes() == name));
        };
        let is_other = |(name, _): &scan::Member<'_>| *name != b"schemas";
        if let Some(own) = lines(text) {
            let others = own.into_iter().filter(is_other);
            body.members(&self.members, others, printed)?;
        } else {
            let mut own = Members::of(text);
            let others = own.by_ref().filter(is_other);
            body.members(&self.members, others, printed)?;
            if !own.is_complete() {
                return None;
            }
        }
        let body = body.text;
        used.sort_unstable();
        let mut written = Vec::with_capacity(body.len() + 64 * (used.len() + 2));
        written.extend_from_slice(b"{\"schemas\":[");
        push_json_string(&mut written, &self.schema);
        for urn in used.into_iter().filter_map(|at| self.extensions.get(at)) {
            written.push(b',');
            push_json_string(&mut written, urn);
        }
        written.push(b']');
        if !body.is_empty() {
            written.push(b',');
        }
        written.extend_from_slice(&body);
        written.push(b'}');
        Some(written)
    }
}

/// Returns the text of a document with one member per line, from which a [`DocumentWriter`] writes faster: it need not look
/// for the ends of values.
///
/// # Example
/// ```
/// use scimkit_registry::split_members;
///
/// let lines = split_members(br#"{"schemas":[],"name":{"givenName":"Babs"}}"#);
/// assert_eq!(lines, b"{\n\"schemas\":[],\n\"name\":{\"givenName\":\"Babs\"}\n}");
/// ```
#[must_use]
pub fn split_members(text: &[u8]) -> Vec<u8> {
    let mut split = Vec::with_capacity(text.len() + 32);
    split.extend_from_slice(b"{\n");
    let mut members = Members::of(text);
    for (name, value) in members.by_ref() {
        if split.len() > 2 {
            split.extend_from_slice(b",\n");
        }
        split.push(b'"');
        split.extend_from_slice(name);
        split.extend_from_slice(b"\":");
        split.extend_from_slice(value);
    }
    split.extend_from_slice(b"\n}");
    // A value with a line feed is none that this library has written.
    if members.is_complete() && !text.contains(&b'\n') {
        split
    } else {
        text.to_vec()
    }
}

/// The members of a text with one per line.
fn lines(text: &[u8]) -> Option<Vec<scan::Member<'_>>> {
    let body = text.strip_prefix(b"{\n")?.strip_suffix(b"\n}")?;
    let member = |line| {
        let line: &[u8] = line;
        let line = line
            .strip_suffix(b",")
            .unwrap_or(line)
            .strip_prefix(b"\"")?;
        let end = line.iter().position(|byte| *byte == b'"')?;
        let value = line.get(end..)?.strip_prefix(b"\":")?;
        Some((line.get(..end)?, value))
    };
    let mut members = Vec::with_capacity(24);
    for line in scan::lines(body) {
        members.push(member(line)?);
    }
    Some(members)
}

/// Returns the object of that name, which is created if it is missing.
fn object<'m>(level: &'m mut Level, name: &str) -> Option<&'m mut Level> {
    let holds = level.entry(name.to_owned());
    match holds.or_insert_with(|| Holds::Object(Level::new())) {
        Holds::Object(level) => Some(level),
        Holds::Added(_) | Holds::Replaced(_) => None,
    }
}

/// The members of a document after `schemas`.
struct Body<'v, V> {
    text: Vec<u8>,
    values: &'v [Option<V>],
}

impl<V: Borrow<Value>> Body<'_, V> {
    /// Appends the members of a text together with the written ones. `printed` receives the name of each.
    fn members<'t>(
        &mut self,
        level: &Level,
        own: impl Iterator<Item = scan::Member<'t>>,
        mut printed: impl FnMut(&[u8]),
    ) -> Option<()> {
        let mut level = level.iter().peekable();
        let mut last: &[u8] = b"";
        for (name, text) in own {
            // Names without escapes are compared as they are.
            if name <= last || name.contains(&b'\\') {
                return None;
            }
            last = name;
            while let Some((before, holds)) = level.next_if(|(next, _)| next.as_bytes() < name) {
                if self.written(before.as_bytes(), holds) {
                    printed(before.as_bytes());
                }
            }
            let is_printed = match level.next_if(|(next, _)| next.as_bytes() == name) {
                None => {
                    member(&mut self.text, name);
                    self.text.extend_from_slice(text);
                    true
                }
                Some((_, Holds::Added(_))) => return None,
                Some((_, Holds::Object(level))) => self.object(name, level, text)?,
                Some((_, replaced)) => self.written(name, replaced),
            };
            if is_printed {
                printed(name);
            }
        }
        for (name, holds) in level {
            if self.written(name.as_bytes(), holds) {
                printed(name.as_bytes());
            }
        }
        Some(())
    }

    /// Appends an object, unless it is empty; returns whether it was appended.
    fn object(&mut self, name: &[u8], level: &Level, text: &[u8]) -> Option<bool> {
        let start = self.text.len();
        member(&mut self.text, name);
        self.text.push(b'{');
        let empty = self.text.len();
        let mut own = Members::of(text);
        self.members(level, &mut own, |_| ())?;
        if !own.is_complete() {
            return None;
        }
        let is_empty = self.text.len() == empty;
        if is_empty {
            self.text.truncate(start);
        } else {
            self.text.push(b'}');
        }
        Some(!is_empty)
    }

    /// Appends a written member that the text lacks; returns whether it has a value.
    fn written(&mut self, name: &[u8], holds: &Holds) -> bool {
        let number = match holds {
            Holds::Added(number) | Holds::Replaced(number) => *number,
            Holds::Object(level) => return self.object(name, level, b"{}") == Some(true),
        };
        let value = self.values.get(number).and_then(Option::as_ref);
        let Some(value) = value.map(Borrow::borrow) else {
            return false;
        };
        member(&mut self.text, name);
        match value {
            Value::Bool(true) => self.text.extend_from_slice(b"true"),
            Value::Bool(false) => self.text.extend_from_slice(b"false"),
            Value::String(text) => push_json_string(&mut self.text, text),
            // Writing to a vector does not fail.
            other => _ = serde_json::to_writer(&mut self.text, other),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{Registry, Resource};

    const URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    /// Paths and values of a user, of which a document may have some.
    fn values() -> Vec<(String, Value)> {
        let urn = |name: &str| format!("{URN}:{name}");
        vec![
            ("active".to_owned(), json!(false)),
            (
                "emails".to_owned(),
                json!([{"type": "work", "value": "b\"@x.org"}]),
            ),
            ("externalId".to_owned(), json!("7")),
            ("name.familyName".to_owned(), json!("Jensen")),
            ("name.givenName".to_owned(), json!("B\u{1}abs")),
            ("title".to_owned(), json!("Dr")),
            ("userName".to_owned(), json!("bjensen")),
            (urn("costCenter"), json!("4130")),
            (urn("manager.value"), json!("26")),
            (urn("organization"), json!("Universal")),
        ]
    }

    /// What a document has and what is written, per attribute.
    #[derive(Debug, Clone, Copy)]
    struct Case {
        is_held: bool,
        is_replaced: bool,
        is_written: bool,
        has_value: bool,
    }

    fn case() -> impl Strategy<Value = Case> {
        let booleans = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
        booleans.prop_map(|(is_held, is_replaced, is_written, has_value)| Case {
            is_held,
            is_replaced,
            is_written,
            has_value,
        })
    }

    proptest! {
        #[test]
        fn written_text_is_that_of_the_tree(cases in prop::collection::vec(case(), 10)) {
            let registry = Registry::standard();
            let kind = registry.resource_type("User").unwrap();
            let mut held = Resource::default();
            let (mut replaced, mut added) = (Vec::new(), Vec::new());
            for (case, (path, value)) in cases.iter().zip(values()) {
                let attr = kind.attribute_id(&path).unwrap();
                if case.is_held {
                    held.set(kind, attr, value.clone());
                }
                let written = if case.is_replaced { &mut replaced } else { &mut added };
                if case.is_written {
                    let other = if value.is_string() { json!("é/other\n") } else { value };
                    written.push((attr, case.has_value.then_some(other), case.is_held));
                }
            }
            held.refresh_schemas(kind);
            let mut tree = held.clone();
            for (attr, value, _) in replaced.iter().chain(&added) {
                match value {
                    Some(value) => tree.set(kind, *attr, value.clone()),
                    None => tree.unset(kind, *attr),
                }
            }
            tree.refresh_schemas(kind);
            let attrs = |written: &[(AttrId, Option<Value>, bool)]| {
                written.iter().map(|(attr, ..)| *attr).collect::<Vec<_>>()
            };
            let writer = DocumentWriter::new(kind, &attrs(&replaced), &attrs(&added));
            let values: Vec<_> = replaced.iter().chain(&added).map(|(_, v, _)| v.clone()).collect();
            let text = writer.write(held.to_text().as_bytes(), &values);
            let is_rejected = added.iter().any(|(.., is_held)| *is_held);
            let wanted = (!is_rejected).then(|| tree.to_text());
            let split = split_members(held.to_text().as_bytes());
            prop_assert_eq!(&writer.write(&split, &values), &text);
            prop_assert_eq!(&Resource::restore(&split).unwrap(), &held);
            prop_assert_eq!(text.map(|text| String::from_utf8(text).unwrap()), wanted);
        }
    }

    #[test]
    fn text_that_is_no_document_is_not_written() {
        let registry = Registry::standard();
        let kind = registry.resource_type("User").unwrap();
        let attrs = ["name.givenName", "title"].map(|path| kind.attribute_id(path).unwrap());
        let writer = DocumentWriter::new(kind, &[], &attrs);
        let values = [Some(json!("Babs")), Some(json!("Dr"))];
        let is_written = |text: &str| writer.write(text.as_bytes(), &values).is_some();
        assert!(is_written("{}") && is_written(r#"{"schemas":[],"locale":"de"}"#));
        for text in [
            "",
            "[]",
            r#"{"locale":"de""#,
            r#"{"name":"Babs"}"#,
            r#"{"locale":"de","active":true}"#,
            r#"{"\u006cocale":"de"}"#,
            "{\n\"locale\":\"de\",\nactive\n}",
        ] {
            assert!(!is_written(text), "{text}");
        }
        for text in ["", "{\n\"locale\":\"de\"}", r#"{"locale":"de""#] {
            assert_eq!(split_members(text.as_bytes()), text.as_bytes());
        }
    }
}
