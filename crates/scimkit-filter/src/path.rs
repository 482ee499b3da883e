//! The path of a PATCH operation.

use std::borrow::Cow;

use crate::{attribute::owned, tree::Filter};

/// The `path` of a PATCH operation: an attribute, some of its values, or a sub-attribute of either.
///
/// | text                           | `name`    | `filter`         | `sub`     |
/// |--------------------------------|-----------|------------------|-----------|
/// | `members`                      | `members` |                  |           |
/// | `name.familyName`              | `name`    |                  | `familyName` |
/// | `emails[type eq "work"]`       | `emails`  | `type eq "work"` |           |
/// | `emails[type eq "work"].value` | `emails`  | `type eq "work"` | `value`   |
///
/// See [`Filter`] for its equality.
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
    /// The URN of a schema: everything before the last colon.
    pub urn: Option<Cow<'a, str>>,
    /// The name of the attribute.
    pub name: Cow<'a, str>,
    /// The filter in brackets, which selects some of the attribute's values.
    pub filter: Option<Box<Filter<'a>>>,
    /// The name of a sub-attribute, after the dot.
    pub sub_attribute: Option<Cow<'a, str>>,
}

impl Path<'_> {
    /// Returns the same path without borrowed text.
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
