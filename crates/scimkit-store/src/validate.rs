//! Validation of tenants, connections and tokens, for administration and imports alike.

use scimkit_core::excerpt;

use crate::{
    Connection, ConnectionSettings, ConnectionSettingsError, Tenant, TokenRecord, TokenScopes,
};

/// The largest number of characters of a name.
const LONGEST_NAME: usize = 200;
/// The largest number of characters of an id: those of a label of a host name.
const LONGEST_ID: usize = 63;
/// The greatest revision, so that there are others to come.
const LAST_REVISION: u64 = 1 << 62;

/// Why a tenant, a connection or a token can't be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEntry {
    /// The settings of a connection can't be read, or are too long.
    #[error(transparent)]
    Settings(#[from] ConnectionSettingsError),
    /// A text is invalid.
    #[error("invalid {what} `{}`: {problem}", excerpt(text))]
    Text {
        /// What is wrong with it.
        problem: &'static str,
        /// The text.
        text: String,
        /// What it was to be.
        what: &'static str,
    },
}

impl InvalidEntry {
    fn text(what: &'static str, text: impl Into<String>, problem: &'static str) -> Self {
        let text = text.into();
        InvalidEntry::Text {
            problem,
            text,
            what,
        }
    }
}

/// Validates an id that people type, which is also a segment of a path and a label of a host name.
///
/// # Errors
/// [`InvalidEntry::Text`]: it is empty, has more than 63 characters, others than `a` to `z`, `0` to `9`
/// and `-`, or a `-` at one of its ends.
///
/// # Example
/// ```
/// use scimkit_store::validate;
///
/// assert!(validate::id("tenant id", "acme-2").is_ok());
/// assert!(validate::id("tenant id", "Acme Inc.").is_err());
/// ```
pub fn id(what: &'static str, text: &str) -> Result<(), InvalidEntry> {
    let problem = match text.as_bytes() {
        [] => "expected 1 to 63 characters",
        bytes if bytes.len() > LONGEST_ID => "longer than 63 characters",
        [b'-', ..] | [.., b'-'] => "starts or ends with `-`",
        bytes if !bytes.iter().all(|byte| is_of_id(*byte)) => "use `a` to `z`, `0` to `9` and `-`",
        _ => return Ok(()),
    };
    Err(InvalidEntry::text(what, text, problem))
}

fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Validates a name, which is for people to read.
///
/// # Errors
/// [`InvalidEntry::Text`]: it has more than 200 characters, or control characters.
///
/// # Example
/// ```
/// use scimkit_store::validate;
///
/// assert!(validate::name("Acme Inc.").is_ok());
/// assert!(validate::name("Acme\nInc.").is_err());
/// ```
pub fn name(text: &str) -> Result<(), InvalidEntry> {
    let problem = if text.chars().take(LONGEST_NAME + 1).count() > LONGEST_NAME {
        "longer than 200 characters"
    } else if text.chars().any(char::is_control) {
        "contains control characters"
    } else {
        return Ok(());
    };
    Err(InvalidEntry::text("name", text, problem))
}

/// Validates the scopes of a token.
///
/// # Errors
/// [`InvalidEntry::Text`]: the token has no scopes.
pub fn scopes(scopes: TokenScopes, token: &str) -> Result<(), InvalidEntry> {
    if scopes == TokenScopes::NONE {
        let problem = "no scopes: choose `read`, `users` or `groups`";
        Err(InvalidEntry::text("token", token, problem))
    } else {
        Ok(())
    }
}

/// Validates a stored tenant.
///
/// # Errors
/// An [id], a [name] or a revision that can't be taken; revisions are 1 to 2⁶².
pub fn tenant(tenant: &Tenant) -> Result<(), InvalidEntry> {
    id("tenant id", tenant.id.as_str())?;
    name(&tenant.name)?;
    revision(tenant.revision)
}

/// Validates a stored connection.
///
/// # Errors
/// An [id], a [name], a revision or [settings](ConnectionSettings::from_json) that can't be taken; revisions are 1
/// to 2⁶².
pub fn connection(connection: &Connection) -> Result<(), InvalidEntry> {
    id("connection id", connection.id.as_str())?;
    name(&connection.name)?;
    revision(connection.revision)?;
    ConnectionSettings::from_json(&connection.settings)?;
    Ok(())
}

/// Validates a stored token.
///
/// # Errors
/// An [id], a [name], [scopes] or a revision that can't be taken, or an expiry that is not after its
/// creation; revisions are 1 to 2⁶².
pub fn token(token: &TokenRecord) -> Result<(), InvalidEntry> {
    id("token id", &token.id)?;
    name(&token.name)?;
    scopes(token.scopes, &token.id)?;
    if let Some(end) = token.expires_at.filter(|end| *end <= token.created) {
        let problem = "before the token was created";
        return Err(InvalidEntry::text("expiry", end.to_rfc3339(), problem));
    }
    revision(token.revision)
}

fn revision(number: u64) -> Result<(), InvalidEntry> {
    if (1..=LAST_REVISION).contains(&number) {
        Ok(())
    } else {
        let problem = "expected a number from 1 to 2⁶²";
        Err(InvalidEntry::text("revision", number.to_string(), problem))
    }
}

#[cfg(test)]
mod tests {
    use super::{id, name};

    #[test]
    fn tenant_id_must_be_a_host_name_label() {
        for good in ["a", "0", "acme", "acme-2", "4-ever", &"a".repeat(63)] {
            assert!(id("tenant id", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "a/b",
            "..",
            "ä",
            "a b",
            "a\0",
            "%61",
            &"a".repeat(64),
        ] {
            assert!(id("tenant id", bad).is_err(), "{bad}");
        }
        let error = id("tenant id", "Acme\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "invalid tenant id `Acme\u{fffd}`: use `a` to `z`, `0` to `9` and `-`"
        );
    }

    #[test]
    fn name_must_be_one_line_of_limited_length() {
        assert!(name("").is_ok());
        assert!(name(&"ä".repeat(200)).is_ok());
        for bad in ["a\nb", "\0", &"ä".repeat(201), &"x".repeat(1 << 20)] {
            assert!(name(bad).unwrap_err().to_string().len() < 300);
        }
    }
}
