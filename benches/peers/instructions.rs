//! Reads each filter once with each subject, for callgrind to count; prints in which order.

use scimkit_benches::{FILTERS, Subject};
use std::hint::black_box;

fn main() {
    for subject in scimkit_peers::subjects() {
        for (number, text) in FILTERS.into_iter().enumerate() {
            // Twice before: what is made at first use is made, and the allocator is warm.
            let taken = (subject.read)(text) && (subject.read)(text);
            measured(subject, text);
            println!("{}\t{}\t{taken}", subject.name, number + 1);
        }
    }
}

/// What callgrind collects and dumps after.
#[inline(never)]
fn measured(subject: Subject, text: &str) {
    black_box((subject.read)(black_box(text)));
}
