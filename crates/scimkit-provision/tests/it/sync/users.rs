//! Users: who is created, changed, archived, restored and rejected.

use scimkit_provision::sync::{
    Absence, Category, DirectoryUser, OnDelete, PlanScope, WithheldReason,
};
use scimkit_store::ConnectionId;
use serde_json::json;

use super::site::{ENTRA, Site, effects, lines, of, text_of, user_fields};

fn entry(id: &str, email: &str) -> DirectoryUser {
    let fields = json!({"email": email}).as_object().unwrap().clone();
    DirectoryUser::new(id.into(), fields)
}

#[test]
fn active_user_is_created_and_linked() {
    let mut site = Site::new();
    site.user("1", json!({"userName": "babs@x.org", "title": "Dr"}));
    let plan = site.sync();
    assert_eq!(lines(&plan), ["created babs@x.org"]);
    let user = &site.input.directory_users[0];
    assert_eq!(
        json!(user.fields),
        json!({"email": "babs@x.org", "job_title": "Dr", "source": "scim"})
    );
    assert_eq!(site.input.links[0].target, user.id);
    assert!(site.input.links[0].is_created);
    assert_eq!(lines(&site.plan()), [""; 0]);
    assert_eq!(
        site.plan().counts[&ConnectionId::from(ENTRA)]
            .users
            .unchanged,
        1
    );
}

#[test]
fn inactive_user_is_not_created() {
    let mut site = Site::new();
    site.user("1", json!({"userName": "babs@x.org", "active": false}));
    assert_eq!(lines(&site.sync()), [""; 0]);
    assert!(site.input.directory_users.is_empty());
}

#[test]
fn inactive_user_is_archived_and_restored_with_the_same_id() {
    let mut site = Site::new();
    site.existing("7", json!({"email": "Babs@x.org", "source": "hand"}));
    site.user("1", json!({"userName": "babs@x.org"}));
    assert_eq!(lines(&site.sync()), ["changed babs@x.org"]);
    site.user("1", json!({"userName": "babs@x.org", "active": false}));
    assert_eq!(
        lines(&site.sync()),
        ["archived babs@x.org: inactive at the identity provider"]
    );
    assert_eq!(site.archived(), ["7"]);
    assert_eq!(lines(&site.sync()), [""; 0]);
    site.user("1", json!({"userName": "babs@x.org", "title": "Dr"}));
    assert_eq!(lines(&site.sync()), ["restored babs@x.org"]);
    assert_eq!(site.archived(), [""; 0]);
    let user = &site.input.directory_users[0];
    assert_eq!(
        json!(user.fields),
        json!({"email": "babs@x.org", "job_title": "Dr", "source": "hand"})
    );
}

#[test]
fn deleted_user_is_archived_and_a_rehire_gets_the_same_id() {
    let mut site = Site::new();
    site.user("1", json!({"userName": "babs@x.org"}));
    site.sync();
    let id = site.input.directory_users[0].id.clone();
    site.input.users.clear();
    assert_eq!(
        lines(&site.sync()),
        ["archived babs@x.org: deleted by the identity provider"]
    );
    assert_eq!(lines(&site.sync()), [""; 0]);
    site.user("2", json!({"userName": "babs@x.org"}));
    assert_eq!(lines(&site.sync()), ["restored babs@x.org"]);
    let [link] = &site.input.links[..] else {
        panic!("{:?}", site.input.links)
    };
    assert_eq!((&link.target, link.is_created), (&id, true));
    assert_eq!(site.archived(), [""; 0]);
}

#[test]
fn deleted_users_are_removed_and_inactive_ones_archived_under_on_delete_remove() {
    let mut site = Site::new();
    site.rules(|rules| rules.on_delete = OnDelete::Remove);
    site.user("1", json!({"userName": "a@x.org"}))
        .user("2", json!({"userName": "b@x.org"}));
    site.sync();
    site.user("1", json!({"userName": "a@x.org", "active": false}));
    site.input.users.retain(|user| user.id.as_str() == "1");
    let plan = site.sync();
    assert_eq!(of(&plan, Category::Archived), ["a@x.org", "b@x.org"]);
    assert_eq!(site.input.directory_users.len(), 1);
    assert_eq!(site.input.links.len(), 1);
    // The archived user is deleted later.
    site.input.users.clear();
    site.sync();
    assert!(site.input.directory_users.is_empty() && site.input.links.is_empty());
}

