//! One PATCH request per row: its response, and the state read back.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Answer, Client, Scored, rows, sent, text};

pub(super) async fn score(client: &Client, profile: &str) -> Vec<Scored> {
    let mut members = BTreeMap::new();
    for name in ["a", "b", "c", "d"] {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("member-{name}"),
        });
        members.insert(name, client.create("/Users", &user).await.unwrap());
    }
    let mut scored = Vec::new();
    for row in rows(include_str!("../../../cases/patch.jsonl")) {
        let choice = row["class"] == "choice";
        if profile == "default" && row["profile"] == "strict" {
            continue;
        }
        let row = if row["schema"] == "Group" {
            renamed(&row, &members)
        } else {
            row
        };
        let (answer, problem) = match patched(client, &row).await {
            Ok(patched) => (named(patched.words(), &members), patched.problem(&row)),
            Err(problem) => (String::new(), Some(problem)),
        };
        scored.push(Scored {
            answer,
            choice,
            id: text(&row, "id"),
            problem,
        });
    }
    scored
}

/// Sends the operations of each row followed by an impossible one, and looks for a difference.
pub(super) async fn failing(client: &Client) -> Vec<String> {
    let mut problems = Vec::new();
    for row in rows(include_str!("../../../cases/patch.jsonl")) {
        if row["schema"] != "User" {
            continue;
        }
        let id = client
            .create("/Users", &sent(&row["before"]))
            .await
            .unwrap();
        let path = format!("/Users/{id}");
        let before = client.bytes("GET", &path, None).await;
        let mut request = row["patch"].clone();
        // It is found to be wrong only after the others have been applied.
        let bad = json!({"op": "replace", "value": {"id": "another"}});
        request["Operations"].as_array_mut().unwrap().push(bad);
        let answer = client.ask("PATCH", &path, Some(&request)).await;
        let after = client.bytes("GET", &path, None).await;
        let same =
            before.body() == after.body() && before.headers()["etag"] == after.headers()["etag"];
        if answer.status != 400 || !same {
            problems.push(format!("{}: {}", text(&row, "id"), answer.words()));
        }
        client.ask("DELETE", &path, None).await;
    }
    problems
}

/// A resource with a PATCH request.
struct Patched {
    after: Answer,
    answer: Answer,
    before: Answer,
}

async fn patched(client: &Client, row: &Value) -> Result<Patched, String> {
    let endpoint = if row["schema"] == "User" {
        "/Users"
    } else {
        "/Groups"
    };
    let id = client.create(endpoint, &sent(&row["before"])).await;
    let id = id.map_err(|words| format!("the resource can't be made: {words}"))?;
    let path = format!("{endpoint}/{id}");
    let before = client.ask("GET", &path, None).await;
    let mut request = row["patch"].clone();
    for operation in request["Operations"].as_array_mut().into_iter().flatten() {
        // Without a path, an `id` in the value is the one of the resource itself.
        let own = operation
            .get_mut("value")
            .and_then(|value| value.get_mut("id"));
        if let Some(own) = own
            && *own == row["before"]["id"]
        {
            *own = json!(id);
        }
    }
    let answer = client.ask("PATCH", &path, Some(&request)).await;
    let after = client.ask("GET", &path, None).await;
    client.ask("DELETE", &path, None).await;
    Ok(Patched {
        after,
        answer,
        before,
    })
}

impl Patched {
    /// Returns the fault, from the view of the row.
    fn problem(&self, row: &Value) -> Option<String> {
        let got = self.answer.words();
        let operations = &row["patch"]["Operations"];
        if row["after"].is_object() {
            let wanted = state(&row["after"]);
            let state = state(&self.after.body);
            return match () {
                () if !matches!(self.answer.status, 200 | 204) => {
                    let detail = &self.answer.body["detail"];
                    Some(format!("{operations} answered {got} {detail}"))
                }
                () if wanted != state => Some(format!(
                    "{operations} led to\n  {state}\n  instead of\n  {wanted}"
                )),
                () if self.answer.status == 200 && self::state(&self.answer.body) != state => Some(
                    format!("{operations} answered with another state than is read back"),
                ),
                () => None,
            };
        }
        let wanted = also(row);
        let refused = (400..500).contains(&self.answer.status);
        if !refused || !wanted.iter().any(|known| known == self.answer.scim_type()) {
            let wanted = wanted.join(" or ");
            return Some(format!("{operations} answered {got} instead of {wanted}"));
        }
        (!self.is_unchanged())
            .then(|| format!("{operations} was refused and yet changed something"))
    }

