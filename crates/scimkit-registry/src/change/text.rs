//! The text of a changed document, printed without building the changed tree.

use std::{borrow::Cow, collections::BTreeMap};

use scimkit_core::push_json_string;
use serde_json::{Map, Value};

use super::{Change, document::shown};
use crate::{Attr, AttrId, Document, InvalidDocument, Resource, ResourceType, scan};

impl Change {
    /// Returns the text of the document after [applying](Self::apply) the change.
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
    /// let user = registry.resource_type("User").unwrap();
    /// let mut document = user.admit(json!({"userName": "babs", "title": "Guide"}), &Tolerance::DEFAULT)?;
    /// let title = user.attribute_id("title").unwrap();
    /// let mut change = Change::empty(Arc::clone(user));
    /// change.difference(title, Some(&json!("Guide")), Some(json!("Dr.")));
    /// let text = change.text_after(&document);
    /// assert!(text.contains(r#""title":"Dr.""#));
    /// change.apply(&mut document);
    /// assert_eq!(text, document.to_text());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    #[must_use]
    pub fn text_after(&self, before: &Resource) -> String {
        print_document(self.kind(), &self.members_after(before).0)
    }

    /// Returns the members of the document after the change, without `schemas`.
    fn members_after<'v>(&'v self, before: &'v Resource) -> Members<'v> {
        let kind = &**self.kind();
        let mut members = Members::of(&before.members);
        for (id, value) in self.assignments() {
            match shown(kind, kind.attr(*id), value) {
                Some(value) => set(&mut members, kind, *id, value),
                None => unset(&mut members, kind, *id),
            }
        }
        for id in self.removals() {
            unset(&mut members, kind, *id);
        }
        members.remove("schemas");
        members
    }
}

/// The members of an object.
#[derive(Default)]
struct Members<'v>(
    // INVARIANT: each name once, ordered by name.
    Vec<(&'v str, Part<'v>)>,
);

impl<'v> Members<'v> {
    fn of(members: &'v Map<String, Value>) -> Self {
        let part = |value| Part::Value(Cow::Borrowed(value));
        let members = members.iter();
        Members(members.map(|(name, v)| (name.as_str(), part(v))).collect())
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (*known).cmp(name))
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Part<'v>> {
        let at = self.place(name).ok()?;
        self.0.get_mut(at).map(|(_, part)| part)
    }

    fn insert(&mut self, name: &'v str, part: Part<'v>) {
        match self.get_mut(name) {
            Some(known) => *known = part,
            None => {
                let at = self.place(name).unwrap_or_else(|at| at);
                self.0.insert(at, (name, part));
            }
        }
    }

    fn remove(&mut self, name: &str) {
        if let Ok(at) = self.place(name) {
            self.0.remove(at);
        }
    }

    /// Returns the members of the object of that name, which it creates if necessary.
    fn object(&mut self, name: &'v str) -> Option<&mut Members<'v>> {
        if self.get_mut(name).and_then(Part::members).is_none() {
            self.insert(name, Part::Members(Members::default()));
        }
        self.get_mut(name)?.members()
    }
}

/// A value of a document that is about to be printed.
enum Part<'v> {
    /// An object of which some members change.
    Members(Members<'v>),
    /// The text of an unchanged value.
    Text(&'v [u8]),
    Value(Cow<'v, Value>),
}

impl<'v> Part<'v> {
    /// Returns the members of the object; `None` if the value is not an object.
    fn members(&mut self) -> Option<&mut Members<'v>> {
        if let Part::Value(Cow::Borrowed(Value::Object(members))) = self {
            *self = Part::Members(Members::of(members));
        }
        match self {
            Part::Members(members) => Some(members),
            Part::Text(_) | Part::Value(_) => None,
        }
    }

    fn print(&self, text: &mut Vec<u8>) {
        match self {
            Part::Members(Members(members)) => {
                let members = members.iter().map(|(name, part)| (*name, part));
                print_object(text, members, Part::print);
            }
            Part::Text(value) => text.extend_from_slice(value),
            Part::Value(value) => print_value(value, text),
        }
    }
}

/// Returns the names of the objects around an attribute: an extension, a complex attribute.
fn around<'k>(kind: &'k ResourceType, attr: &'k Attr) -> impl Iterator<Item = &'k str> {
    let extension = attr.extension().and_then(|index| kind.extension_at(index));
    let parent = attr.parent().map(|parent| kind.attr(parent).name());
    extension
        .map(|e| e.urn().as_str())
        .into_iter()
        .chain(parent)
}

/// Does the same as [`Resource::set`].
fn set<'v>(members: &mut Members<'v>, kind: &'v ResourceType, id: AttrId, value: Cow<'v, Value>) {
    let attr = kind.attr(id);
    let parent = attr.parent().map(|parent| kind.attr(parent));
    if parent.is_some_and(|parent| parent.definition().multi_valued) {
        return;
    }
    let mut holder = Some(members);
    for name in around(kind, attr) {
        holder = holder.and_then(|holder| holder.object(name));
    }
    if let Some(holder) = holder {
        holder.insert(attr.name(), Part::Value(value));
    }
}

/// Does the same as [`Resource::unset`].
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
    if let Some(holder) = members.get_mut(outer).and_then(Part::members) {
        take_out(holder, inner, name);
        if holder.0.is_empty() {
            members.remove(outer);
        }
    }
}

