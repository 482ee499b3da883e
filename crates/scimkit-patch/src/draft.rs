//! The resource during a patch: a copy of only the attributes that it touches.

use std::{collections::BTreeSet, sync::Arc};

use scimkit_core::{Mutability, excerpt};
use scimkit_registry::{
    Attr, AttrId, Budget, Change, Predicate, QuirkPolicy, ReplacedValue, RequestError,
    RequestErrorKind, ResourceId, ResourceType, weight,
};
use serde_json::Value;

use crate::{
    elements,
    members::{Members, carry_out_unread},
    patch::CurrentState,
    refusal::required,
    step::{Action, Edit, OnNoMatch},
    value::{copied, edit_member, edited, keeping, merge_or_clear, non_empty, object},
};

pub(crate) struct Draft<'a> {
    before: CurrentState<'a>,
    budget: &'a Budget,
    change: Change,
    /// Attributes to unset that documents never contain.
    hidden: BTreeSet<AttrId>,
    kind: &'a Arc<ResourceType>,
    leeway: &'a dyn QuirkPolicy,
    members: Vec<Members<'a>>,

    /// The attributes touched so far: few, so a list is enough.
    // INVARIANT: contains no attribute twice, and none together with its own complex attribute.
    now: Vec<ReplacedValue<'a>>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(
        kind: &'a Arc<ResourceType>,
        before: CurrentState<'a>,
        read: Vec<AttrId>,
        leeway: &'a dyn QuirkPolicy,
        budget: &'a Budget,
    ) -> Self {
        Draft {
            before,
            budget,
            change: Change::empty(Arc::clone(kind)),
            hidden: BTreeSet::new(),
            kind,
            leeway,
            members: read
                .into_iter()
                .map(|attr| Members::of(kind, attr, before.edges))
                .collect(),
            now: Vec::new(),
        }
    }

    pub(crate) fn carry_out(
        &mut self,
        action: &'a Action,
        own: &ResourceId,
    ) -> Result<(), RequestError> {
        match action {
            Action::Attribute { attr, edit } => self.attribute(self.kind.attr(*attr), edit),
            Action::Elements {
                absent,
                attr,
                edit,
                sub,
                which,
            } => {
                let attr = self.kind.attr(*attr);
                if attr.definition().multi_valued {
                    self.elements(attr, which, *sub, edit, absent)
                } else {
                    self.only_element(attr, which, *sub, edit, absent)
                }
            }
            Action::Id(id) if id == own.as_str() => Ok(()),
            Action::Id(id) => {
                let detail = format!("`id` can't be changed to `{}`", excerpt(id));
                Err(RequestError::new(RequestErrorKind::Mutability, detail))
            }
            Action::Members { attr, edit } => {
                self.budget.charge(edit.cost())?;
                match self.members.iter_mut().find(|m| m.attr() == *attr) {
                    Some(members) => {
                        members.carry_out(self.kind, edit, self.leeway, &self.budget.meter())?
                    }
                    None => carry_out_unread(&mut self.change, *attr, edit),
                }
                Ok(())
            }
        }
    }

    pub(crate) fn into_change(mut self) -> Result<Change, RequestError> {
        let kind = self.kind;
        let place =
            |touched: &ReplacedValue<'_>| kind.attr(touched.attr).parent().unwrap_or(touched.attr);
        self.now
            .sort_unstable_by_key(|touched| (place(touched), touched.attr));
        self.check_extensions()?;
        self.kind
            .check_required_after(self.before.document, &self.now)?;
        for ReplacedValue {
            attr,
            before,
            after,
        } in self.now
        {
            // The former value is compared with the new one.
            let compared = before.into_iter().chain(&after).map(weight).sum();
            self.budget.charge(compared)?;
            self.change.difference(attr, before, after);
        }
        for id in self.hidden {
            // The former value is unknown, so it counts as present.
            self.change.difference(id, Some(&Value::Null), None);
        }
        for members in self.members {
            members.finish(&mut self.change);
        }
        Ok(self.change)
    }

    fn attribute(&mut self, attr: &Attr, edit: &Edit) -> Result<(), RequestError> {
        self.note_hidden(attr, edit);
        let kind = self.kind;
        match (attr.parent().map(|parent| kind.attr(parent)), edit) {
            (None, Edit::Merge(merged)) if self.is_in_parts(attr) => {
                for (sub, value) in merged {
                    let edit = match value {
                        Some(value) => Edit::Assign(copied(value, &self.budget.meter())?),
                        None => Edit::Unset,
                    };
                    self.rewrite(kind.attr(*sub), &edit)?;
                }
                Ok(())
            }
            (None, Edit::Assign(_) | Edit::Unset) => self.rewrite(attr, edit),
            (None, _) => {
                let meter = self.budget.meter();
                self.touch(attr, |old| edited(kind, attr, old, edit, &meter))
            }
            (Some(parent), _) if self.is_in_parts(parent) => self.rewrite(attr, edit),
            (Some(parent), _) => {
                let meter = self.budget.meter();
                self.touch(parent, |old| {
                    let mut members = object(old);
                    edit_member(kind, attr, &mut members, edit, &meter)?;
                    Ok(non_empty(members))
                })
            }
        }
    }

    /// Returns whether the parts of a complex value can be written one by one, without copying the others: no
    /// operation needs the whole value.
    fn is_in_parts(&self, attr: &Attr) -> bool {
        let asks = |attr: &Attr| attr.definition().required || is_immutable(attr);
        !asks(attr)
            && !attr.definition().multi_valued
            && attr.extension().is_none()
            && !self
                .kind
                .children(attr.id())
                .any(|sub| sub.definition().required)
            && !self.now.iter().any(|known| known.attr == attr.id())
    }

    /// Edits an attribute whose old value has no part in the new one, and need not be copied.
    fn rewrite(&mut self, attr: &Attr, edit: &Edit) -> Result<(), RequestError> {
        if is_immutable(attr) || !matches!(edit, Edit::Assign(_) | Edit::Unset) {
            let kind = self.kind;
            let meter = self.budget.meter();
            return self.touch(attr, |old| edited(kind, attr, old, edit, &meter));
        }
        let mut touched = self.take(attr, |_| Ok(None))?;
        let had = touched.after.is_some() || touched.before.is_some();
        touched.after = edited(self.kind, attr, None, edit, &self.budget.meter())?;
        check_left(attr, had, touched.after.as_ref())?;
        self.now.push(touched);
        Ok(())
    }

    fn elements(
        &mut self,
        attr: &Attr,
        which: &Predicate,
        sub: Option<AttrId>,
        edit: &Edit,
        absent: &OnNoMatch,
    ) -> Result<(), RequestError> {
        let kind = self.kind;
        let leeway = self.leeway;
        let meter = self.budget.meter();
        let sets = sets_any(kind, &["primary"], sub, edit);
        self.touch(attr, |old| {
            let mut elements = elements::array(old);
            let known = elements.len();
            meter.charge(Budget::COMPARISON.saturating_mul(elements.len() as u64))?;
            let holds = |element| kind.element_matches(which, element, &meter);
            let selected: Result<Vec<bool>, _> = elements.iter().map(holds).collect();
            let mut selected = selected?;
            if !selected.contains(&true) {
                check_absent(attr, absent, leeway)?;
                if let OnNoMatch::Create(seed, _) = absent {
                    elements.push(if attr.is_complex() {
                        Value::Object(seed.clone())
                    } else {
                        Value::Null
                    });
                    kind.check_count(attr.id(), elements.len())?;
                    selected.push(true);
                }
            }
            let created = elements.len() > known;
            let mut assigned = false;
            let mut primary = Vec::new();
            for (index, (element, _)) in elements
                .iter_mut()
                .zip(selected)
                .enumerate()
                .filter(|(_, (_, selected))| *selected)
            {
                if !attr.is_complex() {
                    // All elements would get the same value, so that only one of them remains.
                    *element = match edit {
                        Edit::Assign(value) if !assigned => value.clone(),
                        _ => Value::Null,
                    };
                    assigned = true;
                    continue;
                }
                let mut members = object(Some(std::mem::take(element)));
                match sub {
                    Some(sub) => edit_member(kind, kind.attr(sub), &mut members, edit, &meter)?,
                    None => merge_or_clear(kind, &mut members, edit, &meter)?,
                }
                if (created || sets) && elements::is_primary(&members) {
                    primary.push(index);
                }
                *element = Value::Object(members);
            }
            elements::settle_primary(attr, &mut elements, &primary)?;
            let simple = !attr.is_complex() && matches!(edit, Edit::Assign(_));
            if created || simple || sets_any(kind, &["type", "value"], sub, edit) {
                for element in &elements {
                    let value = element.get("value").unwrap_or(element).as_str();
                    meter.compare(value.map_or(0, str::len))?;
                }
                elements = if simple {
                    elements::distinct(kind, attr, elements)
                } else {
                    kind.without_duplicates(attr.id(), elements)
                };
            }
            Ok(elements::assigned(elements))
        })
    }

    /// Edits a single-valued complex attribute if the path selects its value.
    ///
    /// A value is created only if there is none: a different value was not selected.
    fn only_element(
        &mut self,
        attr: &'a Attr,
        which: &Predicate,
        sub: Option<AttrId>,
        edit: &Edit,
        absent: &OnNoMatch,
    ) -> Result<(), RequestError> {
        let kind = self.kind;
        let meter = self.budget.meter();
        let copy = |before: Option<&Value>| before.map(|before| copied(before, &meter)).transpose();
        let touched = self.take(attr, copy)?;
        let selected = match &touched.after {
            Some(value) => Some(kind.element_matches(which, value, &self.budget.meter())?),
            None => None,
        };
        self.now.push(touched);
        if selected != Some(true) {
            let absent = match absent {
                OnNoMatch::Create(..) if selected.is_some() => &OnNoMatch::Reject,
                other => other,
            };
            check_absent(attr, absent, self.leeway)?;
            let OnNoMatch::Create(seed, _) = absent else {
                return Ok(());
            };
            let seeded = kind
                .children(attr.id())
                .filter_map(|sub| Some((sub.id(), Some(seed.get(sub.name())?.clone()))));
            self.attribute(attr, &Edit::Merge(seeded.collect()))?;
        }
        self.attribute(sub.map_or(attr, |sub| kind.attr(sub)), edit)
    }

    /// Edits the copy of one attribute, which the first edit creates.
    fn touch(
        &mut self,
        attr: &Attr,
        edit: impl FnOnce(Option<Value>) -> Result<Option<Value>, RequestError>,
    ) -> Result<(), RequestError> {
        let meter = self.budget.meter();
        let copy = |before: Option<&Value>| before.map(|before| copied(before, &meter)).transpose();
        let mut touched = self.take(attr, copy)?;
        let old = touched.after.take();
        let had = old.is_some();
        touched.after = keeping(attr, old, &meter, edit)?;
        check_left(attr, had, touched.after.as_ref())?;
        self.now.push(touched);
        Ok(())
    }

    /// Takes the current value of an attribute off the list; at first, `copy` computes it.
    fn take(
        &mut self,
        attr: &Attr,
        copy: impl FnOnce(Option<&Value>) -> Result<Option<Value>, RequestError>,
    ) -> Result<ReplacedValue<'a>, RequestError> {
        self.budget.charge(Budget::COMPARISON)?;
        let mut known = self.now.iter();
        if let Some(at) = known.position(|known| known.attr == attr.id()) {
            return Ok(self.now.swap_remove(at));
        }
        let before = self.before.document.get(self.kind, attr.id());
        let mut after = copy(before)?;
        let kind = self.kind;
        let is_part =
            |known: &mut ReplacedValue<'_>| kind.attr(known.attr).parent() == Some(attr.id());
        for part in self.now.extract_if(.., is_part) {
            let mut members = object(after);
            match part.after {
                Some(value) => members.insert(kind.attr(part.attr).name().to_owned(), value),
                None => members.remove(kind.attr(part.attr).name()),
            };
            after = non_empty(members);
        }
        Ok(ReplacedValue {
            after,
            attr: attr.id(),
            before,
        })
    }

    /// Records attributes that are unset but never in a document, since a comparison can't detect them.
    fn note_hidden(&mut self, attr: &Attr, edit: &Edit) {
        let single = !attr.definition().multi_valued;
        match edit {
            Edit::Merge(members) => {
                for (id, value) in members {
                    if self.kind.attr(*id).is_never_returned() {
                        self.hide(*id, value.is_none());
                    }
                }
            }
            Edit::Unset if attr.is_complex() && single => {
                for sub in self.kind.children(attr.id()) {
                    if sub.is_never_returned() {
                        self.hidden.insert(sub.id());
                    }
                }
            }
            _ if attr.is_never_returned() => {
                self.hide(attr.id(), matches!(edit, Edit::Unset));
            }
            _ => {}
        }
    }

    fn hide(&mut self, id: AttrId, unset: bool) {
        if unset {
            self.hidden.insert(id);
        } else {
            self.hidden.remove(&id);
        }
    }

    /// Checks that each required extension still has a value.
    fn check_extensions(&self) -> Result<(), RequestError> {
        for (index, extension) in self.kind.extensions().iter().enumerate() {
            let of_it = |id: AttrId| self.kind.attr(id).extension() == Some(index);
            if !extension.is_required() || !self.now.iter().any(|known| of_it(known.attr)) {
                continue;
            }
            let tops = self
                .kind
                .attributes()
                .iter()
                .filter(|a| of_it(a.id()) && a.parent().is_none());
            let left = |attr: &Attr| match self.now.iter().find(|known| known.attr == attr.id()) {
                Some(known) => known.after.is_some(),
                None => self.before.document.get(self.kind, attr.id()).is_some(),
            };
            if !tops.into_iter().any(left) {
                let detail = format!("`{}` is required and can't be removed", extension.urn());
                return Err(RequestError::new(RequestErrorKind::Mutability, detail));
            }
        }
        Ok(())
    }
}

