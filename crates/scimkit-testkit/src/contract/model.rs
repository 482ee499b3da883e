//! Random writes, compared with a model that is too simple to be wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{Change, Edge, EdgeEdit, Resource, ResourceId, ResourceType, fold_case};
use scimkit_store::{
    CyclePolicy, ExpectedVersion, Settings, StoreError, UnknownMemberPolicy, WriteOp, WriteOutcome,
    Written,
};
use serde_json::{Value, json};

use super::{
    StoreCheck,
    fixture::{Fixture, ensure, ensure_eq, ids_of, said, second},
    random::Random,
};

pub(super) const CHECK: StoreCheck = StoreCheck {
    name: "random_writes_match_the_model",
    run: random_writes,
};

fn random_writes(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_whole_schema()?;
    fixture.needs_ids("random writes can't be compared")?;
    writes_under(fixture, 11)?;
    let accepting = fixture.tenant("accepting").accepting().accepting_cycles();
    writes_under(&accepting, 12)
}

/// Runs random writes under the settings of the fixture.
fn writes_under(fixture: &Fixture<'_>, seed: u64) -> Result<(), String> {
    const WRITES: i64 = 600;
    const LOOK_EVERY: i64 = 25;
    let mut random = Random::new(seed);
    let mut model = Model {
        created: 0,
        rows: BTreeMap::new(),
        seen: BTreeMap::new(),
    };
    for n in 0..WRITES {
        let write = model.next_write(fixture, &mut random)?;
        // Occasionally the clock is set back.
        let at = second(if n % 7 == 5 { n - 40 } else { n });
        let shown = format!("write {n}, {write:?}");
        let expected = model.expect(&fixture.context.settings, &write);
        let answer = fixture.attempt(at, &write)?;
        check_answer(&answer, &expected).map_err(|e| format!("{shown}: {e}"))?;
        if let Ok(written) = answer {
            let changed = model.carry_out(&write, at, &written);
            model
                .look(fixture, &changed)
                .map_err(|e| format!("after {shown}: {e}"))?;
        }
        if n % LOOK_EVERY == 0 || n + 1 == WRITES {
            model
                .look_at_all(fixture)
                .map_err(|e| format!("after {shown}: {e}"))?;
        }
    }
    Ok(())
}

/// The model of one resource.
struct Row {
    created: DateTime<Utc>,
    document: Resource,
    kind: Arc<ResourceType>,
    last_modified: DateTime<Utc>,
    members: BTreeSet<String>,
    /// The version, or `None` if the resource has changed and was not read since.
    version: Option<Version>,
}

struct Model {
    created: usize,
    rows: BTreeMap<String, Row>,
    seen: BTreeMap<String, BTreeSet<Version>>,
}

impl Model {
    fn next_write(
        &mut self,
        fixture: &Fixture<'_>,
        random: &mut Random,
    ) -> Result<WriteOp, String> {
        if self.rows.len() < 4 || (self.rows.len() < 40 && random.once_in(4)) {
            return self.next_create(fixture, random);
        }
        let ids: Vec<&String> = self.rows.keys().collect();
        let id = match random.pick(&ids) {
            Some(id) if !random.once_in(20) => (*id).clone(),
            _ => "nobody".to_owned(),
        };
        let row = self.rows.get(&id);
        let kind = row.map_or(&fixture.user, |row| &row.kind);
        let expect = self.next_expect(&id, random);
        if random.once_in(6) {
            return Ok(WriteOp::Delete {
                expect,
                id: ResourceId::from(id),
                kind: Arc::clone(kind),
            });
        }
        let change = if Arc::ptr_eq(kind, &fixture.group) {
            self.group_change(fixture, random)?
        } else {
            user_change(fixture, random)?
        };
        Ok(WriteOp::Update {
            change,
            expect,
            id: ResourceId::from(id),
        })
    }