#[test]
fn users_that_nobody_delivered_are_archived_by_full_runs_of_the_authoritative_connection_alone() {
    let mut site = Site::new();
    site.existing("7", json!({"email": "old@x.org"}));
    site.user("1", json!({"userName": "babs@x.org"}));
    assert_eq!(of(&site.plan(), Category::Archived), [""; 0]);

    site.rules(|rules| rules.absence = Absence::Withhold(WithheldReason::Silent));
    let plan = site.plan();
    assert_eq!(of(&plan, Category::Archived), [""; 0]);
    assert_eq!(plan.counts[&ConnectionId::from(ENTRA)].withheld, 1);

    site.authoritative();
    site.settings.scope = PlanScope::Incremental;
    assert_eq!(of(&site.plan(), Category::Archived), [""; 0]);
    site.settings.scope = PlanScope::Full;
    let lines = lines(&site.sync());
    assert_eq!(
        lines,
        [
            "created babs@x.org",
            "archived old@x.org: never sent by the identity provider"
        ]
    );
}

#[test]
fn explicit_deactivations_and_deletions_are_delivered_while_never_sent_users_are_withheld() {
    let mut site = Site::new();
    site.user("1", json!({"userName": "a@x.org"}))
        .user("2", json!({"userName": "b@x.org"}));
    site.sync();
    site.existing("7", json!({"email": "old@x.org"}));
    site.rules(|rules| rules.absence = Absence::Withhold(WithheldReason::TokenRevoked));
    site.input.users.clear();
    site.user("2", json!({"userName": "b@x.org", "active": false}));
    assert_eq!(of(&site.plan(), Category::Archived), ["b@x.org", "a@x.org"]);
}

#[test]
fn user_that_is_absent_at_one_connection_stays_if_another_delivered_it() {
    let mut site = Site::new();
    site.authoritative();
    site.existing("7", json!({"email": "a@x.org"}));
    // The connection is not part of the plan.
    site.user_of("okta", "1", json!({"userName": "a@x.org"}))
        .link_of("okta", "1", "7");
    assert_eq!(lines(&site.plan()), [""; 0]);
    // Nor does its deletion concern this plan.
    site.input.users.clear();
    assert_eq!(lines(&site.plan()), [""; 0]);
}

#[test]
fn protected_users_are_never_archived() {
    let mut site = Site::new();
    site.authoritative();
    site.entry(entry("7", "root@x.org").protected())
        .entry(entry("8", "owner@x.org").protected());
    site.user("1", json!({"userName": "root@x.org", "active": false}));
    assert_eq!(
        lines(&site.sync()),
        ["rejected root@x.org: protected by the directory"]
    );
    assert_eq!(site.archived(), [""; 0]);
}

#[test]
fn link_is_followed_before_matching_attributes() {
    let mut site = Site::new();
    site.existing("7", json!({"email": "maiden@x.org"}));
    site.existing("8", json!({"email": "other@x.org"}));
    site.user("1", json!({"userName": "married@x.org"}))
        .link_of(ENTRA, "1", "7");
    assert_eq!(lines(&site.sync()), ["changed married@x.org"]);
    assert_eq!(
        text_of(&site.input.directory_users[0], "email"),
        Some("married@x.org")
    );
}

#[test]
fn ambiguous_match_is_rejected_and_archives_no_candidate() {
    let mut site = Site::new();
    site.authoritative();
    site.existing("7", json!({"email": "a@x.org"}))
        .existing("8", json!({"email": "A@X.org"}));
    site.user("1", json!({"userName": "a@x.org"}));
    assert_eq!(
        lines(&site.plan()),
        ["rejected a@x.org: several match: `a@x.org` (7), `A@X.org` (8)"]
    );
}

#[test]
fn two_users_that_match_one_are_both_rejected_with_their_names() {
    let mut site = Site::new();
    site.authoritative();
    site.existing("7", json!({"email": "a@x.org"}));
    site.user("1", json!({"userName": "a@x.org"}))
        .user("2", json!({"userName": "A@x.org", "active": false}));
    assert_eq!(
        lines(&site.plan()),
        [
            "rejected a@x.org: `a@x.org` (7) is also matched by `A@x.org` (2)",
            "rejected A@x.org: `a@x.org` (7) is also matched by `a@x.org` (1)",
        ]
    );
}

#[test]
fn match_with_a_linked_user_is_rejected_and_the_linked_one_is_delivered() {
    let mut site = Site::new();
    site.existing("7", json!({"email": "a@x.org"}));
    site.user("1", json!({"userName": "a@x.org", "title": "Dr"}))
        .link_of(ENTRA, "1", "7");
    site.user("2", json!({"userName": "A@x.org"}));
    assert_eq!(
        lines(&site.plan()),
        [
            "changed a@x.org",
            "rejected A@x.org: `a@x.org` (7) is also matched by `a@x.org` (1)",
        ]
    );
}

