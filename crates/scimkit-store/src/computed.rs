//! The attributes that no document contains: `id`, `meta`, memberships, and completed references.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use scimkit_core::{Version, format_instant};
use scimkit_registry::{
    Attr, AttrEdges, AttrId, AttributeRole, Document, Edge, Registry, ResourceId, ResourceType,
};
use serde_json::{Map, Value};

use crate::{Settings, StoredResource};

/// The facts about one resource from which its attributes are computed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ResourceFacts<'a> {
    /// The time of its creation.
    pub created: DateTime<Utc>,
    /// Its document.
    pub document: &'a Document,
    /// The edges of its membership, inverse and reference attributes, as far as they are needed.
    pub edges: &'a [AttrEdges],
    /// Its identifier.
    pub id: &'a ResourceId,
    /// Its type.
    pub kind: &'a ResourceType,
    /// The time of its last change.
    pub last_modified: DateTime<Utc>,
    /// Its version.
    pub version: &'a Version,
}

impl<'a> ResourceFacts<'a> {
    /// Creates the facts of a stored resource of that type.
    #[must_use]
    pub fn new(kind: &'a ResourceType, stored: &'a StoredResource, edges: &'a [AttrEdges]) -> Self {
        ResourceFacts {
            created: stored.created,
            document: &stored.document,
            edges,
            id: &stored.id,
            kind,
            last_modified: stored.last_modified,
            version: &stored.version,
        }
    }
}

/// Returns the computed attributes among `wanted`.
///
/// The key of each is the one that [`ResourceView::with`](scimkit_registry::ResourceView::with) looks for: the name of
/// a core attribute, or the canonical path of an attribute of an extension. A wanted sub-attribute stands for the whole
/// attribute. A membership without edges has no key.
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_core::Version;
/// use scimkit_registry::ResourceId;
/// use scimkit_store::{Document, ResourceFacts, Settings, StoredResource, Timestamps, computed_attributes};
///
/// let settings = Settings::new("https://example.com/scim/v2/");
/// let group = settings.registry.resource_type("Group").unwrap();
/// let (created, last_modified) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
/// let stored = StoredResource::new(
///     ResourceId::from("g 1"),
///     Version::new("7")?,
///     Timestamps { created, last_modified },
///     Document::from_text("{}"),
/// );
/// let wanted = [group.attribute_id("meta").unwrap(), group.attribute_id("members").unwrap()];
/// let computed = computed_attributes(&settings, &ResourceFacts::new(group, &stored, &[]), &wanted);
/// assert_eq!(computed["meta"]["location"], "https://example.com/scim/v2/Groups/g%201");
/// assert!(!computed.contains_key("members"));
/// # Ok::<(), scimkit_core::InvalidVersion>(())
/// ```
#[must_use]
pub fn computed_attributes(
    settings: &Settings,
    facts: &ResourceFacts<'_>,
    wanted: &[AttrId],
) -> Map<String, Value> {
    let mut made = Map::new();
    for id in wanted {
        let attr = facts.kind.attr(*id);
        let attr = attr.parent().map_or(attr, |parent| facts.kind.attr(parent));
        let key = if attr.extension().is_none() {
            attr.name()
        } else {
            attr.path()
        };
        if made.contains_key(key) {
            continue;
        }
        let value = match attr.role() {
            AttributeRole::Id => Some(Value::from(facts.id.as_str())),
            AttributeRole::Inverse | AttributeRole::Membership => {
                elements(settings, facts, attr.id())
            }
            AttributeRole::Meta => Some(meta(settings, facts)),
            AttributeRole::Reference => reference(settings, facts, attr.id()),
            _ => None,
        };
        if let Some(value) = value {
            made.insert(key.to_owned(), value);
        }
    }
    made
}

