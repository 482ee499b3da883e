//! What it takes to ask a user of about 1.5 kB whether a bound filter matches, beside a look at the same JSON by hand.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench evaluate
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use scimkit_filter::Filter;
use scimkit_registry::{Budget, Registry, Tolerance, View};
use serde_json::Value;
use std::hint::black_box;

const FILTERS: [&str; 4] = [
    r#"userName eq "bjensen@example.com""#,
    r#"userName eq "somebody@example.com""#,
    r#"emails[type eq "work" and value co "@example.com"]"#,
    r#"title pr and userType eq "Employee" and not (active eq false)"#,
];

fn evaluate(c: &mut Criterion) {
    let json: Value = serde_json::from_str(include_str!("user.json")).unwrap();
    println!("the user has {} bytes", json.to_string().len());
    let registry = Registry::standard();
    let kind = registry.by_name("User").unwrap();
    let user = kind.admit(json.clone(), &Tolerance::DEFAULT).unwrap();

    let budget = Budget::new(u64::MAX);
    let meter = budget.meter();
    let mut group = c.benchmark_group("evaluate");
    for text in FILTERS {
        let filter = Filter::parse(text).unwrap();
        let predicate = kind.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
        group.bench_function(text, |b| {
            b.iter(|| kind.matches(black_box(&predicate), View::of(black_box(&user)), &meter))
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
