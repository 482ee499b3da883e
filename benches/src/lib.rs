//! Shared parts of the benchmarks of the filter parser: the filters, the other parsers, and hostile texts.

pub mod hand;
pub mod hostile;
pub mod lexer;
pub mod scan;
pub mod structure;

mod bytes;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::Criterion;

/// Typical filters of clients, from the shortest to a long nested one.
pub const FILTERS: [&str; 8] = [
    r#"userName eq "bjensen""#,
    r#"externalId eq "00ub0oNGTSWTBKOLGLNR""#,
    r#"title pr and userType eq "Employee""#,
    r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
    r#"emails[type eq "work" and value co "@example.com"]"#,
    r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
    r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "Engineering" and not (active eq false)"#,
    r#"urn:ietf:params:scim:schemas:core:2.0:User:userType eq "Employee" and (emails[type eq "work" and value ew "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]) and not (urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber sw "7" or meta.lastModified lt "2011-05-13T04:42:34Z") and (name.familyName co "O'Malley" or displayName pr)"#,
];

/// A function that parses a filter and drops the result.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The name in the tables.
    pub name: &'static str,
    /// Parses a text, and returns whether that succeeded.
    pub read: fn(&str) -> bool,
}

const SCIMKIT: Subject = Subject {
    name: "scimkit",
    read: |text| black_box(scimkit_filter::Filter::parse(text)).is_ok(),
};

/// Our parser and the handwritten ones, from the least work to the most.
pub const SUBJECTS: [Subject; 5] = [
    Subject {
        name: "byte scan",
        read: |text| black_box(scan::classes(text)) > 0,
    },
    Subject {
        name: "lexer",
        read: |text| black_box(lexer::tokens(text)).is_some(),
    },
    Subject {
        name: "structure",
        read: |text| black_box(structure::parse(text)).is_some(),
    },
    Subject {
        name: "hand",
        read: |text| black_box(hand::parse(text)).is_ok(),
    },
    SCIMKIT,
];

/// Returns settings for short runs, because the relevant differences are large.
#[must_use]
pub fn settings() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
}

/// Measures each subject on each filter, then prints a table of ratios.
pub fn compare(c: &mut Criterion, subjects: &[Subject]) {
    for (number, text) in (1..).zip(FILTERS) {
        let mut group = c.benchmark_group(format!("filter {number}"));
        for subject in subjects {
            group.bench_function(subject.name, |b| b.iter(|| (subject.read)(black_box(text))));
        }
        group.finish();
    }
    ratios(subjects);
}

/// Prints the time of our parser divided by that of each other parser, per filter.
#[expect(clippy::print_stdout, reason = "the result of a benchmark")]
fn ratios(subjects: &[Subject]) {
    println!("time of scimkit / time of");
    let ours = FILTERS.map(|text| nanoseconds(|| (SCIMKIT.read)(black_box(text))));
    for subject in subjects
        .iter()
        .filter(|subject| subject.name != SCIMKIT.name)
    {
        print!("{:<26}", subject.name);
        for (text, ours) in FILTERS.into_iter().zip(ours) {
            if (subject.read)(text) {
                print!(
                    "{:>8.3}",
                    ours / nanoseconds(|| (subject.read)(black_box(text)))
                );
            } else {
                print!("{:>8}", "refused");
            }
        }
        println!();
    }
}

/// Returns the minimum of several means, because disturbances only make a run longer.
pub(crate) fn nanoseconds(mut work: impl FnMut() -> bool) -> f64 {
    let mut timed = |rounds: u32| {
        let start = Instant::now();
        for _ in 0..rounds {
            black_box(work());
        }
        start.elapsed()
    };
    let once = timed(1).max(Duration::from_nanos(20));
    let rounds = Duration::from_millis(5)
        .as_nanos()
        .div_ceil(once.as_nanos());
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    let least = (0..9).map(|_| timed(rounds)).min().unwrap_or_default();
    least.as_secs_f64() * 1e9 / f64::from(rounds)
}

#[cfg(test)]
mod tests {
    use scimkit_filter::Filter;

    use super::*;

    #[test]
    fn all_parsers_return_the_same_trees() {
        for text in FILTERS {
            let ours = Filter::parse(text).unwrap();
            assert_eq!(hand::parse(text).as_ref(), Ok(&ours), "{text}");
            assert_eq!(structure::parse(text).as_ref(), Some(&ours), "{text}");
            assert!(lexer::tokens(text).is_some(), "{text}");
        }
    }

    /// A comparison is fair only if the other parser makes the same checks.
    #[test]
    fn handwritten_parser_makes_the_same_checks() {
        let cases = include_str!("../../crates/scimkit-filter/tests/it/cases/filters.jsonl");
        for case in cases.lines() {
            let case: serde_json::Value = serde_json::from_str(case).unwrap();
            let text = case["filter"].as_str().unwrap();
            assert_eq!(hand::parse(text).ok(), Filter::parse(text).ok(), "{text}");
        }
        for part in hostile::PARTS {
            let text = hostile::text(part, 4_000);
            assert_eq!(hand::parse(&text).ok(), Filter::parse(&text).ok(), "{part}");
        }
    }
}
