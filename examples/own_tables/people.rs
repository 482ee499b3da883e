//! The store: rows of `person`, through the mapping.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::DateTime;
use rusqlite::{
    Connection, Row, Savepoint, params, params_from_iter,
    types::{Value as Sql, ValueRef},
};
use scimkit::{
    ConnectionId, Scope, Store,
    core::{Uniqueness, Version},
    registry::{
        Change, Edge, Operator, Predicate, Resource, ResourceId, ResourceType, Scalar, TypeMapping,
        View,
        mapping::{FieldEdit, FoldReport, Record, check_folded},
    },
    sql::{Dialect, HostTable, plan},
    store::{
        Batch, BoxFuture, Claim, Document, EdgeQuery, Expect, Facts, How, OnFailure, Page, Query,
        Start, StoreError, Stored, Support, Timestamps, Want, Write, Written, computed,
    },
};
use serde_json::Value;

/// The people of the product.
///
/// Statements are short and SQLite is in this process, so they block; a database over a network is
/// awaited instead.
#[derive(Debug)]
pub(crate) struct People {
    columns: Vec<String>,
    database: Mutex<Connection>,
    rules: TypeMapping,
    table: HostTable,
}

/// Somebody, and whose connection made or adopted them.
struct Person {
    connection: Option<String>,
    document: Resource,
    stored: Stored,
}

