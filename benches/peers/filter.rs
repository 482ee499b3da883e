//! The time to parse a filter: our parser, handwritten ones, and the published ones, in one run.
//!
//! ```text
//! cargo bench --manifest-path benches/peers/Cargo.toml
//! ```

use criterion::{Criterion, criterion_group, criterion_main};

fn parse(c: &mut Criterion) {
    scimkit_benches::compare(c, &scimkit_peers::subjects());
}

criterion_group! {
    name = benches;
    config = scimkit_benches::settings();
    targets = parse
}
criterion_main!(benches);