/// Returns the `meta` attribute of a resource.
///
/// [RFC 7643 section 3.1](https://www.rfc-editor.org/rfc/rfc7643#section-3.1)
#[must_use]
pub fn meta(settings: &Settings, facts: &ResourceFacts<'_>) -> Value {
    let members = [
        ("resourceType", facts.kind.name().to_owned()),
        ("created", format_instant(facts.created)),
        ("lastModified", format_instant(facts.last_modified)),
        ("location", location(settings, facts.kind, facts.id)),
        ("version", facts.version.etag()),
    ];
    members
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Value::from(text)))
        .collect()
}

/// Returns the absolute URI of a resource, with its id percent-encoded.
#[must_use]
pub fn location(settings: &Settings, kind: &ResourceType, id: &ResourceId) -> String {
    let base = &settings.base_url;
    let endpoint = kind.endpoint();
    let id = id.as_str();
    let mut location = String::with_capacity(base.len() + endpoint.len() + 1 + id.len());
    location.push_str(base);
    location.push_str(endpoint);
    location.push('/');
    location.extend(utf8_percent_encode(id, SEGMENT));
    location
}

/// Returns an edge as an element of a membership or inverse attribute, with the sub-attributes that the
/// schema has: `value`, `$ref` if the type of the target is known, `display` and `type`.
#[must_use]
pub fn element(settings: &Settings, kind: &ResourceType, attr: AttrId, edge: &Edge) -> Value {
    let inverse = kind.attr(attr).role() == AttributeRole::Inverse;
    let mut members = Map::new();
    for sub in kind.children(attr) {
        let text = match sub.name() {
            "$ref" => target_location(settings, edge),
            "display" => edge.display.as_deref().map(str::to_owned),
            "type" if inverse => Some("direct".to_owned()),
            "type" => edge.kind.as_deref().map(str::to_owned),
            "value" => Some(edge.id.as_str().to_owned()),
            _ => None,
        };
        if let Some(text) = text {
            members.insert(sub.name().to_owned(), Value::from(text));
        }
    }
    Value::Object(members)
}

/// Returns the resource types to which a membership, inverse or reference attribute can refer: those in the
/// `referenceTypes` of its `$ref`, or all types if there are none.
#[must_use]
pub fn target_types<'r>(
    registry: &'r Registry,
    kind: &ResourceType,
    attr: AttrId,
) -> Vec<&'r Arc<ResourceType>> {
    registry.target_types(kind, attr)
}

/// All characters except the unreserved ones of RFC 3986.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn elements(settings: &Settings, facts: &ResourceFacts<'_>, attr: AttrId) -> Option<Value> {
    let edges = edges(facts, attr);
    let elements = edges
        .iter()
        .map(|edge| element(settings, facts.kind, attr, edge));
    (!edges.is_empty()).then(|| elements.collect())
}

/// Returns a reference as in the document, with its `$ref` and the current name of its target.
fn reference(settings: &Settings, facts: &ResourceFacts<'_>, attr: AttrId) -> Option<Value> {
    let Value::Object(mut members) = facts.document.value(facts.kind, attr)? else {
        return None;
    };
    if let Some(edge) = edges(facts, attr).first() {
        let made = |sub: &&Attr| facts.kind.is_computed(sub.id()) && fills(sub);
        for sub in facts.kind.children(attr).filter(made) {
            let text = match sub.name() {
                "$ref" => target_location(settings, edge),
                _ => edge.display.as_deref().map(str::to_owned),
            };
            if let Some(text) = text {
                members.insert(sub.name().to_owned(), Value::from(text));
            }
        }
    }
    Some(Value::Object(members))
}

fn fills(sub: &Attr) -> bool {
    matches!(sub.name(), "$ref" | "display" | "displayName")
}

fn edges<'a>(facts: &ResourceFacts<'a>, attr: AttrId) -> &'a [Edge] {
    facts
        .edges
        .iter()
        .find(|list| list.attr == attr)
        .map_or(&[], |list| &list.edges)
}

fn target_location(settings: &Settings, edge: &Edge) -> Option<String> {
    let kind = settings.registry.resource_type(edge.kind.as_deref()?)?;
    Some(location(settings, kind, &edge.id))
}
