//! The rules for one write, in the order in which they are checked.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_core::Version;
use scimkit_registry::{AttrKeys, Budget, Change, Resource, ResourceId, ResourceType};

use super::{
    counters::Moves,
    decider::Decider,
    edited::{Edit, EditedBody, key_edits},
    existing_matches::{FoundMatch, adoption_change, candidate},
    facts::{FoundRow, RowHead, RowState},
    journal::{RecorderMark, action},
    keys::{self, KeyEdit, KeyEdits},
    known::missing,
    members::{OwnerRow, add_members},
    overlay::{Body, Entry, Mark},
    request::{BatchAnswer, Prepared, Request, weight},
    rows::provisional,
};
use crate::{
    DeletePolicy, Document, ExistingMatch, ExpectedVersion, Intent, JournalAction, JournalLevel,
    OnFailure, StoreError, StoredResource, WriteOp, WriteOutcome, Written,
    capabilities::FULL_JOURNAL,
};

/// An earlier state of a decider, for a rollback.
#[derive(Clone)]
struct DeciderMark {
    counts: Vec<Option<u64>>,
    journal: RecorderMark,
    last: u64,
    overlay: Mark,
}

impl Decider<'_> {
    /// Decides a batch under its [`OnFailure`].
    pub(super) fn batch(&mut self, request: &Request) -> BatchAnswer {
        let subjects = request.writes.iter().map(|one| one.write.id().clone());
        self.subjects.push(subjects.collect());
        request.budget.check()?;
        if request.policy.journal.level == JournalLevel::Full && !self.journal.has_journal {
            let feature = FULL_JOURNAL;
            return Err(StoreError::Unsupported { feature });
        }
        let mark = self.mark();
        let mut failures = 0;
        let mut answers = Vec::with_capacity(request.writes.len());
        for prepared in &request.writes {
            let answer = if request.on_failure.stops(failures) {
                Err(StoreError::Skipped)
            } else {
                self.write(request, prepared)
            };
            if let Err(StoreError::Exhausted(reason)) = answer {
                self.roll_back(mark);
                return Err(reason.into());
            }
            failures += u32::from(answer.is_err());
            answers.push(answer);
        }
        if request.on_failure == OnFailure::RollBack && failures > 0 {
            self.roll_back(mark.clone());
            let done = answers.iter_mut().filter(|answer| answer.is_ok());
            done.for_each(|answer| *answer = Err(StoreError::Skipped));
        }
        if let Err(problem) = self.add_answer_edges(request, &mut answers) {
            self.roll_back(mark);
            return Err(problem);
        }
        if request.intent == Intent::Check {
            self.roll_back(mark);
        }
        Ok(answers)
    }

    fn mark(&self) -> DeciderMark {
        DeciderMark {
            counts: self.counters.mark(),
            journal: self.journal.mark(),
            last: self.last,
            overlay: self.overlay.mark(),
        }
    }

    fn roll_back(&mut self, mark: DeciderMark) {
        self.overlay.roll_back(mark.overlay);
        self.journal.roll_back(mark.journal);
        self.last = mark.last;
        self.counters.roll_back(mark.counts);
    }

    /// Decides one write, with the roles that follow from it. A failed write has no effect.
    fn write(&mut self, request: &Request, prepared: &Prepared) -> Result<Written, StoreError> {
        request.budget.charge(weight(&prepared.write))?;
        if request.policy.roles.is_none() {
            return self.write_one(request, prepared);
        }
        let mark = self.mark();
        let answer = self.write_one(request, prepared);
        if answer.is_err() {
            self.roll_back(mark);
        }
        answer
    }

    fn write_one(&mut self, request: &Request, prepared: &Prepared) -> Result<Written, StoreError> {
        match &prepared.write {
            WriteOp::Create {
                change,
                existing_match,
                id,
            } => {
                let keys = &prepared.keys;
                let edit = Edit {
                    base: None,
                    change,
                    id,
                    keys,
                };
                let existing_match = existing_match.as_deref();
                self.create_or_claim(request, (prepared.number, edit), existing_match)
            }
            WriteOp::Delete { expect, id, kind } => self.delete(request, (kind, id), expect),
            WriteOp::Update { change, expect, id } => {
                let keys = &prepared.keys;
                let edit = Edit {
                    base: match expect {
                        ExpectedVersion::Base(base) => Some(&base.document),
                        _ => None,
                    },
                    change,
                    id,
                    keys,
                };
                self.update(request, edit, expect)
            }
        }
    }

    fn create_or_claim(
        &mut self,
        request: &Request,
        (number, edit): (usize, Edit<'_>),
        existing_match: Option<&ExistingMatch>,
    ) -> Result<Written, StoreError> {
        if let Some(existing_match) = existing_match {
            let found_match =
                self.found_match(request, (number, edit.change.kind()), existing_match)?;
            if let Some((found_match, before)) = found_match {
                self.set_subject(request, number, found_match.id());
                let mut written = match found_match {
                    FoundMatch::Live(id, how) => {
                        self.adopt(request, (&id, how), (edit.change, existing_match))
                    }
                    FoundMatch::Deleted(head) => {
                        let id = &head.id;
                        self.create(request, Edit { id, ..edit }, Some(&head))
                    }
                }?;
                written.candidate = Some(candidate(&before));
                written.before = Some(Box::new(before));
                return Ok(written);
            }
        }
        if self.head(edit.id)?.is_some() {
            let id = edit.id;
            return Err(StoreError::backend(format!("the id `{id}` is in use")));
        }
        self.create(request, edit, None)
    }

    /// Sets the resource that a write of the current batch changes.
    fn set_subject(&mut self, request: &Request, number: usize, id: &ResourceId) {
        let first = request.writes.first().map_or(0, |prepared| prepared.number);
        let subjects = self.subjects.last_mut();
        let subject = subjects.and_then(|ids| ids.get_mut(number.saturating_sub(first)));
        if let Some(subject) = subject {
            subject.clone_from(id);
        }
    }

    /// Creates a resource, or restores the soft-deleted one of that id.
    fn create(
        &mut self,
        request: &Request,
        edit: Edit<'_>,
        deleted: Option<&RowHead>,
    ) -> Result<Written, StoreError> {
        let kind = edit.change.kind();
        let id = edit.id;
        let with_roles = self.with_roles(request, (id, None), edit.change)?;
        let edit = edit.with_change(with_roles.as_ref());
        let edits = key_edits(None, edit.keys);
        self.check_unique(edit, &edits)?;
        let members = self.member_edits(request, id, edit.change)?;
        let nothing = Resource::default();
        // A later match may read the document, too.
        let (moves, document) = if self.counters.read_documents(kind) || self.has_existing_matches {
            let mut document = nothing;
            edit.change.apply(&mut document);
            let moves = self.counted(request, kind, (None, Some(&document)))?;
            (moves, Document::from(document))
        } else {
            let moves = self.counted(request, kind, (None, Some(&nothing)))?;
            (moves, Document::from_text(edit.change.text_after(&nothing)))
        };
        let with_roles = (None, Some(&document));
        let with_roles = self.members_with_roles(request, (kind, id), with_roles, &members)?;
        let mut details = self.details(request, edit.change, None);
        add_members(&mut details, &members);
        let head = RowHead {
            created: deleted.map_or(request.at, |head| head.created),
            id: id.clone(),
            kind: kind.name().into(),
            last_modified: later(request, deleted),
            state: RowState::Live,
            version: self.next_version()?,
        };
        let body = Body {
            connection: request.cause.connection.clone(),
            document,
            keys: edits,
            kind: Arc::clone(kind),
        };
        self.put(id, head, Some(body));
        self.counters.apply(moves);
        self.edit_members(members);
        let how = match deleted {
            Some(_) => WriteOutcome::Restored,
            None => WriteOutcome::Created,
        };
        self.record(request, action(how), (kind.name().into(), id), details);
        self.assign_roles(request, &with_roles)?;
        self.written(request, how, (kind, id))
    }

    fn update(
        &mut self,
        request: &Request,
        edit: Edit<'_>,
        expect: &ExpectedVersion,
    ) -> Result<Written, StoreError> {
        let kind = edit.change.kind();
        let id = edit.id;
        let head = self.live(kind, id)?.clone();
        expect.check(&head.version)?;
        let document = match request.policy.roles {
            Some(_) => Some(self.body(kind, id)?.document),
            None => None,
        };
        let with_roles = self.with_roles(request, (id, document.as_ref()), edit.change)?;
        let edit = edit.with_change(with_roles.as_ref());
        let edited = self.edited_body(request, edit)?;
        let members = self.member_edits(request, id, edit.change)?;
        let after = edited.as_ref().map(|edited| &edited.body.document);
        let with_roles = (document.as_ref(), after.or(document.as_ref()));
        let with_roles = self.members_with_roles(request, (kind, id), with_roles, &members)?;
        let sets_hidden = edit.change.touches_never_returned();
        let action = match edited.is_some() || sets_hidden {
            true => JournalAction::Updated,
            false if members.is_empty() => {
                return self.written(request, WriteOutcome::Unchanged, (kind, id));
            }
            false => JournalAction::MembersChanged,
        };
        let (body, moves, mut details) = match edited {
            Some(edited) => (Some(edited.body), edited.moves, edited.details),
            None => {
                let details = self.hidden_details(request, edit.change);
                (None, Moves::new(), details)
            }
        };
        add_members(&mut details, &members);
        let name = Arc::clone(&head.kind);
        let head = RowHead {
            last_modified: later(request, Some(&head)),
            version: self.next_version()?,
            ..head
        };
        self.put(id, head, body);
        self.counters.apply(moves);
        self.edit_members(members);
        self.record(request, action, (name, id), details);
        self.assign_roles(request, &with_roles)?;
        self.written(request, WriteOutcome::Updated, (kind, id))
    }

    /// Gives a live resource the connection as its owner, and sets the values that the client sent.
    fn adopt(
        &mut self,
        request: &Request,
        (id, how): (&ResourceId, WriteOutcome),
        (change, existing_match): (&Change, &ExistingMatch),
    ) -> Result<Written, StoreError> {
        let kind = change.kind();
        let head = self.live(kind, id)?.clone();
        let before = self.body(kind, id)?;
        let tree = before.document.tree()?;
        let change = adoption_change(request, change, existing_match, &tree)?;
        let with_roles = self.with_roles(request, (id, Some(&before.document)), &change)?;
        let (change, keys) = &with_roles.unwrap_or_else(|| {
            let keys = keys::of_change(&change);
            (change, keys)
        });
        let edit = Edit {
            base: None,
            change,
            id,
            keys,
        };
        let edited = self.edited_body(request, edit)?;
        let members = self.member_edits(request, id, change)?;
        let after = edited.as_ref().map(|edited| &edited.body.document);
        let with_roles = (Some(&before.document), after.or(Some(&before.document)));
        let with_roles = self.members_with_roles(request, (kind, id), with_roles, &members)?;
        let unchanged = || EditedBody {
            body: before,
            details: self.hidden_details(request, change),
            moves: Moves::new(),
        };
        let EditedBody {
            mut body,
            mut details,
            moves,
        } = edited.unwrap_or_else(unchanged);
        add_members(&mut details, &members);
        body.connection.clone_from(&request.cause.connection);
        let head = RowHead {
            last_modified: later(request, Some(&head)),
            version: self.next_version()?,
            ..head
        };
        self.put(id, head, Some(body));
        self.counters.apply(moves);
        self.edit_members(members);
        self.record(request, action(how), (kind.name().into(), id), details);
        self.assign_roles(request, &with_roles)?;
        self.written(request, how, (kind, id))
    }

    fn delete(
        &mut self,
        request: &Request,
        (kind, id): (&Arc<ResourceType>, &ResourceId),
        expect: &ExpectedVersion,
    ) -> Result<Written, StoreError> {
        let head = self.live(kind, id)?.clone();
        expect.check(&head.version)?;
        let body = self.body(kind, id)?;
        let owners = self.owners(id)?;
        let units = Budget::COMPARISON.saturating_mul(owners.len() as u64);
        request.budget.charge(units)?;
        let moves = if self.counters.read_documents(kind) {
            self.counted(request, kind, (Some(&*body.document.tree()?), None))?
        } else {
            self.counted(request, kind, (Some(&Resource::default()), None))?
        };
        let with_roles = (Some(&body.document), None);
        let with_roles = self.members_with_roles(request, (kind, id), with_roles, &[])?;
        let details = self.deleted_details(request, &body)?;
        let version = self.next_version()?;
        let action = match request.policy.delete_policy {
            DeletePolicy::Permanent => JournalAction::Deleted,
            DeletePolicy::Soft => JournalAction::SoftDeleted,
        };
        self.record(request, action, (Arc::clone(&head.kind), id), details);
        for OwnerRow { attrs, head } in owners {
            let head = RowHead {
                last_modified: later(request, Some(&head)),
                version: version.clone(),
                ..head
            };
            let mut details = self.printer(request);
            if let Some(details) = &mut details {
                for attr in &attrs {
                    details.members(attr, [].into_iter(), [id].into_iter());
                }
            }
            let kind = Arc::clone(&head.kind);
            let owner = head.id.clone();
            self.record(
                request,
                JournalAction::MembersChanged,
                (kind, &owner),
                details,
            );
            self.put(&owner, head, None);
        }
        self.overlay.void(id, kind);
        self.counters.apply(moves);
        let entry = match request.policy.delete_policy {
            DeletePolicy::Permanent => Entry {
                body: None,
                head: None,
            },
            DeletePolicy::Soft => Entry {
                body: Some(body),
                head: Some(RowHead {
                    last_modified: later(request, Some(&head)),
                    state: RowState::Deleted,
                    version,
                    ..head
                }),
            },
        };
        self.overlay.set_row(id, entry);
        self.assign_roles(request, &with_roles)?;
        Ok(Written::deleted())
    }

    /// Returns the current columns of a resource, live or soft-deleted.
    pub(super) fn head(&self, id: &ResourceId) -> Result<Option<&RowHead>, StoreError> {
        match self.overlay.row(id) {
            Some(entry) => Ok(entry.head.as_ref()),
            None => self.known.head(id),
        }
    }

    /// Returns the current columns of a live resource of that type.
    fn live(&self, kind: &ResourceType, id: &ResourceId) -> Result<&RowHead, StoreError> {
        let head = self.head(id)?.filter(|head| head.state == RowState::Live);
        let head = head.filter(|head| *head.kind == *kind.name());
        head.ok_or(StoreError::NotFound)
    }

    /// Returns the current owner, document and changed keys of a resource.
    pub(super) fn body(
        &self,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
    ) -> Result<Body, StoreError> {
        let entry = self.overlay.row(id);
        if let Some(body) = entry.and_then(|entry| entry.body.as_ref()) {
            return Ok(body.clone());
        }
        let row = self.stored_row(id)?;
        let mut keys = KeyEdits::new();
        if self.has_existing_matches {
            // Matches of later writes search by keys.
            for AttrKeys { attr, keys: before } in keys::of_document(kind, &row.document)? {
                let after = before.clone();
                keys.insert(attr, KeyEdit { after, before });
            }
        }
        Ok(Body {
            connection: row.connection.clone(),
            document: row.document.clone(),
            keys,
            kind: Arc::clone(kind),
        })
    }

    /// Returns the row of a resource in the facts.
    fn stored_row(&self, id: &ResourceId) -> Result<&FoundRow, StoreError> {
        let row = self.known.row(id)?;
        row.ok_or_else(|| missing("a document"))
    }

    fn next_version(&mut self) -> Result<Version, StoreError> {
        self.last = self
            .last
            .checked_add(1)
            .ok_or_else(|| StoreError::backend("the tenant has no more versions"))?;
        self.version()
    }

    /// Returns the version of the last change.
    pub(super) fn version(&self) -> Result<Version, StoreError> {
        let version = if self.known.has_counter() {
            self.last.to_string()
        } else {
            provisional(self.last)
        };
        Version::new(version).map_err(StoreError::backend)
    }

    /// Sets the columns of a resource; without a body, its owner, document and keys stay.
    pub(super) fn put(&mut self, id: &ResourceId, head: RowHead, body: Option<Body>) {
        let before = self.overlay.row(id);
        let body = body.or_else(|| before.and_then(|entry| entry.body.clone()));
        let head = Some(head);
        self.overlay.set_row(id, Entry { body, head });
    }

    fn written(
        &self,
        request: &Request,
        how: WriteOutcome,
        (kind, id): (&Arc<ResourceType>, &ResourceId),
    ) -> Result<Written, StoreError> {
        let head = self.live(kind, id)?;
        if !request.wants_document {
            return Ok(Written::versioned(how, head.version.clone()));
        }
        let entry = self.overlay.row(id);
        let (document, owner) = match entry.and_then(|entry| entry.body.as_ref()) {
            Some(body) => (&body.document, &body.connection),
            None => {
                let row = self.stored_row(id)?;
                (&row.document, &row.connection)
            }
        };
        let at = head.timestamps();
        let version = head.version.clone();
        let stored = StoredResource::new(id.clone(), version, at, document.clone());
        Ok(Written::stored(how, stored.with_owner(owner.clone())))
    }
}

/// Returns the time of a change of a resource with these columns: never before its last change, even if the clock of
/// this machine is slow.
pub(super) fn later(request: &Request, before: Option<&RowHead>) -> DateTime<Utc> {
    let before = before.map(|head| head.last_modified);
    request.at.max(before.unwrap_or(request.at))
}
