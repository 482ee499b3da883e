//! The compiler from a predicate to SQL.

use std::borrow::Borrow;

use scimkit_core::DataType;
use scimkit_registry::{Attr, AttrId, Operator, Predicate, ResourceType, Scalar};

use crate::{
    ColumnSource, Condition, KeyTable, Layout, Lookup,
    alternatives::{Alternative, alternatives},
};

/// The maximum number of comparisons in SQL. A predicate with more is left to the evaluator, because databases limit
/// the depth of an expression and the number of parameters.
const MAX_COMPARISONS: usize = 64;

/// The maximum number of parameters. A list of values that would exceed it is left to the evaluator.
const MAX_PARAMETERS: usize = 1_024;

/// An estimate of the rows that a condition selects, fewest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    One,
    Few,
    Prefix,
    Range,
    Half,
    Most,
}

/// The SQL for a predicate, or for a weaker condition that the predicate implies.
pub(crate) struct Part {
    /// Whether the SQL is equivalent to the predicate.
    pub(crate) exact: bool,
    /// The predicate as rows to join.
    lookup: Option<Lookup>,
    /// A `SELECT` of the identifiers from which the database can start.
    set: Option<String>,
    /// A condition on the row of the resource.
    test: String,
    weight: Weight,
}

impl Part {
    fn test(test: String, weight: Weight) -> Self {
        Part {
            exact: true,
            lookup: None,
            set: None,
            test,
            weight,
        }
    }

    fn constant(holds: bool) -> Self {
        let (test, weight) = if holds {
            ("1 = 1", Weight::Most)
        } else {
            ("1 = 0", Weight::One)
        };
        Part::test(test.to_owned(), weight)
    }
}

/// The values to which a predicate applies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The values of one element of a complex attribute.
    Element { many: bool },
    /// All values of the resource.
    Resource,
}

