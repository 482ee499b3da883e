//! Queries return what the evaluation returns, for any predicate.

use std::sync::Arc;

use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::Config,
};
use scimkit_core::message::SortOrder;
use scimkit_registry::{
    AttrEdges, AttrId, Meter, Operator, Predicate, Registry, Resource, ResourceId, ResourceType,
    ResourceView, Scalar, Tolerance,
};
use scimkit_sqlite::SqliteStore;
use scimkit_store::{
    Batch, EdgeQuery, Query, RequestContext, ResourceFacts, Sort, Store, WriteOp,
    computed_attributes,
};
use serde_json::{Map, Value, json};

use crate::support::{context, second, wait};

/// Characters that are likely to break folding, prefix ranges and SQL's own functions.
const WORDS: [&str; 16] = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "b",
    "%",
    "_b",
    "a\u{0}b",
    "\u{0}",
    "ß",
    "SS",
    "\u{d7ff}",
    "\u{e000}",
    "\u{10ffff}",
    "a\u{10ffff}",
];
const INSTANTS: [&str; 4] = [
    "2024-01-01T00:00:00Z",
    "2024-01-01T01:00:00+01:00",
    "2024-01-01T00:00:00.000001Z",
    "1969-12-31T23:59:59Z",
];
const IDS: [&str; 6] = ["t0", "t1", "t2", "T1", "t10", "nobody"];

/// Returns a type with an attribute of every data type, all of them indexed except `note` and `parts.note`.
fn things() -> RequestContext {
    let schema = r#"{"id": "urn:example:2.0:Thing", "name": "Thing", "attributes": [
        {"name": "displayName", "type": "string"},
        {"name": "code", "type": "string", "caseExact": true},
        {"name": "note", "type": "string"},
        {"name": "tags", "type": "string", "multiValued": true},
        {"name": "size", "type": "integer"},
        {"name": "ratio", "type": "decimal"},
        {"name": "since", "type": "dateTime"},
        {"name": "live", "type": "boolean"},
        {"name": "place", "type": "complex", "subAttributes": [
            {"name": "city", "type": "string"}, {"name": "floor", "type": "integer"}]},
        {"name": "parts", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value", "type": "string"}, {"name": "count", "type": "integer"},
            {"name": "spare", "type": "boolean"}, {"name": "note", "type": "string"}]},
        {"name": "members", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value", "type": "string", "caseExact": true},
            {"name": "display", "type": "string", "mutability": "readOnly"},
            {"name": "type", "type": "string"},
            {"name": "$ref", "type": "reference", "referenceTypes": ["Thing"]}]},
        {"name": "holders", "type": "complex", "multiValued": true, "mutability": "readOnly",
         "subAttributes": [
            {"name": "value", "type": "string", "caseExact": true, "mutability": "readOnly"},
            {"name": "$ref", "type": "reference", "referenceTypes": ["Thing"],
             "mutability": "readOnly"}]}]}"#;
    let kind = r#"{"name": "Thing", "endpoint": "/Things", "schema": "urn:example:2.0:Thing"}"#;
    let builder = Registry::builder().schemas_json(schema).unwrap();
    let mut builder = builder.resource_types_json(kind).unwrap();
    let indexed = [
        "code",
        "tags",
        "size",
        "ratio",
        "since",
        "live",
        "place.city",
        "place.floor",
        "parts.value",
        "parts.count",
        "parts.spare",
    ];
    for path in indexed {
        builder = builder.index("Thing", path);
    }
    let mut context = context(builder.build().unwrap());
    let mut settings = scimkit_store::Settings::clone(&context.settings);
    settings.policy.cycles = scimkit_store::CyclePolicy::Accept;
    settings.policy.unknown_members = scimkit_store::UnknownMemberPolicy::Accept;
    context.settings = Arc::new(settings);
    context
}

/// Mostly one of a few words, so that values coincide.
fn word() -> impl Strategy<Value = String> {
    let pair = (select(&WORDS), select(&WORDS)).prop_map(|(a, b)| format!("{a}{b}"));
    prop_oneof![
        4 => select(vec!["a", "A", "b"]).prop_map(str::to_owned),
        2 => select(&WORDS).prop_map(str::to_owned),
        1 => pair,
    ]
}

