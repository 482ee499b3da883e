//! Validation of texts from operators.

use scimkit_store::validate;

use crate::AdminError;

/// Validates the id of a tenant, which people type and which is part of paths and host names.
///
/// # Errors
/// [`AdminError::Invalid`]: it is empty, has more than 63 characters, has characters other than `a` to `z`, `0` to
/// `9` and `-`, or starts or ends with `-`.
///
/// # Example
/// ```
/// use scimkit_provision::validate_tenant_id;
///
/// assert!(validate_tenant_id("acme-2").is_ok());
/// assert!(validate_tenant_id("Acme Inc.").is_err());
/// ```
pub fn validate_tenant_id(text: &str) -> Result<(), AdminError> {
    Ok(validate::id("tenant id", text)?)
}

pub(crate) fn invalid(what: &'static str, text: &str, problem: &'static str) -> AdminError {
    AdminError::Invalid {
        problem,
        text: text.to_owned(),
        what,
    }
}
