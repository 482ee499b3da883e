//! The transforms of a rule, bound to the types of their values.

use std::collections::BTreeMap;

use scimkit_core::{did_you_mean, excerpt};
use scimkit_registry::ResourceType;
use serde_json::Value;

use super::{
    CustomTransform, FieldType, Transform, ValuePair,
    bound_rule::{BoundRule, Form},
    country, phone,
    transform::{Step, from_text, same},
};

/// The transforms of a rule, in order.
pub(super) struct BoundSteps {
    /// The type of the value after the last transform; `None` if the rule converts no value.
    pub(super) output: Option<FieldType>,
    pub(super) steps: Vec<Step>,
}

/// A transform that a rule can't have.
pub(super) struct StepProblem {
    pub(super) detail: String,
    pub(super) index: usize,
}

/// Binds each transform of a rule to the type of its input.
pub(super) fn bind(
    kind: &ResourceType,
    bound: &BoundRule,
    custom_transforms: &BTreeMap<String, CustomTransform>,
) -> Result<BoundSteps, StepProblem> {
    let mut steps = Vec::new();
    let Some(mut current) = input(kind, bound) else {
        return Ok(BoundSteps {
            output: None,
            steps,
        });
    };
    for (index, transform) in bound.rule.transforms.iter().enumerate() {
        let custom = match transform {
            Transform::Custom(name) => {
                let found = custom_transforms.get(name);
                let unknown = || StepProblem {
                    detail: unknown_transform(name, custom_transforms),
                    index,
                };
                Some(found.ok_or_else(unknown)?.clone())
            }
            _ => None,
        };
        let mut step = Step {
            custom,
            takes: current,
            transform: transform.clone(),
        };
        current = step_output(&mut step, bound).map_err(|detail| StepProblem { detail, index })?;
        steps.push(step);
    }
    Ok(BoundSteps {
        output: Some(current),
        steps,
    })
}

fn unknown_transform(name: &str, known: &BTreeMap<String, CustomTransform>) -> String {
    let suggestion = did_you_mean(name, known.keys().map(String::as_str));
    if suggestion.is_empty() {
        format!(
            "unknown custom transform `{}`: add it with `MappingBuilder::custom_transform`",
            excerpt(name)
        )
    } else {
        format!("unknown custom transform `{}`{suggestion}", excerpt(name))
    }
}

/// Returns the type of the value that a checked rule writes to its field.
pub(super) fn output(kind: &ResourceType, bound: &BoundRule) -> Option<FieldType> {
    let mut current = input(kind, bound)?;
    for step in &bound.steps {
        current = step_output(&mut step.clone(), bound).ok()?;
    }
    Some(current)
}

/// Returns the type of the value before the first transform.
fn input(kind: &ResourceType, bound: &BoundRule) -> Option<FieldType> {
    match &bound.form {
        Form::Constant(value) => bound.rule.field.as_ref().map(|_| type_of(value)),
        Form::Joined(_) | Form::FieldTemplate(_) => Some(FieldType::Text),
        Form::Plain | Form::PathTemplate(_) => bound.paths.first().map(|path| path.data_type(kind)),
    }
}

fn type_of(value: &Value) -> FieldType {
    match value {
        Value::Bool(_) => FieldType::Boolean,
        Value::Number(number) if number.is_i64() => FieldType::Integer,
        Value::Number(_) => FieldType::Decimal,
        Value::String(_) => FieldType::Text,
        Value::Array(_) | Value::Null | Value::Object(_) => FieldType::Json,
    }
}

