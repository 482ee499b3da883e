//! The product's table `person` as a database of rows. What its columns are to SCIM is up to the mapping, and what
//! becomes of a write is up to scimkit.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, ErrorCode, Row, params_from_iter, types::Value as Sql};
use scimkit::{
    ConnectionId, Scope,
    registry::{Edge, Predicate, ResourceId, ResourceType, TypeMapping},
    sql::{Dialect, HostTable, plan},
    store::{
        Document, EdgeQuery, Page, Query, StoreError, Stored, Support, Want,
        engine::{
            Applied, Facts, FoundRow, Needs, Operations, Rejection, ResourceRow, RowEdit, RowState,
            Rows, RowsError,
        },
        rows::{LookupBy, RowDatabase, RowTransaction, page, satisfying},
    },
};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

/// The columns that the mapping does not name.
const OWN: [&str; 4] = ["connection", "created", "changed", "removed"];

/// The product's database. SQLite is in this process and its statements are short, so they block.
#[derive(Debug)]
pub(crate) struct People {
    database: Mutex<Connection>,
    table: HostTable,
}

/// The people of one company, while nobody else uses the database.
pub(crate) struct Company<'a> {
    database: MutexGuard<'a, Connection>,
    scope: &'a Scope,
    table: &'a HostTable,
}

impl People {
    pub(crate) fn new(database: Connection, rules: &TypeMapping) -> Self {
        let table = HostTable::of(rules, Dialect::Sqlite, "person", "id");
        People {
            database: Mutex::new(database),
            table: table.with_tenant("company"),
        }
    }

    async fn company<'a>(&'a self, scope: &'a Scope) -> Company<'a> {
        Company {
            database: self.database.lock().await,
            scope,
            table: &self.table,
        }
    }
}

impl Company<'_> {
    fn select(&self, condition: &str, values: Vec<Value>) -> rusqlite::Result<Vec<Vec<Sql>>> {
        let sql = self.table.select(&OWN, condition);
        let mut statement = self.database.prepare_cached(&sql)?;
        let columns = statement.column_count();
        let company = Value::from(self.scope.tenant.as_str());
        let values = [company].into_iter().chain(values).map(parameter);
        let row = |row: &Row<'_>| (0..columns).map(|at| row.get(at)).collect();
        statement
            .query_map(params_from_iter(values), row)?
            .collect()
    }

    /// The people who may satisfy a predicate, and what is left of it to evaluate.
    fn narrowed(
        &self,
        predicate: Option<&Predicate>,
        state: RowState,
    ) -> Result<(Vec<FoundRow>, Option<Predicate>), StoreError> {
        let plan = predicate.map(|by| plan(self.table.kind(), by, self.table, 2));
        let plan = plan.unwrap_or_default();
        let (text, values) = plan.condition.map_or_else(Default::default, |condition| {
            (format!(" AND {}", condition.text), condition.parameters)
        });
        let condition = format!("removed = {}{text}", state == RowState::Deleted);
        let rows = self.select(&condition, values.into_iter().map(Value::from).collect());
        let rows = rows.map_err(StoreError::backend)?.into_iter();
        let people: Result<_, _> = rows.map(|row| self.person(row)).collect();
        Ok((people?, plan.residual))
    }

    fn find(&self, id: &ResourceId) -> Result<Option<FoundRow>, StoreError> {
        let row = self.select("id = ?2", vec![id.as_str().into()]);
        let row = row.map_err(StoreError::backend)?.pop();
        row.map(|row| self.person(row)).transpose()
    }

    fn person(&self, row: Vec<Sql>) -> Result<FoundRow, StoreError> {
        let mut values = row.into_iter().map(json);
        let [id, connection, created, changed, removed] =
            [(); 5].map(|()| values.next().unwrap_or_default());
        let id = ResourceId::from(id.as_str().unwrap_or_default());
        let document = self.table.document(values).map_err(StoreError::backend)?;
        let document = Document::Tree(Arc::new(document));
        let (created, changed) = (instant(&created), instant(&changed));
        let state = match removed.as_i64() {
            Some(1) => RowState::Deleted,
            _ => RowState::Live,
        };
        let row = FoundRow::new(self.table.kind(), id, document, created, changed);
        let connection = connection.as_str().map(ConnectionId::from);
        Ok(row.with_connection(connection).with_state(state))
    }

    /// Writes the columns that change, and no others.
    fn put(&self, row: &ResourceRow) -> Result<Option<FoundRow>, RowsError> {
        let id = &row.id;
        let before = self.find(id)?;
        let was = before.as_ref().map(|row| row.document.tree()).transpose()?;
        let edits = self.table.edits(was.as_deref(), &*row.document.tree()?);
        let edits = edits.map_err(|error| invalid(&error, id))?;
        let own = [
            row.connection.as_ref().map(ConnectionId::as_str).into(),
            row.created.timestamp_millis().into(),
            row.last_modified.timestamp_millis().into(),
            Value::from(row.state == RowState::Deleted),
        ];
        let columns = OWN.into_iter().chain(edits.keys().map(String::as_str));
        let sql = match before {
            None => self.table.insert(columns),
            Some(_) => self.table.update(columns),
        };
        let keys = [self.scope.tenant.as_str(), id.as_str()].map(Value::from);
        let values = keys.into_iter().chain(own).chain(edits.values().cloned());
        let done = self
            .database
            .execute(&sql, params_from_iter(values.map(parameter)));
        done.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) if error.to_string().contains("UNIQUE") => {
                let (attr, id) = ("userName".to_owned(), id.clone());
                Rejection::Duplicate { attr, id }.into()
            }
            Some(ErrorCode::ConstraintViolation) => invalid(&error, id),
            _ => StoreError::backend(error).into(),
        })?;
        Ok(self.find(id)?)
    }

    fn run(&self, sql: &str, values: &[&str]) -> Result<(), RowsError> {
        let done = self.database.execute(sql, params_from_iter(values));
        Ok(done.map(drop).map_err(StoreError::backend)?)
    }
}