/// Generates the value of each attribute of a resource.
fn body() -> impl Strategy<Value = Value> {
    let maybe =
        |value: BoxedStrategy<Value>| prop_oneof![2 => value, 1 => Just(Value::Null)].boxed();
    let text = || word().prop_map(Value::from).boxed();
    let number = || (-2_i64..3).prop_map(Value::from).boxed();
    let part = (
        maybe(text()),
        maybe(number()),
        maybe(any::<bool>().prop_map(Value::from).boxed()),
    )
        .prop_map(|(value, count, spare)| json!({"value": value, "count": count, "spare": spare}));
    let member = select(&IDS).prop_map(|id| json!({"value": id, "type": "Thing"}));
    let simple = (
        maybe(text()),
        maybe(text()),
        maybe(text()),
        maybe(number()),
        maybe(
            select(vec![
                json!(0.5),
                json!(-0.0),
                json!(0),
                json!(1e300),
                json!(2),
            ])
            .boxed(),
        ),
        maybe(select(&INSTANTS).prop_map(Value::from).boxed()),
        maybe(any::<bool>().prop_map(Value::from).boxed()),
    );
    let many = (
        proptest::collection::vec(text(), 0..3),
        (maybe(text()), maybe(number())),
        proptest::collection::vec(part, 0..3),
        proptest::collection::vec(member, 0..3),
    );
    (simple, many).prop_map(|((name, code, note, size, ratio, since, live), many)| {
        let (tags, (city, floor), parts, members) = many;
        json!({
            "displayName": name, "code": code, "note": note, "size": size, "ratio": ratio,
            "since": since, "live": live, "tags": tags, "place": {"city": city, "floor": floor},
            "parts": parts, "members": members,
        })
    })
}

/// The attribute of a level, the operator and the value, from which a predicate is built for a type.
#[derive(Debug, Clone)]
enum Shape {
    All(Vec<Shape>),
    Any(Vec<Shape>),
    Compare(Index, Index, Index, String),
    Element(Index, Box<Shape>),
    Never,
    Not(Box<Shape>),
    Present(Index),
}

fn shape() -> impl Strategy<Value = Shape> {
    let compare = || {
        (any::<Index>(), any::<Index>(), any::<Index>(), word())
            .prop_map(|(attr, op, value, text)| Shape::Compare(attr, op, value, text))
    };
    // A resource may have values that no single element has.
    let together = (any::<Index>(), compare(), compare())
        .prop_map(|(attr, a, b)| Shape::Element(attr, Box::new(Shape::All(vec![a, b]))));
    let leaf = prop_oneof![
        3 => together,
        8 => compare(),
        2 => any::<Index>().prop_map(Shape::Present),
        1 => Just(Shape::Never),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            several().prop_map(Shape::All),
            several().prop_map(Shape::Any),
            inner.clone().prop_map(|inner| Shape::Not(Box::new(inner))),
            (any::<Index>(), inner.clone())
                .prop_map(|(attr, inner)| Shape::Element(attr, Box::new(inner))),
        ]
    })
}

/// Returns the shape as a predicate on a resource, or on an element of a complex attribute.
fn predicate(kind: &ResourceType, shape: &Shape, inside: Option<AttrId>) -> Predicate {
    let each = |shapes: &[Shape]| shapes.iter().map(|s| predicate(kind, s, inside)).collect();
    match shape {
        Shape::All(shapes) => Predicate::All(each(shapes)),
        Shape::Any(shapes) => Predicate::Any(each(shapes)),
        Shape::Compare(attr, op, value, text) => {
            let attr = *attr.get(&simple(kind, inside));
            let (op, value) = comparison(kind, attr, op, value, text);
            Predicate::Compare { attr, op, value }
        }
        Shape::Element(attr, inner) if inside.is_none() => {
            let complex = ["parts", "place", "parts", "members", "holders"];
            let complex = complex.map(|name| kind.attribute_id(name).unwrap());
            let attr = *attr.get(&complex);
            Predicate::ElementMatches {
                attr,
                inner: Box::new(predicate(kind, inner, Some(attr))),
            }
        }
        Shape::Element(_, inner) => predicate(kind, inner, inside),
        Shape::Never => Predicate::Never,
        Shape::Not(inner) => Predicate::Not(Box::new(predicate(kind, inner, inside))),
        Shape::Present(attr) => Predicate::Present(*attr.get(&match inside {
            None => kind.attributes().iter().map(|attr| attr.id()).collect(),
            Some(_) => simple(kind, inside),
        })),
    }
}