/// Returns the type of a transform's output, or the reason why the transform can't be used.
fn step_output(step: &mut Step, bound: &BoundRule) -> Result<FieldType, String> {
    let takes = step.takes;
    let text = |name: &str| match takes {
        FieldType::Text => Ok(()),
        other => Err(format!(
            "`{name}` needs text, but its input is {}",
            other.name()
        )),
    };
    match &step.transform {
        Transform::Country(_) => text("country")?,
        Transform::Date(form) => {
            if !matches!(takes, FieldType::Instant | FieldType::Text) {
                return Err(format!(
                    "`date` needs an instant or text, but its input is {}",
                    takes.name()
                ));
            }
            return match form.problem() {
                Some(problem) => Err(problem.to_owned()),
                None => Ok(form.gives()),
            };
        }
        Transform::Fold => text("fold")?,
        Transform::Custom(name) => return custom(step, name, bound),
        Transform::Lower => text("lower")?,
        Transform::Phone { code, .. } => {
            text("phone")?;
            if code.as_deref().is_some_and(|code| !phone::is_code(code)) {
                return Err(
                    "invalid `code`: a calling code has one to three digits, such as `90`"
                        .to_owned(),
                );
            }
        }
        Transform::Since { form, .. } => {
            if takes != FieldType::Boolean {
                return Err(format!(
                    "`since` needs a boolean, but its input is {}",
                    takes.name()
                ));
            }
            if bound.rule.transforms.len() > 1 {
                return Err("`since` must be the only transform".to_owned());
            }
            return match form.problem() {
                Some(problem) => Err(problem.to_owned()),
                None => Ok(form.gives()),
            };
        }
        Transform::Text if takes == FieldType::Json => {
            return Err("`text` needs a single value, but its input is json".to_owned());
        }
        Transform::Text => {}
        Transform::TimeZone(own) => {
            text("time_zone")?;
            for (code, zone) in own {
                if !country::is_alpha2(code) {
                    return Err(format!(
                        "unknown country code `{}`: use an alpha-2 code of ISO 3166-1",
                        excerpt(code)
                    ));
                }
                if !country::is_zone(zone) {
                    return Err(format!(
                        "invalid time zone `{}`: use an IANA name, such as `Europe/Berlin`",
                        excerpt(zone)
                    ));
                }
            }
        }
        Transform::Trim => text("trim")?,
        Transform::Upper => text("upper")?,
        Transform::Values(_) => return values(step, bound),
    }
    Ok(FieldType::Text)
}

fn custom(step: &Step, name: &str, bound: &BoundRule) -> Result<FieldType, String> {
    let Some(custom) = &step.custom else {
        return Ok(step.takes);
    };
    let name = excerpt(name);
    if !custom.takes.holds(step.takes) {
        return Err(format!(
            "`{name}` needs {}, but its input is {}",
            custom.takes.name(),
            step.takes.name()
        ));
    }
    if custom.is_one_way() && bound.writes_attribute() {
        return Err(format!(
            "`{name}` can't be reversed: add `write_only = true`"
        ));
    }
    Ok(custom.gives)
}

/// Converts the SCIM values to the input type, and checks that no value is ambiguous.
fn values(step: &mut Step, bound: &BoundRule) -> Result<FieldType, String> {
    let takes = step.takes;
    if !matches!(
        takes,
        FieldType::Boolean | FieldType::Decimal | FieldType::Integer | FieldType::Text
    ) {
        return Err(format!(
            "`values` needs text, numbers or booleans, but its input is {}",
            takes.name()
        ));
    }
    let Transform::Values(pairs) = &mut step.transform else {
        return Ok(takes);
    };
    let Some(gives) = pairs.first().map(|pair| type_of(&pair.field)) else {
        return Err("`values` is empty: add a value".to_owned());
    };
    for ValuePair { scim, field } in pairs.iter_mut() {
        let shown = scim.to_string();
        let mismatch = || format!("{shown} is not {}", takes.name());
        *scim = from_text(scim.take(), takes).map_err(|_| mismatch())?;
        if type_of(scim) != takes && !takes.holds(type_of(scim)) {
            return Err(mismatch());
        }
        if type_of(field) != gives || gives == FieldType::Json {
            return Err(format!(
                "`values` has values of several types: {field} is not {}",
                gives.name()
            ));
        }
    }
    let repeated = |index: usize, pair: &ValuePair| {
        let mut before = pairs.iter().take(index);
        before.any(|known| {
            same(&known.scim, &pair.scim)
                || (bound.writes_attribute() && same(&known.field, &pair.field))
        })
    };
    let mut numbered = pairs.iter().enumerate();
    if let Some((_, pair)) = numbered.find(|(index, pair)| repeated(*index, pair)) {
        return Err(format!(
            "`values` is ambiguous: {} or {} occurs twice, ignoring case",
            pair.scim, pair.field
        ));
    }
    Ok(gives)
}
