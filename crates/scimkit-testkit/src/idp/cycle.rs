//! One cycle of an identity provider: it sends what has changed since the last one.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use fastrand::Rng;
use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::{
    attributes::{text_member, wanted},
    courier::{Courier, GivenUp},
    dialect::{Dialect, Removal},
    directory::{Directory, Person, Presence, Team, mix},
    known::{Known, deactivated, member_changes},
    requests::Member,
    tasks::{change_members, delete, list, synchronise_group, synchronise_user},
};

/// A task that was given up, and what it was about.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) resource: String,
}

/// A cycle in progress.
pub(super) struct Cycle<'c, 't> {
    pub(super) courier: &'c Courier<'t>,
    pub(super) directory: &'c Directory,
    pub(super) failures: Vec<Failure>,
    pub(super) known: &'c mut Known,
    pub(super) parallel: usize,
    pub(super) round: u32,
}

/// The steps of a cycle, which number its tasks.
#[derive(Clone, Copy)]
enum Step {
    RemoveUsers,
    Users,
    Managers,
    RemoveGroups,
    Groups,
    Members,
}

pub(super) fn user_label(person: &Person) -> String {
    format!("user {}", Value::from(person.user_name.as_str()))
}

pub(super) fn group_label(team: &Team) -> String {
    format!("group {}", Value::from(team.name.as_str()))
}

impl Cycle<'_, '_> {
    /// Runs all steps, each after the one before.
    pub(super) async fn run(&mut self, starts_anew: bool) {
        if starts_anew && self.courier.dialect.imports {
            self.import().await;
        }
        self.remove_users().await;
        self.users(Step::Users).await;
        // Those whose manager had no account before.
        self.users(Step::Managers).await;
        self.remove_groups().await;
        self.groups().await;
        self.members().await;
    }

