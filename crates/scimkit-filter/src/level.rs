//! The levels of a filter, with the operands read so far.

use crate::tree::Filter;

/// The number of levels that are stored without an allocation.
const NEAR: usize = 4;

/// The token that opened a level.
#[derive(Clone, Copy)]
pub(crate) enum Open {
    Brackets,
    Group,
    Not,
}

/// The complete operands of one level.
#[derive(Default)]
pub(crate) struct Level<'a> {
    /// The token that opened this level; `None` for the outermost one.
    pub(crate) open: Option<Open>,
    /// The operands joined by `and` so far.
    all: Option<Vec<Filter<'a>>>,
    /// The operands joined by `or` so far.
    any: Option<Vec<Filter<'a>>>,
}

impl<'a> Level<'a> {
    /// Creates an empty level.
    #[inline(always)]
    pub(crate) fn new(open: Open) -> Self {
        Self {
            open: Some(open),
            ..Self::default()
        }
    }

    /// Returns whether this is the outermost level, still empty.
    #[inline(always)]
    fn is_default(&self) -> bool {
        self.open.is_none() && self.all.is_none() && self.any.is_none()
    }

    /// Adds an operand before an `and`.
    #[inline(always)]
    pub(crate) fn and(&mut self, operand: Filter<'a>) {
        match operand {
            // Operands in parentheses are flattened.
            Filter::And(members) => join(&mut self.all, members),
            other => push(&mut self.all, other),
        }
    }

    /// Adds an operand before an `or`.
    #[inline(always)]
    pub(crate) fn or(&mut self, operand: Filter<'a>) {
        match (self.all.take(), operand) {
            (Some(all), operand) => push(&mut self.any, conjunction(all, operand)),
            (None, Filter::Or(members)) => join(&mut self.any, members),
            (None, other) => push(&mut self.any, other),
        }
    }

    /// Returns the whole level as one filter that ends with `operand`.
    #[inline(always)]
    pub(crate) fn finish(self, operand: Filter<'a>) -> Filter<'a> {
        match (self.all, self.any) {
            (None, None) => operand,
            (Some(all), None) => conjunction(all, operand),
            (None, Some(any)) => disjunction(any, operand),
            (Some(all), Some(any)) => disjunction(any, conjunction(all, operand)),
        }
    }
}

#[inline(always)]
fn conjunction<'a>(mut all: Vec<Filter<'a>>, operand: Filter<'a>) -> Filter<'a> {
    match operand {
        Filter::And(members) => all.extend(members),
        other => all.push(other),
    }
    Filter::And(all)
}

#[inline(always)]
fn disjunction<'a>(mut any: Vec<Filter<'a>>, operand: Filter<'a>) -> Filter<'a> {
    match operand {
        Filter::Or(members) => any.extend(members),
        other => any.push(other),
    }
    Filter::Or(any)
}

/// Adds a member to a list, which starts with room for four.
#[inline(always)]
fn push<'a>(members: &mut Option<Vec<Filter<'a>>>, member: Filter<'a>) {
    members
        .get_or_insert_with(|| Vec::with_capacity(4))
        .push(member);
}

#[cold]
fn join<'a>(members: &mut Option<Vec<Filter<'a>>>, more: Vec<Filter<'a>>) {
    match members {
        Some(members) => members.extend(more),
        None => *members = Some(more),
    }
}

/// A stack of the levels around the innermost one.
#[derive(Default)]
pub(crate) struct Levels<'a> {
    // INVARIANT: `near` has the first of the `len` levels, in order, and `far` the others.
    far: Vec<Level<'a>>,
    len: usize,
    near: [Option<Level<'a>>; NEAR],
}

impl<'a> Levels<'a> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Level<'a> {
        self.len = self.len.saturating_sub(1);
        let level = match self.near.get_mut(self.len) {
            Some(near) => near.take(),
            None => self.far.pop(),
        };
        level.unwrap_or_default()
    }

    #[inline]
    pub(crate) fn push(&mut self, level: Level<'a>) {
        match self.near.get_mut(self.len) {
            // Popping an empty stack gives the default as well, without copying the value just written.
            Some(_) if level.is_default() => {}
            Some(free) => *free = Some(level),
            None => self.far.push(level),
        }
        self.len = self.len.wrapping_add(1);
    }

    /// Returns whether all levels were popped and none was ever far, so that there is nothing to drop.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.len == 0 && self.far.capacity() == 0
    }
}
