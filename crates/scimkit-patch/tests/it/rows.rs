//! Every row that the RFC decides, and the requests of identity providers, from files.

use scimkit_registry::Tolerance;
use serde_json::Value;

use crate::harness::{Rejected, World, kind, patch, state};

/// One case: a resource, a PATCH body, and the state or the error afterwards.
pub(crate) struct Row(Value);

impl Row {
    pub(crate) fn id(&self) -> &str {
        self.0["id"].as_str().unwrap()
    }

    pub(crate) fn is_choice(&self) -> bool {
        self.0["class"] == "choice"
    }

    pub(crate) fn is_strict_only(&self) -> bool {
        self.0["profile"] == "strict"
    }

    pub(crate) fn before(&self) -> &Value {
        &self.0["before"]
    }

    /// Returns the resource afterwards, or the error; after an error the resource must be unchanged.
    pub(crate) fn outcome(&self, t: &Tolerance) -> Result<Value, Rejected> {
        let kind = kind(self.0["schema"].as_str().unwrap());
        let mut world = World::of(kind, self.before().clone());
        let untouched = world.clone();
        let id = self.before()["id"].as_str().unwrap();
        match patch(kind, id, &world, self.0["patch"].clone(), t) {
            Ok(change) => {
                world.apply(kind, &change);
                if change.is_empty() {
                    assert_eq!(
                        world,
                        untouched,
                        "{}: an empty change changes nothing",
                        self.id()
                    );
                }
                Ok(state(&world.shown(kind)))
            }
            Err(rejected) => {
                assert_eq!(world, untouched);
                Err(rejected)
            }
        }
    }

    /// Returns the difference between the expected and the actual outcome, if there is one.
    pub(crate) fn objection(&self, outcome: &Result<Value, Rejected>) -> Option<String> {
        let expected = &self.0["after"];
        let also = self.0["error_also"].as_array().into_iter().flatten();
        let mut allowed = also.chain(std::iter::once(&self.0["error_scim_type"]));
        let right = match outcome {
            Ok(after) => !expected.is_null() && *after == state(expected),
            Err(rejected) => {
                expected.is_null() && allowed.any(|t| *t == rejected.scim_type.as_str())
            }
        };
        (!right).then(|| format!("{}: {outcome:?}\n  expected {}", self.id(), self.0))
    }
}

pub(crate) fn rows(text: &str) -> Vec<Row> {
    text.lines()
        .map(|line| Row(serde_json::from_str(line).unwrap()))
        .collect()
}

pub(crate) const PATCH: &str = include_str!("cases/patch.jsonl");
const OWN: &str = include_str!("cases/own.jsonl");
const PROVIDERS: &str = include_str!("cases/providers.jsonl");

fn objections<'r>(rows: impl Iterator<Item = &'r Row>, t: &Tolerance) -> Vec<String> {
    rows.filter_map(|row| row.objection(&row.outcome(t)))
        .collect()
}

#[test]
fn rows_of_the_rfc_hold_in_the_strict_profile() {
    let rows = rows(PATCH);
    let wrong = objections(
        rows.iter().filter(|row| !row.is_choice()),
        &Tolerance::STRICT,
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows.len(), 134);
}

#[test]
fn rows_of_the_rfc_hold_in_the_default_profile() {
    let rows = rows(PATCH);
    let must = rows
        .iter()
        .filter(|row| !row.is_choice() && !row.is_strict_only());
    let wrong = objections(must, &Tolerance::DEFAULT);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn identity_provider_rows_hold_in_the_default_profile() {
    let wrong = objections(rows(PROVIDERS).iter(), &Tolerance::DEFAULT);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows marked `both` also conform to the letter of the RFC.
#[test]
fn conforming_identity_provider_rows_hold_in_the_strict_profile() {
    let rows = rows(PROVIDERS);
    let wrong = objections(
        rows.iter().filter(|row| row.0["mode"] == "both"),
        &Tolerance::STRICT,
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Cases that the RFC decides and the other files lack; `mode` names the profile.
#[test]
fn additional_rows_hold() {
    let rows = rows(OWN);
    let of = |mode: &'static str| {
        let mode = move |row: &&Row| row.0["mode"] == "both" || row.0["mode"] == mode;
        rows.iter().filter(mode)
    };
    let mut wrong = objections(of("strict"), &Tolerance::STRICT);
    wrong.extend(objections(of("default"), &Tolerance::DEFAULT));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