    fn dialect(&self) -> &'static Dialect {
        self.courier.dialect
    }

    fn number(&self, step: Step, key: u64) -> u64 {
        mix(self.round.into(), &[step as u64, key])
    }

    /// Runs tasks in parallel, and returns the results of those that succeeded.
    async fn all<T>(
        &mut self,
        tasks: Vec<(u32, String, impl Future<Output = Result<T, GivenUp>>)>,
    ) -> Vec<(u32, T)> {
        let courier = self.courier;
        let tasks = tasks.into_iter().map(|(key, resource, task)| async move {
            let outcome = if courier.is_stopped() {
                Err(GivenUp::Stopped)
            } else if courier.is_quarantined() {
                Err(GivenUp::Quarantined)
            } else {
                task.await
            };
            courier.finish(&outcome);
            (key, resource, outcome)
        });
        let outcomes: Vec<_> = stream::iter(tasks)
            .buffer_unordered(self.parallel)
            .collect()
            .await;
        let mut succeeded = Vec::new();
        for (key, resource, outcome) in outcomes {
            match outcome {
                Ok(result) => succeeded.push((key, result)),
                Err(GivenUp::Rejected(reason)) => self.failures.push(Failure { reason, resource }),
                Err(GivenUp::Quarantined | GivenUp::Stopped) => {}
            }
        }
        succeeded
    }

    /// Reads all users and groups, and links the users whose user name is known.
    async fn import(&mut self) {
        let mut ids = BTreeMap::new();
        let mut task = self.courier.reader();
        for endpoint in ["/Users", "/Groups"] {
            let mut see = |resource: &Value| {
                if let (Some(id), Some(name)) = (
                    text_member(resource, "id"),
                    text_member(resource, "userName"),
                ) {
                    ids.insert(name.to_lowercase(), id.to_owned());
                }
            };
            if let Err(given_up) = list(&mut task, endpoint, &mut see).await {
                if let GivenUp::Rejected(reason) = given_up {
                    let resource = format!("import of {endpoint}");
                    self.failures.push(Failure { reason, resource });
                }
                return;
            }
        }
        for (key, person) in &self.directory.people {
            let is_new = person.state == Presence::Active && !self.known.users.contains_key(key);
            if let (true, Some(id)) = (is_new, ids.get(&person.user_name.to_lowercase())) {
                self.known.link(*key, id.clone(), Vec::new());
            }
        }
    }

    /// Deletes the accounts of people who were removed.
    async fn remove_users(&mut self) {
        if self.dialect().removal != Removal::WithPerson {
            return;
        }
        let gone = self
            .directory
            .people
            .iter()
            .filter(|(_, person)| person.state == Presence::Purged);
        let gone: Vec<_> = gone
            .filter_map(|(key, person)| {
                Some((*key, user_label(person), self.known.users.get(key)?))
            })
            .map(|(key, label, link)| (key, label, link.id.clone()))
            .collect();
        self.delete_users(Step::RemoveUsers, gone).await;
    }

    async fn delete_users(&mut self, step: Step, users: Vec<(u32, String, String)>) {
        let courier = self.courier;
        let mut tasks = Vec::new();
        for (key, label, id) in users {
            let task = courier.task(self.number(step, u64::from(key) << 1 | 1));
            tasks.push((key, label, async move { delete(task, "/Users", &id).await }));
        }
        for (key, ()) in self.all(tasks).await {
            self.known.unlink(key);
        }
    }

    /// Creates, updates and deactivates users.
    async fn users(&mut self, step: Step) {
        let courier = self.courier;
        let (mapping, ids) = (self.dialect().mapping, self.known.ids());
        let failed: BTreeSet<String> = self
            .failures
            .iter()
            .map(|failure| failure.resource.clone())
            .collect();
        let (mut tasks, mut values) = (Vec::new(), BTreeMap::new());
        for (key, person) in &self.directory.people {
            let link = self.known.users.get(key);
            let wanted = match (person.state, link) {
                (Presence::Active, _) => wanted(mapping, person, &ids),
                (_, None) => continue,
                (_, Some(link)) => deactivated(mapping, &link.sent),
            };
            let label = user_label(person);
            if link.is_some_and(|link| link.sent == wanted) || failed.contains(&label) {
                continue;
            }
            values.insert(*key, wanted.clone());
            let id = link.map(|link| link.id.clone());
            let task = courier.task(self.number(step, u64::from(*key) << 1));
            let user_name = person.user_name.clone();
            tasks.push((*key, label, async move {
                synchronise_user(task, id, &user_name, &wanted).await
            }));
        }
        let mut leavers = Vec::new();
        for (key, id) in self.all(tasks).await {
            if let Some(sent) = values.remove(&key) {
                self.known.link(key, id.clone(), sent);
            }
            let person = self.directory.people.get(&key);
            let leaver = person.filter(|person| person.state != Presence::Active);
            leavers.extend(leaver.map(|person| (key, user_label(person), id)));
        }
        if self.dialect().removal == Removal::AtOnce {
            self.delete_users(step, leavers).await;
        }
    }

    async fn remove_groups(&mut self) {
        let courier = self.courier;
        let mut tasks = Vec::new();
        for (key, link) in &self.known.groups {
            if !self.directory.groups.contains_key(key) {
                let task = courier.task(self.number(Step::RemoveGroups, (*key).into()));
                let (label, id) = (
                    format!("group {}", Value::from(link.name.as_str())),
                    link.id.clone(),
                );
                tasks.push((
                    *key,
                    label,
                    async move { delete(task, "/Groups", &id).await },
                ));
            }
        }
        for (key, ()) in self.all(tasks).await {
            self.known.groups.remove(&key);
        }
    }

    async fn groups(&mut self) {
        let courier = self.courier;
        let mut tasks = Vec::new();
        let directory = self.directory;
        for (key, team) in &directory.groups {
            let link = self.known.groups.get(key);
            if link.is_some_and(|link| link.name == team.name) {
                continue;
            }
            let (id, name) = link
                .map(|link| (link.id.clone(), link.name.clone()))
                .unzip();
            let task = courier.task(self.number(Step::Groups, (*key).into()));
            tasks.push((*key, group_label(team), async move {
                synchronise_group(task, id, name, team).await
            }));
        }
        for (key, (id, is_new)) in self.all(tasks).await {
            if let Some(team) = directory.groups.get(&key) {
                self.known.link_group(key, id, is_new, &team.name);
            }
        }
    }

    /// Changes members. The requests of all groups are mixed, so that several are about one group at a time.
    async fn members(&mut self) {
        let courier = self.courier;
        let mut changes = Vec::new();
        for (key, team) in &self.directory.groups {
            if let Some(link) = self.known.groups.get(key) {
                let wanted = team
                    .members
                    .iter()
                    .filter_map(|key| Some((*key, self.account(*key)?)));
                let rng = Rng::with_seed(self.number(Step::Members, (*key).into()));
                let account = |key| self.account(key);
                let parts = member_changes(
                    &self.dialect().members,
                    link,
                    &wanted.collect(),
                    account,
                    rng,
                );
                let parts = parts.into_iter().enumerate();
                let label = group_label(team);
                changes.extend(
                    parts.map(|(at, change)| (*key, at, label.clone(), link.id.clone(), change)),
                );
            }
        }
        Rng::with_seed(self.number(Step::Members, u64::MAX)).shuffle(&mut changes);
        let mut tasks = Vec::new();
        for (key, at, label, group, change) in changes {
            let number = mix(self.number(Step::Members, key.into()), &[at as u64]);
            let task = courier.task(number);
            tasks.push((key, label, async move {
                change_members(task, &group, &change).await?;
                Ok(change)
            }));
        }
        for (key, change) in self.all(tasks).await {
            if let Some(link) = self.known.groups.get_mut(&key) {
                link.confirm(&change);
            }
        }
    }

    /// The account of a person as a member of groups.
    fn account(&self, key: u32) -> Option<Member> {
        let (link, person) = (
            self.known.users.get(&key)?,
            self.directory.people.get(&key)?,
        );
        Some(Member {
            id: link.id.clone(),
            key,
            user_name: person.user_name.clone(),
        })
    }
}
