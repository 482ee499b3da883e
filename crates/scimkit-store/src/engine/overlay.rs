//! The changes of a decision's writes so far.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use scimkit_registry::{ResourceId, ResourceType};

use super::{
    facts::{KeyRef, MemberList, RowHead, RowState},
    keys::{KeyEdits, is_unique},
};
use crate::{ConnectionId, Document};

/// The changes of a decision's writes so far, which take precedence over the facts.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    // INVARIANT: `above[target]` has an owner and attribute exactly if that list has an added edge to
    // `target`; `keys[key]` has an id exactly if the live body of `id` has the key among its edits, if the
    // key is unique or there are matches.
    above: HashMap<ResourceId, BTreeSet<(ResourceId, Arc<str>)>>,
    /// Whether the match of a create may search for values that other writes change.
    has_existing_matches: bool,
    /// Whether there is only one write and no roles follow from it, so that nothing looks up its changes. `above`, `keys` and `log` stay
    /// empty then.
    is_single: bool,
    keys: BTreeMap<KeyRef, BTreeSet<ResourceId>>,
    lists: BTreeMap<ResourceId, Vec<ListEdits>>,
    log: Vec<Change>,
    rows: BTreeMap<ResourceId, Arc<Entry>>,
    /// The deleted resources, with their types: the edges from and to them in the facts no longer count.
    voided: BTreeMap<ResourceId, Arc<ResourceType>>,
}

/// The current state of a row.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The other columns, if the decision has read or changed them.
    pub(super) body: Option<Body>,
    /// The head; none if the row no longer exists.
    pub(super) head: Option<RowHead>,
}

/// The columns of a row that are not in its head, with its keys.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) connection: Option<ConnectionId>,
    pub(super) document: Document,
    pub(super) keys: KeyEdits,
    pub(super) kind: Arc<ResourceType>,
}

/// The changes of one member list.
#[derive(Debug)]
pub(super) struct ListEdits {
    pub(super) list: MemberList,
    pub(super) targets: BTreeMap<ResourceId, EdgeEdit>,
}

/// The change of one edge.
#[derive(Debug, Clone)]
pub(super) struct EdgeEdit {
    /// The type from the client's request, if the edge was added; none if it was removed.
    pub(super) added: Option<Option<String>>,
    /// Whether its row existed before the decision.
    pub(super) was_there: bool,
}

/// A change of the overlay, with the state before.
#[derive(Debug)]
enum Change {
    Edge(MemberList, ResourceId, Option<EdgeEdit>),
    Row(ResourceId, Option<Arc<Entry>>),
    Voided(ResourceId),
}

/// An earlier state of an overlay, for a rollback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(usize);

impl Overlay {
    /// Creates an overlay for a single write, or for several.
    pub(super) fn new(is_single: bool, has_existing_matches: bool) -> Self {
        Overlay {
            has_existing_matches,
            is_single,
            ..Overlay::default()
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.log.len())
    }

    /// Undoes the changes since the mark.
    pub(super) fn roll_back(&mut self, mark: Mark) {
        if self.is_single {
            *self = Overlay::new(true, self.has_existing_matches);
        }
        while self.log.len() > mark.0 {
            match self.log.pop() {
                Some(Change::Edge(list, target, before)) => {
                    self.put_edge(&list, &target, before);
                }
                Some(Change::Row(id, before)) => drop(self.put_row(&id, before)),
                Some(Change::Voided(id)) => drop(self.voided.remove(&id)),
                None => return,
            }
        }
    }

    pub(super) fn row(&self, id: &ResourceId) -> Option<&Arc<Entry>> {
        self.rows.get(id)
    }

