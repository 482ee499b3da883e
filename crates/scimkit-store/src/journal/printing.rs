//! Prints the details of entries.

use scimkit_core::push_json_string;
use scimkit_registry::ResourceId;
use serde::Serialize;
use serde_json::Value;

/// The maximum number of members in one part of an entry.
const MEMBERS: usize = 1_000;
/// The maximum length of the JSON text of a recorded value, in bytes.
const VALUE: usize = 16 << 10;
/// The maximum length of all recorded values of an entry together, in bytes.
const VALUES: usize = 64 << 10;

/// The choice between entries with and without values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    Omit,
    Record,
}

/// Prints the texts of the parts of an entry: its attributes first, then its members.
#[derive(Debug)]
pub(crate) struct PartPrinter {
    // INVARIANT: `text` has an open object, with the open array of `list`, if any.
    done: Vec<String>,
    list: Option<List>,
    /// The number of members in the open part.
    members: usize,
    /// The common prefix of the paths in the open array of paths, if there is one.
    prefix: Option<String>,
    text: Vec<u8>,
    /// The number of bytes of recorded values.
    recorded: usize,
    values: Values,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Attributes,
    Members,
    Released,
}

impl List {
    fn start(self) -> &'static [u8] {
        match self {
            List::Attributes => br#""attributes":["#,
            List::Members => br#""members":["#,
            List::Released => br#""released":["#,
        }
    }
}

impl PartPrinter {
    pub(crate) fn new(values: Values) -> Self {
        let mut printer = PartPrinter {
            done: Vec::new(),
            list: None,
            members: 0,
            prefix: None,
            text: Vec::with_capacity(128),
            recorded: 0,
            values,
        };
        printer.open();
        printer
    }

    fn open(&mut self) {
        self.members = 0;
        self.list = None;
        let start: &[u8] = match self.values {
            Values::Omit => b"{",
            Values::Record => br#"{"values":true"#,
        };
        self.text.extend_from_slice(start);
    }

    fn close(&mut self) {
        self.close_prefix();
        let end: &[u8] = if self.list.is_some() { b"]}" } else { b"}" };
        self.text.extend_from_slice(end);
        let text = std::mem::take(&mut self.text);
        // JSON is UTF-8.
        let text = String::from_utf8(text).unwrap_or_default();
        self.done.push(text);
    }

    /// Starts another element of a list.
    fn element(&mut self, list: List) {
        if self.list == Some(list) {
            self.text.push(b',');
            return;
        }
        self.close_prefix();
        if self.list.is_some() {
            self.text.push(b']');
        }
        if !self.text.ends_with(b"{") {
            self.text.push(b',');
        }
        self.text.extend_from_slice(list.start());
        self.list = Some(list);
    }

    fn print(&mut self, value: &(impl Serialize + ?Sized)) {
        // Writing a JSON value into a `Vec` does not fail.
        let _ = serde_json::to_writer(&mut self.text, value);
    }

