//! The SQL for filters, and the division of predicates.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the lints exempt tests, but not the functions next to them"
)]

mod statements;

use scimkit_filter::Filter;
use scimkit_registry::{
    Attr, AttrId, AttributeRole, Predicate, Registry, ResourceType, Scalar, Tolerance,
};
use scimkit_sql::{ColumnSource, Dialect, KeyTable, Layout, Plan, plan};

/// Keys of indexed attributes, `id` in a column, and members as edges.
#[derive(Debug)]
struct Tables(Dialect);

impl Layout for Tables {
    fn dialect(&self) -> Dialect {
        self.0
    }

    fn id(&self) -> &str {
        "r.id"
    }

    fn source(&self, kind: &ResourceType, attr: &Attr) -> Option<ColumnSource> {
        let top = attr.parent().map_or(attr, |parent| kind.attr(parent));
        if attr.id() == AttrId::ID {
            return Some(ColumnSource::Column("r.id"));
        }
        if top.role() == AttributeRole::Membership && attr.name() != "type" {
            return Some(ColumnSource::Rows(KeyTable::new(
                "edge e", "e.owner", "e.target",
            )));
        }
        let path = Scalar::Text(attr.path().to_owned());
        let rows = KeyTable::new("k", "k.id", "k.value").only("k.attr", vec![path]);
        attr.is_indexed().then_some(ColumnSource::Rows(rows))
    }
}

fn planned(dialect: Dialect, kind: &str, filter: &str) -> Plan {
    let registry = Registry::standard();
    let kind = registry.resource_type(kind).unwrap();
    let filter = Filter::parse(filter).unwrap();
    let predicate = kind.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
    plan(kind, &predicate, &Tables(dialect), 1)
}

/// Returns the text for SQLite, its text parameters without the attribute's path, and whether a residual is left.
fn sql(kind: &str, filter: &str) -> (String, Vec<String>, bool) {
    let plan = planned(Dialect::Sqlite, kind, filter);
    let condition = plan.condition.expect(filter);
    let texts = condition
        .parameters
        .into_iter()
        .filter_map(|parameter| match parameter {
            Scalar::Text(text) if !text.chars().any(|c| c == '.' || c.is_uppercase()) => Some(text),
            _ => None,
        });
    (condition.text, texts.collect(), plan.residual.is_some())
}

