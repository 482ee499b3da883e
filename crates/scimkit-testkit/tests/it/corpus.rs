//! The scenarios that ship, each with a new server, over every store.

use scimkit_registry::{Quirk, Tolerance};
use scimkit_testkit::replay::{Mode, Replay, Scenario, ScenarioVerdict};

use crate::servers::{STORES, TOKEN, server};

/// The scenarios that fail under a tolerance, and the reasons.
type Expected = &'static [(&'static str, &'static str)];

pub(crate) const UNDER_DEFAULT: Expected = &[];

const UNDER_STRICT: Expected = &[];

#[tokio::test]
async fn tolerant_server_passes_every_provider_scenario() {
    check(
        Tolerance::DEFAULT,
        [Mode::Both, Mode::Compat],
        UNDER_DEFAULT,
    )
    .await;
}

#[tokio::test]
async fn strict_server_responds_as_the_rfc_requires() {
    check(Tolerance::STRICT, [Mode::Both, Mode::Rfc], UNDER_STRICT).await;
}

#[test]
fn corpus_is_complete() {
    let scenarios = Scenario::corpus().unwrap();
    assert!(scenarios.len() >= 123, "{}", scenarios.len());
    let steps = scenarios.iter().map(|s| s.steps.len()).sum::<usize>();
    assert!(steps >= 720, "{steps}");
    let mut names: Vec<_> = scenarios.iter().map(Scenario::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), scenarios.len());
}

/// Each quirk that a scenario needs, alone, and the scenarios that fail without it. Some need one of two.
const NEEDED: &[(&[Quirk], &[&str])] = &[
    (
        &[Quirk::AnySchemas],
        &[
            "entra/create-with-nulls-and-stray-top-level",
            "entra/custom-extension-unlisted-in-schemas",
            "entra/group-create-with-microsoft-schema-uri",
            "field/patch-that-names-the-user-schema",
        ],
    ),
    (&[Quirk::ArrayOfOne], &["entra/manager-array-of-one"]),
    (
        &[Quirk::BareValues],
        &[
            "entra/group-patch-member-bare-string",
            "entra/manager-string-in-post",
            "entra/manager-string-value",
            "field/manager-who-is-not-there",
        ],
    ),
    (&[Quirk::BareWords], &["field/filter-value-without-quotes"]),
    (
        &[Quirk::BooleanStrings],
        &[
            "entra/create-active-string",
            "entra/disable-string-boolean-default",
        ],
    ),
    (
        &[Quirk::ByteOrderMark],
        &["field/byte-order-mark-in-every-body"],
    ),
    (
        &[Quirk::CoreContainer],
        &[
            "field/every-schema-in-its-container",
            "field/group-schema-as-patch-path",
        ],
    ),
    (
        &[Quirk::CreateElements],
        &[
            "entra/add-valuepath-missing-element",
            "entra/address-paths-build-one-element",
        ],
    ),
    (
        &[Quirk::DottedKeys],
        &[
            "entra/pathless-add-dotted-keys",
            "entra/replace-many-flag-dotted-and-urn-keys",
        ],
    ),
    (
        &[Quirk::JsonStrings],
        &["field/pathless-value-is-json-text"],
    ),
    (
        &[Quirk::EmptyReferences],
        &["field/empty-text-for-a-manager"],
    ),
    (
        &[Quirk::NestedSchemas, Quirk::UnknownAttributes],
        &[
            "entra/attributes-of-no-schema",
            "field/expense-system-payload",
            "field/schemas-inside-an-extension",
        ],
    ),
    (
        &[Quirk::ParameterCase],
        &["field/start-index-in-lower-case"],
    ),
    (
        &[Quirk::RawPlus],
        &["field/raw-plus-between-percent-twenties"],
    ),
    (
        &[Quirk::RemoveValues],
        &[
            "authentik/group-remove-value-array",
            "entra/group-remove-value-array",
            "jumpcloud/group-members-minimal",
            "okta/group-remove-value-array",
            "onelogin/group-remove-value-array",
        ],
    ),
    (
        &[Quirk::SimpleValuePaths],
        &["field/remove-one-of-simple-values"],
    ),
    (
        &[Quirk::SingleValuePaths],
        &[
            "entra/manager-value-filter",
            "field/value-filter-on-manager",
        ],
    ),
    (
        &[Quirk::SubAfterBrackets],
        &["entra/filter-work-email-valuepath-eq"],
    ),
    (
        &[Quirk::UnknownAttributes],
        &[
            "entra/attributes-of-no-schema",
            "field/expense-system-payload",
        ],
    ),
    (
        &[Quirk::UnknownAttributes, Quirk::UnqualifiedExtensions],
        &[
            "entra/attributes-of-no-schema",
            "entra/create-with-nulls-and-stray-top-level",
            "entra/manager-array-of-one",
            "entra/manager-membership-filter",
            "field/expense-system-payload",
            "field/value-filter-on-manager",
        ],
    ),
    (
        &[Quirk::UnqualifiedExtensions],
        &[
            "entra/manager-array-of-one",
            "entra/manager-membership-filter",
            "field/value-filter-on-manager",
        ],
    ),
];

