//! A PATCH request, decoded and applied.

use std::sync::Arc;

use scimkit_core::message::PatchRequest;
use scimkit_filter::ParseLimits;
use scimkit_registry::{
    AttrId, Budget, Change, Edge, ErrorCollector, Quirk, QuirkPolicy, RequestError,
    RequestErrorKind, Resource, ResourceId, ResourceType,
};

use crate::{
    decode::Decoder,
    draft::Draft,
    step::{Action, EDGE, Step},
};

/// A decoded PATCH request: every path bound and every value admitted, before any store was asked.
///
/// - Operations apply in order, and all of them or none.
/// - `add` and `replace` merge what is given into a complex attribute; `add` appends to a
///   multi-valued one what it does not hold yet, `replace` puts another in its place.
/// - Two values with the same `value` and `type` are one value: adding it again updates it.
/// - A value that becomes primary takes that from the others.
/// - A membership attribute is changed edge by edge, without reading the edges it has.
///
/// # Example
/// ```
/// use scimkit_core::message::PatchRequest;
/// use scimkit_patch::{Before, Patch};
/// use scimkit_registry::{Budget, RequestErrorKind, Registry, Resource, Tolerance};
/// use serde_json::{Value, json};
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let bjensen = json!({"userName": "bjensen", "emails": [{"type": "work", "value": "b@a.example"}]});
/// let bjensen = user.admit(bjensen, &Tolerance::DEFAULT)?;
/// let patched = |operation: Value| {
///     let request = json!({"Operations": [operation]});
///     let request = PatchRequest::from_value(request, 100).unwrap();
///     let patch = Patch::decode(user, request, Default::default(), &Tolerance::DEFAULT)?;
///     let before = Before { document: &bjensen, edges: &[] };
///     patch.apply(&"2819".into(), &before, &Tolerance::DEFAULT, &Budget::unlimited())
/// };
///
/// let path = r#"emails[type eq "work"].value"#;
/// let change = patched(json!({"op": "replace", "path": path, "value": "b@b.example"}))?;
/// assert_eq!(change.assignments()[0].1, json!([{"type": "work", "value": "b@b.example"}]));
///
/// let error = patched(json!({"op": "remove", "path": "userName"})).unwrap_err();
/// assert_eq!(error.kind(), RequestErrorKind::Mutability);
/// assert_eq!(error.detail(), "operation 1: `userName` is required and can't be removed");
/// # Ok::<(), scimkit_patch::RequestError>(())
/// ```
///
/// [RFC 7644 section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
#[derive(Debug, Clone)]
pub struct Patch {
    kind: Arc<ResourceType>,
    // INVARIANT: no step writes a read-only attribute, and every value in one was admitted.
    steps: Vec<Step>,
}

/// What a [`Patch`] must know of the resource before it can be applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// Whether it reads the document. A patch that only adds, removes by id or replaces members
    /// does not.
    pub document: bool,
    /// The membership attributes whose edges it reads, all of them.
    pub edges: Vec<AttrId>,
}

/// What there is before a [`Patch`] is applied.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a caller makes it; it is what `Needs` asks for"
)]
pub struct Before<'a> {
    /// The document; an empty one will do when [`Needs::document`] is false.
    pub document: &'a Resource,
    /// The edges of each attribute in [`Needs::edges`]; one left out counts as having none.
    pub edges: &'a [(AttrId, Vec<Edge>)],
}

impl Patch {
    /// Binds every path of a request and admits every value.
    ///
    /// An error says of each operation that is wrong which one it is, counted from 1, up to ten of
    /// them.
    ///
    /// # Errors
    /// - no operations, or `schemas` that do not name a patch, unless tolerated: `invalidSyntax`
    /// - a path that is malformed, names no attribute or, unless tolerated, filters a single value or simple
    ///   values: `invalidPath`
    /// - `remove` without a path: `noTarget`
    /// - `add` or `replace` without a value, with one of the wrong type, or with none for a required
    ///   attribute: `invalidValue`
    /// - `remove` of a multi-valued attribute with a value, unless tolerated: `invalidValue`
    /// - a path to what is read-only, the removal of what is required or of `schemas`, and a
    ///   part of a member: `mutability`
    /// - without a path: a read-only attribute, unless tolerated: `mutability`; an unknown one,
    ///   unless tolerated: `invalidSyntax`
    ///
    /// # Example
    /// ```
    /// use scimkit_core::message::PatchRequest;
    /// use scimkit_patch::Patch;
    /// use scimkit_registry::{RequestErrorKind, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let group = registry.resource_type("Group").unwrap();
    /// let decode = |path: &str| {
    ///     let request = json!({"Operations": [{"op": "remove", "path": path}]});
    ///     let request = PatchRequest::from_value(request, 100).unwrap();
    ///     Patch::decode(group, request, Default::default(), &Tolerance::DEFAULT)
    /// };
    /// assert!(!decode(r#"members[value eq "2819"]"#)?.needs().document);
    /// assert_eq!(decode("owner").unwrap_err().kind(), RequestErrorKind::Path);
    /// # Ok::<(), scimkit_patch::RequestError>(())
    /// ```
    ///
    /// [RFC 7644 section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
    pub fn decode(
        kind: &Arc<ResourceType>,
        request: PatchRequest,
        limits: ParseLimits,
        leeway: &dyn QuirkPolicy,
    ) -> Result<Patch, RequestError> {
        RequestError::check_message(request.schemas_mismatch, "a patch", leeway)?;
        if request.operations.is_empty() && !leeway.allow(Quirk::EmptyOperations) {
            let problem = RequestError::new(RequestErrorKind::Syntax, "there are no `Operations`");
            return Err(problem.with_quirk(Quirk::EmptyOperations));
        }
        let mut decoder = Decoder::new(kind, limits, leeway);
        let mut findings = ErrorCollector::default();
        for (number, operation) in (1..).zip(request.operations) {
            let decoded = decoder.operation(operation);
            findings.push(decoded.map_err(|error| in_operation(error, number)))?;
        }
        findings.finish()?;
        Ok(Patch {
            kind: Arc::clone(kind),
            steps: decoder.into_steps(),
        })
    }