fn simple(kind: &ResourceType, inside: Option<AttrId>) -> Vec<AttrId> {
    let complex = |attr: &scimkit_registry::Attr| kind.children(attr.id()).next().is_some();
    let all = kind.attributes().iter().filter(|attr| !complex(attr));
    let here = all.filter(|attr| inside.is_none() || attr.parent() == inside);
    here.map(|attr| attr.id()).collect()
}

/// Returns an operator and a value that binding would accept.
fn comparison(
    kind: &ResourceType,
    attr: AttrId,
    op: &Index,
    value: &Index,
    text: &str,
) -> (Operator, Scalar) {
    use scimkit_core::DataType as Type;
    let equality = [Operator::Equal, Operator::NotEqual];
    let order = [
        Operator::Equal,
        Operator::NotEqual,
        Operator::GreaterOrEqual,
        Operator::GreaterThan,
        Operator::LessOrEqual,
        Operator::LessThan,
    ];
    let parts = [Operator::Contains, Operator::EndsWith, Operator::StartsWith];
    let attr = kind.attr(attr);
    match attr.definition().data_type {
        Type::Boolean => (*op.get(&equality), Scalar::Bool(*value.get(&[false, true]))),
        Type::DateTime => {
            let text = *value.get(&[
                INSTANTS[0],
                INSTANTS[2],
                INSTANTS[3],
                "2023-11-14T22:13:20Z",
            ]);
            (*op.get(&order), Scalar::of(attr, &json!(text)).unwrap())
        }
        Type::Decimal => (
            *op.get(&order),
            Scalar::Decimal(*value.get(&[0.0, 0.5, -0.0, 1e300])),
        ),
        Type::Integer => {
            let values = [
                Scalar::Integer(0),
                Scalar::Integer(-1),
                Scalar::Decimal(0.5),
            ];
            (*op.get(&order), value.get(&values).clone())
        }
        _ => {
            let all: Vec<_> = order.into_iter().chain(parts).collect();
            let known = matches!(attr.name(), "id" | "value") && value.index(2) == 0;
            let text = if known { *value.get(&IDS) } else { text };
            (*op.get(&all), Scalar::text(attr, text))
        }
    }
}

/// The resources of one case, with what the evaluator needs of each.
struct Stocked {
    kind: Arc<ResourceType>,
    context: RequestContext,
    store: SqliteStore,
    views: Vec<(String, Resource, Map<String, Value>)>,
}

fn stock(bodies: Vec<Value>) -> Stocked {
    let context = things();
    let kind = Arc::clone(context.settings.registry.resource_type("Thing").unwrap());
    let store = SqliteStore::in_memory().unwrap();
    for (n, body) in bodies.into_iter().enumerate() {
        let body = kind.admit(body, &Tolerance::DEFAULT).unwrap();
        let change = scimkit_registry::Change::create(Arc::clone(&kind), body);
        let id = ResourceId::from(IDS[n]);
        let at = second(i64::try_from(n).unwrap() / 2);
        let batch = Batch::new(
            at,
            vec![WriteOp::Create {
                change,
                existing_match: None,
                id,
            }],
        );
        wait(store.write(&context, batch))
            .unwrap()
            .pop()
            .unwrap()
            .unwrap();
    }
    let page = wait(store.query(&context, &Query::new(Arc::clone(&kind)))).unwrap();
    let all: Vec<_> = kind.attributes().iter().map(|attr| attr.id()).collect();
    let mut views = Vec::new();
    for stored in page.items {
        let document = stored.document.tree().unwrap().into_owned();
        let edges: Vec<AttrEdges> = ["members", "holders"]
            .map(|name| {
                let attr = kind.attribute_id(name).unwrap();
                let query = EdgeQuery::new(Arc::clone(&kind), attr, vec![stored.id.clone()]);
                AttrEdges {
                    attr,
                    edges: wait(store.edges(&context, &query)).unwrap().pop().unwrap(),
                }
            })
            .into();
        let made = computed_attributes(
            &context.settings,
            &ResourceFacts::new(&kind, &stored, &edges),
            &all,
        );
        views.push((stored.id.to_string(), document, made));
    }
    Stocked {
        kind,
        context,
        store,
        views,
    }
}