    fn next_create(
        &mut self,
        fixture: &Fixture<'_>,
        random: &mut Random,
    ) -> Result<WriteOp, String> {
        self.created += 1;
        if random.once_in(3) {
            let id = ResourceId::from(format!("g{}", self.created));
            let members: Vec<_> = self
                .some_ids(random)
                .iter()
                .map(|id| json!({"value": id}))
                .collect();
            let body = json!({"displayName": random.word(), "members": members});
            return Ok(WriteOp::Create {
                existing_match: None,
                change: fixture.body(&fixture.group, body)?,
                id,
            });
        }
        let id = ResourceId::from(format!("u{}", self.created));
        let known: Vec<String> = self.rows.keys().cloned().collect();
        let mut body = random.body(&fixture.user, &known);
        body.insert("userName".to_owned(), json!(user_name(random)));
        Ok(WriteOp::Create {
            existing_match: None,
            change: fixture.body(&fixture.user, Value::Object(body))?,
            id,
        })
    }

    fn next_expect(&self, id: &str, random: &mut Random) -> ExpectedVersion {
        let old: Vec<_> = self.seen.get(id).into_iter().flatten().cloned().collect();
        match random.below(6) {
            0 => ExpectedVersion::OneOf(random.pick(&old).cloned().into_iter().collect()),
            1 => ExpectedVersion::OneOf(old),
            _ => ExpectedVersion::Any,
        }
    }

    fn group_change(&self, fixture: &Fixture<'_>, random: &mut Random) -> Result<Change, String> {
        let edges = |ids: BTreeSet<String>| ids.into_iter().map(Edge::to).collect::<Vec<_>>();
        let edit = if random.once_in(3) {
            EdgeEdit::Replace(edges(self.some_ids(random)))
        } else {
            let add = self.some_ids(random);
            let remove = self
                .some_ids(random)
                .difference(&add)
                .cloned()
                .map(ResourceId::from)
                .collect();
            EdgeEdit::Delta {
                add: edges(add),
                remove,
            }
        };
        let mut change = fixture.edit(edit)?;
        if random.once_in(3) {
            let attr = fixture.attr(&fixture.group, "displayName")?;
            change.difference(attr, Some(&Value::Null), Some(json!(random.word())));
        }
        Ok(change)
    }

    /// Returns a few ids, rarely including one that does not exist or that may exist later.
    fn some_ids(&self, random: &mut Random) -> BTreeSet<String> {
        let ids: Vec<&String> = self.rows.keys().collect();
        let mut some = BTreeSet::new();
        for _ in 0..random.below(5) {
            some.extend(random.pick(&ids).map(|id| (*id).clone()));
        }
        if random.once_in(15) {
            some.insert(if random.once_in(2) {
                "nobody".to_owned()
            } else {
                format!("g{}", self.created + 2)
            });
        }
        some
    }

