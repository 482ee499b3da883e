//! PATCH requests, decoded and applied.

use std::sync::Arc;

use scimkit_core::message::PatchRequest;
use scimkit_filter::ParseLimits;
use scimkit_registry::{
    AttrEdges, AttrId, Budget, Change, ErrorCollector, Quirk, QuirkPolicy, RequestError,
    RequestErrorKind, Resource, ResourceId, ResourceType,
};

use crate::{
    decode::Decoder,
    draft::Draft,
    step::{Action, EDGE, Step},
};

/// A decoded PATCH request: every path is bound and every value admitted, before any request to a store.
///
/// - Operations apply in order, all of them or none.
/// - `add` and `replace` merge their value into a complex attribute; `add` appends new elements to a multi-valued
///   one, `replace` replaces all of its elements.
/// - Two elements with the same `value` and `type` are one element: adding it again updates it.
/// - If a value becomes primary, the others no longer are.
/// - A membership attribute is changed edge by edge, without reading its existing edges.
///
/// # Example
/// ```
/// use scimkit_core::message::PatchRequest;
/// use scimkit_patch::{CurrentState, Patch};
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
///     let before = CurrentState { document: &bjensen, edges: &[] };
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

/// The parts of a resource that must be read before a [`Patch`] can be applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadRequirements {
    /// Whether the patch reads the document. A patch that only adds, removes by id or replaces members does not.
    pub document: bool,
    /// The membership attributes of which the patch reads all edges.
    pub edges: Vec<AttrId>,
}

/// The resource before a [`Patch`] is applied.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build it from `ReadRequirements`"
)]
pub struct CurrentState<'a> {
    /// The document; it may be empty if [`ReadRequirements::document`] is false.
    pub document: &'a Resource,
    /// The edges of each attribute in [`ReadRequirements::edges`]; a missing attribute counts as having none.
    pub edges: &'a [AttrEdges],
}

impl Patch {
    /// Binds every path of a request and admits every value.
    ///
    /// The error names each invalid operation, counted from 1, up to ten of them.
    ///
    /// # Errors
    /// - there are no operations, or `schemas` do not name a patch, unless tolerated: `invalidSyntax`
    /// - a path is malformed, names no attribute or, unless tolerated, filters a single value or simple values:
    ///   `invalidPath`
    /// - `remove` has no path: `noTarget`
    /// - `add` or `replace` has no value, one of the wrong type, or an empty one for a required attribute:
    ///   `invalidValue`
    /// - `remove` of a multi-valued attribute has a value, unless tolerated: `invalidValue`
    /// - a path writes a read-only attribute or a part of a member, or removes a required attribute or `schemas`:
    ///   `mutability`
    /// - a value without a path has a read-only attribute, unless tolerated: `mutability`; or an unknown one, unless
    ///   tolerated: `invalidSyntax`
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

    /// Returns the parts of the resource that must be read before the patch can be applied.
    #[must_use]
    pub fn needs(&self) -> ReadRequirements {
        let mut needs = ReadRequirements::default();
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

    /// Returns the attributes of the document that the patch reads and writes. Others may be missing in
    /// [`CurrentState::document`], except the other attributes of an extension to which one of these belongs.
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

    /// Returns the change that the patch makes to the resource `id`.
    ///
    /// This is a pure function: after a lost race it can be called again with the new state. A patch that changes
    /// nothing gives an empty change; only an edit of members that it did not read may turn out later, in the store,
    /// to change nothing. Whether a path may select nothing is decided here, so this function needs the tolerance
    /// again.
    ///
    /// # Errors
    /// The first operation that fails:
    /// - a value path selects nothing, unless tolerated: `noTarget`
    /// - an immutable attribute has another value, a required one would lose its last value, or an `id` is not the
    ///   resource's: `mutability`
    /// - two values would be primary, there are more than [`MAX_ELEMENTS`](scimkit_registry::MAX_ELEMENTS), or a
    ///   value lacks a required sub-attribute: `invalidValue`
    /// - a changed extension lacks one of its required attributes: `invalidValue`
    /// - many filters without a `value eq` term apply to a membership so large that evaluating them on each member
    ///   would take too long: `invalidPath`
    /// - the budget, which is charged for each comparison, copy and lookup, runs out:
    ///   [`Exhausted`](scimkit_registry::RequestErrorKind::Exhausted)
    ///
    /// # Example
    /// ```
    /// use scimkit_core::message::PatchRequest;
    /// use scimkit_patch::{CurrentState, Patch};
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
    /// let before = CurrentState { document: &before, edges: &[] };
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
        before: &CurrentState<'_>,
        leeway: &dyn QuirkPolicy,
        budget: &Budget,
    ) -> Result<Change, RequestError> {
        let known: usize = before.edges.iter().map(|list| list.edges.len()).sum();
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
