//! Memberships: decoded to edges, and edited with as little reading as possible.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use scimkit_core::message::PatchOperationKind;
use scimkit_registry::{
    Attr, AttrEdges, AttrId, Change, Edge, EdgeEdit, Exhausted, Meter, Operator, Predicate, Quirk,
    QuirkPolicy, RequestError, RequestErrorKind, ResourceId, ResourceType, Scalar, fold_case,
    parse_edges,
};
use serde_json::{Map, Value};

use crate::{
    decode::{Decoder, Selection},
    refusal::{invalid, no_value, required, unassigned},
    step::{Action, EDGE, MembersEdit},
};

impl Decoder<'_> {
    /// Decodes an operation on a membership attribute itself.
    pub(crate) fn members(
        &mut self,
        op: PatchOperationKind,
        attr: &Attr,
        value: Option<Value>,
    ) -> Result<(), RequestError> {
        self.check_writable(attr)?;
        let needed = attr.definition().required;
        if op == PatchOperationKind::Remove {
            let edit = match self.listed(attr, value)? {
                Some(listed) => {
                    let edges = parse_edges(&Value::Array(listed));
                    MembersEdit::Remove(edges.into_iter().map(|edge| edge.id).collect())
                }
                None if needed => return Err(required(attr)),
                None => MembersEdit::Replace(Vec::new()),
            };
            self.push_members(attr, edit);
            return Ok(());
        }
        let value = self.array(attr, value.ok_or_else(|| no_value(op))?);
        let admitted = self.kind.admit_value(attr.id(), value, self.leeway)?;
        if admitted.is_none() && needed {
            return Err(unassigned(attr));
        }
        let edges = admitted.as_ref().map_or_else(Vec::new, parse_edges);
        self.push_members(
            attr,
            match op {
                PatchOperationKind::Add => MembersEdit::Add(edges),
                _ => MembersEdit::Replace(edges),
            },
        );
        Ok(())
    }

    /// Decodes an operation on the members that a value path selects, or on a part of each.
    pub(crate) fn some_members(
        &mut self,
        op: PatchOperationKind,
        selection: Selection<'_>,
        value: Option<Value>,
    ) -> Result<(), RequestError> {
        let Selection {
            attr,
            seed,
            sub,
            which,
        } = selection;
        self.check_writable(attr)?;
        match (op, sub) {
            // The server computes the display name from the member: there is nothing to remove.
            (PatchOperationKind::Remove, Some(sub)) if sub.name() == "display" => Ok(()),
            (_, Some(sub)) => Err(unchangeable(sub.path())),
            (PatchOperationKind::Remove, None) => {
                let edit = match self.ids(&which) {
                    Some(ids) => MembersEdit::Remove(ids),
                    None => MembersEdit::RemoveWhere(which),
                };
                self.push_members(attr, edit);
                Ok(())
            }
            (_, None) => {
                let value = value.ok_or_else(|| no_value(op))?;
                let seeded = seed.is_some();
                let edge = self.member(attr, seed.unwrap_or_default(), value)?;
                let edit = MembersEdit::Keep {
                    edge,
                    seeded,
                    which,
                };
                self.push_members(attr, edit);
                Ok(())
            }
        }
    }

    /// Returns the single member that a filter's terms and a value describe together.
    fn member(
        &self,
        attr: &Attr,
        mut seed: Map<String, Value>,
        value: Value,
    ) -> Result<Edge, RequestError> {
        for (name, value) in self.members_of(attr, value)? {
            seed.retain(|term, _| !term.eq_ignore_ascii_case(&name));
            seed.insert(name, value);
        }
        let member = self.element(attr, seed)?.map(Value::Object);
        let edge = member.and_then(|member| parse_edges(&member).pop());
        edge.ok_or_else(|| invalid(format!("an element of `{}` has no `value`", attr.path())))
    }

    /// Returns the ids in a predicate that consists of `value eq` terms joined by `or` only.
    fn ids(&self, which: &Predicate) -> Option<Vec<ResourceId>> {
        match which {
            Predicate::Any(terms) => {
                let each = terms.iter().map(|term| self.ids(term));
                Some(
                    each.collect::<Option<Vec<_>>>()?
                        .into_iter()
                        .flatten()
                        .collect(),
                )
            }
            Predicate::Compare {
                attr: id,
                op: Operator::Equal,
                value: Scalar::Text(text),
            } => {
                let sub = self.kind.attr(*id);
                // Folded text is not an id: such a filter is evaluated on the members.
                let exact = sub.name() == "value" && sub.definition().is_case_exact();
                exact.then(|| vec![ResourceId::from(text.as_str())])
            }
            _ => None,
        }
    }

    fn push_members(&mut self, attr: &Attr, edit: MembersEdit) {
        self.push(Action::Members {
            attr: attr.id(),
            edit,
        });
    }
}

