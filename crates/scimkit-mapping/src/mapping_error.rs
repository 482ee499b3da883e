//! The problems of a mapping and their positions.

use std::fmt;

/// All problems of a mapping, in the order of the file.
///
/// # Example
/// ```
/// use scimkit_mapping::Mapping;
/// use scimkit_registry::Registry;
///
/// let text = "[[User.map]]\nscim = 'shoeSize'\nfield = 'shoe_size'\n\n[[User.map]]\nscim = 'title'\n";
/// let error = Mapping::builder().text(text).build(&Registry::standard()).unwrap_err();
/// let lines: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
/// assert_eq!(lines, [
///     "2:8: rule 1 of User: unknown attribute `shoeSize`",
///     "5:1: rule 2 of User (title): the rule has no field: add `field`, `constant` or `template`",
/// ]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    problems: Vec<MappingProblem>,
}

impl MappingError {
    /// The maximal number of problems.
    pub(super) const MOST: usize = 100;

    pub(super) fn new(mut problems: Vec<MappingProblem>) -> Self {
        problems.sort_by_key(|problem| problem.position);
        problems.truncate(Self::MOST);
        MappingError { problems }
    }

    /// Returns the problems: at least one and at most a hundred.
    #[must_use]
    pub fn problems(&self) -> &[MappingProblem] {
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

/// One problem of a mapping, displayed as `line:column: rule: detail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingProblem {
    detail: String,
    position: Option<SourcePosition>,
    rule: Option<String>,
}

impl MappingProblem {
    pub(super) fn new(position: Option<SourcePosition>, detail: impl Into<String>) -> Self {
        MappingProblem {
            detail: detail.into(),
            position,
            rule: None,
        }
    }

    pub(super) fn with_rule(mut self, rule: &str) -> Self {
        self.rule = Some(rule.to_owned());
        self
    }

    /// Returns the message without position and rule.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the position in the file; `None` for rules from code.
    #[must_use]
    pub fn position(&self) -> Option<SourcePosition> {
        self.position
    }

    /// Returns the rule with the problem, such as `rule 3 of User (userName)`.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }
}

impl fmt::Display for MappingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(SourcePosition { line, column, .. }) = self.position {
            write!(f, "{line}:{column}: ")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, "{rule}: ")?;
        }
        f.write_str(&self.detail)
    }
}

/// A position in a text of a mapping: its line and column are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a position in a text has no more to it"
)]
pub struct SourcePosition {
    /// The number of the text, counted from 0 in the order of [`MappingBuilder::text`](crate::MappingBuilder::text).
    pub text: usize,
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// The lines of a text, for conversion of byte offsets to positions.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    /// The number of the text.
    number: usize,
    starts: Vec<usize>,
    text: &'t str,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str, number: usize) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        let starts = std::iter::once(0)
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
        Lines {
            number,
            starts,
            text,
        }
    }

    pub(super) fn position(&self, at: usize) -> SourcePosition {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(start..at.min(self.text.len()));
        let column = 1 + before.map_or(0, |text| text.chars().count());
        SourcePosition {
            text: self.number,
            line,
            column,
        }
    }
}
