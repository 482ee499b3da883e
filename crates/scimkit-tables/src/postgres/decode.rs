//! Values that the server sends.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use scimkit_sql::tables::SqlValue;

use super::{EPOCH_SECONDS, oid};

/// Reads the binary form of a value; none if the type is unknown or the bytes are not of it.
///
/// - `type_oid` is the number of the type in `pg_type`. With `is_text`, the form of a type without a known number is its
///   text: an enum, `citext`.
/// - A time with or without a time zone is RFC 3339 in UTC, a `numeric` is text with all of its digits.
///
/// # Example
/// ```
/// use scimkit_sql::tables::SqlValue;
/// use scimkit_tables::postgres::from_binary;
///
/// assert_eq!(from_binary(23, false, &[0, 0, 0, 7]), Some(SqlValue::Integer(7)));
/// assert_eq!(from_binary(1184, false, &[0; 8]), Some(SqlValue::from("2000-01-01T00:00:00Z")));
/// assert_eq!(from_binary(600, false, &[0; 16]), None);
/// ```
#[must_use]
pub fn from_binary(type_oid: u32, is_text: bool, bytes: &[u8]) -> Option<SqlValue> {
    let integer = |number: i64| Some(SqlValue::Integer(number));
    let text = |bytes: &[u8]| Some(SqlValue::from(std::str::from_utf8(bytes).ok()?));
    match type_oid {
        oid::BOOL => Some(SqlValue::Bool(bytes != [0])),
        oid::BYTEA => Some(SqlValue::Blob(bytes.to_vec())),
        oid::INT2 => integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::INT4 => integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::INT8 => integer(i64::from_be_bytes(bytes.try_into().ok()?)),
        oid::OID => integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        oid::FLOAT4 => {
            let number = f32::from_be_bytes(bytes.try_into().ok()?);
            // The shortest text of the number, and not its binary value with more digits.
            Some(SqlValue::Real(number.to_string().parse().ok()?))
        }
        oid::FLOAT8 => Some(SqlValue::Real(f64::from_be_bytes(bytes.try_into().ok()?))),
        oid::BPCHAR
        | oid::CHAR
        | oid::JSON
        | oid::NAME
        | oid::TEXT
        | oid::UNKNOWN
        | oid::VARCHAR
        | oid::XML => text(bytes),
        // After the number of the format.
        oid::JSONB => text(bytes.split_first()?.1),
        oid::DATE => date(i32::from_be_bytes(bytes.try_into().ok()?)).map(SqlValue::Text),
        oid::TIME => time(i64::from_be_bytes(bytes.try_into().ok()?)).map(SqlValue::Text),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            instant(i64::from_be_bytes(bytes.try_into().ok()?)).map(SqlValue::Text)
        }
        oid::NUMERIC => numeric(bytes).map(SqlValue::Text),
        oid::UUID => uuid(bytes).map(SqlValue::Text),
        _ if is_text => text(bytes),
        _ => None,
    }
}

/// A time in microseconds since 2000.
fn instant(micros: i64) -> Option<String> {
    match micros {
        i64::MAX => return Some("infinity".to_owned()),
        i64::MIN => return Some("-infinity".to_owned()),
        _ => {}
    }
    let since_1970 = micros.checked_add(EPOCH_SECONDS.checked_mul(1_000_000)?)?;
    let instant: DateTime<Utc> = DateTime::from_timestamp_micros(since_1970)?;
    Some(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// A day, counted from 2000.
fn date(days: i32) -> Option<String> {
    match days {
        i32::MAX => return Some("infinity".to_owned()),
        i32::MIN => return Some("-infinity".to_owned()),
        _ => {}
    }
    let first = NaiveDate::from_ymd_opt(2000, 1, 1)?;
    let date = first.checked_add_signed(TimeDelta::try_days(days.into())?)?;
    Some(date.to_string())
}

/// A time of day in microseconds since midnight.
fn time(micros: i64) -> Option<String> {
    let (time, days) = NaiveTime::MIN.overflowing_add_signed(TimeDelta::microseconds(micros));
    // PostgreSQL has 24:00:00.
    Some(if days == 0 {
        time.to_string()
    } else {
        "24:00:00".to_owned()
    })
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").ok()?;
    }
    Some(text)
}

/// A decimal: groups of four digits, the weight of the first one, the sign and the number of decimals.
fn numeric(bytes: &[u8]) -> Option<String> {
    let (numbers, _) = bytes.as_chunks::<2>();
    let mut numbers = numbers.iter().copied();
    let count = u16::from_be_bytes(numbers.next()?);
    let weight = i16::from_be_bytes(numbers.next()?);
    let sign = u16::from_be_bytes(numbers.next()?);
    let decimals = usize::from(u16::from_be_bytes(numbers.next()?));
    let groups: Vec<u16> = numbers.map(u16::from_be_bytes).collect();
    if groups.len() != usize::from(count) {
        return None;
    }
    let mut text = match sign {
        0x0000 => String::new(),
        0x4000 => "-".to_owned(),
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    };
    let weight = i32::from(weight);
    let group = |at: i32| {
        let at = usize::try_from(weight.checked_sub(at)?).ok()?;
        groups.get(at).copied()
    };
    let whole = (0..=weight.max(0)).rev();
    let whole: String = whole
        .map(|at| format!("{:04}", group(at).unwrap_or(0)))
        .collect();
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if decimals > 0 {
        let groups = i32::try_from(decimals.div_ceil(4)).ok()?;
        let fraction = (1..=groups).map(|at| format!("{:04}", group(-at).unwrap_or(0)));
        let fraction: String = fraction.collect();
        text.push('.');
        text.push_str(fraction.get(..decimals)?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric_of(numbers: &[u16]) -> Option<String> {
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect();
        numeric(&bytes)
    }

    #[test]
    fn decimals_keep_all_digits() {
        let cases: [(&[u16], &str); 8] = [
            (&[0, 0, 0, 0], "0"),
            (&[0, 0, 0, 2], "0.00"),
            (&[1, 0, 0, 0, 12], "12"),
            (&[2, 1, 0, 0, 1, 2], "10002"),
            (&[1, 1, 0x4000, 0, 3], "-30000"),
            (&[2, 0, 0, 2, 12, 3400], "12.34"),
            (&[1, 0xFFFE, 0, 6, 1200], "0.000012"),
            (&[0, 0, 0xC000, 0], "NaN"),
        ];
        for (numbers, expected) in cases {
            assert_eq!(
                numeric_of(numbers).as_deref(),
                Some(expected),
                "{numbers:?}"
            );
        }
        assert_eq!(numeric_of(&[2, 0, 0, 0, 1]), None);
    }

    #[test]
    fn times_are_counted_from_2000() {
        assert_eq!(instant(-1).as_deref(), Some("1999-12-31T23:59:59.999999Z"));
        assert_eq!(instant(i64::MAX).as_deref(), Some("infinity"));
        assert_eq!(date(-1).as_deref(), Some("1999-12-31"));
        assert_eq!(date(i32::MAX).as_deref(), Some("infinity"));
        assert_eq!(time(1_500_000).as_deref(), Some("00:00:01.500"));
        assert_eq!(time(86_400_000_000).as_deref(), Some("24:00:00"));
    }
}
