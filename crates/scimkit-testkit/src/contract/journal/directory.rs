//! Changes of tenants, connections and tokens in the journal.

use scimkit_store::{
    Cause, Connection, ConnectionId, JournalAction, JournalQuery, Stamp, StoreError, Tenant,
    TenantEntry, TokenRecord,
};

use super::{
    JournalCheck,
    log::{Log, told},
};
use crate::contract::fixture::{ensure, ensure_eq, said, second};

pub(super) const CHECKS: &[JournalCheck] = &[
    JournalCheck {
        name: "changes_of_tenants_connections_and_tokens_are_recorded",
        run: entries,
    },
    JournalCheck {
        name: "release_is_one_entry_with_parts",
        run: release,
    },
];

fn put(
    log: &Log<'_>,
    at: i64,
    entries: Vec<TenantEntry>,
) -> Result<Result<(), StoreError>, String> {
    let stamp = Stamp::new(second(at)).with_cause(Cause::application().with_actor("admin"));
    log.run(log.store.put(entries, stamp))
}

fn kept(log: &Log<'_>, at: i64, entries: Vec<TenantEntry>) -> Result<(), String> {
    let put = put(log, at, entries)?;
    put.map_err(|e| format!("put: {}", said(&e)))
}

fn tenant(log: &Log<'_>) -> Tenant {
    Tenant::new(log.id().clone(), "Acme", second(0))
}

fn connection(log: &Log<'_>, id: &str) -> Connection {
    let id = ConnectionId::from(id);
    Connection::new(log.id().clone(), id, "Their IdP", second(0))
}

fn entries(log: &Log<'_>) -> Result<(), String> {
    let idp = connection(log, "idp");
    let mut token = TokenRecord::new(&idp, "t1", [1; 32], second(0));
    let new = [
        TenantEntry::Tenant(tenant(log)),
        TenantEntry::Connection(idp),
        TenantEntry::Token(token.clone()),
    ];
    kept(log, 1, new.to_vec())?;
    let again = put(
        log,
        2,
        vec![
            TenantEntry::Token(token.clone()),
            TenantEntry::Tenant(tenant(log)),
        ],
    )?;
    ensure!(again.is_err(), "an entry of another revision");
    let used = log.run(log.store.record_token_use(&[1; 32], second(3)))?;
    used.map_err(|e| said(&e))?;
    ensure_eq!(log.user(4, "u1")?, 4, "the number of a resource");
    token.revision = 1;
    token.revoked_at = Some(second(5));
    kept(log, 5, vec![TenantEntry::Token(token)])?;
    let (entries, _) = log.verified()?;
    let expected = [
        "1.0 created tenant",
        "2.0 created idp",
        "3.0 created t1",
        "4.0 created u1",
        "5.0 updated t1",
    ];
    ensure_eq!(told(&entries), expected, "the entries");
    let last = entries.last().ok_or("no entry")?;
    ensure_eq!(last.at, second(5), "the time of a change");
    ensure_eq!(last.cause.actor.as_deref(), Some("admin"), "its actor");
    let details = last.details().map_err(|e| e.to_string())?;
    let details = details.ok_or("no details")?;
    let changed: Vec<_> = details.attributes.iter().map(|one| &*one.path).collect();
    ensure_eq!(changed, ["revoked"], "the changes of a token");
    let bodies = entries.iter().filter_map(|entry| entry.body.as_ref());
    let text: String = bodies.map(|body| body.text.as_str()).collect();
    ensure!(!text.contains("Acme"), "a name is recorded: {text}");
    Ok(())
}

fn release(log: &Log<'_>) -> Result<(), String> {
    let idp = connection(log, "idp");
    let token = TokenRecord::new(&idp, "t1", [1; 32], second(0));
    let new = [
        TenantEntry::Tenant(tenant(log)),
        TenantEntry::Connection(idp),
        TenantEntry::Token(token),
    ];
    kept(log, 1, new.to_vec())?;
    let through = log.through("idp");
    through.user(2, "u1")?;
    log.user(2, "u2")?;
    through.group(2, "g1", &["u1"])?;
    let id = ConnectionId::from("idp");
    let removed = log
        .store
        .remove_connection(log.id(), &id, Stamp::new(second(3)));
    log.run(removed)?.map_err(|e| said(&e))?;
    let missing = log
        .store
        .remove_connection(log.id(), &id, Stamp::new(second(4)));
    ensure!(log.run(missing)?.is_err(), "a second removal");
    ensure_eq!(log.user(5, "u3")?, 8, "the next number");
    let (entries, _) = log.verified()?;
    let parts: Vec<_> = entries.into_iter().filter(|e| e.number == 7).collect();
    let expected = ["7.0 deleted idp", "7.1 deleted t1", "7.2 released idp"];
    ensure_eq!(told(&parts), expected, "the parts of a release");
    let released = parts.iter().find(|e| e.action == JournalAction::Released);
    let details = released.and_then(|entry| entry.details().ok().flatten());
    let released = details.unwrap_or_default().released;
    let released: Vec<_> = released
        .iter()
        .map(|resource| (&*resource.kind, resource.id.as_str()))
        .collect();
    let expected = [("Group", "g1"), ("User", "u1")];
    ensure_eq!(released, expected, "the released resources");
    let about = JournalQuery::latest().with_connection(id).with_limit(1);
    let about = log.page(&about)?;
    ensure_eq!(
        told(&about.entries),
        ["7.2 released idp"],
        "the last about it"
    );
    Ok(())
}