impl People {
    pub(crate) fn new(database: Connection, rules: TypeMapping) -> Self {
        let mut columns: Vec<String> = rules.fields().map(|(name, _)| name.to_owned()).collect();
        columns.sort_unstable();
        People {
            columns,
            database: Mutex::new(database),
            table: HostTable::of(&rules, Dialect::Sqlite, "person", "id"),
            rules,
        }
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The people whom a condition selects, in the order of their ids.
    fn select(
        &self,
        database: &Connection,
        condition: &str,
        values: &[Sql],
    ) -> Result<Vec<Person>, StoreError> {
        let columns = self.columns.join(", ");
        let sql = format!(
            "SELECT id, revision, created, changed, connection, {columns} FROM person
             WHERE {condition} ORDER BY id"
        );
        let mut statement = database.prepare_cached(&sql).map_err(StoreError::backend)?;
        let mut rows = statement
            .query(params_from_iter(values))
            .map_err(StoreError::backend)?;
        let mut people = Vec::new();
        while let Some(row) = rows.next().map_err(StoreError::backend)? {
            people.push(self.person(row)?);
        }
        Ok(people)
    }

    fn person(&self, row: &Row<'_>) -> Result<Person, StoreError> {
        let number = |at| row.get::<_, i64>(at).map_err(StoreError::backend);
        let instant = |at| Ok::<_, StoreError>(DateTime::from_timestamp_millis(number(at)?));
        let mut record = Record::new();
        for (at, name) in self.columns.iter().enumerate() {
            let value = row.get_ref(5 + at).map_err(StoreError::backend)?;
            record.insert(name.clone(), json(value));
        }
        let document = self.rules.to_scim(&record, Resource::default());
        let document = document.map_err(StoreError::backend)?;
        let version = Version::new(number(1)?.to_string()).map_err(StoreError::backend)?;
        let id: String = row.get(0).map_err(StoreError::backend)?;
        let at = Timestamps {
            created: instant(2)?.unwrap_or_default(),
            last_modified: instant(3)?.unwrap_or_default(),
        };
        let tree = Document::Tree(Arc::new(document.clone()));
        Ok(Person {
            connection: row.get(4).map_err(StoreError::backend)?,
            document,
            stored: Stored::new(ResourceId::from(id), version, at, tree),
        })
    }

    fn find(&self, database: &Connection, id: &ResourceId) -> Result<Person, StoreError> {
        let id = [Sql::Text(id.to_string())];
        let found = self.select(database, "id = ?1", &id)?.pop();
        found.ok_or(StoreError::NotFound)
    }

    /// The people who satisfy a predicate: what SQL can't decide exactly, the evaluator does.
    fn matching(
        &self,
        database: &Connection,
        scope: &Scope,
        predicate: &Predicate,
    ) -> Result<Vec<Person>, StoreError> {
        let kind = self.rules.kind();
        let plan = plan(kind, predicate, &self.table, 1);
        let condition = plan.condition.as_ref();
        let values: Vec<Sql> = condition.map_or_else(Vec::new, |condition| {
            condition.parameters.iter().map(parameter).collect()
        });
        let text = condition.map_or("1 = 1", |condition| &condition.text);
        let mut people = self.select(database, text, &values)?;
        if let Some(residual) = &plan.residual {
            let wanted = residual.attributes();
            let meter = scope.budget.meter();
            let mut left = Vec::new();
            for person in people {
                let facts = Facts::of(kind, &person.stored, &person.document, &[]);
                let made = computed(&scope.settings, &facts, &wanted);
                // A filter that asks too much stops here: see `Limits::work`.
                if kind.matches(residual, View::with(&person.document, &made), &meter)? {
                    left.push(person);
                }
            }
            people = left;
        }
        Ok(people)
    }

    fn write_one(
        &self,
        database: &Savepoint<'_>,
        scope: &Scope,
        at: i64,
        write: Write,
    ) -> Result<Written, StoreError> {
        match write {
            Write::Create { change, claim, id } => {
                match self.claimed(database, scope, claim.as_deref())? {
                    None => {
                        self.check_unique(database, scope, &change, None)?;
                        let sql = "INSERT INTO person (id, email, created, changed) VALUES (?1, ?1, ?2, ?2)";
                        let made = database.execute(sql, params![id.as_str(), at]);
                        made.map_err(StoreError::backend)?;
                        self.set(database, at, &id, &change, None)?;
                        self.own(database, scope, &id)?;
                        self.written(database, &id, How::Created)
                    }
                    Some((claim, how, one)) => {
                        let id = &one.stored.id;
                        let change = scope.settings.adopting(&change, claim, &one.document)?;
                        self.set(database, at, id, &change, Some(&one.document))?;
                        self.own(database, scope, id)?;
                        self.written(database, id, how)
                    }
                }
            }
            Write::Delete { expect, id, .. } => {
                expect.check(&self.find(database, &id)?.stored.version)?;
                let sql = "DELETE FROM person WHERE id = ?1";
                let gone = database.execute(sql, [id.as_str()]);
                gone.map_err(StoreError::backend)?;
                Ok(Written::deleted())
            }
            Write::Update { change, expect, id } => {
                self.check_unique(database, scope, &change, Some(&id))?;
                self.update(database, at, &id, &change, &expect)
            }
        }
    }

    /// Rejects a value that another row has in other letter case, which the column's own UNIQUE would
    /// let pass.
    fn check_unique(
        &self,
        database: &Connection,
        scope: &Scope,
        change: &Change,
        own: Option<&ResourceId>,
    ) -> Result<(), StoreError> {
        let kind = self.rules.kind();
        for (attr, values) in change.keys() {
            if kind.attr(attr).definition().uniqueness == Uniqueness::None {
                continue;
            }
            for value in values {
                let op = Operator::Equal;
                let same = Predicate::Compare { attr, op, value };
                let found = self.matching(database, scope, &same)?;
                if found.iter().any(|person| Some(&person.stored.id) != own) {
                    let attr = kind.attr(attr).path().to_owned();
                    return Err(StoreError::Taken { attr });
                }
            }
        }
        Ok(())
    }

    /// The rows that keep `email` from being declared `folded` in the mapping.
    pub(crate) fn check_folded(&self) -> rusqlite::Result<FoldReport<String>> {
        let database = self.database();
        let mut statement = database.prepare("SELECT id, email FROM person")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
        Ok(check_folded(rows))
    }

    /// Whom a create takes, and how.
    fn claimed<'c>(
        &self,
        database: &Connection,
        scope: &Scope,
        claim: Option<&'c Claim>,
    ) -> Result<Option<(&'c Claim, How, Person)>, StoreError> {
        let Some(claim) = claim else {
            return Ok(None);
        };
        let mut found = Vec::new();
        for person in self.matching(database, scope, &claim.by)? {
            let document = View::of(&person.document);
            let connection = person.connection.as_deref().map(ConnectionId::from);
            let meter = scope.budget.meter();
            if let Some(how) =
                claim.takes(self.rules.kind(), connection.as_ref(), document, &meter)?
            {
                found.push((claim, how, person));
            }
        }
        match found.len() {
            0 | 1 => Ok(found.pop()),
            _ => Err(StoreError::Ambiguous),
        }
    }

    /// Makes somebody the connection's.
    fn own(&self, database: &Connection, scope: &Scope, id: &ResourceId) -> Result<(), StoreError> {
        let connection = scope.cause.connection.as_ref().map(ConnectionId::as_str);
        let sql = "UPDATE person SET connection = ?2 WHERE id = ?1";
        let owned = database.execute(sql, params![id.as_str(), connection]);
        owned.map(drop).map_err(StoreError::backend)
    }

    fn update(
        &self,
        database: &Connection,
        now: i64,
        id: &ResourceId,
        change: &Change,
        expect: &Expect,
    ) -> Result<Written, StoreError> {
        let before = self.find(database, id)?;
        expect.check(&before.stored.version)?;
        if self.edits(change, Some(&before.document))?.is_empty() {
            return Ok(Written::stored(How::Unchanged, before.stored));
        }
        self.set(database, now, id, change, Some(&before.document))?;
        self.written(database, id, How::Updated)
    }

    /// The columns that a change changes, and how.
    fn edits(
        &self,
        change: &Change,
        before: Option<&Resource>,
    ) -> Result<BTreeMap<String, FieldEdit>, StoreError> {
        let edits = self.rules.changes(change, before);
        edits.map_err(|error| StoreError::Invalid {
            detail: error.to_string(),
        })
    }

