//! Texts that an administrator gives, checked at the door.

use crate::Error;

/// Characters of what people call something, at most.
const LONGEST_NAME: usize = 200;
/// Characters of an id, at most: those of a label of a host name.
const LONGEST_ID: usize = 63;

/// Checks the id of a tenant: it is typed, and stands in paths and host names.
///
/// # Errors
/// [`Error::Invalid`]: it is empty, has more than 63 characters, others than `a` to `z`, `0` to `9` and
/// `-`, or a `-` at one of its ends.
///
/// # Example
/// ```
/// use scimkit_provision::check_id;
///
/// assert!(check_id("acme-2").is_ok());
/// assert!(check_id("Acme Inc.").is_err());
/// ```
pub fn check_id(text: &str) -> Result<(), Error> {
    id("tenant id", text)
}

/// Checks an id that people type, which is also a segment of a path and a label of a host name.
pub(crate) fn id(what: &'static str, text: &str) -> Result<(), Error> {
    let problem = match text.as_bytes() {
        [] => "it is empty",
        bytes if bytes.len() > LONGEST_ID => "it has more than 63 characters",
        [b'-', ..] | [.., b'-'] => "it starts or ends with `-`",
        bytes if !bytes.iter().all(|byte| is_of_id(*byte)) => {
            "it has other characters than `a` to `z`, `0` to `9` and `-`"
        }
        _ => return Ok(()),
    };
    Err(invalid(what, text, problem))
}

fn is_of_id(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Checks what people call something.
pub(crate) fn name(text: &str) -> Result<(), Error> {
    let problem = if text.chars().take(LONGEST_NAME + 1).count() > LONGEST_NAME {
        "it has more than 200 characters"
    } else if text.chars().any(char::is_control) {
        "it has control characters"
    } else {
        return Ok(());
    };
    Err(invalid("name", text, problem))
}

pub(crate) fn invalid(what: &'static str, text: &str, problem: &'static str) -> Error {
    Error::Invalid {
        problem,
        text: text.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::{id, name};

    #[test]
    fn an_id_is_a_label_of_a_host_name() {
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
            "the tenant id `Acme\u{fffd}` can't be taken: it has other characters than `a` to `z`, \
             `0` to `9` and `-`"
        );
    }

    #[test]
    fn a_name_is_a_line_of_some_length() {
        assert!(name("").is_ok());
        assert!(name(&"ä".repeat(200)).is_ok());
        for bad in ["a\nb", "\0", &"ä".repeat(201), &"x".repeat(1 << 20)] {
            assert!(name(bad).unwrap_err().to_string().len() < 300);
        }
    }
}
