//! Values that the server gets.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use scimkit_core::parse_instant;
use scimkit_sql::tables::SqlValue;

use super::{EPOCH_SECONDS, oid};

/// Returns the binary form of a parameter, in which NULL has none.
///
/// `type_oid` and `is_text` are those of the type that the server expects: see [`from_binary`](super::from_binary).
///
/// # Errors
/// The value does not fit the type, or the type is not supported. The text names the type.
///
/// # Example
/// ```
/// use scimkit_sql::tables::SqlValue;
/// use scimkit_tables::postgres::to_binary;
///
/// assert_eq!(to_binary(21, false, &SqlValue::Integer(7))?, Some(vec![0, 7]));
/// assert_eq!(to_binary(21, false, &SqlValue::Null)?, None);
/// assert!(to_binary(21, false, &SqlValue::Integer(70_000)).is_err());
/// # Ok::<(), String>(())
/// ```
pub fn to_binary(
    type_oid: u32,
    is_text: bool,
    value: &SqlValue,
) -> Result<Option<Vec<u8>>, String> {
    if *value == SqlValue::Null {
        return Ok(None);
    }
    let encoded = encoded(type_oid, is_text, value);
    // The text is logged, so it does not contain the value, which may be personal.
    let wrong = || format!("a parameter does not fit the type {type_oid} of `pg_type`");
    encoded.map(Some).ok_or_else(wrong)
}

fn encoded(type_oid: u32, is_text: bool, value: &SqlValue) -> Option<Vec<u8>> {
    let whole = || integer(value);
    match type_oid {
        oid::BOOL => boolean(value).map(|value| vec![u8::from(value)]),
        oid::BYTEA => match value {
            SqlValue::Blob(bytes) => Some(bytes.clone()),
            _ => None,
        },
        oid::INT2 => Some(i16::try_from(whole()?).ok()?.to_be_bytes().to_vec()),
        oid::INT4 => Some(i32::try_from(whole()?).ok()?.to_be_bytes().to_vec()),
        oid::INT8 => Some(whole()?.to_be_bytes().to_vec()),
        oid::OID => Some(u32::try_from(whole()?).ok()?.to_be_bytes().to_vec()),
        oid::FLOAT4 => Some(text(value)?.parse::<f32>().ok()?.to_be_bytes().to_vec()),
        oid::FLOAT8 => Some(text(value)?.parse::<f64>().ok()?.to_be_bytes().to_vec()),
        oid::BPCHAR
        | oid::CHAR
        | oid::JSON
        | oid::NAME
        | oid::TEXT
        | oid::UNKNOWN
        | oid::VARCHAR
        | oid::XML => text(value).map(String::into_bytes),
        // After the number of the format.
        oid::JSONB => Some([&[1], text(value)?.as_bytes()].concat()),
        oid::DATE => Some(date(&text(value)?)?.to_be_bytes().to_vec()),
        oid::TIME => Some(time(&text(value)?)?.to_be_bytes().to_vec()),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => Some(instant(&text(value)?)?.to_be_bytes().to_vec()),
        oid::NUMERIC => numeric(&text(value)?),
        oid::UUID => uuid(&text(value)?),
        _ if is_text => text(value).map(String::into_bytes),
        _ => None,
    }
}

