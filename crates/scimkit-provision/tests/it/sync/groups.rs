//! Groups: mirrored, derived and fixed.

use scimkit_provision::sync::{Category, GroupSource, LinkSource, MemberChange, StepSubject};
use scimkit_store::ConnectionId;
use serde_json::{Value, json};

use super::site::{ENTRA, Site, by_country, effects, lines, mirrored, of};

fn groups_of(site: &Site, email: &str) -> Vec<String> {
    let directory = site.directory();
    let found = directory
        .values()
        .find(|(fields, ..)| fields["email"] == email);
    found.unwrap().2.clone()
}

fn from(country: &str, name: &str) -> Value {
    json!({"userName": name, "addresses": [{"type": "work", "country": country}]})
}

fn group_names(site: &Site) -> Vec<&str> {
    let groups = site.input.directory_groups.iter();
    groups
        .map(|group| group.fields["name"].as_str().unwrap())
        .collect()
}

fn mirroring() -> Site {
    let mut site = Site::new();
    site.rules(|rules| rules.groups = mirrored());
    site
}

#[test]
fn mirrored_group_is_created_with_new_members_and_follows_the_provider() {
    let mut site = mirroring();
    site.user("1", json!({"userName": "a@x.org"}))
        .user("2", json!({"userName": "b@x.org"}));
    site.group("g", "Staff", &["1", "2"]);
    let plan = site.sync();
    let counts = &plan.counts[&ConnectionId::from(ENTRA)];
    assert_eq!((counts.groups.created, counts.memberships.added), (1, 2));
    assert_eq!(groups_of(&site, "b@x.org"), ["Staff"]);
    assert_eq!(effects(&site.plan()).len(), 0);

    site.group("g", "Crew", &["1"]);
    let plan = site.sync();
    assert_eq!(
        plan.counts[&ConnectionId::from(ENTRA)].memberships.removed,
        1
    );
    assert_eq!(groups_of(&site, "a@x.org"), ["Crew"]);
    assert_eq!(groups_of(&site, "b@x.org"), [""; 0]);
}

#[test]
fn local_members_of_a_mirrored_group_are_removed_and_exempt_ones_stay() {
    let mut site = mirroring();
    site.existing("7", json!({"email": "local@x.org"}))
        .existing("8", json!({"email": "exempt@x.org"}));
    site.existing_group("70", "Staff", &["7", "8"])
        .exempt("exempt@x.org");
    site.user("1", json!({"userName": "a@x.org"}))
        .group("g", "staff", &["1"]);
    site.sync();
    assert_eq!(groups_of(&site, "a@x.org"), ["staff"]);
    assert_eq!(groups_of(&site, "local@x.org"), [""; 0]);
    assert_eq!(groups_of(&site, "exempt@x.org"), ["staff"]);
}

#[test]
fn members_that_are_rejected_or_not_in_the_directory_are_left_out() {
    let mut site = mirroring();
    site.existing("7", json!({"email": "a@x.org"}))
        .existing_group("70", "Staff", &["7"]);
    site.user("1", json!({"userName": "a@x.org"}))
        .user("2", json!({"userName": "A@x.org"}));
    site.user("3", json!({"userName": "c@x.org", "active": false}));
    site.group("g", "Staff", &["1", "2", "3", "unknown"]);
    let plan = site.sync();
    assert_eq!(
        plan.steps
            .iter()
            .filter(|step| step.key.subject == StepSubject::Membership)
            .count(),
        0
    );
    assert_eq!(groups_of(&site, "a@x.org"), ["Staff"]);
}

#[test]
fn deleted_mirrored_group_goes_if_a_run_created_it_and_is_emptied_otherwise() {
    let mut site = mirroring();
    site.user("1", json!({"userName": "a@x.org"}))
        .existing_group("70", "Old", &[]);
    site.group("g", "New", &["1"]).group("h", "Old", &["1"]);
    site.sync();
    assert_eq!(groups_of(&site, "a@x.org"), ["New", "Old"]);
    site.input.groups.clear();
    let plan = site.sync();
    assert_eq!(of(&plan, Category::Archived), ["New"]);
    assert_eq!(group_names(&site), ["Old"]);
    assert_eq!(groups_of(&site, "a@x.org"), [""; 0]);
    assert_eq!(effects(&site.plan()).len(), 0);
}

