//! The scenarios that ship, each on a server of its own, over every store.

use scimkit_registry::Tolerance;
use scimkit_testkit::replay::{Mode, Replay, Scenario, Verdict};

use crate::servers::{STORES, TOKEN, server};

/// Scenarios that fail under a tolerance, and why they may.
type Expected = &'static [(&'static str, &'static str)];

const UNDER_DEFAULT: Expected = &[];

const UNDER_STRICT: Expected = &[];

#[tokio::test]
async fn a_tolerant_server_gives_every_provider_what_it_needs() {
    check(Tolerance::DEFAULT, [Mode::Both, Mode::Compat], UNDER_DEFAULT).await;
}

#[tokio::test]
async fn a_strict_server_answers_as_the_rfc_says() {
    check(Tolerance::STRICT, [Mode::Both, Mode::Rfc], UNDER_STRICT).await;
}

#[test]
fn the_corpus_is_complete() {
    let scenarios = Scenario::corpus().unwrap();
    assert_eq!(scenarios.len(), 94);
    assert_eq!(scenarios.iter().map(|s| s.steps.len()).sum::<usize>(), 585);
    let mut names: Vec<_> = scenarios.iter().map(Scenario::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 94);
}

/// Runs the scenarios of these modes: exactly the expected ones may fail.
async fn check(tolerance: Tolerance, modes: [Mode; 2], expected: Expected) {
    let mut surprises = Vec::new();
    for (store, make) in STORES {
        for scenario in Scenario::corpus().unwrap() {
            let server = server(make(), tolerance);
            let replay = Replay::of(&server).with_modes(modes).with_token(TOKEN);
            let report = replay.run(std::slice::from_ref(&scenario)).await;
            assert_eq!(report.warnings.len(), 0, "{store}: {report}");
            let name = scenario.name();
            let known = expected.iter().any(|(failing, _)| *failing == name);
            match &report.outcomes[0].verdict {
                Verdict::OtherMode => {}
                Verdict::Passed { .. } if known => {
                    surprises.push(format!("{name} passes: take it off the list"));
                }
                Verdict::Passed { .. } => {}
                Verdict::Failed(_) if known => {}
                _ => surprises.push(format!("{:#}", report.outcomes[0])),
            }
        }
        let surprises = std::mem::take(&mut surprises);
        assert!(surprises.is_empty(), "over {store}:\n{}", surprises.join("\n"));
    }
}
