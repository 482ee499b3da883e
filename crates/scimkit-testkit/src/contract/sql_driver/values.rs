//! Values on their way into the database and back.

use scimkit_sql::tables::{SqlStatement, SqlValue};
use scimkit_tables::Driver as SqlDriver;

use super::{
    super::fixture::{ensure, ensure_eq},
    fixture::Fixture,
};

pub(super) fn round_trip<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    let table = if fixture.is_postgres() {
        "CREATE TABLE plain (id bigint PRIMARY KEY, t text, i bigint, r double precision,
             b bytea, o boolean)"
    } else {
        "CREATE TABLE plain (id INTEGER PRIMARY KEY, t TEXT, i INTEGER, r REAL, b BLOB,
             o INTEGER) STRICT"
    };
    fixture.must_write(vec![SqlStatement::new(table)])?;
    let truth = |value| {
        if fixture.is_postgres() {
            SqlValue::Bool(value)
        } else {
            SqlValue::Integer(i64::from(value))
        }
    };
    let texts = [
        "",
        "plain",
        "Straße 東京 🦀",
        "two\nlines\t\"quoted\" 'single' \\ $1 ?1",
    ];
    let numbers = [0, -1, i64::MAX, i64::MIN];
    let decimals = [0.0, -0.5, 1e300, 0.1];
    let blobs: [&[u8]; 4] = [&[], &[0], &[0, 255, 39, 92], &[7; 300]];
    for (id, ((text, number), (decimal, blob))) in
        (0..).zip(texts.iter().zip(numbers).zip(decimals.iter().zip(blobs)))
    {
        let values = [
            SqlValue::Integer(id),
            SqlValue::from(*text),
            SqlValue::Integer(number),
            SqlValue::Real(*decimal),
            SqlValue::Blob(blob.to_vec()),
            SqlValue::Bool(id % 2 == 0),
        ];
        let text = "INSERT INTO plain (id, t, i, r, b, o) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        fixture.must_write(vec![fixture.sql(text, &values)])?;
        let select = "SELECT id, t, i, r, b, o FROM plain WHERE id = ?1";
        let rows = fixture.read(fixture.sql(select, &[SqlValue::Integer(id)]))?;
        let [first @ .., _] = values;
        let expected: Vec<_> = first.into_iter().chain([truth(id % 2 == 0)]).collect();
        ensure_eq!(rows, [expected], "row {id}");
    }
    let nothing = [SqlValue::Integer(9)].into_iter();
    let nothing: Vec<_> = nothing.chain([const { SqlValue::Null }; 5]).collect();
    let text = "INSERT INTO plain (id, t, i, r, b, o) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    fixture.must_write(vec![fixture.sql(text, &nothing)])?;
    let select = fixture.sql("SELECT id, t, i, r, b, o FROM plain WHERE t IS NULL", &[]);
    ensure_eq!(fixture.read(select)?, [nothing], "the row without values");
    Ok(())
}

pub(super) fn quotes<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.create_names()?;
    let name = "x'); DELETE FROM names; --";
    fixture.must_write(vec![fixture.insert(1, "first"), fixture.insert(2, name)])?;
    let select = fixture.sql(
        "SELECT id FROM names WHERE name = ?1",
        &[SqlValue::from(name)],
    );
    let rows = fixture.read(select)?;
    ensure_eq!(rows, [vec![SqlValue::Integer(2)]], "the row of that name");
    ensure_eq!(fixture.count()?, 2, "the rows");
    Ok(())
}

/// Columns as applications have them.
pub(super) fn conversions<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    let table = if fixture.is_postgres() {
        "CREATE TABLE typed (small smallint, id integer, number numeric(12, 2), short varchar(20),
             key uuid, at timestamptz, day date, data jsonb)"
    } else {
        "CREATE TABLE typed (small SMALLINT, id INTEGER, number NUMERIC, short VARCHAR(20),
             key TEXT, at TEXT, day TEXT, data TEXT)"
    };
    fixture.must_write(vec![SqlStatement::new(table)])?;
    let uuid = "0191f0a0-7c1e-7d3a-9c55-0242ac120002";
    let values = [
        SqlValue::Integer(-7),
        SqlValue::Integer(2_000_000_000),
        SqlValue::Integer(12),
        SqlValue::from("short"),
        SqlValue::from(uuid),
        SqlValue::from("2026-01-02T03:04:05Z"),
        SqlValue::from("2026-01-02"),
        SqlValue::from(r#"["a"]"#),
    ];
    let insert = "INSERT INTO typed VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    fixture.must_write(vec![fixture.sql(insert, &values)])?;
    let select = "SELECT small, id, short, key, at, day, data FROM typed
        WHERE small = ?1 AND id = ?2 AND number = ?3 AND key = ?4 AND at = ?5 AND day = ?6";
    let parameters: Vec<_> = values
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 3 && *at != 7)
        .map(|(_, value)| value.clone())
        .collect();
    let rows = fixture.read(fixture.sql(select, &parameters))?;
    let expected: Vec<_> = values
        .into_iter()
        .enumerate()
        .filter(|(at, _)| *at != 2)
        .map(|(_, value)| value)
        .collect();
    ensure_eq!(rows, [expected], "the row");
    let nothing = [const { SqlValue::Null }; 8];
    fixture.must_write(vec![fixture.sql(insert, &nothing)])?;
    let select = fixture.sql(
        "SELECT count(*) FROM typed WHERE key IS NULL AND at IS NULL",
        &[],
    );
    ensure_eq!(
        fixture.read(select)?,
        [vec![SqlValue::Integer(1)]],
        "rows without values"
    );
    Ok(())
}

pub(super) fn order<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    fixture.create_names()?;
    let names = fixture.sql("SELECT id, name FROM names ORDER BY id", &[]);
    let statements = vec![
        names.clone(),
        fixture.insert(2, "b"),
        names.clone(),
        fixture.insert(1, "a"),
        fixture.sql(
            "UPDATE names SET name = ?2 WHERE id = ?1",
            &[SqlValue::Integer(2), SqlValue::from("c")],
        ),
        names,
    ];
    let rows = fixture.must_write(statements)?;
    let row = |id, name: &str| vec![SqlValue::Integer(id), SqlValue::from(name)];
    let expected = [
        vec![],
        vec![],
        vec![row(2, "b")],
        vec![],
        vec![],
        vec![row(1, "a"), row(2, "c")],
    ];
    ensure_eq!(rows, expected, "the results");
    let none = fixture.must_write(Vec::new())?;
    ensure!(none.is_empty(), "no statements gave {none:?}");
    Ok(())
}

pub(super) fn returning<D: SqlDriver>(fixture: &Fixture<'_, D>) -> Result<(), String> {
    let table = if fixture.is_postgres() {
        "CREATE TABLE made (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name text)"
    } else {
        "CREATE TABLE made (id INTEGER PRIMARY KEY, name TEXT)"
    };
    fixture.must_write(vec![SqlStatement::new(table)])?;
    let insert = |name: &str| {
        let text = "INSERT INTO made (name) VALUES (?1) RETURNING id, name";
        fixture.sql(text, &[SqlValue::from(name)])
    };
    let rows = fixture.must_write(vec![insert("a"), insert("b")])?;
    let row = |id, name: &str| vec![vec![SqlValue::Integer(id), SqlValue::from(name)]];
    ensure_eq!(rows, [row(1, "a"), row(2, "b")], "the rows that were made");
    Ok(())
}
