//! Timestamps.

use chrono::{DateTime, TimeDelta, Utc};
use scimkit_core::{format_instant, parse_instant};

#[test]
fn instants_are_parsed_and_printed() {
    for (text, printed) in [
        ("2008-01-23T04:56:22Z", "2008-01-23T04:56:22.000Z"),
        ("2008-01-23T04:56:22", "2008-01-23T04:56:22.000Z"),
        ("2011-08-01T21:32:44.882Z", "2011-08-01T21:32:44.882Z"),
        ("2011-08-01T21:32:44.8Z", "2011-08-01T21:32:44.800Z"),
        (
            "2011-08-01T21:32:44.8829999999999999999999999999Z",
            "2011-08-01T21:32:44.882Z",
        ),
        ("2011-08-01T21:32:44.000000001", "2011-08-01T21:32:44.000Z"),
        ("2011-05-13T06:42:34+02:00", "2011-05-13T04:42:34.000Z"),
        ("2011-05-12T23:42:34-05:00", "2011-05-13T04:42:34.000Z"),
        ("2011-05-13T18:42:34.5+14:00", "2011-05-13T04:42:34.500Z"),
        ("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00.000Z"),
        ("2023-12-31T24:00:00Z", "2024-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(
            parse_instant(text).map(format_instant).as_deref(),
            Some(printed),
            "{text}"
        );
    }
}

#[test]
fn invalid_instants_are_rejected() {
    for text in [
        "",
        "T",
        "2008-01-23",
        "2008-01-23T",
        "2008-01-23T04:56",
        "2008-01-23T04:56Z",
        "2008-01-23 04:56:22Z",
        "2008-01-23t04:56:22z",
        "2008-13-01T00:00:00Z",
        "2008-00-01T00:00:00Z",
        "2008-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2008-01-23T25:00:00Z",
        "2008-01-23T24:00:01Z",
        "2008-01-23T24:00:00.1Z",
        "2008-01-23T04:60:00Z",
        "2016-12-31T23:59:60Z",
        "2008-01-23T04:56:22.Z",
        "2008-01-23T04:56:22.1.2Z",
        "2008-01-23T04:56:22ZZ",
        "2008-01-23T04:56:22Z+01:00",
        "2008-01-23T04:56:22+01",
        "2008-01-23T04:56:22+0100",
        "2008-01-23T04:56:22+14:01",
        "2008-01-23T04:56:22+01:60",
        "2008-01-23T04:56:22+01:00+01:00",
        "2008-01-23T04:56:22+",
        "2008-01-23T04:56:22-",
        "08-01-23T04:56:22Z",
        "12008-01-23T04:56:22Z",
        "-2008-01-23T04:56:22Z",
        "+2008-01-23T04:56:22Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T24:00:00Z",
        "9999-12-31T23:59:59-00:01",
        " 2008-01-23T04:56:22Z",
        "2008-01-23T04:56:22Z\n",
        "２００８-01-23T04:56:22Z",
        "2008-01-23T04:56:2\u{662}Z",
        "2008-01-23T04:56:22\u{2212}01:00",
    ] {
        assert_eq!(parse_instant(text), None, "{text}");
    }
    assert_eq!(parse_instant(&"T".repeat(1_000_000)), None);
    assert!(parse_instant(&format!("2008-01-23T04:56:22.{}Z", "9".repeat(1_000_000))).is_some());
}

#[test]
fn parsing_damaged_instants_does_not_panic() {
    let good = "2008-01-23T04:56:22.123+01:30";
    for (at, _) in good.char_indices() {
        for symbol in [
            '0',
            '9',
            '-',
            '+',
            ':',
            '.',
            'T',
            'Z',
            ' ',
            'é',
            '\u{1f600}',
            '\0',
        ] {
            let (before, after) = good.split_at(at);
            let replaced: String = after.chars().skip(1).collect();
            for text in [
                format!("{before}{symbol}{after}"),
                format!("{before}{symbol}{replaced}"),
            ] {
                if let Some(instant) = parse_instant(&text) {
                    let millis = parse_instant(&format_instant(instant)).unwrap();
                    assert_eq!(
                        millis.timestamp_millis(),
                        instant.timestamp_millis(),
                        "{text}"
                    );
                }
            }
        }
        assert!(
            parse_instant(good.get(..at).unwrap()).is_none() || at >= "2008-01-23T04:56:22".len()
        );
    }
}

#[test]
fn whole_milliseconds_round_trip() {
    let mut instant: DateTime<Utc> = parse_instant("0001-01-01T00:00:00Z").unwrap();
    let step = TimeDelta::milliseconds(1_234_567_890_123);
    while let Some(read) = parse_instant(&format_instant(instant)) {
        assert_eq!(read, instant);
        instant += step;
    }
    assert!(
        format_instant(instant).starts_with("+10"),
        "it stopped at the last year only"
    );
}
