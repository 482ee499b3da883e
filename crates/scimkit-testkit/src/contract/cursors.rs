//! Pages that start where another ended, whatever is written in between.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use scimkit_core::message::SortOrder;
use scimkit_registry::{ResourceId, Scalar};
use scimkit_store::{
    ExpectedVersion, PagePosition, Query, Sort, StoreError, StoredResource, WriteOp,
};
use serde_json::{Value, json};

use super::{
    StoreCheck,
    fixture::{Fixture, ensure, ensure_eq, said, second},
    random::Random,
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "page_continues_after_a_position",
        run: continued,
    },
    StoreCheck {
        name: "position_is_valid_without_its_resource",
        run: outlived,
    },
    StoreCheck {
        name: "paging_between_writes_misses_and_repeats_nothing",
        run: beside_writes,
    },
    StoreCheck {
        name: "paging_during_parallel_writes_misses_and_repeats_nothing",
        run: beside_a_writer,
    },
];

/// The sort attributes of the walks: with and without an index, single-valued and multi-valued, unique and repeated,
/// optional and required.
const PATHS: [Option<&str>; 8] = [
    None,
    Some("active"),
    Some("emails.value"),
    Some("id"),
    Some("meta.created"),
    Some("name.familyName"),
    Some("title"),
    Some("userName"),
];
const ORDERS: [SortOrder; 2] = [SortOrder::Ascending, SortOrder::Descending];
/// The filters of the walks, all of which select every user here.
const FILTERS: [Option<&str>; 3] = [
    None,
    Some("userName pr"),
    Some(r#"phoneNumbers[type eq "work" and value eq "1"]"#),
];

/// Returns every kind of walk over the users.
pub(super) fn walks(fixture: &Fixture<'_>) -> Result<Vec<Query>, String> {
    let support = fixture.store.support(&fixture.user);
    let mut walks = Vec::new();
    for filter in FILTERS
        .into_iter()
        .filter(|f| f.is_none() || support.filter)
    {
        let mut all = Query::new(Arc::clone(&fixture.user));
        if let Some(filter) = filter {
            all = all.with_predicate(fixture.filter(&fixture.user, filter)?);
        }
        for path in PATHS.into_iter().filter(|p| p.is_none() || support.sort) {
            let orders = if path.is_some() {
                &ORDERS[..]
            } else {
                &[SortOrder::Ascending]
            };
            for order in orders {
                let by =
                    |path| Ok::<_, String>(Sort::new(fixture.attr(&fixture.user, path)?, *order));
                walks.push(all.clone().with_sort(path.map(by).transpose()?));
            }
        }
    }
    Ok(walks)
}

pub(super) fn what(fixture: &Fixture<'_>, query: &Query) -> String {
    let sort = query
        .sort
        .map(|sort| (fixture.user.attr(sort.attr).path(), sort.order));
    format!("users where {:?} by {sort:?}", query.predicate)
}

fn body(random: &mut Random, name: &str) -> Value {
    let mut body = json!({"userName": name, "phoneNumbers": [{"type": "work", "value": "1"}]});
    for (attr, value) in [
        ("active", json!(random.once_in(2))),
        ("emails", json!([{"value": random.word()}])),
        ("name", json!({"familyName": random.word()})),
        ("title", json!(random.word())),
    ] {
        if !random.once_in(3) {
            body.as_object_mut()
                .map(|body| body.insert(attr.to_owned(), value));
        }
    }
    body
}

pub(super) fn populate(
    fixture: &Fixture<'_>,
    random: &mut Random,
    count: usize,
) -> Result<(), String> {
    for n in 0..count {
        let body = body(random, &format!("{}{n}", random_name(n)));
        fixture.create(random.instant(), &fixture.user, &format!("u{n:02}"), body)?;
    }
    Ok(())
}

/// Returns a letter for a name that is not in the order of the numbers.
fn random_name(n: usize) -> char {
    char::from(b'a' + u8::try_from(n * 7 % 26).unwrap_or(0))
}

fn continued(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_cursor()?;
    const USERS: usize = 24;
    populate(fixture, &mut Random::new(21), USERS)?;
    for walk in walks(fixture)? {
        let whole = fixture.query(&walk)?;
        ensure_eq!(
            whole.next,
            None,
            "the end position of all {}",
            what(fixture, &walk)
        );
        let whole: Vec<_> = whole.items.into_iter().map(|stored| stored.id).collect();
        ensure_eq!(whole.len(), USERS, "{}", what(fixture, &walk));
        for count in [1, 5, 8, 23, 24, 25] {
            let mut page = fixture.query(&walk.clone().with_page(0, count))?;
            let mut found = Vec::new();
            loop {
                ensure_eq!(page.total, Some(USERS as u64), "the total of any page");
                found.extend(page.items.into_iter().map(|stored| stored.id));
                ensure!(
                    found.len() <= USERS,
                    "a walk over {} goes on",
                    what(fixture, &walk)
                );
                let Some(next) = page.next else { break };
                page = fixture.query(&walk.clone().with_page_after(next, count))?;
                ensure!(!page.items.is_empty(), "the last page is missing");
            }
            ensure_eq!(
                found,
                whole,
                "{count} at a time of {}",
                what(fixture, &walk)
            );
        }
        let none = fixture.query(&walk.with_page(3, 0))?;
        ensure_eq!(none.next, None, "the end position of an empty page");
    }
    Ok(())
}

fn outlived(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_cursor()?;
    for id in ["u1", "u2", "u4", "u5"] {
        fixture.create(second(1), &fixture.user, id, json!({"userName": id}))?;
    }
    let all = Query::new(Arc::clone(&fixture.user));
    let ids = |query| fixture.ids(&query);
    let place = |id: &str| PagePosition::new(None, ResourceId::from(id));
    ensure_eq!(
        ids(all.clone().with_page_after(place("u2"), 9))?,
        ["u4", "u5"],
        "after the second"
    );
    fixture.delete(second(2), &fixture.user, "u2")?;
    ensure_eq!(
        ids(all.clone().with_page_after(place("u2"), 9))?,
        ["u4", "u5"],
        "after the deleted"
    );
    ensure_eq!(
        ids(all.clone().with_page_after(place("u3"), 9))?,
        ["u4", "u5"],
        "after nobody"
    );
    ensure_eq!(
        ids(all.clone().with_page_after(place(""), 2))?,
        ["u1", "u4"],
        "after nothing"
    );
    ensure_eq!(
        ids(all.clone().with_page_after(place("u5"), 9))?,
        [""; 0],
        "after the last"
    );
    fixture.needs_sort()?;
    let name = fixture.attr(&fixture.user, "userName")?;
    let place = |name: &str, id: &str| {
        let key = Some(Scalar::Text(name.to_owned()));
        PagePosition::new(key, ResourceId::from(id))
    };
    // The resource has another name by now, but the position remains the old one.
    let change = fixture.setting(&fixture.user, [("userName", json!("u9"))])?;
    fixture.update(
        second(3),
        "u4",
        change,
        scimkit_store::WriteOutcome::Updated,
    )?;
    for (order, follow) in [
        (SortOrder::Ascending, ["u5", "u4"].as_slice()),
        (SortOrder::Descending, ["u1"].as_slice()),
    ] {
        let sorted = all.clone().with_sort(Some(Sort::new(name, order)));
        ensure_eq!(
            ids(sorted.with_page_after(place("u4", "u4"), 9))?,
            follow,
            "after its old position"
        );
    }
    Ok(())
}

/// The maximum number of writes during the walks.
const MOST_WRITES: usize = 50_000;
/// The number of users whose sort keys never change.
const STABLE: usize = 40;

fn beside_writes(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_cursor()?;
    let mut random = Random::new(22);
    populate(fixture, &mut random, STABLE)?;
    let mut guests = Guests::default();
    for walk in walks(fixture)? {
        let count = u32::try_from(1 + random.below(9)).unwrap_or(1);
        let found = walked(fixture, &walk, count, || {
            (0..random.below(4)).try_for_each(|_| guests.write(fixture, &mut random))
        })?;
        complete(fixture, &walk, &found)?;
    }
    Ok(())
}

fn beside_a_writer(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_cursor()?;
    let mut random = Random::new(23);
    populate(fixture, &mut random, STABLE)?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut guests = Guests::default();
            for _ in 0..MOST_WRITES {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                guests.write(fixture, &mut random)?;
            }
            Ok::<_, String>(())
        });
        let walk = |(walk, count): (&Query, u32)| {
            let found = walked(fixture, walk, count, || Ok(()))?;
            complete(fixture, walk, &found)
        };
        let read = walks(fixture).and_then(|all| all.iter().zip((1..9).cycle()).try_for_each(walk));
        done.store(true, Ordering::Relaxed);
        let wrote = writer
            .join()
            .unwrap_or_else(|_| Err("the writer panicked".to_owned()));
        read.and(wrote)
    })
}

