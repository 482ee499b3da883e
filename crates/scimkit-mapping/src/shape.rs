//! What of a change a mapping lets through.

use std::collections::HashSet;

use scimkit_core::Mutability;
use serde_json::Value;

use super::{
    TypeMapping, Unmapped,
    bound::Bound,
    side::{Members, Side, Which, applied, demote},
};
use scimkit_registry::{
    Attr, AttrId, Change, Error, ErrorKind, Extension, Findings, Resource, Revision, Role,
};

/// What a change is for.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a write that has a change creates or updates"
)]
pub enum Occasion<'a> {
    /// It takes over one that is there: what it does not speak of stays.
    Adopt(&'a Resource),
    /// It creates a resource.
    Create,
    /// It updates one, with the document before; `None` only where nothing was read, as for a
    /// change of memberships: what the document holds and the change replaces is not known then.
    Update(Option<&'a Resource>),
}

impl<'a> Occasion<'a> {
    fn before(self) -> Option<&'a Resource> {
        match self {
            Occasion::Adopt(before) => Some(before),
            Occasion::Create => None,
            Occasion::Update(before) => before,
        }
    }
}

/// A change as a mapping lets it through: see [`TypeMapping::shape`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Shaped {
    /// What is left of it, with defaults filled in.
    pub change: Change,
    /// The paths of attributes that are not mapped and were left out, once for each value. They are
    /// the schema's, so that their number is bounded.
    pub dropped: Vec<String>,
}

impl TypeMapping {
    /// What of a change is let through.
    ///
    /// - What a rule makes read-only is left out, as if it had not been sent.
    /// - What no rule reaches is kept, dropped or refused: see [`Unmapped`]. Of an attribute that is
    ///   mapped in parts, the values that no rule selects are such. What the document has of it stays,
    ///   unless it is kept as it is sent.
    /// - What the schema requires is kept in any case.
    /// - A resource that is created gets the defaults of what it comes without; an update that unsets
    ///   what has a default leaves it as it is.
    /// - What is write-only by its schema is kept whatever [`Unmapped`] says, as whoever takes
    ///   passwords decides about it.
    ///
    /// # Errors
    /// - a required attribute that is missing in what is created, or unset by an update: `invalidValue`
    /// - what is not mapped, where that is refused: `invalidValue`
    /// - a change of another resource type, or of another version of its schema: `invalidSyntax`
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_mapping::{Occasion, Rule, Unmapped};
    /// use scimkit_mapping::Mapping;
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.by_name("User").unwrap();
    /// let mapping = Mapping::builder()
    ///     .unmapped("User", Unmapped::Drop)
    ///     .rule("User", Rule::of("userName").to("email"))
    ///     .rule("User", Rule::of("name.familyName").to("surname").required())
    ///     .rule("User", Rule::of("locale").to("language").or_else("en"))
    ///     .build(&registry)
    ///     .unwrap();
    /// let create = |body| -> Result<_, scimkit_registry::Error> {
    ///     let change = Change::create(Arc::clone(user), user.admit(body, &Tolerance::DEFAULT)?);
    ///     mapping.of("User").unwrap().shape(change, Occasion::Create)
    /// };
    /// let shaped = create(json!({"userName": "b", "title": "Dr", "name": {"familyName": "Jensen"}}))?;
    /// assert_eq!(shaped.dropped, ["title"]);
    /// let locale = user.named("locale").unwrap();
    /// assert!(shaped.change.set().contains(&(locale, json!("en"))));
    ///
    /// let error = create(json!({"userName": "b"})).unwrap_err();
    /// assert_eq!(error.detail(), "`name.familyName` is required by the mapping of this connection but missing");
    /// # Ok::<(), scimkit_registry::Error>(())
    /// ```
    pub fn shape(&self, change: Change, occasion: Occasion<'_>) -> Result<Shaped, Error> {
        self.check_kind(&change)?;
        let (mut dropped, mut findings) = (Vec::new(), Findings::default());
        let mut enough = Ok(());
        let mut change = change.revised(|id, value| {
            let revision = self.revision(id, value, occasion, &mut dropped);
            let noted = findings.note(revision).unwrap_or_else(|all| {
                enough = Err(all);
                None
            });
            noted.unwrap_or(Revision::Leave)
        });
        enough?;
        change.retain_edges(|id| !matches!(self.reach(id), Reach::ReadOnly));
        if matches!(occasion, Occasion::Create) {
            self.fill_in(&mut change);
        }
        for problem in self.lacking(&change, occasion) {
            findings.note::<()>(Err(problem))?;
        }
        findings.end()?;
        Ok(Shaped { change, dropped })
    }

