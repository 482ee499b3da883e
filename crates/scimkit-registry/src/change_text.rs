//! The text of a changed document, printed without a changed tree.

use std::{borrow::Cow, collections::BTreeMap};

use scimkit_core::push_json_string;
use serde_json::Value;

use crate::{Attr, AttrId, Change, Resource, ResourceType, change::shown};

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
        let kind = &**self.kind();
        let mut members: Members<'_> = before
            .members
            .iter()
            .map(|(name, value)| (name.as_str(), Part::Value(Cow::Borrowed(value))))
            .collect();
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
            Part::Value(_) => None,
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
