//! The lookup keys of documents.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use scimkit_core::{DataType, Uniqueness};
use scimkit_registry::{
    Attr, AttrId, AttrKeys, AttributeRole, Change, Document, InvalidDocument, Key, Resource,
    ResourceType,
};

/// The keys of one attribute before a decision and after it.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyEdit {
    pub(super) after: Vec<Key>,
    pub(super) before: Vec<Key>,
}

impl KeyEdit {
    /// Returns the keys that the decision adds.
    pub(super) fn added(&self) -> impl Iterator<Item = &Key> {
        missing(&self.after, &self.before)
    }

    /// Returns the keys that the decision removes.
    pub(super) fn removed(&self) -> impl Iterator<Item = &Key> {
        missing(&self.before, &self.after)
    }
}

/// Returns the keys that the other list lacks. A long list becomes a set first, since clients decide how many values an
/// attribute has.
fn missing<'k>(keys: &'k [Key], others: &'k [Key]) -> impl Iterator<Item = &'k Key> {
    let set: Option<BTreeSet<_>> = (others.len() > 16).then(|| others.iter().collect());
    keys.iter().filter(move |key| match &set {
        Some(set) => !set.contains(key),
        None => !others.contains(key),
    })
}

/// The keys of the attributes that a decision touches.
pub(super) type KeyEdits = BTreeMap<AttrId, KeyEdit>;

/// Returns whether stores have keys of an attribute: it is indexed, simple, and stored in documents.
pub(crate) fn has_keys(kind: &ResourceType, attr: &Attr) -> bool {
    attr.is_indexed()
        && matches!(attr.role(), AttributeRole::Plain | AttributeRole::Reference)
        && !kind.is_computed(attr.id())
        && attr.definition().data_type != DataType::Complex
        && !attr.is_never_returned()
}

/// Returns whether a key of an attribute must be unique among live resources.
pub(super) fn is_unique(attr: &Attr) -> bool {
    attr.definition().uniqueness != Uniqueness::None
}

/// Returns the new keys of the attributes that a change touches.
pub(super) fn of_change(change: &Change) -> Vec<AttrKeys> {
    let kind = change.kind();
    let mut keys = change.keys();
    keys.retain(|list| has_keys(kind, kind.attr(list.attr)));
    keys
}

/// Returns the keys of these attributes of a document, including those of their sub-attributes.
pub(super) fn of_attributes(
    kind: &Arc<ResourceType>,
    document: &Resource,
    ids: impl Iterator<Item = AttrId>,
) -> Vec<AttrKeys> {
    let mut change = Change::empty(Arc::clone(kind));
    for id in ids {
        change.difference(id, None, document.get(kind, id).cloned());
    }
    of_change(&change)
}

/// Returns all keys of a document, and parses only the attributes with keys.
///
/// # Errors
/// The text is not a JSON object.
pub(super) fn of_document(
    kind: &Arc<ResourceType>,
    document: &Document,
) -> Result<Vec<AttrKeys>, InvalidDocument> {
    let keyed = kind.attributes().iter().filter(|attr| has_keys(kind, attr));
    let part = document.part(kind, keyed.map(Attr::id))?;
    Ok(of_change(&Change::create(Arc::clone(kind), part)))
}

/// Returns the attributes that a change sets or removes.
pub(super) fn touched(change: &Change) -> impl Iterator<Item = AttrId> {
    let set = change.assignments().iter().map(|(id, _)| *id);
    set.chain(change.removals().iter().copied())
}

/// Returns whether a change sets or removes an attribute, its parent or one of their sub-attributes.
pub(super) fn sets(change: &Change, attr: AttrId) -> bool {
    let kind = change.kind();
    let whole = |id| kind.attr(id).parent().unwrap_or(id);
    touched(change).any(|id| whole(id) == whole(attr))
}

#[cfg(test)]
mod tests {
    use scimkit_registry::Key;

    use super::KeyEdit;

    #[test]
    fn key_edit_returns_added_and_removed_keys_of_short_and_long_lists() {
        for count in [2, 40] {
            let keys = |from: i64| (from..from + count).map(Key::Integer).collect();
            let edit = KeyEdit {
                after: keys(1),
                before: keys(0),
            };
            assert!(edit.added().eq([&Key::Integer(count)]));
            assert!(edit.removed().eq([&Key::Integer(0)]));
        }
    }
}
