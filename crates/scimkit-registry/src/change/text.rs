//! The text of a changed document, printed without a changed tree.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use scimkit_core::push_json_string;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{Change, document::shown};
use crate::{Attr, AttrId, Document, InvalidDocument, Resource, ResourceType};

impl Change {
    /// Returns the text of the document that [applying](Self::apply) the change to another one leads to.
    ///
    /// It copies no values, however large the document and the change are.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let mut document = user.admit(json!({"userName": "babs", "title": "Guide"}), &Tolerance::DEFAULT)?;
    /// let title = user.named("title").unwrap();
    /// let mut change = Change::none(Arc::clone(user));
    /// change.difference(title, Some(&json!("Guide")), Some(json!("Dr.")));
    /// let text = change.text_after(&document);
    /// assert!(text.contains(r#""title":"Dr.""#));
    /// change.apply(&mut document);
    /// assert_eq!(text, document.to_text());
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    #[must_use]
    pub fn text_after(&self, before: &Resource) -> String {
        let part = |value| Part::Value(Cow::Borrowed(value));
        let members = before.members.iter();
        self.print_after(members.map(|(name, v)| (name.as_str(), part(v))).collect())
    }

    /// Prints what the change makes of these members.
    fn print_after<'v>(&'v self, mut members: Members<'v>) -> String {
        let kind = &**self.kind();
        for (id, value) in self.set() {
            match shown(kind, kind.attr(*id), value) {
                Some(value) => set(&mut members, kind, *id, value),
                None => unset(&mut members, kind, *id),
            }
        }
        for id in self.unset() {
            unset(&mut members, kind, *id);
        }
        members.remove("schemas");
        print_document(kind, &members)
    }
}

/// The members of an object, in the order of their names.
type Members<'v> = BTreeMap<&'v str, Part<'v>>;

/// A value of a document that is about to be printed.
enum Part<'v> {
    /// An object some of whose members change.
    Members(Members<'v>),
    /// The canonical text of a value that stays as it is.
    Text(&'v str),
    Value(Cow<'v, Value>),
}

impl<'v> Part<'v> {
    /// The members of the object; none if it is another value.
    fn members(&mut self) -> Option<&mut Members<'v>> {
        if let Part::Value(Cow::Borrowed(Value::Object(members))) = self {
            let members = members.iter();
            let part = |value| Part::Value(Cow::Borrowed(value));
            *self = Part::Members(members.map(|(name, v)| (name.as_str(), part(v))).collect());
        }
        match self {
            Part::Members(members) => Some(members),
            Part::Text(_) | Part::Value(_) => None,
        }
    }

    fn print(&self, text: &mut Vec<u8>) {
        match self {
            Part::Members(members) => {
                text.push(b'{');
                for (at, (name, part)) in members.iter().enumerate() {
                    if at > 0 {
                        text.push(b',');
                    }
                    print_member(text, name, part);
                }
                text.push(b'}');
            }
            Part::Text(value) => text.extend_from_slice(value.as_bytes()),
            Part::Value(value) => match &**value {
                Value::String(string) => push_json_string(text, string),
                // Writing into a vector does not fail.
                other => drop(serde_json::to_writer(text, other)),
            },
        }
    }
}

/// The names of the objects around an attribute: an extension, a complex attribute.
fn around<'k>(kind: &'k ResourceType, attr: &'k Attr) -> impl Iterator<Item = &'k str> {
    let extension = attr.extension().and_then(|index| kind.extension_at(index));
    let parent = attr.parent().map(|parent| kind.attr(parent).name());
    extension
        .map(|e| e.urn().as_str())
        .into_iter()
        .chain(parent)
}

/// Does what [`Resource::set`] does.
fn set<'v>(members: &mut Members<'v>, kind: &'v ResourceType, id: AttrId, value: Cow<'v, Value>) {
    let attr = kind.attr(id);
    let parent = attr.parent().map(|parent| kind.attr(parent));
    if parent.is_some_and(|parent| parent.definition().multi_valued) {
        return;
    }
    let mut holder = members;
    for name in around(kind, attr) {
        let part = holder
            .entry(name)
            .or_insert_with(|| Part::Members(Members::new()));
        if part.members().is_none() {
            *part = Part::Members(Members::new());
        }
        let Some(inner) = part.members() else { return };
        holder = inner;
    }
    holder.insert(attr.name(), Part::Value(value));
}

/// Does what [`Resource::unset`] does.
fn unset(members: &mut Members<'_>, kind: &ResourceType, id: AttrId) {
    let attr = kind.attr(id);
    let around: Vec<_> = around(kind, attr).collect();
    take_out(members, &around, attr.name());
}

/// Removes a member, and the objects around it that this leaves empty.
fn take_out(members: &mut Members<'_>, around: &[&str], name: &str) {
    let Some((outer, inner)) = around.split_first() else {
        members.remove(name);
        return;
    };
    if let Some(holder) = members.get_mut(*outer).and_then(Part::members) {
        take_out(holder, inner, name);
        if holder.is_empty() {
            members.remove(*outer);
        }
    }
}

