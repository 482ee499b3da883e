//! A tenant in memory: provisioned state, directory and links, to which plans are applied.

use std::{collections::BTreeMap, sync::LazyLock};

use scimkit_mapping::{Mapping, MappingRule};
use scimkit_provision::sync::{
    Absence, Action, Category, ConnectionRules, DeliveredFields, DirectoryGroup, DirectoryUser,
    Exemptions, GroupSource, Link, LinkEdit, LinkSource, MemberChange, Plan, PlanInput,
    PlanSettings, StateGroup, StateUser, Step, plan,
};
use scimkit_registry::{Registry, ResourceId, Tolerance};
use scimkit_store::ConnectionId;
use serde_json::{Map, Value, json};

pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
    let builder = Mapping::builder()
        .rule("User", MappingRule::new("userName").with_field("email"))
        .rule("User", MappingRule::new("title").with_field("job_title"))
        .rule(
            "User",
            MappingRule::for_field("source").with_constant("scim"),
        )
        .rule("Group", MappingRule::new("displayName").with_field("name"));
    builder.build(&REGISTRY).unwrap()
});

pub(crate) fn user_fields() -> DeliveredFields {
    DeliveredFields::new(MAPPING.for_type("User").unwrap())
}

pub(crate) fn mirrored() -> GroupSource {
    GroupSource::Mirrored(DeliveredFields::new(MAPPING.for_type("Group").unwrap()))
}

pub(crate) fn by_country(fallback: Option<&str>) -> GroupSource {
    let path = r#"addresses[type eq "work"].country"#;
    GroupSource::derived(&REGISTRY, path, fallback.map(str::to_owned)).unwrap()
}

#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) exemptions: Exemptions,
    pub(crate) input: PlanInput,
    pub(crate) settings: PlanSettings,
}

/// The connection that most tests have.
pub(crate) const ENTRA: &str = "entra";

impl Site {
    /// A tenant with the connection `entra`, which is not authoritative.
    pub(crate) fn new() -> Self {
        let rules = ConnectionRules::new(user_fields());
        Site {
            exemptions: Exemptions::default(),
            input: PlanInput::default(),
            settings: PlanSettings::new().with_connection(ENTRA.into(), rules),
        }
    }

    pub(crate) fn rules(&mut self, change: impl Fn(&mut ConnectionRules)) -> &mut Self {
        self.settings.connections.values_mut().for_each(change);
        self
    }

    pub(crate) fn authoritative(&mut self) -> &mut Self {
        self.rules(|rules| rules.absence = Absence::Archive)
    }

    pub(crate) fn user(&mut self, id: &str, body: Value) -> &mut Self {
        self.user_of(ENTRA, id, body)
    }

    /// Adds or replaces a user of the provisioned state.
    pub(crate) fn user_of(&mut self, connection: &str, id: &str, body: Value) -> &mut Self {
        let kind = REGISTRY.resource_type("User").unwrap();
        let user = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let connection = ConnectionId::from(connection);
        let other = ConnectionRules::new(user_fields());
        let rules = self.settings.connections.get(&connection).unwrap_or(&other);
        let user = StateUser::new(connection, rules, id.into(), &user);
        self.input.users.retain(|known| known.id != user.id);
        self.input.users.push(user);
        self
    }

    pub(crate) fn group(&mut self, id: &str, name: &str, members: &[&str]) -> &mut Self {
        let kind = REGISTRY.resource_type("Group").unwrap();
        let group = kind
            .admit(json!({"displayName": name}), &Tolerance::DEFAULT)
            .unwrap();
        let rules = &self.settings.connections[&ConnectionId::from(ENTRA)];
        let members = members.iter().map(|id| ResourceId::from(*id)).collect();
        let group = StateGroup::new(ENTRA.into(), rules, id.into(), &group, members);
        self.input.groups.retain(|known| known.id != group.id);
        self.input.groups.push(group);
        self
    }

    /// Adds a user to the directory.
    pub(crate) fn existing(&mut self, id: &str, fields: Value) -> &mut Self {
        self.entry(DirectoryUser::new(id.into(), record(fields)))
    }

    pub(crate) fn entry(&mut self, user: DirectoryUser) -> &mut Self {
        self.input.directory_users.push(user);
        self
    }

    pub(crate) fn existing_group(&mut self, id: &str, name: &str, members: &[&str]) -> &mut Self {
        let members = members.iter().map(|id| ResourceId::from(*id)).collect();
        let group = DirectoryGroup::new(id.into(), record(json!({"name": name})), members);
        self.input.directory_groups.push(group);
        self
    }

    pub(crate) fn link_of(&mut self, connection: &str, user: &str, target: &str) -> &mut Self {
        let source = LinkSource::User(user.into());
        self.input
            .links
            .push(Link::new(connection.into(), source, target.into()));
        self
    }

    pub(crate) fn exempt(&mut self, email: &str) -> &mut Self {
        let text = format!("Email,Provisioning Managed\n{email},false\n");
        let file = scimkit_provision::sync::ExemptionFile::from_csv(text.as_bytes()).unwrap();
        assert_eq!(file.problems, []);
        let users = &self.input.directory_users;
        self.exemptions.import(&file.rows, |email| {
            let found = users
                .iter()
                .find(|user| text_of(user, "email") == Some(email));
            found.map(|user| user.id.clone())
        });
        self
    }

    pub(crate) fn plan(&self) -> Plan {
        plan(&self.input, &self.settings, &self.exemptions)
    }

    /// Plans and applies.
    pub(crate) fn sync(&mut self) -> Plan {
        let plan = self.plan();
        self.apply(&plan, plan.steps.len());
        plan
    }