#[test]
fn groups_stay_as_they_are_when_a_connection_no_longer_delivers_them() {
    let mut site = mirroring();
    site.user("1", json!({"userName": "a@x.org"}))
        .group("g", "Staff", &["1"]);
    site.sync();
    site.input.groups.clear();
    site.rules(|rules| rules.groups = GroupSource::None);
    assert_eq!(effects(&site.sync()).len(), 0);
    assert_eq!(groups_of(&site, "a@x.org"), ["Staff"]);
}

#[test]
fn two_groups_that_match_one_are_rejected() {
    let mut site = mirroring();
    site.existing_group("70", "Staff", &[]);
    site.group("g", "Staff", &[]).group("h", "staff", &[]);
    assert_eq!(
        lines(&site.plan()),
        [
            "rejected Staff: `Staff` (70) is also matched by `staff` (h)",
            "rejected staff: `Staff` (70) is also matched by `Staff` (g)",
        ]
    );
}

#[test]
fn derived_groups_have_the_raw_values_and_users_move_when_theirs_changes() {
    let mut site = Site::new();
    site.rules(|rules| rules.groups = by_country(None));
    site.user("1", from("UK", "a@x.org"))
        .user("2", from("DE", "b@x.org"))
        .user("3", json!({"userName": "c@x.org"}));
    site.sync();
    assert_eq!(group_names(&site), ["DE", "UK"]);
    assert_eq!(groups_of(&site, "a@x.org"), ["UK"]);
    assert_eq!(groups_of(&site, "c@x.org"), [""; 0]);
    assert_eq!(effects(&site.plan()).len(), 0);

    site.user("1", from("DE", "a@x.org"));
    site.sync();
    assert_eq!(groups_of(&site, "a@x.org"), ["DE"]);
    // An emptied group stays.
    assert_eq!(group_names(&site), ["DE", "UK"]);
    assert!(
        site.input
            .links
            .iter()
            .any(|link| link.source == LinkSource::Value("UK".to_owned()))
    );
    assert_eq!(effects(&site.plan()).len(), 0);
}

#[test]
fn users_without_a_value_are_in_the_fallback_group() {
    let mut site = Site::new();
    site.rules(|rules| rules.groups = by_country(Some("Elsewhere")));
    site.user("1", from(" ", "a@x.org"))
        .user("2", json!({"userName": "b@x.org"}));
    site.sync();
    assert_eq!(groups_of(&site, "a@x.org"), ["Elsewhere"]);
    assert_eq!(groups_of(&site, "b@x.org"), ["Elsewhere"]);
}

#[test]
fn derived_group_takes_over_the_existing_group_and_keeps_members_that_are_not_delivered() {
    let mut site = Site::new();
    site.rules(|rules| rules.groups = by_country(None));
    site.existing("7", json!({"email": "local@x.org"}))
        .existing("8", json!({"email": "b@x.org"}));
    site.existing_group("70", "UK", &["7", "8"])
        .existing_group("71", "uk", &[]);
    site.user("1", from("UK", "a@x.org"))
        .user("2", from("DE", "b@x.org"));
    site.sync();
    assert_eq!(groups_of(&site, "local@x.org"), ["UK"]);
    assert_eq!(groups_of(&site, "a@x.org"), ["UK"]);
    assert_eq!(groups_of(&site, "b@x.org"), ["DE"]);
}

#[test]
fn fixed_group_has_all_users() {
    let mut site = Site::new();
    site.rules(|rules| rules.groups = GroupSource::Fixed("SCIM".to_owned()));
    site.user("1", json!({"userName": "a@x.org"}))
        .user("2", json!({"userName": "b@x.org"}));
    site.sync();
    assert_eq!(groups_of(&site, "a@x.org"), ["SCIM"]);
    assert_eq!(groups_of(&site, "b@x.org"), ["SCIM"]);
}

#[test]
fn long_membership_is_changed_in_several_steps() {
    let mut site = mirroring();
    let ids: Vec<_> = (0..1_001).map(|id| format!("{id:04}")).collect();
    for id in &ids {
        site.user(id, json!({"userName": format!("{id}@x.org")}));
    }
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    site.group("g", "All", &ids);
    let plan = site.sync();
    let steps = plan
        .steps
        .iter()
        .filter(|step| step.key.subject == StepSubject::Membership);
    let parts: Vec<_> = steps
        .map(|step| (step.key.part, step.members.len()))
        .collect();
    assert_eq!(parts, [(0, 1_000), (1, 1)]);
    let added = |change: &MemberChange| matches!(change, MemberChange::Add { .. });
    assert!(plan.steps.iter().flat_map(|step| &step.members).all(added));
    assert_eq!(effects(&site.plan()).len(), 0);
}
