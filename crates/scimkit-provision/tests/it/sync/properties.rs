//! Properties of plans for any state.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, option, prelude::*};
use scimkit_provision::sync::{
    Absence, Action, DirectoryUser, LinkSource, OnDelete, PlanInput, PlanScope, Reason,
    StepSubject, plan,
};
use scimkit_registry::ResourceId;
use scimkit_store::ConnectionId;
use serde_json::json;

use super::site::{Site, effects, mirrored, text_of};

/// The connections of plans; `other` is not part of them.
const CONNECTIONS: [&str; 3] = ["entra", "okta", "other"];

#[derive(Debug, Clone)]
struct Seed {
    /// E-mail address, connection, whether active, title.
    users: Vec<(usize, usize, bool, Option<u8>)>,
    /// E-mail address, whether archived, whether protected.
    entries: Vec<(usize, bool, bool)>,
    /// User (which may not exist), connection, entry (which may not exist), whether created.
    links: Vec<(usize, usize, usize, bool)>,
    exempt: Vec<usize>,
    groups: Vec<(usize, Vec<usize>)>,
    existing_groups: Vec<(usize, Vec<usize>)>,
    authoritative: bool,
    remove: bool,
    capacity: Option<u64>,
}

fn seeds() -> impl Strategy<Value = Seed> {
    let users = vec(
        (0..6_usize, 0..3_usize, any::<bool>(), option::of(0..2_u8)),
        0..7,
    );
    let entries = vec((0..6_usize, any::<bool>(), prop::bool::weighted(0.2)), 0..7);
    let links = vec((0..8_usize, 0..3_usize, 0..8_usize, any::<bool>()), 0..6);
    let groups = || vec((0..3_usize, vec(0..7_usize, 0..4)), 0..3);
    let settings = (
        any::<bool>(),
        any::<bool>(),
        option::weighted(0.3, 0..6_u64),
    );
    (
        users,
        entries,
        links,
        vec(0..6_usize, 0..2),
        groups(),
        groups(),
        settings,
    )
        .prop_map(
            |(
                users,
                entries,
                links,
                exempt,
                groups,
                existing_groups,
                (authoritative, remove, capacity),
            )| Seed {
                users,
                entries,
                links,
                exempt,
                groups,
                existing_groups,
                authoritative,
                remove,
                capacity,
            },
        )
}

fn email(index: usize) -> String {
    format!("{index}@x.org")
}

fn site(seed: &Seed) -> Site {
    let mut site = Site::new();
    let rules = site.settings.connections.values().next().unwrap().clone();
    site.settings.connections.insert("okta".into(), rules);
    site.rules(|rules| {
        rules.on_delete = if seed.remove {
            OnDelete::Remove
        } else {
            OnDelete::Archive
        };
    });
    let entra = site
        .settings
        .connections
        .get_mut(&ConnectionId::from("entra"))
        .unwrap();
    entra.groups = mirrored();
    if seed.authoritative {
        entra.absence = Absence::Archive;
    }
    site.settings.capacity = seed.capacity;
    for (index, (name, connection, is_active, title)) in seed.users.iter().enumerate() {
        let mut body = json!({"userName": email(*name), "active": is_active});
        if let Some(title) = title {
            body["title"] = json!(title.to_string());
        }
        site.user_of(
            CONNECTIONS.get(*connection).unwrap(),
            &format!("u{index}"),
            body,
        );
    }
    for (index, (name, is_archived, is_protected)) in seed.entries.iter().enumerate() {
        let fields = json!({"email": email(*name), "source": "hand"})
            .as_object()
            .unwrap()
            .clone();
        let mut user = DirectoryUser::new(format!("d{index}").into(), fields);
        user.is_archived = *is_archived;
        user.is_protected = *is_protected;
        site.entry(user);
    }
    let mut linked = BTreeSet::new();
    for (user, connection, entry, is_created) in &seed.links {
        if linked.insert(user) {
            // A user is linked by the connection that owns it.
            let owner = seed.users.get(*user).map_or(*connection, |user| user.1);
            site.link_of(
                CONNECTIONS.get(owner).unwrap(),
                &format!("u{user}"),
                &format!("d{entry}"),
            );
            site.input.links.last_mut().unwrap().is_created = *is_created;
        }
    }
    for (index, (name, members)) in seed.existing_groups.iter().enumerate() {
        let known = |member: &&usize| **member < seed.entries.len();
        let members: BTreeSet<_> = members
            .iter()
            .filter(known)
            .map(|member| format!("d{member}"))
            .collect();
        let members: Vec<_> = members.iter().map(String::as_str).collect();
        site.existing_group(&format!("e{index}"), &format!("group {name}"), &members);
    }
    for (index, (name, members)) in seed.groups.iter().enumerate() {
        let members: Vec<_> = members.iter().map(|member| format!("u{member}")).collect();
        let members: Vec<_> = members.iter().map(String::as_str).collect();
        site.group(&format!("g{index}"), &format!("group {name}"), &members);
    }
    for name in &seed.exempt {
        site.exempt(&email(*name));
    }
    site
}