/// Collects everything that a walk returns, page by page, with other work in between.
fn walked(
    fixture: &Fixture<'_>,
    walk: &Query,
    count: u32,
    mut between: impl FnMut() -> Result<(), String>,
) -> Result<Vec<String>, String> {
    let walk = walk.clone().without_total();
    let mut page = fixture.query(&walk.clone().with_page(0, count))?;
    let mut found = Vec::new();
    loop {
        let id = |stored: &StoredResource| stored.id.to_string();
        ensure!(
            page.items.len() <= count as usize,
            "a page has more than its limit"
        );
        found.extend(page.items.iter().map(id));
        let Some(next) = page.next else {
            return Ok(found);
        };
        between()?;
        page = fixture.query(&walk.clone().with_page_after(next, count))?;
    }
}

/// Fails unless a walk returned each permanent user once, in order.
fn complete(fixture: &Fixture<'_>, walk: &Query, found: &[String]) -> Result<(), String> {
    let stable = |id: &&String| !is_guest(id);
    let all = fixture.ids(&walk.clone().with_page(0, 10_000))?;
    let expected: Vec<_> = all.iter().filter(stable).collect();
    let met: Vec<_> = found.iter().filter(stable).collect();
    ensure_eq!(expected.len(), STABLE, "permanent users");
    ensure_eq!(
        met,
        expected,
        "the permanent users of {}",
        what(fixture, walk)
    );
    Ok(())
}

