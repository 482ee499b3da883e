//! The path of a PATCH operation.

use crate::attribute::owned;
use crate::error::ParseError;
use crate::options::Options;
use crate::parse;
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
    pub sub: Option<Cow<'a, str>>,
}

impl<'a> Path<'a> {
    /// Reads a path strictly, under the default limits.
    ///
    /// * Attributes are read as [`AttributePath::parse`](crate::AttributePath::parse) reads them.
    /// * Brackets hold a filter as [`Filter::parse`] reads it, without URNs and without brackets of its own.
    /// * There is at most one sub-attribute, and with brackets it stands behind them. The grammar would allow one
    ///   before them too; no schema can have a complex attribute inside another, so nothing could be meant by it.
    ///
    /// # Errors
    ///
    /// The text is anything else (`invalidPath`), or goes beyond a limit.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::Path;
    ///
    /// assert!(Path::parse("members").is_ok());
    /// let error = Path::parse("/emails/0/value").unwrap_err();
    /// assert_eq!(error.expected(), "an attribute name");
    /// ```
    pub fn parse(text: &'a str) -> Result<Self, ParseError> {
        Self::parse_with(text, &Options::default())
    }

    /// Reads a path as `options` say.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), under the leniency and the limits of `options`.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::{Leniency, Options, Path};
    ///
    /// let lenient = Options::default().with_leniency(Leniency::LENIENT);
    /// let path = Path::parse_with("emails[ primary eq True ].value", &lenient)?;
    /// assert_eq!(path.to_string(), "emails[primary eq true].value");
    /// # Ok::<(), scimkit_filter::ParseError>(())
    /// ```
    pub fn parse_with(text: &'a str, options: &Options) -> Result<Self, ParseError> {
        parse::path(text, options)
    }

    /// The same path, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Path<'static> {
        Path {
            urn: self.urn.map(owned),
            name: owned(self.name),
            filter: self.filter.map(|filter| Box::new(filter.into_owned())),
            sub: self.sub.map(owned),
        }
    }
}
