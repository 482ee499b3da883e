//! Cases that the RFC leaves open, row by row: the decision and its reason.

use scimkit_registry::Tolerance;
use serde_json::{Value, json};

use crate::{
    harness::{Rejected, state},
    rows::{PATCH, Row, rows},
};

/// The decision on a row.
enum Done {
    /// The result in the row.
    AsRow,
    /// The patch succeeds, and the attribute then has this value.
    Instead(&'static str, Value),
    /// The patch succeeds and changes nothing.
    Unchanged,
}

/// Returns the row, the result in the default profile, and the reason. The strict profile gives the row's result,
/// except for one removal.
fn decisions() -> Vec<(&'static str, Done, &'static str)> {
    use Done::{AsRow, Instead, Unchanged};
    let fax = json!([
        {"value": "mira@corp.test", "type": "work", "primary": true},
        {"value": "mira@home.test", "type": "home"},
        {"value": "q", "type": "fax"},
    ]);
    vec![
        (
            "P029",
            AsRow,
            "the value is what is wrong with an operation that has none",
        ),
        (
            "P038",
            AsRow,
            "the value is there, but it is not a set of attributes",
        ),
        ("P067", AsRow, "as P029"),
        (
            "P073",
            AsRow,
            "the text of the filter is fine; the path asks for what can't be",
        ),
        (
            "P081",
            AsRow,
            "one element stands for an array of it, with a path or without",
        ),
        (
            "P087",
            AsRow,
            "`replace` of a complex value leaves out what is not given (3.5.2.3)",
        ),
        (
            "P094",
            AsRow,
            "assigning null makes an attribute unassigned (RFC 7643 section 2.5)",
        ),
        (
            "P115",
            Instead("emails", fax.clone()),
            "Entra ID builds elements so: entra/13",
        ),
        ("P116", Instead("emails", fax), "as P115"),
        (
            "P117",
            Instead("emails", json!([{"value": "q", "type": "work"}])),
            "as P115",
        ),
        ("P121", AsRow, "a path without a filter means every value"),
        ("P132", AsRow, "as P121"),
        (
            "P138",
            AsRow,
            "`schemas` follows from the attributes present",
        ),
        (
            "P140",
            Unchanged,
            "what is to be gone is gone: a repeated removal must not fail",
        ),
        (
            "P146",
            AsRow,
            "the URI of an extension stands for all of its attributes",
        ),
        ("P163", AsRow, "Okta sends the id it knows: okta/18"),
        (
            "P165",
            Instead("members", json!([{"value": "a"}, {"value": "c"}])),
            "entra/48",
        ),
        (
            "P167",
            AsRow,
            "the name to show is not kept with a member, so it is not there",
        ),
        (
            "P169",
            Instead(
                "members",
                json!([{"value": "a"}, {"value": "b"}, {"value": "c"},
            {"value": "d"}]),
            ),
            "entra/57",
        ),
        ("P184", AsRow, "what is wrong is the path"),
        ("P197", AsRow, "nothing asked for, nothing done"),
    ]
}

fn expected(row: &Row, attribute: &str, value: Value) -> Value {
    let mut expected = row.before().clone();
    expected[attribute] = value;
    state(&expected)
}

#[test]
fn the_default_profile_follows_the_decisions() {
    let rows = rows(PATCH);
    for (id, done, reason) in decisions() {
        let row = rows.iter().find(|row| row.id() == id).unwrap();
        let outcome = row.outcome(&Tolerance::DEFAULT);
        match done {
            Done::AsRow => assert_eq!(row.objection(&outcome), None, "{reason}"),
            Done::Instead(attribute, value) => {
                assert_eq!(
                    outcome,
                    Ok(expected(row, attribute, value)),
                    "{id}: {reason}"
                );
            }
            Done::Unchanged => assert_eq!(outcome, Ok(state(row.before())), "{id}: {reason}"),
        }
    }
}

#[test]
fn the_strict_profile_follows_the_rows() {
    for row in rows(PATCH)
        .iter()
        .filter(|row| row.is_choice() && row.id() != LISTED)
    {
        let outcome: Result<Value, Rejected> = row.outcome(&Tolerance::STRICT);
        assert_eq!(row.objection(&outcome), None);
    }
}

/// The row that removes some members by a list: strictly it would empty the group, which no client means to do.
const LISTED: &str = "P165";

#[test]
fn removing_listed_values_is_an_error_in_the_strict_profile() {
    let rows = rows(PATCH);
    let row = rows.iter().find(|row| row.id() == LISTED).unwrap();
    let rejected = row.outcome(&Tolerance::STRICT).unwrap_err();
    assert_eq!(rejected.scim_type, "invalidValue");
    assert!(
        rejected
            .detail
            .ends_with("(the tolerance `remove_values` would accept it)")
    );
    for profile in Tolerance::PROFILES {
        let outcome = row.outcome(&profile);
        let left = expected(row, "members", json!([{"value": "a"}, {"value": "c"}]));
        assert_eq!(
            outcome.ok(),
            profile.remove_values.then_some(left),
            "{}",
            profile.profile()
        );
    }
}

#[test]
fn every_open_row_has_a_decision() {
    let rows = rows(PATCH);
    let open = rows
        .iter()
        .filter(|row| row.is_choice() || row.is_strict_only())
        .map(Row::id);
    let decided = decisions();
    assert_eq!(
        open.collect::<Vec<_>>(),
        decided.iter().map(|d| d.0).collect::<Vec<_>>()
    );
}
