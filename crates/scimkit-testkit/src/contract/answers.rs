//! The edges in answers to writes, and the answers to batches that are only checked.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::{AttrId, AttributeRole, ResourceId, ResourceType};
use scimkit_store::{
    Batch, ExpectedVersion, ReadOptions, StoreError, StoredResource, WriteOp, Written,
};
use serde_json::json;

use super::{
    StoreCheck,
    batches::any_write,
    fixture::{Fixture, ensure, ensure_eq, said, second},
    random::Random,
};

pub(super) const CHECKS: &[StoreCheck] = &[StoreCheck {
    name: "check_and_commit_return_the_same_answers",
    run: checks_and_commits,
}];

fn checks_and_commits(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_groups()?;
    fixture.needs_ids("random batches can't be compared")?;
    let support = fixture.store.support(&fixture.user);
    fixture.needs(support.check, "the store does not check batches")?;
    compared_under(fixture, 31)?;
    let accepting = fixture.tenant("accepting").accepting().accepting_cycles();
    compared_under(&accepting, 32)
}

/// Checks and then commits random batches: both answers are equal, and contain the edges that a read returns.
fn compared_under(fixture: &Fixture<'_>, seed: u64) -> Result<(), String> {
    const BATCHES: i64 = 60;
    let mut random = Random::new(seed);
    let mut ids = Vec::new();
    for n in 0..BATCHES {
        let count = 1 + random.below(5);
        let writes: Result<Vec<_>, _> = (0..count)
            .map(|_| next_write(fixture, &mut ids, &mut random))
            .collect();
        let batch = Batch::new(second(n), writes?);
        let Some(kind) = batch.writes.first().map(|write| write.kind().clone()) else {
            continue;
        };
        let mut want = if fixture.store.support(&kind).written_edges {
            ReadOptions::edges(shown_attributes(&kind))
        } else {
            ReadOptions::document()
        };
        want.limit = [None, Some(1), Some(2), Some(3)]
            .get(random.below(4))
            .copied()
            .flatten();
        let batch = batch.with_read_options(want.clone());
        let kinds: Vec<_> = batch.writes.iter().map(|w| w.kind().clone()).collect();
        let checked = fixture.carry_out(batch.clone().check_only())?;
        let committed = fixture.carry_out(batch)?;
        let texts = |answers: &[_]| answers.iter().map(text).collect::<Result<Vec<_>, _>>();
        ensure_eq!(
            texts(&checked)?,
            texts(&committed)?,
            "the answers to the check and the commit of batch {n}"
        );
        let mut later: BTreeSet<ResourceId> = BTreeSet::new();
        for (answer, of) in committed.iter().zip(kinds).rev() {
            let stored = answer.as_ref().ok().and_then(|w| w.stored.as_ref());
            let Some(stored) = stored.filter(|stored| later.insert(stored.id.clone())) else {
                continue;
            };
            if of.name() == kind.name() {
                compare(fixture, (&of, stored), &want)
                    .map_err(|error| format!("after batch {n}: {error}"))?;
            }
        }
    }
    Ok(())
}

/// Returns a random write for a batch, preferring those that change edges.
fn next_write(
    fixture: &Fixture<'_>,
    ids: &mut Vec<String>,
    random: &mut Random,
) -> Result<WriteOp, String> {
    const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    let some = |random: &mut Random, first: char| {
        let known: Vec<_> = ids.iter().filter(|id| id.starts_with(first)).collect();
        random.pick(&known).map(|id| (*id).clone())
    };
    let user = some(random, 'u');
    let other = some(random, 'u');
    let (Some(user), Some(other), Some(group)) = (user, other, some(random, 'g')) else {
        return any_write(fixture, ids, random);
    };
    let (id, change) = match random.below(7) {
        0 => {
            let name = json!(random.word());
            (
                user,
                fixture.setting(&fixture.user, [("displayName", name)])?,
            )
        }
        1 => {
            let manager = json!({ "value": other });
            (user, fixture.setting(&fixture.user, [(MANAGER, manager)])?)
        }
        2 => (group, fixture.only_members(&[&user, &other])?),
        _ => return any_write(fixture, ids, random),
    };
    Ok(WriteOp::Update {
        change,
        expect: ExpectedVersion::Any,
        id: ResourceId::from(id),
    })
}

/// Compares the last answer about a resource with a subsequent read.
fn compare(
    fixture: &Fixture<'_>,
    (kind, stored): (&Arc<ResourceType>, &StoredResource),
    want: &ReadOptions,
) -> Result<(), String> {
    let reading = fixture.store.read(&fixture.context, kind, &stored.id, want);
    match fixture.run(reading)? {
        Ok(read) if read.version == stored.version => {
            ensure_eq!(stored.edges, read.edges, "the edges of `{}`", stored.id);
        }
        Ok(_) | Err(StoreError::NotFound) => ensure!(
            stored.edges.is_empty(),
            "the answer about `{}` carries edges of another version",
            stored.id
        ),
        Err(error) => return Err(said(&error)),
    }
    Ok(())
}

fn text(answer: &Result<Written, StoreError>) -> Result<String, String> {
    let written = match answer {
        Ok(written) => written,
        Err(error) => return Ok(said(error)),
    };
    let stored = written.stored.as_ref();
    let document = stored.map(super::fixture::document).transpose()?;
    let edges = stored.map(|stored| &stored.edges);
    let version = written.version.as_ref().map(|version| version.as_str());
    Ok(format!(
        "{:?} {version:?} {:?} {edges:?}",
        written.outcome,
        document.map(|document| document.to_text())
    ))
}

/// Returns the attributes whose edges answers may contain.
fn shown_attributes(kind: &ResourceType) -> Vec<AttrId> {
    let top = kind.attributes().iter().filter(|a| a.parent().is_none());
    let shown = top.filter(|attr| {
        let role = attr.role();
        matches!(
            role,
            AttributeRole::Inverse | AttributeRole::Membership | AttributeRole::Reference
        )
    });
    shown.map(|attr| attr.id()).collect()
}
