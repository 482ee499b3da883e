//! The recorded changes.

use scimkit_registry::{Edge, EdgeEdit};
use scimkit_store::{
    Batch, ConnectionId, DeletePolicy, ExpectedVersion, JournalLevel, JournalQuery, OnFailure,
    StoreError, WriteOp, WriteOutcome,
};
use serde_json::json;

use super::{
    JournalCheck,
    log::{Log, number, resource, told},
};
use crate::contract::fixture::{ensure, ensure_eq, said, second};

pub(super) const CHECKS: &[JournalCheck] = &[
    JournalCheck {
        name: "every_change_has_one_entry",
        run: changes,
    },
    JournalCheck {
        name: "uncommitted_write_has_no_entry",
        run: nothing,
    },
    JournalCheck {
        name: "large_membership_changes_are_split_into_parts",
        run: parts,
    },
    JournalCheck {
        name: "passwords_and_masked_values_are_never_recorded",
        run: masks,
    },
    JournalCheck {
        name: "level_off_leaves_a_reported_gap",
        run: off,
    },
    JournalCheck {
        name: "entries_are_found_by_resource_and_by_connection",
        run: filters,
    },
    JournalCheck {
        name: "journals_of_tenants_are_separate",
        run: tenants,
    },
];

fn changes(log: &Log<'_>) -> Result<(), String> {
    let log = log.through("idp");
    let fixture = &log.fixture;
    log.user(1, "u1")?;
    log.user(1, "u2")?;
    log.group(2, "g1", &["u1", "u2"])?;
    let title = fixture.setting(&fixture.user, [("title", json!("Dr"))])?;
    let stored = fixture.update(second(3), "u1", title.clone(), WriteOutcome::Updated)?;
    ensure_eq!(number(stored.version.as_str())?, 4, "a version");
    fixture.update(second(4), "u1", title, WriteOutcome::Unchanged)?;
    let change = fixture.members(&[], &["u2"])?;
    fixture.update(second(5), "g1", change, WriteOutcome::Updated)?;
    fixture.delete(second(6), &fixture.user, "u1")?;
    let retiring = fixture.under(|settings| settings.policy.delete_policy = DeletePolicy::Soft);
    retiring.delete(second(7), &fixture.user, "u2")?;
    let (entries, chain) = log.verified()?;
    let expected = [
        "1.0 created u1",
        "2.0 created u2",
        "3.0 created g1",
        "4.0 updated u1",
        "5.0 members-changed g1",
        "6.0 deleted u1",
        "6.1 members-changed g1",
        "7.0 soft-deleted u2",
    ];
    ensure_eq!(told(&entries), expected, "the entries");
    ensure_eq!(chain.blanked, 0, "blanked entries");
    for (entry, at) in entries.iter().zip([1, 1, 2, 3, 5, 6, 6, 7]) {
        ensure_eq!(entry.at, second(at), "the time of entry {}", entry.number);
        let connection = Some(ConnectionId::from("idp"));
        ensure_eq!(entry.cause.connection, connection, "its connection");
    }
    ensure_eq!(log.after(5)?, entries.get(5..).unwrap_or_default(), "later");
    Ok(())
}

fn nothing(log: &Log<'_>) -> Result<(), String> {
    let log = log.level(JournalLevel::Full);
    let fixture = &log.fixture;
    log.user(1, "u1")?;
    let create = |id: &str, name: &str| {
        Ok::<_, String>(WriteOp::Create {
            change: fixture.body(&fixture.user, json!({"userName": name}))?,
            existing_match: None,
            id: resource(id),
        })
    };
    let stale = WriteOp::Delete {
        expect: ExpectedVersion::OneOf(Vec::new()),
        id: resource("u1"),
        kind: fixture.user.clone(),
    };
    let answers = fixture.write(second(2), vec![create("u2", "u1")?, stale])?;
    ensure!(answers.iter().all(Result::is_err), "{answers:?}");
    let batch = Batch::new(second(2), vec![create("u2", "u2")?, create("u3", "u1")?]);
    fixture.carry_out(batch.with_on_failure(OnFailure::RollBack))?;
    if fixture.store.support(&fixture.user).check {
        let batch = Batch::new(second(2), vec![create("u2", "u2")?]).check_only();
        fixture.carry_out(batch)?;
    }
    ensure_eq!(log.user(3, "u4")?, 2, "the next number");
    let (entries, _) = log.verified()?;
    let expected = ["1.0 created u1", "2.0 created u4"];
    ensure_eq!(told(&entries), expected, "the entries");
    Ok(())
}

fn parts(log: &Log<'_>) -> Result<(), String> {
    let fixture = log.fixture.accepting();
    let body = json!({"displayName": "g1"});
    fixture.create(second(1), &fixture.group, "g1", body)?;
    let ids = || (0..2_500).map(|n| format!("m{n:04}"));
    let add = ids().map(Edge::to).collect();
    let remove = Vec::new();
    let change = fixture.edit(EdgeEdit::Delta { add, remove })?;
    fixture.update(second(2), "g1", change, WriteOutcome::Updated)?;
    let (entries, _) = log.verified()?;
    let expected = [
        "1.0 created g1",
        "2.0 members-changed g1",
        "2.1 members-changed g1",
        "2.2 members-changed g1",
    ];
    ensure_eq!(told(&entries), expected, "the entries");
    let mut added = Vec::new();
    for entry in entries.iter().skip(1) {
        let details = entry.details().map_err(|e| e.to_string())?;
        let members = details.unwrap_or_default().members;
        let members = members.iter().flat_map(|change| &change.added);
        let members: Vec<_> = members.map(|member| member.id.to_string()).collect();
        ensure!(members.len() <= 1_000, "a part has more than 1,000 members");
        added.extend(members);
    }
    ensure_eq!(added, ids().collect::<Vec<_>>(), "the members");
    Ok(())
}

