//! Prints a resource as a response shows it, without a copy of its document.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{Attr, Projection, Resource, ResourceType, resource::schemas_first};

/// A member of the object that is shown.
type Member<'v> = (Cow<'v, str>, Cow<'v, Value>);

impl ResourceType {
    /// Prints a document with its computed attributes, as far as a projection shows them: the text of
    /// what [`project`](Self::project) leaves, `schemas` first.
    ///
    /// `computed` has attributes of an extension under their full paths; they are shown if the
    /// document has others of that extension. Values that are shown as they are stored are not copied.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let body = json!({"userName": "bjensen", "title": "Dr"});
    /// let document = user.admit(body, &Tolerance::DEFAULT)?;
    /// let computed = json!({"id": "42"}).as_object().unwrap().clone();
    /// let projection = user.projection(&["title"], &[]);
    /// let text = user.shown_text(&document, computed, &projection);
    /// assert!(text.ends_with(r#","id":"42","title":"Dr"}"#), "{text}");
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    #[must_use]
    pub fn shown_text(
        &self,
        document: &Resource,
        mut computed: Map<String, Value>,
        projection: &Projection,
    ) -> String {
        let mut shown: Vec<Member<'_>> =
            Vec::with_capacity(document.members.len() + computed.len());
        for (name, value) in &document.members {
            let value = match self.extension_named(name) {
                None if computed.contains_key(name) => None,
                None => self.shown(name, value, None, projection),
                Some(index) => {
                    let parts = self.parts_of(index, &mut computed);
                    self.shown_extension(value, index, parts, projection)
                }
            };
            shown.extend(value.map(|value| (Cow::Borrowed(name.as_str()), value)));
        }
        for (name, mut value) in computed {
            if self.keeps(&name, &mut value, None, projection) {
                shown.push((Cow::Owned(name), Cow::Owned(value)));
            }
        }
        shown.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        schemas_first(shown.iter().map(|(name, value)| (&**name, &**value)))
    }

    /// Removes the attributes of an extension from the computed attributes, and returns them under their names in it.
    fn parts_of(&self, index: usize, computed: &mut Map<String, Value>) -> Map<String, Value> {
        let Some(extension) = self.extension_at(index) else {
            return Map::new();
        };
        let urn = extension.urn().as_str();
        let name_in = |path: &str| Some(path.strip_prefix(urn)?.strip_prefix(':')?.to_owned());
        let paths: Vec<_> = computed
            .keys()
            .filter_map(|path| Some((path.clone(), name_in(path)?)))
            .collect();
        let parts = paths
            .into_iter()
            .filter_map(|(path, name)| Some((name, computed.remove(&path)?)));
        parts.collect()
    }

    fn shown_extension<'v>(
        &self,
        value: &'v Value,
        index: usize,
        mut parts: Map<String, Value>,
        projection: &Projection,
    ) -> Option<Cow<'v, Value>> {
        let members = value.as_object()?;
        let is_whole = |(name, value): (&String, &Value)| {
            let attr = self
                .top_level(Some(index))
                .iter()
                .find(|a| a.name() == *name);
            attr.is_some_and(|attr| self.is_whole(attr, value, projection))
        };
        if parts.is_empty() && !members.is_empty() && members.iter().all(is_whole) {
            return Some(Cow::Borrowed(value));
        }
        for (name, value) in members {
            if !parts.contains_key(name) {
                parts.insert(name.clone(), value.clone());
            }
        }
        parts.retain(|name, value| self.keeps(name, value, Some(index), projection));
        (!parts.is_empty()).then_some(Cow::Owned(Value::Object(parts)))
    }

    fn shown<'v>(
        &self,
        name: &str,
        value: &'v Value,
        extension: Option<usize>,
        projection: &Projection,
    ) -> Option<Cow<'v, Value>> {
        let attr = self
            .top_level(extension)
            .iter()
            .find(|a| a.name() == name)?;
        if self.is_whole(attr, value, projection) {
            return Some(Cow::Borrowed(value));
        }
        if !projection.shows(attr.id()) {
            return None;
        }
        let mut value = value.clone();
        let keeps = self.keeps(name, &mut value, extension, projection);
        keeps.then_some(Cow::Owned(value))
    }

    /// Whether the value of an attribute is shown as it is.
    fn is_whole(&self, attr: &Attr, value: &Value, projection: &Projection) -> bool {
        if !projection.shows(attr.id()) || !attr.is_complex() {
            return projection.shows(attr.id());
        }
        let is_whole = |element: &Value| match element.as_object() {
            None => true,
            Some(members) => {
                let shows = |name: &String| {
                    let sub = self.children(attr.id()).find(|sub| sub.name() == *name);
                    sub.is_some_and(|sub| projection.shows(sub.id()))
                };
                !members.is_empty() && members.keys().all(shows)
            }
        };
        match value {
            Value::Array(elements) => !elements.is_empty() && elements.iter().all(is_whole),
            one => is_whole(one),
        }
    }
}