/// Checks everything that the issue of a wrongly archived person turns on.
fn check_archives(site: &Site) -> Result<(), TestCaseError> {
    let plan = site.plan();
    let users: BTreeMap<_, _> = site
        .input
        .users
        .iter()
        .map(|user| (&user.id, user))
        .collect();
    for step in &plan.steps {
        let is_user = step.key.subject == StepSubject::User;
        if !is_user || !matches!(step.action, Action::Archive | Action::Remove) {
            continue;
        }
        let target = step.target.as_ref().unwrap();
        let entry = site
            .input
            .directory_users
            .iter()
            .find(|user| user.id == *target)
            .unwrap();
        prop_assert!(!entry.is_protected);
        prop_assert!(
            !site
                .exemptions
                .covers(Some(target), [text_of(entry, "email")])
        );
        let links = site
            .input
            .links
            .iter()
            .filter(|link| link.target == *target);
        let links: Vec<_> = links.collect();
        let living = links.iter().filter_map(|link| match &link.source {
            LinkSource::User(id) => users.get(id),
            _ => None,
        });
        let living: Vec<_> = living.collect();
        prop_assert!(
            living
                .iter()
                .all(|user| user.connection == step.connection && !user.is_active)
        );
        let sent = site.input.users.iter().filter(|user| {
            let fields = user.fields.as_ref().unwrap();
            user.connection.as_str() != "other" && fields.get("email") == entry.fields.get("email")
        });
        let sent: Vec<_> = sent.collect();
        match step.reason.as_ref().unwrap() {
            Reason::Inactive => {
                let mut all = living.iter().map(|user| **user).chain(sent);
                prop_assert!(all.any(|user| !user.is_active && user.connection == step.connection));
            }
            Reason::Deleted => {
                prop_assert!(living.is_empty());
                prop_assert!(links.iter().any(|link| link.connection == step.connection));
                prop_assert!(links.iter().all(|link| link.connection.as_str() != "other"));
            }
            Reason::NeverSent => {
                let rules = &site.settings.connections[&step.connection];
                prop_assert_eq!(rules.absence, Absence::Archive);
                prop_assert_eq!(site.settings.scope, PlanScope::Full);
                prop_assert!(links.is_empty() && sent.is_empty());
            }
            other => return Err(TestCaseError::fail(format!("archived since {other}"))),
        }
    }
    Ok(())
}