    /// The paths of what a change sets and no rule reaches, once for each value: what
    /// [`Unmapped`] decides on.
    #[must_use]
    pub fn unreached(&self, change: &Change) -> Vec<String> {
        let mut unreached = Vec::new();
        for (id, value) in change.set() {
            let values = match (self.reach(*id), value) {
                (Reach::Nothing, _) => 1,
                (Reach::Parts, Value::Array(elements)) => {
                    let reached = |e: &&Value| self.selected(*id, e).is_none();
                    elements.iter().filter(reached).count()
                }
                _ => 0,
            };
            let path = self.kind.attr(*id).path();
            unreached.extend(std::iter::repeat_n(path.to_owned(), values));
        }
        unreached
    }

    /// What becomes of one attribute of a change.
    fn revision(
        &self,
        id: AttrId,
        value: Option<Value>,
        occasion: Occasion<'_>,
        dropped: &mut Vec<String>,
    ) -> Result<Revision, Error> {
        match (self.reach(id), value) {
            (Reach::ReadOnly, _) => Ok(Revision::Leave),
            (Reach::Parts, value) => self.parts(id, value, occasion, dropped),
            (Reach::Whole, Some(value)) => Ok(Revision::Set(value)),
            (Reach::Whole, None) if self.has_default(id) => Ok(Revision::Leave),
            (Reach::Whole, None) => Ok(Revision::Unset),
            (Reach::Nothing, value) => match (self.unmapped, value) {
                (Unmapped::Keep, Some(value)) => Ok(Revision::Set(value)),
                (Unmapped::Keep, None) => Ok(Revision::Unset),
                (_, None) => Ok(Revision::Leave),
                (Unmapped::Drop, Some(_)) => {
                    dropped.push(self.kind.attr(id).path().to_owned());
                    Ok(Revision::Leave)
                }
                (Unmapped::Refuse, Some(_)) => Err(self.refusal(id)),
            },
        }
    }

    /// What becomes of an attribute of which rules select some values.
    fn parts(
        &self,
        id: AttrId,
        value: Option<Value>,
        occasion: Occasion<'_>,
        dropped: &mut Vec<String>,
    ) -> Result<Revision, Error> {
        let old = occasion
            .before()
            .and_then(|before| before.get(&self.kind, id))
            .and_then(Value::as_array);
        let old = old.map_or(&[][..], Vec::as_slice);
        let new = match value {
            Some(Value::Array(elements)) => elements,
            _ => Vec::new(),
        };
        // By hash: comparing each with each would take the square of what a change can hold.
        let was_there: HashSet<&Value> = old.iter().collect();
        let mut kept = Vec::with_capacity(new.len());
        for element in new {
            match self.selected(id, &element) {
                Some(true) => kept.push((element, true)),
                Some(false) => {}
                None if self.unmapped == Unmapped::Keep => kept.push((element, true)),
                None if was_there.contains(&element) => kept.push((element, false)),
                None if self.unmapped == Unmapped::Refuse => return Err(self.refusal(id)),
                None => dropped.push(self.kind.attr(id).path().to_owned()),
            }
        }
        let outliving = self.outliving(id, occasion, &kept);
        let mut is_kept: HashSet<&Value> = kept.iter().map(|(element, _)| element).collect();
        let mut staying = Vec::new();
        for element in old {
            let stays = match self.selected(id, element) {
                Some(false) => true,
                Some(true) => outliving.iter().any(|w| w.holds(&self.kind, element)),
                None => self.unmapped != Unmapped::Keep,
            };
            if stays && is_kept.insert(element) {
                staying.push((element.clone(), false));
            }
        }
        kept.append(&mut staying);
        let is_primary = |element: &Value| element.get("primary") == Some(&Value::Bool(true));
        if kept
            .iter()
            .any(|(element, own)| *own && is_primary(element))
        {
            let others = kept
                .iter_mut()
                .filter(|(element, own)| !own && is_primary(element));
            others.for_each(|(element, _)| demote(element));
        }
        let elements: Vec<_> = kept.into_iter().map(|(element, _)| element).collect();
        Ok(match elements.is_empty() {
            true => Revision::Unset,
            false => Revision::Set(Value::Array(elements)),
        })
    }

