//! Rows to documents, and back.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scimkit_core::{Version, format_instant};
use scimkit_mapping::{FieldType, NOW, Record};
use scimkit_registry::{Document, RequestError, Resource, ResourceId, ResourceType, split_members};
use scimkit_sql::{
    Layout as _,
    tables::{SIDE_COLUMNS, SqlValue},
};
use scimkit_store::{
    ConnectionId, RequestContext, StoreError,
    engine::{FoundRow, ResourceRow, RowHead, RowState},
};
use serde_json::{Number, Value};

use crate::{
    SqlRow,
    table::{BoundTable, Column},
    values::value_list,
};

/// The attribute that has a column of its own in the side rows.
pub(crate) const EXTERNAL_ID: &str = "externalId";

/// Any instant.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// The part of a document for which there are no columns.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    pub(crate) external_id: Option<String>,
    /// The other attributes, as JSON text.
    pub(crate) text: Option<String>,
}

/// What a side row knows of the document that was stored with it: its hash and, if nothing in it was hidden, the
/// fingerprint of its schema.
struct Known<'s> {
    hash: &'s str,
    schema: Option<&'s str>,
}

impl<'s> Known<'s> {
    fn parse(text: &'s str) -> Self {
        match text.split_once(SEPARATOR) {
            Some((hash, schema)) => Known {
                hash,
                schema: Some(schema),
            },
            None => Known {
                hash: text,
                schema: None,
            },
        }
    }
}

/// Between the hash of a document and the fingerprint of its schema.
const SEPARATOR: char = '.';

/// The hash of a document, and the fingerprint of its schema if the document is exact.
pub(crate) fn known(document: &Document, kind: &ResourceType) -> String {
    let hash = hash(document);
    if document.is_exact() {
        format!("{hash:032x}{SEPARATOR}{}", kind.fingerprint())
    } else {
        format!("{hash:032x}")
    }
}

impl BoundTable {
    /// The resource of a row with the columns of `RowTable::select`.
    pub(crate) fn found(
        &self,
        row: SqlRow,
        context: &RequestContext,
    ) -> Result<FoundRow, StoreError> {
        let mut values = row.into_iter();
        let mut side = [const { SqlValue::Null }; SIDE_COLUMNS];
        for place in &mut side {
            *place = values.next().ok_or_else(|| damaged("number of columns"))?;
        }
        let [
            id,
            version,
            created,
            modified,
            connection,
            external_id,
            known,
            rest,
        ] = side;
        let values = self.values(values);
        let known = text(known);
        let known = known.as_deref().map(Known::parse);
        let rest = Rest {
            external_id: text(external_id),
            text: text(rest),
        };
        // What columns have is admitted for the current schema.
        let is_exact = rest.text.is_none() || {
            let schema = known.as_ref().and_then(|known| known.schema);
            schema.is_some_and(|schema| self.is_schema(schema, context))
        };
        let document = self.document(values, rest)?.with_exactness(is_exact);
        let known = known.map(|known| known.hash);
        let version = version_of(&document, integer(&version), known)?;
        Ok(FoundRow {
            connection: text(connection).as_deref().map(ConnectionId::from),
            document,
            head: RowHead {
                created: instant(&created)?,
                id: text(id)
                    .map(ResourceId::from)
                    .ok_or_else(|| damaged("id"))?,
                kind: Arc::clone(&self.kind_name),
                last_modified: instant(&modified)?,
                state: RowState::Live,
                version,
            },
        })
    }

    /// Whether a fingerprint is that of the schema of a request.
    fn is_schema(&self, fingerprint: &str, context: &RequestContext) -> bool {
        let registry = &context.settings.registry;
        let Some(kind) = registry.resource_type(&self.kind_name) else {
            return false;
        };
        let (schema, text) = &self.schema;
        if kind.fingerprint() == *schema {
            text == fingerprint
        } else {
            kind.fingerprint().to_string() == fingerprint
        }
    }

    /// The columns of the mapping as it reads them, in their order.
    fn values(&self, values: impl Iterator<Item = SqlValue>) -> Vec<Value> {
        let columns = self.columns.iter().zip(values);
        let value = |(column, value): (&Column, SqlValue)| {
            let value = json(value, column.data_type);
            match &column.values {
                Some(table) => value_list(self.sql.kind(), table, value),
                None => value,
            }
        };
        columns.map(value).collect()
    }

    /// The columns of the mapping by their names.
    pub(crate) fn record(&self, values: impl Iterator<Item = SqlValue>) -> Record {
        self.named(self.values(values))
    }

    fn named(&self, values: Vec<Value>) -> Record {
        let names = self.sql.columns().iter().cloned();
        names.zip(values).collect()
    }

