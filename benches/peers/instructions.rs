//! Parses each filter once with each subject for callgrind, and prints the order.

use scimkit_benches::{FILTERS, Subject};
use std::hint::black_box;

fn main() {
    for subject in scimkit_peers::subjects() {
        for (number, text) in FILTERS.into_iter().enumerate() {
            // Two calls first, for one-time initialisation and a warm allocator.
            let taken = (subject.read)(text) && (subject.read)(text);
            measured(subject, text);
            println!("{}\t{}\t{taken}", subject.name, number + 1);
        }
    }
}

/// The function whose instructions callgrind collects.
#[inline(never)]
fn measured(subject: Subject, text: &str) {
    black_box((subject.read)(black_box(text)));
}