/// Prints a document, `schemas` first.
fn print_document(kind: &ResourceType, members: &Members<'_>) -> String {
    let mut text = Vec::with_capacity(1024);
    text.extend_from_slice(br#"{"schemas":["#);
    for (at, urn) in kind
        .schemas_with(|urn| members.contains_key(urn))
        .enumerate()
    {
        if at > 0 {
            text.push(b',');
        }
        push_json_string(&mut text, urn);
    }
    text.push(b']');
    for (name, part) in members {
        text.push(b',');
        print_member(&mut text, name, part);
    }
    text.push(b'}');
    // JSON is UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

fn print_member(text: &mut Vec<u8>, name: &str, part: &Part<'_>) {
    push_json_string(text, name);
    text.push(b':');
    part.print(text);
}

/// A change of a document's text: see [`Change::edit_text`].
#[derive(Debug)]
pub struct TextEdit<'a> {
    before: Resource,
    change: &'a Change,
    members: RawMembers<'a>,
}

impl Change {
    /// Prepares to change a document of which only the members that the change touches are parsed.
    ///
    /// # Errors
    /// The text is not a JSON object.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Document, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let document = user.admit(json!({"userName": "babs", "title": "Guide"}), &Tolerance::DEFAULT)?;
    /// let title = user.named("title").unwrap();
    /// let mut change = Change::none(Arc::clone(user));
    /// change.difference(title, Some(&json!("Guide")), Some(json!("Dr.")));
    /// let text = Document::from_text(document.to_text());
    /// let edit = change.edit_text(&text)?;
    /// assert!(edit.alters());
    /// assert_eq!(edit.text(), change.text_after(&document));
    /// assert_eq!(edit.before().get(user, title), Some(&json!("Guide")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn edit_text<'a>(
        &'a self,
        document: &'a Document,
    ) -> Result<TextEdit<'a>, InvalidDocument> {
        let touched = self.set().iter().map(|(id, _)| id).chain(self.unset());
        let members = RawMembers::of(document)?;
        let before = members.part(self.kind(), touched.copied())?;
        Ok(TextEdit {
            before,
            change: self,
            members,
        })
    }
}

impl TextEdit<'_> {
    /// Returns whether the change modifies the document.
    #[must_use]
    pub fn alters(&self) -> bool {
        let mut values = self.change.values(Some(&self.before));
        let has = |urn: &str| self.members.0.contains_key(urn);
        values.any(|value| value.before != value.after.as_deref())
            || !self.before.lists(self.change.kind().schemas_with(has))
    }

    /// Returns `schemas` and the members that the change touches, as they were before it.
    #[must_use]
    pub fn before(&self) -> &Resource {
        &self.before
    }

    /// Returns the members that [`before`](Self::before) returns.
    #[must_use]
    pub fn into_before(self) -> Resource {
        self.before
    }

    /// Returns the text of the changed document. What the change does not touch is copied.
    #[must_use]
    pub fn text(&self) -> String {
        let known = &self.before.members;
        let mut members = Members::new();
        for (name, raw) in &self.members.0 {
            let part = match known.get(&**name) {
                Some(value) => Part::Value(Cow::Borrowed(value)),
                None => Part::Text(raw.get()),
            };
            members.insert(name, part);
        }
        self.change.print_after(members)
    }
}

impl Document {
    /// Returns the tree of the members that some attributes are in, and of `schemas`, without the rest of the
    /// document. An attribute of an extension brings the whole extension along.
    ///
    /// # Errors
    /// The text is not a JSON object.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Document, Registry};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let document = Document::from_text(r#"{"schemas":["s"],"title":"Guide","userName":"babs"}"#);
    /// let part = document.part(user, user.named("title"))?;
    /// assert_eq!(json!(part.as_map()), json!({"schemas": ["s"], "title": "Guide"}));
    /// # Ok::<(), scimkit_registry::InvalidDocument>(())
    /// ```
    pub fn part(
        &self,
        kind: &ResourceType,
        attrs: impl IntoIterator<Item = AttrId>,
    ) -> Result<Resource, InvalidDocument> {
        RawMembers::of(self)?.part(kind, attrs)
    }
}

/// The members of a document, not parsed.
#[derive(Debug)]
struct RawMembers<'t>(BTreeMap<Cow<'t, str>, &'t RawValue>);

impl<'t> RawMembers<'t> {
    fn of(document: &'t Document) -> Result<Self, InvalidDocument> {
        let found = serde_json::from_slice(document.text());
        found.map_err(|problem| InvalidDocument::new(&problem))
    }

    fn part(
        &self,
        kind: &ResourceType,
        attrs: impl IntoIterator<Item = AttrId>,
    ) -> Result<Resource, InvalidDocument> {
        let mut part = Resource::default();
        let wanted = attrs.into_iter().map(|id| kind.member_of(id));
        for name in wanted.chain(["schemas"]) {
            if part.members.contains_key(name) {
                continue;
            }
            if let Some(raw) = self.0.get(name) {
                let value = serde_json::from_str(raw.get());
                let value = value.map_err(|problem| InvalidDocument::new(&problem))?;
                part.members.insert(name.to_owned(), value);
            }
        }
        Ok(part)
    }
}

impl<'de: 't, 't> Deserialize<'de> for RawMembers<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawVisitor).map(RawMembers)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = BTreeMap<Cow<'de, str>, &'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            members.insert(name, value);
        }
        Ok(members)
    }
}

/// The name of a member, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'t>(#[serde(borrow)] Cow<'t, str>);
