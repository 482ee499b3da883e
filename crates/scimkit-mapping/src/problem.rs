//! What is wrong with a mapping, and where.

use std::fmt;

/// Everything that is wrong with a mapping, in the order of the file.
///
/// # Example
/// ```
/// use scimkit_mapping::Mapping;
/// use scimkit_registry::Registry;
///
/// let text = "[[User.map]]\nscim = 'shoeSize'\nhost = 'shoe_size'\n\n[[User.map]]\nscim = 'title'\n";
/// let error = Mapping::builder().with_file(text).build(&Registry::standard()).unwrap_err();
/// let lines: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
/// assert_eq!(lines, [
///     "2:8: rule 1 of User: `shoeSize` is not an attribute of User",
///     "5:1: rule 2 of User (title): it has a SCIM side only: give a `host`, a `constant` or a `template`",
/// ]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    problems: Vec<Problem>,
}

impl MappingError {
    /// How many problems are told at most.
    pub(super) const MOST: usize = 100;

    pub(super) fn of(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|p| p.place);
        problems.truncate(Self::MOST);
        MappingError { problems }
    }

    /// The problems, at least one and at most a hundred.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for MappingError {}

/// One thing that is wrong with a mapping: shown as `line:column: rule: what`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    detail: String,
    place: Option<Position>,
    rule: Option<String>,
}

impl Problem {
    pub(super) fn new(place: Option<Position>, detail: impl Into<String>) -> Self {
        Problem {
            detail: detail.into(),
            place,
            rule: None,
        }
    }

    pub(super) fn of_rule(mut self, rule: &str) -> Self {
        self.rule = Some(rule.to_owned());
        self
    }

    /// What is wrong, without place and rule.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Where in the file; `None` for a mapping that was built in code.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.place
    }

    /// The rule that it is about, such as `rule 3 of User (userName)`.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, "{rule}: ")?;
        }
        f.write_str(&self.detail)
    }
}

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a place in a text has no more to it"
)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// The lines of a text, to find positions in.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    starts: Vec<usize>,
    text: &'t str,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let starts = std::iter::once(0)
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
        Lines { starts, text }
    }

    pub(super) fn position(&self, at: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(start..at.min(self.text.len()));
        let column = 1 + before.map_or(0, |text| text.chars().count());
        Position { line, column }
    }
}
