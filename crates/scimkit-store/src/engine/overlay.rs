//! What the writes of a decision have changed so far.

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

/// What the writes of a decision have changed so far, to be laid over the facts.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    // INVARIANT: `above[target]` has an owner and attribute exactly if that list has an added edge to
    // `target`; `keys[key]` has an id exactly if the live body of `id` has the key among its edits, if the
    // key is unique or there are matches.
    above: HashMap<ResourceId, BTreeSet<(ResourceId, Arc<str>)>>,
    /// Whether a match may search for values that other writes change.
    has_existing_matches: bool,
    /// Whether nothing is looked up or taken back after the first write, so that `above`, `keys` and
    /// `log` stay empty.
    is_single: bool,
    keys: BTreeMap<KeyRef, BTreeSet<ResourceId>>,
    lists: BTreeMap<ResourceId, Vec<ListEdits>>,
    log: Vec<Change>,
    rows: BTreeMap<ResourceId, Arc<Entry>>,
    /// Resources that were deleted, with their types: no edge in the facts counts that begins or ends
    /// there.
    voided: BTreeMap<ResourceId, Arc<ResourceType>>,
}

/// A row as it now is.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The other columns, where they are known to the decision or changed by it.
    pub(super) body: Option<Body>,
    /// None when there is no row any more.
    pub(super) head: Option<RowHead>,
}

/// What a decision changes of a row besides its version.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) connection: Option<ConnectionId>,
    pub(super) document: Document,
    pub(super) keys: KeyEdits,
    pub(super) kind: Arc<ResourceType>,
}

/// What became of the members of one owner.
#[derive(Debug)]
pub(super) struct ListEdits {
    pub(super) list: MemberList,
    pub(super) targets: BTreeMap<ResourceId, EdgeEdit>,
}

/// What became of one edge.
#[derive(Debug, Clone)]
pub(super) struct EdgeEdit {
    /// The type that the client gave, if the edge is there now.
    pub(super) added: Option<Option<String>>,
    /// Whether a row of it was there before the decision.
    pub(super) was_there: bool,
}

/// A change of the overlay, as it was before.
#[derive(Debug)]
enum Change {
    Edge(MemberList, ResourceId, Option<EdgeEdit>),
    Row(ResourceId, Option<Arc<Entry>>),
    Voided(ResourceId),
}

/// A moment that an overlay can go back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(usize);

impl Overlay {
    /// An overlay for so many writes.
    pub(super) fn new(writes: usize, has_existing_matches: bool) -> Self {
        Overlay {
            has_existing_matches,
            is_single: writes <= 1,
            ..Overlay::default()
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.log.len())
    }

    /// Takes back what was changed since.
    pub(super) fn roll_back(&mut self, mark: Mark) {
        if self.is_single {
            *self = Overlay::new(1, self.has_existing_matches);
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

    /// The rows that changed, by id.
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

    /// The live resources that were given that key.
    pub(super) fn holders(&self, key: &KeyRef) -> impl Iterator<Item = &ResourceId> {
        self.keys.get(key).into_iter().flatten()
    }

    /// Notes that a resource was deleted: none of its edges is left.
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

    /// The type of a resource that was deleted.
    pub(super) fn void_kind(&self, id: &ResourceId) -> Option<&Arc<ResourceType>> {
        self.voided.get(id)
    }

    /// The resources that were deleted, also those that were created again.
    pub(super) fn voided(&self) -> impl Iterator<Item = (&ResourceId, &Arc<ResourceType>)> {
        self.voided.iter()
    }

    /// The lists that were edited, by owner.
    pub(super) fn lists(&self) -> impl Iterator<Item = &ListEdits> {
        self.lists.values().flatten()
    }

    /// What became of the members of an owner; none where none was touched.
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

    /// The owners of one type and attribute to which a resource was added, also by a single write.
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

    /// The lists to which a resource was added.
    pub(super) fn added_above(&self, target: &ResourceId) -> impl Iterator<Item = MemberList> {
        let owners = self.above.get(target).into_iter().flatten();
        owners.filter_map(|(owner, attr)| Some(self.list(owner, attr)?.list.clone()))
    }

    /// Adds an edge, with the type that the client gave, or removes it; `was_there` tells whether
    /// there was a row of it before the decision.
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
    /// The members that were added.
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

    /// The keys that later writes look for: the unique ones, or all for matches.
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
