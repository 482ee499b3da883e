//! The attributes of a resource that a response shows.

use memchr::memmem::Finder;
use scimkit_core::Returned;
use scimkit_filter::AttributePath;
use serde_json::{Map, Value};

use crate::{Attr, AttrId, AttributeRole, ResourceType};

/// The attributes of a resource that a response shows, by the `returned` characteristics and the request's
/// `attributes` and `excludedAttributes`: see [`ResourceType::projection`].
#[derive(Debug, Clone)]
pub struct Projection {
    // INVARIANT: a sub-attribute is shown only with its parent.
    keep: Vec<bool>,
    whole: bool,
    /// The attributes that the request excludes, whatever else is shown.
    withheld: Vec<bool>,
}

impl Projection {
    /// Returns the projection that shows no attribute.
    pub(crate) fn nothing() -> Self {
        Projection {
            keep: Vec::new(),
            whole: false,
            withheld: Vec::new(),
        }
    }

    /// Returns whether it shows the attribute, or some of its sub-attributes.
    #[must_use]
    pub fn shows(&self, id: AttrId) -> bool {
        self.keep.get(id.index()).copied().unwrap_or(false)
    }

    /// Also shows attributes that a write set and that are returned on request, unless the request excluded them.
    ///
    /// [RFC 7643 section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7): such an attribute is
    /// returned by a POST, PUT or PATCH that specified it.
    #[must_use]
    pub fn with_written(mut self, kind: &ResourceType, written: &[AttrId]) -> Self {
        for id in written {
            let parent = kind.attr(*id).parent();
            let parts = kind.children(*id).map(Attr::id);
            for id in parts.chain([*id]).chain(parent) {
                let withheld = self.withheld.get(id.index()).copied().unwrap_or(true);
                if kind.attr(id).definition().returned == Returned::Request
                    && !withheld
                    && let Some(keep) = self.keep.get_mut(id.index())
                {
                    *keep = true;
                }
            }
        }
        self
    }

    /// Hides a computed attribute and its parts, whatever the request selects.
    ///
    /// Documents do not contain such an attribute, so this does not change [`is_whole`](Self::is_whole).
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let groups = user.attribute_id("groups").unwrap();
    /// let projection = user.projection::<&str>(&[], &[]).without_computed(user, groups);
    /// assert!(!projection.shows(groups) && projection.is_whole());
    /// ```
    #[must_use]
    pub fn without_computed(mut self, kind: &ResourceType, computed: AttrId) -> Self {
        let parts = kind.children(computed).map(Attr::id);
        for id in parts.chain([computed]).filter(|id| kind.is_computed(*id)) {
            if let Some(keep) = self.keep.get_mut(id.index()) {
                *keep = false;
            }
        }
        self
    }

    /// Returns whether a stored document can be sent unchanged: no attribute in it is hidden.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

impl ResourceType {
    /// Returns the projection for a request's `attributes` and `excludedAttributes`; both empty for the default one.
    ///
    /// - An extension's URI selects all of its attributes, the core schema's URI all others.
    /// - An attribute selects all of its sub-attributes, and is shown with any of them.
    /// - Attributes that are always returned can't be excluded; a sub-attribute of this kind is hidden only with its
    ///   complex attribute.
    /// - Attributes that are never returned can't be selected.
    /// - Attributes that are returned on request must be named.
    /// - A name that this type does not have selects nothing; blank names are ignored.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let projection = user.projection(&["name.givenName", "password"], &[]);
    /// let shows = |path| projection.shows(user.attribute_id(path).unwrap());
    /// assert!(shows("id") && shows("name") && shows("name.givenName"));
    /// assert!(!shows("name.familyName") && !shows("password"));
    /// ```
    ///
    /// [RFC 7644 section 3.9](https://www.rfc-editor.org/rfc/rfc7644#section-3.9)
    #[must_use]
    pub fn projection<S: AsRef<str>>(&self, attributes: &[S], excluded: &[S]) -> Projection {
        match (attributes, excluded) {
            ([], []) => self.default_projection.clone(),
            _ => self.projected(attributes, excluded),
        }
    }