    /// What selects the values that clients may write and that stay where a change does not speak of
    /// them: because what is there is taken over, or because there is never none.
    fn outliving(&self, id: AttrId, occasion: Occasion<'_>, kept: &[(Value, bool)]) -> Vec<&Which> {
        let adopts = matches!(occasion, Occasion::Adopt(_));
        let own = self.sides().filter(|(_, side)| side.attr == id);
        let outlives = own.filter(|(rule, _)| adopts || rule.rule.default.is_some());
        let selecting = outlives.filter_map(|(_, side)| side.which.as_ref());
        let spoken_of = |which: &&Which| {
            let mut new = kept.iter().filter(|(_, own)| *own);
            new.any(|(new, _)| which.holds(&self.kind, new))
        };
        selecting.filter(|which| !spoken_of(which)).collect()
    }

    /// Whether a rule selects an element, and then whether clients may write it.
    fn selected(&self, id: AttrId, element: &Value) -> Option<bool> {
        let selects =
            |which: &Option<Which>| which.as_ref().is_some_and(|w| w.holds(&self.kind, element));
        let sides = self
            .sides()
            .filter(|(_, side)| side.attr == id && selects(&side.which));
        sides
            .map(|(rule, _)| rule.is_writable())
            .reduce(|one, other| one || other)
    }

    /// Whether an attribute is never without a value.
    fn has_default(&self, id: AttrId) -> bool {
        let parent = self.kind.attr(id).parent();
        let mut sides = self.sides();
        sides.any(|(rule, side)| {
            let own = side.attr == id || Some(side.attr) == parent;
            side.which.is_none() && own && rule.rule.default.is_some()
        })
    }

    fn refusal(&self, id: AttrId) -> Error {
        let path = self.kind.attr(id).path();
        Error::new(
            ErrorKind::Value,
            format!("`{path}` is not mapped by this connection, which refuses what is not"),
        )
    }

    /// Returns a document with defaults for the attributes that it lacks.
    #[must_use]
    pub fn with_defaults(&self, document: &Resource) -> Resource {
        let mut document = document.clone();
        for rule in &self.rules {
            if let (Some(default), Some(side)) = (&rule.rule.default, rule.sides.first())
                && side.value(&self.kind, &document).is_none()
            {
                side.write(&self.kind, &mut document, Some(default.clone()));
            }
        }
        document
    }

    /// Gives what is created the defaults of what it comes without.
    fn fill_in(&self, change: &mut Change) {
        if self.rules.iter().all(|rule| rule.rule.default.is_none()) {
            return;
        }
        let before = applied(None, change, Members::Passed);
        let after = self.with_defaults(&before);
        let attrs = self.rules.iter().filter(|rule| rule.rule.default.is_some());
        for side in attrs.filter_map(|rule| rule.sides.first()) {
            let before = before.get(&self.kind, side.attr);
            let after = after.get(&self.kind, side.attr).cloned();
            change.difference(side.attr, before, after);
        }
    }

    /// What is required and would not be there.
    fn lacking(&self, change: &Change, occasion: Occasion<'_>) -> Vec<Error> {
        if !self.rules.iter().any(|rule| rule.rule.required) {
            return Vec::new();
        }
        let before = occasion.before();
        let after = applied(before, change, self.sees_members());
        let required = self.rules.iter().filter(|rule| rule.rule.required);
        let lacking = required.filter_map(|rule| {
            let wrong = self.lacks(rule, change, occasion, &after)?;
            let path = rule.sides.first().map_or("", |side| side.path.as_str());
            let detail = format!("`{path}` is required by the mapping of this connection {wrong}");
            Some(Error::new(ErrorKind::Value, detail))
        });
        lacking.collect()
    }

