//! Edits of a mapping file that leave the rest of the file as it is written.

use std::fmt;

use scimkit_core::excerpt;
use serde_json::{Map, Value};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike};

use super::{FieldType, MappingError, MappingProblem};

/// A mapping file whose lines can be set one by one.
///
/// A *line* is the rule of one field. An edit keeps comments, order and layout of the rest of a TOML file; JSON is printed
/// anew. Whether the edited file is a valid mapping is checked by
/// [`MappingBuilder::build`](crate::MappingBuilder::build).
///
/// # Example
/// ```
/// use scimkit_mapping::{FieldType, MappingFile};
///
/// let mut file = MappingFile::parse("[[User.map]]\nscim = 'userName' # the login\nfield = 'email'\n")?;
/// file.add_field("User", "office", FieldType::Text)?;
/// file.set_line("User", "office", r#"addresses[type eq "work"].locality"#)?;
/// assert_eq!(
///     file.to_string(),
///     "[[User.map]]\nscim = 'userName' # the login\nfield = 'email'\n\n\
///      [[User.map]]\nscim = 'addresses[type eq \"work\"].locality'\nfield = \"office\"\n\n\
///      [User.fields]\noffice = \"text\"\n"
/// );
/// assert!(file.remove_line("User", "email"));
/// assert!(!file.remove_line("User", "shoe_size"));
/// # Ok::<(), scimkit_mapping::MappingError>(())
/// ```
#[derive(Debug, Clone)]
pub struct MappingFile {
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Json(Map<String, Value>),
    Toml(DocumentMut),
}

impl MappingFile {
    /// Reads a mapping file: JSON if it begins with `{`, otherwise TOML.
    ///
    /// # Errors
    /// The text is not JSON or TOML.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let content = if text.trim_ascii_start().starts_with('{') {
            let members = serde_json::from_str(text);
            Content::Json(members.map_err(|error| problem(error.to_string()))?)
        } else {
            let document = text.parse::<DocumentMut>();
            Content::Toml(document.map_err(|error| problem(error.to_string()))?)
        };
        Ok(MappingFile { content })
    }

    /// Sets the SCIM path of a field, and keeps the other options of its line. A field without a line gets one.
    ///
    /// # Errors
    /// The line is a constant, a template or a joined text, or the field has several lines.
    pub fn set_line(&mut self, kind: &str, field: &str, path: &str) -> Result<(), MappingError> {
        match &mut self.content {
            Content::Json(file) => {
                let lines = json_lines(file, kind)?;
                let mut matching = lines.iter_mut().filter_map(Value::as_object_mut);
                let found = one_line(
                    field,
                    matching.by_ref().filter(|line| has_field(line, field)),
                )?;
                match found {
                    Some(line) => {
                        check_plain(field, |option| line.contains_key(option))?;
                        check_single(field, line.get("scim").is_some_and(Value::is_array))?;
                        line.insert("scim".to_owned(), path.into());
                    }
                    None => lines.push(serde_json::json!({"scim": path, "field": field})),
                }
            }
            Content::Toml(document) => {
                let mut lines = TomlLines::of(document, kind)?;
                let found = one_line(field, lines.with_field(field).into_iter())?;
                match found {
                    Some(line) => {
                        check_plain(field, |option| line.contains_key(option))?;
                        check_single(field, line.get("scim").is_some_and(Item::is_array))?;
                        let written = line.get("scim").and_then(Item::as_value);
                        let decor = written.map(|value| value.decor().clone());
                        let mut value = toml_edit::Value::from(path);
                        if let Some(decor) = decor {
                            *value.decor_mut() = decor;
                        }
                        line.insert("scim", value.into());
                    }
                    None => lines.push(field, path),
                }
            }
        }
        Ok(())
    }

    /// Removes the lines of a field, and returns whether there were any. Its declaration stays.
    pub fn remove_line(&mut self, kind: &str, field: &str) -> bool {
        match &mut self.content {
            Content::Json(file) => json_lines(file, kind).is_ok_and(|lines| {
                let before = lines.len();
                lines.retain(|line| !line.as_object().is_some_and(|line| has_field(line, field)));
                lines.len() < before
            }),
            Content::Toml(document) => {
                TomlLines::of(document, kind).is_ok_and(|mut lines| lines.remove(field))
            }
        }
    }

    /// Declares a field, unless it is declared already with the same type.
    ///
    /// # Errors
    /// The field is declared with another type.
    pub fn add_field(
        &mut self,
        kind: &str,
        name: &str,
        data_type: FieldType,
    ) -> Result<(), MappingError> {
        let wanted = data_type.name();
        let declared = match &mut self.content {
            Content::Json(file) => {
                let fields = json_member(file, kind)?
                    .entry("fields")
                    .or_insert(Value::Object(Map::new()));
                let fields = fields
                    .as_object_mut()
                    .ok_or_else(|| not_a_table("fields"))?;
                let declared = fields.entry(name).or_insert_with(|| wanted.into());
                declared["type"]
                    .as_str()
                    .or(declared.as_str())
                    .map(str::to_owned)
            }
            Content::Toml(document) => {
                let fields = toml_member(document, kind)?
                    .entry("fields")
                    .or_insert_with(toml_edit::table);
                let fields = fields
                    .as_table_like_mut()
                    .ok_or_else(|| not_a_table("fields"))?;
                let declared = fields
                    .entry(name)
                    .or_insert_with(|| toml_edit::value(wanted));
                let of_table = declared.get("type").and_then(Item::as_str);
                of_table.or(declared.as_str()).map(str::to_owned)
            }
        };
        match declared {
            Some(declared) if declared != wanted => Err(problem(format!(
                "the field `{}` is declared as {declared}",
                excerpt(name)
            ))),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for MappingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            Content::Json(file) => {
                let text = serde_json::to_string_pretty(file).map_err(|_| fmt::Error)?;
                writeln!(f, "{text}")
            }
            Content::Toml(document) => document.fmt(f),
        }
    }
}

