//! The scenarios that ship, each on a server of its own, over every store.

use scimkit_filter::Leniency;
use scimkit_registry::{Tolerance, Unknown};
use scimkit_testkit::replay::{Mode, Replay, Scenario, Verdict};

use crate::servers::{STORES, TOKEN, server};

/// Scenarios that fail under a tolerance, and why they may.
type Expected = &'static [(&'static str, &'static str)];

const UNDER_DEFAULT: Expected = &[];

const UNDER_STRICT: Expected = &[];

#[tokio::test]
async fn a_tolerant_server_gives_every_provider_what_it_needs() {
    check(
        Tolerance::DEFAULT,
        [Mode::Both, Mode::Compat],
        UNDER_DEFAULT,
    )
    .await;
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

/// Takes one tolerance away.
type Narrow = fn(&mut Tolerance);

/// Each tolerance that a provider needs, and the scenarios that fail without it.
const NEEDED: [(&str, Narrow, &[&str]); 11] = [
    (
        "any_schemas",
        |t| t.any_schemas = false,
        &[
            "entra/create-with-nulls-and-stray-top-level",
            "entra/custom-extension-unlisted-in-schemas",
            "entra/group-create-with-microsoft-schema-uri",
        ],
    ),
    (
        "array_of_one",
        |t| t.array_of_one = false,
        &["entra/manager-array-of-one"],
    ),
    (
        "bare_values",
        |t| t.bare_values = false,
        &[
            "entra/group-patch-member-bare-string",
            "entra/manager-string-in-post",
            "entra/manager-string-value",
        ],
    ),
    (
        "boolean_strings",
        |t| t.boolean_strings = false,
        &[
            "entra/create-active-string",
            "entra/disable-string-boolean-default",
        ],
    ),
    (
        "create_elements",
        |t| t.create_elements = false,
        &[
            "entra/add-valuepath-missing-element",
            "entra/address-paths-build-one-element",
        ],
    ),
    (
        "dotted_keys",
        |t| t.dotted_keys = false,
        &[
            "entra/pathless-add-dotted-keys",
            "entra/replace-many-flag-dotted-and-urn-keys",
        ],
    ),
    (
        "leniency",
        |t| t.leniency = Leniency::STRICT,
        &["entra/filter-work-email-valuepath-eq"],
    ),
    (
        "remove_values",
        |t| t.remove_values = false,
        &[
            "entra/group-remove-value-array",
            "jumpcloud/group-members-minimal",
        ],
    ),
    (
        "unqualified_extensions",
        |t| t.unqualified_extensions = false,
        &[
            "entra/manager-array-of-one",
            "entra/manager-membership-filter",
        ],
    ),
    (
        "unqualified_extensions and unknown_attributes",
        |t| {
            t.unqualified_extensions = false;
            t.unknown_attributes = Unknown::Refuse;
        },
        &[
            "entra/create-with-nulls-and-stray-top-level",
            "entra/manager-array-of-one",
            "entra/manager-membership-filter",
        ],
    ),
    // What no provider here is known to need: it may go without a scenario failing.
    (
        "the rest",
        |t| {
            t.empty_operations = false;
            t.read_only_in_patch = false;
            t.remove_absent = false;
            t.single_for_many = false;
            t.unknown_attributes = Unknown::Refuse;
            t.unknown_in_filter = Unknown::Refuse;
        },
        &[],
    ),
];

#[tokio::test]
async fn each_tolerance_is_there_for_its_scenarios() {
    let scenarios = Scenario::corpus().unwrap();
    let mut problems = Vec::new();
    for (name, narrow, expected) in NEEDED {
        let mut tolerance = Tolerance::DEFAULT;
        narrow(&mut tolerance);
        let server = server((STORES[0].1)(), tolerance);
        let report = Replay::of(&server).with_token(TOKEN).run(&scenarios).await;
        let mut failed: Vec<_> = report.failures().map(|(scenario, _)| scenario).collect();
        failed.sort_unstable();
        if failed != expected {
            problems.push(format!("without {name} {failed:?} fail, not {expected:?}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
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
        assert!(
            surprises.is_empty(),
            "over {store}:\n{}",
            surprises.join("\n")
        );
    }
}
