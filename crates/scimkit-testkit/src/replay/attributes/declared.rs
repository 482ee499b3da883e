//! Schemas in the responses of a server.

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
    /// Reads the schemas of a list, and ignores elements that are not schemas.
    pub(super) fn all(list: &Value) -> Vec<Self> {
        let listed = list.get("Resources").and_then(Value::as_array);
        let listed = listed.into_iter().flatten();
        listed.filter_map(Schema::read).collect()
    }

    /// Reads one schema, without the attributes that can't be read.
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

/// The definition of an attribute, with the defaults of RFC 7643 section 2.2.
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

    /// Returns whether a create may set the attribute.
    pub(super) fn is_writable(&self) -> bool {
        !self.mutability.eq_ignore_ascii_case("readOnly")
    }

    /// Returns whether a new resource must have the attribute, which includes a single-valued one with a required part.
    pub(super) fn is_required(&self) -> bool {
        self.is_writable() && (self.required || (!self.multi_valued && self.requires_parts()))
    }

    /// Returns whether the values of the attribute have a required part.
    pub(super) fn requires_parts(&self) -> bool {
        let mut subs = self.subs.iter();
        self.is_writable() && subs.any(|sub| sub.required && sub.is_writable())
    }

    pub(super) fn sub(&self, name: &str) -> Option<&Attribute> {
        self.subs.iter().find(|sub| sub.is(name))
    }

    /// Returns whether the attribute can replace another one: it is sent, changed, removed, returned and compared in
    /// the same way.
    ///
    /// Canonical values of the other attribute that the scenario sends, such as `work`, must be among its canonical
    /// values, too.
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

/// Returns whether every resource has an attribute with that name (RFC 7643 section 3.1).
pub(super) fn is_common(name: &str) -> bool {
    let common = ["schemas", "id", "externalId", "meta"];
    common.iter().any(|known| known.eq_ignore_ascii_case(name))
}

pub(super) mod path {
    //! Attribute paths: `name.givenName`, optionally with the URN of a schema and a colon before them.

    use super::Attribute;

    /// Splits a path into its URN, if there is one, and the rest.
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
