//! One filter per row, for the directory.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use scimkit_testkit::DIRECTORY;
use serde_json::{Map, Value};

use super::{Client, Scored, rows, sent, text};

pub(super) async fn score(client: &Client, profile: &str) -> Vec<Scored> {
    let ids = directory(client).await;
    let mut scored = Vec::new();
    for row in rows(include_str!("../../../cases/filters.jsonl")) {
        if profile == "default" && row["profile"] == "strict" {
            continue;
        }
        let choice = row["class"] == "choice";
        // The parser decides what only the grammar determines.
        let grammar = row["level"] == "grammar" && row["valid"] == true && row["match"].is_null();
        if text(&row, "filter").is_empty() || !choice && (grammar || row["valid"].is_null()) {
            continue;
        }
        let found = filtered(client, &row, &ids).await;
        let answer = found.words();
        let problem = found.problem(&row);
        scored.push(Scored {
            answer,
            choice,
            id: text(&row, "id"),
            problem,
        });
    }
    scored
}

/// Creates the directory, and returns the ids of its resources. Referenced resources come first.
async fn directory(client: &Client) -> BTreeMap<String, String> {
    let resources: Map<String, Value> = serde_json::from_str(DIRECTORY).unwrap();
    let mut ids = BTreeMap::new();
    for name in ["u2", "u1", "u3", "u4", "u5", "u6", "g1", "g2", "g3"] {
        let endpoint = if name.starts_with('u') {
            "/Users"
        } else {
            "/Groups"
        };
        let mut body = sent(&resources[name]).to_string();
        for (known, id) in &ids {
            body = body.replace(
                &format!("\"value\":\"{known}\""),
                &format!("\"value\":\"{id}\""),
            );
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        let id = client.create(endpoint, &body).await.unwrap();
        ids.insert(name.to_owned(), id);
    }
    ids
}

/// The responses of the endpoints in a row.
struct Found {
    /// The found resources, by the directory's names.
    names: Vec<String>,
    /// The status and error of each endpoint.
    words: Vec<String>,
}

async fn filtered(client: &Client, row: &Value, ids: &BTreeMap<String, String>) -> Found {
    let mut filter = text(row, "filter");
    for (name, id) in ids {
        filter = filter.replace(&format!("\"{name}\""), &format!("\"{id}\""));
    }
    let filter = utf8_percent_encode(&filter, NON_ALPHANUMERIC);
    let rows = row["match"].as_array().into_iter().flatten();
    let mut kinds: Vec<_> = rows.map(|m| text(m, "resource").starts_with('u')).collect();
    if kinds.is_empty() {
        kinds.push(row["level"] != "Group");
    }
    kinds.sort_unstable();
    kinds.dedup();
    let (mut names, mut words) = (Vec::new(), Vec::new());
    for is_user in kinds {
        let endpoint = if is_user { "Users" } else { "Groups" };
        let path = format!("/{endpoint}?count=100&filter={filter}");
        let answer = client.ask("GET", &path, None).await;
        words.push(answer.words());
        for resource in answer.body["Resources"].as_array().into_iter().flatten() {
            let name = ids
                .iter()
                .find(|(_, id)| resource["id"].as_str() == Some(id.as_str()));
            names.push(name.unwrap().0.clone());
        }
    }
    names.sort_unstable();
    Found { names, words }
}

impl Found {
    /// Returns the fault, from the view of the row.
    fn problem(&self, row: &Value) -> Option<String> {
        let filter = &row["filter"];
        let wanted = if row["valid"] == false {
            "400 invalidFilter"
        } else {
            "200"
        };
        if self.words.iter().any(|words| words != wanted) {
            return Some(format!(
                "{filter} answered {} instead of {wanted}",
                self.words.join(", ")
            ));
        }
        if is_about_time(row) {
            return None;
        }
        let rows = row["match"].as_array().into_iter().flatten();
        let wrong = rows.filter(|m| self.names.contains(&text(m, "resource")) != m["matches"]);
        let wrong: Vec<_> = wrong.map(|m| text(m, "resource")).collect();
        (!wrong.is_empty()).then(|| format!("{filter} is wrong about {}", wrong.join(", ")))
    }

    /// Returns the response and the found resources, in a few words.
    fn words(&self) -> String {
        let words = self.words.iter().chain(&self.names);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// Returns whether a filter compares the instants of a resource, which are the current ones and not those of the
/// directory.
fn is_about_time(row: &Value) -> bool {
    let filter = text(row, "filter").to_lowercase();
    let instants = ["meta.created ", "meta.lastmodified "];
    instants.iter().any(|name| {
        let mut rest = filter.split(name).skip(1);
        rest.any(|rest| !rest.starts_with("pr"))
    })
}