    /// Returns the possible answers to a write: its effect, or any of the errors that apply.
    fn expect(&self, settings: &Settings, write: &WriteOp) -> Vec<&'static str> {
        let mut errors = Vec::new();
        let (id, change, row) = match write {
            WriteOp::Create { change, id, .. } => (id, Some(change), None),
            WriteOp::Delete { expect, id, .. } => match self.rows.get(id.as_str()) {
                None => return vec!["NotFound"],
                Some(row) if !fits(expect, row) => return vec!["Stale"],
                Some(_) => return vec!["Deleted"],
            },
            WriteOp::Update { change, expect, id } => match self.rows.get(id.as_str()) {
                None => return vec!["NotFound"],
                Some(row) => {
                    errors.extend((!fits(expect, row)).then_some("Stale"));
                    (id, Some(change), Some(row))
                }
            },
        };
        let Some(change) = change else { return errors };
        let before = row.map_or_else(Resource::default, |row| row.document.clone());
        let members = row.map_or_else(BTreeSet::new, |row| row.members.clone());
        let after = applied(&before, change);
        let after_members = edited(&members, change);
        let others = self.rows.iter().filter(|(other, _)| *other != id.as_str());
        let name = unique_name(&after);
        if name.is_some()
            && others
                .into_iter()
                .any(|(_, row)| unique_name(&row.document) == name)
        {
            errors.push("Taken");
        }
        let mut new = after_members.difference(&members);
        let refuses_unknown = settings.policy.unknown_members == UnknownMemberPolicy::Reject;
        let itself = |m: &String| m == id.as_str();
        if refuses_unknown
            && new
                .clone()
                .any(|m| !itself(m) && !self.rows.contains_key(m))
        {
            errors.push("Missing");
        }
        let refuses_cycles = settings.policy.cycles == CyclePolicy::Reject;
        if refuses_cycles && new.any(|m| self.leads(m, id.as_str())) {
            errors.push("Cycle");
        }
        if !errors.is_empty() {
            return errors;
        }
        match row {
            None => vec!["Created"],
            Some(_) if after == before && after_members == members => vec!["Unchanged"],
            Some(_) => vec!["Updated"],
        }
    }

    /// Returns whether both are the same, or `from` has `to` as a direct or indirect member.
    fn leads(&self, from: &str, to: &str) -> bool {
        let mut reached = BTreeSet::from([from]);
        loop {
            let rows = reached.iter().filter_map(|id| self.rows.get(*id));
            let next: BTreeSet<_> = rows
                .flat_map(|row| &row.members)
                .map(String::as_str)
                .collect();
            let before = reached.len();
            reached.extend(next);
            if reached.contains(to) || reached.len() == before {
                return reached.contains(to);
            }
        }
    }

    /// Applies to the model what the store did, and returns the changed ids.
    fn carry_out(&mut self, write: &WriteOp, at: DateTime<Utc>, written: &Written) -> Vec<String> {
        let (WriteOp::Create { id, .. } | WriteOp::Delete { id, .. } | WriteOp::Update { id, .. }) =
            write;
        let id = id.as_str().to_owned();
        match write {
            WriteOp::Create { change, .. } => {
                let row = Row {
                    created: at,
                    document: applied(&Resource::default(), change),
                    kind: Arc::clone(change.kind()),
                    last_modified: at,
                    members: edited(&BTreeSet::new(), change),
                    version: None,
                };
                self.rows.insert(id.clone(), row);
            }
            WriteOp::Delete { .. } => {
                self.rows.remove(&id);
                let mut changed = vec![id.clone()];
                for (owner, row) in &mut self.rows {
                    if row.members.remove(&id) {
                        row.last_modified = row.last_modified.max(at);
                        row.version = None;
                        changed.push(owner.clone());
                    }
                }
                return changed;
            }
            WriteOp::Update { change, .. } => {
                let updated = written.outcome == WriteOutcome::Updated;
                if let Some(row) = self.rows.get_mut(&id).filter(|_| updated) {
                    row.document = applied(&row.document, change);
                    row.members = edited(&row.members, change);
                    row.last_modified = row.last_modified.max(at);
                    row.version = None;
                }
            }
        }
        vec![id]
    }

    /// Compares the stored resources with these ids; new versions must be unique.
    fn look(&mut self, fixture: &Fixture<'_>, ids: &[String]) -> Result<(), String> {
        for id in ids {
            let Some(row) = self.rows.get_mut(id) else {
                fixture.absent(&fixture.user, id)?;
                fixture.absent(&fixture.group, id)?;
                continue;
            };
            let stored = fixture.read(&row.kind, id)?;
            ensure_eq!(
                fixture.document(&row.kind, &stored)?,
                fixture.subject.as_kept(&row.kind, &row.document),
                "the document of `{id}`"
            );
            ensure_eq!(stored.created, row.created, "the creation of `{id}`");
            ensure_eq!(
                stored.last_modified,
                row.last_modified,
                "the last modification of `{id}`"
            );
            match &row.version {
                Some(version) => ensure_eq!(stored.version, *version, "the version of `{id}`"),
                None => {
                    let seen = self.seen.entry(id.clone()).or_default();
                    let new = seen.insert(stored.version.clone());
                    ensure!(new, "version {} of `{id}` comes again", stored.version);
                }
            }
            row.version = Some(stored.version);
            if Arc::ptr_eq(&row.kind, &fixture.group) {
                let members: Vec<&str> = row.members.iter().map(String::as_str).collect();
                ensure_eq!(
                    ids_of(&fixture.members_of(id)?),
                    members,
                    "the members of `{id}`"
                );
            }
        }
        Ok(())
    }

    fn look_at_all(&mut self, fixture: &Fixture<'_>) -> Result<(), String> {
        let ids: Vec<String> = self.seen.keys().cloned().collect();
        self.look(fixture, &ids)?;
        for kind in [&fixture.user, &fixture.group] {
            let total = self
                .rows
                .values()
                .filter(|row| Arc::ptr_eq(&row.kind, kind))
                .count();
            ensure_eq!(
                fixture.total(kind)?,
                total as u64,
                "the total of {}",
                kind.name()
            );
        }
        for (id, row) in &self.rows {
            if Arc::ptr_eq(&row.kind, &fixture.user) {
                let owners = self
                    .rows
                    .iter()
                    .filter(|(_, owner)| owner.members.contains(id));
                let owners: Vec<&str> = owners.map(|(owner, _)| owner.as_str()).collect();
                ensure_eq!(
                    ids_of(&fixture.groups_of(id)?),
                    owners,
                    "the groups of `{id}`"
                );
            }
        }
        Ok(())
    }
}

