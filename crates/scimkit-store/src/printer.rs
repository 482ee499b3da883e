//! Prints stored resources as JSON for responses.

use std::cell::{OnceCell, RefCell};

use percent_encoding::utf8_percent_encode;
use scimkit_core::{Version, push_instant, push_json_string};
use scimkit_registry::{
    Attr, AttrId, AttributeRole, DocumentPrinter, Edge, Projection, ResourceType,
};

use crate::{Settings, StoredResource, computed::SEGMENT};

/// Prints stored resources of one type with the attributes of a projection.
///
/// The text is the same as that of the tree which [`ResourceType::project`] returns for the document and its
/// [`computed_attributes`](crate::computed_attributes). Create one printer for all resources of a page.
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_core::Version;
/// use scimkit_registry::ResourceId;
/// use scimkit_store::{Document, ResourcePrinter, Settings, StoredResource, Timestamps};
///
/// let settings = Settings::new("https://example.com/scim/v2/");
/// let group = settings.registry.resource_type("Group").unwrap();
/// let (created, last_modified) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
/// let stored = StoredResource::new(
///     ResourceId::from("g 1"),
///     Version::new("7")?,
///     Timestamps { created, last_modified },
///     Document::from_text(r#"{"displayName":"G"}"#),
/// );
/// let projection = group.projection(&["displayName", "meta.location"], &[]);
/// let mut text = Vec::new();
/// ResourcePrinter::new(&settings, group, &projection).print(&stored, &mut text);
/// let shown = br#"{"displayName":"G","id":"g 1","meta":{"location":"https://example.com/scim/v2/Groups/g%201"}}"#;
/// assert_eq!(text, shown);
/// # Ok::<(), scimkit_core::InvalidVersion>(())
/// ```
#[derive(Debug)]
pub struct ResourcePrinter<'p> {
    /// A JSON string with the base URL, without its closing quote.
    base_url: Vec<u8>,
    document: DocumentPrinter<'p>,
    kind: &'p ResourceType,
    meta: Template,
    /// The shown sub-attributes of each membership and inverse attribute, computed for the first edge.
    parts: OnceCell<Vec<(AttrId, Vec<Part<'p>>)>>,
    printed: RefCell<PrintedEdges>,
    projection: &'p Projection,
    settings: &'p Settings,
}

/// The texts of recently printed edges: the users of a page are often in the same groups. The end of an edge's id
/// selects its slot.
#[derive(Debug, Default)]
struct PrintedEdges(Vec<Vec<PrintedEdge>>);

#[derive(Debug)]
struct PrintedEdge {
    attr: AttrId,
    edge: Edge,
    text: Vec<u8>,
}

impl PrintedEdges {
    const SLOTS: usize = 32;
    const SLOT_SIZE: usize = 4;
    const MAX_TEXT: usize = 1 << 10;

    /// Appends the text that `print` appends for an attribute of an edge; returns whether that is not empty.
    fn print(
        &mut self,
        (attr, edge): (AttrId, &Edge),
        text: &mut Vec<u8>,
        print: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        self.0.resize_with(Self::SLOTS, Vec::new);
        let end = edge.id.as_str().bytes().rev().take(2);
        let at = end.fold(0, |at, byte| at * 31 + usize::from(byte)) % Self::SLOTS;
        let mut slot = self.0.get_mut(at);
        let known = slot.iter().flat_map(|slot| slot.iter());
        let mut known = known.filter(|known| known.attr == attr && known.edge == *edge);
        if let Some(known) = known.next() {
            text.extend_from_slice(&known.text);
            return true;
        }
        let start = text.len();
        print(text);
        let new = text.get(start..).unwrap_or_default();
        if let Some(slot) = &mut slot
            && (1..=Self::MAX_TEXT).contains(&new.len())
        {
            if slot.len() == Self::SLOT_SIZE {
                slot.clear();
            }
            slot.push(PrintedEdge {
                attr,
                edge: edge.clone(),
                text: new.to_vec(),
            });
        }
        !new.is_empty()
    }
}

/// The text of `meta` without the values that differ between resources; empty if no sub-attribute is shown.
#[derive(Debug, Default)]
struct Template {
    /// The positions of the missing values in the text, and their kinds.
    holes: Vec<(usize, Holds)>,
    text: Vec<u8>,
}

/// A shown sub-attribute: its name and the kind of its value.
#[derive(Debug)]
struct Part<'p> {
    holds: Holds,
    name: &'p str,
}

#[derive(Debug, Clone, Copy)]
enum Holds {
    Created,
    /// The text `direct`.
    Direct,
    Display,
    /// The name of the type of an edge's target.
    Kind,
    LastModified,
    Location,
    ResourceType,
    /// The location of an edge's target.
    Target,
    Value,
    Version,
}

