//! The identity of the elements of multi-valued attributes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Attr, AttrId, AttributeRole, ResourceType, Scalar};

/// The identity of an element: two elements with the same key are the same element.
///
/// # Example
/// See [`ElementKeys`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever compares elements must think of each kind"
)]
pub enum ElementKey {
    /// A value that is not complex.
    Simple(Scalar),
    /// The `value` of an element, and its `type`.
    Valued(Scalar, Option<Scalar>),
    /// An element without a `value`: all of it, as text.
    Whole(String),
}

/// Computes the identity of the elements of one attribute.
///
/// Two elements with the same `type` and `value` are the same element; both are compared by their `caseExact`.
///
/// # Example
/// ```
/// use scimkit_registry::{ElementKeys, Registry};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let keys = ElementKeys::new(user, user.attr(user.attribute_id("emails").unwrap()));
/// let work = keys.key(&json!({"value": "b@x.example", "type": "work", "display": "B"}));
/// assert_eq!(keys.key(&json!({"value": "B@X.example", "type": "Work"})), work);
/// assert_ne!(keys.key(&json!({"value": "b@x.example", "type": "home"})), work);
/// ```
///
/// [RFC 7643 section 2.4](https://www.rfc-editor.org/rfc/rfc7643#section-2.4)
#[derive(Debug, Clone, Copy)]
pub struct ElementKeys<'k> {
    attr: &'k Attr,
    of_type: Option<&'k Attr>,
    value: Option<&'k Attr>,
}

impl<'k> ElementKeys<'k> {
    /// Prepares the keys for an attribute's elements.
    #[must_use]
    pub fn new(kind: &'k ResourceType, attr: &'k Attr) -> Self {
        let named = |name| kind.children(attr.id()).find(|sub| sub.name() == name);
        ElementKeys {
            attr,
            of_type: named("type"),
            value: named("value"),
        }
    }

    /// Returns the key of an admitted element.
    #[must_use]
    pub fn key(&self, element: &Value) -> ElementKey {
        if let Some(key) = self.valued(element) {
            return key;
        }
        match Scalar::of(self.attr, element) {
            Some(value) => ElementKey::Simple(value),
            None => ElementKey::Whole(element.to_string()),
        }
    }

    /// Returns the key of an element that has a `value`.
    fn valued(&self, element: &Value) -> Option<ElementKey> {
        let part = |sub: Option<&Attr>| Scalar::of(sub?, element.get(sub?.name())?);
        Some(ElementKey::Valued(part(self.value)?, part(self.of_type)))
    }
}

impl ResourceType {
    /// Returns the admitted elements of an attribute, each pair of `value` and `type` once.
    ///
    /// - The first of the elements with the same pair remains, updated with the members of the later ones; it is
    ///   primary if any of them is.
    /// - Elements without a `value`, simple values and members remain unchanged.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let emails = vec![
    ///     json!({"value": "b@x.example", "primary": true}),
    ///     json!({"value": "B@x.example", "display": "B"}),
    /// ];
    /// let unique = user.without_duplicates(user.attribute_id("emails").unwrap(), emails);
    /// assert_eq!(unique, [json!({"value": "B@x.example", "primary": true, "display": "B"})]);
    /// ```
    ///
    /// [RFC 7643 section 2.4](https://www.rfc-editor.org/rfc/rfc7643#section-2.4)
    #[must_use]
    pub fn without_duplicates(&self, id: AttrId, elements: Vec<Value>) -> Vec<Value> {
        let attr = self.attr(id);
        // Members become edges, one per resource.
        let kept = !attr.is_complex() || attr.role() == AttributeRole::Membership;
        if kept || elements.len() < 2 {
            return elements;
        }
        let keys = ElementKeys::new(self, attr);
        let mut places: BTreeMap<ElementKey, usize> = BTreeMap::new();
        let mut unique: Vec<Value> = Vec::with_capacity(elements.len());
        for element in elements {
            let key = keys.valued(&element);
            let place = key.map_or(unique.len(), |key| {
                *places.entry(key).or_insert(unique.len())
            });
            match (unique.get_mut(place), element) {
                (Some(Value::Object(known)), Value::Object(given)) => update(known, given),
                (_, element) => unique.push(element),
            }
        }
        unique
    }
}

/// Updates an element; a primary one remains primary.
fn update(known: &mut Map<String, Value>, given: Map<String, Value>) {
    let primary = known.get("primary") == Some(&Value::Bool(true));
    known.extend(given);
    if primary {
        known.insert("primary".to_owned(), Value::Bool(true));
    }
}
