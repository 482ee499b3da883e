//! The values of comparisons in filters.

use scimkit_core::{DataType, excerpt};
use scimkit_filter::Literal;

use crate::{Attr, Operator, Predicate, Quirk, QuirkPolicy, RequestError, Scalar, fold::boolean};

/// Returns the value of a comparison under the attribute's type.
pub(crate) fn scalar(
    attr: &Attr,
    op: Operator,
    literal: &Literal<'_>,
    t: &dyn QuirkPolicy,
) -> Result<Scalar, RequestError> {
    let ordered = is_order(op);
    let part = is_part(op);
    let value = match (attr.definition().data_type, literal) {
        (DataType::Boolean, Literal::Bool(truth)) if !ordered && !part => {
            Some(Scalar::Bool(*truth))
        }
        (DataType::Boolean, Literal::String(text)) if !ordered && !part => match boolean(text) {
            Some(truth) if t.allow(Quirk::BooleanStrings) => Some(Scalar::Bool(truth)),
            Some(_) => {
                let problem = misfit(attr, op, &shown(literal));
                return Err(problem.with_quirk(Quirk::BooleanStrings));
            }
            None => None,
        },
        (DataType::DateTime, Literal::String(text)) if !part => {
            scimkit_core::parse_instant(text).map(|t| Scalar::Instant(t.timestamp_micros()))
        }
        (DataType::Decimal, Literal::Number(text)) if !part => number(text).map(Scalar::Decimal),
        (DataType::Integer, Literal::Number(text)) if !part => {
            text.parse().ok().map(Scalar::Integer)
        }
        (DataType::Binary, Literal::String(text)) if !ordered => Some(Scalar::text(attr, text)),
        (DataType::String | DataType::Reference, Literal::String(text)) => {
            Some(Scalar::text(attr, text))
        }
        (DataType::String, Literal::Word(text)) if op == Operator::Equal => {
            Some(Scalar::text(attr, text))
        }
        _ => None,
    };
    value.ok_or_else(|| misfit(attr, op, &shown(literal)))
}

fn is_order(op: Operator) -> bool {
    use Operator::{GreaterOrEqual, GreaterThan, LessOrEqual, LessThan};
    matches!(op, GreaterOrEqual | GreaterThan | LessOrEqual | LessThan)
}

fn is_part(op: Operator) -> bool {
    matches!(
        op,
        Operator::Contains | Operator::EndsWith | Operator::StartsWith
    )
}

/// Compares an integer with a number that may not be an integer, in terms of integers.
pub(crate) fn integer(attr: &Attr, op: Operator, text: &str) -> Result<Predicate, RequestError> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    let Some(wanted) = number(text).filter(|_| !is_part(op)) else {
        return Err(misfit(attr, op, &excerpt(text)));
    };
    // The cast turns out-of-range numbers into the nearest integer.
    let compare = |op, wanted: f64| Predicate::Compare {
        attr: attr.id(),
        op,
        value: Scalar::Integer(wanted as i64),
    };
    Ok(match op {
        _ if wanted.fract() == 0.0 && (-BOUND..BOUND).contains(&wanted) => compare(op, wanted),
        Operator::GreaterOrEqual | Operator::GreaterThan if wanted < BOUND => {
            compare(Operator::GreaterOrEqual, wanted.ceil())
        }
        Operator::LessOrEqual | Operator::LessThan if wanted >= -BOUND => {
            compare(Operator::LessOrEqual, wanted.floor())
        }
        Operator::NotEqual => Predicate::All(Vec::new()),
        _ => Predicate::Never,
    })
}

fn number(lexeme: &str) -> Option<f64> {
    lexeme.parse::<f64>().ok().filter(|n| n.is_finite())
}

pub(crate) fn misfit(attr: &Attr, op: Operator, literal: &str) -> RequestError {
    let path = attr.path();
    let data_type = attr.definition().data_type;
    let op = op.as_str();
    RequestError::filter(format!(
        "`{path}` of type {data_type} can't be compared by `{op}` with {literal}"
    ))
}

fn shown(literal: &Literal<'_>) -> String {
    match literal {
        Literal::Bool(truth) => truth.to_string(),
        Literal::Null => "null".to_owned(),
        Literal::Number(text) => excerpt(text),
        Literal::String(text) => format!("`{}`", excerpt(text)),
        Literal::Word(text) => format!("`{}` without quotes", excerpt(text)),
    }
}
