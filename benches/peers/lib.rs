//! The published parsers, in addition to the subjects of `scimkit-benches`.

use scimkit_benches::{SUBJECTS, Subject};
use std::hint::black_box;

const PUBLISHED: [Subject; 2] = [
    Subject {
        name: "scim-filter 0.2.3",
        read: |text| {
            // It stops at what it does not understand; only a text that is read to its end counts as parsed.
            black_box(scim_filter::parser::filter(text)).is_ok_and(|(rest, _)| rest.is_empty())
        },
    },
    Subject {
        name: "scim_v2 1.0.0",
        read: |text| black_box(text.parse::<scim_v2::filter::Filter>()).is_ok(),
    },
];

/// Returns all subjects of the comparison.
pub fn subjects() -> Vec<Subject> {
    SUBJECTS.into_iter().chain(PUBLISHED).collect()
}
