//! The product's people as a database of rows. The mapping connects the columns of `person` to SCIM attributes, and
//! scimkit decides every write.

use rusqlite::{Connection, ErrorCode, Row, params_from_iter, types::Value as Sql};
use scimkit::{
    RequestContext,
    mapping::TypeMapping,
    registry::ResourceType,
    sql::{Dialect, MappedTable},
    store::{
        Capabilities, StoreError,
        engine::{FoundRow, Rejection, ResourceRow, RowRef, RowState, RowsError},
        rows::{LookupBy, SimpleDatabase, SimpleTransaction, TransactionMode},
    },
};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

/// The columns that the mapping does not name: those of [`ResourceRow::scalars`], and a count of changes.
const OWN: [&str; 5] = ["connection", "created", "changed", "removed", "revision"];

/// The product's database. SQLite runs in this process and its statements are short, so they block.
#[derive(Debug)]
pub(crate) struct People {
    database: Mutex<Connection>,
    table: MappedTable,
}

/// The people of one company, with exclusive use of the database.
pub(crate) struct Company<'a> {
    company: &'a str,
    database: MutexGuard<'a, Connection>,
    table: &'a MappedTable,
}

impl People {
    pub(crate) fn new(database: Connection, rules: &TypeMapping) -> Self {
        let table = MappedTable::new(rules, Dialect::Sqlite, "person", "id");
        People {
            database: Mutex::new(database),
            table: table.with_tenant("company"),
        }
    }
}

impl Company<'_> {
    /// Selects the people for whom a condition holds.
    fn select(&self, condition: &str, mut values: Vec<Value>) -> Result<Vec<FoundRow>, StoreError> {
        values.insert(0, self.company.into());
        let rows = self.read(&self.table.select(&OWN, condition), values);
        let person = |row: Vec<Value>| {
            let mut values = row.into_iter();
            let own = [(); 6].map(|()| values.next().unwrap_or_default());
            let document = self.table.document(values).map_err(StoreError::backend)?;
            FoundRow::from_scalars(self.table.kind(), own, document.into())
        };
        let rows = rows.map_err(StoreError::backend)?.into_iter();
        rows.map(person).collect()
    }

    fn read(&self, sql: &str, values: Vec<Value>) -> rusqlite::Result<Vec<Vec<Value>>> {
        let mut statement = self.database.prepare_cached(sql)?;
        let columns = statement.column_count();
        let row = |row: &Row<'_>| (0..columns).map(|at| row.get(at).map(json)).collect();
        let values = params_from_iter(values.into_iter().map(parameter));
        statement.query_map(values, row)?.collect()
    }

    fn find_one(&self, id: &str) -> Result<Option<FoundRow>, StoreError> {
        Ok(self.select("id = ?2", vec![id.into()])?.pop())
    }

    /// Runs a statement on the row with that id.
    fn run(&self, sql: &str, id: &str, values: Vec<Value>) -> Result<(), RowsError> {
        let keys = [self.company, id].map(Value::from).into_iter();
        let values = params_from_iter(keys.chain(values).map(parameter));
        let done = self.database.execute(sql, values);
        done.map(drop).map_err(|error| {
            let is_constraint = error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation);
            match error.to_string().contains("UNIQUE") {
                true if is_constraint => {
                    let attr = "userName".to_owned();
                    let id = id.into();
                    Rejection::Duplicate { attr, id }.into()
                }
                false if is_constraint => invalid(id, &"the product can't store these values"),
                _ => StoreError::backend(error).into(),
            }
        })
    }
}

impl SimpleTransaction for Company<'_> {
    async fn find(&mut self, by: &LookupBy) -> Result<Vec<FoundRow>, RowsError> {
        Ok(match by {
            LookupBy::Ids(ids) => {
                let rows = ids.iter().map(|id| self.find_one(id.as_str()).transpose());
                rows.flatten().collect::<Result<_, _>>()?
            }
            LookupBy::Predicate {
                predicate: p,
                state,
                ..
            } => {
                let condition = self.table.condition(p, 2);
                let state = format!("removed = {} AND ", *state == RowState::Deleted);
                let values = condition.parameters.into_iter().map(Value::from);
                self.select(&(state + &condition.text), values.collect())?
            }
        })
    }

    async fn put(&mut self, row: &ResourceRow) -> Result<FoundRow, RowsError> {
        let id = row.id.as_str();
        let own = row.scalars();
        let before = self.find_one(id)?;
        let was = before.as_ref().map(|row| row.document.tree()).transpose()?;
        // Only the columns with changed attributes, so that the product's spelling of the others remains.
        let edits = self.table.edits(was.as_deref(), &*row.document.tree()?);
        let edits = edits.map_err(|error| invalid(id, &error))?;
        let names = OWN.into_iter().take(own.len());
        let names = names.chain(edits.keys().map(String::as_str));
        let sql = match before {
            None => self.table.insert(names),
            Some(_) => self.table.update(names),
        };
        let values = own.into_iter().chain(edits.into_values());
        self.run(&sql, id, values.collect())?;
        Ok(self.find_one(id)?.ok_or(StoreError::NotFound)?)
    }

    async fn remove(&mut self, row: &RowRef) -> Result<(), RowsError> {
        self.run(&self.table.delete(), row.id.as_str(), Vec::new())
    }

    async fn commit(self) -> Result<(), RowsError> {
        Ok(self
            .database
            .execute_batch("COMMIT")
            .map_err(StoreError::backend)?)
    }
}

impl Drop for Company<'_> {
    fn drop(&mut self) {
        if !self.database.is_autocommit() {
            drop(self.database.execute_batch("ROLLBACK"));
        }
    }
}

impl SimpleDatabase for People {
    type Transaction<'a> = Company<'a>;

    async fn begin<'a>(
        &'a self,
        context: &'a RequestContext,
        _: TransactionMode,
    ) -> Result<Company<'a>, RowsError> {
        let database = self.database.lock().await;
        database
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(StoreError::backend)?;
        Ok(Company {
            company: context.tenant.as_str(),
            database,
            table: &self.table,
        })
    }

    fn support(&self, _: &ResourceType) -> Capabilities {
        let mut support = Capabilities::full();
        support.capacities = true;
        support
    }
}

fn invalid(id: &str, detail: &impl ToString) -> RowsError {
    let detail = detail.to_string();
    let id = id.into();
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
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| number.as_f64().into(), Sql::Integer),
        Value::String(text) => text.into(),
        _ => Sql::Null,
    }
}
