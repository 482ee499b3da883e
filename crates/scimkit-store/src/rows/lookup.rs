//! Loads facts by looking up whole rows.

use std::{cmp::Reverse, collections::BTreeSet, future::Future, sync::Arc};

use scimkit_registry::{Operator, Predicate, ResourceId, ResourceType};

use super::{EdgeRow, EdgesBy, SimpleTransaction};
use crate::engine::{
    CandidateQuery, Candidates, CountRow, CounterRef, Facts, FoundRow, KeyHolder, KeyRef, Needs,
    RowState, RowsError,
};

/// Rows and edges that are looked up together, because no look-up depends on the result of another.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "every store must support every look-up"
)]
pub struct Lookups {
    /// The look-ups of edges.
    pub edges: Vec<EdgesBy>,
    /// The look-ups of rows.
    pub rows: Vec<LookupBy>,
}

/// The results of [`Lookups`]: one list per look-up, in the same order.
#[derive(Debug, Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "the results of all look-ups")]
pub struct LookupResults {
    /// The edges.
    pub edges: Vec<Vec<EdgeRow>>,
    /// The rows.
    pub rows: Vec<Vec<FoundRow>>,
}

/// An open transaction in which [`SimpleRows`](super::SimpleRows) looks up rows and edges.
///
/// Every [`SimpleTransaction`] is one, with one look-up after another. A database that is reached over a network
/// implements this trait itself: the facts of a decision are usually one call, and a resource with its edges is two.
pub trait RowLookups: Send {
    /// Returns everything that the look-ups find, and possibly more, which [`SimpleRows`](super::SimpleRows) ignores.
    ///
    /// # Errors
    /// The database failed. The caller rolls the transaction back.
    fn look_up(
        &mut self,
        lookups: &Lookups,
    ) -> impl Future<Output = Result<LookupResults, RowsError>> + Send;
}

impl<T: SimpleTransaction> RowLookups for T {
    async fn look_up(&mut self, lookups: &Lookups) -> Result<LookupResults, RowsError> {
        let mut results = LookupResults::default();
        for by in &lookups.rows {
            results.rows.push(self.find(by).await?);
        }
        for by in &lookups.edges {
            results.edges.push(self.edges(by).await?);
        }
        Ok(results)
    }
}

/// A look-up of rows from [`Needs::lookups`].
#[derive(Debug, Clone)]
pub struct RowLookup {
    /// The rows to find.
    pub by: LookupBy,
    purpose: Purpose,
}

/// The rows that a [`RowLookup`] finds.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every store must support every look-up"
)]
pub enum LookupBy {
    /// The rows with one of these ids, of any type, live or soft-deleted.
    Ids(BTreeSet<ResourceId>),
    /// The rows of a type and state that satisfy a predicate.
    Predicate {
        /// The type.
        kind: Arc<ResourceType>,
        /// The predicate, on attributes that documents contain.
        predicate: Predicate,
        /// The state.
        state: RowState,
    },
}

#[derive(Debug, Clone)]
enum Purpose {
    Candidates(CandidateQuery),
    Count(CounterRef),
    Holders(KeyRef),
    Rows,
}

impl Needs {
    /// Returns the look-ups of whole rows that supply heads, labels, rows, holders, candidates and counts, for a
    /// database without special queries: a count loads every row that counts. Edges, the version and stored counters
    /// are not included.
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::ResourceId;
    /// use scimkit_store::engine::{Facts, Needs};
    /// use scimkit_store::rows::LookupBy;
    ///
    /// let mut needs = Needs::default();
    /// needs.heads.insert(ResourceId::from("7"));
    /// let mut facts = Facts::default();
    /// for lookup in needs.lookups() {
    ///     assert!(matches!(&lookup.by, LookupBy::Ids(ids) if ids.len() == 1));
    ///     facts.add_rows(&lookup, Vec::new());
    /// }
    /// ```
    #[must_use]
    pub fn lookups(&self) -> Vec<RowLookup> {
        let mut lookups = Vec::new();
        let ids = [&self.heads, &self.labels, &self.rows].into_iter();
        let ids: BTreeSet<_> = ids.flatten().cloned().collect();
        if !ids.is_empty() {
            lookups.push(RowLookup {
                by: LookupBy::Ids(ids),
                purpose: Purpose::Rows,
            });
        }
        let of_kind = |kind: &Arc<ResourceType>, predicate, state| LookupBy::Predicate {
            kind: Arc::clone(kind),
            predicate,
            state,
        };
        lookups.extend(self.holders.iter().map(|key| {
            let same = Predicate::Compare {
                attr: key.attr,
                op: Operator::Equal,
                value: key.key.clone(),
            };
            RowLookup {
                by: of_kind(&key.kind, same, RowState::Live),
                purpose: Purpose::Holders(key.clone()),
            }
        }));
        lookups.extend(self.candidates.iter().map(|query| RowLookup {
            by: of_kind(&query.kind, query.predicate.clone(), query.state),
            purpose: Purpose::Candidates(query.clone()),
        }));
        lookups.extend(self.counts.iter().map(|(counter, query)| {
            let all = || Predicate::All(Vec::new());
            let counted = query.predicate.clone().unwrap_or_else(all);
            RowLookup {
                by: of_kind(&query.kind, counted, RowState::Live),
                purpose: Purpose::Count(counter.clone()),
            }
        }));
        lookups
    }
}

impl Facts {
    /// Adds the rows that a look-up found, in any order.
    pub fn add_rows(&mut self, lookup: &RowLookup, mut rows: Vec<FoundRow>) {
        match &lookup.purpose {
            Purpose::Candidates(query) => {
                rows.retain(|row| query.owner.selects(row.connection.as_ref()));
                match query.state {
                    RowState::Live => rows.sort_by(|a, b| a.head.id.cmp(&b.head.id)),
                    RowState::Deleted => rows.sort_by_key(|FoundRow { head, .. }| {
                        Reverse((head.last_modified, head.id.clone()))
                    }),
                }
                rows.truncate(query.limit);
                let number = query.number;
                self.candidates.push(Candidates { number, rows });
            }
            Purpose::Count(counter) => self.counts.push(CountRow {
                count: rows.len() as u64,
                counter: counter.clone(),
            }),
            Purpose::Holders(key) => self.holders.extend(rows.into_iter().map(|row| KeyHolder {
                id: row.head.id,
                key: key.clone(),
            })),
            Purpose::Rows => self.rows.extend(rows),
        }
    }
}
