//! The number of allocations of a parse; a list that grows counts again each time.

use allocation_counter::measure;
use proptest::prelude::*;
use scimkit_filter::{AttributePath, Event, Filter, Group, Literal, Path};

use crate::properties::filter;

fn allocations(text: &str) -> u64 {
    measure(|| drop(Filter::parse(text).unwrap())).count_total
}

/// Returns the number of `and`, `or`, `not` and brackets.
fn nodes(filter: &Filter<'_>) -> u64 {
    let enters = filter
        .walk()
        .filter(|event| matches!(event, Event::Enter(_)));
    enters.count().try_into().unwrap()
}

#[test]
fn single_terms_do_not_allocate() {
    let terms = [
        r#"userName eq "bjensen""#,
        r#"externalId eq "00ub0oNGTSWTBKOLGLNR""#,
        r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref pr",
        "age gt -1.5e3",
        "active ne true",
        "title eq null",
        r#"title eq "ü😀""#,
    ];
    for text in terms {
        assert_eq!(allocations(text), 0, "{text}");
        let attribute = measure(|| drop(AttributePath::parse("name.familyName").unwrap()));
        assert_eq!(attribute.count_total, 0);
    }
    assert_eq!(allocations(r#"title eq "a\"b""#), 1);
    assert_eq!(
        measure(|| drop(Path::parse("name.givenName").unwrap())).count_total,
        0
    );
    assert_eq!(
        measure(|| drop(Path::parse("e[a pr].b").unwrap())).count_total,
        1
    );
}

#[test]
fn logical_nodes_allocate_once() {
    let texts = [
        r#"title pr and userType eq "Employee""#,
        r#"emails[type eq "work" and value co "@example.com"]"#,
        r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "Engineering" and not (active eq false)"#,
        r#"a eq "x" and (e[t eq "w" and v ew "y"] or i[t eq "x" and v co "z"]) and not (n sw "7" or m lt "2") and (f co "O" or d pr)"#,
        "not (a pr)",
        "not (not (not (not (a pr))))",
        "((((a pr and b pr))))",
        "a pr or b pr and (c pr or d pr and not (e pr or f[g pr]))",
    ];
    for text in texts {
        let expected = nodes(&Filter::parse(text).unwrap());
        assert!(
            allocations(text) <= expected,
            "{text}: {} > {expected}",
            allocations(text)
        );
    }
}

/// Returns how often a list of `length` has grown: it starts with room for four, and doubles.
fn growth(length: usize) -> u64 {
    let doublings = length.div_ceil(4).next_power_of_two().ilog2();
    doublings.into()
}

fn lists(filter: &Filter<'_>) -> u64 {
    let mut lengths = Vec::new();
    let mut sum = 0;
    for event in filter.walk() {
        match event {
            Event::Enter(_) => lengths.push(1),
            Event::Between(_) => *lengths.last_mut().unwrap() += 1,
            Event::Leave(Group::And | Group::Or) => sum += growth(lengths.pop().unwrap()),
            Event::Leave(_) => drop(lengths.pop()),
            Event::Compare(_) | Event::Present(_) => {}
        }
    }
    sum
}

/// Returns whether a string has an escape: such strings allocate, and again while they grow.
fn escapes(filter: &Filter<'_>) -> bool {
    filter.walk().any(|event| match event {
        Event::Compare(comparison) => {
            matches!(&comparison.value, Literal::String(text) if text.contains(['"', '\\']) || text.bytes().any(|byte| byte < b' '))
        }
        _ => false,
    })
}

proptest! {
    #[test]
    fn only_long_lists_and_deep_nesting_allocate_more(filter in filter()) {
        prop_assume!(!escapes(&filter));
        let text = filter.to_string();
        // The levels after the fourth share one list, which grows as well.
        let deep = 1 + growth(64);
        let most = nodes(&filter) + lists(&filter) + deep;
        prop_assert!(allocations(&text) <= most, "{}: {} > {}", text, allocations(&text), most);
    }
}
