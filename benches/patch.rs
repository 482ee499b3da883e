//! The time of a PATCH of a user of about 1.5 kB, compared with copying that user once, and with a service that parses,
//! copies and prints the whole document.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench patch
//! ```
//!
//! Ours is the complete work, from the parsed body of the request to the change. Each time includes dropping the
//! result.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

use std::{hint::black_box, sync::Arc, time::Instant};

use scimkit::{
    core::message::PatchRequest,
    patch::{CurrentState, Patch},
};
use scimkit_registry::{Budget, Change, Registry, Resource, ResourceId, ResourceType, Tolerance};
use serde_json::{Value, json};

const ROUNDS: usize = 4_001;
const EACH: usize = 8;

fn rows() -> [(&'static str, Value); 4] {
    let body = |operations: Value| {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        json!({"schemas": schemas, "Operations": operations})
    };
    let work = r#"emails[type eq "work"].value"#;
    let three = json!({"title": "Guide", "nickName": "B", "name": {"givenName": "Babs"}});
    [
        (
            "active = false",
            body(json!([{"op": "replace", "path": "active", "value": false}])),
        ),
        (
            "three attributes without a path",
            body(json!([{"op": "replace", "value": three}])),
        ),
        (
            "a value path",
            body(json!([{"op": "replace", "path": work, "value": "b@x.example"}])),
        ),
        (
            "four operations as Entra ID sends them",
            body(json!([
                {"op": "Replace", "path": "displayName", "value": "B. Jensen"},
                {"op": "Add", "path": r#"phoneNumbers[type eq "work"].value"#, "value": "555-1"},
                {"op": "Replace", "path": "name.familyName", "value": "J"},
                {"op": "Replace", "path": "active", "value": "False"},
            ])),
        ),
    ]
}

fn main() {
    let user: Value = serde_json::from_str(include_str!("user.json")).unwrap();
    let text = user.to_string();
    let registry = Registry::standard();
    let kind = registry.resource_type("User").unwrap();
    let document = kind.admit(user, &Tolerance::DEFAULT).unwrap();
    let whole = Value::Object(document.as_map().clone());
    println!("a user of {} bytes; ratios of one run", text.len());
    println!(
        "{:40} {:>9} {:>12} {:>24}",
        "", "ns", "/ one clone", "/ parse + clone + print"
    );
    for (name, body) in rows() {
        let (mut ours, mut clone, mut floor) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(timed(vec![body.clone(); EACH], |body| {
                patched(kind, &document, body)
            }));
            clone.push(timed(vec![(); EACH], |()| black_box(&whole).clone()));
            floor.push(timed(vec![(); EACH], |()| {
                let read: Value = serde_json::from_str(black_box(&text)).unwrap();
                let copy = read.clone();
                let printed = copy.to_string();
                (read, copy, printed)
            }));
        }
        let [ours, clone, floor] = [ours, clone, floor].map(median);
        println!(
            "{name:40} {:>9.0} {:>12.2} {:>24.3}",
            ours * 1e9,
            ours / clone,
            ours / floor
        );
    }
}

fn patched(kind: &Arc<ResourceType>, document: &Resource, body: Value) -> Change {
    let request = PatchRequest::from_value(body, 1_000).unwrap();
    let patch = Patch::decode(kind, request, Default::default(), &Tolerance::DEFAULT).unwrap();
    let before = CurrentState {
        document,
        edges: &[],
    };
    let id = ResourceId::from("2819c223");
    let change = patch
        .apply(&id, &before, &Tolerance::DEFAULT, &Budget::unlimited())
        .unwrap();
    assert!(!change.is_empty());
    change
}

/// Returns the seconds per call.
fn timed<I, O>(inputs: Vec<I>, mut act: impl FnMut(I) -> O) -> f64 {
    let count = inputs.len();
    let started = Instant::now();
    for input in inputs {
        drop(black_box(act(input)));
    }
    started.elapsed().as_secs_f64() / count as f64
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap()
}
