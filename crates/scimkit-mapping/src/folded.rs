//! The check that a column is folded in every row, so that SQL can compare it.

use std::collections::BTreeMap;

use scimkit_registry::fold;

/// The rows that prevent a column from being declared [`folded`](super::Field::folded).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoldReport<I> {
    /// Groups of two or more rows whose values are equal when folded. Before a unique index on the
    /// folded values can be created, all but one row of each group have to change.
    pub duplicates: Vec<Vec<I>>,
    /// Rows whose value is not folded, each with the value to write in its place.
    pub unfolded: Vec<(I, String)>,
}

impl<I> FoldReport<I> {
    /// Whether every row is folded and no two are equal.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.duplicates.is_empty() && self.unfolded.is_empty()
    }
}

/// Checks the rows of a text column before it is declared [`folded`](super::Field::folded): each is a
/// key of the row, such as its id, and the text of the column.
///
/// Folding is Unicode's: `Straße` becomes `strasse`, which the `lower` of a database does not do. All
/// rows are held in memory.
///
/// # Example
/// ```
/// use scimkit_mapping::check_folded;
///
/// let rows = [(1, "babs@example.com"), (2, "Am@Example.com"), (3, "BABS@example.com")];
/// let report = check_folded(rows);
/// assert_eq!(report.duplicates, [vec![1, 3]]);
/// assert_eq!(report.unfolded, [(2, "am@example.com".to_owned()), (3, "babs@example.com".to_owned())]);
/// assert!(check_folded([(1, "babs@example.com")]).is_clean());
/// ```
pub fn check_folded<I: Clone, V: AsRef<str>>(
    rows: impl IntoIterator<Item = (I, V)>,
) -> FoldReport<I> {
    let mut known: BTreeMap<String, Vec<I>> = BTreeMap::new();
    let mut unfolded = Vec::new();
    for (row, value) in rows {
        let folded = fold(value.as_ref()).into_owned();
        if folded != value.as_ref() {
            unfolded.push((row.clone(), folded.clone()));
        }
        known.entry(folded).or_default().push(row);
    }
    let duplicates = known.into_values().filter(|rows| rows.len() > 1);
    FoldReport {
        duplicates: duplicates.collect(),
        unfolded,
    }
}