    fn lacks(
        &self,
        rule: &Bound,
        change: &Change,
        occasion: Occasion<'_>,
        after: &Resource,
    ) -> Option<&'static str> {
        let values = |document: &Resource| -> Vec<Value> {
            let sides = rule.sides.iter();
            sides
                .filter_map(|side| side.value(&self.kind, document))
                .collect()
        };
        let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        let now = values(after);
        if now.iter().any(|value| !is_blank(value)) {
            return None;
        }
        let own = |id: AttrId| rule.sides.iter().any(|side| side.attr == id);
        let creates = matches!(occasion, Occasion::Create);
        if !now.is_empty() && (creates || change.set().iter().any(|(id, _)| own(*id))) {
            return Some("but blank");
        }
        if creates {
            return Some("but missing");
        }
        let unset = |side: &Side| match self.kind.attr(side.attr).role() {
            Role::Membership => change.edges().iter().any(|edges| edges.attr == side.attr),
            _ => change.unset().contains(&side.attr),
        };
        let had = occasion
            .before()
            .is_some_and(|before| !values(before).is_empty());
        let taken = (had && now.is_empty()) || rule.sides.iter().any(unset);
        (taken && !self.only_adds_members(rule, change)).then_some("and can't be unset")
    }

    /// Whether the rule is about a membership that is not replaced: nobody knows what is left.
    fn only_adds_members(&self, rule: &Bound, change: &Change) -> bool {
        use scimkit_registry::EdgeEdit;
        let own = |id: AttrId| rule.sides.iter().any(|side| side.attr == id);
        let mut edges = change.edges().iter().filter(|edges| own(edges.attr));
        edges.any(|edges| matches!(edges.edit, EdgeEdit::Delta { .. }))
    }

    pub(super) fn sides(&self) -> impl Iterator<Item = (&Bound, &Side)> {
        let rules = self.rules.iter();
        rules.flat_map(|rule| rule.sides.iter().map(move |side| (rule, side)))
    }

    /// Whether it is kept though no rule reaches it: the protocol or the schema needs it.
    pub(super) fn needs(&self, attr: &Attr) -> bool {
        if is_protocol(attr) {
            return true;
        }
        let extension = attr
            .extension()
            .and_then(|index| self.kind.extensions().get(index));
        attr.definition().required
            && match attr.parent() {
                None => extension.is_none_or(Extension::is_required),
                // Beside what is mapped, it is a part of what must be whole.
                Some(parent) => {
                    let beside = |side: &Side| self.kind.attr(side.attr).parent() == Some(parent);
                    self.needs(self.kind.attr(parent)) || self.sides().any(|(_, side)| beside(side))
                }
            }
    }

    /// What the rules say of an attribute of a change.
    pub(super) fn reach(&self, id: AttrId) -> Reach {
        let parent = self.kind.attr(id).parent();
        let (mut reach, mut parts) = (None, false);
        for (rule, side) in self.sides() {
            if side.which.is_none() && (side.attr == id || Some(side.attr) == parent) {
                if rule.is_writable() {
                    return Reach::Whole;
                }
                reach = Some(Reach::ReadOnly);
            }
            parts |= side.which.is_some() && side.attr == id;
        }
        match reach {
            Some(reach) => reach,
            None if parts => Reach::Parts,
            None if self.needs(self.kind.attr(id)) => Reach::Whole,
            // Whoever takes passwords decides about them.
            None if self.kind.attr(id).definition().mutability == Mutability::WriteOnly => {
                Reach::Whole
            }
            None => Reach::Nothing,
        }
    }
}

/// What the rules say of an attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reach {
    Nothing,
    /// Rules select some of its values.
    Parts,
    ReadOnly,
    /// Clients may write it.
    Whole,
}

/// Whether the protocol needs it, so that it is kept unless a rule says otherwise.
pub(super) fn is_protocol(attr: &Attr) -> bool {
    let named = attr.extension().is_none() && matches!(attr.path(), "active" | "externalId");
    named || !matches!(attr.role(), Role::Plain | Role::Reference)
}
