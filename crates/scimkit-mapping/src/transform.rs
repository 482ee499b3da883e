//! Transforms: what happens to a value on its way to the host, and back.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;

use super::{
    FieldType,
    country::{self, CountryForm},
    date::{self, DateForm},
    phone::{self, PhoneForm},
};
use scimkit_registry::fold;

/// What happens to a value on its way to the host; [`Rule::through`](super::Rule::through).
///
/// On the way back it is undone, in the reverse order. What can't be told from the result stays as it is:
/// nobody knows any more which letters of a lower-case text were capitals.
///
/// # Example
/// ```
/// use scimkit_mapping::{CountryForm, Rule, Transform};
/// use scimkit_mapping::Mapping;
/// use scimkit_registry::{Registry, Resource, Tolerance};
/// use serde_json::json;
///
/// let country = r#"addresses[type eq "work"].country"#;
/// let registry = Registry::standard();
/// let mapping = Mapping::builder()
///     .rule("User", Rule::of(country).to("country").through(Transform::Country(CountryForm::Name)))
///     .build(&registry)
///     .unwrap();
/// let (rules, user) = (mapping.of("User").unwrap(), registry.by_name("User").unwrap());
/// let body = |country| json!({"addresses": [{"type": "work", "country": country}]});
/// let turk = user.admit(body("TR"), &Tolerance::DEFAULT)?;
/// let record = rules.to_host(&turk)?;
/// assert_eq!(record["country"], "Türkiye");
/// assert_eq!(rules.to_scim(&record, Resource::default())?.as_map()["addresses"], turk.as_map()["addresses"]);
///
/// let nowhere = user.admit(body("Atlantis"), &Tolerance::DEFAULT)?;
/// assert!(rules.to_host(&nowhere).is_err());
/// # Ok::<(), scimkit_registry::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Transform {
    /// A country of ISO 3166-1 in the host's form; alpha-2 in SCIM.
    Country(CountryForm),
    /// A date or moment in the host's form; ISO 8601 in SCIM.
    Date(DateForm),
    /// Folded text, as it is compared where case does not matter.
    Fold,
    /// A transform of the host's own, by its name.
    Host(String),
    /// Lower case.
    Lower,
    /// A telephone number; in SCIM as RFC 3966 has it, `tel:+4930901820`.
    Phone {
        /// The calling code of numbers that come without one.
        code: Option<String>,
        /// The host's form.
        form: PhoneForm,
    },
    /// A number or a boolean as text.
    Text,
    /// An IANA time zone, also of a country: the zone in which most of its people live, or the one
    /// given here by its alpha-2 code.
    TimeZone(BTreeMap<String, String>),
    /// Without white space at either end.
    Trim,
    /// Upper case.
    Upper,
    /// One value for another, each SCIM value with the host's; in a file the SCIM values are text.
    Values(Vec<(Value, Value)>),
}

/// A pair of functions of the host's, for [`Transform::Host`].
///
/// # Example
/// ```
/// use scimkit_mapping::{Closures, Rule, Transform};
/// use scimkit_mapping::Mapping;
/// use scimkit_registry::Registry;
/// use serde_json::Value;
///
/// let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("it is not text".to_owned());
/// let dashes = Closures::new(
///     move |value| Ok(text(value)?.replace(' ', "-").into()),
///     move |value| Ok(text(value)?.replace('-', " ").into()),
/// );
/// let rule = Rule::of("nickName").to("slug").through(Transform::Host("dashes".into()));
/// let builder = Mapping::builder().rule("User", rule);
/// assert!(builder.clone().closures("dashes", dashes).build(&Registry::standard()).is_ok());
/// assert!(builder.build(&Registry::standard()).is_err());
/// ```
#[derive(Clone)]
pub struct Closures {
    pub(super) gives: FieldType,
    pub(super) takes: FieldType,
    to_host: Function,
    to_scim: Option<Function>,
}

type Function = Arc<dyn Fn(&Value) -> Result<Value, String> + Send + Sync>;

impl Closures {
    /// From text to text and back; an error says why a value can't be transformed.
    #[must_use]
    pub fn new(
        to_host: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
        to_scim: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Closures {
            to_scim: Some(Arc::new(to_scim)),
            ..Closures::one_way(to_host)
        }
    }

    /// Only to the host: its rule must be write-only.
    #[must_use]
    pub fn one_way(
        to_host: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Closures {
            gives: FieldType::Text,
            takes: FieldType::Text,
            to_host: Arc::new(to_host),
            to_scim: None,
        }
    }

