//! Pages with a limit on the bytes of their resources.

use std::sync::Arc;

use scimkit_store::{Overflow, Page, Query};
use serde_json::json;

use super::{
    StoreCheck,
    cursors::{populate, walks, what},
    fixture::{Fixture, ensure, ensure_eq, ids_of, second},
    random::Random,
};

pub(super) const CHECKS: &[StoreCheck] = &[
    StoreCheck {
        name: "page_ends_at_its_byte_limit",
        run: ended,
    },
    StoreCheck {
        name: "page_names_resources_beyond_its_byte_limit",
        run: named,
    },
    StoreCheck {
        name: "edges_count_towards_the_byte_limit_of_a_page",
        run: edges,
    },
    StoreCheck {
        name: "edge_limit_bounds_the_edges_of_each_resource",
        run: limited,
    },
];

const USERS: usize = 24;
/// Limits from one resource per page to all resources.
const SIZES: [u64; 4] = [0, 400, 1_500, u64::MAX];

/// Returns the ids of the resources of a page, which may exceed the limit only if it is a single one.
fn checked(page: &Page, most: u64) -> Result<Vec<String>, String> {
    let bytes: u64 = page
        .items
        .iter()
        .map(|stored| stored.document.text().len() as u64)
        .sum();
    ensure!(
        bytes <= most || page.items.len() == 1,
        "{} resources of {bytes} bytes on a page of {most}",
        page.items.len()
    );
    Ok(page.items.iter().map(|s| s.id.to_string()).collect())
}

fn ended(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_cursor()?;
    populate(fixture, &mut Random::new(31), USERS)?;
    for walk in walks(fixture)? {
        let whole = fixture.ids(&walk)?;
        for most in SIZES {
            for count in [5, 100] {
                let walk = walk.clone().with_max_bytes(most);
                let mut page = fixture.query(&walk.clone().with_page(0, count))?;
                let mut found = Vec::new();
                loop {
                    ensure!(!page.items.is_empty(), "an empty page");
                    ensure!(
                        page.rest.is_empty(),
                        "resources are named although that was not requested"
                    );
                    ensure_eq!(page.total, Some(USERS as u64), "the total");
                    ensure!(page.items.len() <= count as usize, "more than {count}");
                    found.extend(checked(&page, most)?);
                    ensure!(found.len() <= USERS, "the pages do not end");
                    let Some(next) = page.next else { break };
                    page = fixture.query(&walk.clone().with_page_after(next, count))?;
                }
                ensure_eq!(found, whole, "{most} bytes of {}", what(fixture, &walk));
            }
        }
    }
    Ok(())
}

fn named(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_cursor()?;
    fixture.needs_ids("the order of ids is not known")?;
    populate(fixture, &mut Random::new(32), USERS)?;
    for walk in walks(fixture)? {
        let whole = fixture.ids(&walk)?;
        for most in SIZES {
            for (start, count) in [(0, 100), (0, 5), (3, 10), (20, 10), (30, 5), (3, 0)] {
                let walk = walk.clone().with_max_bytes(most);
                let query = walk.with_overflow(Overflow::Name).with_page(start, count);
                let page = fixture.query(&query)?;
                let mut found = checked(&page, most)?;
                if found.is_empty() {
                    ensure!(page.rest.is_empty(), "only named");
                }
                if most == u64::MAX {
                    ensure!(page.rest.is_empty(), "a resource that fits is only named");
                }
                found.extend(page.rest.iter().map(ToString::to_string));
                let skip = usize::try_from(start).unwrap_or(usize::MAX);
                let wanted: Vec<_> = whole.iter().skip(skip).take(count as usize).collect();
                let what = what(fixture, &query);
                ensure_eq!(found.iter().collect::<Vec<_>>(), wanted, "{what}");
                ensure_eq!(page.total, Some(USERS as u64), "the total of {what}");
            }
        }
    }
    Ok(())
}

/// Creates groups with many members each, whose documents alone are small.
fn crews(fixture: &Fixture<'_>, groups: usize, members: usize) -> Result<Query, String> {
    let mut ids = Vec::new();
    for n in 0..members {
        let id = format!("u{n:02}");
        fixture.create(second(0), &fixture.user, &id, json!({"userName": id}))?;
        ids.push(json!({ "value": id }));
    }
    for n in 0..groups {
        let body = json!({"displayName": format!("crew {n}"), "members": ids});
        fixture.create(second(0), &fixture.group, &format!("g{n}"), body)?;
    }
    let members = fixture.attr(&fixture.group, "members")?;
    Ok(Query::new(Arc::clone(&fixture.group)).with_edges(vec![members]))
}

fn edges(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_cursor()?;
    fixture.needs_groups()?;
    let query = crews(fixture, 4, 20)?.with_max_bytes(2_000);
    let page = fixture.query(&query)?;
    ensure_eq!(page.items.len(), 1, "groups of 20 members in 2,000 bytes");
    let next = page.next.ok_or("the page has no end position")?;
    let page = fixture.query(&query.clone().with_page_after(next, 100))?;
    ensure_eq!(page.items.len(), 1, "groups on the second page");
    let page = fixture.query(&query.with_overflow(Overflow::Name))?;
    ensure_eq!(page.rest.len(), 3, "groups that are named");
    Ok(())
}

fn limited(fixture: &Fixture<'_>) -> Result<(), String> {
    fixture.needs_cursor()?;
    fixture.needs_groups()?;
    fixture.needs_ids("the order of edges is not known")?;
    let page = fixture.query(&crews(fixture, 2, 9)?.with_edge_limit(4))?;
    ensure_eq!(page.items.len(), 2, "groups");
    for stored in &page.items {
        let edges = stored.edges.first().map_or(&[][..], |list| &list.edges);
        ensure_eq!(ids_of(edges), ["u00", "u01", "u02", "u03"], "first members");
    }
    let groups = fixture.attr(&fixture.user, "groups")?;
    let query = Query::new(Arc::clone(&fixture.user)).with_edges(vec![groups]);
    let page = fixture.query(&query.with_edge_limit(1))?;
    for stored in &page.items {
        let edges = stored.edges.first().map_or(&[][..], |list| &list.edges);
        ensure_eq!(ids_of(edges), ["g0"], "the first group");
    }
    Ok(())
}
