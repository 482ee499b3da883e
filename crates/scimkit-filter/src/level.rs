//! The levels of a filter: what each has read so far.

use crate::tree::Filter;

/// The number of levels that are stored without an allocation.
const NEAR: usize = 4;

/// What opened a level.
#[derive(Clone, Copy)]
pub(crate) enum Open {
    Brackets,
    Group,
    Not,
}

/// The finished operands of one level.
#[derive(Default)]
pub(crate) struct Level<'a> {
    /// What opened this level; the outermost one has no such thing.
    pub(crate) open: Option<Open>,
    /// Operands joined by `and` so far, if there are any.
    all: Option<Vec<Filter<'a>>>,
    /// Operands joined by `or` so far, if there are any.
    any: Option<Vec<Filter<'a>>>,
}

impl<'a> Level<'a> {
    /// An empty level.
    #[inline(always)]
    pub(crate) fn new(open: Open) -> Self {
        Self {
            open: Some(open),
            ..Self::default()
        }
    }

    /// Whether this is the outermost level, with nothing in it yet.
    #[inline(always)]
    fn is_default(&self) -> bool {
        self.open.is_none() && self.all.is_none() && self.any.is_none()
    }

    /// Adds an operand that `and` follows.
    #[inline(always)]
    pub(crate) fn and(&mut self, operand: Filter<'a>) {
        match operand {
            // One that stood in parentheses is flattened.
            Filter::And(members) => join(&mut self.all, members),
            other => push(&mut self.all, other),
        }
    }

    /// Adds an operand that `or` follows.
    #[inline(always)]
    pub(crate) fn or(&mut self, operand: Filter<'a>) {
        match (self.all.take(), operand) {
            (Some(all), operand) => push(&mut self.any, conjunction(all, operand)),
            (None, Filter::Or(members)) => join(&mut self.any, members),
            (None, other) => push(&mut self.any, other),
        }
    }

    /// Takes the whole level, which ends with `operand`, as one filter.
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

/// Adds a member to a list, which has room for four from its first one on.
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
    // INVARIANT: of the `len` levels, the first are near, in order, and only what does not fit there is far.
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
            // Popping a level that is not there gives the default, too, without a copy of what was just written.
            Some(_) if level.is_default() => {}
            Some(free) => *free = Some(level),
            None => self.far.push(level),
        }
        self.len = self.len.wrapping_add(1);
    }

    /// Whether all levels were popped and none was ever far, so that there is nothing to drop.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.len == 0 && self.far.capacity() == 0
    }
}
