//! The outcomes of an event in words, and its changes as JSON.

use scimkit_store::{AttributeChange, JournalSubject, RecordedValue};
use serde_json::{Map, Value};

use super::Event;

impl Event {
    /// Returns what has happened, in words such as `user.deactivated`, `group.member_added` and `token.created`.
    ///
    /// For users and groups, they are the types of the messages that a webhook sends. Other words are the kind of the
    /// subject and the [action](scimkit_store::JournalAction). A gap is `journal.gap`.
    #[must_use]
    pub fn outcomes(&self) -> Vec<String> {
        let types = self.types();
        if !types.is_empty() {
            return types.into_iter().map(str::to_owned).collect();
        }
        let Some(entry) = self.entry() else {
            return vec!["journal.gap".to_owned()];
        };
        let subject = match &entry.subject {
            JournalSubject::Resource { kind, .. } => kind.to_lowercase(),
            other => other.columns().word.to_owned(),
        };
        let action = entry.action.as_str().replace('-', "_");
        vec![format!("{subject}.{action}")]
    }

    /// Returns the types of the messages about the event; none for other subjects than users and groups.
    pub(crate) fn types(&self) -> Vec<&'static str> {
        let is_active = |change: &AttributeChange| change.path.eq_ignore_ascii_case("active");
        let attributes = self
            .details()
            .map_or(&[][..], |details| &details.attributes);
        let others = attributes.iter().any(|change| !is_active(change));
        let activity = self.user_deactivated().or(self.user_reactivated());
        let user_updated = self.user_updated().filter(|_| others || activity.is_none());
        let answers = [
            ("user.created", self.user_created().is_some()),
            ("user.updated", user_updated.is_some()),
            ("user.deactivated", self.user_deactivated().is_some()),
            ("user.reactivated", self.user_reactivated().is_some()),
            ("user.deleted", self.user_deleted().is_some()),
            ("group.created", self.group_created().is_some()),
            ("group.updated", self.group_updated().is_some()),
            ("group.deleted", self.group_deleted().is_some()),
            (MEMBER_ADDED, self.member_added().next().is_some()),
            (MEMBER_REMOVED, self.member_removed().next().is_some()),
        ];
        let positive = answers.into_iter().filter(|(_, holds)| *holds);
        positive.map(|(kind, _)| kind).collect()
    }

    /// Returns the changed attributes with the values that are recorded.
    pub(crate) fn changes(&self) -> Vec<Value> {
        let attributes = self
            .details()
            .map_or(&[][..], |details| &details.attributes);
        attributes.iter().map(change).collect()
    }
}

/// The type of the message about new members.
pub(crate) const MEMBER_ADDED: &str = "group.member_added";
/// The type of the message about members that left.
pub(crate) const MEMBER_REMOVED: &str = "group.member_removed";

fn change(change: &AttributeChange) -> Value {
    let mut object = Map::new();
    object.insert("path".to_owned(), change.path.as_str().into());
    for (name, value) in [("before", &change.before), ("after", &change.after)] {
        if let RecordedValue::Value(value) = value {
            object.insert(name.to_owned(), value.clone());
        }
    }
    object.into()
}
