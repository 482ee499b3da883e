//! Findings.

use std::collections::BTreeMap;

/// What would go wrong with the tables of a store: see [`TableStore::verify`](crate::TableStore::verify).
#[derive(Debug, Clone, Default)]
pub struct TableReport {
    counts: BTreeMap<FindingKind, u64>,
    findings: Vec<TableFinding>,
    /// The numbers of findings of a kind in a column.
    per_column: BTreeMap<(FindingKind, String, Option<String>), u64>,
}

impl TableReport {
    /// The number of findings of one kind in one column that a report lists.
    pub const LIMIT: u64 = 20;

    /// Returns the findings, in an order in which they can be fixed.
    #[must_use]
    pub fn findings(&self) -> &[TableFinding] {
        &self.findings
    }

    /// Returns the number of findings of each kind, with those that are not listed.
    pub fn counts(&self) -> impl Iterator<Item = (FindingKind, u64)> {
        self.counts.iter().map(|(kind, count)| (*kind, *count))
    }

    /// Returns the number of findings that are not listed.
    #[must_use]
    pub fn omitted(&self) -> u64 {
        let all: u64 = self.counts.values().sum();
        all.saturating_sub(self.findings.len() as u64)
    }

    /// Returns whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }

    /// Returns whether there is a finding of the severity [`Error`](FindingSeverity::Error).
    #[must_use]
    pub fn has_errors(&self) -> bool {
        let mut kinds = self.findings.iter();
        kinds.any(|finding| finding.severity() == FindingSeverity::Error)
    }

    pub(super) fn push(&mut self, finding: TableFinding) {
        *self.counts.entry(finding.kind).or_default() += 1;
        let column = (finding.kind, finding.table.clone(), finding.column.clone());
        let known = self.per_column.entry(column).or_default();
        *known += 1;
        if *known <= Self::LIMIT {
            self.findings.push(finding);
        }
    }
}

/// Something that would go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableFinding {
    /// The column; none if it is about the table.
    pub column: Option<String>,
    /// The kind.
    pub kind: FindingKind,
    /// The SQL text that fixes it: one statement or several, separated by `;`.
    pub fix: Option<String>,
    /// What is wrong and what to do, in lower case and without a full stop.
    pub problem: String,
    /// The identifier of the row in SCIM; none if it is about all rows.
    pub row: Option<String>,
    /// The table.
    pub table: String,
}

impl TableFinding {
    pub(super) fn new(kind: FindingKind, table: &str, problem: impl Into<String>) -> Self {
        TableFinding {
            column: None,
            kind,
            fix: None,
            problem: problem.into(),
            row: None,
            table: table.to_owned(),
        }
    }

    pub(super) fn with_column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }

    pub(super) fn with_fix(mut self, fix: Option<String>) -> Self {
        self.fix = fix;
        self
    }

    pub(super) fn with_row(mut self, row: &str) -> Self {
        self.row = Some(row.to_owned());
        self
    }

    /// Returns how bad it is.
    #[must_use]
    pub fn severity(&self) -> FindingSeverity {
        self.kind.severity()
    }
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// The side tables are missing or have another format.
    SideTables,
    /// A table does not exist.
    MissingTable,
    /// A column does not exist.
    MissingColumn,
    /// A column has a type whose values are not those that the mapping declares.
    UnfitType,
    /// A column without default must have a value, and no rule of the mapping writes it: creates fail.
    UnfilledColumn,
    /// A column must have a value, but its attribute is optional: creates without it fail.
    OptionalValue,
    /// The identifier or the tenant of a row is none.
    InvalidKey,
    /// The value of a row is none that the attribute can have.
    InvalidValue,
    /// The value of a row is not folded, but SQL compares it as if it were.
    NotFolded,
    /// Two rows have the same value of a unique attribute.
    Duplicate,
    /// The database compares a column otherwise than SCIM does.
    Collation,
    /// Nothing but SCIM keeps a value unique: the application can add a second one.
    MissingUniqueIndex,
    /// No index supports a look-up.
    MissingIndex,
    /// SQL can't compare the column of an attribute that is unique or filterable: its look-ups read all rows.
    NotComparable,
}

impl FindingKind {
    /// Returns the name: `missing_table`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FindingKind::SideTables => "side_tables",
            FindingKind::MissingTable => "missing_table",
            FindingKind::MissingColumn => "missing_column",
            FindingKind::UnfitType => "unfit_type",
            FindingKind::UnfilledColumn => "unfilled_column",
            FindingKind::OptionalValue => "optional_value",
            FindingKind::InvalidKey => "invalid_key",
            FindingKind::InvalidValue => "invalid_value",
            FindingKind::NotFolded => "not_folded",
            FindingKind::Duplicate => "duplicate",
            FindingKind::Collation => "collation",
            FindingKind::MissingUniqueIndex => "missing_unique_index",
            FindingKind::MissingIndex => "missing_index",
            FindingKind::NotComparable => "not_comparable",
        }
    }

    /// Returns how bad it is.
    #[must_use]
    pub fn severity(self) -> FindingSeverity {
        match self {
            FindingKind::SideTables
            | FindingKind::MissingTable
            | FindingKind::MissingColumn
            | FindingKind::UnfitType
            | FindingKind::UnfilledColumn
            | FindingKind::NotFolded
            | FindingKind::Duplicate => FindingSeverity::Error,
            FindingKind::OptionalValue
            | FindingKind::InvalidKey
            | FindingKind::InvalidValue
            | FindingKind::Collation
            | FindingKind::MissingUniqueIndex => FindingSeverity::Warning,
            FindingKind::MissingIndex | FindingKind::NotComparable => FindingSeverity::Hint,
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "callers handle each severity")]
pub enum FindingSeverity {
    /// It is only slower than necessary.
    Hint,
    /// Some requests fail, or some rows are not shown as they are.
    Warning,
    /// Requests fail or have wrong results until it is fixed.
    Error,
}

impl FindingSeverity {
    /// Returns the name: `error`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FindingSeverity::Hint => "hint",
            FindingSeverity::Warning => "warning",
            FindingSeverity::Error => "error",
        }
    }
}
