//! Tests of reading and rejecting cursors.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use scimkit_core::ScimType;

use super::*;

const KEY: [u8; 32] = [7; 32];
const HOUR: Duration = Duration::from_secs(3_600);

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn place(keys: impl IntoIterator<Item = Option<Scalar>>) -> ListProgress {
    let after =
        |key| TypeProgress::After(PagePosition::new(key, ResourceId::from("u\"1\u{1f600}")));
    let marks = keys.into_iter().map(after);
    ListProgress {
        count: 10,
        marks: marks
            .chain([TypeProgress::Start, TypeProgress::Done])
            .collect(),
    }
}

fn kind(opened: Result<ListProgress, ErrorResponse>) -> ScimType {
    let error = opened.unwrap_err();
    assert_eq!(error.status, 400);
    error.scim_type.unwrap()
}

#[test]
fn a_place_comes_out_as_it_went_in() {
    let cursors = Cursors::under(&KEY);
    let decimals = [0.1, -0.0, f64::MAX, f64::MIN_POSITIVE, 1e300 / 3.0];
    let keys = decimals
        .map(|n| Some(Scalar::Decimal(n)))
        .into_iter()
        .chain([
            None,
            Some(Scalar::Bool(true)),
            Some(Scalar::Instant(i64::MIN)),
            Some(Scalar::Integer(i64::MAX)),
            Some(Scalar::Text("stra\u{df}e \u{0} \"".to_owned())),
        ]);
    let place = place(keys);
    let text = cursors.seal(&place, "all", now()).unwrap();
    assert!(
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
        "{text}"
    );
    assert_eq!(cursors.open(&text, "all", (now(), HOUR)).unwrap(), place);
    // Another node of the same service.
    assert_eq!(
        Cursors::under(&KEY)
            .open(&text, "all", (now(), HOUR))
            .unwrap(),
        place
    );
    assert_ne!(cursors.seal(&place, "all", now()).unwrap(), text);
}

#[test]
fn what_is_not_a_cursor_of_the_list_is_refused_in_the_same_words() {
    let cursors = Cursors::under(&KEY);
    let text = cursors.seal(&place([None]), "mine", now()).unwrap();
    let mut others = vec![
        "A".to_owned(),
        "AQ".to_owned(),
        "=".to_owned(),
        "ü".to_owned(),
        format!("{text}="),
        format!("{text}A"),
        format!(" {text}"),
        text.replace(['-', '_'], "+"),
        "A".repeat(LONGEST),
        "A".repeat(LONGEST + 1),
        "A".repeat(1 << 20),
    ];
    for at in 0..text.len() {
        let (before, rest) = text.split_at(at);
        let flipped = if rest.starts_with('A') { 'B' } else { 'A' };
        let rest: String = rest.chars().skip(1).collect();
        others.push(format!("{before}{flipped}{rest}"));
        others.push(before.to_owned());
    }
    let others = others.iter().filter(|other| **other != text);
    let refused = others.map(|other| cursors.open(other, "mine", (now(), HOUR)).unwrap_err());
    let mut refused: Vec<_> = refused.collect();
    refused.push(cursors.open(&text, "yours", (now(), HOUR)).unwrap_err());
    for key in [Cursors::under(&[8; 32]), Cursors::random()] {
        refused.push(key.open(&text, "mine", (now(), HOUR)).unwrap_err());
    }
    assert!(refused.len() > 200);
    assert!(refused.iter().all(|error| *error == invalid()));
}

#[test]
fn a_cursor_expires() {
    let cursors = Cursors::under(&KEY);
    let text = cursors.seal(&place([None]), "", now()).unwrap();
    let after = |seconds| now() + TimeDelta::seconds(seconds);
    assert!(cursors.open(&text, "", (after(3_599), HOUR)).is_ok());
    // Created on a node whose clock is ahead.
    assert!(cursors.open(&text, "", (after(-60), HOUR)).is_ok());
    assert!(
        cursors
            .open(&text, "", (after(1 << 40), Duration::MAX))
            .is_ok()
    );
    for late in [3_600, 1 << 40] {
        let opened = cursors.open(&text, "", (after(late), HOUR));
        assert_eq!(kind(opened), ScimType::ExpiredCursor);
    }
    // For another list, it does not even reveal that it has expired.
    assert_eq!(
        kind(cursors.open(&text, "x", (after(3_600), HOUR))),
        ScimType::InvalidCursor
    );
}

#[test]
fn a_cursor_has_a_longest_key() {
    let cursors = Cursors::under(&KEY);
    let seal = |length| {
        let key = Scalar::Text("a".repeat(length));
        cursors.seal(&place([Some(key)]), "", now())
    };
    let text = seal(5_500).unwrap();
    assert!(cursors.open(&text, "", (now(), HOUR)).is_ok());
    let Err(HandlerError::Client(error)) = seal(6_500) else {
        panic!("sealed");
    };
    assert_eq!(error.scim_type, Some(ScimType::InvalidValue));
}

#[test]
fn nothing_of_the_key_or_the_place_is_shown() {
    assert_eq!(format!("{:?}", Cursors::under(&KEY)), "Cursors(…)");
    let key = Some(Scalar::Text("bjensen".to_owned()));
    let text = Cursors::under(&KEY).seal(&place([key]), "", now()).unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    assert!(!bytes.windows(7).any(|part| part == b"bjensen"));
}
