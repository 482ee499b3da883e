//! Whether two SCIM paths can be one value.

use scimkit_registry::ResourceType;

use super::{
    bound_path::{BoundPath, ElementSelector},
    transform::same,
};

/// Whether a write to one path can change the value of the other.
pub(super) fn overlap(kind: &ResourceType, one: &BoundPath, other: &BoundPath) -> bool {
    let parent = |path: &BoundPath| kind.attr(path.attr).parent();
    if one.attr != other.attr {
        return parent(one) == Some(other.attr) || parent(other) == Some(one.attr);
    }
    match (&one.selector, &other.selector) {
        (Some(one), Some(other)) => same_part(one, other) && !exclude(one, other),
        _ => true,
    }
}

fn same_part(one: &ElementSelector, other: &ElementSelector) -> bool {
    let made = |selector: &ElementSelector, sub| {
        selector.template.iter().any(|(made, _)| Some(*made) == sub)
    };
    one.sub.is_none()
        || other.sub.is_none()
        || one.sub == other.sub
        || made(one, other.sub)
        || made(other, one.sub)
}

/// Whether no element satisfies both selectors: they need different values of one sub-attribute.
fn exclude(one: &ElementSelector, other: &ElementSelector) -> bool {
    one.template.iter().any(|(sub, value)| {
        let mut theirs = other.template.iter();
        theirs.any(|(known, wanted)| known == sub && !same(value, wanted))
    })
}