pub(crate) struct Compiler<'a> {
    comparisons: usize,
    first: usize,
    kind: &'a ResourceType,
    layout: &'a dyn Layout,
    // INVARIANT: a returned part uses every parameter, because databases reject unused ones.
    parameters: Vec<Scalar>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(kind: &'a ResourceType, layout: &'a dyn Layout, first: usize) -> Self {
        Compiler {
            comparisons: 0,
            first,
            kind,
            layout,
            parameters: Vec::new(),
        }
    }

    /// Compiles one term of a conjunction, or returns `None` if SQL can't narrow the rows by it.
    pub(crate) fn term(&mut self, predicate: &Predicate) -> Option<Part> {
        self.part(predicate, Place::Resource)
    }

    pub(crate) fn finish(self, parts: Vec<Part>) -> Condition {
        let Part {
            lookup,
            set,
            test,
            weight,
            ..
        } = all(parts, self.layout.id());
        let text = driving(set.as_deref(), weight, self.layout.id()).unwrap_or(test);
        Condition {
            lookup,
            parameters: self.parameters,
            text,
        }
    }

    fn part(&mut self, predicate: &Predicate, place: Place) -> Option<Part> {
        let comparisons = self.comparisons;
        let parameters = self.parameters.len();
        let part = self
            .unchecked(predicate, place)
            .filter(|_| self.comparisons <= MAX_COMPARISONS);
        if part.is_none() {
            self.comparisons = comparisons;
            self.parameters.truncate(parameters);
        }
        part
    }

    fn unchecked(&mut self, predicate: &Predicate, place: Place) -> Option<Part> {
        match predicate {
            Predicate::All(terms) => self.conjunction(terms, place),
            Predicate::Any(terms) => {
                let alternatives = alternatives(terms).into_iter();
                let parts: Option<Vec<_>> = alternatives
                    .map(|alternative| match alternative {
                        Alternative::List(attr, values) => self.list(attr, &values, place),
                        Alternative::Term(term) => self.part(term, place),
                    })
                    .collect();
                Some(any(parts?))
            }
            Predicate::Compare { attr, op, value } => self.compare(*attr, *op, value, place),
            Predicate::ElementMatches { attr, inner } => {
                let many = self.kind.attr(*attr).definition().multi_valued;
                self.part(inner, Place::Element { many })
            }
            Predicate::Never => Some(Part::constant(false)),
            // An element without the value would match, and keys do not identify elements.
            Predicate::Not(_) if place != Place::Resource => None,
            Predicate::Not(inner) => {
                let inner = self.part(inner, place).filter(|part| part.exact)?;
                Some(Part::test(format!("NOT ({})", inner.test), Weight::Most))
            }
            Predicate::Present(attr) => self.present(*attr),
        }
    }

    fn conjunction(&mut self, terms: &[Predicate], place: Place) -> Option<Part> {
        if terms.is_empty() {
            return (place == Place::Resource).then(|| Part::constant(true));
        }
        let parts: Vec<_> = terms
            .iter()
            .filter_map(|term| self.part(term, place))
            .collect();
        if parts.is_empty() {
            return None;
        }
        // Two values of one resource may be in different elements.
        let apart = place == Place::Element { many: true } && terms.len() > 1;
        let whole = parts.len() == terms.len() && !apart;
        let part = all(parts, self.layout.id());
        Some(Part {
            exact: part.exact && whole,
            ..part
        })
    }

    fn compare(&mut self, id: AttrId, op: Operator, value: &Scalar, place: Place) -> Option<Part> {
        self.comparisons += 1;
        let attr = self.kind.attr(id);
        if !comparable(attr, value) || (op == Operator::NotEqual && place != Place::Resource) {
            return None;
        }
        match self.layout.source(self.kind, attr)? {
            ColumnSource::Column(column) => {
                let test = self.compare_column(column, op, value)?;
                let weight = weight(attr, op, value);
                let range = weight == Weight::Range && is_order(op);
                let test = if range {
                    self.layout.dialect().rare(test)
                } else {
                    test
                };
                Some(Part::test(test, weight))
            }
            ColumnSource::Nullable(column) => {
                let test = self.compare_column(&column, op, value)?;
                let test = match op {
                    Operator::NotEqual => format!("({column} IS NULL OR {test})"),
                    _ => format!("({column} IS NOT NULL AND {test})"),
                };
                Some(Part::test(test, weight(attr, op, value)))
            }
            ColumnSource::Rows(rows) if op == Operator::NotEqual => {
                self.differs(attr, &rows, value)
            }
            ColumnSource::Rows(rows) => {
                let which = self.which(&rows);
                let test = self.compare_column(&rows.value, op, value)?;
                let condition = joined(&which, &test);
                let weight = weight(attr, op, value);
                let starts = rows.distinct && op == Operator::Equal && weight <= Weight::Few;
                let lookup = starts.then(|| Lookup {
                    condition: condition.clone(),
                    id: rows.id.clone(),
                    table: rows.table.clone(),
                });
                let part = self.rows(&rows, condition, weight);
                Some(Part { lookup, ..part })
            }
        }
    }

    /// Compiles `attr eq` with several values, which counts as one comparison.
    fn list(&mut self, id: AttrId, values: &[&Scalar], place: Place) -> Option<Part> {
        let [first, rest @ ..] = values else {
            return None;
        };
        if rest.is_empty() {
            return self.compare(id, Operator::Equal, first, place);
        }
        self.comparisons += 1;
        let attr = self.kind.attr(id);
        let fits = self.parameters.len() + values.len() <= MAX_PARAMETERS;
        if !fits || !values.iter().all(|value| comparable(attr, value)) {
            return None;
        }
        let weight = weight(attr, Operator::Equal, first);
        match self.layout.source(self.kind, attr)? {
            ColumnSource::Column(column) => Some(Part::test(self.is_among(column, values), weight)),
            ColumnSource::Nullable(column) => {
                let test = self.is_among(&column, values);
                Some(Part::test(
                    format!("({column} IS NOT NULL AND {test})"),
                    weight,
                ))
            }
            ColumnSource::Rows(rows) => {
                let which = self.which(&rows);
                let test = self.is_among(&rows.value, values);
                Some(self.rows(&rows, joined(&which, &test), weight))
            }
        }
    }

    fn is_among(&mut self, column: &str, values: &[impl Borrow<Scalar>]) -> String {
        let values = values.iter().map(Borrow::borrow);
        let numbers: Vec<_> = values.map(|value| self.parameter(value)).collect();
        format!("{column} IN ({})", numbers.join(", "))
    }

    /// Compiles `ne`: the resource has no value, or a different one.
    fn differs(&mut self, attr: &Attr, rows: &KeyTable, value: &Scalar) -> Option<Part> {
        let which = self.which(rows);
        let number = self.parameter(value);
        let parent = attr.parent().map(|id| self.kind.attr(id));
        let many = attr.definition().multi_valued
            || parent.is_some_and(|parent| parent.definition().multi_valued);
        let exists = |condition: &str| self.exists(rows, condition);
        let test = if many {
            let other = joined(&which, &format!("{} <> {number}", rows.value));
            format!("(NOT {} OR {})", exists(&which), exists(&other))
        } else {
            let same = joined(&which, &format!("{} = {number}", rows.value));
            format!("NOT {}", exists(&same))
        };
        Some(Part::test(test, Weight::Most))
    }

    fn present(&mut self, id: AttrId) -> Option<Part> {
        self.comparisons += 1;
        let attr = self.kind.attr(id);
        let text = matches!(
            attr.definition().data_type,
            DataType::Binary | DataType::Reference | DataType::String
        );
        match self.layout.source(self.kind, attr)? {
            ColumnSource::Column(column) if text => {
                Some(Part::test(format!("{column} <> ''"), Weight::Most))
            }
            ColumnSource::Column(_) => Some(Part::constant(true)),
            ColumnSource::Nullable(column) => {
                let filled = if text {
                    format!(" AND {column} <> ''")
                } else {
                    String::new()
                };
                let test = format!("({column} IS NOT NULL{filled})");
                Some(Part::test(test, Weight::Most))
            }
            ColumnSource::Rows(rows) => {
                let which = self.which(&rows);
                let filled = if text {
                    format!("{} <> ''", rows.value)
                } else {
                    String::new()
                };
                Some(self.rows(&rows, joined(&which, &filled), Weight::Most))
            }
        }
    }

    /// Compares a column that has a value of the column's type.
    fn compare_column(&mut self, column: &str, op: Operator, value: &Scalar) -> Option<String> {
        let sign = match op {
            Operator::Contains | Operator::EndsWith | Operator::StartsWith => {
                let Scalar::Text(part) = value else {
                    return None;
                };
                return Some(self.compare_part(column, op, part));
            }
            Operator::Equal => "=",
            Operator::GreaterOrEqual => ">=",
            Operator::GreaterThan => ">",
            Operator::LessOrEqual => "<=",
            Operator::LessThan => "<",
            Operator::NotEqual => "<>",
        };
        Some(format!("{column} {sign} {}", self.parameter(value)))
    }

    fn compare_part(&mut self, column: &str, op: Operator, part: &str) -> String {
        if part.is_empty() {
            // Every text contains the empty text at both ends.
            return String::from("1 = 1");
        }
        let number = self.parameter(&Scalar::Text(part.to_owned()));
        match op {
            Operator::Contains => self.layout.dialect().contains(column, &number),
            Operator::EndsWith => self.layout.dialect().ends_with(column, &number),
            _ => match after_all_with_prefix(part) {
                None => format!("{column} >= {number}"),
                Some(end) => {
                    let end = self.parameter(&Scalar::Text(end));
                    format!("{column} >= {number} AND {column} < {end}")
                }
            },
        }
    }

    fn rows(&self, rows: &KeyTable, condition: String, weight: Weight) -> Part {
        let test = self.exists(rows, &condition);
        let condition = if condition.is_empty() {
            String::from("1 = 1")
        } else {
            condition
        };
        let set = format!("SELECT {} FROM {} WHERE {condition}", rows.id, rows.table);
        Part {
            exact: true,
            lookup: None,
            set: Some(set),
            test,
            weight,
        }
    }

    fn exists(&self, rows: &KeyTable, condition: &str) -> String {
        let own = format!("{} = {}", rows.id, self.layout.id());
        // The limit changes nothing, but without it SQLite 3.51 turns the test into a join, whose pages with an `OFFSET` are wrong.
        format!(
            "EXISTS (SELECT 1 FROM {} WHERE {} LIMIT 1)",
            rows.table,
            joined(condition, &own)
        )
    }

    /// Returns the condition that selects the rows of the attribute.
    fn which(&mut self, rows: &KeyTable) -> String {
        let mut text = String::with_capacity(64);
        for (at, (column, values)) in rows.only.iter().enumerate() {
            if at > 0 {
                text.push_str(" AND ");
            }
            match values.as_slice() {
                [] => text.push_str("1 = 0"),
                [one] => {
                    text.push_str(column);
                    text.push_str(" = ");
                    self.push_parameter(&mut text, one);
                }
                several => text.push_str(&self.is_among(column, several)),
            }
        }
        text
    }

    fn parameter(&mut self, value: &Scalar) -> String {
        let mut text = String::new();
        self.push_parameter(&mut text, value);
        text
    }

    /// Adds a parameter and appends its placeholder to the text.
    fn push_parameter(&mut self, text: &mut String, value: &Scalar) {
        self.parameters.push(value.clone());
        let number = self.first + self.parameters.len() - 1;
        self.layout.dialect().push_placeholder(text, number);
    }
}

