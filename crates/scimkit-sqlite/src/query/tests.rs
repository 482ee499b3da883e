//! Tests of the indexes that filters and sorts use.

use std::sync::Arc;

use scimkit_core::message::SortOrder;
use scimkit_filter::Filter;
use scimkit_registry::{Budget, ResourceId, Scalar, Tolerance};
use scimkit_sql::reference::KeyDefinitions;
use scimkit_store::{PagePosition, PageStart, Query, Settings, Sort};

use super::PageQuery;
use crate::{
    SqliteOptions,
    edges::EdgeReader,
    file::{DatabaseLocation, open_writer},
    statement::steps,
};

/// Returns the database's plan for a filter and a sort, and whether a residual is left to evaluate.
fn explain(kind: &str, filter: &str, sort: Option<(&str, SortOrder)>) -> (Vec<String>, bool) {
    let settings = Settings::new("https://sqlite.test/v2");
    let kind = settings.registry.resource_type(kind).unwrap();
    let mut query = Query::new(Arc::clone(kind));
    if !filter.is_empty() {
        let filter = Filter::parse(filter).unwrap();
        query = query.with_predicate(kind.bind_filter(&filter, &Tolerance::DEFAULT).unwrap());
    }
    let sort = sort.map(|(path, order)| Sort::new(kind.attribute_id(path).unwrap(), order));
    explain_query(&settings, &query.with_sort(sort))
}

fn explain_query(settings: &Settings, query: &Query) -> (Vec<String>, bool) {
    let connection = open_writer(&DatabaseLocation::Memory, &SqliteOptions::default()).unwrap();
    let budget = Budget::unlimited();
    let reader = EdgeReader {
        connection: &connection,
        settings,
        tenant: "t",
    };
    let asking = PageQuery::new((reader, &budget), query, KeyDefinitions::Except(&[]));
    let mut lines = Vec::new();
    for section in asking.sections().unwrap() {
        lines.extend(steps(&connection, &section.select(Some(10), 0)));
    }
    (lines, asking.residual.is_some())
}

/// Returns whether the resources are found by more than their tenant and type.
fn starts_from_an_index(lines: &[String]) -> bool {
    let resource = lines.iter().find(|line| line.contains(" r ")).unwrap();
    resource.starts_with("SEARCH r ") && !resource.ends_with("(tenant=? AND kind=?)")
}

