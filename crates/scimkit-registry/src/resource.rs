//! A resource's attributes as stored: a JSON object with the schema's spelling of every name.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    Attr, AttrId, RequestError, ResourceType,
    budget::members_weight,
    json_len::{max_len, object_len},
};

/// The attributes of one resource, with the schema's spelling of every name and no unassigned value.
///
/// [`ResourceType::admit`] creates it from the body of a request, [`Resource::restore`] from the text in a store. It
/// does not contain `id`, `meta` and the computed parts of references; memberships and attributes that are never
/// returned are in it only between admission and [`Change`](crate::Change).
///
/// # Example
/// ```
/// use scimkit_registry::{Registry, Resource, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let body = json!({"name": {"GivenName": "Barbara"}});
/// let bjensen = user.admit(body, &Tolerance::DEFAULT)?;
/// let given_name = user.attribute_id("name.givenName").unwrap();
/// assert_eq!(bjensen.get(user, given_name), Some(&json!("Barbara")));
///
/// assert_eq!(Resource::restore(bjensen.to_text().as_bytes())?, bjensen);
/// assert_eq!(bjensen.text_len(), bjensen.to_text().len() as u64);
/// assert!(bjensen.text_len() <= bjensen.max_text_len());
/// assert!(Resource::restore(b"[]").is_err());
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    // INVARIANT: keys have the schema's spelling; no null, `[]` or `{}` anywhere.
    pub(crate) members: Map<String, Value>,
}

impl Resource {
    /// Returns the JSON object.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.members
    }

    /// Returns the value of a top-level attribute, or of a sub-attribute of a single-valued one.
    #[must_use]
    pub fn get(&self, kind: &ResourceType, id: AttrId) -> Option<&Value> {
        let attr = kind.attr(id);
        let holder = match attr.parent() {
            Some(parent) => self.get(kind, parent)?.as_object()?,
            None => self.holder(kind, attr.extension())?,
        };
        holder.get(attr.name())
    }

    /// Returns the JSON object by value.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.members
    }

    /// Returns the units for copying, comparing or printing the resource: see [`weight`](crate::weight).
    #[must_use]
    pub fn weight(&self) -> u64 {
        members_weight(&self.members)
    }

    /// Parses the text of [`Resource::to_text`].
    ///
    /// # Errors
    /// `invalidSyntax` if the text is not a JSON object.
    pub fn restore(text: &[u8]) -> Result<Resource, RequestError> {
        match serde_json::from_slice(text) {
            Ok(members) => Ok(Resource { members }),
            Err(problem) => Err(RequestError::unreadable(&problem)),
        }
    }

    /// Returns the JSON text, `schemas` first.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_json_text(&self.members)
    }

    /// Returns the length of [`Resource::to_text`] in bytes, without building the text.
    #[must_use]
    pub fn text_len(&self) -> u64 {
        object_len(&self.members)
    }

    /// Returns an upper bound of [`Resource::text_len`] that is cheaper to compute, and in most cases several times
    /// as large.
    #[must_use]
    pub fn max_text_len(&self) -> u64 {
        // Including its braces.
        max_len(self.weight()).saturating_add(2)
    }

    /// Returns the object with the top-level attributes of the core schema or of one extension.
    pub(crate) fn holder(
        &self,
        kind: &ResourceType,
        extension: Option<usize>,
    ) -> Option<&Map<String, Value>> {
        match extension {
            None => Some(&self.members),
            Some(index) => self
                .members
                .get(kind.extension_at(index)?.urn().as_str())?
                .as_object(),
        }
    }

    /// Sets one attribute and creates the objects that enclose it.
    ///
    /// - `value` must not be empty and must be admitted for the attribute: see [`ResourceType::admit_value`].
    /// - A sub-attribute of a multi-valued attribute is ignored, since it is ambiguous.
    /// - `schemas` does not change: see [`refresh_schemas`](Self::refresh_schemas).
    pub fn set(&mut self, kind: &ResourceType, id: AttrId, value: Value) {
        let attr = kind.attr(id);
        let parent = attr.parent().map(|parent| kind.attr(parent));
        if parent.is_some_and(|parent| parent.definition().multi_valued) {
            return;
        }
        let extension = attr.extension().and_then(|index| kind.extension_at(index));
        let mut holder = Some(&mut self.members);
        let around = extension
            .map(|e| e.urn().as_str())
            .into_iter()
            .chain(parent.map(Attr::name));
        for name in around {
            holder = holder.and_then(|holder| object_at(holder, name));
        }
        if let Some(holder) = holder {
            holder.insert(attr.name().to_owned(), value);
        }
    }

    /// Unsets one attribute and the enclosing objects that this leaves empty.
    pub fn unset(&mut self, kind: &ResourceType, id: AttrId) {
        let attr = kind.attr(id);
        let Some(extension) = attr.extension().and_then(|index| kind.extension_at(index)) else {
            take_out(kind, &mut self.members, attr);
            return;
        };
        let urn = extension.urn().as_str();
        if let Some(Value::Object(holder)) = self.members.get_mut(urn) {
            take_out(kind, holder, attr);
            if holder.is_empty() {
                self.members.remove(urn);
            }
        }
    }

    /// Removes and returns the value of one top-level attribute; the objects around it remain.
    pub(crate) fn take(&mut self, kind: &ResourceType, attr: &Attr) -> Option<Value> {
        let holder = match attr.extension().and_then(|index| kind.extension_at(index)) {
            None => &mut self.members,
            Some(extension) => self
                .members
                .get_mut(extension.urn().as_str())?
                .as_object_mut()?,
        };
        holder.remove(attr.name())
    }

    /// Sets `schemas` to the core schema and the extensions that have a value.
    pub fn refresh_schemas(&mut self, kind: &ResourceType) {
        let schemas = self.used_schemas(kind).map(Value::from).collect();
        self.members
            .insert("schemas".to_owned(), Value::Array(schemas));
    }

    /// Returns whether `schemas` is what [`refresh_schemas`](Self::refresh_schemas) would write.
    pub(crate) fn has_fresh_schemas(&self, kind: &ResourceType) -> bool {
        self.lists(self.used_schemas(kind))
    }

    /// Returns whether `schemas` consists of these URNs in this order.
    pub(crate) fn lists<'k>(&'k self, schemas: impl Iterator<Item = &'k str>) -> bool {
        let listed = self.members.get("schemas").and_then(Value::as_array);
        listed.is_some_and(|listed| listed.iter().map(Value::as_str).eq(schemas.map(Some)))
    }

    /// Returns the core schema, and each extension that has values.
    fn used_schemas<'k>(&self, kind: &'k ResourceType) -> impl Iterator<Item = &'k str> {
        kind.schemas_with(|urn| self.members.contains_key(urn))
    }
}