    pub(crate) fn projected<S: AsRef<str>>(&self, attributes: &[S], excluded: &[S]) -> Projection {
        let asked = self.marks(attributes);
        let dropped = self.marks(excluded);
        let only = attributes
            .iter()
            .any(|name| !name.as_ref().trim().is_empty());
        let mut keep = Vec::with_capacity(self.attributes().len());
        for (attr, (asked, dropped)) in self.attributes().iter().zip(asked.iter().zip(&dropped)) {
            keep.push(match attr.definition().returned {
                Returned::Always => true,
                Returned::Never => false,
                Returned::Default => (!only || *asked) && !dropped,
                Returned::Request => *asked && !dropped,
            });
        }
        self.settle(&mut keep, &asked);
        // Documents contain no never returned or computed attributes.
        let visible = |a: &Attr| !a.is_never_returned() && !self.is_computed(a.id());
        let whole = self
            .attributes()
            .iter()
            .zip(&keep)
            .all(|(a, keep)| *keep || !visible(a));
        let withheld = asked.iter().zip(&dropped);
        let withheld = withheld.map(|(asked, dropped)| *dropped || (only && !asked));
        Projection {
            keep,
            whole,
            withheld: withheld.collect(),
        }
    }

    /// Shows an attribute if a part of it was selected, and hides all parts of a hidden one.
    fn settle(&self, keep: &mut [bool], asked: &[bool]) {
        for (attr, asked) in self.attributes().iter().zip(asked) {
            let shown = keep.get(attr.id().index()).copied().unwrap_or(false);
            if let Some(parent) = attr.parent()
                && (*asked && shown)
                && let Some(parent) = keep.get_mut(parent.index())
            {
                *parent = true;
            }
        }
        for attr in self.attributes() {
            let hidden = |parent: AttrId| !keep.get(parent.index()).copied().unwrap_or(false);
            if attr.parent().is_some_and(hidden)
                && let Some(keep) = keep.get_mut(attr.id().index())
            {
                *keep = false;
            }
        }
    }

    /// Returns for every attribute whether one of the names selects it, directly or by its parent.
    fn marks<S: AsRef<str>>(&self, names: &[S]) -> Vec<bool> {
        let mut marks = vec![false; self.attributes().len()];
        for name in names {
            let name = name.as_ref().trim();
            if let Some(index) = self.extension_named(name) {
                self.mark_where(&mut marks, |a| a.extension() == Some(index));
            } else if name.eq_ignore_ascii_case(self.schema().as_str()) {
                self.mark_where(&mut marks, |a| a.extension().is_none());
            } else if let Ok(path) = AttributePath::parse(name) {
                let sub = path.sub_attribute.as_deref();
                let found = self.resolve(&path).or_else(|| match path.urn {
                    None => self.lookup_in_extensions(&path.name, sub),
                    Some(_) => None,
                });
                if let Some(id) = found {
                    self.mark_where(&mut marks, |a| a.id() == id || a.parent() == Some(id));
                }
            }
        }
        marks
    }

    fn mark_where(&self, marks: &mut [bool], test: impl Fn(&Attr) -> bool) {
        for (mark, attr) in marks.iter_mut().zip(self.attributes()) {
            *mark |= test(attr);
        }
    }

    /// Removes hidden and unknown attributes from a complete resource.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::Registry;
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let mut answer = json!({"id": "42", "userName": "bjensen", "title": "Dr"});
    /// let projection = user.projection(&[], &["id", "title"]);
    /// user.project(answer.as_object_mut().unwrap(), &projection);
    /// assert_eq!(answer, json!({"id": "42", "userName": "bjensen"}));
    /// ```
    ///
    /// [RFC 7644 section 3.9](https://www.rfc-editor.org/rfc/rfc7644#section-3.9)
    pub fn project(&self, members: &mut Map<String, Value>, projection: &Projection) {
        members.retain(|name, value| match (self.extension_named(name), value) {
            (None, value) => self.keeps(name, value, None, projection),
            (extension, Value::Object(inner)) => {
                inner.retain(|name, value| self.keeps(name, value, extension, projection));
                !inner.is_empty()
            }
            _ => false,
        });
    }

