//! Guards.

use scimkit_provision::sync::{ConnectionCounts, GroupLoss, GuardBase, GuardLimits, TrippedGuard};
use scimkit_store::ConnectionId;
use serde_json::json;

use super::site::{ENTRA, Site};

fn tripped(archived: u64, base: GuardBase) -> Vec<String> {
    let mut counts = ConnectionCounts::default();
    counts.users.archived = archived;
    let tripped = GuardLimits::default().check(&counts, base);
    tripped.iter().map(ToString::to_string).collect()
}

fn base(archivable: u64, state_users: u64, last: Option<u64>) -> GuardBase {
    GuardBase {
        archivable,
        state_users,
        last_state_users: last,
    }
}

#[test]
fn more_than_a_fifth_archived_blocks_from_100_users_on() {
    assert_eq!(tripped(20, base(100, 80, None)), [""; 0]);
    assert_eq!(
        tripped(21, base(100, 80, None)),
        ["21 of 100 users would be archived"]
    );
    assert_eq!(tripped(99, base(99, 80, None)), [""; 0]);
}

#[test]
fn more_than_500_archived_blocks() {
    assert_eq!(tripped(500, base(10_000, 9_500, None)), [""; 0]);
    assert_eq!(
        tripped(501, base(10_000, 9_499, None)),
        ["501 users would be archived"]
    );
}

#[test]
fn state_that_shrank_by_more_than_half_blocks_from_10_users_on() {
    assert_eq!(tripped(0, base(0, 5, Some(10))), [""; 0]);
    assert_eq!(
        tripped(0, base(0, 4, Some(10))),
        ["the provisioned state has 4 users after 10"]
    );
    assert_eq!(tripped(0, base(0, 1, Some(9))), [""; 0]);
}

#[test]
fn empty_state_archives_nobody_even_in_a_small_company() {
    assert_eq!(
        tripped(3, base(3, 0, Some(3))),
        ["the provisioned state has no users"]
    );
    assert_eq!(tripped(0, base(3, 0, Some(3))), [""; 0]);
}

#[test]
fn group_that_loses_more_than_half_of_its_members_blocks_from_20_members_on() {
    for (members, kept, is_tripped) in [(20, 10, false), (20, 9, true), (19, 0, false)] {
        let mut site = Site::new();
        site.rules(|rules| rules.groups = super::site::mirrored());
        let ids: Vec<_> = (0..members).map(|id| id.to_string()).collect();
        for id in &ids {
            site.user(id, json!({"userName": format!("{id}@x.org")}));
        }
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        site.group("g", "Staff", &ids);
        site.sync();
        site.group("g", "Staff", &ids[..kept]);
        let counts = &site.plan().counts[&ConnectionId::from(ENTRA)];
        let lost = members - kept;
        let loss = GroupLoss {
            name: "Staff".to_owned(),
            lost: lost as u64,
            members: members as u64,
        };
        let expected: Vec<_> = is_tripped
            .then_some(TrippedGuard::MembersLost(loss))
            .into_iter()
            .collect();
        let base = base(0, members as u64, None);
        assert_eq!(
            GuardLimits::default().check(counts, base),
            expected,
            "{members} members, {kept} kept"
        );
    }
}

#[test]
fn more_than_1000_derived_groups_block() {
    let mut site = Site::new();
    site.rules(|rules| rules.groups = super::site::by_country(None));
    site.rules(|rules| rules.limits.derived_groups_most = 2);
    for country in ["AT", "DE", "CH"] {
        let address = json!([{"type": "work", "country": country}]);
        site.user(
            country,
            json!({"userName": format!("{country}@x.org"), "addresses": address}),
        );
    }
    let counts = &site.plan().counts[&ConnectionId::from(ENTRA)];
    let limits = &site.settings.connections[&ConnectionId::from(ENTRA)].limits;
    assert_eq!(
        limits.check(counts, base(0, 3, None)),
        [TrippedGuard::DerivedGroups { groups: 3 }]
    );
    assert_eq!(GuardLimits::default().derived_groups_most, 1_000);
}

#[test]
fn base_is_the_active_users_that_the_run_may_archive() {
    let mut site = Site::new();
    site.authoritative();
    site.existing("1", json!({"email": "1@x.org"}))
        .existing("2", json!({"email": "2@x.org"}));
    site.existing("3", json!({"email": "3@x.org"}))
        .existing("4", json!({"email": "4@x.org"}));
    site.existing("5", json!({"email": "5@x.org"}))
        .existing("6", json!({"email": "6@x.org"}));
    site.user_mut("4").is_protected = true;
    site.user_mut("5").is_archived = true;
    site.exempt("3@x.org").link_of("okta", "other", "6");
    site.user("a", json!({"userName": "1@x.org"}))
        .link_of(ENTRA, "gone", "2");
    let counts = &site.plan().counts[&ConnectionId::from(ENTRA)];
    assert_eq!((counts.archivable, counts.state_users), (2, 1));
}
