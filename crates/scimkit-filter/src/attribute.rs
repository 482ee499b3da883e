//! One attribute, by name.

use std::borrow::Cow;

/// The name of an attribute: `userName`, `name.familyName`, or either after the URN of its schema.
///
/// Names and URNs keep their original case; equality and hashes ignore ASCII case, since the attribute names of RFC
/// 7643 do. The fields of a path built in code are printed unchanged.
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
    /// The URN of a schema: everything before the last colon.
    pub urn: Option<Cow<'a, str>>,
    /// The name of the attribute.
    pub name: Cow<'a, str>,
    /// The name of a sub-attribute, after the dot.
    pub sub_attribute: Option<Cow<'a, str>>,
}

impl AttributePath<'_> {
    /// Returns the same attribute without borrowed text.
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