    /// Writes the columns that a change changes, and no others.
    fn set(
        &self,
        database: &Connection,
        at: i64,
        id: &ResourceId,
        change: &Change,
        before: Option<&Resource>,
    ) -> Result<(), StoreError> {
        let edits = self.edits(change, before)?;
        let mut sql =
            String::from("UPDATE person SET revision = revision + 1, changed = max(changed, ?2)");
        let mut values = vec![Sql::Text(id.to_string()), Sql::Integer(at)];
        for (column, edit) in edits {
            values.push(match edit {
                FieldEdit::Set(value) => kept(value),
                _ => Sql::Null,
            });
            // Names of columns come from the mapping file, never from a request.
            sql.push_str(&format!(", {column} = ?{}", values.len()));
        }
        sql.push_str(" WHERE id = ?1");
        match database.execute(&sql, params_from_iter(values)) {
            Ok(_) => Ok(()),
            Err(error) if is_taken(&error) => Err(StoreError::Taken {
                attr: "userName".to_owned(),
            }),
            Err(error) => Err(StoreError::backend(error)),
        }
    }

    fn written(
        &self,
        database: &Connection,
        id: &ResourceId,
        how: How,
    ) -> Result<Written, StoreError> {
        Ok(Written::stored(how, self.find(database, id)?.stored))
    }

    /// All writes in one transaction, each in a savepoint of its own.
    fn write_all(
        &self,
        scope: &Scope,
        batch: Batch,
    ) -> rusqlite::Result<Vec<Result<Written, StoreError>>> {
        let mut database = self.database();
        let mut transaction = database.transaction()?;
        let (mut answers, mut failures) = (Vec::new(), 0);
        let mut scope = scope.clone();
        scope.cause = batch.cause;
        for write in batch.writes {
            if batch.on_failure.stops(failures) {
                answers.push(Err(StoreError::NotRun));
                continue;
            }
            let savepoint = transaction.savepoint()?;
            let answer = self.write_one(&savepoint, &scope, batch.at.timestamp_millis(), write);
            match &answer {
                Ok(_) => savepoint.commit()?,
                // Dropped, it is rolled back.
                Err(_) => failures += 1,
            }
            answers.push(answer);
        }
        if batch.on_failure == OnFailure::Undo && failures > 0 {
            transaction.rollback()?;
            let done = answers.iter_mut().filter(|answer| answer.is_ok());
            done.for_each(|answer| *answer = Err(StoreError::NotRun));
        } else {
            transaction.commit()?;
        }
        Ok(answers)
    }
}

impl Store for People {
    fn support(&self, _: &ResourceType) -> Support {
        let mut support = Support::full();
        (support.cursor, support.sort) = (false, false);
        support
    }

    fn edges<'a>(
        &'a self,
        _: &'a Scope,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        // There are no groups.
        Box::pin(async move { Ok(vec![Vec::new(); query.owners.len()]) })
    }

    fn query<'a>(
        &'a self,
        scope: &'a Scope,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            self.support(&query.kind).check_query(query)?;
            let database = self.database();
            let people = match &query.predicate {
                Some(predicate) => self.matching(&database, scope, predicate)?,
                None => self.select(&database, "1 = 1", &[])?,
            };
            let total = people.len() as u64;
            let start = match query.start {
                Start::Index(start) => usize::try_from(start).unwrap_or(usize::MAX),
                Start::After(_) => return Err(StoreError::backend("there are no cursors")),
            };
            let count = usize::try_from(query.count).unwrap_or(usize::MAX);
            let page = people.into_iter().skip(start).take(count);
            Ok(Page::new(
                page.map(|person| person.stored).collect(),
                Some(total),
            ))
        })
    }

    fn read<'a>(
        &'a self,
        _: &'a Scope,
        _: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        _: &'a Want,
    ) -> BoxFuture<'a, Result<Stored, StoreError>> {
        Box::pin(async move { Ok(self.find(&self.database(), id)?.stored) })
    }

    fn write<'a>(
        &'a self,
        scope: &'a Scope,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        Box::pin(async move {
            Support::full().check_batch(&scope.settings, &batch)?;
            self.write_all(scope, batch).map_err(StoreError::backend)
        })
    }
}

fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
    }
}

fn kept(value: Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Bool(truth) => Sql::Integer(truth.into()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Sql::Integer(number),
            None => Sql::Real(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Sql::Text(text),
        other => Sql::Text(other.to_string()),
    }
}

fn parameter(scalar: &Scalar) -> Sql {
    match scalar {
        Scalar::Bool(truth) => Sql::Integer((*truth).into()),
        Scalar::Decimal(number) => Sql::Real(*number),
        Scalar::Instant(number) | Scalar::Integer(number) => Sql::Integer(*number),
        Scalar::Text(text) => Sql::Text(text.clone()),
    }
}

fn is_taken(error: &rusqlite::Error) -> bool {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    extended == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}