fn boolean(value: &SqlValue) -> Option<bool> {
    match value {
        SqlValue::Bool(value) => Some(*value),
        SqlValue::Integer(0) => Some(false),
        SqlValue::Integer(1) => Some(true),
        SqlValue::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn integer(value: &SqlValue) -> Option<i64> {
    match value {
        SqlValue::Bool(value) => Some(i64::from(*value)),
        SqlValue::Integer(number) => Some(*number),
        SqlValue::Real(number) => number.to_string().parse().ok(),
        SqlValue::Text(text) => text.parse().ok(),
        SqlValue::Blob(_) | SqlValue::Null => None,
    }
}

fn text(value: &SqlValue) -> Option<String> {
    match value {
        SqlValue::Bool(value) => Some(value.to_string()),
        SqlValue::Integer(number) => Some(number.to_string()),
        SqlValue::Real(number) => Some(number.to_string()),
        SqlValue::Text(text) => Some(text.clone()),
        SqlValue::Blob(_) | SqlValue::Null => None,
    }
}

/// A time in microseconds since 2000. Without a zone it is one of UTC.
fn instant(text: &str) -> Option<i64> {
    match text {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let instant = match (parse_instant(text), DateTime::parse_from_rfc3339(text)) {
        (Some(instant), _) => instant,
        (None, Ok(instant)) => instant.to_utc(),
        (None, Err(_)) => text.parse::<NaiveDateTime>().ok()?.and_utc(),
    };
    let first = DateTime::from_timestamp(EPOCH_SECONDS, 0)?;
    instant.signed_duration_since(first).num_microseconds()
}

/// A day, counted from 2000.
fn date(text: &str) -> Option<i32> {
    match text {
        "infinity" => return Some(i32::MAX),
        "-infinity" => return Some(i32::MIN),
        _ => {}
    }
    // The day of a time is that in its own zone, as the server reads it.
    let day = text.split(['T', ' ']).next().unwrap_or(text);
    let day: NaiveDate = day.parse().ok()?;
    let days = day.signed_duration_since(NaiveDate::from_ymd_opt(2000, 1, 1)?);
    i32::try_from(days.num_days()).ok()
}

/// A time of day in microseconds since midnight.
fn time(text: &str) -> Option<i64> {
    if text == "24:00:00" {
        return TimeDelta::days(1).num_microseconds();
    }
    let time: NaiveTime = text.parse().ok()?;
    time.signed_duration_since(NaiveTime::MIN)
        .num_microseconds()
}

fn uuid(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 {
        return None;
    }
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect()
}

/// A decimal: groups of four digits, the weight of the first one, the sign and the number of decimals.
fn numeric(text: &str) -> Option<Vec<u8>> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let scale = u16::try_from(fraction.len()).ok()?;
    let missing = whole.len().next_multiple_of(4).checked_sub(whole.len())?;
    let mut digits = "0".repeat(missing) + whole;
    let mut weight = i16::try_from(digits.len() / 4).ok()?.checked_sub(1)?;
    digits.push_str(fraction);
    digits.push_str(&"0".repeat(digits.len().next_multiple_of(4).checked_sub(digits.len())?));
    let (groups, _) = digits.as_bytes().as_chunks::<4>();
    let group = |group: &[u8; 4]| std::str::from_utf8(group).ok()?.parse::<u16>().ok();
    let mut groups: Vec<u16> = groups.iter().map(group).collect::<Option<_>>()?;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight = weight.checked_sub(i16::try_from(leading).ok()?)?;
    while groups.pop_if(|group| *group == 0).is_some() {}
    if groups.is_empty() {
        weight = 0;
    }
    let count = u16::try_from(groups.len()).ok()?;
    let sign: u16 = if is_negative && count > 0 { 0x4000 } else { 0 };
    let mut bytes = Vec::with_capacity(8 + 2 * groups.len());
    bytes.extend(count.to_be_bytes());
    bytes.extend(weight.to_be_bytes());
    bytes.extend(sign.to_be_bytes());
    bytes.extend(scale.to_be_bytes());
    bytes.extend(groups.into_iter().flat_map(u16::to_be_bytes));
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{super::from_binary, *};

    #[test]
    fn binary_form_is_read_as_the_same_value() {
        let texts = [
            (oid::DATE, "1999-12-31"),
            (oid::DATE, "infinity"),
            (oid::JSONB, r#"{"a":1}"#),
            (oid::NUMERIC, "-1234567.8900"),
            (oid::NUMERIC, "0"),
            (oid::NUMERIC, "0.00"),
            (oid::NUMERIC, "0.00001"),
            (oid::NUMERIC, "10000"),
            (oid::NUMERIC, "99999999999999999999.5"),
            (oid::TEXT, "Straße"),
            (oid::TIME, "23:59:59.000001"),
            (oid::TIME, "24:00:00"),
            (oid::TIMESTAMP, "1969-07-20T20:17:40Z"),
            (oid::TIMESTAMPTZ, "2026-01-02T03:04:05.000001Z"),
            (oid::TIMESTAMPTZ, "-infinity"),
            (oid::UUID, "0191f0a0-7c1e-7d3a-9c55-0242ac120002"),
        ];
        let texts = texts.map(|(oid, text)| (oid, SqlValue::from(text)));
        let numbers = [
            (oid::BOOL, SqlValue::Bool(true)),
            (oid::BYTEA, SqlValue::Blob(vec![0, 255])),
            (oid::FLOAT4, SqlValue::Real(0.1)),
            (oid::FLOAT8, SqlValue::Real(-1e300)),
            (oid::INT2, SqlValue::Integer(-7)),
            (oid::INT8, SqlValue::Integer(i64::MIN)),
        ];
        for (oid, value) in texts.into_iter().chain(numbers) {
            let bytes = to_binary(oid, false, &value).unwrap().unwrap();
            assert_eq!(from_binary(oid, false, &bytes), Some(value));
        }
        let converted = [
            (oid::BOOL, SqlValue::Integer(1), SqlValue::Bool(true)),
            (oid::INT4, SqlValue::Bool(true), SqlValue::Integer(1)),
            (oid::INT4, SqlValue::Real(2.0), SqlValue::Integer(2)),
            (oid::TEXT, SqlValue::Integer(7), SqlValue::from("7")),
            (
                oid::DATE,
                SqlValue::from("2026-01-02T23:00:00Z"),
                SqlValue::from("2026-01-02"),
            ),
            (
                oid::TIMESTAMPTZ,
                SqlValue::from("2026-01-02T03:04:05+01:00"),
                SqlValue::from("2026-01-02T02:04:05Z"),
            ),
        ];
        for (oid, value, expected) in converted {
            let bytes = to_binary(oid, false, &value).unwrap().unwrap();
            assert_eq!(from_binary(oid, false, &bytes), Some(expected));
        }
    }

    #[test]
    fn value_of_another_type_is_an_error() {
        let cases = [
            (oid::BOOL, SqlValue::Integer(2)),
            (oid::BYTEA, SqlValue::from("a")),
            (oid::DATE, SqlValue::from("2026-02-30")),
            (oid::INT4, SqlValue::from("abc")),
            (oid::INT4, SqlValue::Real(0.5)),
            (oid::INT4, SqlValue::Integer(1 << 40)),
            (oid::NUMERIC, SqlValue::from("1e5")),
            (oid::UUID, SqlValue::from("u1")),
            (869, SqlValue::from("::1")),
        ];
        for (oid, value) in cases {
            assert!(to_binary(oid, false, &value).is_err(), "{oid}: {value:?}");
        }
    }
}
