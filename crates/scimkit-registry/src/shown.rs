//! Printing of resources for responses, from the text of their documents.

use std::sync::OnceLock;

use crate::{
    Attr, AttrId, AttributeRole, Document, Projection, ResourceType,
    project::{Place, reference_parts},
    scan,
};

/// Prints the documents of one resource type with their computed attributes, according to a projection.
///
/// The printed text is that of the tree after [`ResourceType::project`]. Shown attributes are copied from the text of
/// the document: the whole text of an [exact](Document::is_exact) document if the projection hides none of it,
/// otherwise value by value.
///
/// # Example
/// ```
/// use scimkit_registry::{AttrId, Document, DocumentPrinter, Registry, Tolerance};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let body = json!({"userName": "bjensen", "title": "Dr"});
/// let document = Document::from(user.admit(body, &Tolerance::DEFAULT)?);
/// let projection = user.projection(&["title"], &[]);
/// let printer = DocumentPrinter::new(user, &projection);
/// let mut text = Vec::new();
/// printer.print(&document, &mut text, |attr, out| {
///     out.extend_from_slice(b"\"42\"");
///     attr == AttrId::ID
/// });
/// assert!(text.ends_with(br#","title":"Dr","id":"42"}"#));
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug)]
pub struct DocumentPrinter<'k> {
    kind: &'k ResourceType,
    projection: &'k Projection,
    /// The shown attributes, by name; only created if a document is not copied as a whole.
    table: OnceLock<Level>,
}

impl<'k> DocumentPrinter<'k> {
    /// Creates a printer for a type's documents.
    #[must_use]
    pub fn new(kind: &'k ResourceType, projection: &'k Projection) -> Self {
        DocumentPrinter {
            kind,
            projection,
            table: OnceLock::new(),
        }
    }

    /// Appends the JSON object of one resource.
    ///
    /// `computed` appends the JSON value of a computed attribute, if the resource has one, and returns whether it has
    /// one. It is called for `id`, `meta`, and membership and inverse attributes that are shown, and for the
    /// sub-attributes of references that are computed from the target. If it returns `false`, the appended bytes are
    /// removed; if it returns `true` without appending any, no part of the value is shown.
    pub fn print(
        &self,
        document: &Document,
        out: &mut Vec<u8>,
        computed: impl Fn(AttrId, &mut Vec<u8>) -> bool,
    ) {
        let text = document.text();
        let start = out.len();
        out.reserve(text.len() + 512);
        let is_whole = document.is_exact() && self.projection.is_whole();
        if is_whole && self.copy(text, out, &computed).is_some() {
            for attr in &self.kind.splices.top {
                if self.projection.shows(*attr) {
                    splice(self.kind.attr(*attr), out, &computed);
                }
            }
        } else {
            out.truncate(start);
            out.push(b'{');
            let table = self.table.get_or_init(|| self.table());
            let walk = Walk {
                computed: &computed,
                is_exact: document.is_exact(),
                kind: self.kind,
            };
            walk.members(table, text, Splicing::Wanted, out);
        }
        out.push(b'}');
    }

    /// Copies a document without its closing brace, with the computed parts of references. `None` if a reference
    /// can't be found.
    fn copy(
        &self,
        text: &[u8],
        out: &mut Vec<u8>,
        computed: &dyn Fn(AttrId, &mut Vec<u8>) -> bool,
    ) -> Option<()> {
        let body = text.strip_suffix(b"}")?;
        if body.first() != Some(&b'{') {
            return None;
        }
        let mut inserted: Vec<(usize, Vec<u8>)> = Vec::new();
        for reference in &self.kind.splices.references {
            // Printed at the end of the text and moved from there, to avoid an allocation.
            let start = out.len();
            out.push(b'{');
            for part in &reference.parts {
                if self.projection.shows(*part) {
                    splice(self.kind.attr(*part), out, computed);
                }
            }
            if out.len() > start + 1 {
                let parts = out.split_off(start + 1);
                let Place::At(value) = reference.place(text) else {
                    return None;
                };
                inserted.push((scan::value_end(text, value)? - 1, parts));
            }
            out.truncate(start);
        }
        inserted.sort_unstable_by_key(|(at, _)| *at);
        let mut copied = 0;
        for (at, parts) in inserted {
            out.extend_from_slice(body.get(copied..at)?);
            if !out.ends_with(b"{") {
                out.push(b',');
            }
            out.extend_from_slice(&parts);
            copied = at;
        }
        out.extend_from_slice(body.get(copied..)?);
        Some(())
    }

