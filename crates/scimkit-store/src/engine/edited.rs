//! Applies changes to documents, and checks their unique keys.

use std::{borrow::Cow, collections::btree_map, sync::Arc};

use scimkit_registry::{AttrKeys, Change, Key, Resource, ResourceId};

use super::{
    counters::Moves,
    decider::Decider,
    facts::KeyRef,
    keys::{self, KeyEdits},
    overlay::Body,
    request::Request,
    rows::Rejection,
};
use crate::{Document, StoreError, journal::PartPrinter};

/// A changed document.
pub(super) struct EditedBody {
    pub(super) body: Body,
    pub(super) details: Option<PartPrinter>,
    pub(super) moves: Moves,
}

/// A resource and the change that a write makes to it.
#[derive(Clone, Copy)]
pub(super) struct Edit<'w> {
    /// The document before, if the write contains it.
    pub(super) base: Option<&'w Arc<Resource>>,
    pub(super) change: &'w Change,
    pub(super) id: &'w ResourceId,
    /// The new keys of the attributes that the change sets.
    pub(super) keys: &'w [AttrKeys],
}

impl<'w> Edit<'w> {
    /// Replaces the change and its keys, if there are others.
    pub(super) fn with_change(self, other: Option<&'w (Change, Vec<AttrKeys>)>) -> Self {
        match other {
            Some((change, keys)) => Edit {
                change,
                keys,
                ..self
            },
            None => self,
        }
    }
}

impl Decider<'_> {
    /// Returns the changed document of a resource; none if the change does not alter it.
    ///
    /// # Errors
    /// - [`StoreError::Duplicate`]: another resource has one of the new unique keys
    /// - [`StoreError::CapacityExceeded`]: the resource would exceed a limit
    /// - [`StoreError::Invalid`]: the database has rejected the row
    pub(super) fn edited_body(
        &self,
        request: &Request,
        edit: Edit<'_>,
    ) -> Result<Option<EditedBody>, StoreError> {
        let edited = self.unlimited_body(request, edit)?;
        if let Some(edited) = &edited {
            self.check_moves(request, &edited.moves)?;
        }
        Ok(edited)
    }

    /// Returns the changed document of a resource like [`edited_body`](Self::edited_body), without a check of limits.
    pub(super) fn unlimited_body(
        &self,
        request: &Request,
        edit: Edit<'_>,
    ) -> Result<Option<EditedBody>, StoreError> {
        if keys::touched(edit.change).next().is_none() {
            return Ok(None);
        }
        let mut body = self.body(edit.change.kind(), edit.id)?;
        // Its version is the expected one, so it is the parsed document of the row.
        if let Some(base) = edit.base {
            body.document = body.document.with_tree(Arc::clone(base));
        }
        let kind = edit.change.kind();
        let is_read = self.counters.read_documents(kind);
        let edited = if is_read || edit.base.is_some() {
            edited_tree(request, edit.change, &body.document, is_read)?
        } else {
            edited_text(request, edit.change, &body.document)?
        };
        let Some((before, after)) = edited else {
            return Ok(None);
        };
        let edits = key_edits(Some((&before, edit.change)), edit.keys);
        self.check_unique(edit, &edits)?;
        for (attr, new) in edits {
            match body.keys.entry(attr) {
                btree_map::Entry::Occupied(known) => known.into_mut().after = new.after,
                btree_map::Entry::Vacant(entry) => drop(entry.insert(new)),
            }
        }
        let moves = if is_read {
            self.moved(request, kind, (Some(&before), Some(&*after.tree()?)))?
        } else {
            self.moved(request, kind, (Some(&before), Some(&before)))?
        };
        let details = self.details(request, edit.change, Some(&before));
        let after = after.with_exactness(body.document.is_exact());
        drop(before);
        body.document = after;
        Ok(Some(EditedBody {
            body,
            details,
            moves,
        }))
    }

    /// Rejects new unique keys that another live resource has, and rows that the database rejected before.
    pub(super) fn check_unique(&self, edit: Edit<'_>, edits: &KeyEdits) -> Result<(), StoreError> {
        let kind = edit.change.kind();
        let id = edit.id;
        for rejection in self.rejections.iter().filter(|one| one.id() == id) {
            let attr = match rejection {
                Rejection::Duplicate { attr, .. } => kind.attribute_id(attr),
                Rejection::Invalid { .. } => None,
            };
            if attr.is_some_and(|attr| !keys::sets(edit.change, attr)) {
                continue;
            }
            return Err(match attr {
                Some(attr) => StoreError::Duplicate {
                    attr: kind.attr(attr).path().to_owned(),
                },
                None => rejection.clone().into(),
            });
        }
        let unique = edits
            .iter()
            .filter(|(attr, _)| keys::is_unique(kind.attr(**attr)));
        for (attr, edit) in unique {
            for key in edit.added() {
                let key = KeyRef {
                    attr: *attr,
                    key: Key::clone(key),
                    kind: Arc::clone(kind),
                };
                if self.is_held(&key, id)? {
                    let attr = key.path().to_owned();
                    return Err(StoreError::Duplicate { attr });
                }
            }
        }
        Ok(())
    }

    /// Returns whether a live resource other than `id` has the key.
    fn is_held(&self, key: &KeyRef, id: &ResourceId) -> Result<bool, StoreError> {
        let mut written = self.overlay.holders(key);
        if written.any(|holder| holder != id) {
            return Ok(true);
        }
        let holders = self.known.holders(key)?.iter();
        let mut others = holders.filter(|holder| *holder != id);
        Ok(others.any(|holder| !self.has_new_keys(holder, key)))
    }

    /// Returns whether the overlay has the current keys of a resource's attribute.
    fn has_new_keys(&self, id: &ResourceId, key: &KeyRef) -> bool {
        let entry = self.overlay.row(id);
        let body = entry.and_then(|entry| entry.body.as_ref());
        self.overlay.is_void(id) || body.is_some_and(|body| body.keys.contains_key(&key.attr))
    }
}

