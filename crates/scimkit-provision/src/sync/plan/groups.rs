//! The steps of groups and their members.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use scimkit_mapping::Record;
use scimkit_registry::ResourceId;
use scimkit_store::ConnectionId;
use serde_json::Value;

use super::{
    input::PlanInput,
    relations::{Relations, Resolution, Source, Target},
    users::{Counts, MemberTarget, UserSteps},
};
use crate::sync::{
    counts::GroupLoss,
    entry::DirectoryGroup,
    fields::{DeliveredFields, MatchKey},
    link::{Link, LinkEdit, LinkSource},
    rules::{GroupSource, PlanSettings},
    step::{Action, Category, MemberChange, Reason, Step, StepKey, StepSource, StepSubject},
};

/// The number of members that one step changes at most.
const MEMBERS_AT_ONCE: usize = 1_000;

/// A group that the directory should have.
struct Wanted<'p> {
    connection: &'p ConnectionId,
    /// The delivered fields; none for a derived group.
    delivered: Option<&'p DeliveredFields>,
    fields: Result<Cow<'p, Record>, &'p str>,
    members: Vec<&'p ResourceId>,
    name: &'p str,
    source: LinkSource,
}

pub(super) fn plan_groups<'p>(
    input: &'p PlanInput,
    settings: &'p PlanSettings,
    users: &UserSteps<'p>,
    counts: &mut Counts,
) -> Vec<Step> {
    let wanted: Vec<_> = mirrored(input, settings)
        .chain(derived(input, settings, users, counts))
        .collect();
    let sources: Vec<_> = wanted
        .iter()
        .map(|group| Source {
            keys: match (&group.fields, group.delivered) {
                (Ok(fields), Some(delivered)) => delivered.match_keys(fields),
                (Ok(_), None) => vec![MatchKey::exact(&settings.group_name_field, group.name)],
                (Err(_), _) => Vec::new(),
            },
            name: group.name,
            source: group.source.clone(),
        })
        .collect();
    let targets: Vec<_> = input
        .directory_groups
        .iter()
        .map(|entry| Target {
            fields: Cow::Borrowed(&entry.fields),
            id: &entry.id,
            name: name_of(entry, settings),
        })
        .collect();
    let links = input.links.iter();
    let links = links.filter(|link| !matches!(link.source, LinkSource::User(_)));
    let relations = Relations::new(&sources, &targets, links);
    let entries = input.directory_groups.iter();
    let mut planner = GroupPlanner {
        counts,
        derived_users: derived_users(input, settings, users),
        entries: entries.map(|entry| (&entry.id, entry)).collect(),
        relations: &relations,
        settings,
        steps: Vec::new(),
        users,
    };
    for group in &wanted {
        planner.group(group);
    }
    for entry in &input.directory_groups {
        if !relations.is_related(&entry.id) {
            planner.deleted(entry);
        }
    }
    planner.forget_gone();
    planner.steps
}

fn name_of<'p>(entry: &'p DirectoryGroup, settings: &PlanSettings) -> &'p str {
    let name = entry.fields.get(&settings.group_name_field);
    name.and_then(Value::as_str).unwrap_or(entry.id.as_str())
}

/// Returns the groups that connections mirror.
fn mirrored<'p>(
    input: &'p PlanInput,
    settings: &'p PlanSettings,
) -> impl Iterator<Item = Wanted<'p>> {
    input.groups.iter().filter_map(|group| {
        let rules = settings.connections.get(&group.connection)?;
        let GroupSource::Mirrored(delivered) = &rules.groups else {
            return None;
        };
        Some(Wanted {
            connection: &group.connection,
            delivered: Some(delivered),
            fields: match &group.fields {
                Ok(fields) => Ok(Cow::Borrowed(fields)),
                Err(problem) => Err(problem),
            },
            members: group.members.iter().collect(),
            name: &group.name,
            source: LinkSource::Group(group.id.clone()),
        })
    })
}

/// Returns the groups that are derived from users, those included that are empty by now.
fn derived<'p>(
    input: &'p PlanInput,
    settings: &'p PlanSettings,
    users: &UserSteps<'p>,
    counts: &mut Counts,
) -> Vec<Wanted<'p>> {
    let mut groups: BTreeMap<&'p str, Wanted<'p>> = BTreeMap::new();
    let mut values: BTreeSet<(&ConnectionId, &str)> = BTreeSet::new();
    let is_derived = |connection: &ConnectionId| {
        let rules = settings.connections.get(connection);
        rules.is_some_and(|rules| rules.groups.is_derived())
    };
    let wanted = |connection, name: &'p str| {
        let fields = [(settings.group_name_field.clone(), Value::from(name))];
        Wanted {
            connection,
            delivered: None,
            fields: Ok(Cow::Owned(fields.into_iter().collect())),
            members: Vec::new(),
            name,
            source: LinkSource::Value(name.to_owned()),
        }
    };
    for user in &input.users {
        let Some(value) = user.group.as_deref() else {
            continue;
        };
        if !is_derived(&user.connection) || !users.targets.contains_key(&user.id) {
            continue;
        }
        values.insert((&user.connection, value));
        let group = groups
            .entry(value)
            .or_insert_with(|| wanted(&user.connection, value));
        group.connection = group.connection.min(&user.connection);
        group.members.push(&user.id);
    }
    for (connection, _) in values {
        if let Some(counts) = counts.get_mut(connection) {
            counts.derived_groups += 1;
        }
    }
    for link in &input.links {
        if let LinkSource::Value(value) = &link.source
            && is_derived(&link.connection)
        {
            groups
                .entry(value)
                .or_insert_with(|| wanted(&link.connection, value));
        }
    }
    groups.into_values().collect()
}

