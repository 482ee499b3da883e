//! A resource's attributes as kept: a JSON object with the schema's spelling of every name.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::{Attr, AttrId, Error, ResourceType};

/// The attributes of one resource, with the schema's spelling of every name and no unassigned value.
///
/// Made by [`ResourceType::admit`] from what a client sent, or by [`Resource::restore`] from what a
/// store kept. `id`, `meta` and read-only edges are not in it; a membership attribute is in it only
/// between admission and [`Change`](crate::Change).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resource {
    // INVARIANT: keys are spelled as in the schema; no null, `[]` or `{}` anywhere.
    pub(crate) members: Map<String, Value>,
}

impl Resource {
    /// The JSON object.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The value of a top-level attribute, or of a sub-attribute of a single-valued one.
    #[must_use]
    pub fn get(&self, kind: &ResourceType, id: AttrId) -> Option<&Value> {
        let attr = kind.attr(id);
        let holder = match attr.parent() {
            Some(parent) => self.get(kind, parent)?.as_object()?,
            None => self.holder(kind, attr.extension())?,
        };
        holder.get(attr.name())
    }

    /// The JSON object, given away.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.members
    }

    /// Reads back the text of [`Resource::to_text`].
    ///
    /// # Errors
    /// Text that is not a JSON object.
    pub fn restore(text: &[u8]) -> Result<Resource, Error> {
        match serde_json::from_slice(text) {
            Ok(members) => Ok(Resource { members }),
            Err(problem) => Err(Error::syntax(format!("a stored document can't be read: {problem}"))),
        }
    }

    /// The JSON text, `schemas` first.
    #[must_use]
    pub fn to_text(&self) -> String {
        object_text(&self.members)
    }

    /// The object that holds the top-level attributes of the core schema or of one extension.
    pub(crate) fn holder(
        &self,
        kind: &ResourceType,
        extension: Option<usize>,
    ) -> Option<&Map<String, Value>> {
        match extension {
            None => Some(&self.members),
            Some(index) => {
                self.members.get(kind.extension_at(index)?.urn().as_str())?.as_object()
            }
        }
    }

    /// Sets or unsets one attribute, making and pruning the objects around it.
    pub(crate) fn put(&mut self, kind: &ResourceType, id: AttrId, value: Option<Value>) {
        let attr = kind.attr(id);
        if let Some(holder) = self.holder_mut(kind, attr) {
            match value {
                Some(value) => drop(holder.insert(attr.name().to_owned(), value)),
                None => drop(holder.remove(attr.name())),
            }
        }
        self.prune(kind, id);
    }

    fn holder_mut(&mut self, kind: &ResourceType, attr: &Attr) -> Option<&mut Map<String, Value>> {
        let holder = match attr.extension() {
            None => &mut self.members,
            Some(index) => object_at(&mut self.members, kind.extension_at(index)?.urn().as_str())?,
        };
        match attr.parent() {
            None => Some(holder),
            Some(parent) => object_at(holder, kind.attr(parent).name()),
        }
    }

    /// Takes away the objects that a removal left empty, and brings `schemas` up to date.
    fn prune(&mut self, kind: &ResourceType, id: AttrId) {
        let attr = kind.attr(id);
        let extension = attr.extension().and_then(|i| kind.extension_at(i)).map(|e| e.urn().as_str());
        let is_empty = |v: &Value| v.as_object().is_some_and(Map::is_empty);
        let holder = match extension {
            None => Some(&mut self.members),
            Some(urn) => self.members.get_mut(urn).and_then(Value::as_object_mut),
        };
        if let (Some(holder), Some(parent)) = (holder, attr.parent()) {
            let name = kind.attr(parent).name();
            if holder.get(name).is_some_and(is_empty) {
                holder.remove(name);
            }
        }
        if let Some(urn) = extension
            && self.members.get(urn).is_some_and(is_empty)
        {
            self.members.remove(urn);
        }
    }

    /// Sets `schemas` to the core schema and the extensions that have a value.
    pub(crate) fn refresh_schemas(&mut self, kind: &ResourceType) {
        let mut schemas = vec![Value::from(kind.schema().as_str())];
        let present = kind.extensions().iter().map(|e| e.urn().as_str());
        schemas.extend(present.filter(|urn| self.members.contains_key(*urn)).map(Value::from));
        self.members.insert("schemas".to_owned(), Value::Array(schemas));
    }
}

/// The object at `name`, made when there is none.
fn object_at<'m>(map: &'m mut Map<String, Value>, name: &str) -> Option<&'m mut Map<String, Value>> {
    if !map.get(name).is_some_and(Value::is_object) {
        map.insert(name.to_owned(), Value::Object(Map::new()));
    }
    map.get_mut(name)?.as_object_mut()
}

/// A JSON object as text, `schemas` first.
#[must_use]
pub fn object_text(members: &Map<String, Value>) -> String {
    let mut text = String::with_capacity(1024);
    text.push('{');
    let first = members.get_key_value("schemas");
    let rest = members.iter().filter(|(name, _)| *name != "schemas");
    for (name, value) in first.into_iter().chain(rest) {
        if text.len() > 1 {
            text.push(',');
        }
        // `Value` prints compact JSON, and writing into a `String` does not fail.
        let _ = write!(text, "{}:{value}", Value::from(name.as_str()));
    }
    text.push('}');
    text
}
