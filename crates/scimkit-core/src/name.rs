//! The grammar of attribute names.

/// Returns whether `name` can name an attribute: a letter, then letters, digits, `-`, `_` or `$`; or `$ref`.
///
/// RFC 7643 allows `$` inside a name, but the filter grammar of RFC 7644 does not: an attribute with such a name can
/// be stored but not filtered. `$ref` is an exception, accepted in any case, because both RFCs use it.
///
/// # Example
///
/// ```
/// use scimkit_core::is_attribute_name;
///
/// assert!(is_attribute_name("userName") && is_attribute_name("$ref"));
/// assert!(!is_attribute_name("2fa") && !is_attribute_name("name.givenName") && !is_attribute_name(""));
/// ```
///
/// [RFC 7643, section 2.1](https://www.rfc-editor.org/rfc/rfc7643#section-2.1)
#[must_use]
pub fn is_attribute_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    (first && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'-' | b'_')))
        || name.eq_ignore_ascii_case("$ref")
}
