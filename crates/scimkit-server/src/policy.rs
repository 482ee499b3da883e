//! The parts of a change that the settings and the application allow into the store.

use std::{borrow::Cow, sync::Arc};

use scimkit_core::{DataType, Mutability};
use scimkit_mapping::{ChangeKind, MatchingAttributes, TypeMapping};
use scimkit_registry::{
    AttrId, Change, Operator, Predicate, Resource, ResourceId, ResourceType, Scalar, ValueEdit,
};
use scimkit_store::{AliasPolicy, CreatePolicy, ExistingMatch, MatchScope};
use serde_json::Value;

use crate::{
    error::{HandlerError, lost},
    hooks::Secret,
    writer::Writer,
};

/// The kind of write for a change, with the document before it.
pub(crate) enum On {
    Create,
    Update(Option<Arc<Resource>>),
}

/// The application's results for the secrets of one request, so that the handler is called only once.
#[derive(Default)]
pub(crate) struct HandledSecrets(Vec<(AttrId, Option<Value>)>);

impl Writer<'_> {
    /// Returns the change of an existing resource as the settings allow it, still with its passwords.
    ///
    /// # Errors
    /// The connection's mapping rejects the change.
    pub(crate) async fn revised(
        &self,
        change: Change,
        before: Option<Arc<Resource>>,
    ) -> Result<Change, HandlerError> {
        let change = self.plain(change, before.as_deref());
        self.mapped(change, On::Update(before)).await
    }

    /// Removes e-mail aliases if the settings drop them.
    pub(crate) fn plain(&self, change: Change, before: Option<&Resource>) -> Change {
        match self.context.settings.aliases {
            AliasPolicy::Drop => self.without_aliases(change, before),
            _ => change,
        }
    }

    /// Applies the connection's mapping and returns the filtered change.
    pub(crate) async fn mapped(&self, change: Change, on: On) -> Result<Change, HandlerError> {
        // The work that mapping rules may spend to read and copy each value.
        const RULES: u64 = 8;
        let Some(mapping) = self.context.settings.mapping() else {
            return Ok(change);
        };
        if mapping.for_type(change.kind().name()).is_none() {
            return Ok(change);
        }
        let before = match &on {
            On::Update(Some(before)) => before.weight(),
            _ => 0,
        };
        let units = change.weight().saturating_add(before).saturating_mul(RULES);
        let mapping = Arc::clone(mapping);
        let shape = move || {
            let kind = Arc::clone(change.kind());
            mapping.for_type(kind.name()).map(|mapping| match &on {
                On::Create => mapping.filter_change(change, ChangeKind::Create),
                On::Update(before) => {
                    mapping.filter_change(change, ChangeKind::Update(before.as_deref()))
                }
            })
        };
        let shaped = self.work.run(self.context, units, shape).await?;
        let shaped = shaped.ok_or_else(lost)??;
        for path in &shaped.dropped {
            self.dropped.note("unmapped", path);
        }
        Ok(shaped.change)
    }

    fn mapping(&self, kind: &ResourceType) -> Option<&TypeMapping> {
        self.context.settings.mapping()?.for_type(kind.name())
    }

    /// Returns whether a create of this type may adopt or restore an existing resource, so that its id is known
    /// only after the write.
    pub(crate) fn takes_existing(&self, kind: &Arc<ResourceType>) -> bool {
        self.match_scope().is_some() && !self.matching(kind).paths().is_empty()
    }

    /// Returns the match for the existing resource that a create may adopt or restore.
    pub(crate) fn existing_match(&self, change: &Change) -> Option<ExistingMatch> {
        let scope = self.match_scope()?;
        let by = self.matching(change.kind()).predicate(change)?;
        let deactivated = (scope != MatchScope::Adoptable).then(|| switched_off(change.kind()));
        Some(ExistingMatch::new(scope, by).with_deactivated(deactivated.flatten()))
    }

    fn match_scope(&self) -> Option<MatchScope> {
        match self.context.settings.create_policy {
            CreatePolicy::Adopt => Some(MatchScope::Adoptable),
            CreatePolicy::AdoptOrRestore => Some(MatchScope::Both),
            CreatePolicy::Restore => Some(MatchScope::Restorable),
            _ => None,
        }
    }

    /// Returns the attributes by which an existing resource is found.
    fn matching(&self, kind: &Arc<ResourceType>) -> Cow<'_, MatchingAttributes> {
        match self.mapping(kind).map(TypeMapping::matching) {
            Some(matching) if !matching.paths().is_empty() => Cow::Borrowed(matching),
            _ => Cow::Owned(MatchingAttributes::default_for(kind)),
        }
    }

    /// Removes every e-mail address except the preferred one.
    fn without_aliases(&self, change: Change, before: Option<&Resource>) -> Change {
        let kind = change.kind().clone();
        let Some(emails) = kind.attribute_id("emails") else {
            return change;
        };
        change.map_values(|id, value| match value {
            Some(Value::Array(elements)) if id == emails && elements.len() > 1 => {
                self.dropped.note("alias", kind.attr(id).path());
                let kept = Value::Array(vec![the_one_that_counts(elements)]);
                if before.and_then(|before| before.get(&kind, id)) == Some(&kept) {
                    ValueEdit::Leave
                } else {
                    ValueEdit::Set(kept)
                }
            }
            Some(value) => ValueEdit::Set(value),
            None => ValueEdit::Unset,
        })
    }

    /// Passes write-only values to the secret handler, or drops them.
    pub(crate) async fn without_secrets(
        &self,
        change: Change,
        id: &ResourceId,
        HandledSecrets(taken): &mut HandledSecrets,
    ) -> Result<Change, HandlerError> {
        let kind = change.kind().clone();
        let secret = |id: &AttrId| is_secret(&kind, *id);
        let mut written = change
            .assignments()
            .iter()
            .map(|(id, _)| id)
            .chain(change.removals());
        if !written.any(secret) {
            return Ok(change);
        }
        let sent = change.assignments().iter().filter(|(attr, _)| secret(attr));
        for (attr, value) in sent {
            let path = kind.attr(*attr).path();
            let known = taken.iter().any(|(known, _)| known == attr);
            let given = match &self.hooks.secrets {
                _ if known => continue,
                None => {
                    self.dropped.note("secret", path);
                    None
                }
                Some(hook) => {
                    let secret = Secret {
                        id,
                        kind: &kind,
                        path,
                        value,
                    };
                    hook.take(self.context, secret).await?
                }
            };
            taken.push((*attr, given));
        }
        let keeps = self.hooks.secrets.is_some();
        Ok(change.map_values(|attr, value| match value {
            Some(_) if secret(&attr) => {
                let given = taken.iter().find(|(known, _)| *known == attr);
                match given.and_then(|(_, given)| given.clone()) {
                    Some(given) => ValueEdit::Set(given),
                    None => ValueEdit::Leave,
                }
            }
            Some(value) => ValueEdit::Set(value),
            None if secret(&attr) && !keeps => ValueEdit::Leave,
            None => ValueEdit::Unset,
        }))
    }
}

