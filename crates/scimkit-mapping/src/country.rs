//! Countries (ISO 3166-1) and their time zones.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use scimkit_registry::fold_case;
use serde_json::Value;

/// The form of a country in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CountryForm {
    /// `TR`.
    Alpha2,
    /// `TUR`.
    Alpha3,
    /// `Türkiye`: the English short name of ISO 3166-1.
    Name,
}

impl CountryForm {
    pub(super) const NAMES: [(&'static str, CountryForm); 3] = [
        ("alpha-2", CountryForm::Alpha2),
        ("alpha-3", CountryForm::Alpha3),
        ("name", CountryForm::Name),
    ];
}

#[derive(Debug, Clone, Copy)]
struct Country {
    alpha2: &'static str,
    alpha3: &'static str,
    name: &'static str,
    zone: &'static str,
}

pub(super) fn to_field(text: &str, form: CountryForm) -> Result<Value, String> {
    let country = find(text).ok_or(NO_COUNTRY)?;
    Ok(Value::from(match form {
        CountryForm::Alpha2 => country.alpha2,
        CountryForm::Alpha3 => country.alpha3,
        CountryForm::Name => country.name,
    }))
}

pub(super) fn to_attribute(text: &str) -> Result<Value, String> {
    Ok(Value::from(find(text).ok_or(NO_COUNTRY)?.alpha2))
}

const NO_COUNTRY: &str = "expected a country of ISO 3166-1";

/// Returns a time zone unchanged, and for a country the zone in `own` or in the table.
pub(super) fn zone(text: &str, own: &BTreeMap<String, String>) -> Result<Value, String> {
    let text = text.trim();
    let Some(country) = find(text) else {
        return if is_zone(text) {
            Ok(Value::from(text))
        } else {
            Err("expected an IANA time zone or a country".to_owned())
        };
    };
    match own.get(country.alpha2).map_or(country.zone, String::as_str) {
        "" => Err("expected a country with a time zone".to_owned()),
        zone => Ok(Value::from(zone)),
    }
}

/// Whether a text has the form of a name in the tz database: `Europe/Berlin`, `UTC`, `EST5EDT`.
pub(super) fn is_zone(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+');
    let part =
        |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.bytes().all(plain);
    let alone = [
        "CET", "CST6CDT", "EET", "EST", "EST5EDT", "GMT", "HST", "MET", "MST", "MST7MDT",
        "PST8PDT", "UTC", "WET",
    ];
    text.len() <= 64 && text.split('/').all(part) && (text.contains('/') || alone.contains(&text))
}

/// Whether a text is an alpha-2 code.
pub(super) fn is_alpha2(text: &str) -> bool {
    find(text).is_some_and(|country| country.alpha2 == text)
}

fn find(text: &str) -> Option<Country> {
    static COUNTRIES: OnceLock<HashMap<String, Country>> = OnceLock::new();
    let countries = COUNTRIES.get_or_init(|| {
        let mut countries = HashMap::new();
        for line in include_str!("countries.tsv").lines() {
            let mut columns = line.split('\t');
            let mut next = || columns.next().unwrap_or("");
            let alpha2 = next();
            let alpha3 = next();
            let zone = next();
            let name = next();
            let others = next();
            let country = Country {
                alpha2,
                alpha3,
                name,
                zone,
            };
            if alpha3.is_empty() {
                continue;
            }
            for text in [alpha2, alpha3, name].into_iter().chain(others.split(';')) {
                countries.insert(fold_case(text).into_owned(), country);
            }
        }
        countries.remove("");
        countries
    });
    countries.get(fold_case(text.trim()).as_ref()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_is_found_by_each_of_its_names() {
        let rows: Vec<Vec<&str>> = include_str!("countries.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').collect())
            .collect();
        assert_eq!(rows.len(), 249);
        for row in rows {
            for name in [row[0], row[1], row[3]] {
                assert_eq!(find(name).map(|c| c.alpha2), Some(row[0]), "{name}");
            }
            assert!(row[2].is_empty() || is_zone(row[2]), "{row:?}");
        }
    }

    #[test]
    fn a_country_stands_for_its_zone() {
        let own = BTreeMap::from([("US".to_owned(), "America/Chicago".to_owned())]);
        let zone = |text| zone(text, &own);
        assert_eq!(zone("GB"), Ok("Europe/London".into()));
        assert_eq!(zone("uk"), Ok("Europe/London".into()));
        assert_eq!(zone("US"), Ok("America/Chicago".into()));
        assert_eq!(zone("Europe/Istanbul"), Ok("Europe/Istanbul".into()));
        assert!(zone("BV").is_err() && zone("nowhere").is_err() && zone("../etc/passwd").is_err());
    }
}
