//! The inputs that fuzzing started from and those that it found, replayed.

use std::{fs, path::Path};

use scimkit_testkit::fuzz::TARGETS;

#[test]
fn every_checked_in_input_keeps_its_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in TARGETS {
        let inputs = fs::read_dir(corpus.join(name)).unwrap();
        let inputs: Vec<_> = inputs.map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() >= 20, "{name} has {} inputs", inputs.len());
        for input in inputs {
            // Named, so that a failure tells which one it was.
            println!("{}", input.display());
            target(&fs::read(&input).unwrap());
        }
    }
}