/// Users that are created, changed and deleted during the walks.
#[derive(Default)]
struct Guests {
    here: BTreeSet<String>,
    made: usize,
}

impl Guests {
    /// Writes once: creates or deletes a guest, changes its sort keys, or changes another attribute of a permanent
    /// user.
    fn write(&mut self, fixture: &Fixture<'_>, random: &mut Random) -> Result<(), String> {
        let here: Vec<_> = self.here.iter().cloned().collect();
        let guest = random.pick(&here).cloned();
        let write = match (random.below(4), guest) {
            (0, Some(guest)) if here.len() > 5 => {
                self.here.remove(&guest);
                let kind = Arc::clone(&fixture.user);
                let expect = ExpectedVersion::Any;
                let id = ResourceId::from(guest);
                WriteOp::Delete { expect, id, kind }
            }
            (1, Some(guest)) => {
                let values = [
                    ("active", json!(random.once_in(2))),
                    ("emails", json!([{"value": random.word()}])),
                    ("title", json!(random.word())),
                ];
                update(&guest, fixture.setting(&fixture.user, values)?)
            }
            (2, _) => {
                let stays = format!("u{:02}", random.below(STABLE));
                let values = [("nickName", json!(random.word()))];
                update(&stays, fixture.setting(&fixture.user, values)?)
            }
            _ if here.len() > 40 => return Ok(()),
            _ => {
                self.made += 1;
                // Before, among and after the permanent users.
                let start = random.pick(&["a", "u0", "u2", "z"]).copied().unwrap_or("a");
                // In no order: a walk would never end if new users always came last.
                let id = format!("{start}-{:02}-{}", random.below(100), self.made);
                let name = format!("{}-{}", random.word(), self.made);
                let body = body(random, &name);
                self.here.insert(id.clone());
                let change = fixture.body(&fixture.user, body)?;
                WriteOp::Create {
                    existing_match: None,
                    change,
                    id: ResourceId::from(id),
                }
            }
        };
        match fixture.attempt(random.instant(), &write)? {
            Ok(_) | Err(StoreError::Duplicate { .. }) => Ok(()),
            Err(error) => Err(said(&error)),
        }
    }
}

fn is_guest(id: &str) -> bool {
    id.contains('-')
}

fn update(id: &str, change: scimkit_registry::Change) -> WriteOp {
    let expect = ExpectedVersion::Any;
    let id = ResourceId::from(id);
    WriteOp::Update { change, expect, id }
}
