//! Random queries, compared with the evaluation of every resource.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use scimkit_core::{DataType, message::SortOrder};
use scimkit_registry::{
    AttrEdges, AttrId, AttributeRole, Edge, Meter, Predicate, Resource, ResourceId, ResourceType,
    ResourceView, Scalar,
};
use scimkit_store::{
    CountMode, PagePosition, PageStart, Query, ResourceFacts, Sort, WriteOutcome,
    computed_attributes,
};
use serde_json::{Map, Value, json};

use super::{
    StoreCheck,
    fixture::{Fixture, document, edge_attributes, ensure_eq},
    random::Random,
};

pub(super) const CHECK: StoreCheck = StoreCheck {
    name: "random_queries_are_answered_exactly",
    run: random_queries,
};

fn random_queries(fixture: &Fixture<'_>) -> Result<(), String> {
    const QUERIES: usize = 400;
    fixture.needs_whole_schema()?;
    fixture.needs_ids("random pages can't be compared")?;
    let mut random = Random::new(7);
    let ids = populate(fixture, &mut random)?;
    for kind in [&fixture.user, &fixture.group] {
        let support = fixture.store.support(kind);
        let rows = rows(fixture, kind)?;
        let sortable = sortable(kind);
        for _ in 0..QUERIES {
            let predicate = random.predicate(kind, &ids, 3);
            let sort = random.pick(&sortable).filter(|_| support.sort).copied();
            let order = *random
                .pick(&[SortOrder::Ascending, SortOrder::Descending])
                .unwrap_or(&SortOrder::Ascending);
            let sort = sort
                .filter(|_| random.once_in(2))
                .map(|attr| Sort::new(attr, order));
            let mut query = Query::new(Arc::clone(kind))
                .with_page(0, 1_000)
                .with_sort(sort);
            if support.filter {
                query = query.with_predicate(predicate);
            }
            compare(fixture, &rows, &query)?;
            let start = random.below(rows.len());
            let count = random.below(10);
            let count = u32::try_from(count).unwrap_or(0);
            query = query.with_page(start as u64, count);
            compare(fixture, &rows, &query)?;
            if let Some(row) = random.pick(&rows).filter(|_| support.cursor) {
                // The position of any row, including one that the predicate does not select, as after a change.
                let key = sort.and_then(|sort| sort_key(kind, sort, row));
                let place = PagePosition::new(key, ResourceId::from(row.id.as_str()));
                query = query.with_page_after(place, count);
                compare(fixture, &rows, &query)?;
                compare(fixture, &rows, &query.without_total())?;
            }
        }
    }
    Ok(())
}

/// Creates random users and groups. Some references and memberships have no target.
pub(super) fn populate(fixture: &Fixture<'_>, random: &mut Random) -> Result<Vec<String>, String> {
    const USERS: usize = 60;
    const GROUPS: usize = 12;
    let fixture = fixture.accepting().accepting_cycles();
    let users = (0..USERS).map(|n| format!("u{n:02}"));
    let groups = (0..GROUPS).map(|n| format!("g{n:02}"));
    let ids: Vec<String> = users
        .clone()
        .chain(groups.clone())
        .chain(["nobody".to_owned()])
        .collect();
    for (n, id) in users.enumerate() {
        let name = format!("{}{n}", random.word());
        let mut body = random.body(&fixture.user, &ids);
        body.insert("userName".to_owned(), json!(name));
        fixture.create(random.instant(), &fixture.user, &id, Value::Object(body))?;
    }
    for id in groups {
        let mut members = BTreeMap::new();
        for _ in 0..random.below(8) {
            if let Some(member) = random.pick(&ids) {
                let typed = json!({"value": member, "type": "User"});
                let plain = json!({"value": member});
                members.insert(
                    member.clone(),
                    if random.once_in(3) { typed } else { plain },
                );
            }
        }
        let members: Vec<Value> = members.into_values().collect();
        let body = json!({"displayName": random.word(), "members": members});
        fixture.create(random.instant(), &fixture.group, &id, body)?;
    }
    for n in 0..USERS / 4 {
        let Some(id) = ids.get(n * 3) else { break };
        let change = fixture.setting(&fixture.user, [("nickName", json!(format!("new {n}")))])?;
        fixture.update(random.instant(), id, change, WriteOutcome::Updated)?;
    }
    Ok(ids)
}