    /// Returns the changed rows, by id.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&ResourceId, &Entry)> {
        self.rows.iter().map(|(id, entry)| (id, &**entry))
    }

    pub(super) fn set_row(&mut self, id: &ResourceId, entry: Entry) {
        let before = self.put_row(id, Some(Arc::new(entry)));
        if !self.is_single {
            self.log.push(Change::Row(id.clone(), before));
        }
    }

    fn put_row(&mut self, id: &ResourceId, entry: Option<Arc<Entry>>) -> Option<Arc<Entry>> {
        if self.is_single {
            return self.rows.insert(id.clone(), entry?);
        }
        if let Some(before) = self.rows.get(id).cloned() {
            for key in before.live_keys(self.has_existing_matches) {
                if let Some(ids) = self.keys.get_mut(&key) {
                    ids.remove(id);
                }
            }
        }
        let Some(entry) = entry else {
            return self.rows.remove(id);
        };
        for key in entry.live_keys(self.has_existing_matches) {
            self.keys.entry(key).or_default().insert(id.clone());
        }
        self.rows.insert(id.clone(), entry)
    }

    /// Returns the changed live resources that have the key.
    pub(super) fn holders(&self, key: &KeyRef) -> impl Iterator<Item = &ResourceId> {
        self.keys.get(key).into_iter().flatten()
    }

    /// Records that a resource was deleted, with all its edges.
    pub(super) fn void(&mut self, id: &ResourceId, kind: &Arc<ResourceType>) {
        let owned = self.lists.get(id).into_iter().flatten();
        let owned = owned.flat_map(|edits| edits.added().map(|to| (edits.list.clone(), to)));
        let to = self.added_above(id);
        let to = to.map(|list| (list, id));
        let gone: Vec<_> = owned
            .chain(to)
            .map(|(list, target)| (list, target.clone()))
            .collect();
        for (list, target) in gone {
            self.set_edge(&list, &target, (None, false));
        }
        let before = self.voided.insert(id.clone(), Arc::clone(kind));
        if before.is_none() && !self.is_single {
            self.log.push(Change::Voided(id.clone()));
        }
    }

    pub(super) fn is_void(&self, id: &ResourceId) -> bool {
        self.voided.contains_key(id)
    }

    /// Returns the type of a deleted resource.
    pub(super) fn void_kind(&self, id: &ResourceId) -> Option<&Arc<ResourceType>> {
        self.voided.get(id)
    }

    /// Returns the deleted resources, including those that were created again.
    pub(super) fn voided(&self) -> impl Iterator<Item = (&ResourceId, &Arc<ResourceType>)> {
        self.voided.iter()
    }

    /// Returns the changed lists, by owner.
    pub(super) fn lists(&self) -> impl Iterator<Item = &ListEdits> {
        self.lists.values().flatten()
    }

    /// Returns the changes of a member list, if there are any.
    pub(super) fn list(&self, owner: &ResourceId, attr: &str) -> Option<&ListEdits> {
        let lists = self.lists.get(owner)?;
        lists.iter().find(|edits| *edits.list.attr == *attr)
    }

    pub(super) fn edge(
        &self,
        owner: &ResourceId,
        attr: &str,
        target: &ResourceId,
    ) -> Option<&EdgeEdit> {
        self.list(owner, attr)?.targets.get(target)
    }

    /// Returns the owners of one type and attribute to which a resource was added, also if there is only one write.
    pub(super) fn added_owners<'o>(
        &'o self,
        (kind, attr): (&'o str, &'o str),
        target: &'o ResourceId,
    ) -> impl Iterator<Item = &'o ResourceId> {
        let single = self.is_single.then(|| self.lists()).into_iter().flatten();
        let single = single.filter(|edits| {
            let edit = edits.targets.get(target);
            edit.is_some_and(|edit| edit.added.is_some())
        });
        let above = self.above.get(target).into_iter().flatten();
        let above = above.filter_map(|(owner, attr)| self.list(owner, attr));
        let lists = single.chain(above).map(|edits| &edits.list);
        let alike = lists.filter(move |list| *list.kind == *kind && *list.attr == *attr);
        alike.map(|list| &list.owner)
    }

    /// Returns the lists to which a resource was added, unless there is only one write.
    pub(super) fn added_above(&self, target: &ResourceId) -> impl Iterator<Item = MemberList> {
        let owners = self.above.get(target).into_iter().flatten();
        owners.filter_map(|(owner, attr)| Some(self.list(owner, attr)?.list.clone()))
    }

    /// Adds an edge, with the type from the client's request, or removes it. `was_there` is whether its row existed
    /// before the decision.
    pub(super) fn set_edge(
        &mut self,
        list: &MemberList,
        target: &ResourceId,
        (added, was_there): (Option<Option<String>>, bool),
    ) {
        let before = self.edge(&list.owner, &list.attr, target).cloned();
        let was_there = before.as_ref().map_or(was_there, |before| before.was_there);
        self.put_edge(list, target, Some(EdgeEdit { added, was_there }));
        if !self.is_single {
            self.log
                .push(Change::Edge(list.clone(), target.clone(), before));
        }
    }

    fn put_edge(&mut self, list: &MemberList, target: &ResourceId, edit: Option<EdgeEdit>) {
        if !self.is_single {
            let end = (list.owner.clone(), Arc::clone(&list.attr));
            if edit.as_ref().is_some_and(|edit| edit.added.is_some()) {
                self.above.entry(target.clone()).or_default().insert(end);
            } else if let Some(owners) = self.above.get_mut(target) {
                owners.remove(&end);
            }
        }
        let lists = self.lists.entry(list.owner.clone()).or_default();
        if lists.iter().all(|edits| edits.list.attr != list.attr) {
            lists.push(ListEdits {
                list: list.clone(),
                targets: BTreeMap::new(),
            });
        }
        let edits = lists.iter_mut().find(|edits| edits.list.attr == list.attr);
        let Some(edits) = edits else { return };
        match edit {
            Some(edit) => drop(edits.targets.insert(target.clone(), edit)),
            None => drop(edits.targets.remove(target)),
        }
    }
}

impl ListEdits {
    /// Returns the added members.
    pub(super) fn added(&self) -> impl Iterator<Item = &ResourceId> {
        let targets = self.targets.iter();
        targets.filter_map(|(target, edit)| edit.added.as_ref().map(|_| target))
    }
}

impl Entry {
    pub(super) fn is_live(&self) -> bool {
        let head = self.head.as_ref();
        head.is_some_and(|head| head.state == RowState::Live)
    }

    /// Returns the keys that later writes look up: the unique ones, or all if there are matches.
    fn live_keys(&self, has_existing_matches: bool) -> impl Iterator<Item = KeyRef> {
        let body = self.body.as_ref().filter(|_| self.is_live());
        body.into_iter().flat_map(move |body| {
            let looked_for = body
                .keys
                .iter()
                .filter(move |(attr, _)| has_existing_matches || is_unique(body.kind.attr(**attr)));
            looked_for.flat_map(|(attr, edit)| {
                edit.after.iter().map(|key| KeyRef {
                    attr: *attr,
                    key: key.clone(),
                    kind: Arc::clone(&body.kind),
                })
            })
        })
    }
}
