//! The time to match a bound filter with a user of about 1.5 kB: with the user's text, compared with a validating pass
//! over the same text, and with its tree, compared with a manual look at the same JSON.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench evaluate
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use scimkit_filter::Filter;
use scimkit_registry::{Budget, Document, Registry, ResourceView, Tolerance};
use serde::de::IgnoredAny;
use serde_json::Value;

const FILTERS: [&str; 7] = [
    r#"userName eq "bjensen@example.com""#,
    r#"userName eq "somebody@example.com""#,
    r#"emails[type eq "work" and value co "@example.com"]"#,
    r#"title pr and userType eq "Employee" and not (active eq false)"#,
    r#"nickName co "nobody""#,
    r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department ew "nothing""#,
    r#"name.familyName sw "x" or emails.value co "xyz" or addresses.locality eq "Nowhere" or title co "none" or nickName pr"#,
];

fn evaluate(c: &mut Criterion) {
    let json: Value = serde_json::from_str(include_str!("user.json")).unwrap();
    println!("the user has {} bytes", json.to_string().len());
    let registry = Registry::standard();
    let kind = registry.resource_type("User").unwrap();
    let user = kind.admit(json.clone(), &Tolerance::DEFAULT).unwrap();
    let text = Document::from(user.clone()).into_text();
    println!("its document has {} bytes", text.len());

    let budget = Budget::new(u64::MAX);
    let meter = budget.meter();
    let mut group = c.benchmark_group("evaluate");
    group.bench_function("validating pass over the text", |b| {
        b.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(&text)).unwrap());
    });
    for filter in FILTERS {
        let parsed = Filter::parse(filter).unwrap();
        let predicate = kind.bind_filter(&parsed, &Tolerance::DEFAULT).unwrap();
        let reader = kind.reader(predicate.attributes());
        group.bench_function(format!("text: {filter}"), |b| {
            b.iter(|| {
                let values = reader.read(black_box(&text));
                kind.matches(
                    black_box(&predicate),
                    ResourceView::of_values(&values),
                    &meter,
                )
            });
        });
        group.bench_function(format!("tree: {filter}"), |b| {
            b.iter(|| {
                kind.matches(
                    black_box(&predicate),
                    ResourceView::new(black_box(&user)),
                    &meter,
                )
            });
        });
    }
    group.bench_function("userName of the JSON by hand", |b| {
        b.iter(|| {
            let name = black_box(&json).get("userName").and_then(Value::as_str);
            name.is_some_and(|name| name.eq_ignore_ascii_case(black_box("BJENSEN@example.com")))
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = scimkit_benches::settings();
    targets = evaluate
}
criterion_main!(benches);