/// A resource in the form of an answer.
struct Row {
    computed: Map<String, Value>,
    document: Resource,
    id: String,
}

impl Row {
    fn view(&self) -> ResourceView<'_> {
        ResourceView::with(&self.document, &self.computed)
    }
}

/// Returns every resource of the type with its computed attributes, in the order of the ids.
fn rows(fixture: &Fixture<'_>, kind: &Arc<ResourceType>) -> Result<Vec<Row>, String> {
    let names = display_names(fixture)?;
    let wanted: Vec<AttrId> = kind.attributes().iter().map(|attr| attr.id()).collect();
    let mut rows = Vec::new();
    for id in fixture.ids(&Query::new(Arc::clone(kind)).with_page(0, 1_000))? {
        let stored = fixture.read(kind, &id)?;
        let document = document(&stored)?;
        let mut edges = Vec::new();
        for attr in edge_attributes(kind) {
            let found = fixture.edges(kind, attr, &[&id])?;
            edges.push(AttrEdges {
                attr,
                edges: found.into_iter().flatten().collect(),
            });
        }
        for attr in kind.attributes() {
            if attr.role() == AttributeRole::Reference && attr.parent().is_none() {
                edges.push(AttrEdges {
                    attr: attr.id(),
                    edges: reference(kind, attr.id(), &document, &names),
                });
            }
        }
        let computed = computed_attributes(
            &fixture.context.settings,
            &ResourceFacts::new(kind, &stored, &edges),
            &wanted,
        );
        rows.push(Row {
            computed,
            document,
            id,
        });
    }
    Ok(rows)
}

/// Returns the single edge of a reference to a user.
fn reference(
    kind: &ResourceType,
    attr: AttrId,
    document: &Resource,
    users: &BTreeMap<String, Option<String>>,
) -> Vec<Edge> {
    let value = document
        .get(kind, attr)
        .and_then(|value| value.get("value"));
    let Some(id) = value.and_then(Value::as_str) else {
        return Vec::new();
    };
    let edge = Edge::to(id);
    vec![match users.get(id) {
        None => edge,
        Some(name) => edge
            .with_kind(Some("User".to_owned()))
            .with_display(name.clone()),
    }]
}

fn display_names(fixture: &Fixture<'_>) -> Result<BTreeMap<String, Option<String>>, String> {
    let mut names = BTreeMap::new();
    for id in fixture.ids(&Query::new(Arc::clone(&fixture.user)).with_page(0, 1_000))? {
        let document = document(&fixture.read(&fixture.user, &id)?)?;
        let name = document
            .as_map()
            .get("displayName")
            .and_then(Value::as_str)
            .map(str::to_owned);
        names.insert(id, name);
    }
    Ok(names)
}

/// Returns the attributes by which a request can sort: simple attributes, except those of edges.
fn sortable(kind: &ResourceType) -> Vec<AttrId> {
    let simple = kind.attributes().iter().filter(|attr| {
        let definition = attr.definition();
        let plain = matches!(
            attr.role(),
            AttributeRole::Id | AttributeRole::Meta | AttributeRole::Plain
        );
        plain
            && definition.data_type != DataType::Complex
            && definition.returned != scimkit_core::Returned::Never
    });
    simple.map(|attr| attr.id()).collect()
}

