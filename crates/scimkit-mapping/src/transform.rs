//! Transforms: the conversion of values between SCIM and the application.

use std::{collections::BTreeMap, fmt, sync::Arc};

use scimkit_registry::fold_case;
use serde_json::Value;

use super::{
    FieldType, NOW,
    country::{self, CountryForm},
    date::{self, DateForm},
    phone::{self, PhoneForm},
};

/// One conversion between SCIM values and values of a field.
///
/// - On the way from the field to SCIM, transforms are reversed in the opposite order.
/// - A transform that loses information, such as [`Lower`](Transform::Lower), returns the value of the
///   field unchanged.
/// - See [`MappingRule::with_transform`](super::MappingRule::with_transform).
///
/// # Example
/// ```
/// use scimkit_mapping::{CountryForm, Mapping, MappingRule, Transform};
/// use scimkit_registry::{Registry, Resource, Tolerance};
/// use serde_json::json;
///
/// let country = r#"addresses[type eq "work"].country"#;
/// let registry = Registry::standard();
/// let mapping = Mapping::builder()
///     .rule("User", MappingRule::new(country).with_field("country").with_transform(Transform::Country(CountryForm::Name)))
///     .build(&registry)
///     .unwrap();
/// let rules = mapping.for_type("User").unwrap();
/// let user = registry.resource_type("User").unwrap();
/// let body = |country| json!({"addresses": [{"type": "work", "country": country}]});
/// let turk = user.admit(body("TR"), &Tolerance::DEFAULT)?;
/// let record = rules.to_record(&turk)?;
/// assert_eq!(record["country"], "Türkiye");
/// assert_eq!(rules.to_resource(&record, Resource::default())?.as_map()["addresses"], turk.as_map()["addresses"]);
///
/// let nowhere = user.admit(body("Atlantis"), &Tolerance::DEFAULT)?;
/// assert!(rules.to_record(&nowhere).is_err());
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Transform {
    /// A country of ISO 3166-1: alpha-2 in SCIM, any form in the field.
    Country(CountryForm),
    /// A transform of the application, by its name.
    Custom(String),
    /// A date or instant: ISO 8601 in SCIM, any form in the field.
    Date(DateForm),
    /// Folded text, as SCIM compares text that is not case-exact.
    Fold,
    /// Lower case.
    Lower,
    /// A telephone number: in SCIM by RFC 3966, `tel:+4930901820`.
    Phone {
        /// The calling code of national numbers.
        code: Option<String>,
        /// The form in the field.
        form: PhoneForm,
    },
    /// A boolean as the time since which it has a value: `false` for `active` in a column `disabled_at`. The field has no value
    /// while the boolean has the other one. It gets the text [`NOW`](super::NOW), for which a store writes
    /// the time of the write.
    Since {
        /// The form of the time.
        form: DateForm,
        /// The value of the boolean since that time.
        value: bool,
    },
    /// A number or a boolean as text.
    Text,
    /// An IANA time zone. A country is converted to the zone given here for its alpha-2 code, or to the
    /// zone in which most of its people live.
    TimeZone(BTreeMap<String, String>),
    /// Text without white space at either end.
    Trim,
    /// Upper case.
    Upper,
    /// A table of values.
    Values(Vec<ValuePair>),
}

/// A SCIM value and the value of the field that it is converted to; see [`Transform::Values`].
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a pair of values has no more to it"
)]
pub struct ValuePair {
    /// The SCIM value. A mapping file writes it as text.
    pub scim: Value,
    /// The value of the field.
    pub field: Value,
}

/// A transform of the application: a pair of functions for [`Transform::Custom`].
///
/// # Example
/// ```
/// use scimkit_mapping::{CustomTransform, Mapping, MappingRule, Transform};
/// use scimkit_registry::Registry;
/// use serde_json::Value;
///
/// let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("it is not text".to_owned());
/// let dashes = CustomTransform::new(
///     move |value| Ok(text(value)?.replace(' ', "-").into()),
///     move |value| Ok(text(value)?.replace('-', " ").into()),
/// );
/// let rule = MappingRule::new("nickName").with_field("slug").with_transform(Transform::Custom("dashes".into()));
/// let builder = Mapping::builder().rule("User", rule);
/// assert!(builder.clone().custom_transform("dashes", dashes).build(&Registry::standard()).is_ok());
/// assert!(builder.build(&Registry::standard()).is_err());
/// ```
#[derive(Clone)]
pub struct CustomTransform {
    pub(super) gives: FieldType,
    pub(super) takes: FieldType,
    to_field: Function,
    to_attribute: Option<Function>,
}

type Function = Arc<dyn Fn(&Value) -> Result<Value, String> + Send + Sync>;

impl CustomTransform {
    /// Returns a transform from text to text and back. An error states why a value is rejected.
    #[must_use]
    pub fn new(
        to_field: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
        to_attribute: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        CustomTransform {
            to_attribute: Some(Arc::new(to_attribute)),
            ..CustomTransform::one_way(to_field)
        }
    }

    /// Returns a transform to the field only, for write-only rules.
    #[must_use]
    pub fn one_way(
        to_field: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        CustomTransform {
            gives: FieldType::Text,
            takes: FieldType::Text,
            to_field: Arc::new(to_field),
            to_attribute: None,
        }
    }