/// A document before and after a change.
type Edited<'d> = (Cow<'d, Resource>, Document);

/// Applies a change to the tree of a document; returns none if the change does not alter it.
fn edited_tree<'d>(
    request: &Request,
    change: &Change,
    document: &'d Document,
    keeps_tree: bool,
) -> Result<Option<Edited<'d>>, StoreError> {
    let before = document.tree()?;
    if !change.alters(&before) {
        return Ok(None);
    }
    request.budget.charge(before.weight())?;
    let after = if keeps_tree {
        let mut after = Resource::clone(&before);
        change.apply(&mut after);
        Document::from(after)
    } else {
        Document::from_text(change.text_after(&before))
    };
    Ok(Some((before, after)))
}

/// Applies a change to the text of a document; returns none if the change does not alter it. The document before has
/// only the members that the change touches.
fn edited_text<'d>(
    request: &Request,
    change: &Change,
    document: &Document,
) -> Result<Option<Edited<'d>>, StoreError> {
    let edit = change.edit_text(document)?;
    if !edit.alters() {
        return Ok(None);
    }
    request.budget.charge(document.size())?;
    let after = Document::from_text(edit.text());
    Ok(Some((Cow::Owned(edit.into_before()), after)))
}

/// Returns the keys of the attributes that a change touches, before and after it.
pub(super) fn key_edits(before: Option<(&Resource, &Change)>, after: &[AttrKeys]) -> KeyEdits {
    let mut edits = KeyEdits::new();
    if let Some((document, change)) = before {
        let ids = keys::touched(change);
        for AttrKeys { attr, keys } in keys::of_attributes(change.kind(), document, ids) {
            edits.entry(attr).or_default().before = keys;
        }
    }
    for AttrKeys { attr, keys } in after {
        edits.entry(*attr).or_default().after.clone_from(keys);
    }
    edits
}