    /// Returns the attributes that the projection shows.
    fn table(&self) -> Level {
        let mut top = self.level(self.kind.top_level(None));
        for (index, extension) in self.kind.extensions().iter().enumerate() {
            let level = self.level(self.kind.top_level(Some(index)));
            top.entries.push(Entry {
                attr: None,
                name: extension.urn().as_str().to_owned(),
                shows: Shows::Extension(level),
            });
        }
        // Documents have their members in this order.
        top.entries.sort_by(|a, b| a.name.cmp(&b.name));
        top
    }

    fn level<'a>(&self, attrs: impl IntoIterator<Item = &'a Attr>) -> Level {
        let attrs = attrs.into_iter();
        let shown = attrs.filter(|attr| self.projection.shows(attr.id()));
        let mut level = Level::default();
        for attr in shown {
            let is_spliced = match attr.parent().map(|parent| self.kind.attr(parent)) {
                None => self.kind.is_computed(attr.id()),
                Some(parent) if parent.role() == AttributeRole::Reference => {
                    reference_parts(self.kind, parent).any(|part| part.id() == attr.id())
                }
                Some(_) => false,
            };
            if is_spliced {
                level.spliced.push(attr.id());
            }
            level.entries.push(Entry {
                attr: Some(attr.id()),
                name: attr.name().to_owned(),
                shows: if attr.is_complex() {
                    self.parts(attr)
                } else {
                    Shows::Value
                },
            });
        }
        level.entries.sort_by(|a, b| a.name.cmp(&b.name));
        level
    }

    fn parts(&self, attr: &Attr) -> Shows {
        let subs = || self.kind.children(attr.id());
        let level = self.level(subs());
        if level.spliced.is_empty() && subs().all(|sub| self.projection.shows(sub.id())) {
            Shows::Everything(level)
        } else {
            Shows::Parts(level)
        }
    }
}

/// The shown members of an object.
#[derive(Debug, Default)]
struct Level {
    entries: Vec<Entry>,
    /// The computed members.
    spliced: Vec<AttrId>,
}

#[derive(Debug)]
struct Entry {
    /// `None` for an extension.
    attr: Option<AttrId>,
    name: String,
    shows: Shows,
}

/// The shown part of a member.
#[derive(Debug)]
enum Shows {
    /// All sub-attributes of a complex attribute.
    Everything(Level),
    Extension(Level),
    /// Some of the sub-attributes, or sub-attributes together with computed ones.
    Parts(Level),
    /// A simple value.
    Value,
}

impl Level {
    /// Returns the entry of that name. The search begins after the last entry that was found, since documents have
    /// the same order.
    fn find(&self, name: &[u8], last: &mut usize) -> Option<&Entry> {
        let (before, after) = self.entries.split_at_checked(*last)?;
        let mut entries = after.iter().chain(before);
        let at = entries.position(|entry| entry.is_named(name))?;
        let at = (*last + at) % self.entries.len();
        *last = at + 1;
        self.entries.get(at)
    }
}

impl Entry {
    fn is_named(&self, name: &[u8]) -> bool {
        match self.shows {
            // The URI of a schema ignores case.
            Shows::Extension(_) => name.eq_ignore_ascii_case(self.name.as_bytes()),
            _ => name == self.name.as_bytes(),
        }
    }
}