/// Prints a document, `schemas` first, from its other members ordered by name.
fn print_document(kind: &ResourceType, members: &[(&str, Part<'_>)]) -> String {
    let mut text = Vec::with_capacity(1024);
    text.extend_from_slice(br#"{"schemas":["#);
    let has = |urn: &str| members.binary_search_by_key(&urn, |(name, _)| name).is_ok();
    for (at, urn) in kind.schemas_with(has).enumerate() {
        if at > 0 {
            text.push(b',');
        }
        push_json_string(&mut text, urn);
    }
    text.push(b']');
    for (name, part) in members {
        text.push(b',');
        push_json_string(&mut text, name);
        text.push(b':');
        part.print(&mut text);
    }
    text.push(b'}');
    // JSON is UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

fn print_value(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::String(string) => push_json_string(text, string),
        Value::Array(elements) => {
            text.push(b'[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                print_value(element, text);
            }
            text.push(b']');
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.as_str(), value));
            print_object(text, members, print_value);
        }
        // Writing to a vector does not fail.
        other => drop(serde_json::to_writer(text, other)),
    }
}

fn print_object<'m, V>(
    text: &mut Vec<u8>,
    members: impl Iterator<Item = (&'m str, V)>,
    print: impl Fn(V, &mut Vec<u8>),
) {
    text.push(b'{');
    for (at, (name, value)) in members.enumerate() {
        if at > 0 {
            text.push(b',');
        }
        push_json_string(text, name);
        text.push(b':');
        print(value, text);
    }
    text.push(b'}');
}

/// A change of a document's text: see [`Change::edit_text`].
#[derive(Debug)]
pub struct TextEdit<'a> {
    before: Resource,
    change: &'a Change,
    members: RawMembers<'a>,
}

impl Change {
    /// Prepares a change of a document, parsing only the members that the change touches.
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
    /// let user = registry.resource_type("User").unwrap();
    /// let document = user.admit(json!({"userName": "babs", "title": "Guide"}), &Tolerance::DEFAULT)?;
    /// let title = user.attribute_id("title").unwrap();
    /// let mut change = Change::empty(Arc::clone(user));
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
        let touched = self
            .assignments()
            .iter()
            .map(|(id, _)| id)
            .chain(self.removals());
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
        let has = |urn: &str| self.members.get(urn).is_some();
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

    /// Returns the text of the changed document. Unchanged members are copied.
    #[must_use]
    pub fn text(&self) -> String {
        let changed = self.change.members_after(&self.before);
        let members = self.members.0.iter();
        let kept = members.filter(|(name, _)| !self.before.members.contains_key(&**name));
        let kept = kept.map(|(name, value)| (&**name, Part::Text(value)));
        let mut members: Vec<_> = kept.chain(changed.0).collect();
        members.sort_unstable_by_key(|(name, _)| *name);
        print_document(self.change.kind(), &members)
    }
}

impl Document {
    /// Returns the tree of the members that contain some attributes, and of `schemas`, without the rest of the
    /// document. For an attribute of an extension this is the whole extension.
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
    /// let user = registry.resource_type("User").unwrap();
    /// let document = Document::from_text(r#"{"schemas":["s"],"title":"Guide","userName":"babs"}"#);
    /// let part = document.part(user, user.attribute_id("title"))?;
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

/// The unparsed members of a document.
#[derive(Debug)]
struct RawMembers<'t>(
    // INVARIANT: each name once, ordered by name.
    Vec<(Cow<'t, str>, &'t [u8])>,
);

impl<'t> RawMembers<'t> {
    fn of(document: &'t Document) -> Result<Self, InvalidDocument> {
        let text = std::str::from_utf8(document.text()).map_err(|_| InvalidDocument::not_json())?;
        let mut scan = scan::Members::of(text.trim_ascii().as_bytes());
        let mut members = Vec::with_capacity(32);
        for (name, value) in scan.by_ref() {
            let name = unescaped(name).ok_or_else(InvalidDocument::not_json)?;
            members.push((name, value));
        }
        if !scan.is_complete() {
            return Err(InvalidDocument::not_json());
        }
        // After `schemas`, the names in a document are ordered.
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        if members
            .windows(2)
            .any(|two| matches!(two, [a, b] if a.0 == b.0))
        {
            let unique: BTreeMap<_, _> = members.into_iter().collect();
            members = unique.into_iter().collect();
        }
        Ok(RawMembers(members))
    }

    fn get(&self, name: &str) -> Option<&'t [u8]> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name));
        self.0.get(at.ok()?).map(|(_, value)| *value)
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
            if let Some(value) = self.get(name) {
                let value = serde_json::from_slice(value);
                let value = value.map_err(|problem| InvalidDocument::new(&problem))?;
                part.members.insert(name.to_owned(), value);
            }
        }
        Ok(part)
    }
}

/// Returns the name of a member, borrowed if it has no escapes; `None` if it is not UTF-8 or has an invalid escape.
fn unescaped(name: &[u8]) -> Option<Cow<'_, str>> {
    if name.contains(&b'\\') {
        let quoted = [b"\"", name, b"\""].concat();
        serde_json::from_slice(&quoted).ok().map(Cow::Owned)
    } else {
        std::str::from_utf8(name).ok().map(Cow::Borrowed)
    }
}