    fn document(&self, values: Vec<Value>, rest: Rest) -> Result<Document, StoreError> {
        let text = rest.text.as_deref().unwrap_or("{}");
        let external_id = rest.external_id.map(Value::from);
        let printed = self
            .printer
            .print(&values, external_id.as_ref(), text.as_bytes());
        if let Some(text) = printed {
            return Ok(Document::from_text(text));
        }
        let onto = Resource::restore(text.as_bytes()).map_err(StoreError::backend)?;
        Ok(Document::from(self.resource(values, external_id, onto)))
    }

    /// The resource of a row that can't be printed without a tree.
    fn resource(
        &self,
        values: Vec<Value>,
        external_id: Option<Value>,
        mut onto: Resource,
    ) -> Resource {
        let record = self.named(values);
        let kind = self.sql.mapped().kind();
        if let (Some(id), Some(attr)) = (external_id, kind.attribute_id(EXTERNAL_ID)) {
            onto.set(kind, attr, id);
        }
        let rules = self.sql.mapped().rules();
        match rules.to_resource(&record, onto.clone()) {
            Ok(resource) => resource,
            // A value that the application has and SCIM can't show hides its own attribute, and not the resource.
            Err(_) => record.into_iter().fold(onto, |onto, (name, value)| {
                let alone = Record::from_iter([(name, value)]);
                rules.to_resource(&alone, onto.clone()).unwrap_or(onto)
            }),
        }
    }

    /// The part of a document that its columns do not give back.
    pub(crate) fn rest(&self, document: &Document) -> Result<Rest, StoreError> {
        let kind = self.sql.mapped().kind();
        let Some(text) = self.printer.rest(document.text()) else {
            let tree = document.tree().map_err(StoreError::from)?;
            return self.rest_of_tree(&tree);
        };
        let attr = kind.attribute_id(EXTERNAL_ID);
        let attr = attr.filter(|_| self.sql.has_side_external_id());
        let external_id = attr.and_then(|attr| document.value(kind, attr));
        // One member per line, so that reads need not look for the ends of values.
        let text = Some(text).filter(|text| !text.is_empty());
        let text = text.map(|text| String::from_utf8(split_members(&text)));
        Ok(Rest {
            external_id: external_id.and_then(|id| id.as_str().map(str::to_owned)),
            text: text.transpose().map_err(StoreError::backend)?,
        })
    }

    fn rest_of_tree(&self, document: &Resource) -> Result<Rest, StoreError> {
        let rules = self.sql.mapped().rules();
        let names = self.sql.columns().iter();
        let unset: Record = names.map(|name| (name.clone(), Value::Null)).collect();
        let mut rest = rules
            .to_resource(&unset, document.clone())
            .map_err(|error| invalid(&error))?;
        let kind = self.sql.mapped().kind();
        // A column without a value stands for a value of theirs.
        let since = rules
            .rules()
            .filter(|rule| rule.time_value(EPOCH).is_some());
        for path in since.flat_map(|rule| rule.paths()) {
            if let Some(attr) = kind.attribute_id(path) {
                rest.unset(kind, attr);
            }
        }
        let attr = kind.attribute_id(EXTERNAL_ID);
        let attr = attr.filter(|_| self.sql.has_side_external_id());
        let mut external_id = None;
        if let Some(attr) = attr {
            external_id = rest
                .get(kind, attr)
                .and_then(Value::as_str)
                .map(str::to_owned);
            rest.unset(kind, attr);
            rest.refresh_schemas(kind);
        }
        // `schemas` follows from the attributes.
        let is_empty = rest.as_map().keys().all(|name| name == "schemas");
        let text = (!is_empty).then(|| rest.to_text());
        Ok(Rest { external_id, text })
    }

    /// The columns of times that a write sets.
    pub(crate) fn times(
        &self,
        is_new: bool,
        row: &ResourceRow,
    ) -> impl Iterator<Item = (&str, SqlValue)> {
        let times = self.sql.table().times.as_ref();
        let values = times.map(|times| {
            let value = |at| SqlValue::from_time(times.form, self.sql.dialect(), at);
            let created = (times.created.as_str(), value(row.created));
            let modified = (times.modified.as_str(), value(row.last_modified));
            [Some(created).filter(|_| is_new), Some(modified)]
        });
        values.into_iter().flatten().flatten()
    }

    /// The columns that differ between two documents of a row, with their new values at the time of a write.
    pub(crate) fn edits(
        &self,
        (before, after): (Option<&Resource>, &Resource),
        at: DateTime<Utc>,
    ) -> Result<Vec<(String, SqlValue)>, StoreError> {
        let rules = self.sql.mapped().rules();
        let at = format_instant(at);
        let edits = self
            .sql
            .mapped()
            .edits(before, after)
            .map_err(|error| invalid(&error))?;
        let edits = edits.into_iter().map(|(name, value)| {
            let mut own = rules.rules().filter(|rule| rule.field() == Some(&name));
            let time = own.find_map(|rule| rule.time_value(&at));
            let value = time.filter(|_| value == NOW).unwrap_or(value);
            (name, parameter(value))
        });
        Ok(edits.collect())
    }
}

