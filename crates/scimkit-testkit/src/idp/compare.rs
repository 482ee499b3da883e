//! The comparison of the server with what an identity provider has sent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    attributes::{Place, Wanted, WantedValues, text_member, wanted},
    courier::{GivenUp, Task},
    cycle::{group_label, user_label},
    directory::{Directory, Presence},
    known::{Known, deactivated},
    report::{Divergence, DivergenceKind, Round},
    requests::{Call, member_ids, resource},
    tasks::{ListCounts, list},
};

/// The number of names that a divergence of members lists on each side.
const MOST_NAMES: usize = 20;

/// What the server should have.
pub(super) struct Expected<'d> {
    /// Ids that were there before.
    baseline: &'d BTreeSet<String>,
    groups: BTreeMap<&'d str, ExpectedGroup>,
    /// People without an account, who should have one.
    missing: Vec<String>,
    /// The names of users by id.
    names: BTreeMap<&'d str, &'d str>,
    task: Task<'d>,
    users: BTreeMap<&'d str, ExpectedUser>,
}

struct ExpectedUser {
    label: String,
    user_name: String,
    wanted: WantedValues,
}

struct ExpectedGroup {
    label: String,
    members: BTreeSet<String>,
    name: String,
}

impl<'d> Expected<'d> {
    pub(super) fn new(
        task: Task<'d>,
        directory: &'d Directory,
        known: &'d Known,
        baseline: &'d BTreeSet<String>,
    ) -> Self {
        let (mapping, ids) = (task.dialect().mapping, known.ids());
        let mut expected = Expected {
            baseline,
            groups: BTreeMap::new(),
            missing: Vec::new(),
            names: BTreeMap::new(),
            task,
            users: BTreeMap::new(),
        };
        for (key, person) in &directory.people {
            let is_active = person.state == Presence::Active;
            let Some(link) = known.users.get(key) else {
                if is_active {
                    expected.missing.push(user_label(person));
                }
                continue;
            };
            let wanted = if is_active {
                wanted(mapping, person, &ids)
            } else {
                deactivated(mapping, &link.sent)
            };
            let user = ExpectedUser {
                label: user_label(person),
                user_name: person.user_name.to_ascii_lowercase(),
                wanted,
            };
            expected.users.insert(&link.id, user);
            expected.names.insert(&link.id, &person.user_name);
        }
        for (key, team) in &directory.groups {
            let Some(link) = known.groups.get(key) else {
                expected.missing.push(group_label(team));
                continue;
            };
            let members = team
                .members
                .iter()
                .filter_map(|member| ids.get(member).cloned());
            let group = ExpectedGroup {
                label: group_label(team),
                members: members.collect(),
                name: team.name.clone(),
            };
            expected.groups.insert(&link.id, group);
        }
        expected
    }

    /// Reads all users and groups, and notes each divergence.
    pub(super) async fn compare(mut self, round: &mut Round) {
        for label in std::mem::take(&mut self.missing) {
            round.push(divergence(
                DivergenceKind::Missing,
                &label,
                None,
                json!("a resource"),
                Value::Null,
            ));
        }
        self.compare_users(round).await;
        self.compare_groups(round).await;
    }

    async fn compare_users(&mut self, round: &mut Round) {
        let (users, baseline) = (&self.users, self.baseline);
        let by_name: BTreeMap<&str, &str> = users
            .iter()
            .map(|(id, user)| (user.user_name.as_str(), *id))
            .collect();
        let mapping = self.task.dialect().mapping;
        let mut seen = BTreeSet::new();
        let mut see = |user: &Value| {
            let id = text_member(user, "id").unwrap_or_default();
            let name = text_member(user, "userName").unwrap_or_default();
            if !seen.insert(id.to_owned()) {
                round.push(twice("user", name, id));
                return;
            }
            match (
                users.get(id),
                by_name.get(name.to_ascii_lowercase().as_str()),
            ) {
                (Some(expected), _) => {
                    for (attribute, wanted) in mapping.iter().zip(&expected.wanted) {
                        compare_value(round, attribute.place, wanted, id, expected, user);
                    }
                }
                (None, Some(other)) => round.push(duplicate(name, id, other)),
                (None, None) if baseline.contains(id) => {}
                (None, None) => round.push(extra("user", name, id)),
            }
        };
        let listed = list(&mut self.task, "/Users", &mut see).await;
        let absent: Vec<(String, String)> = users
            .iter()
            .filter(|(id, _)| !seen.contains(**id))
            .map(|(id, user)| ((*id).to_owned(), user.label.clone()))
            .collect();
        self.explain(round, "/Users", listed, absent, seen.len())
            .await;
    }