/// Joins parts with `AND`. The part that likely selects the fewest rows leads, and the others test its rows.
fn all(mut parts: Vec<Part>, id: &str) -> Part {
    if parts.len() == 1
        && let Some(one) = parts.pop()
    {
        return one;
    }
    let exact = parts.iter().all(|part| part.exact);
    let lead = parts
        .iter()
        .enumerate()
        .min_by_key(|(_, part)| part.weight)
        .map(|(at, _)| at);
    let weight = parts
        .iter()
        .map(|part| part.weight)
        .min()
        .unwrap_or(Weight::Most);
    let texts = parts.into_iter().enumerate().map(|(at, part)| {
        let leads = if Some(at) == lead {
            part.set.as_deref()
        } else {
            None
        };
        driving(leads, part.weight, id).unwrap_or(part.test)
    });
    Part {
        exact,
        lookup: None,
        set: None,
        test: texts.collect::<Vec<_>>().join(" AND "),
        weight,
    }
}

fn any(mut parts: Vec<Part>) -> Part {
    match parts.len() {
        0 => return Part::constant(false),
        1 => {
            if let Some(one) = parts.pop() {
                return one;
            }
        }
        _ => {}
    }
    let exact = parts.iter().all(|part| part.exact);
    let weight = parts
        .iter()
        .map(|part| part.weight)
        .max()
        .unwrap_or(Weight::Most);
    let sets: Option<Vec<_>> = parts.iter().map(|part| part.set.as_deref()).collect();
    let set = sets.map(|sets| sets.join(" UNION ALL "));
    let tests: Vec<_> = parts
        .iter()
        .map(|part| format!("({})", part.test))
        .collect();
    Part {
        exact,
        lookup: None,
        set,
        test: format!("({})", tests.join(" OR ")),
        weight,
    }
}

