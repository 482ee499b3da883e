//! Prints a resource as a response shows it, from the text of its document.

use serde_json::{Map, Value};

use crate::{Attr, Document, Projection, ResourceType, scan};

impl ResourceType {
    /// Prints a document with its computed attributes, as far as a projection shows them: the text of
    /// what [`project`](Self::project) leaves.
    ///
    /// `computed` has attributes of an extension under their full paths; they are shown if the
    /// document has others of that extension. What the document shows is copied from its text.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Document, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let body = json!({"userName": "bjensen", "title": "Dr"});
    /// let document = Document::from(user.admit(body, &Tolerance::DEFAULT)?);
    /// let computed = json!({"id": "42"}).as_object().unwrap().clone();
    /// let projection = user.projection(&["title"], &[]);
    /// let text = user.shown_text(&document, computed, &projection);
    /// assert!(text.ends_with(br#","title":"Dr","id":"42"}"#));
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    #[must_use]
    pub fn shown_text(
        &self,
        document: &Document,
        computed: Map<String, Value>,
        projection: &Projection,
    ) -> Vec<u8> {
        let text = document.text();
        let mut out = Vec::with_capacity(text.len() + 512);
        let is_whole = document.is_exact() && projection.is_whole();
        // No document holds a computed attribute, but for the parts of a reference that a client may write.
        let replaces = |name: &String| {
            let attr = self.named(name).map(|id| self.attr(id));
            attr.is_none_or(|attr| !self.is_computed(attr.id()))
        };
        let mut printer = Printer {
            computed,
            is_exact: document.is_exact(),
            kind: self,
            projection,
        };
        match text.strip_suffix(b"}") {
            Some(body) if is_whole && !printer.computed.keys().any(replaces) => {
                out.extend_from_slice(body);
            }
            _ => {
                out.push(b'{');
                printer.document(text, &mut out);
            }
        }
        for (name, mut value) in printer.computed {
            if self.keeps(&name, &mut value, None, projection) {
                member(&mut out, name.as_bytes());
                print(&value, &mut out);
            }
        }
        out.push(b'}');
        out
    }
}

struct Printer<'p> {
    /// The computed attributes that are not printed yet.
    computed: Map<String, Value>,
    /// Whether the document has only what its type knows.
    is_exact: bool,
    kind: &'p ResourceType,
    projection: &'p Projection,
}

impl Printer<'_> {
    /// Prints the members of a document, but for those that are computed.
    fn document(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for (name, value) in scan::Members::of(text) {
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            match self.kind.extension_named(name) {
                None if self.computed.contains_key(name) => {}
                None => self.attribute(name, value, None, out),
                Some(index) => self.extension((name, index), value, out),
            }
        }
    }

    fn extension(&mut self, (name, index): (&str, usize), text: &[u8], out: &mut Vec<u8>) {
        let mut parts = self.parts_of(index);
        let start = out.len();
        member(out, name.as_bytes());
        out.push(b'{');
        let empty = out.len();
        for (name, value) in scan::Members::of(text) {
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            if !parts.contains_key(name) {
                self.attribute(name, value, Some(index), out);
            }
        }
        for (name, value) in &mut parts {
            if self.kind.keeps(name, value, Some(index), self.projection) {
                member(out, name.as_bytes());
                print(value, out);
            }
        }
        match out.len() == empty {
            true => out.truncate(start),
            false => out.push(b'}'),
        }
    }

    /// Removes the attributes of an extension from the computed attributes, and returns them under their names in it.
    fn parts_of(&mut self, index: usize) -> Map<String, Value> {
        let Some(extension) = self.kind.extension_at(index) else {
            return Map::new();
        };
        let urn = extension.urn().as_str();
        let name_in = |path: &str| Some(path.strip_prefix(urn)?.strip_prefix(':')?.to_owned());
        let computed = self.computed.keys();
        let paths: Vec<_> = computed
            .filter_map(|path| Some((path.clone(), name_in(path)?)))
            .collect();
        let parts = paths
            .into_iter()
            .filter_map(|(path, name)| Some((name, self.computed.remove(&path)?)));
        parts.collect()
    }

    /// Prints a top-level attribute of the core schema or of an extension, as far as it is shown.
    fn attribute(&self, name: &str, value: &[u8], extension: Option<usize>, out: &mut Vec<u8>) {
        let mut attrs = self.kind.top_level(extension).iter();
        let Some(attr) = attrs.find(|attr| attr.name() == name) else {
            return;
        };
        if !self.projection.shows(attr.id()) {
            return;
        }
        let start = out.len();
        member(out, name.as_bytes());
        if !attr.is_complex() || (self.is_exact && self.shows_all_of(attr)) {
            out.extend_from_slice(value);
        } else if !self.complex(attr, value, out) {
            out.truncate(start);
        }
    }

    fn shows_all_of(&self, attr: &Attr) -> bool {
        let mut subs = self.kind.children(attr.id());
        subs.all(|sub| self.projection.shows(sub.id()))
    }

    /// Prints the value of a complex attribute; returns whether anything of it is shown.
    fn complex(&self, attr: &Attr, value: &[u8], out: &mut Vec<u8>) -> bool {
        if value.first() != Some(&b'[') {
            return self.element(attr, value, out);
        }
        out.push(b'[');
        let empty = out.len();
        for element in scan::Elements::of(value) {
            let start = out.len();
            if start > empty {
                out.push(b',');
            }
            if !self.element(attr, element, out) {
                out.truncate(start);
            }
        }
        let is_shown = out.len() > empty;
        out.push(b']');
        is_shown
    }

    /// Prints one value of a complex attribute; returns whether anything of it is shown.
    fn element(&self, attr: &Attr, value: &[u8], out: &mut Vec<u8>) -> bool {
        if value.first() != Some(&b'{') {
            out.extend_from_slice(value);
            return true;
        }
        out.push(b'{');
        let empty = out.len();
        for (name, value) in scan::Members::of(value) {
            let mut subs = self.kind.children(attr.id());
            let sub = subs.find(|sub| sub.name().as_bytes() == name);
            if sub.is_some_and(|sub| self.projection.shows(sub.id())) {
                member(out, name);
                out.extend_from_slice(value);
            }
        }
        let is_shown = out.len() > empty;
        out.push(b'}');
        is_shown
    }
}

/// Prints the name of the next member of an object. Names need no escapes.
fn member(out: &mut Vec<u8>, name: &[u8]) {
    if out.last().is_some_and(|last| *last != b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(name);
    out.extend_from_slice(b"\":");
}

fn print(value: &Value, out: &mut Vec<u8>) {
    // Writing into a vector does not fail.
    let _ = serde_json::to_writer(out, value);
}
