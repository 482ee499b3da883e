//! The protocol cases that ship, each with a new server, over every store.

use std::{path::Path, sync::Arc, time::Duration};

use scimkit_mapping::Mapping;
use scimkit_registry::{Quirk, Registry, Tolerance};
use scimkit_server::{BearerTokens, Server, Token};
use scimkit_store::{ConnectionSettings, Settings, Store};
use scimkit_testkit::replay::{Mode, Replay, Scenario, ScenarioVerdict};
use serde_json::{Value, json};

use crate::servers::{STORES, TOKEN};

/// The cases that fail, and the reasons.
const EXPECTED: &[(&str, &str)] = &[];

#[tokio::test]
async fn default_profile_meets_the_protocol() {
    check(Tolerance::DEFAULT, [Mode::Both, Mode::Compat]).await;
}

#[tokio::test]
async fn strict_profile_meets_the_protocol() {
    check(Tolerance::STRICT, [Mode::Both, Mode::Rfc]).await;
}

#[test]
fn every_case_has_a_unique_name_and_a_source() {
    let cases = cases();
    let mut names: Vec<_> = cases.iter().map(Scenario::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len());
    for case in cases {
        assert_eq!(case.idp, "protocol", "{}", case.name());
        assert!(case.source.starts_with("RFC "), "{}", case.name());
    }
}

/// Each quirk has a case that shows it, and one that shows its rejection.
#[test]
fn every_quirk_has_its_cases() {
    let cases = cases();
    for quirk in Quirk::ALL {
        let name = quirk.name();
        let about = |start: String| cases.iter().any(|case| case.quirk.starts_with(&start));
        let refused =
            about(format!("without {name} ")) || about(format!("{name}, which no profile"));
        let accepted = Tolerance::DEFAULT.accepts(*quirk);
        assert!(refused, "{name}");
        assert_eq!(about(format!("{name}: ")), accepted, "{name}");
    }
}

pub(crate) fn cases() -> Vec<Scenario> {
    Scenario::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/protocol"))).unwrap()
}

/// Runs the cases of these modes, of which exactly the expected ones may fail.
async fn check(tolerance: Tolerance, modes: [Mode; 2]) {
    let mut surprises = Vec::new();
    for (store, make) in STORES {
        for case in cases() {
            let server = server(make(), tolerance, &case);
            let replay = Replay::new(&server)
                .with_modes(modes)
                .with_settings_met()
                .with_token(TOKEN);
            let report = replay.run(std::slice::from_ref(&case)).await;
            let name = case.name();
            let known = EXPECTED.iter().any(|(failing, _)| *failing == name);
            match &report.outcomes[0].verdict {
                ScenarioVerdict::OtherMode => {}
                ScenarioVerdict::Passed { .. } if known => {
                    surprises.push(format!("{store}: {name} passes: take it off the list"));
                }
                ScenarioVerdict::Passed { .. } => {}
                ScenarioVerdict::Failed(_) if known => {}
                _ => surprises.push(format!("{store}: {:#}", report.outcomes[0])),
            }
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

/// Creates a server with the settings of the case and the resource type of devices, which has attributes of every data
/// type and every characteristic.
pub(crate) fn server(store: Arc<dyn Store>, tolerance: Tolerance, case: &Scenario) -> Server {
    let mut settings = Settings::new("https://scim.test/v2");
    settings.registry = registry();
    settings.tolerance = tolerance;
    for (name, value) in &case.settings {
        set(&mut settings, name, value);
    }
    let token = Token::from_secret(TOKEN).unwrap();
    Server::new(store, settings).with_authentication(BearerTokens::new([token.digest()]))
}

/// Returns the schemas that the cases use.
pub(crate) fn registry() -> Arc<Registry> {
    let registry = Registry::builder()
        .schemas_json(include_str!("../../protocol/schemas/device.json"))
        .unwrap()
        .resource_types_json(include_str!("../../protocol/schemas/resource-types.json"))
        .unwrap();
    Arc::new(registry.build().unwrap())
}

/// Changes a limit, or a setting of a connection.
fn set(settings: &mut Settings, name: &str, value: &Value) {
    let number = || usize::try_from(value.as_u64().unwrap()).unwrap();
    let limits = &mut settings.limits;
    match name {
        "limits.body" => limits.body = number(),
        "limits.cursor_timeout" => {
            limits.cursor_timeout = Duration::from_secs(value.as_u64().unwrap());
        }
        "limits.bulk_body" => limits.bulk_body = number(),
        "limits.bulk_operations" => limits.bulk_operations = number(),
        "limits.filter.depth" => limits.filter.depth = number().try_into().unwrap(),
        "limits.filter.length" => limits.filter.length = number(),
        "limits.filter.terms" => limits.filter.terms = number().try_into().unwrap(),
        "limits.members" => limits.members = number(),
        "limits.nesting" => limits.nesting = number(),
        "limits.operations" => limits.operations = number(),
        "limits.page_default" => limits.page_default = number().try_into().unwrap(),
        "limits.page_max" => limits.page_max = number().try_into().unwrap(),
        // The others are settings of a connection.
        _ => {
            let json = json!({ name: value }).to_string();
            let chosen = ConnectionSettings::from_json(&json).unwrap();
            *settings = chosen.apply_to(settings, &Mapping::builder()).unwrap();
        }
    }
}
