//! The time to parse a filter: our parser compared with handwritten ones, and hostile texts of growing size.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench filter
//! ```
//!
//! The published parsers are compared in `benches/peers`, together with these in one run.

use criterion::{Criterion, criterion_group, criterion_main};
use scimkit_benches::SUBJECTS;

fn parse(c: &mut Criterion) {
    scimkit_benches::compare(c, &SUBJECTS);
}

fn hostile(_: &mut Criterion) {
    scimkit_benches::hostile::table();
}

criterion_group! {
    name = benches;
    config = scimkit_benches::settings();
    targets = parse, hostile
}
criterion_main!(benches);
