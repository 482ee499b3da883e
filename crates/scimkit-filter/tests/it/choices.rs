//! Texts on which the RFC is silent or practice differs, with the decision and its reason.

use scimkit_filter::{Filter, Leniency, ParseError, ParseOptions, Path};
use serde_json::Value;

use crate::cases::rows;

/// Each row says whether the strict parser accepts the text, otherwise which leniency does, and the reason.
#[test]
fn every_documented_choice_holds() {
    for row in rows(include_str!("cases/choices.jsonl")) {
        assert!(
            row["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{row}"
        );
        let strict = read(&row, &ParseOptions::default());
        assert_eq!(
            strict.is_ok(),
            row["strict"].as_bool().unwrap(),
            "{row}: {strict:?}"
        );
        let lenient = read(
            &row,
            &ParseOptions::default().with_leniency(Leniency::LENIENT),
        );
        let Some(wanted) = row["leniency"].as_str() else {
            assert_eq!(strict.is_ok(), lenient.is_ok(), "{row}: {lenient:?}");
            continue;
        };
        assert_eq!(strict.unwrap_err().leniency(), Some(wanted), "{row}");
        assert!(
            read(&row, &ParseOptions::default().with_leniency(only(wanted))).is_ok(),
            "{row}"
        );
        let printed = lenient.unwrap();
        assert_eq!(
            row["reads_as"].as_str().unwrap_or(&printed),
            printed,
            "{row}"
        );
    }
}

fn read(row: &Value, options: &ParseOptions) -> Result<String, ParseError> {
    match (row["filter"].as_str(), row["path"].as_str()) {
        (Some(filter), _) => Filter::parse_with(filter, options).map(|filter| filter.to_string()),
        (_, Some(path)) => Path::parse_with(path, options).map(|path| path.to_string()),
        _ => unreachable!("{row}"),
    }
}

fn only(name: &str) -> Leniency {
    let mut leniency = Leniency::STRICT;
    match name {
        "bare_words" => leniency.bare_words = true,
        "extra_whitespace" => leniency.extra_whitespace = true,
        "literal_case" => leniency.literal_case = true,
        "sub_after_brackets" => leniency.sub_after_brackets = true,
        other => unreachable!("{other}"),
    }
    leniency
}
