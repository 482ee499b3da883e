//! Schemas as a server serves them.

use scimkit_core::is_attribute_name;
use serde::Deserialize;
use serde_json::Value;

/// A schema: its id and attributes.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    pub(super) attributes: Vec<Attribute>,
    id: String,
}

impl Schema {
    /// The schemas of a list. What is no schema is left out.
    pub(super) fn all(list: &Value) -> Vec<Self> {
        let listed = list.get("Resources").and_then(Value::as_array);
        let listed = listed.into_iter().flatten();
        listed.filter_map(Schema::read).collect()
    }

    /// One schema, without the attributes that can't be read.
    pub(super) fn read(document: &Value) -> Option<Self> {
        Some(Schema {
            attributes: Attribute::all(document.get("attributes")),
            id: document.get("id")?.as_str()?.to_owned(),
        })
    }

    pub(super) fn is(&self, urn: &str) -> bool {
        self.id.eq_ignore_ascii_case(urn)
    }
}

/// What an attribute is, with the defaults of RFC 7643 section 2.2 for what is not said.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attribute {
    pub(super) canonical_values: Vec<String>,
    pub(super) case_exact: bool,
    pub(super) kind: String,
    pub(super) multi_valued: bool,
    pub(super) mutability: String,
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) returned: String,
    pub(super) subs: Vec<Attribute>,
    pub(super) uniqueness: String,
}

impl Attribute {
    fn all(list: Option<&Value>) -> Vec<Self> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Attribute::read).collect()
    }

    fn read(document: &Value) -> Option<Self> {
        let text = |name: &str, usual: &str| {
            let said = document.get(name).and_then(Value::as_str);
            said.unwrap_or(usual).to_owned()
        };
        let flag = |name: &str| document.get(name).and_then(Value::as_bool) == Some(true);
        let name = text("name", "");
        let canonical = document.get("canonicalValues");
        is_attribute_name(&name).then(|| Attribute {
            canonical_values: canonical
                .and_then(|values| Vec::deserialize(values).ok())
                .unwrap_or_default(),
            case_exact: flag("caseExact"),
            kind: text("type", "string"),
            multi_valued: flag("multiValued"),
            mutability: text("mutability", "readWrite"),
            name,
            required: flag("required"),
            returned: text("returned", "default"),
            subs: Attribute::all(document.get("subAttributes")),
            uniqueness: text("uniqueness", "none"),
        })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(super) fn is_complex(&self) -> bool {
        self.kind.eq_ignore_ascii_case("complex")
    }

    /// Whether a create may set it.
    pub(super) fn is_writable(&self) -> bool {
        !self.mutability.eq_ignore_ascii_case("readOnly")
    }

    /// Whether a new resource must have it: also a single value with a part that is required.
    pub(super) fn is_required(&self) -> bool {
        self.is_writable() && (self.required || (!self.multi_valued && self.requires_parts()))
    }

    /// Whether its values must have a certain part.
    pub(super) fn requires_parts(&self) -> bool {
        let mut subs = self.subs.iter();
        self.is_writable() && subs.any(|sub| sub.required && sub.is_writable())
    }

    pub(super) fn sub(&self, name: &str) -> Option<&Attribute> {
        self.subs.iter().find(|sub| sub.is(name))
    }

    /// Whether it can stand for another one: sent, changed, removed, returned and compared as that is.
    ///
    /// Values that the scenario sends for the other one, as `work`, must be among its canonical values.
    pub(super) fn is_like(&self, other: &Attribute, sends: &dyn Fn(&str) -> bool) -> bool {
        let sent = other.canonical_values.iter().filter(|value| sends(value));
        let takes = |value: &String| {
            let mut known = self.canonical_values.iter();
            known.any(|known| known.eq_ignore_ascii_case(value))
        };
        let open = self.canonical_values.is_empty();
        self.kind.eq_ignore_ascii_case(&other.kind)
            && self.multi_valued == other.multi_valued
            && self.mutability.eq_ignore_ascii_case(&other.mutability)
            && self.returned.eq_ignore_ascii_case(&other.returned)
            && self.uniqueness.eq_ignore_ascii_case(&other.uniqueness)
            && (self.case_exact == other.case_exact || !self.kind.eq_ignore_ascii_case("string"))
            && !self.required
            && (open || !other.canonical_values.is_empty() && sent.into_iter().all(takes))
    }
}

/// Whether every resource has an attribute of that name (RFC 7643 section 3.1).
pub(super) fn is_common(name: &str) -> bool {
    let common = ["schemas", "id", "externalId", "meta"];
    common.iter().any(|known| known.eq_ignore_ascii_case(name))
}

pub(super) mod path {
    //! Attribute paths: `name.givenName`, with the URN of a schema and a colon before them or not.

    use super::Attribute;

    /// The URN before a path, and the path.
    pub(in super::super) fn split_urn(full: &str) -> (Option<&str>, &str) {
        match full.rsplit_once(':') {
            Some((urn, path)) => (Some(urn), path),
            None => (None, full),
        }
    }

    pub(in super::super) fn find<'a>(
        attributes: &'a [Attribute],
        path: &str,
    ) -> Option<&'a Attribute> {
        let (name, sub) = match path.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (path, None),
        };
        let attribute = attributes.iter().find(|attr| attr.is(name))?;
        match sub {
            Some(sub) => attribute.sub(sub),
            None => Some(attribute),
        }
    }
}