    /// What must be read before the patch can be applied.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        for Step { action, .. } in &self.steps {
            needs.document |= action.reads_document();
            if let Some(attr) = action.reads_edges()
                && !needs.edges.contains(&attr)
            {
                needs.edges.push(attr);
            }
        }
        needs
    }

    /// Returns the attributes of the document that the patch reads and writes. Others may be left out of
    /// [`Before::document`], except those of an extension that one of these is in.
    ///
    /// # Example
    /// ```
    /// use scimkit_core::message::PatchRequest;
    /// use scimkit_patch::Patch;
    /// use scimkit_registry::{Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let request = json!({"Operations": [{"op": "replace", "path": "title", "value": "Dr"}]});
    /// let request = PatchRequest::from_value(request, 100).unwrap();
    /// let patch = Patch::decode(user, request, Default::default(), &Tolerance::DEFAULT)?;
    /// assert!(patch.attributes().eq(user.attribute_id("title")));
    /// # Ok::<(), scimkit_patch::RequestError>(())
    /// ```
    pub fn attributes(&self) -> impl Iterator<Item = AttrId> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Attribute { attr, .. } | Action::Elements { attr, .. } => Some(*attr),
            Action::Id(_) | Action::Members { .. } => None,
        })
    }

    /// What the patch changes in the resource `id`.
    ///
    /// Pure: after a lost race it can be applied again to what is there by then. A patch that
    /// changes nothing gives an empty change; only an edit of members that it did not read may
    /// turn out to change nothing later, in the store. What a path may select decides itself
    /// here, so the tolerance is asked again.
    ///
    /// # Errors
    /// The first operation that can't be carried out:
    /// - a value path that selects nothing, unless tolerated: `noTarget`
    /// - an immutable attribute that has another value, a required one that would be left without
    ///   any, and an `id` that is not the resource's: `mutability`
    /// - two values that would be primary, more than [`MAX_ELEMENTS`](scimkit_registry::MAX_ELEMENTS),
    ///   and a value without a sub-attribute that is required: `invalidValue`
    /// - an extension that is changed and left without an attribute that it requires:
    ///   `invalidValue`
    /// - many filters without a `value eq` term on a membership so large that trying each member
    ///   would take too long: `invalidPath`
    /// - the budget, which pays for each comparison, copy and lookup, runs out:
    ///   [`Exhausted`](scimkit_registry::RequestErrorKind::Exhausted)
    ///
    /// # Example
    /// ```
    /// use scimkit_core::message::PatchRequest;
    /// use scimkit_patch::{Before, Patch};
    /// use scimkit_registry::{Budget, RequestErrorKind, Registry, Resource, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let group = registry.resource_type("Group").unwrap();
    /// let request = PatchRequest::from_value(json!({"Operations": [
    ///     {"op": "replace", "value": {"id": "g1", "displayName": "Crew"}},
    /// ]}), 100).unwrap();
    /// let patch = Patch::decode(group, request, Default::default(), &Tolerance::DEFAULT)?;
    /// let before = Resource::default();
    /// let before = Before { document: &before, edges: &[] };
    /// let apply = |id: &str, budget| patch.apply(&id.into(), &before, &Tolerance::DEFAULT, &budget);
    /// assert!(!apply("g1", Budget::new(10_000))?.is_empty());
    /// let other = apply("g2", Budget::unlimited());
    /// assert_eq!(other.unwrap_err().kind(), RequestErrorKind::Mutability);
    /// # Ok::<(), scimkit_patch::RequestError>(())
    /// ```
    ///
    /// [RFC 7644 section 3.5.2](https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2)
    pub fn apply(
        &self,
        id: &ResourceId,
        before: &Before<'_>,
        leeway: &dyn QuirkPolicy,
        budget: &Budget,
    ) -> Result<Change, RequestError> {
        let known: usize = before.edges.iter().map(|(_, edges)| edges.len()).sum();
        budget.charge(EDGE.saturating_mul(known as u64))?;
        let mut draft = Draft::new(&self.kind, *before, self.needs().edges, leeway, budget);
        for step in &self.steps {
            draft
                .carry_out(&step.action, id)
                .map_err(|error| in_operation(error, step.number))?;
        }
        draft.into_change()
    }
}

fn in_operation(error: RequestError, number: usize) -> RequestError {
    error.with_context(&format!("operation {number}"))
}