/// The maximum number of members on which the filters of one patch are evaluated, after the first filter.
///
/// Only a filter without a `value` is evaluated on every member; a thousand of those on a large membership would take
/// minutes.
const MOST_TRIED: usize = 1_000_000;

/// A membership whose edges were read.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    attr: &'a Attr,
    before: &'a [Edge],
    now: BTreeMap<Name<'a>, &'a Edge>,
    /// The number of members on which filters were evaluated.
    tried: usize,
    /// The sub-attribute with the id.
    value: Option<&'a Attr>,
}

/// A member's id, as filters compare it and as stored.
type Name<'a> = (Cow<'a, str>, &'a ResourceId);

impl<'a> Members<'a> {
    pub(crate) fn of(kind: &'a ResourceType, attr: AttrId, known: &'a [AttrEdges]) -> Self {
        let edges = known.iter().find(|list| list.attr == attr);
        let mut members = Members {
            attr: kind.attr(attr),
            before: edges.map_or(&[], |list| list.edges.as_slice()),
            now: BTreeMap::new(),
            tried: 0,
            value: kind.children(attr).find(|sub| sub.name() == "value"),
        };
        members.add(members.before);
        members
    }

    pub(crate) fn attr(&self) -> AttrId {
        self.attr.id()
    }

    pub(crate) fn carry_out(
        &mut self,
        kind: &ResourceType,
        edit: &'a MembersEdit,
        leeway: &dyn QuirkPolicy,
        meter: &Meter<'_>,
    ) -> Result<(), RequestError> {
        match edit {
            MembersEdit::Add(edges) => self.add(edges),
            MembersEdit::Keep {
                edge,
                seeded,
                which,
            } => {
                let selected = self.selected(kind, which, meter)?;
                if selected.iter().any(|e| e.id != edge.id) {
                    return Err(unchangeable(self.attr.path()));
                }
                if selected.is_empty() && !(*seeded && leeway.allow(Quirk::CreateElements)) {
                    let problem =
                        RequestError::new(RequestErrorKind::NoTarget, "the path selects no member");
                    return Err(if *seeded {
                        problem.with_quirk(Quirk::CreateElements)
                    } else {
                        problem
                    });
                }
                self.add(std::slice::from_ref(edge));
            }
            MembersEdit::Remove(ids) => ids.iter().for_each(|id| self.remove(id)),
            MembersEdit::RemoveWhere(which) => {
                for edge in self.selected(kind, which, meter)? {
                    self.remove(&edge.id);
                }
            }
            MembersEdit::Replace(edges) => {
                self.now.clear();
                self.add(edges);
            }
        }
        if self.now.is_empty() && !self.before.is_empty() && self.attr.definition().required {
            return Err(required(self.attr));
        }
        Ok(())
    }

    pub(crate) fn finish(self, change: &mut Change) {
        let now: Vec<&Edge> = self.now.into_values().collect();
        change.edit_edges(self.attr.id(), delta(self.before, &now));
    }

    fn add(&mut self, edges: &'a [Edge]) {
        for edge in edges {
            self.now.entry(self.name(&edge.id)).or_insert(edge);
        }
    }

    fn remove(&mut self, id: &'a ResourceId) {
        self.now.remove(&self.name(id));
    }