/// The lines of a resource type in TOML: tables, or the elements of an array.
enum TomlLines<'a> {
    Array(&'a mut Array),
    Tables(&'a mut ArrayOfTables),
}

impl<'a> TomlLines<'a> {
    fn of(document: &'a mut DocumentMut, kind: &str) -> Result<Self, MappingError> {
        let lines = toml_member(document, kind)?
            .entry("map")
            .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        match lines {
            Item::ArrayOfTables(tables) => Ok(TomlLines::Tables(tables)),
            Item::Value(toml_edit::Value::Array(array)) => Ok(TomlLines::Array(array)),
            _ => Err(problem("`map` must be an array of tables".to_owned())),
        }
    }

    fn with_field(&mut self, field: &str) -> Vec<&mut dyn TableLike> {
        let lines: Vec<&mut dyn TableLike> = match self {
            TomlLines::Array(array) => {
                let tables = array
                    .iter_mut()
                    .filter_map(toml_edit::Value::as_inline_table_mut);
                tables.map(|table| table as &mut dyn TableLike).collect()
            }
            TomlLines::Tables(tables) => tables
                .iter_mut()
                .map(|table| table as &mut dyn TableLike)
                .collect(),
        };
        lines
            .into_iter()
            .filter(|line| is_of(&**line, field))
            .collect()
    }

    fn push(&mut self, field: &str, path: &str) {
        match self {
            TomlLines::Array(array) => {
                let mut line = InlineTable::new();
                line.insert("scim", path.into());
                line.insert("field", field.into());
                array.push(line);
            }
            TomlLines::Tables(tables) => {
                let mut line = Table::new();
                line.insert("scim", toml_edit::value(path));
                line.insert("field", toml_edit::value(field));
                line.decor_mut().set_prefix("\n");
                tables.push(line);
            }
        }
    }

    fn remove(&mut self, field: &str) -> bool {
        match self {
            TomlLines::Array(array) => {
                let before = array.len();
                array.retain(|line| {
                    !line
                        .as_inline_table()
                        .is_some_and(|line| is_of(line, field))
                });
                array.len() < before
            }
            TomlLines::Tables(tables) => {
                let before = tables.len();
                tables.retain(|line| !is_of(line, field));
                tables.len() < before
            }
        }
    }
}

fn is_of(line: &dyn TableLike, field: &str) -> bool {
    line.get("field").and_then(Item::as_str) == Some(field)
}

fn has_field(line: &Map<String, Value>, field: &str) -> bool {
    line.get("field").and_then(Value::as_str) == Some(field)
}

fn toml_member<'a>(
    document: &'a mut DocumentMut,
    kind: &str,
) -> Result<&'a mut dyn TableLike, MappingError> {
    let member = document.entry(kind).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    member.as_table_like_mut().ok_or_else(|| not_a_table(kind))
}

fn json_member<'a>(
    file: &'a mut Map<String, Value>,
    kind: &str,
) -> Result<&'a mut Map<String, Value>, MappingError> {
    let member = file
        .entry(kind)
        .or_insert_with(|| Value::Object(Map::new()));
    member.as_object_mut().ok_or_else(|| not_a_table(kind))
}

fn json_lines<'a>(
    file: &'a mut Map<String, Value>,
    kind: &str,
) -> Result<&'a mut Vec<Value>, MappingError> {
    let lines = json_member(file, kind)?
        .entry("map")
        .or_insert_with(|| Value::Array(Vec::new()));
    lines
        .as_array_mut()
        .ok_or_else(|| problem("`map` must be an array".to_owned()))
}

/// Returns the only line of a field, if there is one.
fn one_line<T>(field: &str, mut lines: impl Iterator<Item = T>) -> Result<Option<T>, MappingError> {
    let first = lines.next();
    if lines.next().is_some() {
        return Err(problem(format!(
            "the field `{}` has several lines: edit the file",
            excerpt(field)
        )));
    }
    Ok(first)
}

/// Rejects lines that have no path of their own.
fn check_plain(field: &str, has: impl Fn(&str) -> bool) -> Result<(), MappingError> {
    match ["constant", "template"]
        .into_iter()
        .find(|option| has(option))
    {
        Some(option) => Err(problem(format!(
            "the line of `{}` has a {option}: edit the file",
            excerpt(field)
        ))),
        None => Ok(()),
    }
}

fn check_single(field: &str, is_joined: bool) -> Result<(), MappingError> {
    if is_joined {
        let field = excerpt(field);
        return Err(problem(format!(
            "the line of `{field}` joins several paths: edit the file"
        )));
    }
    Ok(())
}

fn not_a_table(name: &str) -> MappingError {
    problem(format!("`{}` must be a table", excerpt(name)))
}

fn problem(detail: String) -> MappingError {
    MappingError::new(vec![MappingProblem::new(None, detail)])
}
