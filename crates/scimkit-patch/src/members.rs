//! Memberships: decoded to edges, and edited without reading what need not be read.

use std::collections::BTreeSet;

use scimkit_core::message::Op;
use scimkit_registry::{
    Attr, AttrId, Change, Edge, EdgeEdit, Error, ErrorKind, Operator, Predicate, ResourceId,
    ResourceType, Scalar, edges_of,
};
use serde_json::{Map, Value};

use crate::{
    decode::{Decoder, Selection},
    given::array,
    refusal::{invalid, no_value, required, unassigned},
    step::{Action, MembersEdit},
};

impl Decoder<'_> {
    /// An operation on a membership attribute itself.
    pub(crate) fn members(
        &mut self,
        op: Op,
        attr: &Attr,
        value: Option<Value>,
    ) -> Result<(), Error> {
        self.check_writable(attr)?;
        let needed = attr.definition().required;
        if op == Op::Remove {
            let edit = match self.listed(attr, value)? {
                Some(listed) => {
                    let edges = edges_of(&Value::Array(listed));
                    MembersEdit::Remove(edges.into_iter().map(|edge| edge.id).collect())
                }
                None if needed => return Err(required(attr)),
                None => MembersEdit::Replace(Vec::new()),
            };
            self.push_members(attr, edit);
            return Ok(());
        }
        let value = array(value.ok_or_else(|| no_value(op))?);
        let admitted = self.kind.admit_value(attr.id(), value, self.tolerance)?;
        if admitted.is_none() && needed {
            return Err(unassigned(attr));
        }
        let edges = admitted.as_ref().map_or_else(Vec::new, edges_of);
        self.push_members(
            attr,
            match op {
                Op::Add => MembersEdit::Add(edges),
                _ => MembersEdit::Replace(edges),
            },
        );
        Ok(())
    }

    /// An operation on the members that a value path selects, or on a part of each.
    pub(crate) fn some_members(
        &mut self,
        op: Op,
        selection: Selection<'_>,
        value: Option<Value>,
    ) -> Result<(), Error> {
        let Selection {
            attr,
            seed,
            sub,
            which,
        } = selection;
        self.check_writable(attr)?;
        match (op, sub) {
            // The name to show is filled in from the member: there is nothing to remove.
            (Op::Remove, Some(sub)) if sub.name() == "display" => Ok(()),
            (_, Some(sub)) => Err(unchangeable(sub.path())),
            (Op::Remove, None) => {
                let edit = match self.ids(&which) {
                    Some(ids) => MembersEdit::Remove(ids),
                    None => MembersEdit::RemoveWhere(which),
                };
                self.push_members(attr, edit);
                Ok(())
            }
            (_, None) => {
                let value = value.ok_or_else(|| no_value(op))?;
                let create = self.tolerance.create_elements && seed.is_some();
                let edge = self.member(attr, seed.unwrap_or_default(), value)?;
                self.push_members(
                    attr,
                    MembersEdit::Keep {
                        create,
                        edge,
                        which,
                    },
                );
                Ok(())
            }
        }
    }

    /// The one member that a filter's terms and a value make together.
    fn member(
        &self,
        attr: &Attr,
        mut seed: Map<String, Value>,
        value: Value,
    ) -> Result<Edge, Error> {
        let Value::Object(given) = self.bare(attr, value) else {
            return Err(invalid(format!(
                "a value of `{}` must be an object",
                attr.path()
            )));
        };
        for (name, value) in given {
            seed.retain(|term, _| !term.eq_ignore_ascii_case(&name));
            seed.insert(name, value);
        }
        let member = self.element(attr, seed)?.map(Value::Object);
        let edge = member.and_then(|member| edges_of(&member).pop());
        edge.ok_or_else(|| invalid(format!("an element of `{}` has no `value`", attr.path())))
    }

    /// The ids that a predicate names, when it does nothing else: `value eq` terms joined by `or`.
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
                // Folded text is no id: then the members decide what it selects.
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

/// A membership whose edges were read.
#[derive(Debug)]
pub(crate) struct Members {
    attr: AttrId,
    before: BTreeSet<ResourceId>,
    now: Vec<Edge>,
}