    /// Returns the response and the changes, in a few words.
    fn words(&self) -> String {
        let mut words = self.answer.words();
        let changes = changes(&state(&self.before.body), &state(&self.after.body));
        if self.answer.is_success() || !self.is_unchanged() {
            words.push(' ');
            words.push_str(&Value::Object(changes).to_string());
        }
        words
    }

    fn is_unchanged(&self) -> bool {
        let version = |answer: &Answer| answer.body["meta"]["version"].clone();
        state(&self.before.body) == state(&self.after.body)
            && version(&self.before) == version(&self.after)
    }
}

/// Returns the allowed error types.
fn also(row: &Value) -> Vec<String> {
    let others = row["error_also"].as_array().into_iter().flatten();
    let all = std::iter::once(&row["error_scim_type"]).chain(others);
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Returns the changed members; `null` for a removed one.
fn changes(before: &Value, after: &Value) -> Map<String, Value> {
    let before = before.as_object().unwrap();
    let after = after.as_object().unwrap();
    let mut changes = after.clone();
    changes.retain(|name, value| before.get(name) != Some(value));
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.insert(name.clone(), Value::Null);
    }
    changes
}

/// Returns a resource as far as a row determines it: no `id`, no `meta`, arrays sorted.
fn state(resource: &Value) -> Value {
    let mut state = clean(resource).unwrap_or_else(|| json!({}));
    if let Some(Value::Array(schemas)) = state.get_mut("schemas") {
        for urn in schemas.iter_mut() {
            *urn = json!(urn.as_str().unwrap().to_lowercase());
        }
        schemas.sort_by_key(Value::to_string);
    }
    for member in state
        .get_mut("members")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let member = member.as_object_mut().unwrap();
        member.remove("display");
        member.remove("type");
    }
    state
}

fn clean(value: &Value) -> Option<Value> {
    match value {
        Value::Array(elements) => {
            let mut elements: Vec<_> = elements.iter().filter_map(clean).collect();
            elements.sort_by_key(Value::to_string);
            (!elements.is_empty()).then_some(Value::Array(elements))
        }
        Value::Null => None,
        Value::Object(members) => {
            let kept = members
                .iter()
                .filter(|(n, _)| !matches!(n.as_str(), "$ref" | "id" | "meta"));
            let kept: Map<_, _> = kept
                .filter_map(|(name, value)| Some((name.clone(), clean(value)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        scalar => Some(scalar.clone()),
    }
}

/// Returns the words with `a` to `d` instead of the actual ids.
fn named(words: String, members: &BTreeMap<&str, String>) -> String {
    members
        .iter()
        .fold(words, |words, (name, id)| words.replace(id.as_str(), name))
}

/// Returns the row with the ids of the actual members instead of `a` to `d`.
fn renamed(value: &Value, members: &BTreeMap<&str, String>) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(|e| renamed(e, members)).collect(),
        Value::Object(object) => {
            let one = |(name, value): (&String, &Value)| {
                let known = value
                    .as_str()
                    .filter(|_| name == "value")
                    .and_then(|id| members.get(id));
                let value = known.map_or_else(|| renamed(value, members), |id| json!(id));
                (name.clone(), value)
            };
            Value::Object(object.iter().map(one).collect())
        }
        Value::String(text) => {
            let one = |text: String, (name, id): (&&str, &String)| {
                text.replace(
                    &format!("value eq \"{name}\""),
                    &format!("value eq \"{id}\""),
                )
            };
            Value::String(members.iter().fold(text.clone(), one))
        }
        other => other.clone(),
    }
}