#[test]
fn new_users_with_one_matching_value_are_rejected() {
    let mut site = Site::new();
    site.user("1", json!({"userName": "a@x.org"}))
        .user("2", json!({"userName": "A@x.org"}));
    assert_eq!(
        lines(&site.plan()),
        [
            "rejected a@x.org: has the same matching value as `A@x.org` (2)",
            "rejected A@x.org: has the same matching value as `a@x.org` (1)",
        ]
    );
}

#[test]
fn newcomer_may_have_the_former_address_of_a_renamed_user() {
    let mut site = Site::new();
    site.user("1", json!({"userName": "a@x.org"}));
    site.sync();
    site.user("1", json!({"userName": "b@x.org"}))
        .user("2", json!({"userName": "a@x.org"}));
    assert_eq!(lines(&site.sync()), ["changed b@x.org", "created a@x.org"]);
    assert_eq!(lines(&site.plan()), [""; 0]);
}

#[test]
fn local_edits_of_mapped_fields_are_overwritten_and_other_fields_are_never_touched() {
    let mut site = Site::new();
    site.user("1", json!({"userName": "a@x.org", "title": "Dr"}));
    site.sync();
    let id = site.input.directory_users[0].id.to_string();
    let fields = &mut site.user_mut(&id).fields;
    fields.insert("job_title".into(), json!("Boss"));
    fields.insert("desk".into(), json!("4.17"));
    fields.insert("source".into(), json!("hand"));
    assert_eq!(lines(&site.sync()), ["changed a@x.org"]);
    let fields = json!({"email": "a@x.org", "job_title": "Dr", "source": "hand", "desk": "4.17"});
    assert_eq!(json!(site.user_mut(&id).fields), fields);
}

#[test]
fn value_that_was_never_sent_is_kept_and_one_that_was_taken_away_is_cleared() {
    let mut site = Site::new();
    site.existing("7", json!({"email": "a@x.org", "job_title": "Boss"}));
    site.user("1", json!({"userName": "a@x.org"}));
    site.sync();
    assert_eq!(text_of(site.user_mut("7"), "job_title"), Some("Boss"));
    site.user("1", json!({"userName": "a@x.org", "title": "Dr"}));
    site.sync();
    assert_eq!(text_of(site.user_mut("7"), "job_title"), Some("Dr"));
    site.user("1", json!({"userName": "a@x.org"}));
    site.sync();
    assert_eq!(text_of(site.user_mut("7"), "job_title"), None);
    // From now on it is the directory's again.
    site.user_mut("7")
        .fields
        .insert("job_title".into(), json!("Boss"));
    assert_eq!(effects(&site.sync()).len(), 0);
}

#[test]
fn user_that_was_removed_from_the_directory_by_hand_is_created_again() {
    let mut site = Site::new();
    site.user("1", json!({"userName": "a@x.org"}));
    site.sync();
    site.input.directory_users.clear();
    assert_eq!(lines(&site.sync()), ["created a@x.org"]);
    assert_eq!(site.input.links.len(), 1);
}

#[test]
fn alias_addresses_are_cleared_and_listed() {
    let mut site = Site::new();
    site.rules(|rules| rules.cleared_fields = vec!["aliases".to_owned()]);
    site.existing(
        "7",
        json!({"email": "a@x.org", "aliases": ["b@x.org"], "source": "x"}),
    );
    site.user("1", json!({"userName": "a@x.org"}));
    let plan = site.sync();
    let [difference] = &plan.steps[0].differences[..] else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (difference.before.clone(), difference.after.clone()),
        (Some(json!(["b@x.org"])), None)
    );
    assert_eq!(lines(&site.plan()), [""; 0]);
}

#[test]
fn first_creates_by_id_get_the_free_seats() {
    let mut site = Site::new();
    site.settings.capacity = Some(3);
    site.existing("7", json!({"email": "a@x.org"}))
        .existing("8", json!({"email": "b@x.org"}));
    site.user("1", json!({"userName": "a@x.org", "active": false}));
    for id in ["5", "3", "4"] {
        site.user(id, json!({"userName": format!("{id}@x.org")}));
    }
    let plan = site.sync();
    assert_eq!(of(&plan, Category::Created), ["3@x.org", "4@x.org"]);
    assert_eq!(of(&plan, Category::Rejected), ["5@x.org"]);
    let seats = plan.seats.unwrap();
    assert_eq!(
        (seats.active, seats.forecast, seats.rejected.len()),
        (2, 3, 1)
    );
    assert_eq!(effects(&site.plan()).len(), 0);
}

#[test]
fn fields_are_those_of_the_connection() {
    let fields = user_fields();
    assert_eq!(fields.matching(), ["email"]);
    assert_eq!(
        fields.names().collect::<Vec<_>>(),
        ["email", "job_title", "source"]
    );
}