    fn name(&self, id: &'a ResourceId) -> Name<'a> {
        let exact = self.value.is_none_or(|a| a.definition().is_case_exact());
        let text = id.as_str();
        (if exact { text.into() } else { fold_case(text) }, id)
    }

    /// Returns the members that a filter selects; if it names values, only those members are examined.
    fn selected(
        &mut self,
        kind: &ResourceType,
        which: &Predicate,
        meter: &Meter<'_>,
    ) -> Result<Vec<&'a Edge>, RequestError> {
        let mut selected = Vec::new();
        let mut test = |edge: &'a Edge| -> Result<(), RequestError> {
            if is_selected(kind, which, edge, meter)? {
                selected.push(edge);
            }
            Ok(())
        };
        let Some(texts) = named_values(kind, which) else {
            if self.tried > 0 && self.tried + self.now.len() > MOST_TRIED {
                return Err(too_many_tried(self.attr.path()));
            }
            self.tried += self.now.len();
            self.now.values().try_for_each(|edge| test(edge))?;
            return Ok(selected);
        };
        let (now, least): (&BTreeMap<Name<'_>, _>, _) = (&self.now, ResourceId::from(""));
        for text in texts {
            let named = now.range((Cow::Borrowed(text), &least)..);
            let named = named.take_while(|((known, _), _)| known == text);
            named.map(|(_, edge)| *edge).try_for_each(&mut test)?;
        }
        Ok(selected)
    }
}

/// Returns values of which a member must have one for the predicate to hold; `None` if other members can satisfy it
/// as well.
fn named_values<'p>(kind: &ResourceType, which: &'p Predicate) -> Option<BTreeSet<&'p str>> {
    match which {
        Predicate::All(terms) => terms
            .iter()
            .filter_map(|term| named_values(kind, term))
            .min_by_key(BTreeSet::len),
        Predicate::Any(terms) => {
            let each = terms.iter().map(|term| named_values(kind, term));
            let each: Vec<_> = each.collect::<Option<_>>()?;
            Some(each.into_iter().flatten().collect())
        }
        Predicate::Compare {
            attr,
            op: Operator::Equal,
            value: Scalar::Text(text),
        } => (kind.attr(*attr).name() == "value").then(|| BTreeSet::from([text.as_str()])),
        Predicate::Never => Some(BTreeSet::new()),
        _ => None,
    }
}

/// Returns the edit from one set of edges to another.
pub(crate) fn delta(old: &[Edge], new: &[&Edge]) -> EdgeEdit {
    let had: BTreeSet<&ResourceId> = old.iter().map(|edge| &edge.id).collect();
    let has: BTreeSet<&ResourceId> = new.iter().map(|edge| &edge.id).collect();
    let added = new.iter().filter(|edge| !had.contains(&edge.id));
    EdgeEdit::Delta {
        add: added.map(|edge| (*edge).clone()).collect(),
        remove: had.difference(&has).map(|id| (*id).clone()).collect(),
    }
}

/// Writes an edit of a membership that was not read.
pub(crate) fn carry_out_unread(change: &mut Change, attr: AttrId, edit: &MembersEdit) {
    change.edit_edges(
        attr,
        match edit {
            MembersEdit::Add(edges) => EdgeEdit::Delta {
                add: edges.clone(),
                remove: Vec::new(),
            },
            MembersEdit::Remove(ids) => EdgeEdit::Delta {
                add: Vec::new(),
                remove: ids.clone(),
            },
            MembersEdit::Replace(edges) => EdgeEdit::Replace(edges.clone()),
            // These edits read the members: see `Action::reads_edges`.
            MembersEdit::Keep { .. } | MembersEdit::RemoveWhere(_) => return,
        },
    );
}

/// Returns whether a predicate over a member's sub-attributes selects this one.
fn is_selected(
    kind: &ResourceType,
    which: &Predicate,
    edge: &Edge,
    meter: &Meter<'_>,
) -> Result<bool, Exhausted> {
    let mut member = Map::from_iter([("value".to_owned(), Value::from(edge.id.as_str()))]);
    let rest = [("display", &edge.display), ("type", &edge.kind)];
    for (name, text) in rest {
        if let Some(text) = text {
            member.insert(name.to_owned(), Value::from(&**text));
        }
    }
    // The element of the member is created for the evaluation.
    meter.charge(EDGE)?;
    kind.element_matches(which, &Value::Object(member), meter)
}

fn unchangeable(path: &str) -> RequestError {
    let detail = format!("`{path}` can't be changed: remove the member and add another");
    RequestError::new(RequestErrorKind::Mutability, detail)
}

fn too_many_tried(path: &str) -> RequestError {
    let detail = format!("too many filters to try on each of `{path}`: select by `value`");
    RequestError::new(RequestErrorKind::Path, detail)
}
