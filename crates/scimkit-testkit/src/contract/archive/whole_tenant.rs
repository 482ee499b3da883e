//! Export, import and erasure of a whole tenant.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::{Edge, EdgeEdit, ResourceType};
use scimkit_store::{
    ExistingMatch, MatchScope, Query, StoreError, WriteOp, WriteOutcome,
    archive::{ArchiveOptions, Erased, TokenExport},
};
use serde_json::json;

use super::{
    ArchiveCheck,
    store_pair::{Pair, Side, id, told, with_line},
};
use crate::contract::{
    fixture::{ensure, ensure_eq, said, second},
    resources::same,
};

pub(super) const CHECKS: &[ArchiveCheck] = &[
    ArchiveCheck {
        name: "tenant_is_the_same_after_import",
        run: same_lines,
    },
    ArchiveCheck {
        name: "resources_are_the_same_after_import",
        run: same_resources,
    },
    ArchiveCheck {
        name: "lookups_work_after_import",
        run: lookups,
    },
    ArchiveCheck {
        name: "versions_are_not_reused_after_import",
        run: versions,
    },
    ArchiveCheck {
        name: "tenant_can_be_imported_under_another_id",
        run: renamed,
    },
    ArchiveCheck {
        name: "tenant_without_an_entry_is_exported",
        run: nameless,
    },
    ArchiveCheck {
        name: "members_of_a_large_group_are_exported_in_pieces",
        run: big_group,
    },
    ArchiveCheck {
        name: "tokens_can_be_left_out",
        run: without_tokens,
    },
    ArchiveCheck {
        name: "erasure_removes_only_its_tenant",
        run: erased,
    },
    ArchiveCheck {
        name: "import_does_not_affect_other_tenants",
        run: others,
    },
];

fn same_lines(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.has_nothing()?;
    pair.from.fill(1)?;
    let exported = pair.from.export(&ArchiveOptions::default())?;
    let (lines, counts) = exported.map_err(|e| told(&e))?;
    let told = pair.to.restored(&lines)?;
    ensure_eq!(told, counts, "what was restored");
    ensure_eq!(
        (counts.connections, counts.tokens),
        (2, 2),
        "connections and tokens"
    );
    ensure_eq!(counts.deleted, 4, "soft-deleted resources");
    ensure!(counts.members > 10 && counts.resources > 60, "{counts:?}");
    ensure_eq!(pair.to.lines()?, lines, "the lines of the copy");
    // And back, into an erased tenant.
    pair.from.erase()?;
    pair.from.restored(&pair.to.lines()?)?;
    ensure_eq!(
        pair.from.lines()?,
        lines,
        "the lines of the copy of the copy"
    );
    Ok(())
}

/// Returns the ids of all resources of a type.
fn ids(side: &Side<'_>, kind: &Arc<ResourceType>) -> Result<Vec<String>, String> {
    side.fixture
        .ids(&Query::new(Arc::clone(kind)).with_page(0, 1_000))
}

fn same_resources(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(2)?;
    pair.to.restored(&pair.from.lines()?)?;
    let (before, now) = (&pair.from.fixture, &pair.to.fixture);
    for (kind, attr) in [(&before.user, "groups"), (&before.group, "members")] {
        let all = ids(&pair.from, kind)?;
        ensure_eq!(ids(&pair.to, kind)?, all, "the ids of {}", kind.name());
        let attr = before.attr(kind, attr)?;
        for id in &all {
            same(&now.read(kind, id)?, &before.read(kind, id)?)?;
            let edges = before.edges(kind, attr, &[id])?;
            ensure_eq!(now.edges(kind, attr, &[id])?, edges, "the edges of `{id}`");
        }
    }
    for id in ["u03", "x3", "x4"] {
        now.absent(&now.user, id)?;
    }
    Ok(())
}

