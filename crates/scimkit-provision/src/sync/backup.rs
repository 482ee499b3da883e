//! The backup of a directory before the first live run.

use std::{collections::BTreeSet, io};

use serde_json::Value;

use super::{entry::DirectoryUser, formula::without_formula};

/// Returns the users of a directory as CSV: id, whether the user is archived, and each field. No cell becomes a formula in
/// a spreadsheet.
pub(super) fn csv(users: &[DirectoryUser]) -> io::Result<String> {
    let names: BTreeSet<&str> = users
        .iter()
        .flat_map(|user| user.fields.keys().map(String::as_str))
        .collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["Directory Id", "Is Archived"].into_iter();
    writer.write_record(header.chain(names.iter().copied()))?;
    for user in users {
        let mut row = vec![user.id.to_string(), user.is_archived.to_string()];
        row.extend(names.iter().map(|name| match user.fields.get(*name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }));
        writer.write_record(row.iter().map(|cell| without_formula(cell).into_owned()))?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(bytes).map_err(io::Error::other)
}
