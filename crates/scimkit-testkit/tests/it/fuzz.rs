//! Replays the initial inputs of fuzzing and those that it found.

use std::{fs, path::Path};

use scimkit_testkit::fuzz::TARGETS;

#[test]
fn every_checked_in_input_passes_its_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in TARGETS {
        let inputs = fs::read_dir(corpus.join(name)).unwrap();
        let inputs: Vec<_> = inputs.map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() >= 20, "{name} has {} inputs", inputs.len());
        for input in inputs {
            // Printed, so that a failure shows its input.
            println!("{}", input.display());
            target(&fs::read(&input).unwrap());
        }
    }
}
