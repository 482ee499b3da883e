//! The levels around the one that is being read.

use crate::tree::Filter;
use std::array;

/// As many levels as this are kept without an allocation.
const NEAR: usize = 4;

/// What opened a level.
#[derive(Clone, Copy)]
pub(crate) enum Open {
    Brackets,
    Group,
    Not,
}

/// A level that waits for the one inside it to close: what it has read so far.
pub(crate) struct Level<'a> {
    pub(crate) open: Open,
    pub(crate) all: Vec<Filter<'a>>,
    pub(crate) any: Vec<Filter<'a>>,
}

/// A stack of levels.
#[derive(Default)]
pub(crate) struct Levels<'a> {
    // INVARIANT: of the `len` levels, the first are near, in order, and only what does not fit there is far.
    far: Vec<Level<'a>>,
    len: usize,
    /// `None` until there is a first level: most filters have none.
    near: Option<[Option<Level<'a>>; NEAR]>,
}

impl<'a> Levels<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What opened the innermost one.
    pub(crate) fn last(&self) -> Option<Open> {
        let at = self.len.checked_sub(1)?;
        let level = match self.near.as_ref()?.get(at) {
            Some(near) => near.as_ref(),
            None => self.far.last(),
        };
        level.map(|level| level.open)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn pop(&mut self) -> Option<Level<'a>> {
        self.len = self.len.checked_sub(1)?;
        match self.near.as_mut()?.get_mut(self.len) {
            Some(near) => near.take(),
            None => self.far.pop(),
        }
    }

    pub(crate) fn push(&mut self, level: Level<'a>) {
        let near = self.near.get_or_insert_with(|| array::from_fn(|_| None));
        match near.get_mut(self.len) {
            Some(free) => *free = Some(level),
            None => self.far.push(level),
        }
        self.len = self.len.saturating_add(1);
    }
}