/// Returns the users of the directory that connections with derived groups deliver.
fn derived_users<'p>(
    input: &'p PlanInput,
    settings: &PlanSettings,
    users: &UserSteps<'p>,
) -> BTreeSet<&'p ResourceId> {
    let delivered = input.users.iter().filter_map(|user| {
        let rules = settings.connections.get(&user.connection)?;
        match users.targets.get(&user.id)? {
            MemberTarget::Existing(id) if rules.groups.is_derived() => Some(*id),
            _ => None,
        }
    });
    delivered.collect()
}

struct GroupPlanner<'p, 'r> {
    counts: &'r mut Counts,
    /// The users whose memberships in derived groups follow from their values.
    derived_users: BTreeSet<&'p ResourceId>,
    entries: BTreeMap<&'p ResourceId, &'p DirectoryGroup>,
    relations: &'r Relations<'p>,
    settings: &'p PlanSettings,
    steps: Vec<Step>,
    users: &'r UserSteps<'p>,
}

impl<'p> GroupPlanner<'p, '_> {
    /// Plans a group that the directory should have.
    fn group(&mut self, group: &Wanted<'p>) {
        let source = StepSource::from(&group.source);
        let key = StepKey::new(StepSubject::Group, source);
        let mut step = Step::new(key, Category::Unchanged, group.connection, group.name);
        let relations = self.relations;
        let existing = match relations.resolution(&group.source) {
            Resolution::Rejected(reason) => {
                step.category = Category::Rejected;
                step.reason = Some(reason.clone());
                self.steps.push(step);
                return;
            }
            Resolution::New => None,
            Resolution::Existing { id, link } => self.entries.get(id).map(|entry| (*entry, *link)),
        };
        let fields = match &group.fields {
            Ok(fields) => fields,
            Err(problem) => {
                step.category = Category::Rejected;
                step.reason = Some(Reason::Invalid((*problem).to_owned()));
                self.steps.push(step);
                return;
            }
        };
        match existing {
            Some((entry, link)) => existing_group(&mut step, group, (entry, link), fields),
            None => new_group(&mut step, group, fields),
        }
        if let Some((entry, _)) = existing {
            let dead = relations.dead_links(&entry.id).iter();
            let dead = dead.map(|dead| LinkEdit::Remove(dead.source.clone()));
            step.links.extend(dead);
        }
        let changes = self.member_changes(group, existing.map(|(entry, _)| entry));
        let members = Step::new(
            StepKey {
                subject: StepSubject::Membership,
                source: step.key.source.clone(),
                part: 0,
            },
            Category::Changed,
            group.connection,
            group.name,
        );
        if step.category == Category::Unchanged && !step.has_effect() {
            if let Some(counts) = self.counts.get_mut(group.connection) {
                counts.groups.unchanged += 1;
            }
        } else {
            self.steps.push(step);
        }
        self.push_members(&members, existing.map(|(entry, _)| entry), &changes);
    }

    /// Returns the changes of members, in their order.
    fn member_changes(
        &mut self,
        group: &Wanted<'p>,
        entry: Option<&'p DirectoryGroup>,
    ) -> Vec<MemberChange> {
        let current: BTreeSet<_> = entry.iter().flat_map(|entry| &entry.members).collect();
        let mut kept: BTreeSet<&ResourceId> = BTreeSet::new();
        let mut changes = Vec::new();
        let wanted: BTreeSet<_> = group.members.iter().copied().collect();
        for user in wanted {
            let target = match self.users.targets.get(user) {
                None => continue,
                Some(MemberTarget::New) => None,
                Some(MemberTarget::Existing(id)) => Some(*id),
            };
            match target {
                Some(id) if current.contains(id) => {
                    kept.insert(id);
                }
                target => changes.push(MemberChange::Add {
                    user: user.clone(),
                    target: target.cloned(),
                }),
            }
        }
        let unchanged = kept.len() as u64;
        let is_removed = |id: &&&ResourceId| {
            let id: &ResourceId = id;
            let is_managed = group.delivered.is_some() || self.derived_users.contains(id);
            is_managed && !kept.contains(id) && !self.users.frozen.contains(id)
        };
        let removed = current.iter().filter(is_removed);
        changes.extend(removed.map(|id| MemberChange::Remove((*id).clone())));
        if let Some(counts) = self.counts.get_mut(group.connection) {
            counts.memberships.unchanged += unchanged;
        }
        changes
    }

    /// Adds the steps for changes of members, and checks how many members the group loses.
    fn push_members(
        &mut self,
        step: &Step,
        entry: Option<&DirectoryGroup>,
        changes: &[MemberChange],
    ) {
        let removed = changes
            .iter()
            .filter(|change| matches!(change, MemberChange::Remove(_)));
        let lost = removed.count() as u64;
        let members = entry.map_or(0, |entry| entry.member_count);
        let rules = self.settings.connections.get(&step.connection);
        if rules.is_some_and(|rules| rules.limits.is_loss(lost, members))
            && let Some(counts) = self.counts.get_mut(&step.connection)
        {
            let name = step.name.clone();
            counts.losses.push(GroupLoss {
                name,
                lost,
                members,
            });
        }
        for (part, members) in (0..).zip(changes.chunks(MEMBERS_AT_ONCE)) {
            let mut step = step.clone();
            step.action = Action::ChangeMembers;
            step.key.part = part;
            step.members = members.to_vec();
            step.target = entry.map(|entry| entry.id.clone());
            self.steps.push(step);
        }
    }

    /// Plans a group of the directory whose groups in the provisioned state no longer exist.
    fn deleted(&mut self, entry: &'p DirectoryGroup) {
        let relations = self.relations;
        let dead = relations.dead_links(&entry.id);
        let Some(link) = dead.first() else {
            return;
        };
        let mirrors = |link: &&Link| {
            let rules = self.settings.connections.get(&link.connection);
            let groups = rules.map(|rules| &rules.groups);
            matches!(groups, Some(GroupSource::Mirrored(_)))
                && matches!(link.source, LinkSource::Group(_))
        };
        if !dead.iter().all(mirrors) {
            return;
        }
        let source = StepSource::Directory(entry.id.clone());
        let key = StepKey::new(StepSubject::Group, source.clone());
        let name = name_of(entry, self.settings);
        let mut step = Step::new(key, Category::Archived, &link.connection, name);
        step.reason = Some(Reason::Deleted);
        step.target = Some(entry.id.clone());
        let links = dead.iter();
        step.links = links
            .map(|link| LinkEdit::Remove(link.source.clone()))
            .collect();
        let is_created = dead.iter().any(|link| link.is_created);
        if is_created {
            step.action = Action::Remove;
            self.steps.push(step);
            return;
        }
        step.category = Category::Changed;
        self.steps.push(step);
        let key = StepKey::new(StepSubject::Membership, source);
        let members = Step::new(key, Category::Changed, &link.connection, name);
        let removed = entry.members.iter().collect::<BTreeSet<_>>();
        let removed = removed
            .into_iter()
            .filter(|id| !self.users.frozen.contains(id));
        let changes: Vec<_> = removed.map(|id| MemberChange::Remove(id.clone())).collect();
        self.push_members(&members, Some(entry), &changes);
    }

    /// Removes the links whose groups no longer exist on either side.
    fn forget_gone(&mut self) {
        for link in &self.relations.gone {
            if !self.settings.connections.contains_key(&link.connection) {
                continue;
            }
            let key = StepKey::new(StepSubject::Group, StepSource::from(&link.source));
            let name = link.target.as_str();
            let mut step = Step::new(key, Category::Unchanged, &link.connection, name);
            step.links.push(LinkEdit::Remove(link.source.clone()));
            self.steps.push(step);
        }
    }
}

fn new_group(step: &mut Step, group: &Wanted<'_>, fields: &Record) {
    step.action = Action::Create;
    step.category = Category::Created;
    step.differences = DeliveredFields::create(fields);
    step.links.push(LinkEdit::Create {
        fields: fields.keys().cloned().collect(),
        source: group.source.clone(),
    });
}

fn existing_group(
    step: &mut Step,
    group: &Wanted<'_>,
    (entry, link): (&DirectoryGroup, Option<&Link>),
    fields: &Record,
) {
    step.target = Some(entry.id.clone());
    let none = BTreeSet::new();
    let known = link.map_or(&none, |link| &link.fields);
    if let Some(delivered) = group.delivered {
        step.differences = delivered.differences(fields, known, &entry.fields);
    }
    if !step.differences.is_empty() {
        step.action = Action::Update;
        step.category = Category::Changed;
    }
    let mut new = Link::new(
        group.connection.clone(),
        group.source.clone(),
        entry.id.clone(),
    );
    new.is_created = link.is_some_and(|link| link.is_created);
    new.fields = fields.keys().cloned().collect();
    if link != Some(&new) {
        step.links.push(LinkEdit::Put(new));
    }
}
