//! Loads the facts that a decision needs.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use rusqlite::types::ValueRef;
use scimkit_registry::{Budget, Meter, Operator, Predicate, ResourceId, ResourceView};
use scimkit_sql::{
    plan,
    reference::{
        self, Holder, KeyDefinitions, Parameter, ReferenceLayout, Selection, State, Statement,
    },
};
use scimkit_store::{
    OwnerFilter, StoreError,
    engine::{
        AncestorEdge, AncestorQuery, CandidateQuery, Candidates, CountQuery, CountRow, CounterRef,
        CounterRow, Facts, FoundRow, KeyHolder, KeyRef, Label, MemberList, Members, Needs,
        OwnerEdge, RowHead, RowState,
    },
    journal::JournalSeed,
};

use super::rows::{TenantRows, tables};
use crate::{
    definitions,
    error::Outcome,
    journal,
    row::id_at,
    statement::{DIALECT, each, each_of_all},
};

/// The cost of an edge on a path up, in budget units.
const EDGE: u64 = 128 * Budget::COMPARISON;

/// The number of the last change, the counters, and the seed of new journal entries.
type Versioned = (Option<u64>, Vec<CounterRow>, Option<JournalSeed>);

impl TenantRows<'_> {
    pub(super) fn facts(&mut self, needs: &Needs) -> Outcome<Facts> {
        let mut candidates = Vec::with_capacity(needs.candidates.len());
        for query in &needs.candidates {
            let rows = self.candidates(query)?;
            let number = query.number;
            candidates.push(Candidates { number, rows });
        }
        let (version, counters, seed) = self.version(needs)?;
        let mut counts = Vec::with_capacity(needs.counts.len());
        for (counter, query) in &needs.counts {
            let count = self.count(query)?;
            let counter = counter.clone();
            counts.push(CountRow { count, counter });
        }
        let mut labels = Vec::new();
        let heads = self.heads(needs, &mut labels)?;
        self.labels(needs, &mut labels)?;
        let shown_members = self.shown_members(needs, &mut labels)?;
        let shown_owners = self.shown_owners(needs, &mut labels)?;
        Ok(Facts {
            ancestors: self.ancestors(needs)?,
            candidates,
            counters: Some(counters),
            counts,
            edges: self.edges(needs)?,
            heads,
            holders: self.holders(needs)?,
            journal: seed,
            labels,
            member_kinds: self.member_kinds(needs)?,
            members: self.members(needs)?,
            owners: self.owners(needs)?,
            rows: self.rows(needs)?,
            shown_members,
            shown_owners,
            version,
        })
    }

    /// Loads the number of the last change, the counters of some types, and the seed of new journal entries.
    fn version(&mut self, needs: &Needs) -> Outcome<Versioned> {
        let mut counters = Vec::new();
        if !needs.version && needs.counters.is_empty() {
            return Ok((None, counters, None));
        }
        let kinds: Vec<_> = needs.counters.iter().map(|kind| &**kind).collect();
        let statement = reference::version_and_counters(DIALECT, self.tenant, &kinds);
        let (mut version, mut holds, mut seed) = (0, false, None);
        each(self.connection, &statement, |row| {
            (version, holds) = (row.get(0)?, row.get(1)?);
            seed = Some(journal::seed(row, 2)?);
            if holds && row.get_ref(4)? != ValueRef::Null {
                counters.push(counter_row(row)?);
            }
            Ok(true)
        })?;
        let seed = match seed {
            Some(seed) => seed,
            None => journal::end(self.connection, self.tenant)?.seed,
        };
        self.last_change = Some((version, holds));
        let version = u64::try_from(version).map_err(StoreError::backend)?;
        Ok((Some(version), counters, Some(seed)))
    }

    /// Loads rows without documents, and adds their labels where needed.
    fn heads(&self, needs: &Needs, labels: &mut Vec<Label>) -> Outcome<Vec<RowHead>> {
        let ids: Vec<_> = needs.heads.iter().map(ResourceId::as_str).collect();
        let mut heads = Vec::with_capacity(ids.len());
        let statements = reference::heads(DIALECT, self.tenant, &ids);
        each_of_all(self.connection, statements, |row| {
            let head = self.head(row)?;
            if head.state == RowState::Live && needs.labels.contains(&head.id) {
                labels.push(Label {
                    display: row.get(6)?,
                    id: head.id.clone(),
                    kind: Arc::clone(&head.kind),
                });
            }
            heads.push(head);
            Ok(())
        })?;
        Ok(heads)
    }

    fn rows(&mut self, needs: &Needs) -> Outcome<Vec<FoundRow>> {
        let ids: Vec<_> = needs.rows.iter().map(ResourceId::as_str).collect();
        let mut found = Vec::with_capacity(ids.len());
        let statements = reference::rows(DIALECT, self.tenant, &ids);
        each_of_all(self.connection, statements, |row| {
            found.push(self.found(row)?);
            Ok(())
        })?;
        Ok(found)
    }

    fn holders(&self, needs: &Needs) -> Outcome<Vec<KeyHolder>> {
        let keys: Vec<_> = needs.holders.iter().collect();
        let (mut found, mut keyed) = (Vec::new(), Vec::new());
        for group in keys.chunk_by(|a, b| a.kind.name() == b.kind.name()) {
            if self.stale(group)?.is_empty() {
                keyed.extend_from_slice(group);
                continue;
            }
            for group in group.chunk_by(|a, b| a.attr == b.attr) {
                let stale = self.stale(group)?;
                self.looked_up(group, KeyDefinitions::Except(&stale), &mut found)?;
                if !stale.is_empty() {
                    self.evaluated(group, KeyDefinitions::Only(&stale), &mut found)?;
                }
            }
        }
        self.looked_up(&keyed, KeyDefinitions::Except(&[]), &mut found)?;
        Ok(found)
    }

    /// Returns the definitions of rows whose keys do not cover the attributes of some keys of one type.
    fn stale(&self, keys: &[&KeyRef]) -> Outcome<Vec<String>> {
        let Some(first) = keys.first() else {
            return Ok(Vec::new());
        };
        let mut attrs: Vec<_> = keys.iter().map(|key| key.attr).collect();
        attrs.dedup();
        let table = (self.tenant, State::Live);
        definitions::stale(self.connection, table, &first.kind, attrs)
    }

    fn looked_up(
        &self,
        keys: &[&KeyRef],
        definitions: KeyDefinitions<'_>,
        found: &mut Vec<KeyHolder>,
    ) -> Outcome<()> {
        let numbered = (0..).zip(keys);
        let holders: Vec<_> = numbered
            .map(|(number, key)| Holder {
                attr: key.path(),
                kind: key.kind.name(),
                number,
                value: Parameter::from(&key.key),
            })
            .collect();
        let statements = reference::holders(DIALECT, self.tenant, &holders, definitions);
        each_of_all(self.connection, statements, |row| {
            let number = usize::try_from(row.get::<_, i64>(0)?).map_err(StoreError::backend)?;
            if let Some(key) = keys.get(number) {
                found.push(KeyHolder {
                    id: id_at(row, 1)?,
                    key: KeyRef::clone(key),
                });
            }
            Ok(())
        })
    }

    /// Finds the holders of keys of one attribute among rows that can't be looked up by keys.
    fn evaluated(
        &self,
        keys: &[&KeyRef],
        definitions: KeyDefinitions<'_>,
        found: &mut Vec<KeyHolder>,
    ) -> Outcome<()> {
        let Some(first) = keys.first() else {
            return Ok(());
        };
        let kind = &first.kind;
        let compare = |key: &&KeyRef| Predicate::Compare {
            attr: key.attr,
            op: Operator::Equal,
            value: key.key.clone(),
        };
        let each_key: Vec<_> = keys.iter().map(compare).collect();
        let any = Predicate::Any(each_key.clone());
        let reader = kind.reader(any.attributes());
        let meter = self.budget.meter();
        let statement = reference::documents(DIALECT, (self.tenant, kind.name()), definitions);
        each(self.connection, &statement, |row| {
            let text = row.get_ref(1)?.as_str().map_err(StoreError::backend)?;
            meter.charge(text.len() as u64)?;
            let values = reader.read(text.as_bytes());
            let view = ResourceView::of_values(&values);
            if !kind.matches(&any, view, &meter)? {
                return Ok(true);
            }
            for (key, predicate) in keys.iter().zip(&each_key) {
                if kind.matches(predicate, view, &meter)? {
                    found.push(KeyHolder {
                        id: id_at(row, 0)?,
                        key: KeyRef::clone(key),
                    });
                }
            }
            Ok(true)
        })
    }

    fn edges(&self, needs: &Needs) -> Outcome<Vec<Members>> {
        let mut found = Vec::with_capacity(needs.edges.len());
        for (list, targets) in &needs.edges {
            let ids: Vec<_> = targets.iter().map(ResourceId::as_str).collect();
            let mut targets = Vec::new();
            let statements = reference::members_among(DIALECT, self.tenant, ends(list), &ids);
            each_of_all(self.connection, statements, |row| {
                targets.push(id_at(row, 0)?);
                Ok(())
            })?;
            let list = list.clone();
            found.push(Members { list, targets });
        }
        Ok(found)
    }

    fn members(&self, needs: &Needs) -> Outcome<Vec<Members>> {
        let mut found = Vec::with_capacity(needs.members.len());
        for list in &needs.members {
            let mut targets = Vec::new();
            let statement = reference::members(DIALECT, self.tenant, ends(list));
            each(self.connection, &statement, |row| {
                targets.push(id_at(row, 0)?);
                Ok(true)
            })?;
            let list = list.clone();
            found.push(Members { list, targets });
        }
        Ok(found)
    }

    fn ancestors(&self, needs: &Needs) -> Outcome<Vec<AncestorEdge>> {
        let mut starts: BTreeMap<&Arc<str>, Vec<&str>> = BTreeMap::new();
        for AncestorQuery { attr, start } in &needs.ancestors {
            starts.entry(attr).or_default().push(start.as_str());
        }
        let mut edges = Vec::new();
        let meter = self.budget.meter();
        for (attr, starts) in starts {
            let statements = reference::ancestors(DIALECT, (self.tenant, attr), &starts);
            each_of_all(self.connection, statements, |row| {
                meter.charge(EDGE)?;
                edges.push(AncestorEdge {
                    attr: Arc::clone(attr),
                    owner: id_at(row, 1)?,
                    target: id_at(row, 0)?,
                });
                Ok(())
            })?;
        }
        Ok(edges)
    }

    fn owners(&self, needs: &Needs) -> Outcome<Vec<OwnerEdge>> {
        let targets: Vec<_> = needs.owners.iter().map(ResourceId::as_str).collect();
        let mut edges = Vec::new();
        let statements = reference::owners(DIALECT, self.tenant, &targets);
        each_of_all(self.connection, statements, |row| {
            let attr = row.get_ref(6)?.as_str().map_err(StoreError::backend)?;
            edges.push(OwnerEdge {
                attr: attr.into(),
                owner: self.head(row)?,
                target: id_at(row, 7)?,
            });
            Ok(())
        })?;
        Ok(edges)
    }

    fn candidates(&mut self, query: &CandidateQuery) -> Outcome<Vec<FoundRow>> {
        let table = (self.tenant, tables(query.state));
        let attrs = query.predicate.attributes();
        let stale = definitions::stale(self.connection, table, &query.kind, attrs)?;
        let mut rows = self.selected(query, KeyDefinitions::Except(&stale))?;
        if !stale.is_empty() {
            rows.extend(self.selected(query, KeyDefinitions::Only(&stale))?);
            match query.state {
                RowState::Deleted => rows.sort_by_key(|row| {
                    let head = &row.head;
                    Reverse((head.last_modified, head.id.clone()))
                }),
                RowState::Live => rows.sort_by(|a, b| a.head.id.cmp(&b.head.id)),
            }
            rows.truncate(query.limit);
        }
        Ok(rows)
    }

    /// Returns the layout of the rows with some key definitions.
    fn layout(&self, state: State, definitions: KeyDefinitions<'_>) -> ReferenceLayout<'_> {
        ReferenceLayout {
            dialect: DIALECT,
            has_keys: matches!(definitions, KeyDefinitions::Except(_)),
            registry: &self.settings.registry,
            state,
            tenant: self.tenant,
        }
    }

    /// Loads the first rows of a query among those with some key definitions.
    fn selected(
        &mut self,
        query: &CandidateQuery,
        definitions: KeyDefinitions<'_>,
    ) -> Outcome<Vec<FoundRow>> {
        let state = tables(query.state);
        let plan = plan(
            &query.kind,
            &query.predicate,
            &self.layout(state, definitions),
            3,
        );
        let selection = Selection {
            condition: plan.condition.as_ref(),
            definitions,
            is_unowned: query.owner == OwnerFilter::Unowned,
            kind: query.kind.name(),
            state,
        };
        let statement = reference::candidates(DIALECT, self.tenant, selection);
        let meter = self.budget.meter();
        let attrs = plan.residual.iter().flat_map(Predicate::attributes);
        let reader = query.kind.reader(attrs);
        let mut found = Vec::new();
        each(self.connection, &statement, |row| {
            if found.len() >= query.limit {
                return Ok(false);
            }
            let row = self.found(row)?;
            let holds = match &plan.residual {
                _ if !query.owner.selects(row.connection.as_ref()) => false,
                None => true,
                Some(residual) => {
                    meter.charge(row.document.size())?;
                    let values = reader.read(row.document.text());
                    query
                        .kind
                        .matches(residual, ResourceView::of_values(&values), &meter)?
                }
            };
            if holds {
                found.push(row);
            }
            Ok(true)
        })?;
        Ok(found)
    }

    /// Counts resources, once per counter, without charging the budget of the request.
    fn count(&self, query: &CountQuery) -> Outcome<u64> {
        let Some(predicate) = &query.predicate else {
            let all = Selection::of_kind(query.kind.name());
            return self.counted(&reference::count(DIALECT, self.tenant, all));
        };
        let table = (self.tenant, State::Live);
        let attrs = predicate.attributes();
        let stale = definitions::stale(self.connection, table, &query.kind, attrs)?;
        let mut count = self.matching((query, predicate), KeyDefinitions::Except(&stale))?;
        if !stale.is_empty() {
            let others = self.matching((query, predicate), KeyDefinitions::Only(&stale))?;
            count = count.saturating_add(others);
        }
        Ok(count)
    }

    /// Returns the number of live resources with some key definitions that satisfy a predicate.
    fn matching(
        &self,
        (query, predicate): (&CountQuery, &Predicate),
        definitions: KeyDefinitions<'_>,
    ) -> Outcome<u64> {
        let layout = self.layout(State::Live, definitions);
        let plan = plan(&query.kind, predicate, &layout, 3);
        let selection = Selection {
            condition: plan.condition.as_ref(),
            definitions,
            ..Selection::of_kind(query.kind.name())
        };
        let Some(residual) = &plan.residual else {
            return self.counted(&reference::count(DIALECT, self.tenant, selection));
        };
        let mut count = 0;
        let meter = Meter::unlimited();
        let reader = query.kind.reader(residual.attributes());
        let statement = reference::selected_documents(DIALECT, self.tenant, selection);
        each(self.connection, &statement, |row| {
            let text = row.get_ref(0)?.as_str().map_err(StoreError::backend)?;
            let values = reader.read(text.as_bytes());
            let holds = query
                .kind
                .matches(residual, ResourceView::of_values(&values), &meter)?;
            count += u64::from(holds);
            Ok(true)
        })?;
        Ok(count)
    }

    fn counted(&self, statement: &Statement<'_>) -> Outcome<u64> {
        let mut count = 0_i64;
        each(self.connection, statement, |row| {
            count = row.get(0)?;
            Ok(true)
        })?;
        Ok(u64::try_from(count).map_err(StoreError::backend)?)
    }
}

/// Reads a counter from columns 4 to 7 of [`reference::version_and_counters`].
fn counter_row(row: &rusqlite::Row<'_>) -> Outcome<CounterRow> {
    let text = |column| -> Outcome<Arc<str>> {
        let text = row.get_ref(column)?.as_str().map_err(StoreError::backend)?;
        Ok(text.into())
    };
    let number = |column| -> Outcome<u64> {
        let number = row.get::<_, i64>(column)?;
        Ok(u64::try_from(number).map_err(StoreError::backend)?)
    };
    Ok(CounterRow {
        count: number(6)?,
        counter: CounterRef {
            kind: text(4)?,
            predicate: text(5)?,
        },
        used: number(7)?,
    })
}

/// Returns the type, the owner and the attribute.
pub(super) fn ends(list: &MemberList) -> (&str, &str, &str) {
    (&list.kind, list.owner.as_str(), &list.attr)
}
