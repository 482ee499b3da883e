//! Dates and instants (ISO 8601).

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc, format::StrftimeItems};
use scimkit_core::parse_instant;
use serde_json::Value;

use super::FieldType;

/// The form of a date or instant in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DateForm {
    /// `"2022-04-04"`; the time of day is lost.
    Date,
    /// `"2022-04-04T04:23:30Z"`.
    Instant,
    /// Milliseconds since 1970 in UTC.
    Milliseconds,
    /// Text in UTC by a pattern of chrono's `strftime`, such as `%d.%m.%Y`.
    Pattern(String),
    /// Seconds since 1970 in UTC; fractions are lost.
    Seconds,
}

impl DateForm {
    /// Returns the type of a field in this form.
    pub(super) fn gives(&self) -> FieldType {
        match self {
            DateForm::Date => FieldType::Date,
            DateForm::Instant => FieldType::Instant,
            DateForm::Milliseconds | DateForm::Seconds => FieldType::Integer,
            DateForm::Pattern(_) => FieldType::Text,
        }
    }

    fn has_time(&self) -> bool {
        match self {
            DateForm::Date => false,
            DateForm::Instant | DateForm::Milliseconds | DateForm::Seconds => true,
            DateForm::Pattern(pattern) => {
                let moment = NaiveDate::MIN.and_time(NaiveTime::MIN);
                NaiveDateTime::parse_from_str(&shown(moment, pattern).unwrap_or_default(), pattern)
                    .is_ok()
            }
        }
    }

    /// Returns the problem of an invalid pattern, or of one without a whole date.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let DateForm::Pattern(pattern) = self else {
            return None;
        };
        let sample = NaiveDate::from_ymd_opt(2022, 4, 13).map(|d| d.and_time(NaiveTime::MIN));
        let text = sample.and_then(|moment| shown(moment, pattern));
        let Some(text) = text else {
            return Some("invalid pattern: use the specifiers of chrono's `strftime`");
        };
        match read_pattern(&text, pattern) {
            Some(moment) if Some(moment) == sample => None,
            _ => Some("the pattern needs day, month and year, so that it can be reversed"),
        }
    }
}

pub(super) fn to_field(value: &Value, form: &DateForm) -> Result<Value, String> {
    let moment = value
        .as_str()
        .and_then(|text| read(text.trim()))
        .ok_or(NO_DATE)?;
    Ok(match form {
        DateForm::Date => Value::from(moment.format("%Y-%m-%d").to_string()),
        DateForm::Instant => Value::from(instant(moment)),
        DateForm::Milliseconds => Value::from(moment.timestamp_millis()),
        DateForm::Pattern(pattern) => {
            Value::from(shown(moment.naive_utc(), pattern).ok_or(NO_DATE)?)
        }
        DateForm::Seconds => Value::from(moment.timestamp()),
    })
}

pub(super) fn to_attribute(
    value: &Value,
    form: &DateForm,
    wanted: FieldType,
) -> Result<Value, String> {
    let moment = match (form, value) {
        (DateForm::Milliseconds, Value::Number(n)) => {
            n.as_i64().and_then(DateTime::from_timestamp_millis)
        }
        (DateForm::Seconds, Value::Number(n)) => {
            n.as_i64().and_then(|n| DateTime::from_timestamp(n, 0))
        }
        (DateForm::Pattern(pattern), Value::String(text)) => {
            read_pattern(text, pattern).map(|moment| moment.and_utc())
        }
        (DateForm::Date | DateForm::Instant, Value::String(text)) => read(text),
        _ => None,
    };
    let moment = moment.ok_or_else(|| "expected a date in the form of the rule".to_owned())?;
    let only_date = wanted != FieldType::Instant && !form.has_time();
    Ok(Value::from(if only_date {
        moment.format("%Y-%m-%d").to_string()
    } else {
        instant(moment)
    }))
}

const NO_DATE: &str = "expected a date of ISO 8601";

/// Returns an instant without needless fractions.
fn instant(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// Reads an instant, or a date alone.
fn read(text: &str) -> Option<DateTime<Utc>> {
    let date = || {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(date.and_time(NaiveTime::MIN).and_utc())
    };
    parse_instant(text).or_else(date)
}

fn read_pattern(text: &str, pattern: &str) -> Option<NaiveDateTime> {
    let date = || {
        NaiveDate::parse_from_str(text, pattern)
            .ok()
            .map(|d| d.and_time(NaiveTime::MIN))
    };
    NaiveDateTime::parse_from_str(text, pattern)
        .ok()
        .or_else(date)
}

/// Writes an instant by a pattern; `None` for an invalid pattern, or one with parts that UTC instants lack.
fn shown(moment: NaiveDateTime, pattern: &str) -> Option<String> {
    let mut text = String::new();
    let items = StrftimeItems::new(pattern).parse().ok()?;
    std::fmt::Write::write_fmt(
        &mut text,
        format_args!("{}", moment.format_with_items(items.iter())),
    )
    .ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_undone() {
        let moment = Value::from("2022-04-04T04:23:30Z");
        let date = Value::from("2022-04-04T00:00:00Z");
        for (form, host, back) in [
            (DateForm::Date, Value::from("2022-04-04"), &date),
            (DateForm::Instant, moment.clone(), &moment),
            (DateForm::Seconds, Value::from(1_649_046_210), &moment),
            (
                DateForm::Milliseconds,
                Value::from(1_649_046_210_000_i64),
                &moment,
            ),
            (
                DateForm::Pattern("%d.%m.%Y".into()),
                Value::from("04.04.2022"),
                &date,
            ),
            (
                DateForm::Pattern("%m/%d/%Y %H:%M:%S".into()),
                Value::from("04/04/2022 04:23:30"),
                &moment,
            ),
        ] {
            assert_eq!(form.problem(), None);
            assert_eq!(to_field(&moment, &form).as_ref(), Ok(&host), "{form:?}");
            assert_eq!(
                to_attribute(&host, &form, FieldType::Instant).as_ref(),
                Ok(back),
                "{form:?}"
            );
        }
        let only = to_attribute(
            &Value::from("04.04.2022"),
            &DateForm::Pattern("%d.%m.%Y".into()),
            FieldType::Text,
        );
        assert_eq!(only, Ok(Value::from("2022-04-04")));
    }

    #[test]
    fn patterns_that_lose_the_date_are_found() {
        for pattern in ["%d.%m", "%Q", "%", "%H:%M", "%Z %d.%m.%Y", ""] {
            assert!(
                DateForm::Pattern(pattern.into()).problem().is_some(),
                "{pattern}"
            );
        }
        assert!(to_field(&Value::from("04/04/2022"), &DateForm::Date).is_err());
        assert!(
            to_attribute(
                &Value::from(i64::MAX),
                &DateForm::Seconds,
                FieldType::Instant
            )
            .is_err()
        );
    }
}
