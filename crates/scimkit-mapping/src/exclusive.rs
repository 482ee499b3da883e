//! Whether two SCIM sides can be one value.

use super::{
    side::{Side, Which},
    transform::same,
};
use scimkit_registry::ResourceType;

/// Whether writing one may change what the other says.
pub(super) fn overlap(kind: &ResourceType, one: &Side, other: &Side) -> bool {
    let parent = |side: &Side| kind.attr(side.attr).parent();
    if one.attr != other.attr {
        return parent(one) == Some(other.attr) || parent(other) == Some(one.attr);
    }
    match (&one.which, &other.which) {
        (Some(one), Some(other)) => same_part(one, other) && !exclude(one, other),
        _ => true,
    }
}

fn same_part(one: &Which, other: &Which) -> bool {
    let made = |which: &Which, sub| which.making.iter().any(|(made, _)| Some(*made) == sub);
    one.sub.is_none()
        || other.sub.is_none()
        || one.sub == other.sub
        || made(one, other.sub)
        || made(other, one.sub)
}

/// Whether no element satisfies both: they ask for different values of one sub-attribute.
fn exclude(one: &Which, other: &Which) -> bool {
    one.making.iter().any(|(sub, value)| {
        let mut theirs = other.making.iter();
        theirs.any(|(known, wanted)| known == sub && !same(value, wanted))
    })
}