/// The version of a resource: the number of its last change by SCIM, and the hash of its document if the application has
/// changed it since.
fn version_of(
    document: &Document,
    number: Option<i64>,
    known: Option<&str>,
) -> Result<Version, StoreError> {
    let number = number.unwrap_or(0);
    let hash = hash(document);
    let is_known = known.is_some_and(|known| u128::from_str_radix(known, 16) == Ok(hash));
    let version = if is_known {
        number.to_string()
    } else {
        format!("{number}.{hash:032x}")
    };
    Version::new(version).map_err(StoreError::backend)
}

/// The hash of a document: as FNV-1a with 128 bits, but of eight bytes at a time, and with a multiplier that carries each
/// bit into the upper half. It detects accidental changes; it is not cryptographic.
fn hash(document: &Document) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const FACTOR: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
    let add = |hash: u128, word: u64| (hash ^ u128::from(word)).wrapping_mul(FACTOR);
    let text = document.text();
    let (words, rest) = text.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().map(|byte| u64::from(*byte));
    let hash = words.chain(rest).fold(BASIS, add);
    let hash = add(hash, text.len() as u64);
    // The lower half depends on the upper one, too.
    hash ^ (hash >> 64)
}

/// A soft-deleted resource with the columns of `retired_by_ids`.
pub(crate) fn retired(row: SqlRow) -> Result<FoundRow, StoreError> {
    let row: [SqlValue; 7] = row.try_into().map_err(|_| damaged("number of columns"))?;
    let [kind, id, version, created, retired, connection, document] = row;
    let version = integer(&version).ok_or_else(|| damaged("version"))?;
    let document = text(document).ok_or_else(|| damaged("document"))?;
    Ok(FoundRow {
        connection: text(connection).as_deref().map(ConnectionId::from),
        document: Document::from_text(document).with_exactness(false),
        head: RowHead {
            created: instant(&created)?,
            id: text(id)
                .map(ResourceId::from)
                .ok_or_else(|| damaged("id"))?,
            kind: text(kind).map(Arc::from).ok_or_else(|| damaged("kind"))?,
            last_modified: instant(&retired)?,
            state: RowState::Deleted,
            version: Version::new(version.to_string()).map_err(StoreError::backend)?,
        },
    })
}

/// A column as a mapping reads it.
fn json(value: SqlValue, data_type: FieldType) -> Value {
    match (value, data_type) {
        (SqlValue::Integer(number), FieldType::Boolean) => Value::Bool(number != 0),
        (SqlValue::Bool(value), _) => Value::Bool(value),
        (SqlValue::Integer(number), FieldType::Text) => Value::from(number.to_string()),
        (SqlValue::Integer(number), _) => Value::from(number),
        (SqlValue::Real(number), FieldType::Integer) if number.fract() == 0.0 => {
            // Exact: a number without decimals, printed and read again.
            format!("{number:.0}")
                .parse::<i64>()
                .map_or(Value::Null, Value::from)
        }
        (SqlValue::Real(number), _) => Value::from(number),
        (SqlValue::Text(text), FieldType::Json) => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        (SqlValue::Text(text), FieldType::Decimal | FieldType::Integer) => {
            let number = text.parse::<Number>();
            number.map_or(Value::String(text), Value::Number)
        }
        (SqlValue::Text(text), _) => Value::String(text),
        (SqlValue::Blob(_) | SqlValue::Null, _) => Value::Null,
    }
}

/// A value of a mapping as a parameter.
pub(crate) fn parameter(value: Value) -> SqlValue {
    match value {
        Value::Bool(value) => SqlValue::Bool(value),
        Value::Null => SqlValue::Null,
        Value::Number(number) => match number.as_i64() {
            Some(number) => SqlValue::Integer(number),
            None => number.as_f64().map_or(SqlValue::Null, SqlValue::Real),
        },
        Value::String(text) => SqlValue::Text(text),
        value @ (Value::Array(_) | Value::Object(_)) => SqlValue::Text(value.to_string()),
    }
}

pub(crate) fn text(value: SqlValue) -> Option<String> {
    match value {
        SqlValue::Text(text) => Some(text),
        SqlValue::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(crate) fn integer(value: &SqlValue) -> Option<i64> {
    match value {
        SqlValue::Integer(number) => Some(*number),
        SqlValue::Bool(value) => Some(i64::from(*value)),
        _ => None,
    }
}

pub(crate) fn instant(value: &SqlValue) -> Result<DateTime<Utc>, StoreError> {
    let instant = integer(value).and_then(DateTime::from_timestamp_micros);
    instant.ok_or_else(|| damaged("time"))
}

pub(crate) fn damaged(part: &str) -> StoreError {
    StoreError::backend(format!(
        "unexpected {part} in a row: are the side tables migrated?"
    ))
}

fn invalid(error: &RequestError) -> StoreError {
    let detail = error.to_string();
    StoreError::Invalid { detail }
}