#[test]
fn comparisons() {
    let user = [
        (r#"id eq "7""#, "r.id = ?1"),
        (r#"id sw "7""#, "r.id >= ?1 AND r.id < ?2"),
        (
            r#"userName eq "A""#,
            "r.id IN (SELECT k.id FROM k WHERE k.attr = ?1 AND k.value = ?2)",
        ),
        (
            r#"userName ne "A""#,
            "NOT EXISTS (SELECT 1 FROM k WHERE k.attr = ?1 AND k.value = ?2 AND k.id = r.id LIMIT 1)",
        ),
        (
            r#"emails.value ne "A""#,
            "(NOT EXISTS (SELECT 1 FROM k WHERE k.attr = ?1 AND k.id = r.id LIMIT 1) OR \
             EXISTS (SELECT 1 FROM k WHERE k.attr = ?1 AND k.value <> ?2 AND k.id = r.id LIMIT 1))",
        ),
        (
            "userName pr",
            "EXISTS (SELECT 1 FROM k WHERE k.attr = ?1 AND k.value <> '' AND k.id = r.id LIMIT 1)",
        ),
        (
            "active eq true",
            "r.id IN (SELECT k.id FROM k WHERE k.attr = ?1 AND k.value = ?2)",
        ),
        (
            r#"not (userName co "a")"#,
            "NOT (EXISTS (SELECT 1 FROM k WHERE k.attr = ?1 AND \
             instr(CAST(k.value AS BLOB), CAST(?2 AS BLOB)) > 0 AND k.id = r.id LIMIT 1))",
        ),
    ];
    for (filter, expected) in user {
        let (text, _, residual) = sql("User", filter);
        assert_eq!(text, expected, "{filter}");
        assert!(!residual, "{filter}");
    }
    let (text, _, _) = sql("Group", r#"members eq "u1""#);
    assert_eq!(
        text,
        "r.id IN (SELECT e.owner FROM edge e WHERE e.target = ?1)"
    );
}

#[test]
fn rarest_term_leads_and_the_others_are_tests() {
    let expected = "EXISTS (SELECT 1 FROM k WHERE k.attr = ?1 AND k.value = ?2 AND k.id = r.id LIMIT 1) \
        AND r.id IN (SELECT k.id FROM k WHERE k.attr = ?3 AND k.value = ?4)";
    assert_eq!(
        sql("User", r#"active eq true and userName eq "a""#).0,
        expected
    );
    let (text, ..) = sql("User", r#"id eq "7" and userName eq "a""#);
    assert!(text.starts_with("r.id = ?1 AND EXISTS ("), "{text}");
    let (text, ..) = sql("User", r#"userName eq "a" or externalId eq "b""#);
    let one = "k.attr = ?1 AND k.value = ?2";
    let other = "k.attr = ?3 AND k.value = ?4";
    assert_eq!(
        text,
        format!(
            "r.id IN (SELECT k.id FROM k WHERE {one} UNION ALL SELECT k.id FROM k WHERE {other})"
        )
    );
}

#[test]
fn conjunction_is_divided_by_terms() {
    let registry = Registry::standard();
    let user = registry.resource_type("User").unwrap();
    let divided = planned(
        Dialect::Sqlite,
        "User",
        r#"title eq "x" and (id eq "7" and nickName pr)"#,
    );
    assert_eq!(divided.condition.unwrap().text, "r.id = ?1");
    let rest = r#"title eq "x" and nickName pr"#;
    let rest = user
        .bind_filter(&Filter::parse(rest).unwrap(), &Tolerance::DEFAULT)
        .unwrap();
    assert_eq!(divided.residual, Some(rest));
    let whole = planned(Dialect::Sqlite, "User", r#"title eq "x" or id eq "7""#);
    assert_eq!(whole.condition, None);
    assert!(matches!(whole.residual, Some(Predicate::Any(_))));
    let (_, parameters, residual) = sql("User", r#"emails[type eq "work" and value eq "a"]"#);
    assert!(residual);
    assert_eq!(parameters, ["a"]);
}

#[test]
fn conditions_that_keys_cannot_decide_are_residual() {
    let filters = [
        r#"emails[value ne "a"]"#,
        r#"emails[not (value eq "a")]"#,
        r#"not (emails[type eq "work" and value eq "a"])"#,
        r#"emails.type eq "work""#,
        "emails pr",
    ];
    for filter in filters {
        let plan = planned(Dialect::Sqlite, "User", filter);
        assert!(
            plan.condition.is_none() && plan.residual.is_some(),
            "{filter}: {plan:?}"
        );
    }
}

#[test]
fn request_text_is_only_ever_a_parameter() {
    let evil = "'); drop table k; --%_";
    for op in ["eq", "ne", "co", "sw", "ew", "gt", "le"] {
        let (text, parameters, _) = sql("User", &format!(r#"userName {op} "{evil}""#));
        assert!(!text.contains("drop") && !text.contains('%'), "{text}");
        assert!(
            parameters
                .iter()
                .any(|parameter| parameter.contains("drop table")),
            "{op}"
        );
    }
}

#[test]
fn the_end_of_a_prefix() {
    let end = |prefix: &str| {
        let filter = format!(r#"externalId sw "{prefix}""#);
        let condition = planned(Dialect::Sqlite, "User", &filter).condition.unwrap();
        let texts: Vec<_> = condition.parameters.into_iter().skip(2).collect();
        (condition.text.contains('<'), texts)
    };
    let text = |text: &str| (true, vec![Scalar::Text(text.to_owned())]);
    assert_eq!(end("ab"), text("ac"));
    assert_eq!(end("a\u{d7ff}"), text("a\u{e000}"));
    assert_eq!(end("a\u{10ffff}"), text("b"));
    assert_eq!(end("\u{10ffff}"), (false, Vec::new()));
    assert_eq!(end(""), (false, Vec::new()));
}

#[test]
fn postgres_has_its_own_syntax() {
    let text = |filter| {
        planned(Dialect::Postgres, "User", filter)
            .condition
            .unwrap()
            .text
    };
    assert_eq!(text(r#"id co "7""#), "position($1 in r.id) > 0");
    assert_eq!(text(r#"id ew "7""#), "right(r.id, char_length($1)) = $1");
}

#[test]
fn too_many_comparisons_are_left_to_the_evaluator() {
    let terms = |count: usize, word: &str| {
        let terms: Vec<_> = (0..count)
            .map(|n| format!(r#"userName co "{n}""#))
            .collect();
        planned(Dialect::Sqlite, "User", &terms.join(word))
    };
    assert!(terms(64, " or ").residual.is_none());
    let many = terms(65, " or ");
    assert!(many.condition.is_none() && many.residual.is_some());
    let many = terms(65, " and ");
    assert_eq!(many.condition.unwrap().parameters.len(), 128);
    assert!(matches!(many.residual, Some(Predicate::Compare { .. })));
}

#[test]
fn equality_with_many_values_is_one_comparison() {
    let planned = |filter: &str| planned(Dialect::Sqlite, "User", filter);
    let terms = |attr: &str, count: usize| {
        let terms = (0..count).map(|n| format!(r#"{attr} eq "{n}""#));
        terms.collect::<Vec<_>>().join(" or ")
    };
    let ids = planned(r#"id eq "a" or userName sw "b" or id eq "c""#);
    let condition = ids.condition.unwrap();
    assert!(
        condition.text.contains("r.id IN (?1, ?2)"),
        "{}",
        condition.text
    );
    assert!(ids.residual.is_none());
    for attr in ["id", "userName", "emails.value"] {
        let many = planned(&terms(attr, 512));
        assert!(many.residual.is_none(), "{attr}");
        assert!(many.condition.unwrap().parameters.len() >= 512);
    }
}