fn user_change(fixture: &Fixture<'_>, random: &mut Random) -> Result<Change, String> {
    let text = |random: &mut Random| {
        if random.once_in(4) {
            json!(null)
        } else {
            json!(random.word())
        }
    };
    let user = &fixture.user;
    let manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value";
    match random.below(6) {
        0 => {
            let name = user_name(random);
            fixture.setting(user, [("userName", json!(name)), ("title", text(random))])
        }
        1 => fixture.setting(
            user,
            [("name.givenName", text(random)), ("nickName", text(random))],
        ),
        2 => {
            let emails = user.attr(fixture.attr(user, "emails")?);
            let elements = random.elements(user, emails, &[]);
            let none = elements.as_array().is_none_or(Vec::is_empty);
            fixture.setting(
                user,
                [("emails", if none { json!(null) } else { elements })],
            )
        }
        3 => fixture.setting(user, [("active", json!(random.once_in(2)))]),
        4 => fixture.setting(user, [(manager, text(random))]),
        _ => Ok(Change::empty(Arc::clone(user))),
    }
}

/// Returns one of a few names, so that some are in use.
fn user_name(random: &mut Random) -> String {
    format!("{}{}", random.word(), random.below(3))
}

fn applied(before: &Resource, change: &Change) -> Resource {
    let mut after = before.clone();
    // A change without attributes does not affect a document.
    if !change.assignments().is_empty()
        || !change.removals().is_empty()
        || before.as_map().is_empty()
    {
        change.apply(&mut after);
    }
    after
}

fn edited(before: &BTreeSet<String>, change: &Change) -> BTreeSet<String> {
    let ids = |edges: &[Edge]| {
        edges
            .iter()
            .map(|e| e.id.to_string())
            .collect::<BTreeSet<_>>()
    };
    let mut members = before.clone();
    for edges in change.edge_changes() {
        match &edges.edit {
            EdgeEdit::Delta { add, remove } => {
                members.retain(|id| !remove.iter().any(|gone| gone.as_str() == id));
                members.extend(ids(add));
            }
            EdgeEdit::Replace(edges) => members = ids(edges),
        }
    }
    members
}

fn unique_name(document: &Resource) -> Option<String> {
    document
        .as_map()
        .get("userName")
        .and_then(Value::as_str)
        .map(|name| fold_case(name).into_owned())
}

fn fits(expect: &ExpectedVersion, row: &Row) -> bool {
    match expect {
        ExpectedVersion::Any => true,
        ExpectedVersion::Base(base) => row.version.as_ref() == Some(&base.version),
        ExpectedVersion::OneOf(versions) => {
            row.version.as_ref().is_some_and(|v| versions.contains(v))
        }
    }
}

fn check_answer(answer: &Result<Written, StoreError>, expected: &[&str]) -> Result<(), String> {
    let found = match answer {
        Ok(written) => format!("{:?}", written.outcome),
        Err(StoreError::Cycle { .. }) => "Cycle".to_owned(),
        Err(StoreError::UnknownMembers { .. }) => "Missing".to_owned(),
        Err(StoreError::NotFound) => "NotFound".to_owned(),
        Err(StoreError::VersionMismatch { .. }) => "Stale".to_owned(),
        Err(StoreError::Duplicate { .. }) => "Taken".to_owned(),
        Err(e) => said(e),
    };
    ensure!(
        expected.contains(&found.as_str()),
        "expected one of {expected:?}, found {found}"
    );
    Ok(())
}
