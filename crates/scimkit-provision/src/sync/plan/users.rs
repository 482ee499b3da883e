//! The steps of users.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use scimkit_mapping::Record;
use scimkit_registry::ResourceId;
use scimkit_store::{ConnectionId, OnDelete};

use super::{
    delivered::delivered_records,
    input::{ExemptionBinding, PlanInput},
    relations::{Relations, Resolution, Source, Target},
};
use crate::sync::{
    counts::ConnectionCounts,
    entry::DirectoryUser,
    exemptions::Exemptions,
    fields::{DeliveredFields, Difference},
    link::{Link, LinkEdit, LinkSource},
    rules::{Absence, ConnectionRules, PlanScope, PlanSettings},
    state::StateUser,
    step::{Action, Category, Reason, Step, StepKey, StepSource, StepSubject},
};

/// The steps of users, and what the groups need to know of them.
#[derive(Default)]
pub(super) struct UserSteps<'p> {
    pub(super) bindings: Vec<ExemptionBinding>,
    /// The users of the directory whose memberships stay as they are.
    pub(super) frozen: BTreeSet<&'p ResourceId>,
    pub(super) steps: Vec<Step>,
    pub(super) targets: BTreeMap<&'p ResourceId, MemberTarget<'p>>,
}

/// The user of the directory that a user of the provisioned state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberTarget<'p> {
    Existing(&'p ResourceId),
    /// The plan creates it.
    New,
}

pub(super) type Counts = BTreeMap<ConnectionId, ConnectionCounts>;

pub(super) fn plan_users<'p>(
    input: &'p PlanInput,
    settings: &'p PlanSettings,
    exemptions: &'p Exemptions,
    counts: &mut Counts,
) -> UserSteps<'p> {
    let sources: Vec<_> = input
        .users
        .iter()
        .map(|user| Source {
            keys: match (settings.connections.get(&user.connection), &user.fields) {
                (Some(rules), Ok(fields)) => rules.users.match_keys(fields),
                _ => Vec::new(),
            },
            name: &user.name,
            source: LinkSource::User(user.id.clone()),
        })
        .collect();
    let delivered = delivered_records(input, settings, exemptions);
    let targets: Vec<_> = input
        .directory_users
        .iter()
        .map(|entry| Target {
            fields: match delivered.get(&entry.id) {
                Some(after) => {
                    let mut fields = entry.fields.clone();
                    fields.extend((*after).clone());
                    Cow::Owned(fields)
                }
                None => Cow::Borrowed(&entry.fields),
            },
            id: &entry.id,
            name: entry.text(&settings.email_field).unwrap_or_default(),
        })
        .collect();
    let links = input.links.iter();
    let links = links.filter(|link| matches!(link.source, LinkSource::User(_)));
    let relations = Relations::new(&sources, &targets, links);
    let entries = input.directory_users.iter();
    let mut planner = UserPlanner {
        counts,
        entries: entries.map(|entry| (&entry.id, entry)).collect(),
        exemptions,
        relations: &relations,
        result: UserSteps::default(),
        settings,
    };
    for user in &input.users {
        match settings.connections.get(&user.connection) {
            Some(rules) => planner.user(user, rules),
            None => planner.other_user(user),
        }
    }
    for entry in &input.directory_users {
        planner.bind(entry);
        if !relations.is_related(&entry.id) {
            planner.entry(entry);
        }
    }
    planner.forget_gone();
    planner.result
}

struct UserPlanner<'p, 'r> {
    counts: &'r mut Counts,
    entries: BTreeMap<&'p ResourceId, &'p DirectoryUser>,
    exemptions: &'p Exemptions,
    relations: &'r Relations<'p>,
    result: UserSteps<'p>,
    settings: &'p PlanSettings,
}

