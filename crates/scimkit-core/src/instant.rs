//! The protocol's timestamps.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Timelike, Utc};

/// Formats an instant as in the protocol's messages: RFC 3339 with three digits of fraction, and `Z`.
///
/// Fractions of a millisecond are cut off.
///
/// # Example
///
/// ```
/// use scimkit_core::{format_instant, parse_instant};
///
/// let instant = parse_instant("2011-05-13T06:42:34+02:00").unwrap();
/// assert_eq!(format_instant(instant), "2011-05-13T04:42:34.000Z");
/// ```
///
/// [RFC 7643, section 2.3.5](https://www.rfc-editor.org/rfc/rfc7643#section-2.3.5)
#[must_use]
pub fn format_instant(instant: DateTime<Utc>) -> String {
    let mut text = Vec::with_capacity(24);
    push_instant(&mut text, instant);
    // The text consists of ASCII digits and punctuation.
    String::from_utf8(text).unwrap_or_default()
}

/// Appends the text that [`format_instant`] returns.
///
/// # Example
///
/// ```
/// use scimkit_core::{parse_instant, push_instant};
///
/// let mut text = b"created: ".to_vec();
/// push_instant(&mut text, parse_instant("2011-05-13T06:42:34+02:00").unwrap());
/// assert_eq!(text, b"created: 2011-05-13T04:42:34.000Z");
/// ```
pub fn push_instant(text: &mut Vec<u8>, instant: DateTime<Utc>) {
    let date = instant.date_naive();
    let time = instant.time();
    let (Ok(year), nanos) = (u32::try_from(date.year()), time.nanosecond()) else {
        return push_any_instant(text, instant);
    };
    // Years after 9999 need a sign, and a leap second is stored as part of the previous second.
    if year > 9999 || nanos >= 1_000_000_000 {
        return push_any_instant(text, instant);
    }
    let seconds = time.num_seconds_from_midnight();
    let [y1, y2] = two_digits(year / 100);
    let [y3, y4] = two_digits(year % 100);
    let [o1, o2] = two_digits(date.month());
    let [d1, d2] = two_digits(date.day());
    let [h1, h2] = two_digits(seconds / 3600);
    let [m1, m2] = two_digits(seconds / 60 % 60);
    let [s1, s2] = two_digits(seconds % 60);
    let [f1, f2] = two_digits(nanos / 10_000_000);
    let [f3, _] = two_digits(nanos / 100_000 % 100);
    text.extend_from_slice(&[
        y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2, b'.',
        f1, f2, f3, b'Z',
    ]);
}

fn push_any_instant(text: &mut Vec<u8>, instant: DateTime<Utc>) {
    let printed = instant.to_rfc3339_opts(SecondsFormat::Millis, true);
    text.extend_from_slice(printed.as_bytes());
}

/// Returns the two decimal digits of a number below 100.
fn two_digits(number: u32) -> [u8; 2] {
    let digit = |number: u32| {
        let [low, ..] = number.to_le_bytes();
        b'0' + low
    };
    [digit(number / 10 % 10), digit(number % 10)]
}

/// Parses an `xsd:dateTime`.
///
/// - Date and time are both required. Fractions can have any length and are cut after nine digits.
/// - The zone is `Z` or an offset of at most 14 hours; a time without a zone is UTC.
/// - `24:00:00` is the first instant of the next day, as in XML Schema.
/// - The year must be from 0001 to 9999, both as written and in UTC. The leap second `:60` is rejected: XML Schema
///   doesn't have it, and two stores would round it differently.
///
/// Returns `None` for everything else.
///
/// # Example
///
/// ```
/// use scimkit_core::parse_instant;
///
/// assert_eq!(parse_instant("2008-01-23T04:56:22"), parse_instant("2008-01-23T04:56:22.0Z"));
/// assert_eq!(parse_instant("2008-01-23"), None);
/// assert_eq!(parse_instant("2008-13-01T00:00:00Z"), None);
/// ```
///
/// [RFC 7643, section 2.3.5](https://www.rfc-editor.org/rfc/rfc7643#section-2.3.5),
/// [XML Schema, section 3.2.7](https://www.w3.org/TR/xmlschema-2/#dateTime)
#[must_use]
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let (date, rest) = text.split_once('T')?;
    let (clock, east) = split_zone(rest)?;
    let (time, next_day) = parse_clock(clock)?;
    let mut date = parse_date(date)?;
    if next_day {
        date = date.succ_opt()?;
    }
    let local = date.and_time(time);
    let instant = local
        .checked_sub_signed(TimeDelta::try_minutes(east)?)?
        .and_utc();
    (1..=9999).contains(&instant.year()).then_some(instant)
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    let [year, month, day] = fields(text, '-')?;
    let year = i32::try_from(digits(year, 4)?)
        .ok()
        .filter(|year| *year > 0)?;
    NaiveDate::from_ymd_opt(year, digits(month, 2)?, digits(day, 2)?)
}

/// Returns the time of day, and whether it is that of the next day.
fn parse_clock(text: &str) -> Option<(NaiveTime, bool)> {
    let (text, nanos) = match text.split_once('.') {
        None => (text, 0),
        Some((text, fraction)) => (text, parse_fraction(fraction)?),
    };
    let [hour, minute, second] = fields(text, ':')?;
    let hour = digits(hour, 2)?;
    let minute = digits(minute, 2)?;
    let second = digits(second, 2)?;
    let next_day = (hour, minute, second, nanos) == (24, 0, 0, 0);
    let hour = if next_day { 0 } else { hour };
    Some((
        NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?,
        next_day,
    ))
}

/// Returns the nanoseconds of a fraction's digits.
fn parse_fraction(text: &str) -> Option<u32> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.bytes().chain(std::iter::repeat(b'0')).take(9);
    all_digits.then(|| padded.fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0')))
}

/// Splits a time into the clock and the minutes by which its zone is east of Greenwich.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some((clock, _)) = text.split_once(['+', '-']) else {
        return Some((text, 0));
    };
    let zone = text.strip_prefix(clock)?;
    let (sign, zone) = match zone.strip_prefix('+') {
        Some(zone) => (1, zone),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, minutes) = zone.split_once(':')?;
    let hours = digits(hours, 2)?;
    let minutes = digits(minutes, 2)?;
    let offset = hours * 60 + minutes;
    (minutes < 60 && offset <= 14 * 60).then_some((clock, sign * i64::from(offset)))
}

fn fields(text: &str, separator: char) -> Option<[&str; 3]> {
    let mut parts = text.split(separator);
    let fields = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(fields)
}

/// Parses a number of exactly `count` ASCII digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let exact = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if exact { text.parse().ok() } else { None }
}