impl Rows for Company<'_> {
    async fn load(&mut self, needs: &Needs) -> Result<Facts, RowsError> {
        Facts::from_lookups(needs, |by| match by {
            LookupBy::Ids(ids) => {
                let rows = ids.iter().filter_map(|id| self.find(id).transpose());
                Ok(rows.collect::<Result<_, _>>()?)
            }
            LookupBy::Predicate {
                kind,
                predicate,
                state,
            } => match self.narrowed(Some(predicate), *state)? {
                (rows, None) => Ok(rows),
                (rows, Some(rest)) => Ok(satisfying(self.scope, kind, &rest, rows)?),
            },
        })
    }

    async fn apply(&mut self, operations: Operations) -> Result<Applied, RowsError> {
        let mut applied = Applied::default();
        for edit in operations.row_edits() {
            match edit {
                RowEdit::Put(row) => {
                    if let Some(now) = self.put(row)? {
                        applied.push(row.id.clone(), now);
                    }
                }
                RowEdit::Remove(row) => {
                    let keys = [self.scope.tenant.as_str(), row.id.as_str()];
                    self.run(&self.table.delete(), &keys)?;
                }
                RowEdit::Bump(_) => {} // Of groups, which the product has not.
            }
        }
        Ok(applied)
    }
}

impl RowTransaction for Company<'_> {
    async fn commit(self) -> Result<(), RowsError> {
        self.run("COMMIT", &[])
    }
}

impl Drop for Company<'_> {
    fn drop(&mut self) {
        if !self.database.is_autocommit() {
            drop(self.database.execute_batch("ROLLBACK"));
        }
    }
}

impl RowDatabase for People {
    type Transaction<'a> = Company<'a>;

    async fn begin<'a>(&'a self, scope: &'a Scope) -> Result<Company<'a>, RowsError> {
        let company = self.company(scope).await;
        company.run("BEGIN IMMEDIATE", &[])?;
        Ok(company)
    }

    async fn edges(&self, _: &Scope, query: &EdgeQuery) -> Result<Vec<Vec<Edge>>, StoreError> {
        Ok(vec![Vec::new(); query.owners.len()])
    }

    async fn query(&self, scope: &Scope, query: &Query) -> Result<Page, StoreError> {
        let company = self.company(scope).await;
        let (rows, rest) = company.narrowed(query.predicate.as_ref(), RowState::Live)?;
        let mut query = query.clone();
        query.predicate = rest;
        let stored = rows
            .into_iter()
            .map(|row| row.into_stored(Arc::clone(&query.kind)));
        page(scope, &query, stored.collect())
    }

    async fn read(
        &self,
        scope: &Scope,
        kind: &Arc<ResourceType>,
        id: &ResourceId,
        _: &Want,
    ) -> Result<Stored, StoreError> {
        let row = self.company(scope).await.find(id)?;
        let row = row.filter(|row| row.head.state == RowState::Live);
        Ok(row
            .ok_or(StoreError::NotFound)?
            .into_stored(Arc::clone(kind)))
    }

    fn support(&self, _: &ResourceType) -> Support {
        Support::full()
    }
}

fn instant(millis: &Value) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis.as_i64().unwrap_or_default()).unwrap_or_default()
}

fn invalid(error: &impl ToString, id: &ResourceId) -> RowsError {
    let (detail, id) = (error.to_string(), id.clone());
    Rejection::Invalid { detail, id }.into()
}

fn json(value: Sql) -> Value {
    match value {
        Sql::Integer(number) => number.into(),
        Sql::Real(number) => number.into(),
        Sql::Text(text) => text.into(),
        Sql::Blob(_) | Sql::Null => Value::Null,
    }
}

fn parameter(value: Value) -> Sql {
    match value {
        Value::Bool(truth) => truth.into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64().into(),
        },
        Value::String(text) => text.into(),
        _ => Sql::Null,
    }
}