/// Checks that a required attribute that had a value still has one.
fn check_left(attr: &Attr, had: bool, now: Option<&Value>) -> Result<(), RequestError> {
    if had && now.is_none() && attr.definition().required {
        return Err(required(attr));
    }
    Ok(())
}

fn is_immutable(attr: &Attr) -> bool {
    attr.definition().mutability == Mutability::Immutable
}

/// Checks whether a path may select nothing.
fn check_absent(
    attr: &Attr,
    absent: &OnNoMatch,
    leeway: &dyn QuirkPolicy,
) -> Result<(), RequestError> {
    let problem = || {
        let detail = format!("the path selects no value of `{}`", attr.path());
        RequestError::new(RequestErrorKind::NoTarget, detail)
    };
    match absent {
        OnNoMatch::Create(_, Some(quirk)) | OnNoMatch::Pass(Some(quirk)) => {
            let fine = leeway.allow(*quirk);
            if fine {
                Ok(())
            } else {
                Err(problem().with_quirk(*quirk))
            }
        }
        OnNoMatch::Create(_, None) | OnNoMatch::Pass(None) => Ok(()),
        OnNoMatch::Reject => Err(problem()),
    }
}

/// Returns whether an edit of elements sets one of these sub-attributes.
fn sets_any(kind: &ResourceType, names: &[&str], sub: Option<AttrId>, edit: &Edit) -> bool {
    let is_named = |id: AttrId| names.contains(&kind.attr(id).name());
    match (sub, edit) {
        (Some(sub), _) => is_named(sub),
        (None, Edit::Merge(merged)) => merged.iter().any(|(id, _)| is_named(*id)),
        _ => false,
    }
}
