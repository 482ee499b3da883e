//! Texts that the RFC itself accepts or rejects, one per line of a file.

use scimkit_filter::{Filter, Path};
use serde_json::Value;

#[test]
fn every_filter_is_accepted_or_rejected_like_the_grammar_says() {
    let rows = rows(include_str!("cases/filters.jsonl"));
    assert!(rows.len() > 500);
    for row in rows {
        let text = row["filter"].as_str().unwrap();
        let parsed = Filter::parse(text);
        assert_eq!(
            Ok(parsed.is_ok()),
            row["valid"].as_bool().ok_or(()),
            "{}: {parsed:?}",
            row["id"]
        );
        let Ok(filter) = parsed else { continue };
        let printed = filter.to_string();
        assert_eq!(
            Filter::parse(&printed).as_ref(),
            Ok(&filter),
            "{}: {printed}",
            row["id"]
        );
        assert_eq!(filter.clone().into_owned(), filter, "{}", row["id"]);
    }
}

#[test]
fn every_path_is_parsed_like_the_grammar_says() {
    let rows = rows(include_str!("cases/paths.jsonl"));
    assert!(rows.len() > 70);
    for row in rows {
        let text = row["path"].as_str().unwrap();
        let parsed = Path::parse(text);
        assert_eq!(
            Ok(parsed.is_ok()),
            row["valid"].as_bool().ok_or(()),
            "{}: {parsed:?}",
            row["id"]
        );
        let Ok(path) = parsed else { continue };
        let parts = &row["parts"];
        assert_eq!(path.urn.as_deref(), parts["urn"].as_str(), "{}", row["id"]);
        assert_eq!(Some(&*path.name), parts["attr"].as_str(), "{}", row["id"]);
        assert_eq!(
            path.sub_attribute.as_deref(),
            parts["sub"].as_str(),
            "{}",
            row["id"]
        );
        let filter = parts["filter"]
            .as_str()
            .map(|text| Filter::parse(text).unwrap());
        assert_eq!(path.filter.as_deref(), filter.as_ref(), "{}", row["id"]);
        assert_eq!(
            Path::parse(&path.to_string()).as_ref(),
            Ok(&path),
            "{}",
            row["id"]
        );
        assert_eq!(path.clone().into_owned(), path, "{}", row["id"]);
    }
}

pub(crate) fn rows(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