    /// Sets the types of the SCIM value and of the field.
    #[must_use]
    pub fn with_types(mut self, takes: FieldType, gives: FieldType) -> Self {
        (self.takes, self.gives) = (takes, gives);
        self
    }

    pub(super) fn is_one_way(&self) -> bool {
        self.to_attribute.is_none()
    }
}

impl fmt::Debug for CustomTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CustomTransform");
        shown
            .field("takes", &self.takes)
            .field("gives", &self.gives);
        shown
            .field("one_way", &self.is_one_way())
            .finish_non_exhaustive()
    }
}

/// A checked transform and the type of its input.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) custom: Option<CustomTransform>,
    pub(super) takes: FieldType,
    // INVARIANT: the SCIM values of `Transform::Values` have the type `takes`.
    pub(super) transform: Transform,
}

impl Step {
    /// Returns the value for the field, or the reason why the value is rejected.
    pub(super) fn to_field(&self, value: Value) -> Result<Value, String> {
        match &self.transform {
            Transform::Country(form) => text(&value).and_then(|t| country::to_field(t, *form)),
            Transform::Date(form) => date::to_field(&value, form),
            Transform::Fold => text(&value).map(|t| Value::from(fold_case(t).into_owned())),
            Transform::Custom(_) => match &self.custom {
                Some(custom) => (custom.to_field)(&value),
                None => Ok(value),
            },
            Transform::Lower => text(&value).map(|t| Value::from(t.to_lowercase())),
            Transform::Phone { code, form } => {
                text(&value).and_then(|t| phone::to_field(t, code.as_deref(), *form))
            }
            Transform::Since { value: since, .. } => match value.as_bool() {
                Some(value) if value == *since => Ok(Value::from(NOW)),
                Some(_) => Ok(Value::Null),
                None => Err("expected `true` or `false`".to_owned()),
            },
            Transform::Text => Ok(match value {
                Value::String(text) => Value::String(text),
                other => Value::from(other.to_string()),
            }),
            Transform::TimeZone(own) => text(&value).and_then(|t| country::zone(t, own)),
            Transform::Trim => text(&value).map(|t| Value::from(t.trim())),
            Transform::Upper => text(&value).map(|t| Value::from(t.to_uppercase())),
            Transform::Values(pairs) => {
                let found = pairs.iter().find(|pair| same(&pair.scim, &value));
                let known = || one_of(pairs.iter().map(|pair| &pair.scim));
                found.map(|pair| pair.field.clone()).ok_or_else(known)
            }
        }
    }

    /// Whether the output is folded text.
    pub(super) fn folds(&self) -> bool {
        self.transform == Transform::Fold
    }

    /// Whether it is a table of values whose texts are folded.
    pub(super) fn gives_folded(&self) -> bool {
        let Transform::Values(pairs) = &self.transform else {
            return false;
        };
        let mut texts = pairs.iter().filter_map(|pair| pair.field.as_str());
        texts.all(|text| fold_case(text) == text)
    }

    /// Whether text is unchanged on its way back to SCIM.
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

    /// Returns the value for SCIM, or the reason why the value is rejected.
    pub(super) fn to_attribute(&self, value: Value) -> Result<Value, String> {
        match &self.transform {
            Transform::Country(_) => text(&value).and_then(country::to_attribute),
            Transform::Date(form) => date::to_attribute(&value, form, self.takes),
            Transform::Custom(_) => {
                match self.custom.as_ref().and_then(|c| c.to_attribute.as_ref()) {
                    Some(to_attribute) => to_attribute(&value),
                    None => Ok(value),
                }
            }
            Transform::Phone { code, .. } => {
                text(&value).and_then(|t| phone::to_attribute(t, code.as_deref()))
            }
            Transform::Since { value: since, .. } => Ok(Value::Bool(value.is_null() != *since)),
            Transform::Text => from_text(value, self.takes),
            Transform::Values(pairs) => {
                let found = pairs.iter().find(|pair| same(&pair.field, &value));
                let known = || one_of(pairs.iter().map(|pair| &pair.field));
                found.map(|pair| pair.scim.clone()).ok_or_else(known)
            }
            Transform::TimeZone(_)
            | Transform::Fold
            | Transform::Lower
            | Transform::Trim
            | Transform::Upper => text(&value).map(Value::from),
        }
    }
}

/// Returns a value as text.
pub(super) fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Whether two scalars are equal, ignoring the case of text.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => fold_case(one) == fold_case(other),
        _ => one == other,
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "expected text".to_owned())
}

/// Returns the error for a value that is not in the table.
fn one_of<'v>(values: impl Iterator<Item = &'v Value>) -> String {
    const SHOWN: usize = 8;
    let known: Vec<_> = values.take(SHOWN + 1).cloned().map(plain).collect();
    match known.get(..SHOWN) {
        Some(first) if known.len() > SHOWN => {
            format!("expected one of `{}`, …", first.join("`, `"))
        }
        _ => format!("expected one of `{}`", known.join("`, `")),
    }
}

/// Reads text as a value of a type.
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
    read.ok_or_else(|| format!("expected a value of type {}", wanted.name()))
}