impl<'p> UserPlanner<'p, '_> {
    fn count(&mut self, connection: &ConnectionId, count: impl FnOnce(&mut ConnectionCounts)) {
        if let Some(counts) = self.counts.get_mut(connection) {
            count(counts);
        }
    }

    fn email<'r>(&self, fields: &'r Record) -> Option<&'r str> {
        fields.get(&self.settings.email_field)?.as_str()
    }

    fn is_exempt(&self, entry: &DirectoryUser, user: Option<&StateUser>) -> bool {
        let fields = user.and_then(|user| user.fields.as_ref().ok());
        let emails = [
            self.email(&entry.fields),
            fields.and_then(|fields| self.email(fields)),
        ];
        self.exemptions.covers(Some(&entry.id), emails)
    }

    /// Plans a user of the provisioned state.
    fn user(&mut self, user: &'p StateUser, rules: &ConnectionRules) {
        self.count(&user.connection, |counts| counts.state_users += 1);
        let source = LinkSource::User(user.id.clone());
        let key = StepKey::new(StepSubject::User, StepSource::State(user.id.clone()));
        let step = Step::new(key, Category::Unchanged, &user.connection, &user.name);
        let relations = self.relations;
        let step = match relations.resolution(&source) {
            Resolution::Rejected(reason) => {
                self.freeze(reason);
                Some(rejected(step, reason.clone()))
            }
            Resolution::New => self.new_user(user, step),
            Resolution::Existing { id, link } => {
                let Some(entry) = self.entries.get(id).copied() else {
                    return;
                };
                self.existing_user(user, rules, (entry, *link), step)
            }
        };
        match step {
            Some(step) => self.result.steps.push(step),
            None => self.count(&user.connection, |counts| counts.users.unchanged += 1),
        }
    }

    /// Protects the user of the directory that a user of a connection without rules is linked to.
    fn other_user(&mut self, user: &'p StateUser) {
        let source = LinkSource::User(user.id.clone());
        let relations = self.relations;
        if let Resolution::Existing { id, .. } = relations.resolution(&source) {
            let id: &'p ResourceId = id;
            self.result
                .targets
                .insert(&user.id, MemberTarget::Existing(id));
            self.result.frozen.insert(id);
        }
    }

    fn freeze(&mut self, reason: &Reason) {
        let candidates = match reason {
            Reason::Ambiguous { candidates } => candidates.as_slice(),
            Reason::Claimed { candidate, .. } => std::slice::from_ref(candidate),
            _ => &[],
        };
        for candidate in candidates {
            if let Some((id, _)) = self.entries.get_key_value(&candidate.id) {
                self.result.frozen.insert(id);
            }
        }
    }

    fn new_user(&mut self, user: &'p StateUser, mut step: Step) -> Option<Step> {
        let fields = match &user.fields {
            Ok(fields) => fields,
            Err(_) if !user.is_active => return None,
            Err(problem) => return Some(rejected(step, Reason::Invalid(problem.clone()))),
        };
        if self.exemptions.covers(None, [self.email(fields)]) {
            step.category = Category::Exempt;
            return Some(step);
        }
        if !user.is_active {
            return None;
        }
        step.action = Action::Create;
        step.category = Category::Created;
        step.differences = DeliveredFields::create(fields);
        step.links.push(LinkEdit::Create {
            fields: fields.keys().cloned().collect(),
            source: LinkSource::User(user.id.clone()),
        });
        self.result.targets.insert(&user.id, MemberTarget::New);
        Some(step)
    }

    fn existing_user(
        &mut self,
        user: &'p StateUser,
        rules: &ConnectionRules,
        (entry, link): (&'p DirectoryUser, Option<&Link>),
        mut step: Step,
    ) -> Option<Step> {
        step.target = Some(entry.id.clone());
        if self.is_exempt(entry, Some(user)) {
            self.result.frozen.insert(&entry.id);
            step.category = Category::Exempt;
            return Some(step);
        }
        let target = MemberTarget::Existing(&entry.id);
        self.result.targets.insert(&user.id, target);
        if !entry.is_archived && !entry.is_protected {
            self.count(&user.connection, |counts| counts.archivable += 1);
        }
        let new_link = self.link(user, entry, link);
        if !user.is_active {
            if !entry.is_archived {
                archive(&mut step, entry, Reason::Inactive, Action::Archive);
            }
        } else {
            let fields = match &user.fields {
                Ok(fields) => fields,
                Err(problem) => return Some(rejected(step, Reason::Invalid(problem.clone()))),
            };
            let none = BTreeSet::new();
            let delivered = link.map_or(&none, |link| &link.fields);
            step.differences = rules.users.differences(fields, delivered, &entry.fields);
            step.differences
                .extend(cleared(rules, &step.differences, &entry.fields));
            step.differences.sort_by(|a, b| a.field.cmp(&b.field));
            if entry.is_archived {
                step.action = Action::Restore;
                step.category = Category::Restored;
            } else if !step.differences.is_empty() {
                step.action = Action::Update;
                step.category = Category::Changed;
            }
        }
        if link != Some(&new_link) && step.category != Category::Rejected {
            step.links.push(LinkEdit::Put(new_link));
            let dead = self.relations.dead_links(&entry.id).iter();
            step.links
                .extend(dead.map(|dead| LinkEdit::Remove(dead.source.clone())));
        }
        (step.category != Category::Unchanged || step.has_effect()).then_some(step)
    }

    /// Returns the link after the step.
    fn link(&self, user: &StateUser, entry: &DirectoryUser, link: Option<&Link>) -> Link {
        let source = LinkSource::User(user.id.clone());
        let mut new = Link::new(user.connection.clone(), source, entry.id.clone());
        let dead = self.relations.dead_links(&entry.id);
        new.is_created = link.is_some_and(|link| link.is_created)
            || (link.is_none() && dead.iter().any(|dead| dead.is_created));
        new.fields = match &user.fields {
            Ok(fields) if user.is_active => fields.keys().cloned().collect(),
            _ => link.map(|link| link.fields.clone()).unwrap_or_default(),
        };
        new
    }

    /// Plans a user of the directory that no user of the provisioned state is linked to or matches.
    fn entry(&mut self, entry: &'p DirectoryUser) {
        let relations = self.relations;
        let dead = relations.dead_links(&entry.id);
        if dead.is_empty() {
            self.never_sent(entry);
            return;
        }
        // A link of a connection that the plan does not cover protects the user.
        let rules = dead.iter().map(|link| {
            let rules = self.settings.connections.get(&link.connection);
            rules.map(|rules| (*link, rules))
        });
        let Some(rules) = rules.collect::<Option<Vec<_>>>() else {
            self.result.frozen.insert(&entry.id);
            return;
        };
        let Some((link, rules)) = rules.first() else {
            return;
        };
        let mut step = self.entry_step(&link.connection, entry);
        if self.is_exempt(entry, None) {
            step.category = Category::Exempt;
            self.result.steps.push(step);
            return;
        }
        if !entry.is_archived && !entry.is_protected {
            self.count(&link.connection, |counts| counts.archivable += 1);
        }
        match rules.on_delete {
            OnDelete::Archive if entry.is_archived => return,
            OnDelete::Archive => archive(&mut step, entry, Reason::Deleted, Action::Archive),
            OnDelete::Remove => {
                archive(&mut step, entry, Reason::Deleted, Action::Remove);
                if step.action == Action::Remove {
                    let links = dead.iter();
                    step.links
                        .extend(links.map(|link| LinkEdit::Remove(link.source.clone())));
                }
            }
        }
        self.result.steps.push(step);
    }

    /// Plans a user of the directory that nobody delivered.
    fn never_sent(&mut self, entry: &'p DirectoryUser) {
        if entry.is_archived || self.settings.scope == PlanScope::Incremental {
            return;
        }
        let mut connections = self.settings.connections.iter();
        let authoritative =
            connections.find(|(_, rules)| rules.absence != Absence::NotAuthoritative);
        let Some((connection, rules)) = authoritative else {
            return;
        };
        let mut step = self.entry_step(connection, entry);
        if self.is_exempt(entry, None) {
            step.category = Category::Exempt;
            self.result.steps.push(step);
            return;
        }
        if entry.is_protected {
            return;
        }
        self.count(connection, |counts| counts.archivable += 1);
        if rules.absence == Absence::Archive {
            archive(&mut step, entry, Reason::NeverSent, Action::Archive);
            self.result.steps.push(step);
        } else {
            self.count(connection, |counts| counts.withheld += 1);
        }
    }

    fn entry_step(&self, connection: &ConnectionId, entry: &DirectoryUser) -> Step {
        let key = StepKey::new(StepSubject::User, StepSource::Directory(entry.id.clone()));
        let name = entry
            .text(&self.settings.email_field)
            .unwrap_or(entry.id.as_str());
        let mut step = Step::new(key, Category::Unchanged, connection, name);
        step.target = Some(entry.id.clone());
        step
    }

    /// Removes the links whose users no longer exist on either side.
    fn forget_gone(&mut self) {
        for link in &self.relations.gone {
            if !self.settings.connections.contains_key(&link.connection) {
                continue;
            }
            let source = StepSource::from(&link.source);
            let key = StepKey::new(StepSubject::User, source);
            let name = link.target.as_str();
            let mut step = Step::new(key, Category::Unchanged, &link.connection, name);
            step.links.push(LinkEdit::Remove(link.source.clone()));
            self.result.steps.push(step);
        }
    }

    fn bind(&mut self, entry: &'p DirectoryUser) {
        let email = self.email(&entry.fields);
        if self.is_exempt(entry, None) {
            self.result.frozen.insert(&entry.id);
        }
        if let Some(email) = email.filter(|email| self.exemptions.is_pending(email)) {
            self.result.bindings.push(ExemptionBinding {
                email: email.to_owned(),
                id: entry.id.clone(),
            });
        }
    }
}

fn rejected(mut step: Step, reason: Reason) -> Step {
    step.category = Category::Rejected;
    step.reason = Some(reason);
    step
}

/// Archives or removes a user, unless it is protected.
fn archive(step: &mut Step, entry: &DirectoryUser, reason: Reason, action: Action) {
    if entry.is_protected {
        step.category = Category::Rejected;
        step.reason = Some(Reason::Protected);
        return;
    }
    step.action = action;
    step.category = Category::Archived;
    step.reason = Some(reason);
}

/// Returns the differences of the fields that are cleared whatever the identity provider sends.
fn cleared(rules: &ConnectionRules, known: &[Difference], current: &Record) -> Vec<Difference> {
    let is_known = |field: &String| known.iter().any(|known| known.field == *field);
    let fields = rules.cleared_fields.iter().filter(|field| !is_known(field));
    fields
        .filter_map(|field| {
            let before = current.get(field).filter(|value| {
                let is_empty = value.as_array().is_some_and(Vec::is_empty);
                !value.is_null() && !is_empty && value.as_str() != Some("")
            })?;
            Some(Difference {
                after: None,
                before: Some(before.clone()),
                field: field.clone(),
            })
        })
        .collect()
}
