//! What active users deliver to the users that they are linked to.

use std::collections::BTreeMap;

use scimkit_mapping::Record;
use scimkit_registry::ResourceId;

use super::input::PlanInput;
use crate::sync::{exemptions::Exemptions, link::LinkSource, rules::PlanSettings};

/// Returns the records that active users deliver over their links, by the id in the directory.
pub(super) fn delivered_records<'p>(
    input: &'p PlanInput,
    settings: &PlanSettings,
    exemptions: &Exemptions,
) -> BTreeMap<&'p ResourceId, &'p Record> {
    let mut links = BTreeMap::new();
    for link in &input.links {
        if let LinkSource::User(id) = &link.source {
            links.insert(id, &link.target);
        }
    }
    let mut records: BTreeMap<_, Option<&Record>> = BTreeMap::new();
    for user in &input.users {
        let Some(target) = links.get(&user.id).copied() else {
            continue;
        };
        let is_planned = user.is_active && settings.connections.contains_key(&user.connection);
        let record = user.fields.as_ref().ok().filter(|_| is_planned);
        // Two users that are linked to one are rejected.
        records
            .entry(target)
            .and_modify(|known| *known = None)
            .or_insert(record);
    }
    let email = |fields: &'p Record| fields.get(&settings.email_field)?.as_str();
    for entry in &input.directory_users {
        if let Some(record) = records.get_mut(&entry.id) {
            let emails = [email(&entry.fields), record.and_then(email)];
            if exemptions.covers(Some(&entry.id), emails) {
                *record = None;
            }
        }
    }
    let known = records.into_iter();
    known
        .filter_map(|(id, record)| Some((id, record?)))
        .collect()
}
