//! The transforms of a rule, bound to the types that go through them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Closures, FieldType, Transform,
    bound::{Bound, Form},
    country, phone,
    transform::{Step, from_text, same},
};
use scimkit_registry::ResourceType;

/// The transforms, what they give in the end, and what is wrong with which of them.
pub(super) fn bind(
    kind: &ResourceType,
    bound: &Bound,
    closures: &BTreeMap<String, Closures>,
) -> (Vec<Step>, Option<FieldType>, Vec<(usize, String)>) {
    let (mut steps, mut faults) = (Vec::new(), Vec::new());
    let Some(mut now) = taken(kind, bound) else {
        return (steps, None, faults);
    };
    for (index, transform) in bound.rule.transforms.iter().enumerate() {
        let closures = match transform {
            Transform::Host(name) => closures.get(name).cloned(),
            _ => None,
        };
        let mut step = Step {
            closures,
            takes: now,
            transform: transform.clone(),
        };
        match gives(&mut step, bound) {
            Ok(given) => now = given,
            Err(problem) => {
                faults.push((index, problem));
                return (steps, None, faults);
            }
        }
        steps.push(step);
    }
    (steps, Some(now), faults)
}

/// What a checked rule gives to its field.
pub(super) fn given(kind: &ResourceType, bound: &Bound) -> Option<FieldType> {
    let mut now = taken(kind, bound)?;
    for step in &bound.steps {
        now = gives(&mut step.clone(), bound).ok()?;
    }
    Some(now)
}

/// What goes into the first transform.
fn taken(kind: &ResourceType, bound: &Bound) -> Option<FieldType> {
    match &bound.form {
        Form::Constant(value) => bound.rule.host.as_ref().map(|_| type_of(value)),
        Form::Joined(_) | Form::ToHost(_) => Some(FieldType::Text),
        Form::Plain | Form::ToScim(_) => bound.sides.first().map(|side| side.data_type(kind)),
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

/// What a transform gives, or why it can't stand there.
fn gives(step: &mut Step, bound: &Bound) -> Result<FieldType, String> {
    let takes = step.takes;
    let text = |name: &str| match takes {
        FieldType::Text => Ok(()),
        other => Err(format!("`{name}` takes text, but gets {}", other.name())),
    };
    match &step.transform {
        Transform::Country(_) => text("country")?,
        Transform::Date(form) => {
            if !matches!(takes, FieldType::Instant | FieldType::Text) {
                return Err(format!(
                    "`date` takes a dateTime or text, but gets {}",
                    takes.name()
                ));
            }
            return match form.problem() {
                Some(problem) => Err(problem.to_owned()),
                None => Ok(form.gives()),
            };
        }
        Transform::Fold => text("fold")?,
        Transform::Host(name) => return host(step, name, bound),
        Transform::Lower => text("lower")?,
        Transform::Phone { code, .. } => {
            text("phone")?;
            if code.as_deref().is_some_and(|code| !phone::is_code(code)) {
                return Err("a calling code is one to three digits, such as `90`".to_owned());
            }
        }
        Transform::Text if takes == FieldType::Json => {
            return Err("`text` takes one value, but gets json".to_owned());
        }
        Transform::Text => {}
        Transform::TimeZone(own) => {
            text("time_zone")?;
            for (code, zone) in own {
                if !country::is_alpha2(code) {
                    return Err(format!("`{code}` is no alpha-2 code of a country"));
                }
                if !country::is_zone(zone) {
                    return Err(format!("`{zone}` is no IANA time zone"));
                }
            }
        }
        Transform::Trim => text("trim")?,
        Transform::Upper => text("upper")?,
        Transform::Values(_) => return values(step, bound),
    }
    Ok(FieldType::Text)
}

fn host(step: &Step, name: &str, bound: &Bound) -> Result<FieldType, String> {
    let Some(closures) = &step.closures else {
        return Err(format!(
            "the host gave no transform `{}`",
            scimkit_core::excerpt(name)
        ));
    };
    if !closures.takes.holds(step.takes) {
        return Err(format!(
            "`{name}` takes {}, but gets {}",
            closures.takes.name(),
            step.takes.name()
        ));
    }
    if closures.is_one_way() && bound.writes_scim() {
        return Err(format!("`{name}` can't be undone: say `write_only = true`"));
    }
    Ok(closures.gives)
}

/// Brings the SCIM values to the type that is taken, and checks that both ways are clear.
fn values(step: &mut Step, bound: &Bound) -> Result<FieldType, String> {
    let takes = step.takes;
    if !matches!(
        takes,
        FieldType::Boolean | FieldType::Decimal | FieldType::Integer | FieldType::Text
    ) {
        return Err(format!(
            "`values` takes text, numbers or booleans, but gets {}",
            takes.name()
        ));
    }
    let Transform::Values(pairs) = &mut step.transform else {
        return Ok(takes);
    };
    let Some(gives) = pairs.first().map(|(_, host)| type_of(host)) else {
        return Err("`values` has no values".to_owned());
    };
    for (scim, host) in pairs.iter_mut() {
        let shown = scim.to_string();
        *scim =
            from_text(scim.take(), takes).map_err(|_| format!("{shown} is no {}", takes.name()))?;
        if type_of(scim) != takes && !takes.holds(type_of(scim)) {
            return Err(format!("{shown} is no {}", takes.name()));
        }
        if type_of(host) != gives || gives == FieldType::Json {
            return Err(format!(
                "`values` are of one type, but {host} is of another than the first"
            ));
        }
    }
    let twice = |index: usize, (scim, host): &(Value, Value)| {
        let mut before = pairs.iter().take(index);
        before.any(|known| same(&known.0, scim) || (bound.writes_scim() && same(&known.1, host)))
    };
    if let Some((_, (scim, host))) = pairs
        .iter()
        .enumerate()
        .find(|(index, pair)| twice(*index, pair))
    {
        return Err(format!(
            "`values` are not one to one: {scim} or {host} is there twice, ignoring case"
        ));
    }
    Ok(gives)
}