/// Whether computed values are printed into an object.
#[derive(Clone, Copy, PartialEq)]
enum Splicing {
    None,
    Wanted,
}

/// The walk over a document that is not copied as a whole.
struct Walk<'w> {
    computed: &'w dyn Fn(AttrId, &mut Vec<u8>) -> bool,
    /// Whether the document contains only attributes that its type has.
    is_exact: bool,
    kind: &'w ResourceType,
}

impl Walk<'_> {
    /// Prints the shown members of an object, with computed ones in place of its own.
    fn members(&self, level: &Level, text: &[u8], splicing: Splicing, out: &mut Vec<u8>) {
        let mut last = 0;
        let mut done = Vec::new();
        for (name, value) in scan::Members::of(text) {
            let Some(entry) = level.find(name, &mut last) else {
                continue;
            };
            let spliced = entry
                .attr
                .filter(|attr| splicing == Splicing::Wanted && level.spliced.contains(attr));
            if let Some(attr) = spliced
                && splice(self.kind.attr(attr), out, self.computed)
            {
                done.push(attr);
                continue;
            }
            let start = out.len();
            member(out, name);
            if !self.value(&entry.shows, value, out) {
                out.truncate(start);
            }
        }
        if splicing == Splicing::Wanted {
            let rest = level.spliced.iter().filter(|attr| !done.contains(attr));
            for attr in rest {
                splice(self.kind.attr(*attr), out, self.computed);
            }
        }
    }

    /// Prints the shown part of a value; returns whether there is one.
    fn value(&self, shows: &Shows, text: &[u8], out: &mut Vec<u8>) -> bool {
        match shows {
            Shows::Value => {
                out.extend_from_slice(text);
                true
            }
            Shows::Everything(_) if self.is_exact => {
                out.extend_from_slice(text);
                true
            }
            Shows::Extension(level) => {
                text.first() == Some(&b'{') && self.object(level, text, Splicing::None, out)
            }
            Shows::Everything(level) | Shows::Parts(level) => match text.first() {
                Some(b'[') => self.elements(level, text, out),
                _ => self.object(level, text, Splicing::Wanted, out),
            },
        }
    }

    fn elements(&self, level: &Level, text: &[u8], out: &mut Vec<u8>) -> bool {
        out.push(b'[');
        let empty = out.len();
        for element in scan::Elements::of(text) {
            let start = out.len();
            if start > empty {
                out.push(b',');
            }
            if !self.object(level, element, Splicing::None, out) {
                out.truncate(start);
            }
        }
        let is_shown = out.len() > empty;
        out.push(b']');
        is_shown
    }

    /// Prints the shown part of an object, or any other value unchanged; returns whether anything is shown.
    fn object(&self, level: &Level, text: &[u8], splicing: Splicing, out: &mut Vec<u8>) -> bool {
        if text.first() != Some(&b'{') {
            out.extend_from_slice(text);
            return true;
        }
        out.push(b'{');
        let empty = out.len();
        self.members(level, text, splicing, out);
        let is_shown = out.len() > empty;
        out.push(b'}');
        is_shown
    }
}

/// Prints a computed attribute, if the resource has it and a part of it is shown; returns whether the resource has
/// it.
fn splice(attr: &Attr, out: &mut Vec<u8>, computed: &dyn Fn(AttrId, &mut Vec<u8>) -> bool) -> bool {
    let start = out.len();
    member(out, attr.name().as_bytes());
    let empty = out.len();
    let has_value = computed(attr.id(), out);
    if !has_value || out.len() == empty {
        out.truncate(start);
    }
    has_value
}

/// Prints the name of the next member of an object. Names need no escapes.
pub(crate) fn member(out: &mut Vec<u8>, name: &[u8]) {
    if out.last().is_some_and(|last| *last != b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name);
    out.extend_from_slice(b"\":");
}