#[tokio::test]
async fn each_quirk_is_needed_by_its_scenarios() {
    let scenarios = Scenario::corpus().unwrap();
    let alone = Quirk::ALL.iter().map(std::slice::from_ref);
    let together = NEEDED.iter().map(|(quirks, _)| *quirks);
    let mut surprises = Vec::new();
    for quirks in alone.chain(together.filter(|quirks| quirks.len() > 1)) {
        let expected = NEEDED.iter().find(|(known, _)| *known == quirks);
        let failing = failing(without(Tolerance::DEFAULT, quirks), &scenarios).await;
        if failing != expected.map_or(&[][..], |e| e.1) {
            surprises.push(format!("without {quirks:?} these fail: {failing:#?}"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

/// The profile of an identity provider, and its scenarios that fail under it.
const PROFILES: [(Tolerance, &str, &[&str]); 5] = [
    (Tolerance::ENTRA, "entra", &[]),
    // The effect of the flag, and the scenario with a string from before the flag had an effect.
    (
        Tolerance::ENTRA_AAD_OPT_SCIM_062020,
        "entra",
        &[
            "entra/create-active-string",
            "entra/disable-string-boolean-default",
        ],
    ),
    (Tolerance::JUMPCLOUD, "jumpcloud", &[]),
    (Tolerance::OKTA, "okta", &[]),
    (Tolerance::ONELOGIN, "onelogin", &[]),
];

#[tokio::test]
async fn profile_accepts_only_what_its_scenarios_need() {
    let scenarios = Scenario::corpus().unwrap();
    for (profile, idp, expected) in PROFILES {
        let mut own = scenarios.clone();
        own.retain(|scenario| scenario.idp == idp);
        assert_eq!(failing(profile, &own).await, expected, "{profile:?}");
        let beyond =
            |quirk: &&Quirk| profile.accepts(**quirk) && !Tolerance::STRICT.accepts(**quirk);
        for quirk in Quirk::ALL.iter().filter(beyond) {
            let narrower = without(profile, &[*quirk]);
            assert!(
                failing(narrower, &own).await.len() > expected.len(),
                "{} does not need {quirk:?}",
                profile.profile()
            );
        }
    }
}

fn without(tolerance: Tolerance, quirks: &[Quirk]) -> Tolerance {
    let mut json = serde_json::to_value(tolerance).unwrap();
    for quirk in quirks {
        json[quirk.name()] = false.into();
    }
    serde_json::from_value(json).unwrap()
}

/// Returns the names of the scenarios that fail on a server with that tolerance, besides those that fail under the
/// default.
async fn failing(tolerance: Tolerance, scenarios: &[Scenario]) -> Vec<String> {
    let server = server((STORES[0].1)(), tolerance);
    let report = Replay::new(&server).with_token(TOKEN).run(scenarios).await;
    let mut failing: Vec<_> = report.failures().map(|(name, _)| name.to_owned()).collect();
    failing.retain(|name| UNDER_DEFAULT.iter().all(|(known, _)| known != name));
    failing.sort_unstable();
    failing
}

/// Runs the scenarios of these modes, of which exactly the expected ones may fail.
async fn check(tolerance: Tolerance, modes: [Mode; 2], expected: Expected) {
    let mut surprises = Vec::new();
    for (store, make) in STORES {
        for scenario in Scenario::corpus().unwrap() {
            let server = server(make(), tolerance);
            let replay = Replay::new(&server).with_modes(modes).with_token(TOKEN);
            let report = replay.run(std::slice::from_ref(&scenario)).await;
            assert_eq!(report.warnings.len(), 0, "{store}: {report}");
            let name = scenario.name();
            let known = expected.iter().any(|(failing, _)| *failing == name);
            match &report.outcomes[0].verdict {
                ScenarioVerdict::OtherMode => {}
                ScenarioVerdict::Passed { .. } if known => {
                    surprises.push(format!("{name} passes: take it off the list"));
                }
                ScenarioVerdict::Passed { .. } => {}
                ScenarioVerdict::Failed(_) if known => {}
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