/// Returns the connected pieces of users.
fn pieces(input: &PlanInput) -> Vec<PlanInput> {
    let nodes: Vec<String> = input
        .users
        .iter()
        .map(|user| user.id.to_string())
        .chain(input.directory_users.iter().map(|user| user.id.to_string()))
        .collect();
    let mut part: BTreeMap<String, usize> = nodes.iter().cloned().zip(0..).collect();
    let mut pairs = Vec::new();
    for link in &input.links {
        if let LinkSource::User(id) = &link.source {
            pairs.push((id.to_string(), link.target.to_string()));
        }
    }
    let mut by_email: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for user in &input.users {
        let email = user.fields.as_ref().unwrap()["email"].as_str().unwrap();
        by_email.entry(email).or_default().push(user.id.to_string());
    }
    for user in &input.directory_users {
        by_email
            .entry(text_of(user, "email").unwrap())
            .or_default()
            .push(user.id.to_string());
    }
    for same in by_email.values() {
        pairs.extend(same.iter().cloned().zip(same.iter().skip(1).cloned()));
    }
    for (a, b) in &pairs {
        for id in [a, b] {
            let next = part.len();
            part.entry(id.clone()).or_insert(next + 1_000);
        }
        let (from, to) = (part[a], part[b]);
        part.values_mut()
            .filter(|part| **part == from)
            .for_each(|part| *part = to);
    }
    let mut pieces: BTreeMap<usize, PlanInput> = BTreeMap::new();
    let at = |id: &ResourceId| part[id.as_str()];
    for user in &input.users {
        pieces
            .entry(at(&user.id))
            .or_default()
            .users
            .push(user.clone());
    }
    for user in &input.directory_users {
        pieces
            .entry(at(&user.id))
            .or_default()
            .directory_users
            .push(user.clone());
    }
    for link in &input.links {
        pieces
            .entry(at(&link.target))
            .or_default()
            .links
            .push(link.clone());
    }
    pieces.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_user_of_another_connection_exempt_or_protected_is_archived(seed in seeds()) {
        let mut site = site(&seed);
        check_archives(&site)?;
        site.sync();
        check_archives(&site)?;
        site.settings.scope = PlanScope::Incremental;
        check_archives(&site)?;
    }

    #[test]
    fn plan_is_empty_after_it_was_applied(seed in seeds()) {
        let mut site = site(&seed);
        site.sync();
        let before = site.directory();
        let again = site.sync();
        prop_assert_eq!(effects(&again), Vec::<&scimkit_provision::sync::Step>::new());
        prop_assert_eq!(before, site.directory());
    }

    #[test]
    fn plan_does_not_depend_on_order(seed in seeds()) {
        let mut site = site(&seed);
        let forwards = site.plan();
        let input = &mut site.input;
        input.users.reverse();
        input.groups.reverse();
        input.links.reverse();
        input.directory_users.reverse();
        input.directory_groups.reverse();
        let backwards = site.plan();
        prop_assert_eq!(forwards.hash, backwards.hash);
        prop_assert_eq!(forwards, backwards);
    }

    #[test]
    fn plan_is_that_of_its_pieces(mut seed in seeds()) {
        // Groups have members in all pieces, and seats are given after them.
        seed.groups.clear();
        seed.existing_groups.clear();
        seed.capacity = None;
        let site = site(&seed);
        let whole = site.plan();
        let mut steps = Vec::new();
        let mut archivable = 0;
        for piece in pieces(&site.input) {
            let plan = plan(&piece, &site.settings, &site.exemptions);
            archivable += plan.counts.values().map(|counts| counts.archivable).sum::<u64>();
            steps.extend(plan.steps);
        }
        steps.sort_by(|a, b| a.key.cmp(&b.key));
        prop_assert_eq!(whole.steps, steps);
        prop_assert_eq!(whole.counts.values().map(|counts| counts.archivable).sum::<u64>(), archivable);
    }

    #[test]
    fn aborted_apply_that_is_continued_has_the_same_end(seed in seeds(), part in 0..20_usize) {
        let mut whole = site(&seed);
        let mut aborted = whole.clone();
        whole.sync();
        let plan = aborted.plan();
        aborted.apply(&plan, part.min(plan.steps.len()));
        aborted.sync();
        prop_assert_eq!(whole.directory(), aborted.directory());
        prop_assert_eq!(effects(&aborted.plan()).len(), 0);
    }

    #[test]
    fn keys_of_steps_are_unique(seed in seeds()) {
        let plan = site(&seed).plan();
        let keys: BTreeSet<_> = plan.steps.iter().map(|step| &step.key).collect();
        prop_assert_eq!(keys.len(), plan.steps.len());
    }
}