impl Holds {
    /// Returns the kind of value of a sub-attribute of `meta`, a membership or an inverse attribute; none if no
    /// resource has a value.
    fn of(attr: &Attr, role: AttributeRole) -> Option<Holds> {
        Some(match (role, attr.name()) {
            (AttributeRole::Meta, "resourceType") => Holds::ResourceType,
            (AttributeRole::Meta, "created") => Holds::Created,
            (AttributeRole::Meta, "lastModified") => Holds::LastModified,
            (AttributeRole::Meta, "location") => Holds::Location,
            (AttributeRole::Meta, "version") => Holds::Version,
            (AttributeRole::Inverse, "type") => Holds::Direct,
            (AttributeRole::Membership, "type") => Holds::Kind,
            (AttributeRole::Inverse | AttributeRole::Membership, "$ref") => Holds::Target,
            (AttributeRole::Inverse | AttributeRole::Membership, "display") => Holds::Display,
            (AttributeRole::Inverse | AttributeRole::Membership, "value") => Holds::Value,
            _ => return None,
        })
    }
}

impl<'p> ResourcePrinter<'p> {
    /// Creates a printer for the resources of a type.
    #[must_use]
    pub fn new(settings: &'p Settings, kind: &'p ResourceType, projection: &'p Projection) -> Self {
        let mut base_url = Vec::with_capacity(settings.base_url.len() + 2);
        push_json_string(&mut base_url, &settings.base_url);
        base_url.pop();
        let mut printer = ResourcePrinter {
            base_url,
            document: DocumentPrinter::new(kind, projection),
            kind,
            meta: Template::default(),
            parts: OnceCell::new(),
            printed: RefCell::default(),
            projection,
            settings,
        };
        let mut completed = kind.completed_attributes();
        if let Some(attr) = completed.find(|attr| attr.role() == AttributeRole::Meta) {
            printer.meta = printer.template(printer.shown_parts(attr));
        }
        printer
    }

    /// Returns the shown sub-attributes of an attribute.
    fn shown_parts(&self, attr: &'p Attr) -> impl Iterator<Item = Part<'p>> + use<'p> {
        let (kind, projection) = (self.kind, self.projection);
        let shown = kind
            .children(attr.id())
            .filter(|sub| projection.shows(sub.id()));
        shown.filter_map(|sub| {
            let name = sub.name();
            let holds = Holds::of(sub, attr.role())?;
            Some(Part { holds, name })
        })
    }

    /// Appends the JSON object of one resource, with the edges with which it was read.
    pub fn print(&self, stored: &StoredResource, text: &mut Vec<u8>) {
        let value = |attr, text: &mut Vec<u8>| self.value(stored, attr, text);
        self.document.print(&stored.document, text, value);
    }

    /// Appends edges as elements of a membership or inverse attribute, with commas in between. An element without a
    /// shown sub-attribute is omitted.
    pub fn print_elements(&self, attr: AttrId, edges: &[Edge], text: &mut Vec<u8>) {
        let parts = self.parts_of(attr);
        // Two groups rarely have the same members.
        let are_often_same = self.kind.attr(attr).role() == AttributeRole::Inverse;
        let mut printed = self.printed.borrow_mut();
        let first = text.len();
        for edge in edges {
            let start = text.len();
            if start > first {
                text.push(b',');
            }
            let print = |text: &mut Vec<u8>| self.element(parts, edge, text);
            let empty = text.len();
            if are_often_same {
                _ = printed.print((attr, edge), text, print)
            } else {
                print(text)
            }
            if text.len() == empty {
                text.truncate(start);
            }
        }
    }

