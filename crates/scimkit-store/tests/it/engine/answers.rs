//! The edges in results.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_registry::{AttrEdges, AttrId, AttributeRole, Edge, ResourceId};
use scimkit_store::{
    Batch, ReadOptions, StoreError, Written,
    engine::{MemberList, WriteRequest},
};

use super::{World, database::Database};

/// Returns all membership, inverse and reference attributes of the type of the first write.
pub(super) fn want(world: &World, batch: &Batch) -> ReadOptions {
    let kind = batch.writes.first().map(|write| write.kind());
    let attrs = kind.unwrap_or(&world.user).attributes().iter();
    let attrs = attrs.filter(|attr| {
        let has_edges = matches!(
            attr.role(),
            AttributeRole::Inverse | AttributeRole::Membership | AttributeRole::Reference
        );
        has_edges && attr.parent().is_none()
    });
    let attrs: Vec<_> = attrs.map(|attr| attr.id()).collect();
    assert!(!attrs.is_empty());
    ReadOptions::edges(attrs)
}

/// Compares the edges in the results with those of the rows: the last result of a resource has them, if the resource
/// still has the version of that result.
pub(super) fn check(
    world: &World,
    database: &Database,
    request: &WriteRequest,
    answers: &[Result<Written, StoreError>],
) {
    let batch = &request.batch;
    let first = batch.writes[0].kind();
    let mut later = BTreeSet::new();
    for (answer, write) in answers.iter().zip(&batch.writes).rev() {
        let Ok(written) = answer else { continue };
        let Some(stored) = &written.stored else {
            continue;
        };
        let is_last = later.insert(stored.id.clone());
        let row = database.rows.get(&stored.id);
        let is_current = row.is_some_and(|row| row.version == stored.version);
        let expected: Vec<_> = if is_last && is_current && write.kind().name() == first.name() {
            batch.read_options.edges.iter().collect()
        } else {
            Vec::new()
        };
        let expected = expected.into_iter().map(|attr| {
            let mut edges = edges(world, database, &stored.id, *attr);
            edges.truncate(
                batch
                    .read_options
                    .limit
                    .map_or(usize::MAX, |limit| limit as usize),
            );
            AttrEdges { attr: *attr, edges }
        });
        let expected: Vec<_> = expected.collect();
        assert_eq!(stored.edges, expected, "{} of {batch:#?}", stored.id);
    }
}

/// Returns the edges of a resource in the order of their targets.
fn edges(world: &World, database: &Database, id: &ResourceId, attr: AttrId) -> Vec<Edge> {
    let kind = world.kind(id.as_str());
    let attr = kind.attr(attr);
    let (ids, leads_to): (Vec<(ResourceId, Option<String>)>, &[&str]) = match attr.role() {
        AttributeRole::Membership => {
            let list = MemberList {
                attr: attr.path().into(),
                kind: Arc::from(kind.name()),
                owner: id.clone(),
            };
            let edges = database.edges.iter().filter(|((l, _), _)| *l == list);
            let edges = edges.map(|((_, to), kind)| (to.clone(), kind.clone()));
            (edges.collect(), &["User", "Group"])
        }
        AttributeRole::Inverse => {
            let edges = database.edges.keys().filter(|(_, to)| to == id);
            let owners: BTreeSet<_> = edges.map(|(list, _)| list.owner.clone()).collect();
            (
                owners.into_iter().map(|id| (id, None)).collect(),
                &["Group"],
            )
        }
        _ => {
            let document = &database.rows[id].document;
            let document: serde_json::Value = serde_json::from_str(document).unwrap();
            let (urn, name) = attr.path().rsplit_once(':').unwrap();
            let id = document[urn][name]["value"].as_str().map(ResourceId::from);
            (id.into_iter().map(|id| (id, None)).collect(), &["User"])
        }
    };
    let edge = |(id, given): (ResourceId, Option<String>)| {
        let label = database.label(&id);
        match label.filter(|label| leads_to.contains(&&*label.kind)) {
            Some(label) => Edge::to(id)
                .with_kind(Some(label.kind.to_string()))
                .with_display(label.display),
            None => Edge::to(id).with_kind(given),
        }
    };
    ids.into_iter().map(edge).collect()
}