/// Returns the set as an `IN` condition if it narrows the rows enough to start from it.
fn driving(set: Option<&str>, weight: Weight, id: &str) -> Option<String> {
    set.filter(|_| weight < Weight::Most)
        .map(|set| format!("{id} IN ({set})"))
}

fn weight(attr: &Attr, op: Operator, value: &Scalar) -> Weight {
    match (op, value) {
        (Operator::Equal, Scalar::Bool(_)) => Weight::Half,
        (Operator::Equal, _) => {
            let unique = attr.definition().uniqueness != scimkit_core::Uniqueness::None;
            if unique { Weight::One } else { Weight::Few }
        }
        (Operator::StartsWith, _) => Weight::Prefix,
        (Operator::NotEqual, _) => Weight::Most,
        _ => Weight::Range,
    }
}

fn is_order(op: Operator) -> bool {
    matches!(
        op,
        Operator::GreaterOrEqual
            | Operator::GreaterThan
            | Operator::LessOrEqual
            | Operator::LessThan
    )
}

/// Returns whether the keys of the attribute have the type of the value. An integer and `1.5` differ in type: the
/// evaluator compares them, because it knows how precise numbers are.
fn comparable(attr: &Attr, value: &Scalar) -> bool {
    match attr.definition().data_type {
        DataType::Binary | DataType::Reference | DataType::String => {
            matches!(value, Scalar::Text(_))
        }
        DataType::Boolean => matches!(value, Scalar::Bool(_)),
        DataType::Complex => false,
        DataType::DateTime => matches!(value, Scalar::Instant(_)),
        DataType::Decimal => matches!(value, Scalar::Decimal(_)),
        DataType::Integer => matches!(value, Scalar::Integer(_)),
    }
}

fn joined(a: &str, b: &str) -> String {
    match (a, b) {
        ("", one) | (one, "") => one.to_owned(),
        (a, b) => format!("{a} AND {b}"),
    }
}

/// Returns the smallest text, by code point, that is greater than every text with that prefix.
fn after_all_with_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}