    async fn compare_groups(&mut self, round: &mut Round) {
        let (groups, names, baseline) = (&self.groups, &self.names, self.baseline);
        let mut seen = BTreeSet::new();
        let mut see = |group: &Value| {
            let id = text_member(group, "id").unwrap_or_default();
            let name = text_member(group, "displayName").unwrap_or_default();
            if !seen.insert(id.to_owned()) {
                round.push(twice("group", name, id));
                return;
            }
            match groups.get(id) {
                None if baseline.contains(id) => {}
                None => round.push(extra("group", name, id)),
                Some(expected) => {
                    if name != expected.name {
                        let (wanted, found) = (expected.name.as_str().into(), name.into());
                        let kind = DivergenceKind::Attribute;
                        let mut divergence =
                            divergence(kind, &expected.label, Some(id), wanted, found);
                        divergence.attribute = Some("displayName".to_owned());
                        round.push(divergence);
                    }
                    compare_members(round, id, expected, names, &member_ids(group));
                }
            }
        };
        let listed = list(&mut self.task, "/Groups", &mut see).await;
        let absent: Vec<(String, String)> = groups
            .iter()
            .filter(|(id, _)| !seen.contains(**id))
            .map(|(id, group)| ((*id).to_owned(), group.label.clone()))
            .collect();
        self.explain(round, "/Groups", listed, absent, seen.len())
            .await;
    }

    /// Finds out why a list lacks resources: they do not exist, or only the list lacks them.
    async fn explain(
        &mut self,
        round: &mut Round,
        endpoint: &str,
        listed: Result<ListCounts, GivenUp>,
        absent: Vec<(String, String)>,
        seen: usize,
    ) {
        let counts = match listed {
            Ok(counts) => counts,
            Err(given_up) => {
                if let GivenUp::Rejected(reason) = given_up {
                    let kind = DivergenceKind::Rejected;
                    round.push(divergence(
                        kind,
                        endpoint,
                        None,
                        json!("a list"),
                        reason.into(),
                    ));
                }
                return;
            }
        };
        let explained = !absent.is_empty();
        for (id, label) in absent {
            let kind = if self.exists(endpoint, &id).await {
                DivergenceKind::Unlisted
            } else {
                DivergenceKind::Missing
            };
            round.push(divergence(
                kind,
                &label,
                Some(&id),
                json!("a resource"),
                Value::Null,
            ));
        }
        if !explained && counts.total != seen && counts.seen == seen {
            let (kind, label) = (DivergenceKind::Unlisted, format!("the list {endpoint}"));
            round.push(divergence(
                kind,
                &label,
                None,
                json!(counts.total),
                json!(seen),
            ));
        }
    }

    async fn exists(&mut self, endpoint: &str, id: &str) -> bool {
        let call = Call::get(resource(endpoint, id));
        self.task.send(call, &[]).await.is_ok()
    }
}

fn divergence(
    kind: DivergenceKind,
    resource: &str,
    id: Option<&str>,
    expected: Value,
    found: Value,
) -> Divergence {
    Divergence {
        attribute: None,
        expected,
        found,
        id: id.map(str::to_owned),
        kind,
        resource: resource.to_owned(),
    }
}

fn named(kind: &str, name: &str) -> String {
    format!("{kind} {}", Value::from(name))
}

fn twice(kind: &str, name: &str, id: &str) -> Divergence {
    let label = named(kind, name);
    divergence(
        DivergenceKind::ListedTwice,
        &label,
        Some(id),
        json!(1),
        json!(2),
    )
}

fn extra(kind: &str, name: &str, id: &str) -> Divergence {
    let (expected, found) = (Value::Null, json!("a resource"));
    divergence(
        DivergenceKind::Extra,
        &named(kind, name),
        Some(id),
        expected,
        found,
    )
}

fn duplicate(name: &str, id: &str, other: &str) -> Divergence {
    let (label, found) = (named("user", name), json!([other, id]));
    divergence(
        DivergenceKind::Duplicate,
        &label,
        Some(id),
        json!([other]),
        found,
    )
}

fn compare_value(
    round: &mut Round,
    place: Place,
    wanted: &Wanted,
    id: &str,
    expected: &ExpectedUser,
    user: &Value,
) {
    let wanted = match wanted {
        Wanted::Absent => Value::Null,
        Wanted::Later => return,
        Wanted::Value(value) => value.clone(),
    };
    let found = place.read(user).unwrap_or_default();
    if wanted != found {
        let kind = DivergenceKind::Attribute;
        let mut divergence = divergence(kind, &expected.label, Some(id), wanted, found);
        divergence.attribute = Some(place.path());
        round.push(divergence);
    }
}

/// Compares the members of a group. The divergence has those that only one side has.
fn compare_members(
    round: &mut Round,
    id: &str,
    expected: &ExpectedGroup,
    names: &BTreeMap<&str, &str>,
    found: &BTreeSet<String>,
) {
    let name = |id: &String| {
        names
            .get(id.as_str())
            .map_or(id.clone(), |name| (*name).to_owned())
    };
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
        one.difference(other).take(MOST_NAMES).map(name).collect()
    };
    let (lacking, unexpected) = (
        only(&expected.members, found),
        only(found, &expected.members),
    );
    if !lacking.is_empty() || !unexpected.is_empty() {
        let kind = DivergenceKind::Membership;
        let (label, id) = (&expected.label, Some(id));
        let mut divergence = divergence(kind, label, id, json!(lacking), json!(unexpected));
        divergence.attribute = Some("members".to_owned());
        round.push(divergence);
    }
}