    pub(crate) fn keeps(
        &self,
        name: &str,
        value: &mut Value,
        ext: Option<usize>,
        p: &Projection,
    ) -> bool {
        let Some(attr) = self.top_level(ext).iter().find(|a| a.name() == name) else {
            return false;
        };
        if !p.shows(attr.id()) {
            return false;
        }
        if !attr.is_complex() {
            return true;
        }
        let narrow = |element: &mut Value| {
            if let Some(members) = element.as_object_mut() {
                members.retain(|name, _| {
                    let sub = self.children(attr.id()).find(|a| a.name() == name);
                    sub.is_some_and(|sub| p.shows(sub.id()))
                });
            }
        };
        match value {
            Value::Array(elements) => {
                elements.iter_mut().for_each(narrow);
                elements.retain(|e| e.as_object().is_none_or(|m| !m.is_empty()));
                !elements.is_empty()
            }
            one => {
                narrow(one);
                one.as_object().is_none_or(|m| !m.is_empty())
            }
        }
    }
}

/// The positions in a resource type's documents at which computed values are printed.
#[derive(Debug, Default)]
pub(crate) struct Splices {
    /// The computed attributes of the resource itself: `id`, `meta` and memberships.
    pub(crate) top: Vec<AttrId>,
    pub(crate) references: Vec<Reference>,
}

/// A reference attribute with computed sub-attributes.
#[derive(Debug)]
pub(crate) struct Reference {
    attr: AttrId,
    /// Finds the name in the text of a document, if no other attribute has the same name.
    finder: Option<Finder<'static>>,
    /// Its computed sub-attributes.
    pub(crate) parts: Vec<AttrId>,
}

impl Splices {
    /// Returns the reference attribute with that id.
    pub(crate) fn reference(&self, id: AttrId) -> Option<&Reference> {
        self.references.iter().find(|known| known.attr == id)
    }

    pub(crate) fn of(kind: &ResourceType) -> Self {
        let completed = || kind.completed_attributes();
        let top = completed().map(Attr::id).filter(|id| kind.is_computed(*id));
        let references = completed().filter(|a| a.role() == AttributeRole::Reference);
        let reference = |attr: &Attr| {
            let same = kind.attributes().iter().filter(|a| a.name() == attr.name());
            // Inside a string, the quotes would be escaped.
            let name = format!("\"{}\":", attr.name());
            Reference {
                attr: attr.id(),
                finder: (same.count() == 1).then(|| Finder::new(&name).into_owned()),
                parts: reference_parts(kind, attr).map(Attr::id).collect(),
            }
        };
        Splices {
            top: top.collect(),
            references: references.map(reference).collect(),
        }
    }
}

/// Returns the sub-attributes of a reference that are computed from its target.
pub(crate) fn reference_parts<'k>(
    kind: &'k ResourceType,
    attr: &Attr,
) -> impl Iterator<Item = &'k Attr> {
    kind.children(attr.id()).filter(|sub| {
        kind.is_computed(sub.id()) && matches!(sub.name(), "$ref" | "display" | "displayName")
    })
}

impl Reference {
    /// Finds the reference's value in the text of an exact document.
    pub(crate) fn place(&self, text: &[u8]) -> Place {
        let Some(finder) = &self.finder else {
            return Place::Unknown;
        };
        let Some(name) = finder.find(text) else {
            return Place::Nowhere;
        };
        let value = name + finder.needle().len();
        match text.get(value) {
            Some(b'{') => Place::At(value),
            _ => Place::Unknown,
        }
    }
}

/// The position of a reference's value in the text of a document.
pub(crate) enum Place {
    /// At the start of this object.
    At(usize),
    Nowhere,
    /// Only a scan can tell.
    Unknown,
}