    /// Appends an edge as an element, if at least one of its sub-attributes is shown.
    fn element(&self, parts: &[Part<'_>], edge: &Edge, text: &mut Vec<u8>) {
        let start = text.len();
        text.push(b'{');
        let empty = text.len();
        for part in parts {
            let start = text.len();
            member(text, part.name, empty);
            if !self.edge_part(part.holds, edge, text) {
                text.truncate(start);
            }
        }
        if text.len() == empty {
            text.truncate(start)
        } else {
            text.push(b'}')
        }
    }

    /// Appends the value of a computed attribute; returns whether the resource has it.
    fn value(&self, stored: &StoredResource, id: AttrId, text: &mut Vec<u8>) -> bool {
        let attr = self.kind.attr(id);
        match attr.role() {
            AttributeRole::Id => push_json_string(text, stored.id.as_str()),
            AttributeRole::Meta => self.meta(stored, text),
            AttributeRole::Inverse | AttributeRole::Membership => {
                let edges = edges(stored, id);
                if edges.is_empty() {
                    return false;
                }
                let start = text.len();
                text.push(b'[');
                self.print_elements(id, edges, text);
                if text.len() == start + 1 {
                    text.truncate(start)
                } else {
                    text.push(b']')
                }
            }
            AttributeRole::Reference => {
                let target = attr
                    .parent()
                    .and_then(|parent| edges(stored, parent).first());
                let holds = match attr.name() {
                    "$ref" => Holds::Target,
                    _ => Holds::Display,
                };
                return target.is_some_and(|edge| {
                    let mut printed = self.printed.borrow_mut();
                    printed.print((id, edge), text, |text| {
                        _ = self.edge_part(holds, edge, text)
                    })
                });
            }
            _ => return false,
        }
        true
    }

    /// Prepares the part of `meta` that is the same for all resources.
    fn template(&self, parts: impl Iterator<Item = Part<'p>>) -> Template {
        let mut holes = Vec::with_capacity(4);
        let mut text = Vec::with_capacity(256);
        for Part { holds, name } in parts {
            text.push(if text.is_empty() { b'{' } else { b',' });
            push_json_string(&mut text, name);
            text.push(b':');
            match holds {
                Holds::ResourceType => {
                    push_json_string(&mut text, self.kind.name());
                    continue;
                }
                Holds::Location => self.location(self.kind, &mut text),
                Holds::Version => text.extend_from_slice(br#""W/\""#),
                _ => text.push(b'"'),
            }
            holes.push((text.len(), holds));
            if let Holds::Version = holds {
                text.extend_from_slice(br#"\""#);
            }
            text.push(b'"');
        }
        if !text.is_empty() {
            text.push(b'}');
        }
        Template { holes, text }
    }

    fn meta(&self, stored: &StoredResource, text: &mut Vec<u8>) {
        let Template { holes, text: fixed } = &self.meta;
        let mut from = 0;
        for (at, holds) in holes {
            text.extend_from_slice(fixed.get(from..*at).unwrap_or_default());
            from = *at;
            match holds {
                Holds::Created => push_instant(text, stored.created),
                Holds::LastModified => push_instant(text, stored.last_modified),
                Holds::Location => push_segment(text, stored.id.as_str()),
                _ => push_version(text, &stored.version),
            }
        }
        text.extend_from_slice(fixed.get(from..).unwrap_or_default());
    }

    /// Appends the value of a part of an element; returns false if the edge does not have one.
    fn edge_part(&self, holds: Holds, edge: &Edge, text: &mut Vec<u8>) -> bool {
        match holds {
            Holds::Direct => push_json_string(text, "direct"),
            Holds::Target => {
                let name = edge.kind.as_deref();
                let kind = name.and_then(|name| self.settings.registry.resource_type(name));
                let Some(kind) = kind else {
                    return false;
                };
                self.location(kind, text);
                push_segment(text, edge.id.as_str());
                text.push(b'"');
            }
            Holds::Value => push_json_string(text, edge.id.as_str()),
            Holds::Display | Holds::Kind => {
                let given = match holds {
                    Holds::Display => &edge.display,
                    _ => &edge.kind,
                };
                let Some(given) = given else {
                    return false;
                };
                push_json_string(text, given);
            }
            _ => return false,
        }
        true
    }

    /// Appends a JSON string with the [location](crate::location) of a resource, up to its id.
    fn location(&self, kind: &ResourceType, text: &mut Vec<u8>) {
        text.extend_from_slice(&self.base_url);
        // An endpoint has only characters of a URL path, which need no escapes.
        text.extend_from_slice(kind.endpoint().as_bytes());
        text.push(b'/');
    }

    fn parts_of(&self, attr: AttrId) -> &[Part<'p>] {
        let parts = self.parts.get_or_init(|| {
            let completed = self.kind.completed_attributes();
            let with_edges = completed.filter(|attr| {
                matches!(
                    attr.role(),
                    AttributeRole::Inverse | AttributeRole::Membership
                )
            });
            let parts = with_edges.map(|attr| (attr.id(), self.shown_parts(attr).collect()));
            parts.collect()
        });
        let mut parts = parts.iter();
        parts
            .find(|(known, _)| *known == attr)
            .map_or(&[], |(_, parts)| parts)
    }
}

fn edges(stored: &StoredResource, attr: AttrId) -> &[Edge] {
    let mut lists = stored.edges.iter();
    lists
        .find(|list| list.attr == attr)
        .map_or(&[], |list| &list.edges)
}

/// Appends an id as the segment of a URL.
fn push_segment(text: &mut Vec<u8>, id: &str) {
    // Without an early end, so that the compiler can check many bytes at once.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if id.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        text.extend_from_slice(id.as_bytes());
        return;
    }
    for part in utf8_percent_encode(id, SEGMENT) {
        text.extend_from_slice(part.as_bytes());
    }
}

/// Appends a version, which is visible ASCII without quotes, as a part of a JSON string.
fn push_version(text: &mut Vec<u8>, version: &Version) {
    for byte in version.as_str().bytes() {
        if byte == b'\\' {
            text.push(b'\\');
        }
        text.push(byte);
    }
}

/// Appends the name of the next member of an object that begins at `empty`. Names need no escapes.
fn member(text: &mut Vec<u8>, name: &str, empty: usize) {
    if text.len() > empty {
        text.push(b',');
    }
    text.push(b'"');
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"\":");
}