fn lookups(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(3)?;
    pair.to.restored(&pair.from.lines()?)?;
    let fixture = &pair.to.fixture;
    let by = |filter: &str| fixture.filter(&fixture.user, filter);
    let found =
        Query::new(Arc::clone(&fixture.user)).with_predicate(by(r#"userName eq "FROM Entra""#)?);
    ensure_eq!(fixture.ids(&found)?, ["x1"], "users with the name");
    let found =
        Query::new(Arc::clone(&fixture.user)).with_predicate(by(r#"groups.value eq "x2""#)?);
    ensure!(
        fixture.ids(&found)?.contains(&"x1".to_owned()),
        "users in the group"
    );
    let create = |id: &str, name: &str, existing_match| -> Result<WriteOp, String> {
        Ok(WriteOp::Create {
            change: fixture.body(&fixture.user, json!({"userName": name}))?,
            existing_match,
            id: scimkit_registry::ResourceId::from(id),
        })
    };
    match fixture.attempt(second(50), &create("n1", "From ENTRA", None)?)? {
        Err(StoreError::Duplicate { attr }) if attr == "userName" => {}
        other => return Err(format!("a name in use: {other:?}")),
    }
    // Soft-deleted resources are restored, and resources with an owner are not adopted.
    let existing_match = ExistingMatch::new(MatchScope::Both, by(r#"userName eq "gone again""#)?);
    let back = fixture.attempt(
        second(51),
        &create("n2", "gone again", Some(Box::new(existing_match)))?,
    )?;
    let back = back.map_err(|e| said(&e))?;
    ensure_eq!(
        back.outcome,
        WriteOutcome::Restored,
        "a create that restores"
    );
    let stored = back.stored.ok_or("a create answers without the resource")?;
    ensure_eq!(stored.id, id("x3"), "the restored user");
    ensure_eq!(stored.created, second(33), "its creation");
    let existing_match =
        ExistingMatch::new(MatchScope::Adoptable, by(r#"userName eq "from entra""#)?);
    match fixture.attempt(
        second(52),
        &create("n3", "from entra", Some(Box::new(existing_match)))?,
    )? {
        Err(StoreError::Duplicate { .. }) => Ok(()),
        other => Err(format!("a match with an owner: {other:?}")),
    }
}

fn versions(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(4)?;
    let mut given = BTreeSet::new();
    for kind in [&pair.from.fixture.user, &pair.from.fixture.group] {
        for id in ids(&pair.from, kind)? {
            given.insert(pair.from.fixture.read(kind, &id)?.version);
        }
    }
    // The version after the last one of a resource belongs to a deleted resource.
    let fixture = &pair.from.fixture;
    let change = fixture.setting(&fixture.user, [("title", json!("the last one"))])?;
    let last = fixture.update(second(59), "x1", change, WriteOutcome::Updated)?;
    given.insert(last.version);
    let last = fixture.create(second(60), &fixture.user, "n1", json!({"userName": "n"}))?;
    given.insert(last.version);
    fixture.delete(second(61), &fixture.user, "n1")?;
    pair.to.restored(&pair.from.lines()?)?;
    let fixture = &pair.to.fixture;
    let new = fixture.create(second(62), &fixture.user, "n1", json!({"userName": "n"}))?;
    ensure!(!given.contains(&new.version), "{:?} again", new.version);
    Ok(())
}

fn renamed(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(5)?;
    let lines = pair.from.lines()?;
    let other = pair.to.tenant("other");
    other.restored(&lines)?;
    let expected = lines.replacen(r#""id":"acme""#, r#""id":"other""#, 1);
    ensure_eq!(other.lines()?, expected, "the lines under another name");
    pair.to.has_nothing()
}

fn nameless(pair: &Pair<'_>) -> Result<(), String> {
    let fixture = &pair.from.fixture;
    fixture.create(second(1), &fixture.user, "u1", json!({"userName": "a"}))?;
    let lines = pair.from.lines()?;
    pair.to.restored(&lines)?;
    ensure_eq!(pair.to.lines()?, lines, "the lines of the copy");
    let tenants = pair.to.run(pair.to.store.tenants())?;
    ensure_eq!(tenants.map_err(|e| said(&e))?, [], "tenants");
    Ok(())
}

fn big_group(pair: &Pair<'_>) -> Result<(), String> {
    const MEMBERS: usize = 2_001;
    let fixture = pair.from.fixture.accepting();
    fixture.create(
        second(1),
        &fixture.group,
        "g1",
        json!({"displayName": "big"}),
    )?;
    let member = |n: usize| Edge::to(format!("m{n:04}").as_str());
    let add = (0..MEMBERS).map(member).collect();
    let remove = Vec::new();
    let change = fixture.edit(EdgeEdit::Delta { add, remove })?;
    fixture.update(second(2), "g1", change, WriteOutcome::Updated)?;
    let lines = pair.from.lines()?;
    let pieces = lines.lines().filter(|line| line.starts_with(r#"{"edges""#));
    ensure_eq!(pieces.count(), 3, "pieces of a group of {MEMBERS}");
    let counts = pair.to.restored(&lines)?;
    ensure_eq!(counts.members, MEMBERS as u64, "members");
    ensure_eq!(pair.to.lines()?, lines, "the lines of the copy");
    ensure_eq!(
        pair.to.fixture.members_of("g1")?.len(),
        MEMBERS,
        "its members"
    );
    Ok(())
}

fn without_tokens(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(6)?;
    let mut options = ArchiveOptions::default();
    options.tokens = TokenExport::Leave;
    let (without, counts) = pair.from.export(&options)?.map_err(|e| told(&e))?;
    ensure_eq!(counts.tokens, 0, "exported tokens");
    ensure!(!without.contains("digest"), "a digest is exported");
    let with = pair.from.lines()?;
    let counts = pair.to.import(&with, &options)?.map_err(|e| told(&e))?;
    ensure_eq!(counts.tokens, 0, "imported tokens");
    ensure_eq!(pair.to.lines()?, without, "the lines without tokens");
    // Line numbers are those of the file, whatever is left out.
    let last = with.lines().count() - 1;
    let broken = with_line(&with, last, Some("{}"));
    let refused = pair.to.tenant("other").import(&broken, &options)?;
    let problem = refused.err().map(|e| told(&e)).unwrap_or_default();
    ensure!(problem.starts_with(&format!("line {last}: ")), "{problem}");
    Ok(())
}

fn erased(pair: &Pair<'_>) -> Result<(), String> {
    let acme = &pair.from;
    let other = pair.from.tenant("other");
    ensure_eq!(acme.erase()?, Erased::Nothing, "an erasure without data");
    acme.fill(7)?;
    other.fill(8)?;
    let lines = acme.lines()?;
    let others = other.lines()?;
    ensure_eq!(acme.erase()?, Erased::All, "an erasure");
    acme.has_nothing()?;
    for kind in [&acme.fixture.user, &acme.fixture.group] {
        ensure_eq!(
            acme.fixture.total(kind)?,
            0,
            "{}s that are left",
            kind.name()
        );
    }
    ensure_eq!(other.lines()?, others, "the lines of another tenant");
    ensure_eq!(acme.erase()?, Erased::Nothing, "a second erasure");
    // Names, ids and digests are free again.
    acme.restored(&lines)?;
    ensure_eq!(acme.lines()?, lines, "the lines after all");
    // A tenant that consists only of resources.
    let nameless = acme.tenant("nameless");
    let (fixture, user) = (&nameless.fixture, &nameless.fixture.user);
    fixture.create(second(1), user, "u1", json!({"userName": "a"}))?;
    ensure_eq!(
        nameless.erase()?,
        Erased::All,
        "an erasure without an entry"
    );
    nameless.has_nothing()
}

fn others(pair: &Pair<'_>) -> Result<(), String> {
    pair.from.fill(9)?;
    let other = pair.to.tenant("other");
    other.fill(10)?;
    let lines = pair.from.lines()?;
    let others = other.lines()?;
    ensure!(
        !lines.contains("other"),
        "another tenant's name is in the lines"
    );
    pair.to.restored(&lines)?;
    ensure_eq!(pair.to.lines()?, lines, "the lines of the copy");
    ensure_eq!(other.lines()?, others, "the lines of another tenant");
    Ok(())
}
