//! The path of a PATCH operation.

use crate::attribute::owned;
use crate::tree::Filter;
use std::borrow::Cow;

/// The `path` of a PATCH operation: an attribute, some of its values, or a sub-attribute of either.
///
/// | text                           | `name`    | `filter`         | `sub`     |
/// |--------------------------------|-----------|------------------|-----------|
/// | `members`                      | `members` |                  |           |
/// | `name.familyName`              | `name`    |                  | `familyName` |
/// | `emails[type eq "work"]`       | `emails`  | `type eq "work"` |           |
/// | `emails[type eq "work"].value` | `emails`  | `type eq "work"` | `value`   |
///
/// Equality is that of [`Filter`].
///
/// # Example
///
/// ```
/// use scimkit_filter::Path;
///
/// let path = Path::parse(r#"addresses[type eq "work"].locality"#)?;
/// assert_eq!(path.filter.unwrap().to_string(), r#"type eq "work""#);
/// # Ok::<(), scimkit_filter::ParseError>(())
/// ```
///
/// `PATH` of [RFC 7644, 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2).
#[derive(Clone, Debug)]
pub struct Path<'a> {
    /// The URN of a schema: all that stands before the last colon.
    pub urn: Option<Cow<'a, str>>,
    /// The name of the attribute.
    pub name: Cow<'a, str>,
    /// What stands in brackets: which of the attribute's values are meant.
    pub filter: Option<Box<Filter<'a>>>,
    /// The name of a sub-attribute, which stands after the dot.
    pub sub_attribute: Option<Cow<'a, str>>,
}

impl Path<'_> {
    /// The same path, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Path<'static> {
        Path {
            urn: self.urn.map(owned),
            name: owned(self.name),
            filter: self.filter.map(|filter| Box::new(filter.into_owned())),
            sub_attribute: self.sub_attribute.map(owned),
        }
    }
}
