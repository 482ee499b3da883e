//! The content of a step as text.

use serde_json::Value;

use crate::sync::step::{MemberChange, Step, StepSource, StepSubject};

pub(super) fn subject(step: &Step) -> &'static str {
    match step.key.subject {
        StepSubject::User => "user",
        StepSubject::Group => "group",
        StepSubject::Membership => "membership",
    }
}

/// Returns the id in the provisioned state or in the directory, or the value of a derived group.
pub(super) fn source(step: &Step) -> &str {
    match &step.key.source {
        StepSource::State(id) | StepSource::Directory(id) => id.as_str(),
        StepSource::Value(value) => value,
    }
}

/// Returns a value as people read it.
pub(super) fn value(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// One line about a step: a changed field or member.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) after: String,
    pub(super) before: String,
    pub(super) field: String,
}

/// Returns the changed fields and members of a step.
pub(super) fn lines(step: &Step) -> impl Iterator<Item = Line> {
    let fields = step.differences.iter().map(|difference| Line {
        after: value(difference.after.as_ref()),
        before: value(difference.before.as_ref()),
        field: difference.field.clone(),
    });
    let members = step.members.iter().map(|change| {
        let (after, before) = match change {
            MemberChange::Add { user, .. } => (user.to_string(), String::new()),
            MemberChange::Remove(id) => (String::new(), id.to_string()),
        };
        Line {
            after,
            before,
            field: "members".to_owned(),
        }
    });
    fields.chain(members)
}

/// Replaces control characters and those that change the direction of text.
pub(super) fn visible(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if is_hidden(c) { '\u{fffd}' } else { c })
        .collect()
}