impl Stocked {
    /// Returns the ids that the evaluator selects, in the order of its sort keys.
    fn expected(&self, predicate: &Predicate, sort: Option<Sort>) -> Vec<&str> {
        let mut found: Vec<_> = self
            .views
            .iter()
            .map(|(id, document, made)| (id.as_str(), ResourceView::with(document, made)))
            .filter(|(_, view)| {
                self.kind
                    .matches(predicate, *view, &Meter::unlimited())
                    .unwrap()
            })
            .map(|(id, view)| {
                (
                    sort.and_then(|s| {
                        self.kind
                            .sort_key(s.attr, view, &Meter::unlimited())
                            .unwrap()
                    }),
                    id,
                )
            })
            .collect();
        let down = sort.is_some_and(|sort| sort.order == SortOrder::Descending);
        found.sort_by(|(a, x), (b, y)| {
            let (first, then) = if down { (b, a) } else { (a, b) };
            let missing = first.is_none().cmp(&then.is_none());
            missing.then_with(|| first.cmp(then)).then_with(|| x.cmp(y))
        });
        found.into_iter().map(|(_, id)| id).collect()
    }

    fn ask(&self, query: &Query) -> (Vec<String>, Option<u64>) {
        let page = wait(self.store.query(&self.context, query)).unwrap();
        (
            page.items
                .iter()
                .map(|stored| stored.id.to_string())
                .collect(),
            page.total,
        )
    }
}

proptest! {
    #![proptest_config(Config { cases: 64, ..Config::default() })]

    #[test]
    fn query_equals_the_evaluation(
        bodies in proptest::collection::vec(body(), 1..=5),
        shapes in proptest::collection::vec((shape(), any::<Index>(), any::<bool>()), 24),
        (start, count) in (0_u64..4, 0_u32..4),
    ) {
        let stocked = stock(bodies);
        for (shape, by, down) in &shapes {
            let predicate = predicate(&stocked.kind, shape, None);
            let order = if *down { SortOrder::Descending } else { SortOrder::Ascending };
            let attrs = simple(&stocked.kind, None);
            let sort = Some(Sort::new(*by.get(&attrs), order));
            for sort in [None, sort] {
                let all = stocked.expected(&predicate, sort);
                let query = Query::new(Arc::clone(&stocked.kind)).with_predicate(predicate.clone());
                let query = query.with_sort(sort);
                let (ids, total) = stocked.ask(&query);
                prop_assert_eq!(&ids, &all, "{:?} by {:?}", predicate, sort);
                prop_assert_eq!(total, Some(all.len() as u64));
                let skip = usize::try_from(start).unwrap();
                let take = usize::try_from(count).unwrap();
                let page: Vec<_> = all.iter().skip(skip).take(take).copied().collect();
                let (ids, total) = stocked.ask(&query.clone().with_page(start, count));
                prop_assert_eq!((&ids, total), (&page.iter().map(|id| (*id).to_owned()).collect(), Some(all.len() as u64)));
                let (ids, total) = stocked.ask(&query.with_page(start, count).without_total());
                prop_assert_eq!((ids, total), (page.iter().map(|id| (*id).to_owned()).collect(), None));
            }
        }
    }
}
