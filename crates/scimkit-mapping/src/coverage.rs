//! How far the rules of a mapping cover the attributes.

use scimkit_core::Mutability;
use scimkit_registry::{Attr, AttrId, AttributeRole, Extension};

use super::{TypeMapping, bound_path::BoundPath, bound_rule::BoundRule};

impl TypeMapping {
    pub(super) fn paths(&self) -> impl Iterator<Item = (&BoundRule, &BoundPath)> {
        let rules = self.rules.iter();
        rules.flat_map(|rule| rule.paths.iter().map(move |path| (rule, path)))
    }

    /// Whether an attribute is accepted without a rule, since the protocol or the schema needs it.
    pub(super) fn is_needed(&self, attr: &Attr) -> bool {
        if is_protocol(attr) {
            return true;
        }
        let extension = attr
            .extension()
            .and_then(|index| self.kind.extensions().get(index));
        attr.definition().required
            && match attr.parent() {
                None => extension.is_none_or(Extension::is_required),
                // A mapped sibling needs it for a complete value.
                Some(parent) => {
                    let beside =
                        |path: &BoundPath| self.kind.attr(path.attr).parent() == Some(parent);
                    self.is_needed(self.kind.attr(parent))
                        || self.paths().any(|(_, path)| beside(path))
                }
            }
    }

    /// Returns how far rules cover an attribute.
    pub(super) fn coverage(&self, id: AttrId) -> Coverage {
        let parent = self.kind.attr(id).parent();
        let (mut reach, mut parts) = (None, false);
        for (rule, path) in self.paths() {
            if path.selector.is_none() && (path.attr == id || Some(path.attr) == parent) {
                if rule.is_writable() {
                    return Coverage::Whole;
                }
                reach = Some(Coverage::ReadOnly);
            }
            parts |= path.selector.is_some() && path.attr == id;
        }
        match reach {
            Some(reach) => reach,
            None if parts => Coverage::Parts,
            None if self.is_needed(self.kind.attr(id)) => Coverage::Whole,
            // The server decides about passwords.
            None if self.kind.attr(id).definition().mutability == Mutability::WriteOnly => {
                Coverage::Whole
            }
            None => Coverage::None,
        }
    }
}

/// How far rules cover an attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Coverage {
    None,
    /// Rules select some of its values.
    Parts,
    ReadOnly,
    /// Identity providers can write it.
    Whole,
}

/// Whether the protocol needs an attribute, so that it is accepted without a rule.
pub(super) fn is_protocol(attr: &Attr) -> bool {
    let named = attr.extension().is_none() && matches!(attr.path(), "active" | "externalId");
    named || !matches!(attr.role(), AttributeRole::Plain | AttributeRole::Reference)
}
