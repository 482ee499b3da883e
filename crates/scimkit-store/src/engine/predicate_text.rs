//! Predicates as text that other processes can read, even if their schemas differ.

use scimkit_filter::Operator;
use scimkit_registry::{AttrId, Predicate, ResourceType, Scalar};
use serde_json::{Value, json};

/// Prints a predicate. Each attribute is printed with the traits on which its comparisons depend, so that the texts of
/// two predicates are equal only if their meanings are.
pub(super) fn print(kind: &ResourceType, predicate: &Predicate) -> String {
    value(kind, predicate).to_string()
}

/// Parses the text of [`print`] from any schema; none if this schema lacks an attribute or compares it
/// differently.
pub(super) fn parse(kind: &ResourceType, text: &str) -> Option<Predicate> {
    // serde_json limits the depth of the text, and with it that of the predicate.
    predicate(kind, &serde_json::from_str(text).ok()?)
}

fn value(kind: &ResourceType, predicate: &Predicate) -> Value {
    let several = |word: &str, terms: &[Predicate]| {
        let terms = terms.iter().map(|term| value(kind, term));
        [Value::from(word)].into_iter().chain(terms).collect()
    };
    let attr = |attr: &AttrId| described(kind, *attr);
    match predicate {
        Predicate::All(terms) => several("and", terms),
        Predicate::Any(terms) => several("or", terms),
        Predicate::Compare {
            attr: id,
            op,
            value,
        } => json!([op.as_str(), attr(id), scalar(value)]),
        Predicate::ElementMatches { attr: id, inner } => {
            json!(["element", attr(id), value(kind, inner)])
        }
        Predicate::Never => json!(["never"]),
        Predicate::Not(inner) => json!(["not", value(kind, inner)]),
        Predicate::Present(id) => json!(["pr", attr(id)]),
    }
}

fn predicate(kind: &ResourceType, text: &Value) -> Option<Predicate> {
    let (word, rest) = text.as_array()?.split_first()?;
    let terms = || -> Option<Vec<_>> { rest.iter().map(|term| predicate(kind, term)).collect() };
    let attr = |text: &Value| attribute(kind, text.as_str()?);
    Some(match (word.as_str()?, rest) {
        ("and", _) => Predicate::All(terms()?),
        ("or", _) => Predicate::Any(terms()?),
        ("element", [id, inner]) => Predicate::ElementMatches {
            attr: attr(id)?,
            inner: Box::new(predicate(kind, inner)?),
        },
        ("never", []) => Predicate::Never,
        ("not", [inner]) => Predicate::Not(Box::new(predicate(kind, inner)?)),
        ("pr", [id]) => Predicate::Present(attr(id)?),
        (word, [id, value]) => Predicate::Compare {
            attr: attr(id)?,
            op: *Operator::ALL.iter().find(|op| op.as_str() == word)?,
            value: read_scalar(value)?,
        },
        _ => return None,
    })
}

/// Returns the path and traits of an attribute.
fn described(kind: &ResourceType, id: AttrId) -> String {
    let attr = kind.attr(id);
    let is_many = |id| kind.attr(id).definition().multi_valued;
    format!(
        "{} {} {} {} {}",
        attr.path(),
        attr.definition().data_type,
        attr.definition().is_case_exact(),
        is_many(id),
        attr.parent().is_some_and(is_many),
    )
}

fn attribute(kind: &ResourceType, text: &str) -> Option<AttrId> {
    let (path, _) = text.split_once(' ')?;
    kind.attribute_id(path)
        .filter(|id| described(kind, *id) == text)
}

fn scalar(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Bool(value) => json!({ "boolean": value }),
        Scalar::Decimal(value) => json!({ "decimal": value }),
        Scalar::Instant(value) => json!({ "instant": value }),
        Scalar::Integer(value) => json!({ "integer": value }),
        Scalar::Text(value) => json!({ "text": value }),
    }
}

fn read_scalar(value: &Value) -> Option<Scalar> {
    let (word, value) = value.as_object()?.iter().next()?;
    Some(match word.as_str() {
        "boolean" => Scalar::Bool(value.as_bool()?),
        "decimal" => Scalar::Decimal(value.as_f64()?),
        "instant" => Scalar::Instant(value.as_i64()?),
        "integer" => Scalar::Integer(value.as_i64()?),
        "text" => Scalar::Text(value.as_str()?.to_owned()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use scimkit_filter::Filter;
    use scimkit_registry::{Registry, Tolerance};

    use super::{parse, print};

    const FILTERS: [&str; 6] = [
        "active eq true",
        "not (userName sw \"A\") and (title pr or active ne false)",
        "emails[type eq \"work\" and value co \"@example.com\"]",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"Sales\"",
        "meta.lastModified gt \"2024-01-01T00:00:00Z\"",
        "x509Certificates.value pr",
    ];

    #[test]
    fn predicate_text_parses_to_the_same_predicate() {
        let registry = Registry::standard();
        let user = registry.resource_type("User").unwrap();
        let mut texts = std::collections::BTreeSet::new();
        for filter in FILTERS {
            let parsed = Filter::parse(filter).unwrap();
            let predicate = user.bind_filter(&parsed, &Tolerance::DEFAULT).unwrap();
            let text = print(user, &predicate);
            assert_eq!(parse(user, &text), Some(predicate), "{filter}");
            texts.insert(text);
        }
        assert_eq!(texts.len(), FILTERS.len());
    }

    #[test]
    fn predicate_text_is_unreadable_under_another_schema() {
        let registry = Registry::standard();
        let user = registry.resource_type("User");
        let group = registry.resource_type("Group");
        let filter = Filter::parse("active eq true").unwrap();
        let predicate = user
            .unwrap()
            .bind_filter(&filter, &Tolerance::DEFAULT)
            .unwrap();
        let text = print(user.unwrap(), &predicate);
        assert_eq!(parse(group.unwrap(), &text), None);
        let other = text.replace("boolean false", "boolean true");
        assert_ne!(other, text);
        assert_eq!(parse(user.unwrap(), &other), None);
        for broken in ["", "[]", "[1]", "[\"eq\"]", "{}", "[\"not\"]"] {
            assert_eq!(parse(user.unwrap(), broken), None, "{broken}");
        }
    }
}
