//! The journal entries of a decision.

use std::sync::Arc;

use scimkit_registry::{Attr, Change, ChangedValue, Resource, ResourceId, ResourceType};
use serde_json::Value;

use super::{decider::Decider, overlay::Body, request::Request};
use crate::{
    JournalAction, JournalLevel, JournalPolicy, JournalSubject, StoreError, WriteOutcome,
    journal::{Draft, JournalRows, PartPrinter, Values, seal},
};

/// The entries that the writes of a decision add to the journal.
#[derive(Debug)]
pub(super) struct Recorder {
    /// The number of the last change without an entry.
    complete_after: Option<u64>,
    drafts: Vec<Draft>,
    pub(super) has_journal: bool,
}

/// An earlier state of a recorder, for a rollback.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecorderMark {
    complete_after: Option<u64>,
    drafts: usize,
}

impl Recorder {
    pub(super) fn new(has_journal: bool) -> Self {
        Recorder {
            complete_after: None,
            drafts: Vec::new(),
            has_journal,
        }
    }

    pub(super) fn mark(&self) -> RecorderMark {
        RecorderMark {
            complete_after: self.complete_after,
            drafts: self.drafts.len(),
        }
    }

    pub(super) fn roll_back(&mut self, mark: RecorderMark) {
        self.complete_after = mark.complete_after;
        self.drafts.truncate(mark.drafts);
    }
}

impl Decider<'_> {
    /// Returns a printer for the details of an entry; none if writes of the batch are not recorded.
    pub(super) fn printer(&self, request: &Request) -> Option<PartPrinter> {
        if !self.journal.has_journal {
            return None;
        }
        match request.policy.journal.level {
            JournalLevel::Off => None,
            JournalLevel::Notice => Some(PartPrinter::new(Values::Omit)),
            JournalLevel::Full => Some(PartPrinter::new(Values::Record)),
        }
    }

    /// Returns the details of an entry about a document that a change creates or modifies.
    pub(super) fn details(
        &self,
        request: &Request,
        change: &Change,
        before: Option<&Resource>,
    ) -> Option<PartPrinter> {
        let mut attributes = AttributePrinter::new(self.printer(request)?, request, change.kind());
        for ChangedValue {
            after,
            attr,
            before,
            ..
        } in change.values(before)
        {
            attributes.add(attr, (before, after.as_deref()));
        }
        Some(attributes.printer)
    }

    /// Returns the details of an entry about a change that does not modify the document: the attributes that are never
    /// returned, without their values.
    pub(super) fn hidden_details(&self, request: &Request, change: &Change) -> Option<PartPrinter> {
        let mut attributes = AttributePrinter::new(self.printer(request)?, request, change.kind());
        for value in change.values(None) {
            attributes.add(value.attr, (None, None));
        }
        Some(attributes.printer)
    }

    /// Returns the details of the deletion of a resource: under [`JournalLevel::Full`], all its former values.
    pub(super) fn deleted_details(
        &self,
        request: &Request,
        body: &Body,
    ) -> Result<Option<PartPrinter>, StoreError> {
        let Some(printer) = self.printer(request) else {
            return Ok(None);
        };
        if request.policy.journal.level < JournalLevel::Full {
            return Ok(Some(printer));
        }
        let document = body.document.tree()?.into_owned();
        request.budget.charge(document.weight().saturating_mul(2))?;
        let all = Change::create(Arc::clone(&body.kind), document);
        let mut attributes = AttributePrinter::new(printer, request, &body.kind);
        for value in all.values(None) {
            attributes.add(value.attr, (value.after.as_deref(), None));
        }
        Ok(Some(attributes.printer))
    }

    /// Records the change with the last number, or one of its parts.
    ///
    /// INVARIANT: of the drafts with one number, all but the first have the action
    /// [`MembersChanged`](JournalAction::MembersChanged). So a part with another action and a number above 0 continues
    /// part 0.
    pub(super) fn record(
        &mut self,
        request: &Request,
        action: JournalAction,
        (kind, id): (Arc<str>, &ResourceId),
        printer: Option<PartPrinter>,
    ) {
        if !self.journal.has_journal {
            return;
        }
        let Some(printer) = printer else {
            self.journal.complete_after = Some(self.last);
            return;
        };
        let id = id.clone();
        self.journal.drafts.push(Draft {
            action,
            at: request.at,
            cause: request.cause.clone(),
            number: self.last,
            subject: JournalSubject::Resource { id, kind },
            texts: printer.finish(),
        });
    }

    /// Returns the rows of all recorded entries.
    pub(super) fn journal_rows(&mut self) -> JournalRows {
        let Some(seed) = self.known.journal() else {
            return JournalRows::default();
        };
        let drafts = std::mem::take(&mut self.journal.drafts);
        seal(seed, drafts, self.journal.complete_after)
    }
}

/// Prints the attributes whose values differ.
struct AttributePrinter<'r> {
    kind: &'r ResourceType,
    policy: &'r JournalPolicy,
    printer: PartPrinter,
}

impl<'r> AttributePrinter<'r> {
    fn new(printer: PartPrinter, request: &'r Request, kind: &'r ResourceType) -> Self {
        let policy = &request.policy.journal;
        AttributePrinter {
            kind,
            policy,
            printer,
        }
    }

    fn add(&mut self, attr: &Attr, (before, after): (Option<&Value>, Option<&Value>)) {
        let is_hidden = is_hidden(self.kind, attr);
        if is_hidden || before != after {
            let is_masked = is_hidden || self.policy.masks(attr.path());
            let path = (attr.path(), attr.name());
            self.printer.attribute(path, is_masked, (before, after));
        }
    }
}

/// Returns whether an attribute, its parent or one of its sub-attributes is never returned.
fn is_hidden(kind: &ResourceType, attr: &Attr) -> bool {
    let parent = attr.parent().map(|parent| kind.attr(parent));
    let mut parts = kind.children(attr.id());
    attr.is_never_returned()
        || parent.is_some_and(Attr::is_never_returned)
        || parts.any(Attr::is_never_returned)
}

/// Returns the action of a write with that outcome.
pub(super) fn action(how: WriteOutcome) -> JournalAction {
    match how {
        WriteOutcome::Adopted => JournalAction::Adopted,
        WriteOutcome::Created => JournalAction::Created,
        WriteOutcome::Deleted => JournalAction::Deleted,
        WriteOutcome::Restored => JournalAction::Restored,
        WriteOutcome::Unchanged | WriteOutcome::Updated => JournalAction::Updated,
    }
}