/// The values of a resource's top-level attributes.
pub(crate) trait TopLevel {
    /// Returns whether any value belongs to that extension.
    fn has_extension(&self, kind: &ResourceType, index: usize) -> bool;

    fn value(&self, kind: &ResourceType, id: AttrId) -> Option<&Value>;
}

impl TopLevel for Resource {
    fn has_extension(&self, kind: &ResourceType, index: usize) -> bool {
        self.holder(kind, Some(index)).is_some()
    }

    fn value(&self, kind: &ResourceType, id: AttrId) -> Option<&Value> {
        self.get(kind, id)
    }
}

impl ResourceType {
    /// Returns the core schema, and each extension that a document has.
    pub(crate) fn schemas_with(&self, has: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        let extensions = self.extensions().iter().map(|e| e.urn().as_str());
        let used = extensions.filter(move |urn| has(urn));
        std::iter::once(self.schema().as_str()).chain(used)
    }

    /// Returns the name of the top-level member of a document that contains an attribute.
    pub(crate) fn member_of(&self, id: AttrId) -> &str {
        let attr = self.attr(id);
        let extension = attr.extension().and_then(|index| self.extension_at(index));
        match (extension, attr.parent()) {
            (Some(extension), _) => extension.urn().as_str(),
            (None, Some(parent)) => self.attr(parent).name(),
            (None, None) => attr.name(),
        }
    }
}

impl RequestError {
    pub(crate) fn unreadable(problem: &serde_json::Error) -> Self {
        RequestError::syntax(format!("a stored document can't be read: {problem}"))
    }
}

fn take_out(kind: &ResourceType, holder: &mut Map<String, Value>, attr: &Attr) {
    let Some(parent) = attr.parent().map(|parent| kind.attr(parent).name()) else {
        holder.remove(attr.name());
        return;
    };
    if let Some(Value::Object(inner)) = holder.get_mut(parent) {
        inner.remove(attr.name());
        if inner.is_empty() {
            holder.remove(parent);
        }
    }
}

/// Returns the object at `name`, which it creates if necessary.
fn object_at<'m>(
    map: &'m mut Map<String, Value>,
    name: &str,
) -> Option<&'m mut Map<String, Value>> {
    if !map.get(name).is_some_and(Value::is_object) {
        map.insert(name.to_owned(), Value::Object(Map::new()));
    }
    map.get_mut(name)?.as_object_mut()
}

/// Returns a JSON object as text, `schemas` first.
///
/// # Example
/// ```
/// use scimkit_registry::to_json_text;
/// use serde_json::json;
///
/// let members = json!({"id": "42", "schemas": []});
/// assert_eq!(to_json_text(members.as_object().unwrap()), r#"{"schemas":[],"id":"42"}"#);
/// ```
#[must_use]
pub fn to_json_text(members: &Map<String, Value>) -> String {
    schemas_first(members.iter().map(|(name, value)| (name.as_str(), value)))
}

/// Returns the text of a JSON object with these members, `schemas` first.
fn schemas_first<'m>(members: impl Iterator<Item = (&'m str, &'m Value)> + Clone) -> String {
    let mut text = Vec::with_capacity(1024);
    // Writing to a vector does not fail, and JSON is UTF-8.
    let _ = serde_json::to_writer(&mut text, &SchemasFirst(members));
    String::from_utf8(text).unwrap_or_default()
}

struct SchemasFirst<M>(M);

impl<'m, M: Iterator<Item = (&'m str, &'m Value)> + Clone> Serialize for SchemasFirst<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = self.0.clone().filter(|(name, _)| *name == "schemas");
        let rest = self.0.clone().filter(|(name, _)| *name != "schemas");
        serializer.collect_map(first.chain(rest))
    }
}
