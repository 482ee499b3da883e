//! One attribute, by name.

use std::borrow::Cow;

/// An attribute by its name: `userName`, `name.familyName`, or either behind the URN of its schema.
///
/// Names and the URN keep the case they were written in; equality and hashes are modulo the case of ASCII, since
/// RFC 7643 has names without case. Made by hand, the fields are printed as they are.
///
/// # Example
///
/// ```
/// use scimkit_filter::AttributePath;
///
/// let path = AttributePath::parse("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName")?;
/// assert_eq!(path.urn.as_deref(), Some("urn:ietf:params:scim:schemas:core:2.0:User"));
/// assert_eq!((&*path.name, path.sub_attribute.as_deref()), ("name", Some("familyName")));
/// # Ok::<(), scimkit_filter::ParseError>(())
/// ```
///
/// `attrPath` of [RFC 7644, 3.4.2.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2.2).
#[derive(Clone, Debug)]
pub struct AttributePath<'a> {
    /// The URN of a schema: all that stands before the last colon.
    pub urn: Option<Cow<'a, str>>,
    /// The name of the attribute.
    pub name: Cow<'a, str>,
    /// The name of a sub-attribute, which stands after the dot.
    pub sub_attribute: Option<Cow<'a, str>>,
}

impl AttributePath<'_> {
    /// The same attribute, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> AttributePath<'static> {
        AttributePath {
            urn: self.urn.map(owned),
            name: owned(self.name),
            sub_attribute: self.sub_attribute.map(owned),
        }
    }
}

pub(crate) fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}
