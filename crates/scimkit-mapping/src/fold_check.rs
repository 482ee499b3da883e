//! The check that a column is folded in every row, so that SQL can compare it.

use std::collections::BTreeMap;

use scimkit_registry::fold_case;

/// A row of a text column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a row of one column has no more to it"
)]
pub struct RowText<I, T> {
    /// The key of the row, such as its id.
    pub row: I,
    /// The text of the column.
    pub text: T,
}

/// The rows that prevent a column from being declared [`folded`](super::Field::folded).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoldReport<I> {
    /// Groups of two or more rows whose values are equal when folded. Before a unique index on the
    /// folded values can be created, all but one row of each group have to change.
    pub duplicates: Vec<Vec<I>>,
    /// Rows whose text is not folded, each with the text to write in its place.
    pub unfolded: Vec<RowText<I, String>>,
}

impl<I> FoldReport<I> {
    /// Whether every row is folded and no two are equal.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.duplicates.is_empty() && self.unfolded.is_empty()
    }
}

/// Checks the rows of a text column before it is declared [`folded`](super::Field::folded).
///
/// - Folding is Unicode's: `Straße` becomes `strasse`, unlike with the `lower` of a database.
/// - All rows are held in memory.
///
/// # Example
/// ```
/// use scimkit_mapping::{RowText, check_folded};
///
/// let rows = [(1, "babs@example.com"), (2, "Am@Example.com"), (3, "BABS@example.com")];
/// let report = check_folded(rows.map(|(row, text)| RowText { row, text }));
/// assert_eq!(report.duplicates, [vec![1, 3]]);
/// let expected = [(2, "am@example.com"), (3, "babs@example.com")];
/// assert_eq!(report.unfolded, expected.map(|(row, text)| RowText { row, text: text.to_owned() }));
/// assert!(check_folded([RowText { row: 1, text: "babs@example.com" }]).is_clean());
/// ```
pub fn check_folded<I: Clone, T: AsRef<str>>(
    rows: impl IntoIterator<Item = RowText<I, T>>,
) -> FoldReport<I> {
    let mut known: BTreeMap<String, Vec<I>> = BTreeMap::new();
    let mut unfolded = Vec::new();
    for RowText { row, text } in rows {
        let folded = fold_case(text.as_ref()).into_owned();
        if folded != text.as_ref() {
            unfolded.push(RowText {
                row: row.clone(),
                text: folded.clone(),
            });
        }
        known.entry(folded).or_default().push(row);
    }
    let duplicates = known.into_values().filter(|rows| rows.len() > 1);
    FoldReport {
        duplicates: duplicates.collect(),
        unfolded,
    }
}