fn compare(fixture: &Fixture<'_>, rows: &[Row], query: &Query) -> Result<(), String> {
    let kind = &query.kind;
    let expected = expected(rows, query);
    let what = || {
        let predicate = query
            .predicate
            .as_ref()
            .map(|predicate| shown(kind, predicate));
        let sort = query
            .sort
            .map(|sort| (kind.attr(sort.attr).path(), sort.order));
        format!("{} where {predicate:?} by {sort:?}", kind.name())
    };
    let start = match &query.start {
        PageStart::After(place) => expected
            .iter()
            .position(|row| comes_after(row, place, query))
            .unwrap_or(expected.len()),
        PageStart::Index(start) => usize::try_from(*start).unwrap_or(usize::MAX),
    };
    let follow = expected.get(start..).unwrap_or_default();
    let page: Vec<_> = follow.iter().take(query.count as usize).collect();
    let ids: Vec<_> = page.iter().map(|row| &row.id).collect();
    let answer = fixture
        .query(query)
        .map_err(|e| format!("{}: {e}", what()))?;
    let found: Vec<_> = answer
        .items
        .iter()
        .map(|stored| stored.id.as_str())
        .collect();
    ensure_eq!(
        found,
        ids,
        "{} after {:?} of {}",
        query.count,
        query.start,
        what()
    );
    let total = (query.total == CountMode::Exact).then_some(expected.len() as u64);
    ensure_eq!(answer.total, total, "the total of {}", what());
    if fixture.store.support(kind).cursor {
        let last = page.last().filter(|_| page.len() < follow.len());
        let key = |row: &Row| sort_key(kind, query.sort?, row);
        let next = last.map(|row| PagePosition::new(key(row), ResourceId::from(row.id.as_str())));
        ensure_eq!(answer.next, next, "the end position of {}", what());
    }
    Ok(())
}

/// Returns all rows that the query selects, in order.
fn expected<'r>(rows: &'r [Row], query: &Query) -> Vec<&'r Row> {
    let kind = &query.kind;
    let holds = |predicate: &Predicate, row: &Row| {
        kind.matches(predicate, row.view(), &Meter::unlimited()) == Ok(true)
    };
    let mut expected: Vec<&Row> = rows
        .iter()
        .filter(|row| {
            query
                .predicate
                .as_ref()
                .is_none_or(|predicate| holds(predicate, row))
        })
        .collect();
    if let Some(sort) = query.sort {
        let mut keyed: Vec<_> = expected
            .into_iter()
            .map(|row| (sort_key(kind, sort, row), row))
            .collect();
        keyed.sort_by(|(a, _), (b, _)| match sort.order {
            SortOrder::Ascending => missing_last(a.as_ref(), b.as_ref()),
            SortOrder::Descending => missing_last(b.as_ref(), a.as_ref()),
        });
        expected = keyed.into_iter().map(|(_, row)| row).collect();
    }
    expected
}

/// Returns whether a row comes after a position, implemented independently.
fn comes_after(row: &Row, place: &PagePosition, query: &Query) -> bool {
    let Some(sort) = query.sort else {
        return row.id.as_str() > place.id.as_str();
    };
    let key = sort_key(&query.kind, sort, row);
    let by_key = match sort.order {
        SortOrder::Ascending => missing_last(key.as_ref(), place.key.as_ref()),
        SortOrder::Descending => missing_last(place.key.as_ref(), key.as_ref()),
    };
    match by_key {
        Ordering::Equal if sort.attr == AttrId::ID => false,
        Ordering::Equal => row.id.as_str() > place.id.as_str(),
        other => other == Ordering::Greater,
    }
}

fn sort_key(kind: &ResourceType, sort: Sort, row: &Row) -> Option<Scalar> {
    let key = kind.sort_key(sort.attr, row.view(), &Meter::unlimited());
    key.ok().flatten()
}

fn missing_last(a: Option<&Scalar>, b: Option<&Scalar>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(b),
        _ => a.is_none().cmp(&b.is_none()),
    }
}

/// Returns a predicate in readable form.
fn shown(kind: &ResourceType, predicate: &Predicate) -> String {
    let list = |terms: &[Predicate], word: &str| {
        let terms: Vec<_> = terms.iter().map(|term| shown(kind, term)).collect();
        format!("({})", terms.join(word))
    };
    match predicate {
        Predicate::All(terms) => list(terms, " and "),
        Predicate::Any(terms) => list(terms, " or "),
        Predicate::Compare { attr, op, value } => {
            format!("{} {} {value:?}", kind.attr(*attr).path(), op.as_str())
        }
        Predicate::ElementMatches { attr, inner } => {
            format!("{}[{}]", kind.attr(*attr).path(), shown(kind, inner))
        }
        Predicate::Never => "never".to_owned(),
        Predicate::Not(inner) => format!("not ({})", shown(kind, inner)),
        Predicate::Present(attr) => format!("{} pr", kind.attr(*attr).path()),
    }
}