#[test]
fn single_values_are_looked_up_without_a_temporary_table() {
    for filter in [
        r#"userName eq "bjensen""#,
        r#"emails.value eq "b@example.com""#,
    ] {
        let (lines, is_residual) = explain("User", filter, None);
        assert!(!is_residual, "{filter}");
        assert!(
            lines[0].starts_with("SEARCH k USING PRIMARY KEY"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("SEARCH r USING INDEX"), "{lines:?}");
        assert_eq!(lines.len(), 2, "{lines:?}");
    }
}

#[test]
fn filters_of_identity_providers_use_indexes() {
    let user = [
        r#"id eq "1""#,
        r#"userName eq "bjensen""#,
        r#"externalId eq "e1""#,
        r#"displayName eq "Babs""#,
        r#"emails.value eq "b@example.com""#,
        r#"emails[value eq "b@example.com"]"#,
        r#"active eq false"#,
        r#"meta.created gt "2024-01-01T00:00:00Z""#,
        r#"meta.lastModified ge "2024-01-01T00:00:00Z""#,
        r#"groups.value eq "g1""#,
        r#"userName sw "bj""#,
        r#"userName eq "bjensen" and active eq true"#,
        r#"userName eq "bjensen" or emails.value eq "b@example.com""#,
    ];
    let group = [
        r#"displayName eq "Staff""#,
        r#"members.value eq "u1""#,
        r#"members eq "u1""#,
    ];
    let user = user.iter().map(|filter| ("User", filter));
    for (kind, filter) in user.chain(group.iter().map(|filter| ("Group", filter))) {
        let (lines, residual) = explain(kind, filter, None);
        assert!(!residual, "{filter}");
        assert!(starts_from_an_index(&lines), "{filter}: {lines:#?}");
        assert!(
            !lines.iter().any(|line| line.starts_with("SCAN")),
            "{filter}: {lines:#?}"
        );
    }
}

#[test]
fn presence_is_looked_up_per_resource() {
    for (kind, filter) in [
        ("Group", "members pr"),
        ("User", "groups pr"),
        ("User", "userName pr"),
    ] {
        let (lines, residual) = explain(kind, filter, None);
        assert!(
            !residual && !lines.iter().any(|line| line.starts_with("SCAN")),
            "{lines:#?}"
        );
        assert!(
            !lines.iter().any(|line| line.contains("TEMP B-TREE")),
            "{lines:#?}"
        );
    }
}

#[test]
fn filters_that_sql_only_narrows_start_from_an_index() {
    let filter = r#"emails[type eq "work" and value eq "b@example.com"]"#;
    let (lines, residual) = explain("User", filter, None);
    assert!(residual && starts_from_an_index(&lines), "{lines:#?}");
}

#[test]
fn sorts_use_the_order_of_an_index() {
    for path in [
        "id",
        "userName",
        "displayName",
        "meta.created",
        "meta.lastModified",
    ] {
        let (lines, _) = explain("User", "", Some((path, SortOrder::Ascending)));
        assert!(
            !lines.iter().any(|line| line.contains("TEMP B-TREE")),
            "{path}: {lines:#?}"
        );
        // In descending order, only the ids of equal values are sorted.
        let (lines, _) = explain("User", "", Some((path, SortOrder::Descending)));
        let whole = "USE TEMP B-TREE FOR ORDER BY";
        assert!(
            !lines.iter().any(|line| line == whole),
            "{path}: {lines:#?}"
        );
    }
}

#[test]
fn continued_pages_start_from_an_index() {
    use SortOrder::{Ascending, Descending};
    let settings = Settings::new("https://sqlite.test/v2");
    let user = settings.registry.resource_type("User").unwrap();
    let text = || Some(Scalar::Text("b".to_owned()));
    let of_name = ["attr=? AND value=? AND id>?)", "attr=? AND value>?)"];
    let down_name = ["attr=? AND value=? AND id>?)", "attr=? AND value<?)"];
    let of_id = "resource_by_kind (tenant=? AND kind=? AND id>?)";
    let instants = [
        "kind=? AND modified_us=? AND id>?)",
        "kind=? AND modified_us>?)",
    ];
    type Case<'a> = (Option<&'a str>, SortOrder, Option<Scalar>, &'a [&'a str]);
    let cases: [Case<'_>; 8] = [
        (None, Ascending, None, &[of_id]),
        (Some("id"), Ascending, text(), &[of_id]),
        (Some("id"), Descending, text(), &["kind=? AND id<?)"]),
        (Some("userName"), Ascending, text(), &of_name),
        (Some("userName"), Descending, text(), &down_name),
        (Some("displayName"), Ascending, None, &[of_id]),
        (Some("displayName"), Descending, text(), &down_name),
        (
            Some("meta.lastModified"),
            Ascending,
            Some(Scalar::Instant(1)),
            &instants,
        ),
    ];
    for (path, order, key, expected) in cases {
        let sort = path.map(|path| Sort::new(user.attribute_id(path).unwrap(), order));
        let mut query = Query::new(Arc::clone(user)).with_sort(sort);
        query.start = PageStart::After(PagePosition::new(key, ResourceId::from("u7")));
        let (lines, _) = explain_query(&settings, &query);
        let whole = "USE TEMP B-TREE FOR ORDER BY";
        assert!(
            !lines.iter().any(|l| l == whole || l.starts_with("SCAN")),
            "{path:?}: {lines:#?}"
        );
        for bounds in expected {
            let found = lines.iter().any(|line| line.ends_with(bounds));
            assert!(found, "{path:?} {order:?} {bounds}: {lines:#?}");
        }
    }
}