fn masks(log: &Log<'_>) -> Result<(), String> {
    for level in [JournalLevel::Notice, JournalLevel::Full] {
        let name = format!("{level:?}").to_lowercase();
        let log = log.tenant(&name).level(level);
        let fixture = log.fixture.under(|settings| {
            settings.policy.journal.masked = vec!["nickName".to_owned(), "name".to_owned()];
        });
        let body = json!({
            "userName": "shown-1", "password": "s3cret-1", "nickName": "hidden-1",
            "name": {"familyName": "hidden-2"},
        });
        fixture.create(second(1), &fixture.user, "u1", body)?;
        let values = [
            ("password", json!("s3cret-2")),
            ("nickName", json!("hidden-3")),
            ("title", json!("shown-2")),
        ];
        let change = fixture.setting(&fixture.user, values)?;
        fixture.update(second(2), "u1", change, WriteOutcome::Updated)?;
        let change = fixture.setting(&fixture.user, [("password", json!("s3cret-3"))])?;
        fixture.update(second(3), "u1", change, WriteOutcome::Updated)?;
        let (entries, _) = log.verified()?;
        let bodies = entries.iter().filter_map(|entry| entry.body.as_ref());
        let text: String = bodies.map(|body| body.text.as_str()).collect();
        ensure!(!text.contains("s3cret"), "a password is recorded: {text}");
        ensure!(!text.contains("hidden"), "a mask is ignored: {text}");
        let is_full = level == JournalLevel::Full;
        ensure_eq!(text.contains("shown-1"), is_full, "a value in {text}");
        ensure_eq!(text.contains("shown-2"), is_full, "a value in {text}");
        ensure!(text.contains("password"), "a change is not named: {text}");
    }
    Ok(())
}

fn off(log: &Log<'_>) -> Result<(), String> {
    let quiet = log.level(JournalLevel::Off);
    log.user(1, "u1")?;
    ensure_eq!(log.after(0)?.len(), 1, "entries");
    quiet.user(2, "u2")?;
    ensure_eq!(log.user(3, "u3")?, 3, "a number");
    let (entries, _) = log.verified()?;
    let expected = ["1.0 created u1", "3.0 created u3"];
    ensure_eq!(told(&entries), expected, "the entries");
    for after in [0, 1] {
        let position = scimkit_store::JournalPosition::end_of(after);
        let read = log.read(&JournalQuery::after(position))?;
        ensure!(
            read.page().is_none(),
            "the gap after {after} is not reported"
        );
    }
    ensure_eq!(told(&log.after(2)?), ["3.0 created u3"], "after the gap");
    Ok(())
}

fn filters(log: &Log<'_>) -> Result<(), String> {
    let okta = log.through("okta");
    for n in 0..3 {
        log.user(n, &format!("u{n}"))?;
        okta.user(n, &format!("v{n}"))?;
    }
    log.group(4, "g1", &["u0", "v0"])?;
    okta.fixture.delete(second(5), &okta.fixture.user, "u0")?;
    let told_of = |query: JournalQuery| Ok::<_, String>(told(&log.page(&query)?.entries));
    let of_group = JournalQuery::oldest().with_resource("Group", resource("g1"));
    let expected = ["7.0 created g1", "8.1 members-changed g1"];
    ensure_eq!(told_of(of_group)?, expected, "entries about a group");
    let none = JournalQuery::oldest().with_resource("User", resource("g1"));
    ensure_eq!(told_of(none)?, Vec::<String>::new(), "another type");
    let by_okta = JournalQuery::latest().with_connection(ConnectionId::from("okta"));
    let expected = ["8.1 members-changed g1", "8.0 deleted u0", "6.0 created v2"];
    let page = log.page(&by_okta.with_limit(3))?;
    ensure_eq!(told(&page.entries), expected, "the latest by a connection");
    ensure!(page.has_more, "more by the connection");
    let latest = log.page(&JournalQuery::latest().with_limit(1))?;
    let start = scimkit_store::JournalStart::Before(latest.end().unwrap_or_default());
    let before = log.page(&JournalQuery::from(start).with_limit(2))?;
    let expected = ["8.0 deleted u0", "7.0 created g1"];
    ensure_eq!(told(&before.entries), expected, "entries before the last");
    Ok(())
}

fn tenants(log: &Log<'_>) -> Result<(), String> {
    let other = log.tenant("other");
    log.user(1, "u1")?;
    other.user(1, "u1")?;
    other.user(1, "u2")?;
    let expected = ["1.0 created u1"];
    ensure_eq!(told(&log.verified()?.0), expected, "the journal of one");
    ensure_eq!(other.verified()?.0.len(), 2, "the journal of the other");
    ensure_eq!(
        log.tenant("nobody").all()?.len(),
        0,
        "the journal of a missing tenant"
    );
    let erased = log.run(log.store.erase_tenant(other.id()))?;
    erased.map_err(|e: StoreError| said(&e))?;
    ensure_eq!(log.verified()?.0.len(), 1, "one once the other is erased");
    Ok(())
}
