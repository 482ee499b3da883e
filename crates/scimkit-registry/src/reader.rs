//! The values of a few attributes, found in a document's text in one pass.

use std::borrow::Cow;

use serde_json::Value;

use crate::{AttrId, Document, ResourceId, ResourceType, node::Node, project::Place, scan};

/// Finds the values of some attributes in documents of one type, without parsing the documents.
///
/// # Example
/// ```
/// use scimkit_filter::Filter;
/// use scimkit_registry::{Document, Meter, Registry, Tolerance, ResourceView};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let filter = Filter::parse(r#"name.familyName sw "jen""#).unwrap();
/// let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT)?;
/// let reader = user.reader(predicate.attributes());
///
/// let body = json!({"userName": "bjensen", "name": {"familyName": "Jensen"}});
/// let document = Document::from(user.admit(body, &Tolerance::DEFAULT)?);
/// let values = reader.read(document.text());
/// assert_eq!(user.matches(&predicate, ResourceView::of_values(&values), &Meter::unlimited()), Ok(true));
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone)]
pub struct AttrReader {
    /// The members of the document to find.
    members: Vec<Member>,
    /// The number of attributes to find.
    wanted: usize,
}

#[derive(Debug, Clone)]
enum Member {
    Attr(String, AttrId),
    Extension(String, Vec<(String, AttrId)>),
}

/// The values that an [`AttrReader`] found in a document.
#[derive(Debug, Clone)]
pub struct AttrValues<'d> {
    found: Vec<(AttrId, &'d [u8])>,
}

impl ResourceType {
    /// Prepares to read these attributes; for a sub-attribute, the attribute that contains it.
    #[must_use]
    pub fn reader(&self, attrs: impl IntoIterator<Item = AttrId>) -> AttrReader {
        let tops = attrs
            .into_iter()
            .map(|id| self.attr(id).parent().unwrap_or(id));
        let mut tops: Vec<AttrId> = tops.collect();
        tops.sort_unstable();
        tops.dedup();
        let wanted = tops.len();
        let mut members = Vec::with_capacity(wanted);
        for attr in tops.into_iter().map(|id| self.attr(id)) {
            let entry = (attr.name().to_owned(), attr.id());
            let urn = attr.extension().and_then(|index| self.extension_at(index));
            let Some(urn) = urn.map(|extension| extension.urn().as_str()) else {
                members.push(Member::Attr(entry.0, entry.1));
                continue;
            };
            let known = members.iter_mut().find_map(|member| match member {
                Member::Extension(name, inner) if name == urn => Some(inner),
                _ => None,
            });
            match known {
                Some(inner) => inner.push(entry),
                None => members.push(Member::Extension(urn.to_owned(), vec![entry])),
            }
        }
        AttrReader { members, wanted }
    }
}

impl AttrReader {
    /// Reads the [text](Document::text) of a document. Text that is not JSON has no values.
    #[must_use]
    pub fn read<'d>(&self, text: &'d [u8]) -> AttrValues<'d> {
        let mut found = Vec::with_capacity(self.wanted);
        let mut left = self.members.len();
        let mut members = scan::Members::of(text);
        while left > 0 {
            let Some((name, value)) = members.next() else {
                break;
            };
            match self.members.iter().find(|member| member.name() == name) {
                None => continue,
                Some(Member::Attr(_, id)) => found.push((*id, value)),
                Some(Member::Extension(_, wanted)) => {
                    for (name, value) in scan::Members::of(value) {
                        let attr = wanted.iter().find(|(wanted, _)| wanted.as_bytes() == name);
                        found.extend(attr.map(|(_, id)| (*id, value)));
                    }
                }
            }
            left -= 1;
        }
        AttrValues { found }
    }
}

impl Member {
    fn name(&self) -> &[u8] {
        match self {
            Member::Attr(name, _) | Member::Extension(name, _) => name.as_bytes(),
        }
    }
}

impl<'d> AttrValues<'d> {
    /// Returns the value of one of the attributes, parsed.
    #[must_use]
    pub fn value(&self, id: AttrId) -> Option<Value> {
        let (_, text) = self.found.iter().find(|(known, _)| *known == id)?;
        serde_json::from_slice(text).ok()
    }

    pub(crate) fn node(&self, id: AttrId) -> Option<Node<'d>> {
        let found = self.found.iter().find(|(known, _)| *known == id);
        found.map(|(_, text)| Node::Text(text))
    }
}

impl Document {
    /// Returns the value of a top-level attribute, parsed.
    #[must_use]
    pub fn value(&self, kind: &ResourceType, id: AttrId) -> Option<Value> {
        match kind.reader([id]).read(self.text()).node(id)? {
            Node::Text(text) => serde_json::from_slice(text).ok(),
            Node::Members(_) => None,
            Node::Tree(value) => Some(value.clone()),
        }
    }

    /// Returns the `displayName` of the resource, which references and members show.
    #[must_use]
    pub fn display_name(&self, kind: &ResourceType) -> Option<String> {
        let attr = kind.attr(kind.display_name?);
        if attr.extension().is_some() {
            let values = kind.reader([attr.id()]);
            let values = values.read(self.text());
            return values.node(attr.id())?.string().map(Cow::into_owned);
        }
        // A group has thousands of members, so this prepares nothing per member.
        let name = Node::Text(self.text()).get(attr.name())?.string();
        name.map(Cow::into_owned)
    }

    /// Returns the resource that a reference attribute such as `manager` names: its `value`.
    #[must_use]
    pub fn reference(&self, kind: &ResourceType, id: AttrId) -> Option<ResourceId> {
        let text = self.text();
        let known = kind.splices.reference(id);
        let place = match known.filter(|_| self.is_exact()) {
            Some(known) => known.place(text),
            None => Place::Unknown,
        };
        let value = match place {
            Place::At(at) => {
                let mut members = scan::Members::of(text.get(at..)?);
                let (_, value) = members.find(|(name, _)| *name == b"value")?;
                Node::Text(value).string()?
            }
            Place::Nowhere => return None,
            Place::Unknown => {
                let values = kind.reader([id]);
                let values = values.read(text);
                return Some(ResourceId::from(
                    values.node(id)?.get("value")?.string()?.into_owned(),
                ));
            }
        };
        Some(ResourceId::from(value.into_owned()))
    }
}