/// Returns whether an attribute is write-only.
pub(crate) fn is_secret(kind: &ResourceType, id: AttrId) -> bool {
    kind.attr(id).definition().mutability == Mutability::WriteOnly
}

/// Returns a change without its write-only values, which only the secret handler may see.
pub(crate) fn open_part(change: &Change) -> Cow<'_, Change> {
    let kind = change.kind();
    if !change
        .assignments()
        .iter()
        .any(|(id, _)| is_secret(kind, *id))
    {
        return Cow::Borrowed(change);
    }
    let kind = Arc::clone(kind);
    Cow::Owned(change.clone().map_values(|id, value| match value {
        Some(value) if !is_secret(&kind, id) => ValueEdit::Set(value),
        Some(_) => ValueEdit::Leave,
        None => ValueEdit::Unset,
    }))
}

/// Returns the predicate that matches deactivated resources.
fn switched_off(kind: &ResourceType) -> Option<Predicate> {
    let attr = kind.attribute_id("active")?;
    let is_boolean = kind.attr(attr).definition().data_type == DataType::Boolean;
    let op = Operator::Equal;
    let value = Scalar::Bool(false);
    is_boolean.then_some(Predicate::Compare { attr, op, value })
}

/// Returns the primary address, otherwise the first of type `work`, otherwise the first.
fn the_one_that_counts(mut elements: Vec<Value>) -> Value {
    let primary = |e: &Value| e.get("primary").and_then(Value::as_bool) == Some(true);
    let work = |e: &Value| {
        let kind = e.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case("work"))
    };
    let at = elements
        .iter()
        .position(primary)
        .or_else(|| elements.iter().position(work));
    elements.swap_remove(at.unwrap_or(0))
}
