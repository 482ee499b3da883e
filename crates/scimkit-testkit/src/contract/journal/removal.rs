//! Tenants and resources that are removed, and tenants that are imported.

use std::{io::Cursor, sync::Arc};

use scimkit_store::{
    Archive, DeletePolicy, JournalLevel, JournalPosition, JournalQuery, JournalRead, LeaseAnswer,
    archive::{ArchiveOptions, export_to, import_from},
};
use serde_json::json;

use super::{
    JournalCheck,
    log::{Log, told},
};
use crate::contract::fixture::{ensure, ensure_eq, said, second};

pub(super) const CHECKS: &[JournalCheck] = &[
    JournalCheck {
        name: "erasing_a_tenant_removes_its_journal",
        run: erase,
    },
    JournalCheck {
        name: "purging_resources_blanks_their_entries",
        run: purge,
    },
    JournalCheck {
        name: "imported_tenant_starts_with_an_empty_journal",
        run: imported,
    },
];

fn erase(log: &Log<'_>) -> Result<(), String> {
    log.user(1, "u1")?;
    log.user(1, "u2")?;
    let lease = log.granted("one", 1)?;
    log.advanced(&lease, 2)?;
    let erased = log.run(log.store.erase_tenant(log.id()))?;
    erased.map_err(|e| said(&e))?;
    ensure_eq!(log.all()?.len(), 0, "entries");
    ensure_eq!(log.user(2, "u1")?, 1, "the first number");
    ensure_eq!(told(&log.verified()?.0), ["1.0 created u1"], "the journal");
    ensure_eq!(log.granted("two", 3)?.cursor, 0, "the cursor of a consumer");
    Ok(())
}

fn purge(log: &Log<'_>) -> Result<(), String> {
    let log = log.level(JournalLevel::Full);
    let retiring = log
        .fixture
        .under(|settings| settings.policy.delete_policy = DeletePolicy::Soft);
    for id in ["stays", "gone-softly", "gone-later", "gone-for-good"] {
        log.user(1, id)?;
    }
    let user = &log.fixture.user;
    let members = ["stays", "gone-softly"].map(|id| json!({"value": id}));
    let body = json!({"displayName": "g", "members": members});
    log.fixture
        .create(second(1), &log.fixture.group, "g", body)?;
    retiring.delete(second(2), user, "gone-softly")?;
    log.fixture.delete(second(2), user, "gone-for-good")?;
    retiring.delete(second(8), user, "gone-later")?;
    let before = log.verified()?.0;
    let purged = log.run(log.store.purge_deleted(log.id(), second(5)))?;
    let purged = purged.map_err(|e| said(&e))?;
    ensure_eq!(purged, 1, "resources that were purged");
    let (entries, chain) = log.verified()?;
    ensure_eq!(told(&entries), told(&before), "the entries");
    ensure_eq!(chain.blanked, 4, "blanked entries");
    for entry in &entries {
        let id = entry.subject.columns().id;
        let is_blanked = ["gone-softly", "gone-for-good"].contains(&id);
        let (number, part) = (entry.number, entry.part);
        ensure_eq!(entry.body.is_none(), is_blanked, "{number}.{part} of {id}");
    }
    let latest = log.page(&JournalQuery::latest())?;
    ensure!(!latest.entries.is_empty(), "entries from the end");
    Ok(())
}

fn imported(log: &Log<'_>) -> Result<(), String> {
    log.user(1, "u1")?;
    log.user(1, "u2")?;
    let lines = |log: &Log<'_>| {
        let store: Arc<dyn Archive> = Arc::clone(&log.store) as Arc<dyn Archive>;
        let tenant = log.id().clone();
        let options = ArchiveOptions::default();
        let exported = log.run(Box::pin(async move {
            export_to(&*store, &tenant, &options, Vec::new()).await
        }))?;
        exported.map(|(lines, _)| lines).map_err(|e| e.to_string())
    };
    let exported = lines(log)?;
    let lease = log.granted("one", 1)?;
    log.advanced(&lease, 2)?;
    let erased = log.run(log.store.erase_tenant(log.id()))?;
    erased.map_err(|e| said(&e))?;
    let store = Arc::clone(&log.store);
    let context = log.fixture.context.clone();
    let input = Cursor::new(exported.clone());
    let done = log.run(Box::pin(async move {
        let store: Arc<dyn Archive> = store as Arc<dyn Archive>;
        import_from(&*store, &context, &ArchiveOptions::default(), input).await
    }))?;
    done.map_err(|e| e.to_string())?;
    ensure_eq!(lines(log)?, exported, "the tenant exported again");
    ensure_eq!(log.all()?.len(), 0, "entries of an imported tenant");
    let read = log.read(&JournalQuery::after(JournalPosition::default()))?;
    ensure_eq!(read, JournalRead::Resync { to: 2 }, "a read from the start");
    let leased = log.lease("two", 2)?;
    let is_told = matches!(leased, LeaseAnswer::Resync { to: 2, .. });
    ensure!(is_told, "a consumer of an imported tenant: {leased:?}");
    ensure_eq!(log.user(3, "u3")?, 3, "the next number");
    ensure_eq!(told(&log.verified()?.0), ["3.0 created u3"], "the journal");
    Ok(())
}