    /// Applies the first steps of a plan.
    pub(crate) fn apply(&mut self, plan: &Plan, steps: usize) {
        for binding in &plan.bindings {
            self.exemptions.bind(&binding.email, binding.id.clone());
        }
        plan.steps
            .iter()
            .take(steps)
            .for_each(|step| self.apply_step(step));
    }

    fn apply_step(&mut self, step: &Step) {
        let is_group = step.key.subject != scimkit_provision::sync::StepSubject::User;
        // A user that is created has an id that tells where it comes from.
        let id = step.target.clone().unwrap_or_else(|| {
            let links = self.input.links.iter();
            let mut links = links.filter(|link| {
                scimkit_provision::sync::StepSource::from(&link.source) == step.key.source
            });
            let linked = links
                .next()
                .filter(|_| step.action == Action::ChangeMembers);
            linked.map_or_else(
                || format!("new:{}", step.key).into(),
                |link| link.target.clone(),
            )
        });
        match step.action {
            Action::None => {}
            Action::Archive => self.user_mut(id.as_str()).is_archived = true,
            Action::Create if is_group => {
                let group = DirectoryGroup::new(id.clone(), changed(Map::new(), step), Vec::new());
                self.input.directory_groups.push(group);
            }
            Action::Create => {
                let user = DirectoryUser::new(id.clone(), changed(Map::new(), step));
                self.input.directory_users.push(user);
            }
            Action::Remove if is_group => {
                self.input.directory_groups.retain(|group| group.id != id)
            }
            Action::Remove => {
                self.input.directory_users.retain(|user| user.id != id);
                for group in &mut self.input.directory_groups {
                    group.members.retain(|member| *member != id);
                }
            }
            Action::Restore | Action::Update if !is_group => {
                let user = self.user_mut(id.as_str());
                user.fields = changed(std::mem::take(&mut user.fields), step);
                user.is_archived &= step.action != Action::Restore;
            }
            Action::Restore | Action::Update => {
                let group = self.group_mut(id.as_str());
                group.fields = changed(std::mem::take(&mut group.fields), step);
            }
            Action::ChangeMembers => {
                let links = self.input.links.clone();
                let group = self.group_mut(id.as_str());
                for change in &step.members {
                    match change {
                        MemberChange::Add { user, target } => {
                            let source = LinkSource::User(user.clone());
                            let link = links.iter().find(|link| link.source == source);
                            let added = target
                                .clone()
                                .or(link.map(|link| link.target.clone()))
                                .unwrap();
                            assert!(
                                !group.members.contains(&added),
                                "{added} is a member already"
                            );
                            group.members.push(added);
                        }
                        MemberChange::Remove(member) => {
                            group.members.retain(|known| known != member)
                        }
                    }
                }
                group.member_count = group.members.len() as u64;
            }
        }
        for edit in &step.links {
            let link = match edit.clone() {
                LinkEdit::Create { fields, source } => {
                    let mut link = Link::new(step.connection.clone(), source, id.clone());
                    link.fields = fields;
                    link.is_created = true;
                    link
                }
                LinkEdit::Put(link) => link,
                LinkEdit::Remove(source) => {
                    self.input.links.retain(|link| link.source != source);
                    continue;
                }
            };
            self.input.links.retain(|known| known.source != link.source);
            self.input.links.push(link);
        }
    }

    pub(crate) fn user_mut(&mut self, id: &str) -> &mut DirectoryUser {
        let mut users = self.input.directory_users.iter_mut();
        users.find(|user| user.id.as_str() == id).unwrap()
    }

    fn group_mut(&mut self, id: &str) -> &mut DirectoryGroup {
        let mut groups = self.input.directory_groups.iter_mut();
        groups.find(|group| group.id.as_str() == id).unwrap()
    }

    /// The directory: e-mail address, whether archived, and groups of each user, by id.
    pub(crate) fn directory(&self) -> BTreeMap<String, (Value, bool, Vec<String>)> {
        let users = self.input.directory_users.iter().map(|user| {
            let groups = self.input.directory_groups.iter();
            let groups = groups.filter(|group| group.members.contains(&user.id));
            let mut groups: Vec<_> = groups
                .map(|group| group.fields["name"].as_str().unwrap().to_owned())
                .collect();
            groups.sort();
            (
                user.id.to_string(),
                (json!(user.fields), user.is_archived, groups),
            )
        });
        users.collect()
    }

    /// The ids of the directory's users that are archived.
    pub(crate) fn archived(&self) -> Vec<&str> {
        let users = self
            .input
            .directory_users
            .iter()
            .filter(|user| user.is_archived);
        users.map(|user| user.id.as_str()).collect()
    }
}

fn record(fields: Value) -> Map<String, Value> {
    serde_json::from_value(fields).unwrap()
}

pub(crate) fn text_of<'u>(user: &'u DirectoryUser, field: &str) -> Option<&'u str> {
    user.fields.get(field)?.as_str()
}

fn changed(mut fields: Map<String, Value>, step: &Step) -> Map<String, Value> {
    for difference in &step.differences {
        match &difference.after {
            Some(value) => fields.insert(difference.field.clone(), value.clone()),
            None => fields.remove(&difference.field),
        };
    }
    fields
}

/// The category, source and reason of each step.
pub(crate) fn lines(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().map(|step| {
        let reason = step.reason.as_ref().map(|reason| format!(": {reason}"));
        format!(
            "{} {}{}",
            step.category,
            step.name,
            reason.unwrap_or_default()
        )
    });
    steps.collect()
}

pub(crate) fn effects(plan: &Plan) -> Vec<&Step> {
    plan.steps.iter().filter(|step| step.has_effect()).collect()
}

pub(crate) fn of(plan: &Plan, category: Category) -> Vec<&str> {
    let steps = plan.steps.iter().filter(|step| step.category == category);
    steps.map(|step| step.name.as_str()).collect()
}