    /// With what it takes towards the host, and what it gives.
    #[must_use]
    pub fn of_types(mut self, takes: FieldType, gives: FieldType) -> Self {
        (self.takes, self.gives) = (takes, gives);
        self
    }

    pub(super) fn is_one_way(&self) -> bool {
        self.to_scim.is_none()
    }
}

impl fmt::Debug for Closures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Closures");
        shown
            .field("takes", &self.takes)
            .field("gives", &self.gives);
        shown
            .field("one_way", &self.is_one_way())
            .finish_non_exhaustive()
    }
}

/// A transform that was checked, with what it takes.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) closures: Option<Closures>,
    pub(super) takes: FieldType,
    // INVARIANT: the SCIM values of `Transform::Values` are of the type that is taken.
    pub(super) transform: Transform,
}

impl Step {
    /// The value for the host, or why there is none.
    pub(super) fn to_host(&self, value: Value) -> Result<Value, String> {
        match &self.transform {
            Transform::Country(form) => text(&value).and_then(|t| country::to_host(t, *form)),
            Transform::Date(form) => date::to_host(&value, form),
            Transform::Fold => text(&value).map(|t| Value::from(fold(t).into_owned())),
            Transform::Host(_) => match &self.closures {
                Some(closures) => (closures.to_host)(&value),
                None => Ok(value),
            },
            Transform::Lower => text(&value).map(|t| Value::from(t.to_lowercase())),
            Transform::Phone { code, form } => {
                text(&value).and_then(|t| phone::to_host(t, code.as_deref(), *form))
            }
            Transform::Text => Ok(match value {
                Value::String(text) => Value::String(text),
                other => Value::from(other.to_string()),
            }),
            Transform::TimeZone(own) => text(&value).and_then(|t| country::zone(t, own)),
            Transform::Trim => text(&value).map(|t| Value::from(t.trim())),
            Transform::Upper => text(&value).map(|t| Value::from(t.to_uppercase())),
            Transform::Values(pairs) => {
                let found = pairs.iter().find(|(scim, _)| same(scim, &value));
                found
                    .map(|(_, host)| host.clone())
                    .ok_or_else(|| unknown("SCIM"))
            }
        }
    }

    /// Whether what it gives is folded text.
    pub(super) fn folds(&self) -> bool {
        self.transform == Transform::Fold
    }

    /// Whether text stays as it is on its way back.
    pub(super) fn stays(&self) -> bool {
        matches!(
            self.transform,
            Transform::TimeZone(_)
                | Transform::Fold
                | Transform::Lower
                | Transform::Trim
                | Transform::Upper
        )
    }

    /// The value for SCIM, or why there is none.
    pub(super) fn to_scim(&self, value: Value) -> Result<Value, String> {
        match &self.transform {
            Transform::Country(_) => text(&value).and_then(country::to_scim),
            Transform::Date(form) => date::to_scim(&value, form, self.takes),
            Transform::Host(_) => match self.closures.as_ref().and_then(|c| c.to_scim.as_ref()) {
                Some(to_scim) => to_scim(&value),
                None => Ok(value),
            },
            Transform::Phone { code, .. } => {
                text(&value).and_then(|t| phone::to_scim(t, code.as_deref()))
            }
            Transform::Text => from_text(value, self.takes),
            Transform::Values(pairs) => {
                let found = pairs.iter().find(|(_, host)| same(host, &value));
                found
                    .map(|(scim, _)| scim.clone())
                    .ok_or_else(|| unknown("host's"))
            }
            Transform::TimeZone(_)
            | Transform::Fold
            | Transform::Lower
            | Transform::Trim
            | Transform::Upper => text(&value).map(Value::from),
        }
    }
}

/// Whether two scalars are the same, text in any case.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => fold(one) == fold(other),
        _ => one == other,
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "it is not text".to_owned())
}

fn unknown(side: &str) -> String {
    format!("it is none of the rule's {side} values")
}

/// What text stands for, under a type.
pub(super) fn from_text(value: Value, wanted: FieldType) -> Result<Value, String> {
    let Value::String(text) = value else {
        return Ok(value);
    };
    let read = match wanted {
        FieldType::Boolean => text.to_ascii_lowercase().parse().ok().map(Value::Bool),
        FieldType::Integer => text.parse::<i64>().ok().map(Value::from),
        FieldType::Decimal => text
            .parse::<f64>()
            .ok()
            .filter(|n| n.is_finite())
            .map(Value::from),
        _ => return Ok(Value::String(text)),
    };
    read.ok_or_else(|| format!("it is no {}", wanted.name()))
}
