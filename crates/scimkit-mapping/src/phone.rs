//! Telephone numbers (RFC 3966).

use serde_json::Value;

/// The form of a telephone number in a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PhoneForm {
    /// `+4930901820`, and `+4930901820;ext=12` with an extension.
    E164,
    /// `tel:+4930901820`.
    #[default]
    Tel,
}

/// Calling codes of countries where the leading zero is part of the number.
const ZERO_STAYS: [&str; 3] = ["378", "379", "39"];
/// ITU-T E.164.
const DIGITS: std::ops::RangeInclusive<usize> = 4..=15;

pub(super) fn to_field(text: &str, code: Option<&str>, form: PhoneForm) -> Result<Value, String> {
    let number = number(text, code)?;
    Ok(Value::from(match form {
        PhoneForm::E164 => number,
        PhoneForm::Tel => format!("tel:{number}"),
    }))
}

pub(super) fn to_attribute(text: &str, code: Option<&str>) -> Result<Value, String> {
    number(text, code).map(|number| Value::from(format!("tel:{number}")))
}

/// Whether a text is a calling code.
pub(super) fn is_code(text: &str) -> bool {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits && (1..=3).contains(&text.len()) && !text.starts_with('0')
}

/// Returns the number in international form with its extension: `+4930901820;ext=12`.
fn number(text: &str, code: Option<&str>) -> Result<String, String> {
    let text = text.trim();
    let scheme = text
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case("tel:"));
    let text = scheme.and_then(|_| text.get(4..)).unwrap_or(text);
    let (number, extension) = extension_of(text)?;
    let number = number.trim();
    let international = number.starts_with('+');
    // `(0)` is dialled only inside the country.
    let number = if international {
        number.replace("(0)", "")
    } else {
        number.to_owned()
    };
    let mut digits = String::with_capacity(number.len());
    for sign in number.chars().skip(usize::from(international)) {
        match sign {
            '0'..='9' => digits.push(sign),
            '(' | ')' | '-' | '.' | '/' | ' ' | '\u{a0}' => {}
            _ => return Err(NO_NUMBER.to_owned()),
        }
    }
    let digits = if international {
        digits
    } else if let Some(rest) = digits.strip_prefix("00") {
        rest.to_owned()
    } else {
        let code = code.ok_or("the number has no calling code: add `code` to the rule")?;
        let own = match digits.strip_prefix('0') {
            Some(rest) if !ZERO_STAYS.contains(&code) => rest,
            _ => &digits,
        };
        format!("{code}{own}")
    };
    if !DIGITS.contains(&digits.len()) || digits.starts_with('0') {
        return Err(NO_NUMBER.to_owned());
    }
    Ok(match extension {
        Some(extension) => format!("+{digits};ext={extension}"),
        None => format!("+{digits}"),
    })
}

const NO_NUMBER: &str = "expected a telephone number";

/// Splits the extension off, which consists of digits: `;ext=12`, `ext. 12`, `x12`.
fn extension_of(text: &str) -> Result<(&str, Option<&str>), String> {
    let lower = text.to_ascii_lowercase();
    let marks = [";ext=", "ext.", "ext", "x"];
    for mark in marks {
        let Some(at) = lower.find(mark) else {
            continue;
        };
        let number = text.get(..at);
        let rest = text.get(at + mark.len()..);
        let extension = rest.unwrap_or("").trim();
        let digits = extension.bytes().all(|b| b.is_ascii_digit());
        return match number {
            Some(number) if digits && (1..=15).contains(&extension.len()) => {
                Ok((number, Some(extension)))
            }
            _ => Err(NO_NUMBER.to_owned()),
        };
    }
    // Other parameters of RFC 3966 are dropped.
    Ok((text.split(';').next().unwrap_or(text), None))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn spellings_of_a_number_have_one_form() {
        for text in [
            "+90 (532) 123-45-67",
            "tel:+90-532-123-45-67",
            "00905321234567",
            "0532 123 45 67",
            "532.123.45.67",
            "+90 (0)532 1234567",
        ] {
            assert_eq!(
                number(text, Some("90")).as_deref(),
                Ok("+905321234567"),
                "{text}"
            );
        }
        assert_eq!(number("06 6982", Some("39")).as_deref(), Ok("+39066982"));
        assert_eq!(
            number("+1 201 555 0123 ext. 12", None).as_deref(),
            Ok("+12015550123;ext=12")
        );
        assert_eq!(
            number("tel:+12015550123;ext=12", None).as_deref(),
            Ok("+12015550123;ext=12")
        );
    }

    #[test]
    fn invalid_numbers_are_rejected() {
        for text in [
            "",
            "tel:",
            "+",
            "call me",
            "+1 201 555 0123 x",
            "5551234",
            "+12345678901234567",
            "é€x1",
        ] {
            assert!(number(text, None).is_err(), "{text}");
        }
    }
}