impl Members {
    pub(crate) fn of(attr: AttrId, known: &[(AttrId, Vec<Edge>)]) -> Self {
        let now = known
            .iter()
            .find(|(id, _)| *id == attr)
            .map_or_else(Vec::new, |e| e.1.clone());
        Members {
            attr,
            before: now.iter().map(|edge| edge.id.clone()).collect(),
            now,
        }
    }

    pub(crate) fn attr(&self) -> AttrId {
        self.attr
    }

    pub(crate) fn carry_out(
        &mut self,
        kind: &ResourceType,
        edit: &MembersEdit,
    ) -> Result<(), Error> {
        match edit {
            MembersEdit::Add(edges) => self.add(edges),
            MembersEdit::Keep {
                create,
                edge,
                which,
            } => {
                let mut selected = self
                    .now
                    .iter()
                    .filter(|e| is_selected(kind, which, e))
                    .peekable();
                if selected.peek().is_none() {
                    if !create {
                        return Err(Error::new(
                            ErrorKind::NoTarget,
                            "the path selects no member",
                        ));
                    }
                    self.add(std::slice::from_ref(edge));
                } else if selected.any(|e| e.id != edge.id) {
                    return Err(unchangeable(kind.attr(self.attr).path()));
                }
            }
            MembersEdit::Remove(ids) => {
                let gone: BTreeSet<&ResourceId> = ids.iter().collect();
                self.now.retain(|edge| !gone.contains(&edge.id));
            }
            MembersEdit::RemoveWhere(which) => {
                self.now.retain(|edge| !is_selected(kind, which, edge));
            }
            MembersEdit::Replace(edges) => {
                self.now.clear();
                self.add(edges);
            }
        }
        let attr = kind.attr(self.attr);
        if self.now.is_empty() && !self.before.is_empty() && attr.definition().required {
            return Err(required(attr));
        }
        Ok(())
    }

    pub(crate) fn finish(self, change: &mut Change) {
        let now: BTreeSet<ResourceId> = self.now.iter().map(|edge| edge.id.clone()).collect();
        let add = self
            .now
            .into_iter()
            .filter(|edge| !self.before.contains(&edge.id))
            .collect();
        let remove = self.before.difference(&now).cloned().collect();
        change.edit_edges(self.attr, EdgeEdit::Delta { add, remove });
    }

    fn add(&mut self, edges: &[Edge]) {
        let mut known: BTreeSet<ResourceId> = self.now.iter().map(|e| e.id.clone()).collect();
        self.now
            .extend(edges.iter().filter(|e| known.insert(e.id.clone())).cloned());
    }
}

/// Writes an edit of a membership that nobody read.
pub(crate) fn carry_out_unread(change: &mut Change, attr: AttrId, edit: &MembersEdit) {
    change.edit_edges(
        attr,
        match edit {
            MembersEdit::Add(edges) => EdgeEdit::Delta {
                add: edges.clone(),
                remove: Vec::new(),
            },
            MembersEdit::Remove(ids) => {
                let distinct: BTreeSet<&ResourceId> = ids.iter().collect();
                let remove = distinct.into_iter().cloned().collect();
                EdgeEdit::Delta {
                    add: Vec::new(),
                    remove,
                }
            }
            MembersEdit::Replace(edges) => EdgeEdit::Replace(edges.clone()),
            // These read the members: see `Action::reads_edges`.
            MembersEdit::Keep { .. } | MembersEdit::RemoveWhere(_) => return,
        },
    );
}

/// Whether a predicate over a member's sub-attributes selects this one.
fn is_selected(kind: &ResourceType, which: &Predicate, edge: &Edge) -> bool {
    let mut member = Map::from_iter([("value".to_owned(), Value::from(edge.id.as_str()))]);
    let rest = [("display", &edge.display), ("type", &edge.kind)];
    for (name, text) in rest {
        if let Some(text) = text {
            member.insert(name.to_owned(), Value::from(text.as_str()));
        }
    }
    kind.element_matches(which, &Value::Object(member))
}

fn unchangeable(path: &str) -> Error {
    let detail = format!("`{path}` can't be changed: remove the member and add another");
    Error::new(ErrorKind::Mutability, detail)
}