    /// Adds a changed attribute: its path, or an object with its path and values. A masked attribute has no values.
    pub(crate) fn attribute(
        &mut self,
        (path, name): (&str, &str),
        is_masked: bool,
        (before, after): (Option<&Value>, Option<&Value>),
    ) {
        if self.values == Values::Omit {
            self.path(path.strip_suffix(name).unwrap_or_default(), path);
            return;
        }
        self.element(List::Attributes);
        self.text.extend_from_slice(br#"{"path":"#);
        push_json_string(&mut self.text, path);
        if is_masked {
            self.text.extend_from_slice(br#","masked":true"#);
        } else {
            self.value(br#","before"#, before);
            self.value(br#","after"#, after);
        }
        self.text.push(b'}');
    }

    /// Adds a path. Consecutive paths with the same prefix share an array, whose first element is the prefix, since the
    /// names of extensions are long.
    fn path(&mut self, prefix: &str, path: &str) {
        if self.prefix.as_deref() == Some(prefix) {
            self.text.push(b',');
        } else {
            self.close_prefix();
            self.element(List::Attributes);
            if !prefix.is_empty() {
                self.text.push(b'[');
                push_json_string(&mut self.text, prefix);
                self.text.push(b',');
                self.prefix = Some(prefix.to_owned());
            }
        }
        push_json_string(&mut self.text, path.get(prefix.len()..).unwrap_or_default());
    }

    fn close_prefix(&mut self) {
        if self.prefix.take().is_some() {
            self.text.push(b']');
        }
    }

    fn value(&mut self, name: &[u8], value: Option<&Value>) {
        let Some(value) = value else { return };
        let start = self.text.len();
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(br#"":"#);
        let from = self.text.len();
        self.print(value);
        let bytes = self.text.len().saturating_sub(from);
        let all = self.recorded.saturating_add(bytes);
        if bytes <= VALUE && all <= VALUES {
            self.recorded = all;
            return;
        }
        self.text.truncate(start);
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(br#"Bytes":"#);
        self.print(&bytes);
    }

    /// Adds the changed members of one attribute, in further parts if there are too many.
    pub(crate) fn members<'m>(
        &mut self,
        attr: &str,
        added: impl Iterator<Item = (&'m ResourceId, Option<&'m str>)>,
        removed: impl Iterator<Item = &'m ResourceId>,
    ) {
        let mut open = None;
        for (id, kind) in added {
            self.member(attr, &mut open, "added");
            match kind {
                None => push_json_string(&mut self.text, id.as_str()),
                Some(kind) => self.print(&[id.as_str(), kind]),
            }
        }
        for id in removed {
            self.member(attr, &mut open, "removed");
            push_json_string(&mut self.text, id.as_str());
        }
        if open.is_some() {
            self.text.extend_from_slice(b"]}");
        }
    }

    /// Starts another member of that list, which may be open already.
    fn member(&mut self, attr: &str, open: &mut Option<&'static str>, list: &'static str) {
        if self.members >= MEMBERS {
            if open.take().is_some() {
                self.text.extend_from_slice(b"]}");
            }
            self.next_part();
        }
        self.members = self.members.saturating_add(1);
        match *open {
            Some(known) if known == list => {
                self.text.push(b',');
                return;
            }
            Some(_) => self.text.extend_from_slice(b"],\""),
            None => {
                self.element(List::Members);
                self.text.extend_from_slice(br#"{"attr":"#);
                push_json_string(&mut self.text, attr);
                self.text.extend_from_slice(b",\"");
            }
        }
        self.text.extend_from_slice(list.as_bytes());
        self.text.extend_from_slice(b"\":[");
        *open = Some(list);
    }

    /// Adds a resource that lost its owner, in another part if there are too many.
    pub(crate) fn released(&mut self, kind: &str, id: &ResourceId) {
        if self.members >= MEMBERS {
            self.next_part();
        }
        self.members = self.members.saturating_add(1);
        self.element(List::Released);
        self.print(&[kind, id.as_str()]);
    }

    fn next_part(&mut self) {
        self.close();
        self.open();
    }

    /// Returns the texts of the parts, at least one.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.close();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use scimkit_registry::ResourceId;
    use serde_json::{Value, json};

    use super::{MEMBERS, PartPrinter, VALUE, Values};
    use crate::{JournalDetails, RecordedValue};

    fn details(printer: PartPrinter) -> Vec<JournalDetails> {
        let texts = printer.finish();
        let read = |text: &String| JournalDetails::from_text(text).unwrap();
        texts.iter().map(read).collect()
    }

    #[test]
    fn empty_details_are_an_empty_object() {
        assert_eq!(PartPrinter::new(Values::Omit).finish(), ["{}"]);
        let [details] = &details(PartPrinter::new(Values::Record))[..] else {
            panic!()
        };
        assert_eq!(details, &JournalDetails::default());
    }

    #[test]
    fn values_are_recorded_masked_or_replaced_by_their_size() {
        let mut printer = PartPrinter::new(Values::Record);
        let old = json!("a \"b\"");
        let long = json!("x".repeat(VALUE));
        printer.attribute(("title", "title"), false, (Some(&old), None));
        printer.attribute(("password", "password"), true, (None, Some(&long)));
        printer.attribute(("nickName", "nickName"), false, (None, Some(&long)));
        let details = details(printer);
        let values: Vec<_> = details[0]
            .attributes
            .iter()
            .map(|one| (&*one.path, one.before.clone(), one.after.clone()))
            .collect();
        let bytes = VALUE as u64 + 2;
        let expected = [
            ("title", RecordedValue::Value(old), RecordedValue::Absent),
            ("password", RecordedValue::Masked, RecordedValue::Masked),
            (
                "nickName",
                RecordedValue::Absent,
                RecordedValue::TooLarge { bytes },
            ),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn all_values_of_an_entry_share_a_limit() {
        let mut printer = PartPrinter::new(Values::Record);
        let value = json!("x".repeat(VALUE - 2));
        for _ in 0..6 {
            printer.attribute(("title", "title"), false, (None, Some(&value)));
        }
        let text = printer.finish().concat();
        assert!(text.len() < 5 * VALUE, "{}", text.len());
    }

    #[test]
    fn notice_has_paths_without_values() {
        let mut printer = PartPrinter::new(Values::Omit);
        let value: Value = json!("secret");
        printer.attribute(("title", "title"), false, (None, Some(&value)));
        printer.attribute(("password", "password"), true, (None, None));
        assert_eq!(printer.finish(), [r#"{"attributes":["title","password"]}"#]);
    }

    #[test]
    fn paths_with_one_prefix_share_an_array() {
        let paths = [
            ("userName", "userName"),
            ("name.givenName", "givenName"),
            ("name.familyName", "familyName"),
            ("urn:example:2.0:User:badge", "badge"),
            ("urn:example:2.0:User:manager.value", "value"),
            ("title", "title"),
            ("name.formatted", "formatted"),
        ];
        let id = ResourceId::from("1");
        for count in 1..=paths.len() {
            let (paths, _) = paths.split_at(count);
            let mut printer = PartPrinter::new(Values::Omit);
            for path in paths {
                printer.attribute(*path, false, (None, None));
            }
            printer.members("members", [(&id, None)].into_iter(), [].into_iter());
            let [details] = &details(printer)[..] else {
                panic!()
            };
            let found = details.attributes.iter().map(|one| &*one.path);
            assert!(found.eq(paths.iter().map(|(path, _)| *path)));
            assert_eq!(details.members[0].added[0].id, id);
        }
        let mut printer = PartPrinter::new(Values::Omit);
        for path in paths {
            printer.attribute(path, false, (None, None));
        }
        let text = concat!(
            r#"{"attributes":["userName",["name.","givenName","familyName"],"#,
            r#"["urn:example:2.0:User:","badge"],["urn:example:2.0:User:manager.","value"],"#,
            r#""title",["name.","formatted"]]}"#
        );
        assert_eq!(printer.finish(), [text]);
    }

    #[test]
    fn members_beyond_the_limit_start_another_part() {
        let ids: Vec<_> = (0..2 * MEMBERS + 1)
            .map(|n| ResourceId::from(n.to_string()))
            .collect();
        let (added, removed) = ids.split_at(MEMBERS + 1);
        let mut printer = PartPrinter::new(Values::Omit);
        printer.attribute(("displayName", "displayName"), false, (None, None));
        let typed = |id| (id, Some("User"));
        printer.members("members", added.iter().map(typed), removed.iter());
        let one = ResourceId::from("one");
        printer.members("owners", [(&one, None)].into_iter(), [].into_iter());
        let parts = details(printer);
        let counts: Vec<_> = parts
            .iter()
            .map(|part| {
                let count = |one: &crate::MemberChange| (one.added.len(), one.removed.len());
                part.members.iter().map(count).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(
            counts,
            [vec![(1000, 0)], vec![(1, 999)], vec![(0, 1), (1, 0)]]
        );
        assert_eq!(parts[0].attributes.len(), 1);
        assert_eq!(parts[0].members[0].added[0].kind.as_deref(), Some("User"));
        assert_eq!(parts[2].members[1].added[0].id, one);
    }
}
